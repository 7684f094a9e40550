"""The lifespan of an ASGI app: it begins once, with the first request, and lasts as long as the worker."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from .asgi import VERSIONS, App, Message

log = logging.getLogger("funchost")

_NO_ANSWER = (
    "the app ended without an answer to lifespan.startup. An app without a lifespan has to answer it too, with "
    "lifespan.startup.complete."
)


class LifespanFailed(Exception):
    """The app did not start, so it takes no request."""


class Lifespan:
    """Starts one app. As in Azure, one that does not answer the startup event cannot be served."""

    def __init__(self, app: App) -> None:
        self._app = app
        #: What the app keeps there at its startup; each request gets a copy.
        self.state: dict[str, Any] = {}
        self._answer: asyncio.Future[None] | None = None
        self._running: asyncio.Task[None] | None = None

    async def started(self) -> None:
        """Return once the app is started. Raises `LifespanFailed`; the next request then tries again."""
        if self._answer is None:
            loop = asyncio.get_running_loop()
            self._answer = loop.create_future()
            self._running = loop.create_task(self._run(self._answer))
        # Others wait for the same answer: it outlives a request that is cancelled.
        await asyncio.shield(self._answer)

    async def _run(self, answer: asyncio.Future[None]) -> None:
        """Run the app for its lifespan; `answer` gets what it says to the startup event."""
        self.state.clear()
        events: asyncio.Queue[Message] = asyncio.Queue()
        events.put_nowait({"type": "lifespan.startup"})

        async def send(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete" and not answer.done():
                answer.set_result(None)
            elif message["type"] == "lifespan.startup.failed":
                self._fail(answer, str(message.get("message", "")), None)

        try:
            await self._app({"type": "lifespan", "asgi": {**VERSIONS}, "state": self.state}, events.get, send)
            self._fail(answer, _NO_ANSWER, None)
        except BaseException as error:
            # sys.exit() too: one app's must not be the worker's.
            self._fail(answer, _NO_ANSWER, error)

    def _fail(self, answer: asyncio.Future[None], reason: str, error: BaseException | None) -> None:
        if not answer.done():
            self._answer = None
            failure = LifespanFailed(f"ASGI middleware startup failed: {reason}")
            failure.__cause__ = error
            answer.set_exception(failure)
        elif error is not None and answer.exception() is None:
            log.error("The lifespan of the ASGI app ended with an error.", exc_info=error)
