"""What a function returns where somebody waits for it, and where nobody does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from workers import App, run

from funchost.triggers.descriptor import Binding

_QUEUE = Binding(type="queue", name="$return", direction="out", fields={"queueName": "next"})


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    app = App(tmp_path)
    yield app
    await app.close()


@pytest.mark.parametrize(
    ("code", "kind", "body"),
    [
        ("def main(msg: str):\n    return {'a': 1}\n", "json", b'{"a":1}'),
        ("def main(msg: str) -> str:\n    return msg\n", "text", b"why"),
        ("async def main(msg: str) -> bytes:\n    return b'x'\n", "bytes", b"x"),
        ("def main(msg: str):\n    return 7\n", "json", b"7"),
        ("def main(msg: str, context):\n    return context.invocation_id\n", "text", b"one"),
        ("def main(msg: str) -> None:\n    pass\n", "none", b""),
    ],
)
async def test_a_value_without_a_binding_is_the_result(app: App, code: str, kind: str, body: bytes) -> None:
    worker = await app.worker(app.function("talk", code))
    result = await run(worker, "talk", b"why", replies=True)
    assert (result.error, result.kind, result.body) == (None, kind, body)


async def test_a_value_that_goes_to_a_queue_is_the_result_as_well(app: App) -> None:
    code = "def main(msg: str) -> str:\n    return msg\n"
    worker = await app.worker(app.function("talk", code, bindings=(_QUEUE,)))
    result = await run(worker, "talk", b"why", replies=True)
    assert (result.kind, result.body) == ("text", b"why")
    assert result.outputs == [("$return", "text", b"why")]
    alone = await run(worker, "talk", b"why")
    assert (alone.kind, alone.outputs) == ("none", result.outputs)


async def test_where_nobody_waits_a_value_needs_a_binding(app: App) -> None:
    worker = await app.worker(app.function("talk", "def main(msg: str):\n    return 'lost'\n"))
    result = await run(worker, "talk")
    assert result.error
    assert "no output '$return' for it" in result.error.message


async def test_what_cannot_be_a_reply_fails_the_run(app: App) -> None:
    worker = await app.worker(app.function("talk", "def main(msg: str):\n    return object()\n"))
    result = await run(worker, "talk", replies=True)
    assert result.error
    assert "The reply takes" in result.error.message
