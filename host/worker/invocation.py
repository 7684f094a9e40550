"""One invocation in the worker: bind the arguments, call the function, encode what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from . import logs
from .errors import BindError, LoadError, user_traceback
from .loader import LoadedFunction
from .streams import Credit, IncomingStream
from .threads import InvocationCancelled, interrupt

#: Called with a header and the pieces of a body, from any thread.
Send = Callable[..., None]

#: Called with an invocation and its streamed result, from any thread: the loop sends it.
Stream = Callable[["Invocation", Any], None]

#: Pieces of a streamed result are cut to this many bytes.
_CHUNK = 64 * 1024


class Invocation:
    """State of one `invoke` frame until its `result` has gone out."""

    def __init__(self, function: LoadedFunction, header: dict[str, Any], send: Send, stream: Stream) -> None:
        self.function = function
        self.header = header
        self.id: int = header["id"]
        self.started: float | None = None
        self.stream: IncomingStream | None = None
        self.credit: Credit | None = None
        self.task: asyncio.Task[None] | None = None
        self.wrote: set[str] | None = None
        self._send = send
        self._stream = stream
        self._thread: int | None = None
        self._calling = threading.Lock()
        self._interrupted = False
        self._dropped = ""
        self._context: Any = None

    # -- plain functions, in a thread

    def run(self, body: Any, inputs: list[bytes]) -> None:
        """Run a plain function to its end; called in a thread."""
        logs.current_invocation.set(self.header["invocation"])
        if self._dropped:
            self._fail(InvocationCancelled(self._dropped))
            return
        self.started = time.monotonic()
        try:
            arguments = self._bind(body, inputs)
            returned = self._call(arguments)
            self._succeed(self.function.results(arguments, returned))
        except BaseException as error:
            self._fail(error)

    def _bind(self, body: Any, inputs: list[bytes]) -> dict[str, Any]:
        arguments = self.function.arguments(self.header, body, inputs)
        if self.function.context_parameter:
            self._context = arguments[self.function.context_parameter]
        return arguments

    def _call(self, arguments: dict[str, Any]) -> Any:
        self._thread = threading.get_ident()
        try:
            return self.function.call(**arguments)
        finally:
            with self._calling:
                self._thread = None
            if self._interrupted:
                self._await_interruption()

    def _await_interruption(self) -> None:
        """The exception was set while the call ended: let it strike here, not in the next invocation."""
        with contextlib.suppress(InvocationCancelled):
            deadline = time.monotonic() + 0.1
            while time.monotonic() < deadline:
                pass

    # -- coroutine functions, on the loop

    async def run_async(self, body: Any, inputs: list[bytes]) -> None:
        """Run a coroutine function to its end; its context holds the invocation."""
        logs.current_invocation.set(self.header["invocation"])
        self.started = time.monotonic()
        try:
            arguments = self._bind(body, inputs)
            called = self.function.call(**arguments)
            returned = await called if asyncio.iscoroutine(called) else called
            result = self.function.results(arguments, returned)
            if result.stream is None:
                self._succeed(result)
            else:
                await self.send_stream(result)
        except BaseException as error:
            self._fail(error)
            if isinstance(error, (KeyboardInterrupt, GeneratorExit)):
                raise

    # -- results

    def _succeed(self, result: Any) -> None:
        if result.stream is not None:
            # Only the loop knows how much the receiver has taken.
            self._stream(self, result)
            return
        header: dict[str, Any] = {"type": "result", "id": self.id, "kind": result.kind}
        if result.data:
            header["data"] = result.data
        parts = [result.body]
        if result.outputs:
            header["outputs"] = [{"name": name, "kind": kind} for name, kind, _ in result.outputs]
            parts += [content for _, _, content in result.outputs]
            header["sizes"] = [len(part) for part in parts]
        self._finish(header, parts)

    def _fail(self, error: BaseException) -> None:
        self._finish({"type": "result", "id": self.id, "kind": "none", "error": describe(error)}, [])

    def _finish(self, header: dict[str, Any], parts: list[bytes]) -> None:
        invocation = self.header["invocation"]
        for output in (sys.stdout, sys.stderr):
            if isinstance(output, logs.LineStream):
                output.finish(invocation)
        if self.wrote:
            header["wrote"] = sorted(self.wrote)
        self._send(header, *parts)

    async def send_stream(self, result: Any) -> None:
        """Send a streamed result piece by piece, as fast as the receiver takes it."""
        assert self.credit is not None
        self._send({"type": "result", "id": self.id, "kind": "stream", "data": result.data})
        try:
            async for chunk in _chunks(result.stream):
                for start in range(0, len(chunk), _CHUNK):
                    piece = chunk[start : start + _CHUNK]
                    await self.credit.spend(len(piece))
                    self._send({"type": "chunk", "id": self.id}, piece)
            self._finish({"type": "chunk", "id": self.id, "end": True}, [])
        except BaseException as error:
            self._finish({"type": "chunk", "id": self.id, "end": True, "error": describe(error)}, [])

    # -- cancellation

    @property
    def elapsed(self) -> float:
        """Seconds since it began; 0 while it waits for a thread."""
        return time.monotonic() - self.started if self.started is not None else 0.0

    def cancel(self, reason: str) -> None:
        """Ask it to end: a task is cancelled, a thread gets an exception, what has not begun never will."""
        if self.stream:
            self.stream.abort()
        if self.credit:
            self.credit.abort()
        self._dropped = reason
        if self._context is not None:
            self._context.cancelled.set()
        if self.task:
            self.task.cancel(reason)
            return
        with self._calling:
            if self._thread is not None and not self._interrupted:
                self._interrupted = True
                interrupt(self._thread)


async def _chunks(stream: Any) -> AsyncIterator[bytes]:
    """The pieces of a streamed result; whatever makes them is closed when nobody wants more."""
    if hasattr(stream, "__aiter__"):
        async with contextlib.aclosing(stream):
            async for chunk in stream:
                yield chunk
        return
    done = object()
    with contextlib.closing(stream):
        # The next piece of a plain generator may block, so a thread waits for it.
        while (chunk := await asyncio.to_thread(next, stream, done)) is not done:
            yield chunk


def describe(error: BaseException) -> dict[str, str]:
    """An exception as the protocol tells it; never raises, whatever the exception's own methods do."""
    if isinstance(error, (LoadError, BindError)):
        return {
            "type": type(error).__name__,
            "message": str(error),
            "traceback": getattr(error, "traceback", ""),
        }
    name = type(error).__qualname__
    if type(error).__module__ not in ("builtins", "__main__"):
        name = f"{type(error).__module__}.{name}"
    try:
        message = str(error)
    except Exception:
        message = "(its message could not be made)"
    try:
        text = user_traceback(error)
    except Exception:
        text = f"{name}: {message}"
    return {"type": name, "message": message, "traceback": text.encode("utf-8", "replace").decode()}
