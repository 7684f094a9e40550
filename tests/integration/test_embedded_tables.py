"""Tables on the embedded store's file: what a restart, an older store and a busy writer do to them."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from funchost.bindings.embedded_queue import EmbeddedQueues
from funchost.bindings.embedded_table import EmbeddedTables
from funchost.bindings.queue import OutgoingMessage
from funchost.bindings.store import Store
from funchost.bindings.table import EntityConflict, OutgoingEntity


def entity(row: str) -> OutgoingEntity:
    return OutgoingEntity(table="people", partition_key="p", row_key=row, properties={"Name": "Ada"})


async def rows(store: Store) -> list[str]:
    found = await EmbeddedTables(store).query("people", None, lambda each: True, None)
    return [each.row_key for each in found]


async def test_entities_are_there_after_a_restart(tmp_path: Path) -> None:
    store = Store(tmp_path)
    await EmbeddedQueues(store, "host-1").send((), [entity("1")])
    await store.close()
    store = Store(tmp_path)
    assert await rows(store) == ["1"]
    await store.close()


async def test_a_store_from_before_there_were_tables_gains_them_and_keeps_its_messages(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path)
    await EmbeddedQueues(store, "host-1").send([OutgoingMessage(queue="orders", body=b"order")])
    await store.close()
    older = sqlite3.connect(store.path)
    older.execute("DROP TABLE entities")
    older.execute("UPDATE counters SET value = 7 WHERE name = 'fence'")
    older.commit()
    older.close()

    store = Store(tmp_path)
    queues = EmbeddedQueues(store, "host-1")
    [message] = await queues.receive("orders", 1)
    await queues.complete([message], (), [entity("1")])
    assert await rows(store) == ["1"]
    assert await store.read(lambda c: c.execute("SELECT value FROM counters").fetchall()) == [(7,)]
    await store.close()


async def test_a_conflict_costs_those_who_share_its_commit_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    queues = EmbeddedQueues(store, "host-1")
    await queues.send((), [entity("taken")])
    runs = 0

    def neighbour(connection: sqlite3.Connection) -> None:
        nonlocal runs
        runs += 1

    results = await asyncio.gather(
        store.write(neighbour),
        queues.send((), [entity("taken")]),
        store.write(neighbour),
        return_exceptions=True,
    )
    assert isinstance(results[1], EntityConflict)
    assert runs == 2, "run again only if the transaction was spoilt"
    await store.close()


async def test_a_neighbour_that_spoils_the_commit_does_not_take_message_and_entities_along(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path)
    queues = EmbeddedQueues(store, "host-1")
    await queues.send([OutgoingMessage(queue="orders", body=b"order")])
    [message] = await queues.receive("orders", 1)

    def breaks(connection: sqlite3.Connection) -> None:
        raise RuntimeError("the end")

    results = await asyncio.gather(
        queues.complete([message], (), [entity("1")]), store.write(breaks), return_exceptions=True
    )
    assert [type(result) for result in results] == [type(None), RuntimeError]
    assert await rows(store) == ["1"]
    assert await queues.peek("orders", 1) == []
    await store.close()
