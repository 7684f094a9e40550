"""What hosts and functions have logged: from the files of hosts as far back as they go, and from the history of runs."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from ...bindings.errors import NotFound
from ...bindings.history import RunFilter, RunRecord
from ..logs.line import LogLine
from ..logs.log_files import LOGS
from ..logs.log_reader import LineFilter, LogReader
from .workbench import Workbench

#: How a line of a run's log begins in the history.
_LINE = re.compile(r"(\d{4}-\d\d-\d\dT[\d:.]+)Z (\w+) ?(.*)", re.DOTALL)

#: Runs that are looked at for lines older than those in the files.
_MOST_RUNS = 1000
_PAGE = 100


def log_reader(workbench: Workbench) -> LogReader:
    """What reads the files of the store's hosts, from now on."""
    return LogReader(workbench.storage.local.store.folder / LOGS)


async def last_lines(
    workbench: Workbench, reader: LogReader, wanted: LineFilter, count: int | None
) -> list[LogLine]:
    """The last `count` wanted lines (None: all) from before the reader began, by time."""
    lines = reader.last(wanted, count)
    if count is not None and len(lines) >= count:
        return lines
    missing = None if count is None else count - len(lines)
    return [*await _older_lines(workbench, wanted, reader.oldest, missing), *lines]


async def lines_of_run(
    workbench: Workbench, reader: LogReader, wanted: LineFilter, count: int | None
) -> tuple[RunRecord | None, list[LogLine]]:
    """The last lines of the run that `wanted` names, and its record where it has one.

    Raises `NotFound` where nothing is known of such a run.
    """
    try:
        run = await workbench.history.get(wanted.run or "")
    except NotFound:
        lines = reader.last(wanted, count)
        if not lines:
            raise
        return None, lines
    if run.ended is None:
        return run, reader.last(wanted, count)  # what the history has of it is older
    lines = [line for line in await _log_of(workbench, run) if wanted.wants(line)]
    return run, lines if count is None else lines[max(0, len(lines) - count) :]


async def _older_lines(
    workbench: Workbench, wanted: LineFilter, before: datetime | None, count: int | None
) -> list[LogLine]:
    """The last lines of runs that began before the files do."""
    found: list[LogLine] = []
    # The history has times to the millisecond.
    end = before and before.replace(microsecond=before.microsecond // 1000 * 1000)
    async for run in _runs(workbench, wanted, before):
        lines = [line for line in await _log_of(workbench, run) if wanted.wants(line)]
        found = [line for line in lines if end is None or line.time < end] + found
        if count is not None and len(found) >= count:
            break
    found.sort(key=lambda line: line.time)
    return found if count is None else found[max(0, len(found) - count) :]


async def _runs(
    workbench: Workbench, wanted: LineFilter, before: datetime | None
) -> AsyncIterator[RunRecord]:
    """The runs in question, the latest first."""
    runs = RunFilter(functions=tuple(wanted.functions), since=wanted.since, until=before)
    last: str | None = None
    for _ in range(_MOST_RUNS // _PAGE):
        page = await workbench.history.list(runs, _PAGE, last)
        for run in page:
            yield run
        if len(page) < _PAGE:
            return
        last = page[-1].id


async def _log_of(workbench: Workbench, run: RunRecord) -> list[LogLine]:
    try:
        whole = await workbench.history.get(run.id)
        content = await workbench.history.content(whole, "log") if whole.log.size else b""
    except NotFound:
        return []  # it is no longer kept
    return _parsed(run, content.decode("utf-8", "replace"))


def _parsed(run: RunRecord, text: str) -> list[LogLine]:
    """The lines of a run's log; a line that does not begin as one goes on with the one before."""
    lines: list[LogLine] = []
    for part in text.splitlines():
        found = _LINE.fullmatch(part)
        if found:
            moment = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
            lines.append(LogLine(moment, found[2], found[3], run.function, run.id))
        elif lines:
            last = lines.pop()
            lines.append(LogLine(last.time, last.level, f"{last.text}\n{part}", run.function, run.id))
    return lines
