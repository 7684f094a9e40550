"""What the host says: one line at a time, to people or to machines, with the function and invocation it is about.

Lines are written by a thread of their own, so that a slow terminal never holds up the host.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from datetime import datetime
from typing import Any, TextIO

import msgspec

from ..bindings.clock import Clock, SystemClock

FORMATS = ("pretty", "plain", "json")

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
_COLOURS = {"debug": "\x1b[2m", "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[1;31m"}
_RESET = "\x1b[0m"

#: Lines that may wait for a terminal that does not take them; more are counted and dropped.
_MOST_WAITING = 200_000


class Log:
    """Writes to `stream` in one of `FORMATS`; `level` is the least that is shown."""

    def __init__(self, stream: TextIO, form: str, level: str = "info", *, clock: Clock | None = None) -> None:
        self._stream = stream
        self._form = form
        self._least = _LEVELS[level]
        self._clock = clock or SystemClock()
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._dropped = 0
        self._released = threading.Event()
        self._released.set()
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def shows(self, level: str) -> bool:
        """Whether lines of that level are shown."""
        return _LEVELS[level] >= self._least

    def say(self, level: str, text: str, *, function: str = "", invocation: str = "", **more: Any) -> None:
        """Write one line (or several, for a text that has several). May be called from any thread."""
        if _LEVELS.get(level, 20) < self._least:
            return
        if self._lines.qsize() > _MOST_WAITING:
            self._dropped += 1
            return
        now = self._clock.now()
        # File names that are no Unicode come with half a surrogate pair, which no stream takes.
        text = text.encode("utf-8", "backslashreplace").decode()
        if self._form == "json":
            self._lines.put(_json(now, level, text, function, invocation, more))
        else:
            self._lines.put(self._readable(now, level, text, function, invocation))

    def hold(self) -> None:
        """Write nothing until `release` (or `close`): what is said meanwhile comes after what is shown now."""
        self._released.clear()

    def release(self) -> None:
        """Write what was held, and go on."""
        self._released.set()

    def close(self) -> None:
        """Write what is waiting, and stop."""
        self._released.set()
        self._lines.put(None)
        self._thread.join(timeout=5)

    def _readable(self, now: datetime, level: str, text: str, function: str, invocation: str) -> str:
        time = now.astimezone().strftime("%H:%M:%S.%f")[:-3]
        about = f"{function} {invocation[:8]}".strip()
        colour, reset, dim = "", "", ""
        if self._form == "pretty":
            colour, reset, dim = _COLOURS.get(level, ""), _RESET, "\x1b[2m"
        mark = f"{level.upper()} " if level in ("warning", "error", "critical") else ""
        head = f"{dim}{time}{reset} " + (f"[{about}] " if about else "")
        body = text.rstrip("\n").replace("\n", "\n    ")
        return f"{head}{colour}{mark}{body}{reset if colour else ''}\n"

    def _write(self) -> None:
        ended = False
        while not ended:
            lines = [self._lines.get()]
            self._released.wait()
            while not self._lines.empty() and len(lines) < 1000:
                lines.append(self._lines.get())
            ended = None in lines
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                lines.append(f"({dropped} lines were dropped: they came faster than they could be written)\n")
            # A terminal that is gone is no reason to stop working.
            with contextlib.suppress(OSError, ValueError):
                self._stream.write("".join(line for line in lines if line is not None))
                self._stream.flush()


class LogHandler(logging.Handler):
    """Brings what the host's own modules log into the `Log`."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        level = next(
            (name for name, number in reversed(_LEVELS.items()) if record.levelno >= number), "debug"
        )
        self._log.say(level, self.format(record), logger=record.name)


def _json(now: datetime, level: str, text: str, function: str, invocation: str, more: dict[str, Any]) -> str:
    line: dict[str, Any] = {"time": now, "level": level, "message": text.rstrip("\n")}
    if function:
        line["function"] = function
    if invocation:
        line["invocation"] = invocation
    line.update((key, value) for key, value in more.items() if value)
    return msgspec.json.encode(line).decode() + "\n"
