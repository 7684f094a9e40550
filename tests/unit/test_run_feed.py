"""Runs as they begin and end, told from the store."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from fakes import ManualClock
from memory_history import MemoryHistory, failed, make_run

from funchost.bindings.history import RunRecord, RunState
from funchost.host.operations.run_feed import RunFeed, follow


class Runs:
    """A history, a clock and a feed."""

    def __init__(self, functions: tuple[str, ...] = (), states: tuple[RunState, ...] = ()) -> None:
        self.clock = ManualClock()
        self.history = MemoryHistory()
        self.feed = RunFeed(self.history, self.clock, functions, states)

    def make(self, function: str = "work", state: RunState = RunState.SUCCEEDED) -> RunRecord:
        run = make_run(function, state, started=self.clock.now())
        self.history.runs[run.id] = run
        return run

    def end(self, run: RunRecord, state: RunState = RunState.SUCCEEDED) -> None:
        ended = make_run(run.function, state, id=run.id, started=run.started, ended=self.clock.now())
        self.history.runs[run.id] = ended

    async def news(self) -> list[tuple[str, str]]:
        return [(run.function, run.state.value) for run in await self.feed.news()]


async def test_runs_that_were_there_before_are_no_news() -> None:
    runs = Runs()
    runs.make()
    assert await runs.feed.begin(0) == []
    assert await runs.news() == []


async def test_the_last_ones_come_first_in_their_order() -> None:
    runs = Runs()
    for name in "abc":
        runs.make(name)
        runs.clock.advance(timedelta(seconds=1))
    assert [run.function for run in await runs.feed.begin(2)] == ["b", "c"]


async def test_a_run_is_told_of_when_it_begins_and_when_it_ends() -> None:
    runs = Runs()
    await runs.feed.begin(0)
    run = runs.make(state=RunState.RUNNING)
    assert await runs.news() == [("work", "running")]
    assert await runs.news() == []
    runs.end(run, RunState.FAILED)
    assert await runs.news() == [("work", "failed")]
    assert await runs.news() == []


async def test_the_end_of_a_run_that_began_long_ago_is_told() -> None:
    runs = Runs()
    run = runs.make(state=RunState.RUNNING)
    await runs.feed.begin(0)
    for _ in range(5):
        runs.clock.advance(timedelta(hours=1))
        assert await runs.news() == []
    runs.end(run)
    assert await runs.news() == [("work", "succeeded")]


async def test_a_run_that_gets_its_row_late_is_told_of() -> None:
    runs = Runs()
    await runs.feed.begin(0)
    began = runs.clock.now()
    runs.clock.advance(timedelta(seconds=3))
    assert await runs.news() == []
    late = make_run(started=began)
    runs.history.runs[late.id] = late
    assert await runs.news() == [("work", "succeeded")]


async def test_states_and_functions_are_left_out_that_nobody_asked_for() -> None:
    runs = Runs(functions=("work",), states=(RunState.FAILED,))
    await runs.feed.begin(0)
    first, second = runs.make(state=RunState.RUNNING), runs.make(state=RunState.RUNNING)
    runs.make("other", RunState.FAILED)
    assert await runs.news() == []
    runs.clock.advance(timedelta(minutes=5))
    runs.end(first)
    runs.end(second, RunState.FAILED)
    assert await runs.news() == [("work", "failed")]


async def test_many_runs_at_once_are_all_told_of_in_order() -> None:
    runs = Runs()
    await runs.feed.begin(0)
    ids = sorted(runs.make().id for _ in range(1200))
    assert [run.id for run in await runs.feed.news()] == ids


async def test_a_run_that_is_no_longer_kept_is_forgotten() -> None:
    runs = Runs()
    run = runs.make(state=RunState.RUNNING)
    await runs.feed.begin(0)
    runs.clock.advance(timedelta(hours=1))
    del runs.history.runs[run.id]
    assert await runs.news() == []


async def test_following_gives_what_is_signalled() -> None:
    runs, changed = Runs(), asyncio.Event()
    old = runs.make("old")
    following = follow(runs.feed, changed, 1)
    assert await anext(following) == old
    new = failed("new", started=runs.clock.now())
    runs.history.runs[new.id] = new
    changed.set()
    async with asyncio.timeout(5):
        assert await anext(following) == new
    await following.aclose()  # type: ignore[attr-defined]
