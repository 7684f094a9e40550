"""Runs as they begin and end, told from the store: no host is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import timedelta

from ...bindings.clock import Clock, first_run_id
from ...bindings.errors import NotFound
from ...bindings.history import HistoryStore, RunFilter, RunRecord, RunState

#: A run has its row at most so long after it began.
_LATE = timedelta(seconds=5)

#: Seconds between two looks while runs come without a pause.
_PAUSE = 0.2

_PAGE = 500


class RunFeed:
    """What is new in a history: each run of these functions once when it is seen to begin, and once when it ended.

    `states` are those that are told of; none is all.
    """

    def __init__(
        self,
        history: HistoryStore,
        clock: Clock,
        functions: Sequence[str] = (),
        states: Collection[RunState] = (),
    ) -> None:
        self._history = history
        self._clock = clock
        self._functions = tuple(functions)
        self._states = states
        self._looked = clock.now()
        #: The state in which each run was seen last: those that go on, and those that began not long ago.
        self._seen: dict[str, RunState] = {}

    async def begin(self, count: int) -> list[RunRecord]:
        """The last `count` runs, the first one first. What happens from now on is `news`."""
        self._looked = self._clock.now()
        recent = await self._changed(RunFilter(functions=self._functions, since=self._looked - _LATE))
        running = RunFilter(functions=self._functions, states=(RunState.RUNNING,))
        self._note([*recent, *await self._history.list(running, _PAGE)])
        if not count:
            return []
        wanted = RunFilter(functions=self._functions, states=tuple(self._states))
        return list(reversed(await self._history.list(wanted, count)))

    async def news(self) -> list[RunRecord]:
        """The runs that began or ended since the last look, in the order in which they did."""
        now = self._clock.now()
        found = await self._changed(RunFilter(functions=self._functions, since=self._looked - _LATE))
        found += await self._ended({run.id for run in found})
        self._looked = now
        self._note(found)
        self._forget()
        found.sort(key=lambda run: (run.ended or run.started, run.id))
        return [run for run in found if not self._states or run.state in self._states]

    async def _changed(self, wanted: RunFilter) -> list[RunRecord]:
        """Those that are new, or in another state than they were. A page that has none of them is the last."""
        found: list[RunRecord] = []
        before = None
        while page := await self._history.list(wanted, _PAGE, before):
            new = [run for run in page if self._seen.get(run.id) is not run.state]
            found += new
            if len(page) < _PAGE or not new:
                break
            before = page[-1].id
        return found

    async def _ended(self, known: Collection[str]) -> list[RunRecord]:
        """Those that began long ago, were going on at the last look, and are not any more."""
        open_ = [id_ for id_, state in self._seen.items() if state is RunState.RUNNING and id_ not in known]
        if not open_:
            return []
        wanted = RunFilter(functions=self._functions, states=(RunState.RUNNING,))
        running = {run.id for run in await self._history.list(wanted, _PAGE)}
        runs = [await self._get(id_) for id_ in open_ if id_ not in running]
        return [run for run in runs if run and run.state is not RunState.RUNNING]

    async def _get(self, id_: str) -> RunRecord | None:
        try:
            return await self._history.get(id_)
        except NotFound:
            del self._seen[id_]  # it is no longer kept
            return None

    def _note(self, runs: Sequence[RunRecord]) -> None:
        self._seen.update({run.id: run.state for run in runs})

    def _forget(self) -> None:
        first = first_run_id(self._looked - 2 * _LATE)
        self._seen = {
            id_: state for id_, state in self._seen.items() if id_ >= first or state is RunState.RUNNING
        }


async def follow(feed: RunFeed, changed: asyncio.Event, last: int = 0) -> AsyncIterator[RunRecord]:
    """The last runs, then those that begin and end, for as long as it is asked for more.

    `changed` is set by whoever hears that rows of runs were written, from before this begins.
    """
    for run in await feed.begin(last):
        yield run
    while True:
        await changed.wait()
        changed.clear()
        for run in await feed.news():
            yield run
        await asyncio.sleep(_PAUSE)
