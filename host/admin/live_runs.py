"""Runs as they begin, go on and end, of all hosts on the store."""

from __future__ import annotations

import asyncio
from typing import Any

from ...bindings.errors import StoreError
from ...bindings.history import HistoryStore, RunFilter, RunRecord, RunState
from ...bindings.store import Store
from ..operations.run_feed import RunFeed
from ..operations.runs import run_summary
from .feed import Feed

#: Runs whose progress is told of.
_MOST_RUNNING = 500


class RunSource:
    """Tells events `begun`, `progress` and `ended`. `begin` it first."""

    def __init__(self, history: HistoryStore, store: Store, changed: asyncio.Event) -> None:
        """`changed` is set whenever rows of runs were written."""
        self._history = history
        self._changed = changed
        self._runs = RunFeed(history, store.clock)
        self._said: dict[str, tuple[float | None, Any]] = {}

    async def begin(self) -> RunSource:
        """Tell of what happens from now on."""
        await self._runs.begin(0)
        self._said = {run.id: (run.progress, run.status) for run in await self._running()}
        return self

    async def changed(self) -> None:
        """Return when rows were written."""
        await self._changed.wait()
        self._changed.clear()

    async def tell(self, feed: Feed) -> None:
        """Tell what is new."""
        try:
            for run in await self._runs.news():
                feed.publish("begun" if run.state is RunState.RUNNING else "ended", run_summary(run))
            await self._tell_progress(feed)
        except StoreError:
            self._changed.set()
            raise

    async def _tell_progress(self, feed: Feed) -> None:
        """Tell what functions say of themselves, where that is something new."""
        running = await self._running()
        said = {run.id: (run.progress, run.status) for run in running}
        for run in running:
            if said[run.id] != self._said.get(run.id, (None, None)):
                feed.publish("progress", _progress(run))
        self._said = said

    async def _running(self) -> list[RunRecord]:
        return await self._history.list(RunFilter(states=(RunState.RUNNING,)), _MOST_RUNNING)


def _progress(run: RunRecord) -> dict[str, Any]:
    return {
        "id": run.id,
        "function": run.function,
        "state": run.state.value,
        "progress": run.progress,
        "status": run.status,
    }
