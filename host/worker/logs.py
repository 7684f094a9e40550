"""What user code prints and logs, on its way to the host with the invocation it belongs to.

The invocation is a context variable, so tasks inherit it. Threads do not, so two standard classes are taught to:
a thread starts with the invocation of whoever started it, and a pool runs each call with that of its submitter.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import contextvars
import io
import logging
import os
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


def install(emit: Emit, *, debug: bool) -> Output:
    """Send everything that is printed or logged in this process to `emit`."""
    output = Output(emit)
    sys.stdout = LineStream("stdout", output, sys.__stdout__)
    sys.stderr = LineStream("stderr", output, sys.__stderr__)
    root = logging.getLogger()
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    root.addHandler(_Handler(output))
    _teach_threads()
    return output


class Output:
    """Where everything comes together that is printed and logged."""

    def __init__(self, emit: Emit) -> None:
        self.emit = emit
        #: Lines without an end, by invocation, stream and thread: so threads neither mix nor lose theirs.
        self.unfinished: dict[tuple[str, str, int], list[str]] = {}

    def write(self, stream: str, text: str) -> None:
        """Send whole lines on, and keep the rest."""
        invocation = current_invocation.get()
        key = (invocation, stream, threading.get_ident())
        pieces = self.unfinished.pop(key, [])
        head, newline, tail = text.rpartition("\n")
        if newline:
            self._send(invocation, stream, "".join([*pieces, head]))
            pieces = []
        if tail:
            pieces.append(tail)
        if sum(map(len, pieces)) > _LONGEST_LINE:
            self._send(invocation, stream, "".join(pieces))
        elif pieces:
            self.unfinished[key] = pieces

    def finish(self, invocation: str) -> None:
        """Send the lines that an invocation left without an end."""
        for key in [key for key in list(self.unfinished) if key[0] == invocation]:
            self._send(invocation, key[1], "".join(self.unfinished.pop(key, [])))

    def detach(self) -> None:
        """Go the way of native output from now on: this process is a fork, and no worker."""
        self.unfinished.clear()
        self.emit = _write_plainly

    def _send(self, invocation: str, stream: str, text: str) -> None:
        level = "info" if stream == "stdout" else "warning"
        self.emit(invocation, level, "", stream, text)


def _write_plainly(invocation: str, level: str, logger: str, stream: str, text: str) -> None:
    with contextlib.suppress(OSError):
        os.write(1, f"{text}\n".encode("utf-8", "replace"))


class LineStream(io.TextIOBase):
    """Standard output or error of user code: whole lines go to the host, each invocation's apart."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, name: str, output: Output, original: Any) -> None:
        self.name = f"<{name}>"
        self._stream = name
        self._output = output
        self._original = original

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return int(self._original.fileno())

    @property
    def buffer(self) -> Any:
        """For code that writes bytes: they go the way of native output, without an invocation."""
        return self._original.buffer

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._output.write(self._stream, text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        self.write("".join(lines))

    def reconfigure(self, **options: Any) -> None:
        """Scripts ask for line buffering or an encoding; lines in UTF-8 it is already."""

    def close(self) -> None:
        """Nobody closes the output of all for all."""


class _Handler(logging.Handler):
    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output

    def handle(self, record: logging.LogRecord) -> bool:
        """Without the lock: a thread that waits for room must not keep the loop from making it."""
        if not self.filter(record):
            return False
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
        except Exception as error:
            text = f"{record.msg!r} could not be formatted: {type(error).__name__}: {error}"
        level = next((name for number, name in _LEVELS if record.levelno >= number), "debug")
        self._output.emit(current_invocation.get(), level, record.name, "", text)


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
