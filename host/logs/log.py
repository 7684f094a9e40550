"""What the host says: one line at a time, to people or to machines, with the function and invocation it is about.

Lines are written by a thread of their own, so that a slow terminal never holds up the host.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from typing import Any, TextIO

from ...bindings.clock import Clock, SystemClock
from ...bindings.counted import counted
from .line import LogLine, json_line, readable_line
from .log_files import LogFiles
from .log_levels import LEVELS, LogLevels

FORMATS = ("pretty", "plain", "json")

#: Characters that may wait for a terminal that does not take them; lines beyond that are counted and dropped.
_MOST_WAITING = 64 * 1024 * 1024


class Log:
    """Writes to `stream` in one of `FORMATS`; `level` is the least of the host's own lines that is shown.

    That is what the command line says. What host.json says of categories, `levels`, can only take away from it. What
    user code says is not the host's to judge: it is shown from any level on, unless only warnings are wanted at all.
    """

    def __init__(self, stream: TextIO, form: str, level: str = "info", *, clock: Clock | None = None) -> None:
        self._stream = stream
        self._form = form
        self._least = LEVELS[level]
        self._least_of_users = 0 if self._least <= LEVELS["info"] else self._least
        #: The levels by category, as host.json has them.
        self.levels = LogLevels({})
        self._clock = clock or SystemClock()
        self._files: LogFiles | None = None
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._counting = threading.Lock()
        self._waiting = 0
        self._dropped = 0
        self._released = threading.Event()
        self._released.set()
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    @property
    def shows_details(self) -> bool:
        """Whether each run's beginning and end are wanted."""
        return self._least <= LEVELS["debug"]

    def keep(self, files: LogFiles) -> None:
        """Write lines to `files` too from now on: the host's own from information on, whatever the stream shows."""
        self._files = files

    def say(self, level: str, text: str, *, category: str = "", **about: Any) -> None:
        """Write a line of the host's own, if such lines are shown; `about` as for `write`."""
        number = LEVELS.get(level, 20)
        if number >= self._least_kept and (not category or self.levels.shows(category, level)):
            self._take(level, text, is_shown=number >= self._least, **about)

    def detail(self, text: str, *, category: str, **about: Any) -> None:
        """Write a line of those that Azure calls information and that are shown here when details are wanted."""
        if self.shows_details and self.levels.shows(category, "info"):
            self.write("debug", text, **about)

    def pass_on(self, level: str, text: str, *, category: str, **about: Any) -> None:
        """Write what user code said, if that is shown; `about` as for `write`."""
        is_shown = LEVELS.get(level, 20) >= self._least_of_users
        if (is_shown or self._files) and self.levels.shows(category, level):
            self._take(level, text, is_shown=is_shown, **about)

    def write(self, level: str, text: str, *, function: str = "", invocation: str = "", **more: Any) -> None:
        """Write one line (or several, for a text that has several). May be called from any thread."""
        self._take(level, text, is_shown=True, function=function, invocation=invocation, **more)

    def _take(
        self,
        level: str,
        text: str,
        *,
        is_shown: bool,
        function: str = "",
        invocation: str = "",
        **more: Any,
    ) -> None:
        # File names that are no Unicode come with half a surrogate pair, which no stream takes.
        text = text.encode("utf-8", "backslashreplace").decode()
        line = LogLine(self._clock.now(), level, text, function, invocation, more)
        if self._files:
            self._files.add(line)
        if is_shown:
            self._show(self._text(line))

    @property
    def _least_kept(self) -> int:
        return min(self._least, LEVELS["info"]) if self._files else self._least

    def _show(self, line: str) -> None:
        with self._counting:
            # A line that finds nothing before it is taken however long it is.
            if self._waiting and self._waiting + len(line) > _MOST_WAITING:
                self._dropped += 1
                return
            self._waiting += len(line)
        self._lines.put(line)

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
        if self._files:
            self._files.close()

    def _text(self, line: LogLine) -> str:
        return (
            json_line(line) if self._form == "json" else readable_line(line, colours=self._form == "pretty")
        )

    def _write(self) -> None:
        ended = False
        while not ended:
            lines = [self._lines.get()]
            self._released.wait()
            while not self._lines.empty() and len(lines) < 1000:
                lines.append(self._lines.get())
            ended = None in lines
            text = "".join(line for line in lines if line is not None)
            # A terminal that is gone is no reason to stop working.
            with contextlib.suppress(OSError, ValueError):
                self._stream.write(text + self._taken(len(text)))
                self._stream.flush()

    def _taken(self, length: int) -> str:
        """Make room for as much as was written; what is to be said of lines that found none."""
        with self._counting:
            self._waiting -= length
            dropped, self._dropped = self._dropped, 0
        return self._told_of_dropped(dropped) if dropped else ""

    def _told_of_dropped(self, lines: int) -> str:
        verb = "was" if lines == 1 else "were"
        text = f"{counted(lines, 'line')} {verb} dropped: more came than could be written"
        line = LogLine(self._clock.now(), "warning", text)
        return self._text(line) if self._form == "json" else f"({text})\n"


class LogHandler(logging.Handler):
    """Brings what the host's own modules log into the `Log`; the `function` and `invocation` that a record is about
    are its extras."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        level = next((name for name, number in reversed(LEVELS.items()) if record.levelno >= number), "debug")
        about = {key: getattr(record, key, "") for key in ("function", "invocation")}
        self._log.say(
            level, self.format(record), category=_category(record.name), logger=record.name, **about
        )


def _category(logger: str) -> str:
    """Azure's category of one of our loggers: ``Host.Triggers.Queue`` for ``funchost.triggers.queue``."""
    first, *rest = logger.split(".")
    parts = [part for part in rest if part != "host"] if first == "funchost" else []
    return ".".join(
        ["Host", *(part.replace("_", " ").title().replace(" ", "") for part in parts or ["general"])]
    )
