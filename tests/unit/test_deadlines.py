"""Deadlines near and far, on a clock that is set by hand."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from typing import Any

import pytest

from funchost.host.workers.deadlines import Deadlines


class HandLoop:
    """As much of an event loop as deadlines need."""

    def __init__(self) -> None:
        self.now = 100.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._count = 0
        self._real = asyncio.get_running_loop()

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[..., Any], *arguments: Any) -> asyncio.TimerHandle:
        return self.call_at(self.now + delay, callback, *arguments)

    def call_at(self, when: float, callback: Callable[..., Any], *arguments: Any) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, arguments, self._real)
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, handle))
        return handle

    def advance(self, seconds: float, *, early: float = 0.0) -> None:
        """Run what falls due; `early` by so much, as a coarse clock does."""
        end = self.now + seconds
        while self._timers and self._timers[0][0] <= end:
            when, _, handle = heapq.heappop(self._timers)
            self.now = max(self.now, when - early)
            if not handle.cancelled():
                handle._run()
        self.now = end

    @property
    def timers(self) -> int:
        return sum(not handle.cancelled() for _, _, handle in self._timers)


class World:
    def __init__(self, loop: HandLoop, monkeypatch: pytest.MonkeyPatch) -> None:
        self.loop = loop
        self.expired: list[tuple[int, object]] = []
        with monkeypatch.context() as patch:
            patch.setattr(asyncio, "get_running_loop", lambda: loop)
            self.deadlines = Deadlines(lambda number: self.expired.append((number, loop.now)))


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(HandLoop(), monkeypatch)


@pytest.mark.parametrize("seconds", [0.01, 0.5, 4.9, 5.0, 5.5, 60.0, 1800.0])
async def test_a_deadline_expires_once_and_on_time(world: World, seconds: float) -> None:
    world.deadlines.add(seconds, 7)
    world.loop.advance(seconds - 0.005)
    assert world.expired == []
    world.loop.advance(30)
    assert world.expired == [(7, pytest.approx(100 + seconds))]


@pytest.mark.parametrize("seconds", [1.0, 60.0])
async def test_one_that_was_taken_back_does_not_expire(world: World, seconds: float) -> None:
    world.deadlines.add(seconds, 1)()
    world.loop.advance(100)
    assert world.expired == []


async def test_one_may_be_taken_back_when_its_timer_is_set_already(world: World) -> None:
    take_back = world.deadlines.add(10.0, 1)
    world.loop.advance(9.5)
    take_back()
    world.loop.advance(10)
    assert world.expired == []


async def test_taking_back_may_be_repeated_and_come_late(world: World) -> None:
    take_back = world.deadlines.add(6.0, 1)
    world.loop.advance(10)
    take_back()
    take_back()
    assert [number for number, _ in world.expired] == [1]


async def test_a_number_that_is_set_anew_expires_at_its_new_time_alone(world: World) -> None:
    world.deadlines.add(6.0, 1)
    world.loop.advance(5.5)
    world.deadlines.add(20.0, 1)
    world.loop.advance(15)
    assert world.expired == []
    world.loop.advance(15)
    assert world.expired == [(1, pytest.approx(125.5))]


async def test_a_timer_that_comes_a_little_early_is_not_lost(world: World) -> None:
    world.deadlines.add(10.0, 1)
    world.loop.advance(10.5, early=0.001)
    assert world.expired == [(1, pytest.approx(110.0, abs=0.01))]


async def test_thousands_of_far_ones_share_one_timer(world: World) -> None:
    take_back = [world.deadlines.add(1800.0, number) for number in range(1000)]
    assert world.loop.timers == 1
    for one in take_back:
        one()
    world.loop.advance(2)
    assert world.loop.timers == 0


async def test_ticking_begins_again_after_a_rest(world: World) -> None:
    world.deadlines.add(6.0, 1)
    world.loop.advance(20)
    world.deadlines.add(6.0, 2)
    world.loop.advance(20)
    assert world.expired == [(1, pytest.approx(106.0)), (2, pytest.approx(126.0))]
