"""A history in memory, and runs for it that tests make up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from funchost.bindings.clock import new_run_id
from funchost.bindings.errors import NotFound
from funchost.bindings.history import Kept, RunFilter, RunRecord, RunState

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class MemoryHistory:
    """`HistoryStore` that ends with the test. `whole` holds contents that are too large for their record."""

    def __init__(self, *runs: RunRecord) -> None:
        self.runs = {run.id: run for run in runs}
        self.whole: dict[tuple[str, str], bytes] = {}

    async def record(self, records: Sequence[RunRecord]) -> None:
        self.runs.update({run.id: run for run in records})

    async def list(self, wanted: RunFilter, limit: int, before: str | None = None) -> list[RunRecord]:
        found = [run for run in _found(self.runs, wanted) if before is None or run.id < before]
        return found[::-1][:limit]

    async def get(self, id: str) -> RunRecord:
        found = [run for key, run in self.runs.items() if key.startswith(id)]
        if len(found) != 1:
            raise NotFound(f"There is no run '{id}'.")
        return found[0]

    async def count(self, wanted: RunFilter) -> int:
        return len(_found(self.runs, wanted))

    async def all(self, wanted: RunFilter) -> AsyncIterator[RunRecord]:
        for run in _found(self.runs, wanted):
            yield run

    async def content(self, run: RunRecord, part: str) -> bytes:
        kept: Kept = getattr(run, part)
        if kept.is_whole:
            return kept.data
        if (run.id, part) not in self.whole:
            raise NotFound(f"The {part} of run {run.id} is no longer kept.")
        return self.whole[run.id, part]


def make_run(function: str = "work", state: RunState = RunState.SUCCEEDED, **more: Any) -> RunRecord:
    """A run of a queue function that took a second, unless it is said otherwise."""
    started = more.setdefault("started", NOON)
    ended = None if state is RunState.RUNNING else started + timedelta(seconds=1)
    values: dict[str, Any] = {
        "id": new_run_id(started),
        "trigger": "queueTrigger",
        "host": "host-1",
        "origin": "jobs",
        "ended": ended,
        "input": text("hello"),
    }
    return RunRecord(function=function, state=state, **(values | more))


def failed(function: str = "work", reason: str = "no luck", **more: Any) -> RunRecord:
    """A run that failed."""
    return make_run(function, RunState.FAILED, error_type="ValueError", error_message=reason, **more)


def text(content: str) -> Kept:
    """A content as it is kept in a record."""
    data = content.encode()
    return Kept("bytes", data, len(data))


def _found(runs: dict[str, RunRecord], wanted: RunFilter) -> list[RunRecord]:
    return [runs[id_] for id_ in sorted(runs) if _fits(runs[id_], wanted)]


def _fits(run: RunRecord, wanted: RunFilter) -> bool:
    named = {
        "parent": run.parent,
        "replay_of": run.replay_of,
        "message": run.message,
        "trace_id": run.trace_id,
    }
    found = (
        run.input.data.decode(errors="replace") + (run.error or "") + run.log.data.decode(errors="replace")
    )
    return (
        (not wanted.functions or run.function.lower() in [name.lower() for name in wanted.functions])
        and (not wanted.states or run.state in wanted.states)
        and (wanted.since is None or run.started >= wanted.since)
        and (wanted.until is None or run.started < wanted.until)
        and all(getattr(wanted, name) in (None, value) for name, value in named.items())
        and all(word in found for word in (wanted.search or "").split())
    )
