"""What every lease store promises."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from adapters import Leases

from funchost.bindings.lease import LEASE_PERIOD

HOUR = timedelta(hours=1)
DEADLINE = 5.0


async def test_a_lease_names_what_is_held_and_by_whom(leases: Leases) -> None:
    lease = await leases.take()
    assert (lease.name, lease.owner) == ("totals", "host-1")


async def test_a_name_has_one_holder_at_a_time(leases: Leases) -> None:
    answers = await asyncio.gather(*(leases.store.acquire("totals", f"host-{n}") for n in range(8)))
    assert len([lease for lease in answers if lease]) == 1


async def test_an_owner_does_not_get_a_lease_twice(leases: Leases) -> None:
    await leases.take()
    assert await leases.store.acquire("totals", "host-1") is None


async def test_names_are_apart(leases: Leases) -> None:
    await leases.take("totals")
    await leases.take("report", "host-2")


async def test_a_lease_ends_by_itself(leases: Leases) -> None:
    await leases.take()
    leases.clock.advance(LEASE_PERIOD - timedelta(seconds=1))
    assert await leases.store.acquire("totals", "host-2") is None
    leases.clock.advance(timedelta(seconds=1))
    await leases.take(owner="host-2")


async def test_a_released_lease_is_free(leases: Leases) -> None:
    await leases.store.release(await leases.take())
    await leases.take(owner="host-2")


async def test_the_fence_grows_and_never_starts_again(leases: Leases) -> None:
    fences = []
    for owner in ("host-1", "host-2", "host-1"):
        lease = await leases.take(owner=owner)
        fences.append(lease.fence)
        await leases.store.release(lease)
    await leases.take()
    leases.clock.advance(LEASE_PERIOD)
    fences.append((await leases.take()).fence)
    assert fences == sorted(set(fences))


async def test_a_renewed_lease_goes_on(leases: Leases) -> None:
    lease = await leases.take()
    for _ in range(3):
        leases.clock.advance(LEASE_PERIOD * 0.9)
        assert await leases.store.renew(lease)
    assert await leases.store.acquire("totals", "host-2") is None


async def test_renewal_tells_which_are_lost(leases: Leases) -> None:
    taken_over = await leases.take("a")
    leases.clock.advance(LEASE_PERIOD)
    await leases.take("a", "host-2")
    given_back = await leases.take("b")
    await leases.store.release(given_back)
    kept = await leases.take("c")
    answers = [await leases.store.renew(lease) for lease in (taken_over, given_back, kept)]
    assert answers == [False, False, True]


async def test_a_lease_that_has_ended_is_lost_even_if_nobody_took_it(leases: Leases) -> None:
    lease = await leases.take()
    leases.clock.advance(LEASE_PERIOD)
    assert not await leases.store.renew(lease)
    await leases.take(owner="host-2")


async def test_releasing_a_lost_lease_leaves_the_new_holder_alone(leases: Leases) -> None:
    lost = await leases.take()
    leases.clock.advance(LEASE_PERIOD)
    current = await leases.take(owner="host-2")
    await leases.store.release(lost)
    assert await leases.store.acquire("totals", "host-3") is None
    assert await leases.store.renew(current)


async def test_a_wait_ends_when_a_lease_is_given_back(leases: Leases) -> None:
    lease = await leases.take()
    assert await leases.store.acquire("totals", "host-2") is None
    waiting = asyncio.ensure_future(leases.store.wait(HOUR))
    await asyncio.sleep(0)
    assert not waiting.done()
    await leases.store.release(lease)
    await asyncio.wait_for(waiting, DEADLINE)


async def test_a_lease_given_back_between_the_refusal_and_the_wait_is_not_missed(leases: Leases) -> None:
    lease = await leases.take()
    assert await leases.store.acquire("totals", "host-2") is None
    await leases.store.release(lease)
    await asyncio.wait_for(leases.store.wait(HOUR), DEADLINE)


async def test_a_wait_ends_at_its_limit(leases: Leases) -> None:
    await leases.take()
    await asyncio.wait_for(leases.store.wait(timedelta(milliseconds=10)), DEADLINE)


async def test_all_leases_that_are_held_are_listed_by_name(leases: Leases) -> None:
    assert await leases.store.list() == []
    second = await leases.take("totals", "host-2")
    first = await leases.take("report")
    given_back = await leases.take("scan")
    await leases.store.release(given_back)
    held = await leases.store.list()
    assert [each.lease for each in held] == [first, second]
    assert all(each.ends_in is None or 0 < each.ends_in <= 15 for each in held)


async def test_a_lease_that_has_ended_is_not_listed(leases: Leases) -> None:
    await leases.take()
    leases.clock.advance(LEASE_PERIOD)
    assert await leases.store.list() == []


async def test_a_broken_lease_is_free_and_its_holder_has_lost_it(leases: Leases) -> None:
    broken = await leases.take()
    assert await leases.store.break_("totals")
    assert await leases.store.list() == []
    later = await leases.take(owner="host-2")
    assert later.fence > broken.fence
    assert not await leases.store.renew(broken)
    await leases.store.release(broken)
    assert await leases.store.renew(later)


async def test_the_holder_of_a_broken_lease_learns_of_it_though_nobody_took_it(leases: Leases) -> None:
    broken = await leases.take()
    assert await leases.store.break_("totals")
    assert not await leases.store.renew(broken)


async def test_there_is_nothing_to_break_where_nobody_holds_it(leases: Leases) -> None:
    assert not await leases.store.break_("totals")
    await leases.store.release(await leases.take())
    assert not await leases.store.break_("totals")


async def test_a_wait_ends_when_a_lease_is_broken(leases: Leases) -> None:
    await leases.take()
    assert await leases.store.acquire("totals", "host-2") is None
    await leases.store.break_("totals")
    await asyncio.wait_for(leases.store.wait(HOUR), DEADLINE)
