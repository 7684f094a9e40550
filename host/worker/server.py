"""The worker process: reads frames, runs what they ask for, writes what came of it."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import json
import os
import sys
import threading
from collections import deque
from typing import Any

from . import audit, loader, logs
from .invocation import Invocation, describe
from .loader import LoadedFunction
from .protocol import STREAM_WINDOW, VERSION, FrameParser, frame, split
from .streams import Credit, IncomingStream
from .threads import WorkThreads, default_count

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False).encode

#: Threads that print faster than the host reads wait while this many bytes are on their way.
_MOST_PENDING = 8 * 1024 * 1024


class WorkerServer(asyncio.Protocol):
    """Serves one host on one stream until it ends."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._parser = FrameParser()
        self._functions: dict[str, LoadedFunction] = {}
        self._invocations: dict[int, Invocation] = {}
        self._threads = WorkThreads(default_count())
        self._tasks: set[asyncio.Task[None]] = set()
        self._outbox: deque[tuple[dict[str, Any], tuple[bytes, ...]]] = deque()
        self._pending = 0
        self._room = threading.Condition()
        self._blocked = 0
        self._flushing = False
        self._draining = False
        self._handlers = {
            "init": self._init,
            "load": self._load,
            "invoke": self._invoke,
            "chunk": self._chunk,
            "abort": self._abort,
            "credit": self._credit,
            "cancel": self._cancel,
            "ping": self._ping,
            "drain": self._drain,
        }
        self.root = ""

    # -- the stream

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def connection_lost(self, error: Exception | None) -> None:
        # The host is gone: nobody would settle what is still running.
        _exit(0)

    def data_received(self, data: bytes) -> None:
        for header, body in self._parser.feed(data):
            fields = json.loads(header)
            handler = self._handlers.get(fields["type"])
            if handler:
                handler(fields, body)

    def pause_writing(self) -> None:
        """Nothing to do: what threads may have on its way is bounded by `_MOST_PENDING`."""

    def send(self, header: dict[str, Any], *body: bytes) -> None:
        """Send a frame; may be called from any thread. Frames leave in the order of the calls."""
        size = sum(map(len, body))
        if self._pending > _MOST_PENDING and threading.get_ident() != self._loop_thread:
            with self._room:
                self._blocked += 1
                self._room.wait_for(lambda: self._pending <= _MOST_PENDING, timeout=30)
                self._blocked -= 1
        self._pending += size
        self._outbox.append((header, body))
        # One wake-up for all that is ready by the time the loop gets to it.
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon_threadsafe(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        pieces: list[bytes] = []
        outbox = self._outbox
        while outbox:
            header, body = outbox.popleft()
            self._pending -= sum(map(len, body))
            if (header["type"] == "result" and header["kind"] != "stream") or header.get("end"):
                self._over(header["id"])
            pieces += frame(_encode(header).encode("utf-8", "replace"), *body)
        if pieces:
            self._transport.writelines(pieces)
        if self._blocked:
            with self._room:
                self._room.notify_all()
        if self._draining and not self._invocations:
            self._leave()

    # -- frames

    def _init(self, header: dict[str, Any], _: bytes) -> None:
        self.root = header["root"]
        self._threads = WorkThreads(header.get("threads") or default_count())
        logs.install(self._log, debug=bool(header.get("debug")))
        loader.prepare(self.root)
        if header.get("watched"):
            audit.install(header["watched"], self._wrote)
        _announce_exits(self)
        self.send(
            {"type": "ready", "protocol": VERSION, "pid": os.getpid(), "version": sys.version.split()[0]}
        )

    def _load(self, header: dict[str, Any], _: bytes) -> None:
        name = header["function"]["name"]
        try:
            function = loader.load(header["function"], self.root)
        except BaseException as error:
            self.send({"type": "loaded", "function": name, "ok": False, "error": describe(error)})
            return
        self._functions[name] = function
        # What loading made stays: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        self.send({"type": "loaded", "function": name, "ok": True, "asynchronous": function.asynchronous})

    def _invoke(self, header: dict[str, Any], body: bytes) -> None:
        function = self._functions[header["function"]]
        invocation = Invocation(function, header, self.send, self._stream_result)
        self._invocations[invocation.id] = invocation
        value, *inputs = split(body, header.get("sizes"))
        if header.get("stream"):
            self._invoke_streamed(invocation, inputs)
        else:
            self._start(invocation, value, inputs)

    def _start(self, invocation: Invocation, value: Any, inputs: list[bytes]) -> None:
        context = contextvars.copy_context()
        if invocation.function.asynchronous:
            self._run_task(invocation, invocation.run_async(value, inputs), context)
        else:
            self._threads.submit(lambda: context.run(invocation.run, value, inputs))

    def _invoke_streamed(self, invocation: Invocation, inputs: list[bytes]) -> None:
        def consumed(size: int) -> None:
            self.send({"type": "credit", "id": invocation.id, "bytes": size})

        stream = invocation.stream = IncomingStream(self._loop, consumed)
        if invocation.function.needs_stream:
            value = stream if invocation.function.asynchronous else stream.reader()
            self._start(invocation, value, inputs)
            return

        async def collect() -> None:
            try:
                value = await stream.collect()
            except BaseException as error:
                self.send({"type": "result", "id": invocation.id, "kind": "none", "error": describe(error)})
                return
            self._start(invocation, value, inputs)

        self._run_task(None, collect(), contextvars.copy_context())

    def _run_task(self, invocation: Invocation | None, work: Any, context: contextvars.Context) -> None:
        task = self._loop.create_task(work, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if invocation:
            invocation.credit = Credit(STREAM_WINDOW)
            invocation.task = task

    def _stream_result(self, invocation: Invocation, result: Any) -> None:
        self._loop.call_soon_threadsafe(self._send_stream, invocation, result)

    def _send_stream(self, invocation: Invocation, result: Any) -> None:
        # From here on it is a task's matter: its thread is free.
        self._threads.done()
        self._run_task(invocation, invocation.send_stream(result), contextvars.copy_context())

    def _over(self, id_: int) -> None:
        invocation = self._invocations.pop(id_, None)
        if invocation and invocation.task is None:
            self._threads.done()

    def _chunk(self, header: dict[str, Any], body: bytes) -> None:
        invocation = self._invocations.get(header["id"])
        if invocation and invocation.stream:
            invocation.stream.feed(body, end=bool(header.get("end")))

    def _abort(self, header: dict[str, Any], _: bytes) -> None:
        invocation = self._invocations.get(header["id"])
        if invocation and invocation.stream:
            invocation.stream.abort()

    def _credit(self, header: dict[str, Any], _: bytes) -> None:
        invocation = self._invocations.get(header["id"])
        if invocation and invocation.credit:
            invocation.credit.give(header["bytes"])

    def _cancel(self, header: dict[str, Any], _: bytes) -> None:
        invocation = self._invocations.get(header["id"])
        if invocation is None:
            return
        elapsed = invocation.elapsed
        if elapsed < header.get("after", 0) - 0.001:
            # It waited for a thread before it began: its time is not over yet.
            self.send({"type": "running", "id": invocation.id, "elapsed": elapsed})
        else:
            invocation.cancel(header["reason"])

    def _ping(self, _: dict[str, Any], __: bytes) -> None:
        self.send({"type": "pong"})

    def _drain(self, _: dict[str, Any], __: bytes) -> None:
        self._draining = True
        self._loop.call_soon(self._flush)

    def _leave(self) -> None:
        # What was written last must be out before the process ends.
        if self._transport.get_write_buffer_size():
            self._loop.call_later(0.01, self._leave)
        else:
            _exit(0)

    # -- what user code does

    def _log(self, invocation: str, level: str, logger: str, stream: str, text: str) -> None:
        header = {"type": "log", "invocation": invocation, "level": level, "logger": logger, "stream": stream}
        self.send({key: value for key, value in header.items() if value}, text.encode())

    def _wrote(self, path: str) -> None:
        current = logs.current_invocation.get()
        for invocation in self._invocations.values():
            if invocation.header["invocation"] == current:
                invocation.wrote = (invocation.wrote or set()) | {path}

    def announce_exit(self, reason: str) -> None:
        """Tell the host which invocation is about to end the process, as well as that can be told."""
        current = logs.current_invocation.get()
        for invocation in list(self._invocations.values()):
            if invocation.header["invocation"] == current:
                self.send({"type": "dying", "id": invocation.id}, reason.encode())
        if threading.get_ident() == self._loop_thread:
            self._flush()
        else:
            flushed = threading.Event()
            self._loop.call_soon_threadsafe(flushed.set)
            flushed.wait(0.5)


_real_exit = os._exit


def _exit(code: int) -> None:
    _real_exit(code)


def _announce_exits(server: WorkerServer) -> None:
    def exit_with_notice(code: int) -> None:
        server.announce_exit(f"os._exit({code})")
        _real_exit(code)

    os._exit = exit_with_notice  # type: ignore[assignment]
