"""One invocation in the worker: bind the arguments, call the function, encode what came of it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import json
import logging
import threading
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Protocol

from .errors import error_info
from .loader import LoadedFunction
from .logs import Output, current_invocation
from .protocol import STREAM_PIECE, STREAM_WINDOW, frame
from .streams import Credit, IncomingStream
from .threads import InvocationCancelled, interrupt, take_interruption

_encode_text = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False).encode


class Worker(Protocol):
    """What an invocation needs of the worker around it; all may be called from any thread."""

    output: Output

    def send(self, frame: list[bytes], ended: Any = None) -> None:
        """Send a frame, the last one of the invocation `ended` if that is given."""

    def stream(self, invocation: Invocation, result: Any) -> None:
        """Have the invocation's `send_stream` run on the loop."""

    def enter_thread(self, invocation: Invocation, work: Callable[[], object]) -> None:
        """Have `work`, which must not raise, called in a thread, in the current context; for the loop alone."""

    def leave_thread(self, invocation: Invocation) -> None:
        """Its work there is done; for the loop alone."""

    def report(self, frame: list[bytes]) -> None:
        """Send what a run says of itself."""

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        """Have `work` called on the loop after that time."""


class Invocation:
    """State of one `invoke` frame until its `result` has gone out."""

    # What few invocations have stands in the class, so that all others are made sooner.
    started: float | None = None
    stream: IncomingStream | None = None
    credit: Credit | None = None
    task: asyncio.Task[None] | None = None
    wrote: set[str] | None = None
    #: Whether it has a place among the threads.
    in_thread = False
    _thread: int | None = None
    _interrupted = False
    _dropped = ""
    _context: Any = None
    _maker: asyncio.Task[None] | None = None

    def __init__(self, function: LoadedFunction, header: dict[str, Any], worker: Worker) -> None:
        self.function = function
        self.header = header
        self.id: int = header["id"]
        #: The invocation id.
        self.name: str = header["invocation"]
        self._worker = worker
        self._calling = threading.Lock()

    # -- plain functions, in a thread

    def run(self, body: Any, inputs: list[bytes]) -> None:
        """Run a plain function to its end; called in a thread, in a context of its own."""
        current_invocation.set(self.name)
        try:
            self._check_dropped()
            self.started = time.monotonic()
            arguments = self.bind(body, inputs)
            returned = self._call(arguments)
            self._succeed(self._results(arguments, returned))
        except BaseException as error:
            self.fail(error)

    def bind(self, body: Any, inputs: Sequence[bytes]) -> dict[str, Any]:
        """All arguments for the function. Raises `BindError`."""
        function = self.function
        arguments = function.arguments(self.header, body, inputs)
        if function.context_parameter:
            self._context = arguments[function.context_parameter]
            self._context.tell = self
        return arguments

    def _call(self, arguments: dict[str, Any]) -> Any:
        self._thread = threading.get_ident()
        try:
            # Looked at once more: from here on a cancellation finds the thread, before it did not.
            self._check_dropped()
            return self.function.call(**arguments)
        finally:
            with self._calling:
                self._thread = None
            if self._interrupted:
                # It may have been sent just as the call ended, and must not strike the next invocation.
                take_interruption()

    def _check_dropped(self) -> None:
        if self._dropped:
            raise InvocationCancelled(self._dropped)

    # -- coroutine functions, on the loop

    async def run_async(self, body: Any, inputs: list[bytes]) -> None:
        """Run a coroutine function to its end; its context holds the invocation."""
        current_invocation.set(self.name)
        try:
            self._check_dropped()
            self.started = time.monotonic()
            function = self.function
            if function.through is None:
                arguments = self.bind(body, inputs)
                called = function.call(**arguments)
                returned = await called if asyncio.iscoroutine(called) else called
                result = self._results(arguments, returned)
            else:
                result = await function.through(self, body, inputs)
            if result.stream is None:
                self._succeed(result)
            else:
                await self.send_stream(result)
        except BaseException as error:
            # Even what would end the loop: one function's sys.exit() is not the worker's.
            self.fail(error)

    async def call_in_thread(self, arguments: dict[str, Any]) -> Any:
        """Call a plain function from the loop. Cancelled, it returns when the thread has ended."""
        called: concurrent.futures.Future[Any] = concurrent.futures.Future()

        def work() -> None:
            if called.set_running_or_notify_cancel():
                try:
                    called.set_result(self._call(arguments))
                except BaseException as error:
                    called.set_exception(error)

        self._worker.enter_thread(self, work)
        returned = asyncio.wrap_future(called)
        try:
            return await asyncio.shield(returned)
        except asyncio.CancelledError:
            if not called.cancel():
                await asyncio.wait({returned})
            raise
        finally:
            self._worker.leave_thread(self)

    # -- results

    def fail(self, error: BaseException) -> None:
        """Send the result that tells why there is none."""
        self._finish({"type": "result", "id": self.id, "kind": "none", "error": error_info(error)})

    def _results(self, arguments: dict[str, Any], returned: Any) -> Any:
        return self.function.results(arguments, returned, replies="replies" in self.header)

    def _succeed(self, result: Any) -> None:
        if result.stream is not None:
            # Only the loop knows how much the receiver has taken.
            self._worker.stream(self, result)
            return
        if not (result.data or result.outputs or self.wrote):
            # What most invocations end with, without the way through the encoder.
            text = f'{{"type":"result","id":{self.id},"kind":"{result.kind}"}}'
            self._leave(frame(text.encode(), result.body))
            return
        self._finish(*self._described(result), maker=result.maker)

    def _described(self, result: Any) -> tuple[Any, ...]:
        """The header of the `result` frame and the parts of its body."""
        header: dict[str, Any] = {"type": "result", "id": self.id, "kind": result.kind}
        if result.data:
            header["data"] = result.data
        parts = [result.body]
        if result.outputs:
            header["outputs"] = [{"name": name, "kind": kind} for name, kind, _ in result.outputs]
            parts += [content for _, _, content in result.outputs]
            header["sizes"] = [len(part) for part in parts]
        return header, *parts

    def _finish(self, header: dict[str, Any], *parts: bytes, maker: asyncio.Task[None] | None = None) -> None:
        """Send the last of the result; what made it may still have something to do."""
        if self.wrote:
            header["wrote"] = sorted(self.wrote)
        if maker is None or maker.done():
            self._leave(frame(encode(header), *parts))
            return
        self._maker = maker
        self._worker.send(frame(encode({**header, "lingers": True}), *parts))
        done = frame(encode({"type": "done", "id": self.id}))
        maker.add_done_callback(lambda _: self._leave(done))

    def _leave(self, last: list[bytes]) -> None:
        if self._context is not None:
            self._context.progress.end()
        self._worker.output.finish(self.name)
        self._worker.send(last, self)

    async def send_stream(self, result: Any) -> None:
        """Send a streamed result piece by piece, as fast as the receiver takes it."""
        credit = self.credit = Credit(STREAM_WINDOW)
        send = self._worker.send
        head, *parts = self._described(result)
        piece_header = encode({"type": "chunk", "id": self.id})
        try:
            async with contextlib.aclosing(_chunks(result.stream)) as chunks:
                self._check_dropped()
                send(frame(encode(head), *parts))
                async for chunk in chunks:
                    for start in range(0, len(chunk), STREAM_PIECE):
                        piece = chunk[start : start + STREAM_PIECE]
                        await credit.spend(len(piece))
                        send(frame(piece_header, piece))
            self._finish({"type": "chunk", "id": self.id, "end": True}, maker=result.maker)
        except BaseException as error:
            told = error_info(error)
            if not self._dropped:
                # Too late for a failed result: whoever reads the log should know all the same.
                logging.getLogger().error("%s", told["traceback"])
            self._finish({"type": "chunk", "id": self.id, "end": True, "error": told}, maker=result.maker)

    # -- what it says of itself

    def progress(self, progress: float | None, status: bytes) -> None:
        """Tell the host how far it is, and its status."""
        header: dict[str, Any] = {"type": "progress", "id": self.id}
        if progress is not None:
            header["progress"] = progress
        self._worker.report(frame(encode(header), status))

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        """Have `work` called on the loop after that time."""
        self._worker.later(seconds, work)

    # -- cancellation

    @property
    def elapsed(self) -> float:
        """Seconds since it began; 0 while it waits for a thread."""
        return time.monotonic() - self.started if self.started is not None else 0.0

    def cancel(self, reason: str) -> None:
        """Ask it to end: a task is cancelled, a thread gets an exception, what has not begun never will."""
        if self._dropped == reason:
            # It was told already, and may be about to end in good order.
            return
        if self.stream:
            self.stream.abort()
        if self.credit:
            self.credit.abort()
        self._dropped = reason
        if self._context is not None:
            self._context.cancelled.set()
        # A task that is cancelled before its first step would never send a result.
        if self.task and self.started is not None:
            self.task.cancel(reason)
        with self._calling:
            if self._thread is not None and not self._interrupted:
                self._interrupted = True
                interrupt(self._thread)


async def _chunks(stream: Any) -> AsyncGenerator[bytes, None]:
    """The pieces of a streamed result; whatever makes them is closed when nobody wants more."""
    if hasattr(stream, "__aiter__"):
        async with contextlib.aclosing(stream):
            async for chunk in stream:
                yield chunk
        return
    done = object()
    step: asyncio.Future[Any] | None = None
    try:
        while True:
            # The next piece of a plain generator may block, so a thread waits for it.
            step = asyncio.ensure_future(asyncio.to_thread(next, stream, done))
            chunk = await asyncio.shield(step)
            if chunk is done:
                return
            yield chunk
    finally:
        if step and not step.done():
            # It cannot be closed while it runs.
            await asyncio.wait({step})
            step.exception()
        await asyncio.to_thread(stream.close)


def encode(header: dict[str, Any]) -> bytes:
    """A header as the protocol has it; half a surrogate pair becomes a question mark."""
    return _encode_text(header).encode("utf-8", "replace")
