"""Two hosts that share leases on S3, as on two machines: each has a loop in a thread of its own.

Everything is five times as fast as in life, so that a lease ends in three seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise
from typing import Any, TypeVar

import pytest
from botocore.exceptions import EndpointConnectionError
from fakes import make_function, make_outcome, memory_resources
from s3 import S3, SETTINGS

from funchost.bindings.aws import s3_leases
from funchost.bindings.aws.s3_leases import S3Leases
from funchost.bindings.aws.s3_state import S3State
from funchost.bindings.clock import SystemClock
from funchost.bindings.lease import Lease
from funchost.bindings.memory_queues import MemoryQueues
from funchost.triggers import locks as locks_module
from funchost.triggers import singleton
from funchost.triggers.base import Listener, Outcome, Resources, TriggerEvent
from funchost.triggers.fields import TimerTriggerFields
from funchost.triggers.locks import Lock, Locks
from funchost.triggers.timer import TimerTrigger
from funchost.triggers.wakeups import SchedulerWakeups

T = TypeVar("T")

PERIOD = timedelta(seconds=3)
#: Until another host goes on: the lease's period, counted from when it was last looked at, and one look more.
TAKEOVER = 6.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks_module, "LEASE_PERIOD", PERIOD)
    monkeypatch.setattr(locks_module, "SURE", PERIOD.total_seconds() * 2 / 3)
    monkeypatch.setattr(locks_module, "RENEW_AGAIN", 0.2)
    monkeypatch.setattr(singleton, "RECOVERY_INTERVAL", timedelta(seconds=1))
    monkeypatch.setattr(s3_leases, "LOOK_INTERVAL", 0.4)


class QuickLeases(S3Leases):
    """Leases of a shorter period."""

    async def acquire(self, name: str, owner: str, period: timedelta = PERIOD) -> Lease | None:
        return await super().acquire(name, owner, period)

    async def renew(self, lease: Lease, period: timedelta = PERIOD) -> bool:
        return await super().renew(lease, period)


@dataclass
class Run:
    """One run of a tick."""

    host: str
    began: float
    ended: float = 0.0


@dataclass
class Ledger:
    """What was run, by whichever host."""

    runs: list[Run] = field(default_factory=list)
    length: float = 0.05

    def of(self, host: str) -> list[Run]:
        return [run for run in self.runs if run.host == host]


class Host:
    """As much of a host as leases need, in a thread of its own."""

    def __init__(self, name: str, s3: S3, ledger: Ledger) -> None:
        self.name = name
        self.told: list[str] = []
        self.listener: Listener | None = None
        self.resources: Resources
        self._s3 = s3
        self._ledger = ledger
        self._is_cut_off = False
        self._thaw = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name)
        self._thread.start()
        self.do(self._open())

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of some work in its loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def listen(self) -> None:
        """Begin to run a timer that is due each second."""
        trigger = TimerTrigger(
            make_function("timerTrigger", {}, name="Tick"),
            TimerTriggerFields(schedule="* * * * * *"),
            self.resources,
        )
        self.listener = trigger.listener(self._run)
        self.do(self.listener.start())

    @property
    def state(self) -> str:
        assert self.listener is not None
        return self.listener.state

    def freeze(self) -> None:
        """Have it stand still, as a suspended process does, until `thaw`."""
        self._thaw.clear()
        self._loop.call_soon_threadsafe(self._thaw.wait)

    def thaw(self) -> None:
        self._thaw.set()

    def cut_off(self) -> None:
        """Have none of its requests reach S3 any more, until `connect`."""
        self._is_cut_off = True

    def connect(self) -> None:
        self._is_cut_off = False

    def slow_down(self, seconds: float) -> None:
        """Have each request of any host take so much longer."""
        self._s3.raw.meta.events.register("before-send.s3", lambda **request: time.sleep(seconds))

    def close(self) -> None:
        self.thaw()
        self.connect()
        self.do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self) -> None:
        leases = QuickLeases(self._client, SETTINGS, self._s3.bucket)
        wakeups = SchedulerWakeups(SystemClock())
        await wakeups.start()
        self.resources = replace(
            memory_resources(report=self.told.append),
            clock=SystemClock(),
            locks=Locks(leases, self.name, report=self.told.append),
            state=S3State(self._client, SETTINGS, self._s3.bucket, MemoryQueues()),
            wakeups=wakeups,
        )
        self._wakeups = wakeups

    async def _close(self) -> None:
        if self.listener:
            await self.listener.stop()
        await self.resources.locks.stop()
        await self._wakeups.stop()

    def _client(self) -> Any:
        if self._is_cut_off:
            raise EndpointConnectionError(endpoint_url="s3")
        return self._s3.raw

    async def _run(self, event: TriggerEvent) -> Outcome:
        run = Run(self.name, time.time())
        self._ledger.runs.append(run)
        await asyncio.sleep(self._ledger.length)
        run.ended = time.time()
        return make_outcome()


@dataclass
class World:
    ledger: Ledger
    one: Host
    two: Host


@pytest.fixture
def world(emulator: Any) -> Iterator[World]:
    ledger = Ledger()
    with contextlib.ExitStack() as opened:
        s3 = opened.enter_context(contextlib.closing(S3(emulator.url)))
        one = opened.enter_context(contextlib.closing(Host("one", s3, ledger)))
        two = opened.enter_context(contextlib.closing(Host("two", s3, ledger)))
        yield World(ledger, one, two)


def until(condition: Callable[[], object], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


def _assert_one_run_a_tick(ledger: Ledger) -> None:
    # No timer is early, and one that is late by a second is reckoned anew from there.
    seconds = [int(run.began) for run in ledger.runs]
    assert len(set(seconds)) == len(seconds), "a tick had two runs"
    ordered = sorted(ledger.runs, key=lambda run: run.began)
    assert all(before.ended <= after.began for before, after in pairwise(ordered) if before.ended)


def _both_listen(world: World) -> None:
    world.one.listen()
    world.two.listen()
    until(lambda: len(ran := world.ledger.of("one")) >= 2 and ran[-1].ended, 10)
    assert world.ledger.of("two") == []
    assert world.two.state == "standing by: another host holds its lease"


def test_a_frozen_host_is_replaced_and_runs_nothing_when_it_wakes(world: World) -> None:
    _both_listen(world)
    world.one.freeze()
    until(lambda: len(world.ledger.of("two")) >= 2, TAKEOVER + 5)
    before = len(world.ledger.of("one"))
    world.one.thaw()
    until(lambda: world.one.state.startswith("standing by"), 10)
    assert len(world.ledger.of("one")) == before
    assert any("was lost to another host" in line for line in world.one.told)
    _assert_one_run_a_tick(world.ledger)


def test_a_host_that_is_cut_off_stops_before_another_begins(world: World) -> None:
    _both_listen(world)
    world.one.cut_off()
    until(lambda: world.ledger.of("two"), TAKEOVER + 5)
    assert world.one.state.startswith("waiting: The connection 'Cloud'")
    assert any("is given up" in line for line in world.one.told)
    last, first = world.ledger.of("one")[-1], world.ledger.of("two")[0]
    assert last.ended < first.began
    world.one.connect()
    until(lambda: world.one.state.startswith("standing by"), 10)
    _assert_one_run_a_tick(world.ledger)


def test_hosts_that_are_all_cut_off_go_on_when_s3_is_back(world: World) -> None:
    _both_listen(world)
    for host in (world.one, world.two):
        host.cut_off()
    until(lambda: world.one.state.startswith("waiting:") and world.two.state.startswith("waiting:"), 10)
    runs = len(world.ledger.runs)
    time.sleep(1.5)  # a tick and a half, in which nothing may happen
    assert len(world.ledger.runs) == runs
    for host in (world.one, world.two):
        host.connect()
    until(lambda: len(world.ledger.runs) >= runs + 2, TAKEOVER + 5)
    _assert_one_run_a_tick(world.ledger)


def test_an_s3_that_takes_its_time_makes_no_run_late(world: World) -> None:
    world.one.slow_down(0.2)
    _both_listen(world)
    until(lambda: len(world.ledger.of("one")) >= 7, 30)
    assert world.ledger.of("two") == []
    late = [run.began - int(run.began) for run in world.ledger.runs[1:]]
    assert sorted(late)[len(late) // 2] < 0.5, late
    _assert_one_run_a_tick(world.ledger)


def test_a_host_that_stops_hands_over_at_once(world: World) -> None:
    _both_listen(world)
    assert world.one.listener is not None
    stopped = time.time()
    world.one.do(world.one.listener.stop())
    until(lambda: world.ledger.of("two"), 5)
    assert world.ledger.of("two")[0].began - stopped < PERIOD.total_seconds()
    _assert_one_run_a_tick(world.ledger)


def test_a_lock_of_a_frozen_host_goes_to_another_which_has_a_higher_number(world: World) -> None:
    async def take(host: Host) -> Lock | None:
        return await host.resources.locks.acquire(
            "Work", timeout=None, interval=timedelta(seconds=1), unless=asyncio.Event()
        )

    first = world.one.do(take(world.one))
    assert first is not None
    world.one.freeze()
    began = time.monotonic()
    second = world.two.do(take(world.two))
    assert second is not None and second.lease.fence > first.lease.fence
    assert PERIOD.total_seconds() <= time.monotonic() - began < TAKEOVER + 5
    world.one.thaw()
    until(first.lost.is_set, 5)
    world.one.do(world.one.resources.locks.release(first))
    assert world.two.resources.locks.surely_held("Work") == second.lease
