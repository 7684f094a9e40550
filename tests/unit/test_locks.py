"""The leases that a host holds, and the listener that runs on one host only."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from fakes import ManualClock, memory_resources
from waiting import until

from funchost.bindings.errors import AccessDenied, StoreError
from funchost.bindings.lease import LEASE_PERIOD, Lease
from funchost.bindings.memory_leases import MemoryLeases
from funchost.triggers import locks as locks_module
from funchost.triggers import singleton as singleton_module
from funchost.triggers.base import Resources
from funchost.triggers.lock_line import LockUnavailable
from funchost.triggers.locks import SURE, Lock, Locks
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

    async def renew(self, lease: Lease, period: timedelta = LEASE_PERIOD) -> bool:
        self.renewals += 1
        self._fail("renew")
        self._fail(f"renew {lease.name}")
        return await super().renew(lease, period)

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
        locks = Locks(self.store, owner, clock=self.clock.monotonic, report=self.told.append)
        return replace(memory_resources(clock=self.clock, report=self.told.append), locks=locks)


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
    monkeypatch.setattr(locks_module, "RENEW_AGAIN", 0.0001)


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


async def test_every_lock_is_renewed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert await bench.store.renew(current.lease)


async def test_renewal_goes_on_after_a_store_that_failed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    _renew_all_the_time(monkeypatch)
    bench.store.failures["renew"] = 2
    lock = await _taken(bench.ours.locks)
    await until(lambda: bench.store.renewals >= 4)
    assert not lock.lost.is_set()
    assert len([line for line in bench.told if "renewed" in line]) == 1, "told once in a row"


async def test_a_lock_that_cannot_be_renewed_is_given_up_before_another_host_may_take_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    _renew_all_the_time(monkeypatch)
    lock = await _taken(bench.ours.locks)
    bench.store.failures["renew"] = 1_000_000
    bench.clock.advance(timedelta(seconds=SURE - 0.1))
    await asyncio.sleep(0.01)
    assert not lock.lost.is_set()
    bench.clock.advance(timedelta(seconds=0.1))
    await asyncio.wait_for(lock.lost.wait(), 5)
    assert bench.ours.locks.surely_held("totals") is None
    assert await bench.theirs.locks.try_acquire("totals") is None
    assert any("could not be renewed" in line for line in bench.told)


async def test_a_renewal_that_gets_no_answer_is_a_failed_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    _renew_all_the_time(monkeypatch)
    monkeypatch.setattr(locks_module, "SURE", 0.05)

    async def no_answer(*arguments: object) -> bool:
        return bool(await asyncio.Event().wait())

    lock = await _taken(bench.ours.locks)
    monkeypatch.setattr(bench.store, "renew", no_answer)
    bench.clock.advance(timedelta(seconds=1))
    await asyncio.wait_for(lock.lost.wait(), 5)


async def test_one_lease_that_cannot_be_renewed_takes_no_other_with_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    _renew_all_the_time(monkeypatch)
    bench.store.failures["renew spoilt"] = 1_000_000
    spoilt, good = await _taken(bench.ours.locks, "spoilt"), await _taken(bench.ours.locks, "good")
    for _ in range(10):
        bench.clock.advance(timedelta(seconds=2))
        await asyncio.sleep(0.002)
    assert spoilt.lost.is_set() and not good.lost.is_set()
    assert bench.ours.locks.surely_held("good") == good.lease


async def test_a_host_that_stood_still_keeps_a_lease_that_nobody_took_meanwhile(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    _renew_all_the_time(monkeypatch)
    lock = await _taken(bench.ours.locks)
    bench.clock.advance(LEASE_PERIOD - timedelta(seconds=1))
    assert bench.ours.locks.surely_held("totals") is None
    await settle_down()
    assert bench.ours.locks.surely_held("totals") == lock.lease
    assert not lock.lost.is_set()


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
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await asyncio.wait_for(_waits_for_nothing(bench.ours.locks), 5) is None
    bench.store.answer.set()
    await settle_down()
    await _taken(bench.theirs.locks)


async def _waits_for_nothing(locks: Locks) -> Lock | None:
    return await locks.acquire("another", timeout=timedelta(0), interval=HOUR, unless=_set())


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


async def test_a_lock_that_is_granted_too_late_is_given_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks_module, "SURE", 0.01)
    bench.store.answer.clear()
    with pytest.raises(StoreError, match="no answer about the lease 'totals'"):
        await bench.ours.locks.try_acquire("totals")
    bench.store.answer.set()
    await settle_down()
    await _taken(bench.theirs.locks)


async def test_a_lock_that_is_granted_after_a_standstill_is_given_back(bench: Bench) -> None:
    bench.store.answer.clear()
    asking = asyncio.ensure_future(bench.ours.locks.try_acquire("totals"))
    await settle_down()
    bench.clock.advance(timedelta(seconds=SURE))
    bench.store.answer.set()
    with pytest.raises(StoreError, match="too late"):
        await asking
    await settle_down()
    await _taken(bench.theirs.locks)


async def test_giving_back_does_not_wait_for_a_store_that_does_not_answer(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks_module, "RELEASE_LIMIT", 0.01)
    lock = await _taken(bench.ours.locks)

    async def no_answer(lease: Lease) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(bench.store, "release", no_answer)
    await asyncio.wait_for(bench.ours.locks.release(lock), 5)
    assert any("no answer" in line for line in bench.told)


# -- runs that wait for a lock


def _asking(bench: Bench, **more: timedelta | None) -> asyncio.Task[Lock | None]:
    waits: dict[str, timedelta | None] = {"timeout": None, "patience": None, **more}
    return asyncio.ensure_future(
        bench.ours.locks.acquire(
            "totals",
            timeout=waits["timeout"],
            interval=HOUR,
            unless=asyncio.Event(),
            patience=waits["patience"],
        )
    )


async def test_of_the_runs_of_a_host_that_want_a_lock_one_asks_for_it(bench: Bench) -> None:
    waiting = [_asking(bench) for _ in range(20)]
    for left in range(20, 0, -1):
        done, _ = await asyncio.wait(waiting, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        await settle_down()
        lock = done.pop().result()
        assert lock is not None
        waiting = [each for each in waiting if not each.done()]
        assert len(waiting) == left - 1
        await bench.ours.locks.release(lock)
    assert bench.store.asked == 20, "once for each run, and never in vain"


async def test_who_waits_in_line_has_a_timeout_too(bench: Bench) -> None:
    first = await _asking(bench)
    assert first is not None
    assert await asyncio.wait_for(_asking(bench, timeout=timedelta(milliseconds=5)), 5) is None
    await bench.ours.locks.release(first)


async def test_one_that_gives_up_lets_the_next_one_ask(bench: Bench) -> None:
    theirs = await _taken(bench.theirs.locks)
    first, second = _asking(bench), _asking(bench)
    await settle_down()
    first.cancel()
    await settle_down()
    await bench.theirs.locks.release(theirs)
    assert await asyncio.wait_for(second, 5) is not None


async def test_one_that_goes_when_its_turn_has_come_lets_the_next_one_ask(bench: Bench) -> None:
    first = await _asking(bench)
    assert first is not None
    second, third = _asking(bench), _asking(bench)
    await settle_down()
    await bench.ours.locks.release(first)
    second.cancel()
    assert await asyncio.wait_for(third, 5) is not None


async def test_a_stop_ends_the_wait_of_all_who_are_in_line(bench: Bench) -> None:
    first, stopping = await _asking(bench), asyncio.Event()
    assert first is not None
    waiting = [
        asyncio.ensure_future(
            bench.ours.locks.acquire("totals", timeout=None, interval=HOUR, unless=stopping)
        )
        for _ in range(3)
    ]
    await settle_down()
    stopping.set()
    assert await asyncio.wait_for(asyncio.gather(*waiting), 5) == [None] * 3
    await bench.ours.locks.release(first)
    assert await asyncio.wait_for(_asking(bench), 5) is not None


async def test_while_the_store_cannot_be_asked_a_run_waits_and_it_is_known_why(bench: Bench) -> None:
    bench.store.failures["acquire"] = 3
    # It would be over at once if this time counted.
    waiting = [_asking(bench, timeout=timedelta(milliseconds=1)) for _ in range(3)]
    await asyncio.sleep(0.05)
    assert not any(each.done() for each in waiting)
    assert bench.ours.locks.trouble("totals") == "locked"
    assert bench.ours.locks.trouble("another") is None
    async with asyncio.timeout(5):
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    assert done.pop().result() is not None
    assert bench.ours.locks.trouble("totals") is None
    for each in waiting:
        each.cancel()


async def test_a_refusal_is_trouble_like_any_other(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def denied(*arguments: object) -> Lease:
        raise AccessDenied("no s3:GetObject")

    monkeypatch.setattr(bench.store, "acquire", denied)
    waiting = _asking(bench)
    await settle_down()
    assert bench.ours.locks.trouble("totals") == "no s3:GetObject"
    waiting.cancel()


async def test_patience_with_a_store_that_cannot_be_asked_ends_for_all_who_wait(bench: Bench) -> None:
    bench.store.failures["acquire"] = 1_000_000
    waiting = [_asking(bench, patience=timedelta(milliseconds=150)) for _ in range(3)]
    answers = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 5)
    assert [type(answer) for answer in answers] == [LockUnavailable] * 3
    assert "cannot be asked for: locked" in str(answers[0])


async def test_patience_is_for_the_store_and_not_for_who_holds_the_lock(bench: Bench) -> None:
    theirs = await _taken(bench.theirs.locks)
    waiting = _asking(bench, patience=timedelta(0))
    await settle_down()
    assert not waiting.done()
    await bench.theirs.locks.release(theirs)
    assert await asyncio.wait_for(waiting, 5) is not None


# -- the clock


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="a clock of Linux")
def test_the_clock_of_locks_goes_on_while_the_machine_is_suspended() -> None:
    assert abs(locks_module.sleepless() - time.clock_gettime(time.CLOCK_BOOTTIME)) < 5


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
    assert (our_lease.state, their_lease.state) == ("stopped", "listening")
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
    assert lease.state == "listening"
    await lease.stop()


async def test_a_store_that_fails_does_not_end_the_standing_by(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(singleton_module, "RECOVERY_INTERVAL", timedelta(milliseconds=1))
    inner, lease = _listener(bench, bench.ours)
    bench.store.failures["acquire"] = 3
    await lease.start()
    assert lease.state == "waiting: locked"
    await asyncio.wait_for(inner.started.wait(), 5)
    await settle_down()
    assert lease.state == "listening"
    assert len([line for line in bench.told if "cannot be asked for" in line]) == 1, "told once in a row"
    bench.store.failures["release"] = 1
    await lease.stop()


async def test_a_start_is_not_held_up_by_a_store_that_does_not_answer(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(singleton_module, "START_LIMIT", 0.01)
    inner, lease = _listener(bench, bench.ours)
    bench.store.answer.clear()
    await asyncio.wait_for(lease.start(), 5)
    assert lease.state == "asking for its lease"
    bench.store.answer.set()
    await asyncio.wait_for(inner.started.wait(), 5)
    await lease.stop()


async def test_a_host_whose_store_is_away_stops_listening_and_begins_again_when_it_is_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    _renew_all_the_time(monkeypatch)
    monkeypatch.setattr(singleton_module, "RECOVERY_INTERVAL", timedelta(milliseconds=1))
    inner, lease = _listener(bench, bench.ours)
    await lease.start()
    bench.store.failures |= {"renew": 1_000_000, "acquire": 1_000_000, "release": 1}
    bench.clock.advance(timedelta(seconds=SURE))
    await until(lambda: lease.state == "waiting: locked")
    assert inner.calls == ["start", "stop"]
    bench.store.failures.clear()
    inner.started.clear()
    await settle_down()
    assert inner.calls == ["start", "stop"], "its own lease still goes on, as far as the store knows"
    bench.clock.advance(LEASE_PERIOD)
    await asyncio.wait_for(inner.started.wait(), 5)
    await lease.stop()


async def test_starting_and_stopping_twice_is_fine(bench: Bench) -> None:
    inner, lease = _listener(bench, bench.ours)
    await lease.stop()
    await lease.start()
    await lease.start()
    await asyncio.gather(lease.stop(), lease.stop())
    await lease.stop()
    assert inner.calls == ["start", "stop"]
