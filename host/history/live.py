"""A run that is in hand, with all that becomes known of it on the way."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ...bindings.history import RunRecord, Step
from ...triggers.base import ErrorInfo, Status
from ..execution.run import Run

_LEFT_OUT = "(here the log is cut: it grew over {limit} bytes)\n"


class RunLog:
    """What a run printed and logged: lines as ``2026-01-31T18:00:00.123Z info text``, to a limit in bytes.

    Further lines of a text that has several follow as they are.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lines: list[bytes] = []
        self._size = 0

    def add(self, at: datetime, level: str, text: str) -> None:
        """Take in a text, unless the log is full."""
        if self._size > self._limit:
            return
        moment = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = f"{moment} {level} {text}\n".encode("utf-8", "replace")
        self._size += len(line)
        self._lines.append(
            line if self._size <= self._limit else _LEFT_OUT.format(limit=self._limit).encode()
        )

    @property
    def content(self) -> bytes:
        """The whole log."""
        return b"".join(self._lines)


class Live:
    """A run in hand, and what stands in the store of it."""

    # Nearly all runs end without any of these: they stand in the class, so that a run is noted sooner.
    log: RunLog | None = None
    steps: tuple[Step, ...] = ()
    progress: float | None = None
    status: Any = None
    #: Whether it has a row.
    is_kept = False
    #: Whether it is to have one in any case.
    is_wanted = False
    #: Its last record, which waits for its event to be settled.
    pending: RunRecord | None = None
    #: How that says it ended.
    recorded: tuple[Status, ErrorInfo | None] | None = None

    def __init__(self, run: Run) -> None:
        self.run = run

    @property
    def has_more(self) -> bool:
        """Whether there is something to record beside what the run itself knows."""
        return bool(self.log or self.steps or self.progress is not None or self.status is not None)
