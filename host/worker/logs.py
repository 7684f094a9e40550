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

from .errors import describe

#: The invocation that the running code belongs to, as its id; empty outside of any.
current_invocation: contextvars.ContextVar[str] = contextvars.ContextVar("funchost_invocation", default="")

#: Called with what is told of a text beside itself (as in the header of a `log` frame), and the text.
Emit = Callable[[dict[str, Any], str], None]

_LEVELS = ((50, "critical"), (40, "error"), (30, "warning"), (20, "info"))

#: Loggers whose names begin so belong to the machinery around the app, not to the app.
_SYSTEM = ("azure_functions_worker", "azure.functions")

#: A line without an end is sent on when it has grown to this many characters.
_LONGEST_LINE = 32 * 1024

#: Lines without an end that are kept at most; before there are more the oldest is sent.
_MOST_UNFINISHED = 256


def install(emit: Emit, *, debug: bool) -> Output:
    """Send everything that is printed or logged in this process to `emit`."""
    output = Output(emit)
    sys.stdout = output.stdout = LineStream("stdout", output, sys.__stdout__)
    sys.stderr = output.stderr = LineStream("stderr", output, sys.__stderr__)
    root = logging.getLogger()
    # The root's level holds back what the app did not ask for: the handler takes all that loggers let through.
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    root.addHandler(_Handler(output))
    _teach_threads()
    return output


class Output:
    """Where everything comes together that is printed and logged."""

    stdout: LineStream | None = None
    stderr: LineStream | None = None

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        #: Lines without an end, by invocation, stream and thread: so threads neither mix nor lose theirs. An empty
        #: one is the rest of a line that was too long to be kept.
        self._unfinished: dict[tuple[str, str, int], str] = {}

    def write(self, stream: str, text: str) -> None:
        """Send whole lines on, and keep the rest."""
        key = (current_invocation.get(), stream, threading.get_ident())
        before = self._unfinished.pop(key, None)
        whole, newline, rest = ((before or "") + text).rpartition("\n")
        was_cut, is_cut = before == "", before == "" and not newline
        if newline and not (was_cut and not whole):
            self._send(key, whole)
        if len(rest) > _LONGEST_LINE:
            self._send(key, rest)
            rest, is_cut = "", True
        if rest or is_cut:
            self._keep(key, rest)

    def log(self, level: str, logger: str, text: str) -> None:
        """Send what was logged."""
        header: dict[str, Any] = {"level": level, "logger": logger}
        if invocation := current_invocation.get():
            header["invocation"] = invocation
        if logger.startswith(_SYSTEM):
            header["system"] = True
        self._emit(header, text)

    def finish(self, invocation: str) -> None:
        """Send what an invocation left without an end, and what it left in streams that took the place of ours."""
        if self._unfinished:
            for key in [key for key in list(self._unfinished) if key[0] == invocation]:
                self._end(key)
        if sys.stdout is not self.stdout or sys.stderr is not self.stderr:
            _flush()

    def detach(self) -> None:
        """Go the way of native output from now on: this process is a fork, and no worker."""
        self._unfinished.clear()
        self._emit = _write_plainly

    def _keep(self, key: tuple[str, str, int], rest: str) -> None:
        self._unfinished[key] = rest
        if len(self._unfinished) > _MOST_UNFINISHED:
            self._end(next(iter(list(self._unfinished))))

    def _end(self, key: tuple[str, str, int]) -> None:
        if rest := self._unfinished.pop(key, ""):
            self._send(key, rest)

    def _send(self, key: tuple[str, str, int], text: str) -> None:
        # Standard error is no warning: programs show their progress there, and handlers of all levels write to it.
        header = {"level": "info", "stream": key[1]}
        if key[0]:
            header["invocation"] = key[0]
        self._emit(header, text)


def _write_plainly(header: dict[str, Any], text: str) -> None:
    with contextlib.suppress(OSError):
        os.write(1, f"{text}\n".encode("utf-8", "replace"))


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        # Whatever was put there: it may be closed, or be no stream at all.
        with contextlib.suppress(Exception):
            stream.flush()


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

    def detach(self) -> Any:
        """For code that wraps the bytes anew, as one does to change an encoding."""
        return self.buffer

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
        kept: Any = self.filter(record)
        if not kept:
            return False
        # Since Python 3.12 a filter may put another record in the place of this one.
        self.emit(kept if isinstance(kept, logging.LogRecord) else record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        level = next((name for number, name in _LEVELS if record.levelno >= number), "debug")
        self._output.log(level, record.name, self._text(record))

    def _text(self, record: logging.LogRecord) -> str:
        """The message as it is formatted; what was meant to be said when it cannot be."""
        try:
            return str(self.format(record))
        except Exception as error:
            return f"{_shown(record.msg)} could not be formatted: {describe(error)}"


def _shown(message: object) -> str:
    try:
        return repr(message)
    except Exception:
        return f"A message of type {type(message).__name__}"


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
