"""Wake-ups with the real APScheduler and the real clock; every wait is for an event, with a deadline."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from funchost.bindings.clock import SystemClock
from funchost.triggers.wakeups import SchedulerWakeups


def milliseconds(count: float) -> timedelta:
    return timedelta(milliseconds=count)


def now() -> datetime:
    return datetime.now(UTC)


class Calls:
    """What was called, when; and a way to wait for a number of calls."""

    def __init__(self) -> None:
        self.made: list[tuple[str, datetime]] = []
        self._changed = asyncio.Event()

    def note(self, name: str) -> Callable[[], None]:
        def callback() -> None:
            self.made.append((name, now()))
            self._changed.set()

        return callback

    async def reach(self, count: int) -> list[str]:
        async with asyncio.timeout(10):
            while len(self.made) < count:
                self._changed.clear()
                await self._changed.wait()
        return [name for name, _ in self.made]


class SettableClock(SystemClock):
    """The machine's clock, put forward or back."""

    offset = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.offset


@pytest_asyncio.fixture
async def wakeups() -> AsyncIterator[SchedulerWakeups]:
    made = SchedulerWakeups(SystemClock())
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def calls() -> Calls:
    return Calls()


async def test_a_call_is_made_at_its_moment_and_not_before(wakeups: SchedulerWakeups, calls: Calls) -> None:
    moments = [now() + milliseconds(20 * count) for count in range(1, 6)]
    for moment in moments:
        wakeups.call_at(moment, calls.note(""))
    await calls.reach(5)
    assert all(called >= moment for (_, called), moment in zip(calls.made, moments, strict=True))


async def test_calls_come_in_the_order_of_their_moments(wakeups: SchedulerWakeups, calls: Calls) -> None:
    start = now() + milliseconds(30)
    for name, after in (("c", 30), ("a", 0), ("d", 30), ("b", 10)):
        wakeups.call_at(start + milliseconds(after), calls.note(name))
    assert await calls.reach(4) == ["a", "b", "c", "d"]


async def test_a_moment_in_the_past_is_called_soon_but_not_within_call_at(
    wakeups: SchedulerWakeups, calls: Calls
) -> None:
    wakeups.call_at(now() - timedelta(days=400), calls.note("late"))
    assert calls.made == []
    assert await calls.reach(1) == ["late"]


async def test_a_cancelled_call_is_not_made(wakeups: SchedulerWakeups, calls: Calls) -> None:
    moment = now() + milliseconds(20)
    cancel = wakeups.call_at(moment, calls.note("cancelled"))
    wakeups.call_at(moment + milliseconds(10), calls.note("kept"))
    cancel()
    cancel()
    assert await calls.reach(1) == ["kept"]


async def test_cancelling_after_the_call_does_nothing(wakeups: SchedulerWakeups, calls: Calls) -> None:
    cancel = wakeups.call_at(now(), calls.note("first"))
    await calls.reach(1)
    cancel()
    wakeups.call_at(now(), calls.note("second"))
    assert await calls.reach(2) == ["first", "second"]


async def test_many_cancelled_calls_leave_the_others_in_their_order(
    wakeups: SchedulerWakeups, calls: Calls
) -> None:
    start = now() + milliseconds(100)
    # Not in the order of their moments, so that what is left has to be put in order anew.
    numbers = [number * 37 % 500 for number in range(500)]
    cancels = {
        number: wakeups.call_at(start + milliseconds(number / 10), calls.note(str(number)))
        for number in numbers
    }
    kept = [number for number in range(500) if number % 5 == 0]
    for number in numbers:
        if number not in kept:
            cancels[number]()
    assert await calls.reach(len(kept)) == [str(number) for number in kept]


async def test_calls_that_follow_each_other_closely_are_not_passed_over(
    wakeups: SchedulerWakeups, calls: Calls
) -> None:
    start = now() + milliseconds(30)
    for number in range(2000):
        wakeups.call_at(start + timedelta(microseconds=20 * number), calls.note(""))
    await calls.reach(2000)


async def test_a_callback_that_fails_stops_no_other(wakeups: SchedulerWakeups, calls: Calls) -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))

    def fails() -> None:
        raise ValueError("broken")

    moment = now() + milliseconds(10)
    wakeups.call_at(moment, fails)
    wakeups.call_at(moment, calls.note("same moment"))
    wakeups.call_at(moment + milliseconds(10), calls.note("later"))
    assert await calls.reach(2) == ["same moment", "later"]
    assert "broken" in str(told[0]["exception"])


async def test_a_callback_may_ask_for_the_next_call(wakeups: SchedulerWakeups, calls: Calls) -> None:
    def again() -> None:
        calls.note("again")()
        wakeups.call_at(now(), again)

    wakeups.call_at(now(), again)
    await calls.reach(50)


async def test_a_thousand_calls_for_one_moment_are_all_made_once(
    wakeups: SchedulerWakeups, calls: Calls
) -> None:
    moment = now() + milliseconds(50)
    for number in range(1000):
        wakeups.call_at(moment, calls.note(str(number)))
    assert await calls.reach(1000) == [str(number) for number in range(1000)]


async def test_a_clock_put_forward_makes_the_call_at_the_next_look(calls: Calls) -> None:
    clock = SettableClock()
    wakeups = SchedulerWakeups(clock, check_every=milliseconds(20))
    await wakeups.start()
    wakeups.call_at(now() + timedelta(hours=1), calls.note("due"))
    clock.offset = timedelta(hours=2)
    assert await calls.reach(1) == ["due"]
    await wakeups.stop()


async def test_a_clock_put_back_delays_the_call_until_its_moment(calls: Calls) -> None:
    clock = SettableClock()
    wakeups = SchedulerWakeups(clock, check_every=milliseconds(20))
    await wakeups.start()
    moment = now() + milliseconds(50)
    wakeups.call_at(moment, calls.note("put back"))
    clock.offset = -timedelta(milliseconds=100)
    await calls.reach(1)
    assert calls.made[0][1] >= moment + milliseconds(100)
    await wakeups.stop()


async def test_a_clock_put_back_far_makes_all_calls_at_the_next_look(calls: Calls) -> None:
    clock = SettableClock()
    wakeups = SchedulerWakeups(clock, check_every=milliseconds(20))
    await wakeups.start()
    for name in ("first", "second"):
        wakeups.call_at(now() + timedelta(minutes=30), calls.note(name))
    clock.offset = -timedelta(hours=1)
    assert await calls.reach(2) == ["first", "second"]
    wakeups.call_at(now() - timedelta(minutes=30), calls.note("later"))
    clock.offset = -timedelta(hours=1, seconds=30)
    wakeups.call_at(clock.now() + milliseconds(100), calls.note("in time"))
    assert await calls.reach(3) == ["first", "second", "in time"]
    await wakeups.stop()


async def test_calls_wait_for_the_start_and_end_with_the_stop(calls: Calls) -> None:
    wakeups = SchedulerWakeups(SystemClock())
    wakeups.call_at(now(), calls.note("before the start"))
    await asyncio.sleep(0)
    assert calls.made == []
    await wakeups.start()
    await calls.reach(1)
    await wakeups.stop()
    await wakeups.stop()
    wakeups.call_at(now(), calls.note("between"))
    await asyncio.sleep(0)
    assert len(calls.made) == 1
    await wakeups.start()
    assert await calls.reach(2) == ["before the start", "between"]
    await wakeups.stop()


def test_apscheduler_is_not_imported_before_the_first_call() -> None:
    code = (
        "import asyncio, sys\n"
        "from funchost.bindings.clock import SystemClock\n"
        "from funchost.triggers.timer import TimerTrigger\n"
        "from funchost.triggers.wakeups import SchedulerWakeups\n"
        "async def main():\n"
        "    wakeups = SchedulerWakeups(SystemClock())\n"
        "    await wakeups.start()\n"
        "    await wakeups.stop()\n"
        "asyncio.run(main())\n"
        "assert 'apscheduler' not in sys.modules, 'imported'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
