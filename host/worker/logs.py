"""What user code prints and logs, on its way to the host with the invocation it belongs to.

The invocation is a context variable, so tasks inherit it. Threads do not, so two standard classes are taught to:
a thread starts with the invocation of whoever started it, and a pool runs each call with that of its submitter.
"""

from __future__ import annotations

import concurrent.futures
import contextvars
import io
import logging
import sys
import threading
from collections.abc import Callable
from typing import Any

#: The invocation that the running code belongs to, as its id; empty outside of any.
current_invocation: contextvars.ContextVar[str] = contextvars.ContextVar("funchost_invocation", default="")

#: Called with (invocation, level, logger, stream, text).
Emit = Callable[[str, str, str, str, str], None]

_LEVELS = ((50, "critical"), (40, "error"), (30, "warning"), (20, "info"))

#: A line without an end is sent on when it has grown to this many characters.
_LONGEST_LINE = 32 * 1024


def install(emit: Emit, *, debug: bool) -> None:
    """Send everything that is printed or logged in this process to `emit`."""
    sys.stdout = LineStream("stdout", emit, sys.__stdout__)
    sys.stderr = LineStream("stderr", emit, sys.__stderr__)
    root = logging.getLogger()
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    root.addHandler(_Handler(emit))
    _teach_threads()


class LineStream(io.TextIOBase):
    """Standard output or error of user code: whole lines go to the host, each invocation's apart."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, name: str, emit: Emit, original: Any) -> None:
        self.name = name
        self._emit = emit
        self._original = original
        self._partial: dict[str, list[str]] = {}

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return int(self._original.fileno())

    @property
    def buffer(self) -> Any:
        """For code that writes bytes: they go the way of native output, without an invocation."""
        return self._original.buffer

    def write(self, text: str) -> int:
        invocation = current_invocation.get()
        head, newline, tail = text.rpartition("\n")
        pieces = self._partial.setdefault(invocation, [])
        if newline:
            self._send(invocation, "".join([*pieces, head]))
            pieces.clear()
        if tail:
            pieces.append(tail)
            if sum(map(len, pieces)) > _LONGEST_LINE:
                self.finish(invocation)
        if not pieces:
            self._partial.pop(invocation, None)
        return len(text)

    def writelines(self, lines: Any) -> None:
        self.write("".join(lines))

    def finish(self, invocation: str) -> None:
        """Send the line that an invocation left without an end."""
        pieces = self._partial.pop(invocation, None)
        if pieces:
            self._send(invocation, "".join(pieces))

    def close(self) -> None:
        """Nobody closes the output of all for all."""

    def _send(self, invocation: str, text: str) -> None:
        level = "info" if self.name == "stdout" else "warning"
        self._emit(invocation, level, "", self.name, text.encode("utf-8", "replace").decode())


class _Handler(logging.Handler):
    def __init__(self, emit: Emit) -> None:
        super().__init__()
        self._emit = emit

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
        except Exception as error:
            text = f"{record.msg!r} could not be formatted: {type(error).__name__}: {error}"
        level = next((name for number, name in _LEVELS if record.levelno >= number), "debug")
        self._emit(current_invocation.get(), level, record.name, "", text.encode("utf-8", "replace").decode())


def _teach_threads() -> None:
    start, submit = threading.Thread.start, concurrent.futures.ThreadPoolExecutor.submit

    def start_with_invocation(self: threading.Thread) -> None:
        invocation = current_invocation.get()
        if invocation:
            run = self.run

            def run_with_invocation() -> None:
                current_invocation.set(invocation)
                run()

            self.run = run_with_invocation  # type: ignore[method-assign]
        start(self)

    def submit_with_invocation(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        invocation = current_invocation.get()

        def call() -> Any:
            token = current_invocation.set(invocation)
            try:
                return fn(*args, **kwargs)
            finally:
                current_invocation.reset(token)

        return submit(self, call)

    threading.Thread.start = start_with_invocation  # type: ignore[method-assign]
    concurrent.futures.ThreadPoolExecutor.submit = submit_with_invocation  # type: ignore[method-assign]
