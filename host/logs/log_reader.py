"""Reads the log that hosts keep in files: its last lines, and then what comes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path

from .line import LogLine
from .log_levels import LEVELS


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFilter:
    """Which lines are wanted. All that is said must hold."""

    #: Names, in any case; none: any, and what hosts have to say of themselves.
    functions: frozenset[str] = field(default_factory=frozenset)
    #: The invocation id, or its beginning.
    run: str | None = None
    #: The least level.
    level: str = "debug"
    since: datetime | None = None

    def wants(self, line: LogLine) -> bool:
        """Whether the line is one of them; a level that nobody knows counts as information."""
        return (
            LEVELS.get(line.level, 20) >= LEVELS[self.level]
            and (not self.functions or line.function.lower() in self.functions)
            and (self.run is None or line.invocation.startswith(self.run))
            and (self.since is None or line.time >= self.since)
        )


class LogReader:
    """Reads on from where it is; a new one begins at the end of what there is, with `last` for the lines before."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        #: How far each file was read.
        self._read: dict[Path, int] = {}
        for path in self._files():
            self._read[path] = len(_whole_lines(path, 0))

    def last(self, wanted: LineFilter, count: int | None) -> list[LogLine]:
        """Up to `count` wanted lines (None: all) from before where this reader is, the last ones, by time."""
        found: list[LogLine] = []
        for files in self._by_host().values():
            last = list(islice((line for line in self._backwards(files) if wanted.wants(line)), count))
            found += reversed(last)
        found.sort(key=lambda line: line.time)
        return found if count is None else found[max(0, len(found) - count) :]

    @property
    def oldest(self) -> datetime | None:
        """The time of the first line that there is; None where there is none."""
        lines = (LogLine.parse(content.partition(b"\n")[0]) for content in map(_beginning, self._read))
        return min((line.time for line in lines if line), default=None)

    def new(self) -> list[LogLine]:
        """The lines that came since this was asked last, of whichever host, by time."""
        found: list[LogLine] = []
        files = self._files()
        for path in files:
            start = self._read.get(path, 0)
            content = _whole_lines(path, start)
            self._read[path] = start + len(content)
            found += filter(None, map(LogLine.parse, content.splitlines()))
        for path in self._read.keys() - files:
            del self._read[path]  # the oldest are removed
        return sorted(found, key=lambda line: line.time)

    def _files(self) -> set[Path]:
        return set(self._folder.glob("*.jsonl"))

    def _by_host(self) -> dict[str, list[Path]]:
        """The files of each host, the newest first."""
        hosts: dict[str, list[Path]] = {}
        for path in sorted(self._read, reverse=True):
            hosts.setdefault(path.name.partition(".")[0], []).append(path)
        return hosts

    def _backwards(self, files: list[Path]) -> Iterator[LogLine]:
        for path in files:
            content = _whole_lines(path, 0)[: self._read[path]]
            yield from filter(None, map(LogLine.parse, reversed(content.splitlines())))


def _whole_lines(path: Path, start: int) -> bytes:
    """The content from `start` on, to the end of the last whole line; empty for a file that is gone."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            content = file.read()
    except OSError:
        return b""
    return content[: content.rfind(b"\n") + 1]


def _beginning(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.readline()
    except OSError:
        return b""
