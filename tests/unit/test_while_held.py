"""Events are delivered only while the lease is surely held: a host that stood still may wake up without it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from fakes import ManualClock, make_outcome, memory_resources

from funchost.bindings.memory_leases import MemoryLeases
from funchost.triggers.base import Deliver, Outcome, Resources, Status, TriggerEvent
from funchost.triggers.locks import SURE, Lock, Locks
from funchost.triggers.singleton import while_held

LEASE = "tick.Listener"
EVENT = TriggerEvent(kind="timer")


def deliver(resources: Resources) -> Deliver:
    async def run(event: TriggerEvent) -> Outcome:
        return make_outcome()

    return while_held(LEASE, run, "tick", resources)


async def held(resources: Resources) -> Lock:
    lock = await resources.locks.try_acquire(LEASE)
    assert lock is not None
    return lock


async def test_an_event_runs_while_the_lease_is_held() -> None:
    resources = memory_resources()
    await held(resources)
    assert (await deliver(resources)(EVENT)).succeeded


async def test_an_event_without_the_lease_is_interrupted() -> None:
    resources = memory_resources()
    await resources.locks.try_acquire("another")
    outcome = await deliver(resources)(EVENT)
    assert outcome.status is Status.INTERRUPTED
    assert outcome.function == "tick"


async def test_a_lease_that_was_given_back_is_not_held() -> None:
    resources = memory_resources()
    await resources.locks.release(await held(resources))
    assert (await deliver(resources)(EVENT)).status is Status.INTERRUPTED


async def test_an_event_of_a_host_that_stood_still_is_interrupted() -> None:
    clock = ManualClock()
    resources = replace(memory_resources(), locks=Locks(MemoryLeases(clock), "host-1", clock=clock.monotonic))
    await held(resources)
    clock.advance(timedelta(seconds=SURE - 1))
    assert (await deliver(resources)(EVENT)).succeeded
    clock.advance(timedelta(seconds=1))
    assert (await deliver(resources)(EVENT)).status is Status.INTERRUPTED


async def test_an_event_carries_the_fence_of_its_listeners_lease() -> None:
    resources = memory_resources()
    lock = await held(resources)
    event = TriggerEvent(kind="timer")
    await deliver(resources)(event)
    assert event.fence == lock.lease.fence


async def test_an_event_that_is_interrupted_is_settled_all_the_same() -> None:
    settled: list[Status] = []

    async def settle(outcome: Outcome) -> None:
        settled.append(outcome.status)

    await deliver(memory_resources())(TriggerEvent(kind="queue", settle=settle))
    assert settled == [Status.INTERRUPTED]
