"""The timer trigger on a virtual clock: what it checks, when it runs, and what it remembers."""

from __future__ import annotations

import asyncio
import dataclasses
import heapq
import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import msgspec
import pytest
from waiting import until

from funchost.bindings.errors import BindingError, ConfigurationError, StoreError
from funchost.bindings.memory_leases import MemoryLeases
from funchost.triggers import locks as locks_module
from funchost.triggers import singleton
from funchost.triggers.base import Deliver, Outcome, Resources, Status, TriggerEvent
from funchost.triggers.descriptor import Binding, FunctionDescriptor
from funchost.triggers.fields import TimerTriggerFields
from funchost.triggers.locks import Locks
from funchost.triggers.schedule import Schedule
from funchost.triggers.timer import TimerTrigger
from funchost.triggers.timer_listener import TimerListener
from funchost.triggers.timer_missed import BUSY, MOST_COUNTED, NOBODY, STOOD_STILL, Missed, missed_before
from funchost.triggers.timer_status import TimerStatus, resume

NEVER = "0001-01-01T00:00:00+00:00"
HOURLY = "0 0 * * * *"
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


class VirtualTime:
    """A clock that stands still, and the wake-ups that come as it is moved on."""

    def __init__(self, now: datetime) -> None:
        self.moment = now
        self._calls: list[tuple[datetime, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def call_at(self, moment: datetime, callback: Callable[[], None]) -> Callable[[], None]:
        entry = (moment, next(self._order), callback)
        heapq.heappush(self._calls, entry)
        return lambda: self._calls.remove(entry) if entry in self._calls else None

    @property
    def waiting(self) -> list[datetime]:
        return sorted(moment for moment, *_ in self._calls)

    async def advance(self, by: timedelta) -> None:
        """Let so much time pass, with everything that falls due in it."""
        end = self.moment + by
        await settle()
        while self._calls and self._calls[0][0] <= end:
            moment, _, callback = heapq.heappop(self._calls)
            self.moment = max(self.moment, moment)
            callback()
            await settle()
        self.moment = max(self.moment, end)

    async def set_back(self, by: timedelta) -> None:
        """Show so much less; as soon as that is noticed all calls are made."""
        self.moment -= by
        calls, self._calls = self._calls, []
        for _, _, callback in calls:
            callback()
        await settle()

    async def ring_early(self, by: timedelta) -> None:
        """Make the next call so long before its time, as a clock that is set back would."""
        moment, _, callback = heapq.heappop(self._calls)
        self.moment = moment - by
        callback()
        await settle()


async def settle() -> None:
    """Let every task go on until it waits."""
    for _ in range(20):
        await asyncio.sleep(0)


class KeptState:
    """State as it is stored: JSON texts."""

    def __init__(self) -> None:
        self.texts: dict[tuple[str, str], str] = {}
        self.broken = False

    async def get(self, scope: str, key: str) -> Any:
        text = self.texts.get((scope, key))
        return text and json.loads(text)

    async def put(self, scope: str, key: str, value: Any) -> None:
        self.texts[scope, key] = json.dumps(value)

    async def change(self, scope: str, key: str, edit: Callable[[Any], Any]) -> bool:
        if self.broken:
            raise StoreError("the disk is full")
        value = edit(await self.get(scope, key))
        if value is not None:
            await self.put(scope, key, value)
        return value is not None

    @property
    def status(self) -> dict[str, str]:
        return cast(dict[str, str], json.loads(self.texts["timer", "Totals"]))

    @property
    def fence(self) -> int:
        return cast(int, json.loads(self.texts["timer", "Totals"])["Fence"])


class Function:
    """Stands for the executor: notes each tick, and ends it as it is told to."""

    def __init__(self, time: VirtualTime) -> None:
        self._time = time
        self.events: list[TriggerEvent] = []
        self.starts: list[datetime] = []
        self.lengths: list[timedelta] = []
        self.statuses: list[Status] = []
        self.running = 0
        self.most_running = 0

    async def __call__(self, event: TriggerEvent) -> Outcome:
        self.events.append(event)
        started = self._time.now()
        self.starts.append(started)
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        if self.lengths and (length := self.lengths.pop(0)):
            over = asyncio.Event()
            self._time.call_at(started + length, over.set)
            await over.wait()
        self.running -= 1
        status = self.statuses.pop(0) if self.statuses else Status.SUCCEEDED
        return Outcome(
            status=status, function="Totals", invocation_id="1", started=started, ended=self._time.now()
        )

    @property
    def times(self) -> list[str]:
        return [f"{start:%H:%M:%S}" for start in self.starts]

    @property
    def past_due(self) -> list[bool]:
        return [event.data["IsPastDue"] for event in self.events]


class Bench:
    """One timer function, and the host around it as far as a timer sees it."""

    def __init__(self) -> None:
        self.time = VirtualTime(NOON + minutes(30))
        self.state = KeptState()
        self.function = Function(self.time)
        self.reports: list[str] = []
        # A timer has no use for what is None here.
        nothing = {field.name: cast(Any, None) for field in dataclasses.fields(Resources)}
        mine: dict[str, Any] = {
            "state": self.state,
            "wakeups": self.time,
            "clock": self.time,
            "time_zone": "UTC",
            "report": self.reports.append,
        }
        self.resources = Resources(**{**nothing, **mine})

    def trigger(self, **fields: Any) -> TimerTrigger:
        binding = Binding(type="timerTrigger", name="timer", fields=fields)
        function = FunctionDescriptor(
            name="Totals",
            directory=Path("Totals"),
            script_file=Path("Totals/__init__.py"),
            entry_point="main",
            trigger=binding,
        )
        return TimerTrigger(function, msgspec.convert(fields, TimerTriggerFields), self.resources)

    def listener(self, fence: Callable[[], int | None] = lambda: None, **fields: Any) -> TimerListener:
        trigger = self.trigger(**fields)
        return TimerListener("Totals", trigger.schedule, trigger.fields, self.resources, self.function, fence)

    async def was_stopped_at(self, when: datetime, **fields: Any) -> None:
        """Leave behind what a host leaves that ran until then, having run the timer once at 12:00."""
        schedule = self.trigger(**fields).schedule
        status = TimerStatus.reckoned(schedule, NOON)
        await self.state.put("timer", "Totals", status.to_json(schedule.zone))
        self.time.moment = when


@pytest.fixture
def bench() -> Bench:
    return Bench()


# The entry


@pytest.mark.parametrize("fields", [{}, {"schedule": HOURLY, "runAt": "2030-01-01T00:00"}])
def test_a_timer_needs_exactly_one_of_schedule_and_run_at(bench: Bench, fields: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="either `schedule` or `runAt`"):
        bench.trigger(**fields)


@pytest.mark.parametrize(
    ("key", "value"), [("schedule", "0 0 25 * * *"), ("schedule", ""), ("runAt", "soon")]
)
def test_a_time_that_cannot_be_read_is_told_with_its_key(bench: Bench, key: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        bench.trigger(**{key: value})
    assert refused.value.key == key


@pytest.mark.parametrize(
    ("zone", "hint"),
    [
        ("Europe/Berlim", "did you mean Europe/Berlin?"),
        ("europe/berlin", "did you mean Europe/Berlin?"),
        ("America", "time zone"),
        ("../etc/passwd", "use an IANA name"),
        ("qqqqqqqq", "use an IANA name such as Europe/Berlin"),
    ],
)
def test_an_unknown_zone_is_told_with_the_nearest_known_one(bench: Bench, zone: str, hint: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        bench.trigger(schedule=HOURLY, timeZone=zone)
    assert refused.value.key == "timeZone"
    assert hint in str(refused.value)


def test_an_unknown_zone_of_the_host_is_told_by_its_settings(bench: Bench) -> None:
    bench.resources = dataclasses.replace(bench.resources, time_zone="Mars/Olympus")
    with pytest.raises(ConfigurationError, match="WEBSITE_TIME_ZONE or TZ"):
        bench.trigger(schedule=HOURLY)


def test_a_schedule_is_in_the_zone_of_the_host_unless_it_says_its_own(bench: Bench) -> None:
    bench.resources = dataclasses.replace(bench.resources, time_zone="Europe/Berlin")
    assert bench.trigger(schedule=HOURLY).schedule.zone == ZoneInfo("Europe/Berlin")
    assert bench.trigger(schedule=HOURLY, timeZone="UTC").schedule.zone is UTC


def test_preview_gives_the_next_five_runs(bench: Bench) -> None:
    runs = bench.trigger(schedule=HOURLY, timeZone="Asia/Tokyo").preview(NOON)
    assert [run.isoformat() for run in runs] == [f"2026-06-01T{hour}:00:00+09:00" for hour in (22, 23)] + [
        f"2026-06-02T{hour:02}:00:00+09:00" for hour in (0, 1, 2)
    ]


def test_a_person_sees_the_schedule_and_its_zone(bench: Bench) -> None:
    assert bench.trigger(schedule=HOURLY).describe() == "0 0 * * * * (UTC)"
    assert bench.trigger(schedule=HOURLY, timeZone="Asia/Tokyo").describe() == "0 0 * * * * (Asia/Tokyo)"
    assert bench.trigger(runAt="2026-06-01T12:00").describe() == "2026-06-01T12:00 (UTC)"


async def test_a_run_by_hand_is_a_tick_whatever_its_data(bench: Bench) -> None:
    event = await bench.trigger(schedule=HOURLY).manual_event(b"anything")
    assert event.kind == "timer"
    assert event.data == {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": None, "IsPastDue": False}
    assert event.metadata["timerTrigger"] == event.data


async def test_a_timer_runs_only_on_the_host_that_holds_its_listener_lock(bench: Bench) -> None:
    asked: list[str] = []

    class Taken:
        async def acquire(self, name: str, owner: str, *more: Any) -> None:
            asked.append(name)

        async def wait(self, limit: timedelta) -> None:
            await asyncio.Event().wait()

    bench.resources = dataclasses.replace(bench.resources, locks=Locks(cast(Any, Taken()), "host"))
    listener = bench.trigger(schedule=HOURLY).listener(bench.function)
    await listener.start()
    await bench.time.advance(minutes(120))
    await listener.stop()
    assert set(asked) == {"Totals.Listener"}
    assert bench.function.events == []


# Ticks


async def test_a_timer_runs_at_each_occurrence(bench: Bench) -> None:
    listener = bench.listener(schedule=HOURLY)
    await listener.start()
    await bench.time.advance(minutes(150))
    await listener.stop()
    assert bench.function.times == ["13:00:00", "14:00:00", "15:00:00"]
    assert bench.function.past_due == [False, False, False]


async def test_a_tick_carries_the_schedule_and_its_status_in_local_time(bench: Bench) -> None:
    listener = bench.listener(schedule=HOURLY, timeZone="Europe/Berlin")
    await listener.start()
    await bench.time.advance(minutes(90))
    await listener.stop()
    first, second = bench.function.events
    assert first.kind == "timer"
    assert first.reason == "Timer fired at 2026-06-01T15:00:00+02:00"
    assert first.data == {
        "Schedule": {"AdjustForDST": True},
        "ScheduleStatus": {
            "Last": NEVER,
            "Next": "2026-06-01T15:00:00+02:00",
            "LastUpdated": "2026-06-01T14:30:00+02:00",
        },
        "IsPastDue": False,
    }
    assert first.metadata == {"timerTrigger": first.data}
    assert second.data["ScheduleStatus"]["Last"] == "2026-06-01T15:00:00+02:00"
    assert second.data["ScheduleStatus"]["Next"] == "2026-06-01T16:00:00+02:00"


async def test_a_new_timer_remembers_its_next_run_and_is_not_past_due(bench: Bench) -> None:
    listener = bench.listener(schedule=HOURLY)
    await listener.start()
    await settle()
    assert bench.function.events == []
    assert bench.state.status == {
        "Last": NEVER,
        "Next": "2026-06-01T13:00:00+00:00",
        "LastUpdated": "2026-06-01T12:30:00+00:00",
    }
    await listener.stop()


async def test_after_a_run_the_next_is_reckoned_from_its_start(bench: Bench) -> None:
    bench.function.lengths = [minutes(10)]
    listener = bench.listener(schedule="00:30:00")
    await listener.start()
    await bench.time.advance(minutes(45))
    assert bench.state.status == {
        "Last": "2026-06-01T13:00:00+00:00",
        "Next": "2026-06-01T13:30:00+00:00",
        "LastUpdated": "2026-06-01T13:00:00+00:00",
    }
    await listener.stop()


async def test_a_run_that_overruns_is_followed_at_once_by_one_that_is_not_past_due(bench: Bench) -> None:
    bench.function.lengths = [minutes(150)]
    listener = bench.listener(schedule=HOURLY)
    await listener.start()
    await bench.time.advance(minutes(220))
    await listener.stop()
    assert bench.function.times == ["13:00:00", "15:30:00", "16:00:00"]
    assert bench.function.past_due == [False, False, False]
    assert bench.function.most_running == 1


async def test_a_tick_that_comes_early_does_not_come_again(bench: Bench) -> None:
    listener = bench.listener(schedule=HOURLY)
    await listener.start()
    await settle()
    await bench.time.ring_early(timedelta(seconds=2))
    assert bench.function.times == ["12:59:58"]
    assert bench.state.status["Last"] == "2026-06-01T13:00:00+00:00"
    assert bench.state.status["Next"] == "2026-06-01T14:00:00+00:00"
    await listener.stop()


@pytest.mark.parametrize("status", [Status.FAILED, Status.TIMED_OUT])
async def test_a_failure_does_not_change_the_schedule(bench: Bench, status: Status) -> None:
    bench.function.statuses = [status]
    listener = bench.listener(schedule=HOURLY)
    await listener.start()
    await bench.time.advance(minutes(90))
    await listener.stop()
    assert bench.function.times == ["13:00:00", "14:00:00"]
    assert bench.state.status["Last"] == "2026-06-01T14:00:00+00:00"


async def test_a_run_that_could_not_be_made_is_told_and_does_not_change_the_schedule(bench: Bench) -> None:
    calls = 0

    async def deliver(event: TriggerEvent) -> Outcome:
        nonlocal calls
        calls += 1
        raise RuntimeError("out of order")

    trigger = bench.trigger(schedule=HOURLY)
    listener = TimerListener(
        "Totals", trigger.schedule, trigger.fields, bench.resources, cast(Deliver, deliver)
    )
    await listener.start()
    await bench.time.advance(minutes(90))
    await listener.stop()
    assert calls == 2
    assert "out of order" in bench.reports[0]


async def test_a_status_that_cannot_be_stored_is_told_and_the_timer_goes_on(bench: Bench) -> None:
    listener = bench.listener(schedule=HOURLY)
    await listener.start()
    bench.state.broken = True
    await bench.time.advance(minutes(90))
    await listener.stop()
    assert bench.function.times == ["13:00:00", "14:00:00"]
    assert any("the disk is full" in report for report in bench.reports)


async def test_a_timer_whose_status_cannot_be_taken_over_does_not_start(bench: Bench) -> None:
    bench.state.broken = True
    listener = bench.listener(schedule=HOURLY)
    with pytest.raises(StoreError, match="the disk is full"):
        await listener.start()
    assert listener.state == "stopped"
    bench.state.broken = False
    await listener.start()
    await bench.time.advance(minutes(30))
    await listener.stop()
    assert bench.function.times == ["13:00:00"]


async def test_a_run_whose_end_could_not_be_stored_is_not_made_again_by_the_same_host(bench: Bench) -> None:
    listener = bench.listener(schedule=HOURLY)
    await listener.start()
    bench.state.broken = True
    await bench.time.advance(minutes(45))
    await listener.stop()
    bench.state.broken = False
    await listener.start()
    await settle()
    assert bench.function.times == ["13:00:00"]
    assert bench.state.status["Last"] == "2026-06-01T13:00:00+00:00"
    await listener.stop()


# Several hosts


async def test_the_status_carries_the_number_of_the_lease_under_which_it_was_stored(bench: Bench) -> None:
    listener = bench.listener(lambda: 7, schedule=HOURLY)
    await listener.start()
    assert bench.state.fence == 7
    await bench.time.advance(minutes(30))
    await listener.stop()
    assert (bench.state.fence, bench.state.status["Last"]) == (7, "2026-06-01T13:00:00+00:00")


async def test_a_late_holder_stores_nothing_over_what_its_successor_has_stored(bench: Bench) -> None:
    bench.function.lengths = [minutes(30)]
    late = bench.listener(lambda: 1, schedule=HOURLY)
    await late.start()
    await bench.time.advance(minutes(31))
    successor = bench.listener(lambda: 2, schedule=HOURLY, misfire="skip")
    await successor.start()
    await settle()
    assert bench.state.status["Next"] == "2026-06-01T14:00:00+00:00"
    await bench.time.advance(minutes(28))
    stopping = asyncio.create_task(late.stop())
    await bench.time.advance(minutes(1.5))
    await stopping
    assert bench.state.fence == 2
    assert any("taken it over" in report for report in bench.reports)
    await successor.stop()


async def test_a_successor_does_not_run_what_was_finished_before(bench: Bench) -> None:
    first = bench.listener(lambda: 1, schedule=HOURLY)
    await first.start()
    await bench.time.advance(minutes(30))
    # Killed here: it is never stopped, and its lease ends.
    await bench.time.advance(minutes(1))
    successor = bench.listener(lambda: 2, schedule=HOURLY)
    await successor.start()
    await settle()
    assert bench.function.times == ["13:00:00"]
    for listener in (first, successor):
        await listener.stop()


async def test_who_lost_the_lease_while_starting_does_not_start(bench: Bench) -> None:
    successor = bench.listener(lambda: 2, schedule=HOURLY)
    await successor.start()
    before = bench.state.status
    late = bench.listener(lambda: 1, schedule=HOURLY)
    with pytest.raises(StoreError, match="has gone on with the timer"):
        await late.start()
    assert bench.state.status == before
    await successor.stop()


async def test_a_timer_stores_under_the_number_of_its_listener_lock(bench: Bench) -> None:
    locks = Locks(MemoryLeases(), "host")
    bench.resources = dataclasses.replace(bench.resources, locks=locks)
    listener = bench.trigger(schedule=HOURLY).listener(bench.function)
    await listener.start()
    held = locks.surely_held("Totals.Listener")
    assert held and bench.state.fence == held.fence
    await listener.stop()


async def test_a_timer_does_not_run_while_its_lease_cannot_be_renewed_and_makes_up_for_it_afterwards(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(singleton, "RECOVERY_INTERVAL", timedelta(milliseconds=1))
    monkeypatch.setattr(locks_module, "LEASE_PERIOD", timedelta(0))
    monkeypatch.setattr(locks_module, "RENEW_AGAIN", 0.001)

    class Leases(MemoryLeases):
        away = False

        async def acquire(self, *arguments: Any) -> Any:
            if self.away:
                raise StoreError("no network")
            return await super().acquire(*arguments)

        async def renew(self, *arguments: Any) -> bool:
            if self.away:
                raise StoreError("no network")
            return await super().renew(*arguments)

    store = Leases(bench.time)
    locks = Locks(store, "host", clock=bench.time.monotonic)
    bench.resources = dataclasses.replace(bench.resources, locks=locks)
    listener = bench.trigger(schedule=HOURLY).listener(bench.function)
    await listener.start()
    store.away = True
    await bench.time.advance(minutes(31))
    await until(lambda: listener.state == "waiting: no network")
    assert bench.function.events == []
    store.away = False
    await until(lambda: bench.function.events)
    assert bench.function.past_due == [True]
    assert listener.state.startswith("listening, next run 2026-06-01 14:00:00")
    await listener.stop()


# Restarts


async def test_ticks_missed_while_the_host_was_down_are_one_run_that_is_past_due(bench: Bench) -> None:
    await bench.was_stopped_at(NOON + minutes(200), schedule=HOURLY)
    listener = bench.listener(schedule=HOURLY)
    await listener.start()
    await bench.time.advance(minutes(50))
    await listener.stop()
    assert bench.function.times == ["15:20:00", "16:00:00"]
    assert bench.function.past_due == [True, False]
    late = bench.function.events[0]
    assert late.data["ScheduleStatus"]["Next"] == "2026-06-01T13:00:00+00:00"
    assert late.reason == "Timer fired at 2026-06-01T15:20:00+00:00"
    assert late.details and late.details() == {
        "UnscheduledInvocationReason": "IsPastDue",
        "OriginalSchedule": "2026-06-01T13:00:00+00:00",
    }
    assert bench.function.events[1].details is None


async def test_a_restart_between_two_ticks_runs_nothing(bench: Bench) -> None:
    await bench.was_stopped_at(NOON + minutes(59), schedule=HOURLY)
    listener = bench.listener(schedule=HOURLY)
    await listener.start()
    await settle()
    assert bench.function.events == []
    await bench.time.advance(minutes(1))
    await listener.stop()
    assert bench.function.past_due == [False]


async def test_a_restart_at_the_very_moment_is_on_time(bench: Bench) -> None:
    await bench.was_stopped_at(NOON + minutes(60), schedule=HOURLY)
    listener = bench.listener(schedule=HOURLY)
    await listener.start()
    await bench.time.advance(minutes(0))
    await listener.stop()
    assert bench.function.past_due == [False]


async def test_each_tick_is_run_once_however_often_the_listener_is_started_again(bench: Bench) -> None:
    for _ in range(8):
        listener = bench.listener(schedule=HOURLY)
        await listener.start()
        await bench.time.advance(minutes(25))
        await listener.stop()
    assert bench.function.times == ["13:00:00", "14:00:00", "15:00:00"]


async def test_one_listener_can_be_stopped_and_started_again(bench: Bench) -> None:
    listener = bench.listener(schedule=HOURLY)
    await listener.start()
    await listener.start()
    await bench.time.advance(minutes(45))
    await listener.stop()
    await listener.stop()
    assert listener.state == "stopped"
    assert bench.time.waiting == []
    await bench.time.advance(minutes(60))
    await listener.start()
    await settle()
    assert listener.state == "listening, next run 2026-06-01 15:00:00 UTC"
    await listener.stop()
    assert bench.function.times == ["13:00:00", "14:15:00"]
    assert bench.function.past_due == [False, True]


async def test_an_interval_goes_on_at_once_on_a_clock_that_is_set_back(bench: Bench) -> None:
    listener = bench.listener(schedule="0 */5 * * * *")
    await listener.start()
    await bench.time.advance(minutes(11))
    await bench.time.set_back(minutes(120))
    await bench.time.advance(minutes(10))
    assert bench.function.times == ["12:35:00", "12:40:00", "10:45:00", "10:50:00"]
    assert bench.function.past_due == [False] * 4
    assert bench.state.status["Next"] == "2026-06-01T10:55:00+00:00"
    assert bench.reports == [
        "Timer Totals: the clock was set back; it goes on by the time that it shows now."
    ]
    await listener.stop()


async def test_a_point_in_time_is_repeated_only_where_the_clock_was_wrong_by_hours(bench: Bench) -> None:
    listener = bench.listener(schedule="0 0 13 * * *")
    await listener.start()
    await bench.time.advance(minutes(60))
    await bench.time.set_back(minutes(90))
    await bench.time.advance(minutes(90))
    assert bench.function.times == ["13:00:00"]
    await bench.time.set_back(timedelta(days=400))
    await bench.time.advance(timedelta(hours=24))
    assert bench.function.times == ["13:00:00", "13:00:00"]
    assert bench.state.status["Last"] == "2025-04-28T13:00:00+00:00"
    await listener.stop()


async def test_a_clock_that_is_set_back_a_little_makes_nothing_run_early_or_twice(bench: Bench) -> None:
    listener = bench.listener(schedule="0 */5 * * * *")
    await listener.start()
    await bench.time.advance(minutes(5.5))
    await bench.time.set_back(minutes(1.2))
    await bench.time.advance(minutes(6))
    assert bench.function.times == ["12:35:00", "12:40:00"]
    await listener.stop()


async def test_a_clock_that_is_set_back_during_a_run_is_noticed_after_it(bench: Bench) -> None:
    bench.function.lengths = [minutes(1)]
    listener = bench.listener(schedule=HOURLY)
    await listener.start()
    await bench.time.advance(minutes(30))
    assert bench.function.running == 1
    await bench.time.set_back(timedelta(hours=6))
    await bench.time.advance(minutes(60))
    assert bench.function.times == ["13:00:00", "08:00:00"]
    await listener.stop()


async def test_a_clock_that_was_set_back_while_the_host_was_down_does_not_keep_a_timer_waiting(
    bench: Bench,
) -> None:
    await bench.was_stopped_at(NOON - timedelta(days=1000, minutes=10), schedule=HOURLY)
    listener = bench.listener(schedule=HOURLY)
    await listener.start()
    await bench.time.advance(minutes(10))
    await listener.stop()
    assert bench.function.times == ["12:00:00"]
    assert bench.function.past_due == [False]


async def test_an_edited_schedule_is_never_past_due(bench: Bench) -> None:
    await bench.was_stopped_at(NOON + minutes(200), schedule=HOURLY)
    listener = bench.listener(schedule="0 30 * * * *")
    await listener.start()
    await settle()
    assert bench.function.events == []
    assert bench.state.status["Last"] == NEVER
    assert bench.state.status["Next"] == "2026-06-01T15:30:00+00:00"
    await listener.stop()


async def test_an_edited_schedule_that_is_not_due_yet_keeps_its_next_run_over_restarts(bench: Bench) -> None:
    await bench.was_stopped_at(NOON + minutes(10), schedule=HOURLY)
    edited = bench.listener(schedule="02:00:00")
    await edited.start()
    await edited.stop()
    assert bench.state.status["Next"] == "2026-06-01T14:00:00+00:00"
    await bench.time.advance(minutes(125))
    again = bench.listener(schedule="02:00:00")
    await again.start()
    await settle()
    await again.stop()
    assert bench.function.past_due == [True]


async def test_misfire_skip_waits_for_the_next_tick(bench: Bench) -> None:
    await bench.was_stopped_at(NOON + minutes(200), schedule=HOURLY)
    listener = bench.listener(schedule=HOURLY, misfire="skip")
    await listener.start()
    await bench.time.advance(minutes(50))
    await listener.stop()
    assert bench.function.times == ["16:00:00"]
    assert bench.function.past_due == [False]


async def test_misfire_all_runs_each_missed_tick_oldest_first(bench: Bench) -> None:
    await bench.was_stopped_at(NOON + minutes(200), schedule=HOURLY)
    listener = bench.listener(schedule=HOURLY, misfire="all")
    await listener.start()
    await bench.time.advance(minutes(50))
    await listener.stop()
    assert bench.function.past_due == [True, True, True, False]
    dues = [event.data["ScheduleStatus"]["Next"][11:16] for event in bench.function.events]
    assert dues == ["13:00", "14:00", "15:00", "16:00"]
    assert bench.function.most_running == 1


async def test_misfire_all_goes_on_after_a_restart_where_it_was(bench: Bench) -> None:
    await bench.was_stopped_at(NOON + minutes(200), schedule=HOURLY)
    bench.function.statuses = [Status.SUCCEEDED, Status.INTERRUPTED]
    first = bench.listener(schedule=HOURLY, misfire="all")
    await first.start()
    await settle()
    await first.stop()
    assert bench.state.status["Last"] == "2026-06-01T13:00:00+00:00"
    second = bench.listener(schedule=HOURLY, misfire="all")
    await second.start()
    await settle()
    await second.stop()
    dues = [event.data["ScheduleStatus"]["Next"][11:16] for event in bench.function.events]
    assert dues == ["13:00", "14:00", "14:00", "15:00"]


async def test_misfire_all_is_bounded_and_says_so(bench: Bench) -> None:
    every_minute = "0 * * * * *"
    await bench.was_stopped_at(NOON + timedelta(days=2), schedule=every_minute)
    listener = bench.listener(schedule=every_minute, misfire="all")
    await listener.start()
    while not bench.reports:
        await settle()
    await settle()
    assert bench.function.past_due == [True] * 1000
    assert "missed more than 1000 runs" in bench.reports[0]
    assert bench.state.status["Next"] == "2026-06-03T12:01:00+00:00"
    await listener.stop()


async def test_run_on_startup_runs_at_every_start_beside_the_schedule(bench: Bench) -> None:
    for _ in range(2):
        listener = bench.listener(schedule=HOURLY, runOnStartup=True)
        await listener.start()
        await bench.time.advance(minutes(10))
        await listener.stop()
    assert bench.function.times == ["12:30:00", "12:40:00"]
    assert bench.function.past_due == [False, False]
    early = bench.function.events[0]
    assert early.details and early.details() == {"UnscheduledInvocationReason": "RunOnStartup"}
    assert bench.state.status["Last"] == "2026-06-01T12:40:00+00:00"
    assert bench.state.status["Next"] == "2026-06-01T13:00:00+00:00"


async def test_a_run_that_is_past_due_takes_the_place_of_that_on_startup(bench: Bench) -> None:
    await bench.was_stopped_at(NOON + minutes(90), schedule=HOURLY)
    listener = bench.listener(schedule=HOURLY, runOnStartup=True)
    await listener.start()
    await settle()
    await listener.stop()
    assert bench.function.past_due == [True]


async def test_a_run_on_startup_is_made_where_missed_ticks_are_skipped(bench: Bench) -> None:
    await bench.was_stopped_at(NOON + minutes(90), schedule=HOURLY)
    listener = bench.listener(schedule=HOURLY, runOnStartup=True, misfire="skip")
    await listener.start()
    await settle()
    await listener.stop()
    assert bench.function.past_due == [False]


async def test_a_run_that_a_stop_interrupts_is_made_again_after_the_restart(bench: Bench) -> None:
    bench.function.lengths = [minutes(10)]
    bench.function.statuses = [Status.INTERRUPTED]
    first = bench.listener(schedule=HOURLY)
    await first.start()
    await bench.time.advance(minutes(35))
    stopping = asyncio.create_task(first.stop())
    await settle()
    assert not stopping.done()
    await bench.time.advance(minutes(5))
    await stopping
    assert bench.state.status["Last"] == NEVER
    second = bench.listener(schedule=HOURLY)
    await second.start()
    await bench.time.advance(minutes(5))
    await second.stop()
    assert bench.function.times == ["13:00:00", "13:10:00"]
    assert bench.function.past_due == [False, True]


async def test_a_run_that_something_else_interrupts_is_made_again_soon(bench: Bench) -> None:
    bench.function.statuses = [Status.INTERRUPTED]
    listener = bench.listener(schedule=HOURLY)
    await listener.start()
    await bench.time.advance(minutes(31))
    await listener.stop()
    assert bench.function.times == ["13:00:00", "13:00:01"]


async def test_a_stop_waits_for_the_run_and_keeps_its_end(bench: Bench) -> None:
    bench.function.lengths = [minutes(10)]
    listener = bench.listener(schedule=HOURLY)
    await listener.start()
    await bench.time.advance(minutes(35))
    stopping = asyncio.create_task(listener.stop())
    await bench.time.advance(minutes(10))
    await stopping
    assert bench.state.status["Last"] == "2026-06-01T13:00:00+00:00"


async def test_a_stop_before_an_owed_run_began_leaves_it_owed(bench: Bench) -> None:
    await bench.was_stopped_at(NOON + minutes(90), schedule=HOURLY)
    listener = bench.listener(schedule=HOURLY)
    await listener.start()
    await listener.stop()
    assert bench.function.events == []
    assert bench.state.status["Next"] == "2026-06-01T13:00:00+00:00"


# Without a memory


@pytest.mark.parametrize(
    "fields", [{"schedule": "*/10 * * * * *"}, {"schedule": HOURLY, "useMonitor": False}]
)
async def test_a_timer_that_is_not_monitored_reads_and_writes_nothing(
    bench: Bench, fields: dict[str, Any]
) -> None:
    await bench.was_stopped_at(NOON + minutes(90), schedule=fields["schedule"])
    before = dict(bench.state.texts)
    listener = bench.listener(**fields)
    await listener.start()
    await bench.time.advance(minutes(30))
    await listener.stop()
    assert bench.function.events[0].data["ScheduleStatus"] is None
    assert not any(bench.function.past_due)
    assert bench.state.texts == before


async def test_a_frequent_timer_keeps_its_pace(bench: Bench) -> None:
    listener = bench.listener(schedule="*/20 * * * * *")
    await listener.start()
    await bench.time.advance(minutes(1))
    await listener.stop()
    assert bench.function.times == ["12:30:20", "12:30:40", "12:31:00"]


# One moment


async def test_run_at_runs_once_ever(bench: Bench) -> None:
    for _ in range(3):
        listener = bench.listener(runAt="2026-06-01T13:00:00")
        await listener.start()
        await bench.time.advance(minutes(40))
        await listener.stop()
    assert bench.function.times == ["13:00:00"]
    assert bench.state.status["Next"] == NEVER


async def test_run_at_says_when_it_is_finished(bench: Bench) -> None:
    listener = bench.listener(runAt="2026-06-01T13:00:00")
    await listener.start()
    await bench.time.advance(minutes(40))
    assert listener.state == "finished: its time is past"
    await listener.stop()


@pytest.mark.parametrize("misfire", ["once", "all"])
async def test_run_at_runs_late_when_the_host_was_down_then(bench: Bench, misfire: str) -> None:
    for _ in range(2):
        listener = bench.listener(runAt="2026-06-01T12:00:00", misfire=misfire)
        await listener.start()
        await settle()
        await listener.stop()
    assert bench.function.past_due == [True]


async def test_run_at_is_not_run_late_where_that_is_to_be_skipped(bench: Bench) -> None:
    listener = bench.listener(runAt="2026-06-01T12:00:00", misfire="skip")
    await listener.start()
    await settle()
    await listener.stop()
    assert bench.function.events == []


async def test_run_at_that_is_interrupted_is_still_owed(bench: Bench) -> None:
    bench.function.statuses = [Status.INTERRUPTED]
    for _ in range(2):
        listener = bench.listener(runAt="2026-06-01T12:00:00")
        await listener.start()
        await settle()
        await listener.stop()
    assert bench.function.past_due == [True, True]


async def test_run_at_moved_to_a_new_time_runs_again(bench: Bench) -> None:
    for moment in ("2026-06-01T13:00:00", "2026-06-01T14:00:00"):
        listener = bench.listener(runAt=moment)
        await listener.start()
        await bench.time.advance(minutes(60))
        await listener.stop()
    assert bench.function.times == ["13:00:00", "14:00:00"]


async def test_a_run_on_startup_is_not_the_run_of_run_at(bench: Bench) -> None:
    listener = bench.listener(runAt="2026-06-01T13:00:00", runOnStartup=True)
    await listener.start()
    await bench.time.advance(minutes(40))
    await listener.stop()
    assert bench.function.times == ["12:30:00", "13:00:00"]


async def test_run_at_without_a_memory_does_not_run_late(bench: Bench) -> None:
    listener = bench.listener(runAt="2026-06-01T12:00:00", useMonitor=False)
    await listener.start()
    await settle()
    await listener.stop()
    assert bench.function.events == []


# The start-up decision


def stored(last: datetime | None, following: datetime | None, updated: datetime | None) -> TimerStatus:
    return TimerStatus(last, following, updated)


@pytest.mark.parametrize(
    ("status", "expected", "owed"),
    [
        (None, stored(None, NOON + minutes(60), NOON + minutes(30)), False),
        # Last run at 11:00, so 12:00 is owed.
        (stored(NOON - minutes(60), NOON, NOON - minutes(60)), stored(NOON - minutes(60), NOON, NOON - minutes(60)), True),
        # Never run: reckoned from when it was first seen.
        (stored(None, NOON, NOON - minutes(5)), stored(None, NOON, NOON - minutes(5)), True),
        # Nothing to reckon from.
        (stored(None, NOON, None), stored(None, NOON + minutes(60), NOON + minutes(30)), False),
        # Edited, and the new schedule is not due yet.
        (stored(NOON, NOON + minutes(7), NOON), stored(None, NOON + minutes(60), NOON), False),
        # Edited, and the new schedule would have been due.
        (stored(NOON - minutes(300), NOON, None), stored(None, NOON + minutes(60), NOON + minutes(30)), False),
    ],
)  # fmt: skip
def test_what_is_stored_decides_how_a_timer_starts(
    status: TimerStatus | None, expected: TimerStatus, owed: bool
) -> None:
    assert resume(Schedule.parse(HOURLY, UTC), status, NOON + minutes(30)) == (expected, owed)


def test_a_status_written_by_azure_is_understood() -> None:
    azure = {
        "Last": "2026-06-01T14:00:00.0043211+02:00",
        "Next": "2026-06-01T15:00:00+02:00",
        "LastUpdated": "0001-01-01T00:00:00",
    }
    assert TimerStatus.from_json(azure) == stored(
        NOON + timedelta(microseconds=4321), NOON + minutes(60), None
    )


@pytest.mark.parametrize(
    "value", [None, {}, "text", 3, {"Last": 1, "Next": 2, "LastUpdated": 3}, {"Last": "x"}]
)
def test_a_status_that_cannot_be_read_counts_as_none(value: Any) -> None:
    assert TimerStatus.from_json(value) is None


def test_a_status_in_the_repeated_hour_is_kept_exactly() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    second_pass = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    status = stored(second_pass - minutes(60), second_pass, second_pass - minutes(60))
    assert TimerStatus.from_json(status.to_json(berlin)) == status
    assert status.to_json(berlin)["Next"] == "2026-10-25T02:30:00+01:00"


# What was missed


@pytest.mark.parametrize(
    ("misfire", "done"),
    [
        ("once", "one run was made for all of them"),
        ("all", "a run was made for each"),
        ("skip", "they were left out"),
    ],
)
async def test_the_status_tells_what_was_missed_while_no_host_ran(
    bench: Bench, misfire: str, done: str
) -> None:
    await bench.was_stopped_at(NOON + minutes(200), schedule=HOURLY)
    listener = bench.listener(schedule=HOURLY, misfire=misfire)
    await listener.start()
    await settle()
    await listener.stop()
    missed = Missed.from_status(bench.state.status)
    assert missed is not None
    assert (missed.first, missed.last, missed.count) == (NOON + minutes(60), NOON + minutes(180), 3)
    assert (missed.noticed, missed.why, missed.done) == (NOON + minutes(200), NOBODY, done)


async def test_nothing_was_missed_where_nothing_was_due(bench: Bench) -> None:
    await bench.was_stopped_at(NOON + minutes(30), schedule=HOURLY)
    listener = bench.listener(schedule=HOURLY)
    await listener.start()
    await bench.time.advance(minutes(60))
    await listener.stop()
    assert bench.function.times == ["13:00:00"]
    assert Missed.from_status(bench.state.status) is None


async def test_the_ticks_that_came_during_a_run_are_told_as_left_out(bench: Bench) -> None:
    bench.function.lengths = [minutes(150)]
    listener = bench.listener(schedule=HOURLY)
    await listener.start()
    await bench.time.advance(minutes(30 + 240))
    await listener.stop()
    assert bench.function.times == ["13:00:00", "15:30:00", "16:00:00", "17:00:00"]
    missed = Missed.from_status(bench.state.status)
    assert missed is not None
    # The one at 14:00 is the late run of 15:30.
    assert (missed.first, missed.last, missed.count) == (NOON + minutes(180), NOON + minutes(180), 1)
    assert (missed.why, missed.done) == (BUSY, "they were left out")


async def test_a_host_that_stood_still_tells_so(bench: Bench) -> None:
    listener = bench.listener(schedule=HOURLY)
    await listener.start()
    await settle()
    bench.time.moment = NOON + minutes(210)
    await bench.time.advance(minutes(1))
    await listener.stop()
    missed = Missed.from_status(bench.state.status)
    assert missed is not None
    assert (missed.count, missed.why) == (2, STOOD_STILL)


async def test_what_was_missed_is_remembered_over_a_restart(bench: Bench) -> None:
    await bench.was_stopped_at(NOON + minutes(90), schedule=HOURLY)
    for _ in range(2):
        listener = bench.listener(schedule=HOURLY)
        await listener.start()
        await bench.time.advance(minutes(60))
        await listener.stop()
    missed = Missed.from_status(bench.state.status)
    assert missed is not None and missed.first == NOON + minutes(60)


async def test_an_interval_counts_from_the_last_run_and_misses_nothing_meanwhile(bench: Bench) -> None:
    bench.function.lengths = [minutes(150)]
    listener = bench.listener(schedule="01:00:00")
    await listener.start()
    await bench.time.advance(minutes(300))
    await listener.stop()
    assert Missed.from_status(bench.state.status) is None


def test_no_more_than_so_many_missed_ticks_are_counted() -> None:
    schedule = Schedule.parse("0 * * * * *", UTC)
    missed = missed_before(schedule, NOON, NOON + timedelta(days=30), "once")
    assert missed.count == MOST_COUNTED


@pytest.mark.parametrize(
    "status", [None, {}, {"Missed": None}, {"Missed": {"Count": 1}}, {"Missed": "many"}, 3]
)
def test_a_status_that_tells_of_nothing_missed_is_none(status: Any) -> None:
    assert Missed.from_status(status) is None


# A run by hand as of another time


def at(moment: str) -> bytes:
    return json.dumps({"at": moment}).encode()


@pytest.mark.parametrize(
    ("moment", "last", "following"),
    [
        ("2026-06-01T12:00:00+00:00", "2026-06-01T11:00:00+00:00", "2026-06-01T12:00:00+00:00"),
        ("2026-06-01T12:20:00+00:00", "2026-06-01T12:00:00+00:00", "2026-06-01T13:00:00+00:00"),
        ("2026-06-01T12:00:00", "2026-06-01T11:00:00+00:00", "2026-06-01T12:00:00+00:00"),
        ("2026-06-01T14:00:00+02:00", "2026-06-01T11:00:00+00:00", "2026-06-01T12:00:00+00:00"),
    ],
)
async def test_a_run_as_of_a_time_has_the_status_of_then(
    bench: Bench, moment: str, last: str, following: str
) -> None:
    event = await bench.trigger(schedule=HOURLY).manual_event(at(moment))
    status = {"Last": last, "Next": following, "LastUpdated": last}
    assert event.data == {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": False}


async def test_a_time_without_an_offset_is_in_the_zone_of_the_timer(bench: Bench) -> None:
    event = await bench.trigger(schedule="0 0 9 * * *", timeZone="Asia/Tokyo").manual_event(
        at("2026-06-01T09:00")
    )
    assert event.data["ScheduleStatus"]["Next"] == "2026-06-01T09:00:00+09:00"


async def test_an_interval_as_of_a_time_is_due_then(bench: Bench) -> None:
    event = await bench.trigger(schedule="00:10:00").manual_event(at("2026-06-01T12:00:00+00:00"))
    status = event.data["ScheduleStatus"]
    assert (status["Last"], status["Next"]) == ("2026-06-01T11:50:00+00:00", "2026-06-01T12:00:00+00:00")


async def test_a_single_moment_as_of_then_has_not_run_before(bench: Bench) -> None:
    event = await bench.trigger(runAt="2026-06-01T12:00:00").manual_event(at("2026-06-01T12:00:00+00:00"))
    status = event.data["ScheduleStatus"]
    assert (status["Last"], status["Next"]) == (NEVER, "2026-06-01T12:00:00+00:00")


async def test_a_timer_that_is_not_monitored_has_no_status_as_of_any_time(bench: Bench) -> None:
    event = await bench.trigger(schedule=HOURLY, useMonitor=False).manual_event(at("2026-06-01T12:00"))
    assert event.data["ScheduleStatus"] is None


@pytest.mark.parametrize("data", [b'"at"', b"[1]", b"{", b"\xff", b'{"input": "x"}', b'{"at": null}'])
async def test_data_that_names_no_time_means_nothing(bench: Bench, data: bytes) -> None:
    event = await bench.trigger(schedule=HOURLY).manual_event(data)
    assert event.data["ScheduleStatus"] is None


@pytest.mark.parametrize("moment", ["soon", 3, "0001-01-01T00:00:00+00:00"])
async def test_a_time_that_is_none_is_refused(bench: Bench, moment: Any) -> None:
    with pytest.raises(BindingError):
        await bench.trigger(schedule=HOURLY).manual_event(at(moment))
