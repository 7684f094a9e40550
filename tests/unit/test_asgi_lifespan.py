"""The lifespan of an ASGI app: once, and what becomes of requests when it fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from funchost.host.worker.asgi import Receive, Scope, Send
from funchost.host.worker.asgi_lifespan import Lifespan, LifespanFailed

Script = Callable[[Scope, Receive, Send], Awaitable[None]]


class App:
    """Runs one script for each lifespan, and counts them."""

    def __init__(self, *scripts: Script) -> None:
        self._scripts = scripts
        self.lifespans = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "lifespan"
        self.lifespans += 1
        assert await receive() == {"type": "lifespan.startup"}
        await self._scripts[self.lifespans - 1](scope, receive, send)


async def starts(scope: Scope, receive: Receive, send: Send) -> None:
    scope["state"]["pool"] = "open"
    await send({"type": "lifespan.startup.complete"})
    await receive()


async def fails(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "lifespan.startup.failed", "message": "no database"})
    raise OSError("no database")


async def breaks(scope: Scope, receive: Receive, send: Send) -> None:
    raise OSError("not for lifespans")


async def leaves(scope: Scope, receive: Receive, send: Send) -> None:
    raise SystemExit(1)


async def ignores(scope: Scope, receive: Receive, send: Send) -> None:
    """Returns without an answer."""


async def test_requests_that_come_together_start_the_app_once() -> None:
    app = App(starts)
    lifespan = Lifespan(app)

    await asyncio.gather(*[lifespan.started() for _ in range(5)])
    await lifespan.started()

    assert app.lifespans == 1
    assert lifespan.state == {"pool": "open"}


async def test_a_request_that_goes_away_does_not_break_the_startup_off() -> None:
    gate = asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await gate.wait()
        await starts(scope, receive, send)

    app = App(slow)
    lifespan = Lifespan(app)
    first = asyncio.create_task(lifespan.started())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait({first})
    gate.set()
    await lifespan.started()

    assert app.lifespans == 1


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (fails, "no database"),
        (breaks, "without an answer"),
        (leaves, "without an answer"),
        (ignores, "without an answer"),
    ],
)
async def test_a_startup_that_fails_is_told_and_tried_again(script: Script, reason: str) -> None:
    app = App(script, starts)
    lifespan = Lifespan(app)

    with pytest.raises(LifespanFailed, match=f"ASGI middleware startup failed: .*{reason}"):
        await lifespan.started()
    await lifespan.started()

    assert app.lifespans == 2


async def test_the_cause_of_a_failed_startup_is_kept() -> None:
    with pytest.raises(LifespanFailed) as caught:
        await Lifespan(App(breaks)).started()

    assert isinstance(caught.value.__cause__, OSError)


async def test_an_error_after_the_startup_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    gate = asyncio.Event()

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "lifespan.startup.complete"})
        await gate.wait()
        raise OSError("too late")

    lifespan = Lifespan(App(late))
    await lifespan.started()
    with caplog.at_level(logging.ERROR):
        gate.set()
        for _ in range(5):
            await asyncio.sleep(0)

    assert "The lifespan of the ASGI app ended with an error." in caplog.text
