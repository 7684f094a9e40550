"""State on S3 beyond what every state store promises: several hosts, some dying between two requests."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from botocore.exceptions import ReadTimeoutError
from fake_s3 import FakeS3, refusal
from s3 import SETTINGS

from funchost.bindings.aws.s3_state import S3State
from funchost.bindings.errors import FunchostError, QueueMissing, StoreError
from funchost.bindings.memory_queues import MemoryQueues
from funchost.bindings.queue import OutgoingMessage
from funchost.bindings.state import Sighting
from funchost.bindings.table import OutgoingEntity

SCOPE = "blob:F"


class Queues(MemoryQueues):
    """Can be told to fail, before or after the messages were sent."""

    def __init__(self) -> None:
        super().__init__()
        self.failing: list[str] = []

    async def send(
        self, messages: Sequence[OutgoingMessage], entities: Sequence[OutgoingEntity] = ()
    ) -> None:
        when = self.failing.pop() if self.failing else ""
        if when == "before":
            raise QueueMissing
        await super().send(messages, entities)
        if when == "after":
            raise QueueMissing


class World:
    """One bucket and one set of queues, and the hosts on them."""

    def __init__(self) -> None:
        self.s3 = FakeS3()
        self.queues = Queues()

    def host(self) -> S3State:
        return S3State(lambda: self.s3, SETTINGS, "storage", self.queues)

    async def sent(self) -> list[bytes]:
        return sorted(message.body for message in await self.queues.peek("internal", 1000))


@pytest.fixture
def world() -> World:
    return World()


def seen(path: str, version: str | None = "1") -> Sighting:
    body = f"{path}@{version}".encode()
    return Sighting(path, version, OutgoingMessage(queue="internal", body=body))


# -- what was seen


async def test_of_several_hosts_one_sends_each_version(world: World) -> None:
    sightings = [seen(f"orders/{number}") for number in range(100)]
    counts = await asyncio.gather(*(world.host().record(SCOPE, sightings) for _ in range(4)))
    assert sum(counts) == 100
    assert len(await world.sent()) == 100
    assert len(await world.host().seen(SCOPE)) == 100


async def test_a_host_sees_what_another_one_recorded(world: World) -> None:
    await world.host().record(SCOPE, [seen("a"), seen("b")])
    assert await world.host().seen(SCOPE) == {"a": "1", "b": "1"}
    assert await world.host().record(SCOPE, [seen("a"), seen("b", "2")]) == 1


async def test_a_message_whose_sending_failed_is_sent_with_the_next_try(world: World) -> None:
    store = world.host()
    world.queues.failing = ["before"]
    with pytest.raises(QueueMissing):
        await store.record(SCOPE, [seen("a"), seen("b")])
    assert await world.sent() == []
    assert await store.record(SCOPE, [seen("a"), seen("b"), seen("c")]) == 1
    assert await world.sent() == [b"a@1", b"b@1", b"c@1"]
    assert await store.record(SCOPE, [seen("a"), seen("b"), seen("c")]) == 0
    assert len(await world.sent()) == 3


async def test_messages_of_a_host_that_died_are_sent_by_the_next_to_load_the_scope(world: World) -> None:
    world.queues.failing = ["before"]
    with pytest.raises(QueueMissing):
        await world.host().record(SCOPE, [seen("a"), seen("b")])
    successor = world.host()
    assert await successor.seen(SCOPE) == {"a": "1", "b": "1"}
    assert await world.sent() == [b"a@1", b"b@1"]
    await successor.seen(SCOPE)
    await world.host().seen(SCOPE)
    assert len(await world.sent()) == 2


async def test_a_host_that_dies_before_it_crosses_out_has_its_messages_sent_twice_not_never(
    world: World,
) -> None:
    world.queues.failing = ["after"]
    with pytest.raises(QueueMissing):
        await world.host().record(SCOPE, [seen("a")])
    await world.host().seen(SCOPE)
    assert await world.sent() == [b"a@1", b"a@1"]


async def test_what_another_living_host_is_about_to_send_is_left_to_it(world: World) -> None:
    other = world.host()
    counts: list[int] = []

    class Meanwhile(Queues):
        async def send(
            self, messages: Sequence[OutgoingMessage], entities: Sequence[OutgoingEntity] = ()
        ) -> None:
            if not counts:
                counts.append(-1)
                counts.append(await other.record(SCOPE, [seen("a")]))
            await super().send(messages, entities)

    queues = world.queues = Meanwhile()
    other._queues = queues
    assert await world.host().record(SCOPE, [seen("a")]) == 1
    assert counts == [-1, 0]
    assert await world.sent() == [b"a@1"]


async def test_a_refusal_of_one_page_keeps_what_the_others_promise(world: World) -> None:
    sightings = [seen(f"orders/{number}") for number in range(100)]
    world.s3.fail("put_object", refusal("SlowDown"))
    store = world.host()
    with pytest.raises(StoreError, match="SlowDown"):
        await store.record(SCOPE, sightings)
    assert await world.sent() == []
    await store.record(SCOPE, sightings)
    assert len(await world.sent()) == 100


async def test_a_recording_whose_answer_was_lost_is_not_forgotten(world: World) -> None:
    store = world.host()
    world.s3.fail("put_object", ReadTimeoutError(endpoint_url="http://127.0.0.1:1"), late=True)
    with pytest.raises(StoreError):
        await store.record(SCOPE, [seen("a")])
    assert await store.record(SCOPE, [seen("a")]) == 0
    assert await world.sent() == [b"a@1"]


async def test_a_repeated_request_that_finds_its_own_effect_has_succeeded(world: World) -> None:
    world.s3.fail("put_object", refusal("PreconditionFailed"), late=True)
    assert await world.host().record(SCOPE, [seen("a")]) == 1
    assert await world.sent() == [b"a@1"]


async def test_what_is_known_already_writes_nothing(world: World) -> None:
    store = world.host()
    await store.record(SCOPE, [seen("a"), seen("b")])
    world.s3.calls.clear()
    assert await store.record(SCOPE, [seen("a"), seen("b")]) == 0
    assert world.s3.asked("put_object") == []


async def test_versions_are_spread_over_few_documents(world: World) -> None:
    await world.host().record(SCOPE, [Sighting(f"orders/{number}", "1") for number in range(1000)])
    assert len(world.s3.objects) == 128
    assert len(await world.host().seen(SCOPE)) == 1000


async def test_changes_of_too_many_at_once_are_given_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("funchost.bindings.aws.s3_documents._PAUSE", 0.0)
    for _ in range(20):
        world.s3.fail("put_object", refusal("ConditionalRequestConflict"))
    with pytest.raises(StoreError, match="by too many at once"):
        await world.host().record(SCOPE, [seen("a")])


# -- values


async def test_each_host_reads_what_the_other_put(world: World) -> None:
    one, other = world.host(), world.host()
    await one.put("keys", "host/default", {"value": 1})
    assert await other.get("keys", "host/default") == {"value": 1}
    assert await other.items("keys") == {"host/default": {"value": 1}}
    await one.put("keys", "host/default", {"value": 2})
    assert await other.items("keys") == {"host/default": {"value": 2}}
    await one.put("keys", "host/default", None)
    assert await other.items("keys") == {}


async def test_items_reads_only_what_has_changed(world: World) -> None:
    store = world.host()
    for key in "abc":
        await store.put("keys", key, 1)
    await store.items("keys")
    await world.host().put("keys", "b", 2)
    world.s3.calls.clear()
    assert await store.items("keys") == {"a": 1, "b": 2, "c": 1}
    assert [call["Key"] for call in world.s3.asked("get_object")] == ["funchost/state/keys/b.json"]


async def test_a_value_that_is_the_same_is_not_written_again(world: World) -> None:
    store = world.host()
    await store.put("timers", "F", 1)
    await store.put("timers", "F", 1)
    assert len(world.s3.asked("put_object")) == 1


async def test_a_value_is_written_only_over_the_one_that_was_read(world: World) -> None:
    store = world.host()
    await store.put("timers", "F", 1)
    await store.put("timers", "F", 2)
    first, second = world.s3.asked("put_object")
    assert first["IfNoneMatch"] == "*"
    assert second["IfMatch"]


async def test_an_edit_is_made_again_when_another_host_came_in_between(world: World) -> None:
    one, other = world.host(), world.host()
    await one.put("timers", "F", {"fence": 1})
    world.s3.fail("put_object", refusal("PreconditionFailed"))
    seen: list[object] = []

    def edit(value: object) -> object:
        seen.append(value)
        return {"fence": 2}

    assert await other.change("timers", "F", edit)
    assert seen == [{"fence": 1}, {"fence": 1}]
    assert await one.get("timers", "F") == {"fence": 2}


async def test_an_edit_whose_answer_was_lost_is_not_made_twice(world: World) -> None:
    store = world.host()
    await store.put("counts", "F", 1)
    world.s3.fail("put_object", refusal("PreconditionFailed"), late=True)
    assert await store.change("counts", "F", lambda count: count + 1)
    assert await store.get("counts", "F") == 2


async def test_hosts_that_put_at_once_end_with_one_of_their_values(world: World) -> None:
    await asyncio.gather(*(world.host().put("timers", "F", number) for number in range(4)))
    assert await world.host().get("timers", "F") in range(4)


@pytest.mark.parametrize("text", ["a/b", "..", "", "Ü", "x" * 2000, "a%2Fb", "a b+c"])
async def test_any_text_can_be_a_scope_or_a_key(world: World, text: str) -> None:
    store = world.host()
    await store.put(text, text, 1)
    await store.put(text, text + "y", 2)
    await store.put(text + "y", text, 3)
    await store.record(text, [seen(text or "a")])
    assert await store.items(text) == {text: 1, text + "y": 2}
    assert await store.get(text + "y", text) == 3
    assert await store.seen(text) == {text or "a": "1"}


async def test_documents_that_are_none_of_ours_are_errors_that_say_where(world: World) -> None:
    store = world.host()
    await store.put("keys", "a", 1)
    await store.record(SCOPE, [seen("a")])
    for found in world.s3.objects.values():
        found.body = b"{"
    for work in (
        store.get("keys", "a"),
        store.items("keys"),
        store.seen(SCOPE),
        store.record(SCOPE, [seen("a")]),
    ):
        with pytest.raises(FunchostError, match=r"s3://storage/funchost/(state|versions)/.* is not what"):
            await work
