"""What every table store promises, and the queue store that writes into it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes import ManualClock

from funchost.bindings.embedded_queue import EmbeddedQueues
from funchost.bindings.embedded_table import EmbeddedTables
from funchost.bindings.errors import MessageTooLarge, ReceiptLost
from funchost.bindings.memory_queues import MemoryQueues
from funchost.bindings.queue import OutgoingMessage, QueueMessage, QueueStore
from funchost.bindings.store import Store
from funchost.bindings.table import ANY_ETAG, Entity, EntityConflict, OutgoingEntity, TableStore

MINUTE = timedelta(minutes=1)


def entity(row: str, partition: str = "p", *, etag: str | None = None, **properties: Any) -> OutgoingEntity:
    return OutgoingEntity(
        table="people", partition_key=partition, row_key=row, properties=properties, etag=etag
    )


def all_of_them(entity: Mapping[str, Any]) -> bool:
    return True


@dataclass
class Tables:
    """The store under test, the queues beside it, and the clock that they read."""

    store: TableStore
    queues: QueueStore
    clock: ManualClock

    async def put(self, *entities: OutgoingEntity) -> None:
        await self.queues.send((), entities)

    async def get(self, row: str, partition: str = "p") -> Entity | None:
        return await self.store.get("people", partition, row)

    async def held(self, row: str, partition: str = "p") -> Entity:
        found = await self.get(row, partition)
        assert found is not None
        return found

    async def keys(self, partition: str | None = None, limit: int | None = None) -> list[tuple[str, str]]:
        found = await self.store.query("people", partition, all_of_them, limit)
        return [(each.partition_key, each.row_key) for each in found]

    async def in_flight(self) -> QueueMessage:
        await self.queues.send([OutgoingMessage(queue="orders", body=b"order")])
        [message] = await self.queues.receive("orders", 1, MINUTE)
        return message

    async def bodies(self, queue: str) -> list[bytes]:
        return [message.body for message in await self.queues.peek(queue, 10)]


@pytest.fixture(params=["embedded", "memory"])
async def tables(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Tables]:
    clock = ManualClock()
    if request.param == "memory":
        queues = MemoryQueues(clock)
        yield Tables(queues.tables, queues, clock)
        return
    store = Store(tmp_path / "store", clock=clock)
    yield Tables(EmbeddedTables(store), EmbeddedQueues(store, "host-1"), clock)
    await store.close()


# -- reading


async def test_an_entity_comes_back_as_it_was_put(tables: Tables) -> None:
    values: dict[str, Any] = {"Text": "grün", "Whole": 2**62, "Part": 0.5, "Yes": True, "Empty": ""}
    await tables.put(entity("1", **values))
    found = await tables.held("1")
    assert (found.partition_key, found.row_key, found.properties) == ("p", "1", values)
    assert found.timestamp == tables.clock.now()


async def test_an_entity_that_is_not_there_is_none(tables: Tables) -> None:
    assert await tables.get("1") is None, "no such table"
    await tables.put(entity("1"))
    assert await tables.get("2") is None
    assert await tables.get("1", "q") is None
    assert await tables.store.get("pets", "p", "1") is None


async def test_keys_are_told_apart_by_case(tables: Tables) -> None:
    await tables.put(entity("a", n=1), entity("A", n=2))
    assert (await tables.held("A")).properties == {"n": 2}


async def test_a_query_is_in_the_order_of_the_keys(tables: Tables) -> None:
    await tables.put(entity("b"), entity("a", "q"), entity("10"), entity("9"), entity("", ""), entity("B"))
    assert await tables.keys() == [("", ""), ("p", "10"), ("p", "9"), ("p", "B"), ("p", "b"), ("q", "a")]


async def test_a_query_can_be_for_one_partition(tables: Tables) -> None:
    await tables.put(entity("1"), entity("1", "q"), entity("1", "pp"))
    assert await tables.keys("p") == [("p", "1")]
    assert await tables.keys("x") == []


async def test_a_query_takes_only_so_many(tables: Tables) -> None:
    await tables.put(*[entity(row) for row in "abc"])
    assert await tables.keys(limit=2) == [("p", "a"), ("p", "b")]
    assert len(await tables.keys(limit=3)) == 3


async def test_a_query_counts_only_what_is_wanted(tables: Tables) -> None:
    await tables.put(*[entity(str(n), n=n) for n in range(6)])
    found = await tables.store.query("people", None, lambda each: each["n"] % 2 == 1, 2)
    assert [each.properties["n"] for each in found] == [1, 3]


async def test_a_query_sees_keys_and_time_beside_the_properties(tables: Tables) -> None:
    await tables.put(entity("1", Name="Ada"))
    seen: list[Mapping[str, Any]] = []

    def note(entity: Mapping[str, Any]) -> bool:
        seen.append(entity)
        return True

    await tables.store.query("people", None, note, None)
    assert seen == [
        {"PartitionKey": "p", "RowKey": "1", "Timestamp": tables.clock.now(), "Name": "Ada"},
    ]


async def test_a_query_that_was_cut_short_leaves_the_store_usable(tables: Tables) -> None:
    await tables.put(*[entity(f"{n:04}") for n in range(500)])
    for _ in range(3):
        assert len(await tables.keys(limit=1)) == 1
    await tables.put(entity("x"))
    assert await tables.get("x")


# -- writing


async def test_an_entity_that_is_there_already_is_a_conflict(tables: Tables) -> None:
    await tables.put(entity("1", n=1))
    with pytest.raises(EntityConflict, match=r"'p' and RowKey '1' in the table 'people' already"):
        await tables.put(entity("1", n=2))
    assert (await tables.held("1")).properties == {"n": 1}


async def test_of_entities_that_belong_together_all_are_stored_or_none(tables: Tables) -> None:
    await tables.put(entity("2"))
    with pytest.raises(EntityConflict):
        await tables.put(entity("1"), entity("2"), entity("3"))
    with pytest.raises(EntityConflict):
        await tables.put(entity("4"), entity("4"))
    assert await tables.keys() == [("p", "2")]


async def test_any_etag_adds_or_replaces(tables: Tables) -> None:
    await tables.put(entity("1", etag=ANY_ETAG, a=1, b=1))
    await tables.put(entity("1", etag=ANY_ETAG, a=2))
    assert (await tables.held("1")).properties == {"a": 2}


async def test_an_etag_replaces_only_what_was_read(tables: Tables) -> None:
    await tables.put(entity("1", n=1))
    read = await tables.held("1")
    await tables.put(entity("1", etag=read.etag, n=2))
    with pytest.raises(EntityConflict, match="changed or removed since it was read"):
        await tables.put(entity("1", etag=read.etag, n=3))
    with pytest.raises(EntityConflict):
        await tables.put(entity("2", etag=read.etag))
    assert (await tables.held("1")).properties == {"n": 2}


async def test_every_change_has_an_etag_of_its_own(tables: Tables) -> None:
    etags = set()
    for _ in range(3):  # the clock stands still
        await tables.put(entity("1", etag=ANY_ETAG))
        etags.add((await tables.held("1")).etag)
    assert len(etags) == 3
    before = (await tables.held("1")).timestamp
    tables.clock.advance(MINUTE)
    await tables.put(entity("1", etag=ANY_ETAG))
    assert (await tables.held("1")).timestamp == tables.clock.now() > before


async def test_an_etag_reads_as_in_azure(tables: Tables) -> None:
    await tables.put(entity("1"))
    assert (await tables.held("1")).etag == "W/\"datetime'2026-03-01T12%3A00%3A00.000000Z'\""


# -- one step with the rest that a run puts out


async def test_a_message_ends_with_its_outputs_and_entities(tables: Tables) -> None:
    message = await tables.in_flight()
    await tables.queues.complete([message], [OutgoingMessage(queue="bills", body=b"bill")], [entity("1")])
    assert await tables.bodies("orders") == []
    assert await tables.bodies("bills") == [b"bill"]
    assert await tables.get("1")


async def test_a_conflict_leaves_the_message_unsettled_and_its_outputs_unsent(tables: Tables) -> None:
    await tables.put(entity("2"))
    message = await tables.in_flight()
    with pytest.raises(EntityConflict):
        await tables.queues.complete(
            [message], [OutgoingMessage(queue="bills", body=b"bill")], [entity("1"), entity("2")]
        )
    assert await tables.bodies("orders") == [b"order"]
    assert await tables.bodies("bills") == []
    assert await tables.get("1") is None
    await tables.queues.complete([message])
    assert await tables.bodies("orders") == [], "its receipt was still good"


async def test_a_conflict_leaves_all_of_several_messages_unsettled(tables: Tables) -> None:
    await tables.put(entity("1"))
    message = await tables.in_flight()
    second = await tables.in_flight()
    with pytest.raises(EntityConflict):
        await tables.queues.complete([message, second], (), [entity("1")])
    await tables.queues.release(message, timedelta(0))
    await tables.queues.release(second, timedelta(0))
    assert await tables.bodies("orders") == [b"order"] * 2


async def test_a_late_finisher_stores_no_entity(tables: Tables) -> None:
    message = await tables.in_flight()
    await tables.queues.release(message, timedelta(0))
    with pytest.raises(ReceiptLost):
        await tables.queues.complete([message], (), [entity("1")])
    assert await tables.get("1") is None


async def test_messages_and_entities_are_sent_together_or_not_at_all(tables: Tables) -> None:
    bill = OutgoingMessage(queue="bills", body=b"bill")
    await tables.queues.send([bill], [entity("1")])
    with pytest.raises(EntityConflict):
        await tables.queues.send([bill], [entity("1")])
    with pytest.raises(MessageTooLarge):
        await tables.queues.send([OutgoingMessage(queue="bills", body=b"x" * 70_000)], [entity("2")])
    assert await tables.bodies("bills") == [b"bill"]
    assert await tables.keys() == [("p", "1")]


async def test_a_conflict_does_not_disturb_what_is_written_beside_it(tables: Tables) -> None:
    await tables.put(entity("taken"))
    results = await asyncio.gather(
        tables.put(entity("1")),
        tables.put(entity("2"), entity("taken")),
        tables.queues.send([OutgoingMessage(queue="bills", body=b"bill")]),
        tables.put(entity("3")),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [type(None), EntityConflict, type(None), type(None)]
    assert [row for _, row in await tables.keys()] == ["1", "3", "taken"]
    assert await tables.bodies("bills") == [b"bill"]
