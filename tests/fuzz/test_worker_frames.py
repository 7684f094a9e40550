"""Frames that are none: from a worker into the host, which ends that worker and goes on, and the other way round."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fuzz.fuzzing import ROUNDS, chance
from workers import App, call, collect, run, within

from funchost.bindings.errors import FunchostError
from funchost.host.worker.protocol import frame
from funchost.host.workers import worker_process
from funchost.host.workers.call import IndexFailed
from funchost.host.workers.child import ChildProcess
from funchost.host.workers.worker_process import WorkerProcess
from funchost.host.workers.worker_settings import WorkerSettings

#: Well-formed frames of every type; `id` 1 is in flight, a streamed one too.
_FRAMES: tuple[dict[str, Any], ...] = (
    {"type": "ready", "protocol": 1, "pid": 7, "version": "3.11"},
    {"type": "indexed", "functions": []},
    {"type": "indexed", "error": {"type": "E", "message": "m", "traceback": "t"}},
    {"type": "loaded", "function": "f", "ok": False, "error": {"type": "E", "message": "m"}},
    {"type": "loaded", "function": "f", "ok": True, "asynchronous": False, "contentOnly": True},
    {"type": "result", "id": 1, "kind": "text"},
    {"type": "result", "id": 1, "kind": "http", "data": {"status": 200, "headers": [["a", "b"]]}},
    {"type": "result", "id": 1, "kind": "stream", "data": {}, "lingers": True},
    {"type": "result", "id": 1, "kind": "none", "error": {"type": "E", "message": "m", "traceback": "t"}},
    {"type": "result", "id": 1, "kind": "text", "outputs": [{"name": "o", "kind": "text"}], "sizes": [1, 1]},
    {"type": "done", "id": 1},
    {"type": "chunk", "id": 1, "end": True},
    {"type": "chunk", "id": 1, "end": True, "error": {"message": "m", "type": "E"}},
    {"type": "credit", "id": 1, "bytes": 5},
    {"type": "running", "id": 1, "elapsed": 0.5},
    {"type": "log", "invocation": "one", "level": "info", "logger": "l", "stream": "stdout", "system": True},
    {"type": "dying", "id": 1},
    {"type": "pong"},
    {"type": "something new", "id": 1},
)

_ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**63, 2**80, -(2**70), 1.5, 1e308, "", "text", "\0", "\ud800", "1", [], {},
    [[]], [None], ["a", 1], {"a": {}}, {"type": 5}, [{"name": 1}], [-5, 5], "result", "ready", "x" * 1000,
)  # fmt: skip


class Side:
    """A worker process of which only the stream is there, and the end of it in a test's hands."""

    pid = 7

    def __init__(self, stream: socket.socket) -> None:
        self.stream = stream
        loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[int] = loop.create_future()
        self.silent: asyncio.Future[None] = loop.create_future()

    def kill(self) -> None:
        """The end, as if by a signal."""
        if not self.exited.done():
            self.exited.set_result(-9)
            self.silent.set_result(None)
            self.stream.close()

    def close(self) -> None:
        """Nothing more is read."""

    def say(self, data: bytes) -> None:
        """Send bytes to the host, as far as it still takes them."""
        try:
            self.stream.sendall(data)
        except OSError:
            assert self.exited.done() or self.stream.fileno() >= 0


@pytest.fixture
async def complaints() -> AsyncIterator[list[str]]:
    """What the loop complained of, which must be nothing."""
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(repr(context)))
    yield told
    assert told == []


async def started(monkeypatch: pytest.MonkeyPatch, root: Path) -> tuple[WorkerProcess, Side]:
    """A worker that says it is ready, and the other end of its stream."""
    sides: list[Side] = []

    async def start(*_: object, inherited: int, **__: object) -> Side:
        sides.append(Side(socket.socket(fileno=os.dup(inherited))))
        sides[0].say(raw({"type": "ready", "protocol": 1, "pid": 7, "version": "3.11"}))
        return sides[0]

    monkeypatch.setattr(ChildProcess, "start", start)
    monkeypatch.setattr(worker_process, "END_TIMEOUT", 0.05)
    worker = WorkerProcess(WorkerSettings(root=root, python=Path(sys.executable)), lambda header, text: None)
    await within(worker.start())
    return worker, sides[0]


def raw(header: object, body: bytes = b"") -> bytes:
    """A frame with this header, whatever it is."""
    return b"".join(frame(json.dumps(header).encode(), body))


def odd_frame(luck: Random) -> bytes:
    """A frame in which something is wrong, or not."""
    header = json.loads(json.dumps(luck.choice(_FRAMES)))
    for _ in range(luck.randrange(3)):
        key = luck.choice([*header, "data", "error", "sizes"])
        if luck.random() < 0.3:
            header.pop(key, None)
        else:
            header[key] = luck.choice(_ODD)
    body = luck.choice((b"", b"ab", b"\xff\xfe", b"x" * 5000))
    data = bytearray(raw(luck.choice(_ODD) if luck.random() < 0.05 else header, body))
    if luck.random() < 0.2:
        for _ in range(luck.randrange(1, 4)):
            data[luck.randrange(len(data))] = luck.randrange(256)
    if luck.random() < 0.05:
        data += luck.randbytes(luck.randrange(40))
    return bytes(data)


async def test_whatever_a_worker_sends_its_invocations_have_an_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, complaints: list[str]
) -> None:
    luck = chance("frames")
    ends = set()
    for _ in range(150 * ROUNDS):
        worker, side = await started(monkeypatch, tmp_path)
        future = worker.invoke(call("f", timeout=30.0))
        sent = [odd_frame(luck) for _ in range(luck.randrange(1, 8))]
        for data in sent:
            side.say(data)
        if luck.random() < 0.5:
            await asyncio.sleep(0)
        side.say(raw({"type": "result", "id": 1, "kind": "text"}))
        side.stream.close()
        ends.add(await ending(future))
        await within(worker.stop(), 5)
        reason = worker.ended.result()
        assert complaints == [], sent
        ends.add("offence" if "did not keep to the protocol" in reason else "end")
    assert ends == {"result", "lost", "offence", "end"}


async def ending(future: asyncio.Future[Any]) -> str:
    """How an invocation ended: it must."""
    try:
        result = await within(future, 5)
    except FunchostError:
        return "lost"
    if not isinstance(result.body, bytes):
        await result.body.aclose()
    return "result"


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        struct.pack(">II", 2**32 - 1, 0),
        b"".join(frame(b"\xff\xfe")),
        b"".join(frame(b"[" * 100_000)),
        b"".join(frame(b"{" + b'"a":{' * 20_000)),
        b"".join(frame(b"")),
        raw([]),
        raw({}),
        raw({"type": "result", "id": 1}),
        raw({"type": "result", "id": [1], "kind": "text"}),
        raw(
            {
                "type": "result",
                "id": 1,
                "kind": "text",
                "outputs": [{"name": "o", "kind": "text"}],
                "sizes": [1],
            }
        ),
        raw({"type": "result", "id": 1, "kind": "text", "error": {"type": "E"}}),
        raw({"type": "result", "id": 1, "kind": "text", "wrote": 5}),
        raw({"type": "log", "level": 5}),
        raw({"type": "running", "id": 1, "elapsed": "long"}),
        raw({"type": "dying"}),
    ],
)
async def test_a_worker_that_does_not_keep_to_the_protocol_is_ended_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, complaints: list[str], data: bytes
) -> None:
    worker, side = await started(monkeypatch, tmp_path)
    future = worker.invoke(call("f"))
    side.say(data)
    assert await ending(future) == "lost"
    assert "did not keep to the protocol" in await within(worker.ended)
    assert side.exited.done()


async def test_a_stream_that_is_sent_faster_than_it_is_taken_ends_its_worker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, complaints: list[str]
) -> None:
    worker, side = await started(monkeypatch, tmp_path)
    future = worker.invoke(call("f"))
    side.say(raw({"type": "result", "id": 1, "kind": "stream"}))
    result = await within(future)
    side.stream.settimeout(1)
    for _ in range(40):
        await asyncio.to_thread(side.say, raw({"type": "chunk", "id": 1}, b"x" * 65536))
    assert "more of a stream" in await within(worker.ended)
    with pytest.raises(ConnectionError):
        await collect(result)


async def test_an_index_that_is_none_takes_no_more_than_its_worker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, complaints: list[str]
) -> None:
    refused: list[Any] = [5, [5], [{}], [{"name": 1}], None]
    for functions in refused:
        worker, side = await started(monkeypatch, tmp_path)
        asked = asyncio.ensure_future(worker.index(tmp_path / "function_app.py"))
        await asyncio.sleep(0)
        side.say(raw({"type": "indexed", "functions": functions}))
        with pytest.raises(IndexFailed, match="did not keep to the protocol"):
            await within(asked)


# -- from the host into a worker


def garbage(luck: Random) -> Iterable[bytes]:
    """Frames that a host would never send."""
    for _ in range(luck.randrange(1, 5)):
        header: dict[str, Any] = {
            "type": luck.choice(
                (
                    "init",
                    "index",
                    "load",
                    "invoke",
                    "chunk",
                    "abort",
                    "credit",
                    "cancel",
                    "ping",
                    "drain",
                    5,
                    None,
                )
            )
        }
        for key in ("id", "function", "kind", "data", "sizes", "root", "reason", "bytes", "stream", "inputs"):
            if luck.random() < 0.4:
                header[key] = luck.choice(_ODD)
        yield raw(header, luck.choice((b"", b"ab", b"\xff")))
    if luck.random() < 0.3:
        yield luck.randbytes(30)


async def test_a_worker_that_is_sent_garbage_ends_or_goes_on_but_never_hangs(tmp_path: Path) -> None:
    luck = chance("garbage")
    app = App(tmp_path)
    function = app.function("echo", "def main(msg: str) -> str:\n    return msg\n")
    for _ in range(8 * ROUNDS):
        worker = WorkerProcess(app.settings(), app.on_log)
        await within(worker.start())
        assert await within(worker.load(function)) is None
        transport = worker._channel._transport
        assert transport is not None
        transport.write(b"".join(garbage(luck)))
        try:
            answer = await run(worker, "echo", b"hello")
            assert answer.body in (b"hello", b"")
        except FunchostError:
            assert worker.ended.done() or not worker.alive
        finally:
            await within(worker.stop())
