"""The worker process: reads frames, runs what they ask for, writes what came of it."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from . import audit, exits, indexer, loader, logs
from .errors import LoadError, error_info
from .invocation import Invocation, encode
from .loader import LoadedFunction
from .outbox import Outbox
from .protocol import VERSION, FrameParser, frame, split
from .streams import IncomingStream
from .threads import WorkThreads, default_count

#: Reads one JSON value of a text, without looking at what surrounds it.
_decode = json.JSONDecoder().raw_decode

#: How long the end of the process may wait for its announcement to be sent, in seconds.
_NOTICE = 0.5


#: The most that is read at a time, in bytes.
_READ = 256 * 1024


class WorkerServer(asyncio.BufferedProtocol):
    """Serves one host on one stream until it ends."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._parser = FrameParser()
        self._buffer = memoryview(bytearray(_READ))
        self._functions: dict[str, LoadedFunction] = {}
        self._invocations: dict[int, Invocation] = {}
        self._threads = WorkThreads(default_count())
        self._collecting: set[asyncio.Task[None]] = set()
        self._draining = False
        #: Whether this process is a fork that user code made.
        self._forked_off = False
        self._dropped = 0
        self._audit = audit.WriteAudit(self._wrote)
        self.output = logs.Output(self._log)
        self._handlers = {
            "init": self._init,
            "index": self._index,
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
        self._outbox = Outbox(self._transport, self._over, self._flushed)
        self.send = self._outbox.send

    def connection_lost(self, error: Exception | None) -> None:
        # The host is gone: nobody would settle what is still running.
        exits.leave(0)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to read into. One buffer for good: a new one for each read costs as much as the read."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        handlers = self._handlers
        for header, body in self._parser.feed(bytes(self._buffer[:nbytes])):
            fields, _ = _decode(header.decode())
            handler = handlers.get(fields["type"])
            if handler:
                handler(fields, body)

    def pause_writing(self) -> None:
        self._outbox.pause()

    def resume_writing(self) -> None:
        self._outbox.resume()
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            note = f"{dropped} lines were dropped: a coroutine printed them faster than they could be taken."
            self._log({"level": "warning"}, note)

    # -- frames

    def _init(self, header: dict[str, Any], _: bytes) -> None:
        self.root = header["root"]
        self._threads = WorkThreads(header.get("threads") or default_count())
        self.output = logs.install(self._log, debug=bool(header.get("debug")))
        loader.prepare(self.root, header.get("fallback"))
        exits.announce(self._announce_exit)
        exits.separate_forks(self._transport.get_extra_info("socket").fileno(), self._forked)
        ready = {"type": "ready", "protocol": VERSION, "pid": os.getpid(), "version": sys.version.split()[0]}
        self.send(frame(encode(ready)))

    def _index(self, header: dict[str, Any], _: bytes) -> None:
        found = indexer.index(header["scriptFile"], self.root)
        indexed: dict[str, Any] = {"type": "indexed"}
        if isinstance(found, LoadError):
            indexed["error"] = error_info(found)
        else:
            indexed["functions"] = [function.described for function in found.values()]
        self.output.finish("")
        self.send(frame(encode(indexed)))

    def _load(self, header: dict[str, Any], _: bytes) -> None:
        name = header["function"]["name"]
        self._audit.watch(header.get("watched") or ())
        loaded: dict[str, Any] = {"type": "loaded", "function": name, "ok": True}
        try:
            function = self._functions[name] = loader.load(header["function"], self.root)
            loaded["asynchronous"] = function.asynchronous
            loaded["contentOnly"] = function.content_only
        except BaseException as error:
            loaded.update(ok=False, error=error_info(error))
        self.output.finish("")
        # What loading made stays: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        self.send(frame(encode(loaded)))

    def _invoke(self, header: dict[str, Any], body: bytes) -> None:
        function = self._functions.get(header["function"])
        if function is None:
            self._refuse(header)
            return
        invocation = Invocation(function, header, self)
        self._invocations[invocation.id] = invocation
        value, inputs = body, []
        if "sizes" in header:
            value, *inputs = split(body, header["sizes"])
        if "stream" in header:
            self._invoke_streamed(invocation, inputs)
        else:
            self._start(invocation, value, inputs)

    def _refuse(self, header: dict[str, Any]) -> None:
        error = LoadError(f"The function {header['function']!r} could not be loaded in this worker.")
        result = {"type": "result", "id": header["id"], "kind": "none", "error": error_info(error)}
        self.send(frame(encode(result)))

    def _start(self, invocation: Invocation, value: Any, inputs: list[bytes]) -> None:
        if invocation.function.asynchronous:
            # The invocation, which is kept until it is over, keeps the task.
            work = invocation.run_async(value, inputs)
            invocation.task = self._loop.create_task(work, context=copy_context())
        else:
            self.enter_thread(invocation, invocation.run, value, inputs)

    def _invoke_streamed(self, invocation: Invocation, inputs: list[bytes]) -> None:
        def consumed(size: int) -> None:
            self.send(frame(encode({"type": "credit", "id": invocation.id, "bytes": size})))

        stream = invocation.stream = IncomingStream(self._loop, consumed)
        if invocation.function.needs_stream:
            value = stream if invocation.function.asynchronous else stream.reader()
            self._start(invocation, value, inputs)
            return
        task = self._loop.create_task(self._collect(invocation, stream, inputs))
        self._collecting.add(task)
        task.add_done_callback(self._collecting.discard)

    async def _collect(self, invocation: Invocation, stream: IncomingStream, inputs: list[bytes]) -> None:
        """Start an invocation once its trigger value is here as a whole."""
        try:
            value = await stream.collect()
        except Exception as error:
            invocation.fail(error)
        else:
            self._start(invocation, value, inputs)

    def stream(self, invocation: Invocation, result: Any) -> None:
        """Have an invocation's streamed result sent; from any thread."""
        self._loop.call_soon_threadsafe(self._send_stream, invocation, result)

    def _send_stream(self, invocation: Invocation, result: Any) -> None:
        # From here on it is a task's matter: its thread is free.
        self.leave_thread(invocation)
        invocation.task = self._loop.create_task(invocation.send_stream(result))

    def enter_thread(self, invocation: Invocation, work: Callable[..., object], *arguments: Any) -> None:
        """Call `work`, which must not raise, in a thread, in the current context; for the loop alone."""
        invocation.in_thread = True
        self._threads.submit(copy_context().run, work, *arguments)

    def leave_thread(self, invocation: Invocation) -> None:
        """Its work there is done; for the loop alone."""
        if invocation.in_thread:
            invocation.in_thread = False
            self._threads.done()

    def report(self, frame: list[bytes]) -> None:
        """Send what a run says of itself; from any thread."""
        if not self._forked_off:
            self.send(frame)

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        """Have `work` called on the loop after that time; from any thread."""
        if not self._forked_off:
            self._loop.call_soon_threadsafe(self._loop.call_later, seconds, work)

    def _over(self, invocation: Invocation) -> None:
        self._invocations.pop(invocation.id, None)
        self.leave_thread(invocation)

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
            self.send(frame(encode({"type": "running", "id": invocation.id, "elapsed": elapsed})))
        else:
            invocation.cancel(header["reason"])

    def _ping(self, _: dict[str, Any], __: bytes) -> None:
        self.send(frame(encode({"type": "pong"})))

    def _drain(self, _: dict[str, Any], __: bytes) -> None:
        self._draining = True
        self._loop.call_soon(self._outbox.flush)

    def _flushed(self) -> None:
        if self._draining and not self._invocations:
            self._leave()

    def _leave(self) -> None:
        # What was written last must be out before the process ends.
        if self._transport.get_write_buffer_size():
            self._loop.call_later(0.01, self._leave)
        else:
            exits.leave(0)

    # -- what user code does

    def _log(self, header: dict[str, Any], text: str) -> None:
        body = text.encode("utf-8", "replace")
        if not self._outbox.send_log(frame(encode({"type": "log", **header}), body)):
            self._dropped += 1

    def _forked(self) -> None:
        """This process is a fork, and no worker: where it would send its result, it ends."""
        self._forked_off = True
        self.output.detach()
        self.send = lambda frame, ended=None: exits.leave(0)

    def _wrote(self, path: str) -> None:
        for invocation in self._current():
            invocation.wrote = (invocation.wrote or set()) | {path}

    def _announce_exit(self, reason: str) -> None:
        """Tell the host which invocation is about to end the process, as well as that can be told."""
        for invocation in self._current():
            self.send(frame(encode({"type": "dying", "id": invocation.id}), reason.encode()))
        self._outbox.flush_from_any_thread(_NOTICE)

    def _current(self) -> list[Invocation]:
        """The invocation that the running code belongs to, if it belongs to one."""
        current = logs.current_invocation.get()
        return [one for one in list(self._invocations.values()) if one.name == current]
