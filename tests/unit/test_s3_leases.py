"""Leases on S3 beyond what every lease store promises: raced, repeated and lost requests, hosts that died."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ReadTimeoutError
from fake_s3 import FakeS3, refusal
from fakes import ManualClock
from s3 import SETTINGS

from funchost.bindings.aws import s3_leases
from funchost.bindings.aws.s3_errors import BucketMissing
from funchost.bindings.aws.s3_leases import S3Leases
from funchost.bindings.errors import AccessDenied, StoreError
from funchost.bindings.lease import LEASE_PERIOD, Lease

DOCUMENT = "storage/funchost/leases/totals.json"
SECOND = timedelta(seconds=1)
LOST_ANSWER = ReadTimeoutError(endpoint_url="http://127.0.0.1:1")


class World:
    """One bucket and the hosts on it, each with a clock of its own."""

    def __init__(self) -> None:
        self.s3 = FakeS3()

    def host(self) -> tuple[S3Leases, ManualClock]:
        clock = ManualClock()
        return S3Leases(lambda: self.s3, SETTINGS, "storage", clock=clock), clock

    def document(self) -> dict[str, object]:
        found: dict[str, object] = msgspec.json.decode(self.s3.objects[DOCUMENT].body)
        return found


@pytest.fixture
def world() -> World:
    return World()


async def take(store: S3Leases, owner: str = "host-1") -> Lease:
    lease = await store.acquire("totals", owner)
    assert lease is not None
    return lease


# -- taking over


async def test_a_host_that_comes_new_waits_a_whole_period_of_its_own_clock(world: World) -> None:
    first, _ = world.host()
    second, clock = world.host()
    await take(first)
    clock.advance(timedelta(days=1))  # whatever its clock shows when it sees the lease for the first time
    assert await second.acquire("totals", "host-2") is None
    clock.advance(LEASE_PERIOD - SECOND)
    assert await second.acquire("totals", "host-2") is None
    clock.advance(SECOND)
    await take(second, "host-2")


async def test_each_renewal_that_is_seen_begins_the_wait_anew(world: World) -> None:
    first, _ = world.host()
    second, clock = world.host()
    lease = await take(first)
    for _ in range(3):
        assert await second.acquire("totals", "host-2") is None
        clock.advance(LEASE_PERIOD - SECOND)
        assert await first.renew(lease)
    assert await second.acquire("totals", "host-2") is None


async def test_the_period_is_the_holders(world: World) -> None:
    first, _ = world.host()
    second, clock = world.host()
    await first.acquire("totals", "host-1", timedelta(seconds=60))
    assert await second.acquire("totals", "host-2", SECOND) is None
    clock.advance(timedelta(seconds=59))
    assert await second.acquire("totals", "host-2", SECOND) is None
    clock.advance(SECOND)
    assert await second.acquire("totals", "host-2", SECOND) is not None


async def test_a_holder_that_was_replaced_learns_it_and_changes_nothing(world: World) -> None:
    first, _ = world.host()
    second, clock = world.host()
    lost = await take(first)
    await second.acquire("totals", "host-2")
    clock.advance(LEASE_PERIOD)
    current = await take(second, "host-2")
    assert current.fence == lost.fence + 1
    before = world.document()
    assert not await first.renew(lost)
    await first.release(lost)
    assert world.document() == before


async def test_a_lease_given_back_is_free_at_once_for_hosts_that_never_saw_it(world: World) -> None:
    first, _ = world.host()
    second, _ = world.host()
    lease = await take(first)
    await first.release(lease)
    assert (await take(second, "host-2")).fence == lease.fence + 1


async def test_a_lease_is_given_back_by_writing_not_by_removing(world: World) -> None:
    store, _ = world.host()
    await store.release(await take(store))
    assert world.document()["free"] is True
    assert world.s3.asked("delete_object") == []


async def test_the_fence_grows_also_where_documents_were_removed(world: World) -> None:
    store, clock = world.host()
    fences = []
    for _ in range(3):
        lease = await take(store)
        fences.append(lease.fence)
        await store.release(lease)
    world.s3.objects.clear()
    clock.advance(SECOND)
    assert (await take(store)).fence > max(fences)


async def test_a_lease_whose_document_was_removed_is_lost(world: World) -> None:
    store, _ = world.host()
    lease = await take(store)
    world.s3.objects.clear()
    assert not await store.renew(lease)


# -- requests that race, fail, or have an effect although they seem to fail


async def test_no_two_writes_are_equal(world: World) -> None:
    store, _ = world.host()
    for _ in range(3):
        lease = await take(store)
        await store.renew(lease)
        await store.renew(lease)
        await store.release(lease)
    bodies = [call["Body"] for call in world.s3.asked("put_object")]
    assert len(set(bodies)) == len(bodies) == 12


@pytest.mark.parametrize("code", ["PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"])
async def test_a_raced_request_is_looked_at_again(world: World, code: str) -> None:
    store, _ = world.host()
    world.s3.fail("put_object", refusal(code))
    lease = await take(store)
    world.s3.fail("put_object", refusal(code))
    assert await store.renew(lease)
    world.s3.fail("put_object", refusal(code))
    await store.release(lease)
    assert world.document()["free"] is True


async def test_who_keeps_losing_races_is_refused(world: World) -> None:
    store, _ = world.host()
    for _ in range(3):
        world.s3.fail("put_object", refusal("ConditionalRequestConflict"))
    assert await store.acquire("totals", "host-1") is None


async def test_a_repeated_request_that_finds_its_own_effect_has_succeeded(world: World) -> None:
    # The client repeats a request whose answer was lost, and the repetition meets what the first one wrote.
    store, _ = world.host()
    world.s3.fail("put_object", refusal("PreconditionFailed"), late=True)
    lease = await take(store)
    world.s3.fail("put_object", refusal("PreconditionFailed"), late=True)
    assert await store.renew(lease)
    assert await store.renew(lease)


async def test_a_renewal_that_had_an_effect_although_it_failed_loses_nothing(world: World) -> None:
    store, _ = world.host()
    lease = await take(store)
    world.s3.fail("put_object", LOST_ANSWER, late=True)
    with pytest.raises(StoreError):
        await store.renew(lease)
    assert await store.renew(lease)
    await store.release(lease)
    assert world.document()["free"] is True


async def test_an_acquisition_that_had_an_effect_although_it_failed_is_nobodys_and_ends(world: World) -> None:
    store, clock = world.host()
    world.s3.fail("put_object", LOST_ANSWER, late=True)
    with pytest.raises(StoreError):
        await store.acquire("totals", "host-1")
    assert await store.acquire("totals", "host-1") is None
    clock.advance(LEASE_PERIOD)
    await take(store)


async def test_a_lease_that_cannot_be_renewed_for_its_period_is_lost(world: World) -> None:
    store, clock = world.host()
    lease = await take(store)
    clock.advance(LEASE_PERIOD - SECOND)
    world.s3.fail("put_object", refusal("SlowDown"))
    with pytest.raises(StoreError, match="SlowDown"):
        await store.renew(lease)
    clock.advance(SECOND)
    assert not await store.renew(lease)


async def test_a_renewal_that_meets_conflicts_all_the_time_is_not_taken_for_a_loss(world: World) -> None:
    store, _ = world.host()
    lease = await take(store)
    for _ in range(3):
        world.s3.fail("put_object", refusal("ConditionalRequestConflict"))
    with pytest.raises(StoreError, match="3 times"):
        await store.renew(lease)
    assert await store.renew(lease)


async def test_a_lease_given_back_while_it_is_renewed_is_free(world: World) -> None:
    store, _ = world.host()
    other, _ = world.host()
    lease = await take(store)
    await asyncio.gather(store.renew(lease), store.release(lease), store.renew(lease))
    assert not await store.renew(lease)
    await take(other, "host-2")


async def test_writes_of_one_lease_wait_for_each_other(world: World) -> None:
    store, _ = world.host()
    lease = await take(store)
    world.s3.calls.clear()
    renewing = [asyncio.ensure_future(store.renew(lease)) for _ in range(2)]
    for _ in range(5):
        await asyncio.sleep(0)
    await asyncio.gather(store.release(lease), *renewing)
    assert [operation for operation, _ in world.s3.calls] == ["put_object"] * 3, "none met a conflict"


async def test_the_time_of_a_lease_counts_from_before_the_request(world: World) -> None:
    store, clock = world.host()
    world.s3.meanwhile = lambda operation: clock.advance(SECOND) if operation == "put_object" else None
    lease = await take(store)
    clock.advance(LEASE_PERIOD - SECOND)
    assert not await store.renew(lease)


# -- documents


@pytest.mark.parametrize("name", ["scan:blob:F", "a/b", "Ü", "x" * 2000, ".."])
async def test_any_text_can_be_the_name_of_a_lease(world: World, name: str) -> None:
    store, _ = world.host()
    assert await store.acquire(name, "host-1") is not None
    assert await store.acquire(name + "y", "host-1") is not None
    assert await store.acquire(name, "host-1") is None
    assert all(len(key) < 500 and key.count("/") == 3 for key in world.s3.objects)


async def test_a_document_that_is_none_of_ours_is_an_error_that_says_where(world: World) -> None:
    store, _ = world.host()
    world.s3.put_object(Bucket="storage", Key="funchost/leases/totals.json", Body=b"{}")
    with pytest.raises(StoreError, match=r"s3://storage/funchost/leases/totals\.json is not what"):
        await store.acquire("totals", "host-1")


# -- checking


async def test_a_check_passes_where_leases_can_be_kept(world: World) -> None:
    store, _ = world.host()
    await store.check()
    await store.check()
    await take(store)


class _Careless(FakeS3):
    """Takes conditions and does not heed them, as some services that resemble S3."""

    def _put_object(self, Bucket: str, Key: str, Body: bytes, **more: Any) -> dict[str, Any]:
        return super()._put_object(Bucket, Key, Body)


async def test_a_check_finds_a_service_that_does_not_heed_conditions(world: World) -> None:
    world.s3 = _Careless()
    store, _ = world.host()
    with pytest.raises(StoreError, match="does not heed conditions"):
        await store.check()


@pytest.mark.parametrize("operation", ["put_object", "get_object"])
async def test_a_check_tells_what_is_not_allowed(world: World, operation: str) -> None:
    store, _ = world.host()
    world.s3.fail(operation, refusal("AccessDenied", "PutObject"))
    with pytest.raises(AccessDenied, match="s3:PutObject"):
        await store.check()


async def test_a_check_tells_that_the_bucket_is_missing(world: World) -> None:
    store, _ = world.host()
    world.s3.missing.add("storage")
    with pytest.raises(BucketMissing, match="create it"):
        await store.check()


# -- waiting


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_leases, "LOOK_INTERVAL", 0.0)


async def noticed(store: S3Leases, change: Callable[[], object]) -> None:
    """Wait as one who was refused, until what `change` does is noticed."""
    waiting = asyncio.ensure_future(store.wait(timedelta(hours=1)))
    await asyncio.sleep(0)
    assert not waiting.done()
    change()
    await asyncio.wait_for(waiting, 5)


@pytest.mark.usefixtures("looks")
async def test_a_wait_ends_when_another_host_gives_a_lease_back(world: World) -> None:
    first, _ = world.host()
    second, _ = world.host()
    lease = await take(first)
    assert await second.acquire("totals", "host-2") is None
    giving = asyncio.Event()

    async def give_back() -> None:
        await giving.wait()
        await first.release(lease)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(give_back())
        await noticed(second, giving.set)
    await take(second, "host-2")


@pytest.mark.usefixtures("looks")
async def test_a_wait_ends_when_the_lease_of_a_dead_host_has_ended(world: World) -> None:
    first, _ = world.host()
    second, clock = world.host()
    await take(first)
    assert await second.acquire("totals", "host-2") is None
    await noticed(second, lambda: clock.advance(LEASE_PERIOD))
    await take(second, "host-2")


@pytest.mark.usefixtures("looks")
async def test_a_wait_goes_on_while_s3_cannot_be_asked(world: World) -> None:
    first, _ = world.host()
    second, clock = world.host()
    await take(first)
    assert await second.acquire("totals", "host-2") is None
    for _ in range(3):
        world.s3.fail("get_object", refusal("SlowDown"))
    await noticed(second, lambda: clock.advance(LEASE_PERIOD))


@pytest.mark.usefixtures("looks")
async def test_what_nobody_asked_for_lately_is_not_looked_at(world: World) -> None:
    first, _ = world.host()
    second, clock = world.host()
    await take(first)
    assert await second.acquire("totals", "host-2") is None
    clock.advance(timedelta(minutes=2))
    world.s3.calls.clear()
    await second.wait(timedelta(milliseconds=20))
    assert world.s3.calls == []


@pytest.mark.usefixtures("looks")
async def test_nothing_is_looked_at_while_nobody_waits(world: World) -> None:
    first, _ = world.host()
    second, _ = world.host()
    await take(first)
    assert await second.acquire("totals", "host-2") is None
    await second.wait(timedelta(milliseconds=10))
    world.s3.calls.clear()
    for _ in range(100):
        await asyncio.sleep(0)
    assert world.s3.calls == []
