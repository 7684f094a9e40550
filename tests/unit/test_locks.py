"""The leases that a host holds, and the listener that runs on one host only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest
from fakes import ManualClock, memory_resources

from funchost.bindings.errors import StoreError
from funchost.bindings.lease import LEASE_PERIOD, Lease
from funchost.bindings.memory_leases import MemoryLeases
from funchost.triggers import locks as locks_module
from funchost.triggers import singleton as singleton_module
from funchost.triggers.base import Resources
from funchost.triggers.locks import Lock, Locks
from funchost.triggers.singleton import ListenerLease

HOUR = timedelta(hours=1)


async def settle_down() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


class Leases(MemoryLeases):
    """Fails as often as it is told to, and holds an answer back when it is told to."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.failures: dict[str, int] = {}
        self.asked = 0
        self.renewals = 0
        self.answer = asyncio.Event()
        self.answer.set()

    def _fail(self, step: str) -> None:
        if self.failures.get(step, 0):
            self.failures[step] -= 1
            raise StoreError("locked")

    async def acquire(self, name: str, owner: str, period: timedelta = LEASE_PERIOD) -> Lease | None:
        self.asked += 1
        self._fail("acquire")
        lease = await super().acquire(name, owner, period)
        await self.answer.wait()
        return lease

    async def renew(self, leases: Sequence[Lease], period: timedelta = LEASE_PERIOD) -> list[Lease]:
        self.renewals += 1
        self._fail("renew")
        return await super().renew(leases, period)

    async def release(self, lease: Lease) -> None:
        self._fail("release")
        await super().release(lease)


class Bench:
    """Two hosts that share leases."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = Leases(self.clock)
        self.told: list[str] = []
        self.ours = self._host("host-1")
        self.theirs = self._host("host-2")

    def _host(self, owner: str) -> Resources:
        return memory_resources(clock=self.clock, leases=self.store, owner=owner, report=self.told.append)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    await bench.ours.locks.stop()
    await bench.theirs.locks.stop()


async def _taken(locks: Locks, name: str = "totals") -> Lock:
    lock = await locks.try_acquire(name)
    assert lock is not None
    return lock


def _renew_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks_module, "LEASE_PERIOD", timedelta(0))


# -- locks


async def test_a_lock_that_is_held_is_refused_until_it_is_given_back(bench: Bench) -> None:
    lock = await _taken(bench.theirs.locks)
    assert await bench.ours.locks.try_acquire("totals") is None
    await bench.theirs.locks.release(lock)
    assert (await _taken(bench.ours.locks)).lease.fence > lock.lease.fence


async def test_who_waits_gets_the_lock_as_soon_as_it_is_given_back(bench: Bench) -> None:
    lock = await _taken(bench.theirs.locks)
    waiting = asyncio.ensure_future(
        bench.ours.locks.acquire("totals", timeout=None, interval=HOUR, unless=asyncio.Event())
    )
    await settle_down()
    assert not waiting.done()
    await bench.theirs.locks.release(lock)
    assert await asyncio.wait_for(waiting, 5) is not None


async def test_a_lease_that_ended_by_itself_is_found_by_asking_again(bench: Bench) -> None:
    await _taken(bench.theirs.locks)
    asking = bench.ours.locks.acquire(
        "totals", timeout=None, interval=timedelta(milliseconds=1), unless=asyncio.Event()
    )
    waiting = asyncio.ensure_future(asking)
    await settle_down()
    bench.clock.advance(LEASE_PERIOD)
    assert await asyncio.wait_for(waiting, 5) is not None


@pytest.mark.parametrize("timeout", [timedelta(0), timedelta(milliseconds=5)])
async def test_waiting_ends_with_nothing_at_the_timeout(bench: Bench, timeout: timedelta) -> None:
    await _taken(bench.theirs.locks)
    assert (
        await bench.ours.locks.acquire("totals", timeout=timeout, interval=HOUR, unless=asyncio.Event())
        is None
    )


async def test_waiting_ends_with_nothing_once_it_is_called_off(bench: Bench) -> None:
    await _taken(bench.theirs.locks)
    called_off = asyncio.Event()
    asking = bench.ours.locks.acquire("totals", timeout=None, interval=HOUR, unless=called_off)
    waiting = asyncio.ensure_future(asking)
    await settle_down()
    assert not waiting.done()
    called_off.set()
    assert await asyncio.wait_for(waiting, 5) is None


async def test_every_lock_is_renewed_in_one_step(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    _renew_all_the_time(monkeypatch)
    lock, other = await _taken(bench.ours.locks, "a"), await _taken(bench.ours.locks, "b")
    for _ in range(3):
        bench.clock.advance(timedelta(seconds=10))
        await settle_down()
    assert not lock.lost.is_set() and not other.lost.is_set()
    assert await bench.theirs.locks.try_acquire("a") is None
    assert await bench.theirs.locks.try_acquire("b") is None


async def test_a_lock_that_another_took_over_is_lost_and_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    _renew_all_the_time(monkeypatch)
    lock = await _taken(bench.ours.locks)
    bench.clock.advance(LEASE_PERIOD)
    await settle_down()
    assert lock.lost.is_set()
    assert any("totals" in line for line in bench.told)
    current = await _taken(bench.theirs.locks)
    await bench.ours.locks.release(lock)
    assert await bench.store.renew([current.lease]) == []


async def test_renewal_goes_on_after_a_store_that_failed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    _renew_all_the_time(monkeypatch)
    bench.store.failures["renew"] = 2
    await _taken(bench.ours.locks)
    await settle_down()
    assert bench.store.renewals > 2
    assert len([line for line in bench.told if "renewed" in line]) == 2


async def test_giving_back_never_raises(bench: Bench) -> None:
    lock = await _taken(bench.ours.locks)
    bench.store.failures["release"] = 1
    await bench.ours.locks.release(lock)
    assert any("totals" in line for line in bench.told)
    assert await bench.theirs.locks.try_acquire("totals") is None
    bench.clock.advance(LEASE_PERIOD)
    await _taken(bench.theirs.locks)


async def test_stopping_gives_everything_back(bench: Bench) -> None:
    await _taken(bench.ours.locks, "a")
    await _taken(bench.ours.locks, "b")
    bench.store.failures["release"] = 1
    await bench.ours.locks.stop()
    free = [name for name in "ab" if await bench.theirs.locks.try_acquire(name)]
    assert len(free) == 1, "one could not be given back, the other must be all the same"


async def test_a_lock_granted_to_someone_who_has_gone_is_given_back(bench: Bench) -> None:
    bench.store.answer.clear()
    asking = asyncio.ensure_future(bench.ours.locks.try_acquire("totals"))
    await settle_down()
    asking.cancel()
    await settle_down()
    bench.store.answer.set()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await _taken(bench.theirs.locks)


# -- a listener behind a lease


class Inner:
    """A listener that notes what is asked of it."""

    def __init__(self, store: Leases) -> None:
        self._store = store
        self.calls: list[str] = []
        self.broken = 0
        self.started = asyncio.Event()
        self.stopped = asyncio.Event()
        self.stopped.set()
        self.state = "listening"

    async def start(self) -> None:
        self.calls.append("start")
        self.started.set()
        if self.broken:
            self.broken -= 1
            raise ValueError("no such queue")

    async def stop(self) -> None:
        await self.stopped.wait()
        self.calls.append("stop")


def _listener(bench: Bench, resources: Resources) -> tuple[Inner, ListenerLease]:
    inner = Inner(bench.store)
    return inner, ListenerLease(inner, "Work.Listener", resources)


async def test_only_one_host_listens(bench: Bench) -> None:
    ours, our_lease = _listener(bench, bench.ours)
    theirs, their_lease = _listener(bench, bench.theirs)
    await our_lease.start()
    await their_lease.start()
    assert (ours.calls, theirs.calls) == (["start"], [])
    assert our_lease.state == "listening"
    assert "standing by" in their_lease.state
    await our_lease.stop()
    await settle_down()
    assert (ours.calls, theirs.calls) == (["start", "stop"], ["start"])
    await their_lease.stop()


async def test_the_lease_goes_only_once_the_listener_has_stopped(bench: Bench) -> None:
    inner, lease = _listener(bench, bench.ours)
    await lease.start()
    inner.stopped.clear()
    stopping = asyncio.ensure_future(lease.stop())
    await settle_down()
    assert await bench.theirs.locks.try_acquire("Work.Listener") is None
    inner.stopped.set()
    await stopping
    await _taken(bench.theirs.locks, "Work.Listener")


async def test_a_host_that_lost_the_lease_stops_and_asks_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    _renew_all_the_time(monkeypatch)
    inner, lease = _listener(bench, bench.ours)
    await lease.start()
    bench.clock.advance(LEASE_PERIOD)
    await settle_down()
    assert inner.calls[:3] == ["start", "stop", "start"]
    await lease.stop()


async def test_a_listener_that_does_not_start_is_told_and_tried_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(singleton_module, "RECOVERY_INTERVAL", timedelta(0))
    inner, lease = _listener(bench, bench.ours)
    inner.broken = 1
    await lease.start()
    await settle_down()
    assert inner.calls == ["start", "stop", "start"]
    assert any("no such queue" in line for line in bench.told)
    await lease.stop()


async def test_a_store_that_fails_does_not_end_the_standing_by(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(singleton_module, "RECOVERY_INTERVAL", timedelta(milliseconds=1))
    inner, lease = _listener(bench, bench.ours)
    bench.store.failures["acquire"] = 2
    await lease.start()
    await asyncio.wait_for(inner.started.wait(), 5)
    assert lease.state == "listening"
    bench.store.failures["release"] = 1
    await lease.stop()


async def test_starting_and_stopping_twice_is_fine(bench: Bench) -> None:
    inner, lease = _listener(bench, bench.ours)
    await lease.stop()
    await lease.start()
    await lease.start()
    await asyncio.gather(lease.stop(), lease.stop())
    await lease.stop()
    assert inner.calls == ["start", "stop"]
