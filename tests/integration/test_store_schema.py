"""Stores that an older funchost made, opened by this one; and sessions when others than hosts remove messages."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from fakes import ManualClock

from funchost.bindings.embedded_queue import EmbeddedQueues
from funchost.bindings.queue import OutgoingMessage
from funchost.bindings.store import Store
from funchost.bindings.store_schema import SCHEMA_VERSION

#: The table of messages as version 1 had it.
_OLD = """
CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, message_id TEXT NOT NULL, body BLOB NOT NULL,
    inserted_at INTEGER NOT NULL, visible_at INTEGER NOT NULL, expires_at INTEGER,
    dequeue_count INTEGER NOT NULL DEFAULT 0, fence INTEGER NOT NULL DEFAULT 0, owner TEXT,
    crashes INTEGER NOT NULL DEFAULT 0, first_received_at INTEGER, properties TEXT);
CREATE INDEX messages_due ON messages (queue, visible_at);
CREATE TABLE signals (topic TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO messages (queue, message_id, body, inserted_at, visible_at, properties)
    VALUES ('orders', 'm1', x'61', 1000, 1000, '{"n": 1}'), ('orders', 'm2', x'62', 2000, 2000, NULL);
PRAGMA user_version = 1;
"""


@pytest.fixture
async def old(tmp_path: Path) -> AsyncIterator[Store]:
    """A store of version 1 with two messages, opened."""
    folder = tmp_path / "store"
    folder.mkdir()
    with contextlib.closing(sqlite3.connect(folder / "store.db")) as connection:
        connection.executescript(_OLD)
    store = Store(folder, clock=ManualClock())
    yield store
    await store.close()


async def test_messages_of_an_older_store_are_there_with_what_they_have_gained(old: Store) -> None:
    queues = EmbeddedQueues(old, "host-1")
    await queues.send([OutgoingMessage(queue="orders", body=b"new", session_id="s", priority=9)])
    new, first, second = await queues.receive("orders", 32)
    assert (new.body, new.group, new.priority) == (b"new", "s", 9)
    assert (first.body, first.properties, first.group, first.priority) == (b"a", {"n": 1}, None, 4)
    assert second.dedup_id is None


async def test_an_older_store_becomes_one_that_an_older_funchost_leaves_alone(old: Store) -> None:
    def version(connection: sqlite3.Connection) -> list[object]:
        indexes = connection.execute("SELECT name FROM sqlite_master WHERE name = 'messages_due'").fetchall()
        return [connection.execute("PRAGMA user_version").fetchone()[0], indexes]

    assert await old.read(version) == [SCHEMA_VERSION, []]


async def test_an_older_store_can_be_opened_again(old: Store) -> None:
    again = Store(old.folder)
    assert len(await EmbeddedQueues(again, "host-2").peek("orders", 10)) == 2
    await again.close()


@pytest.mark.parametrize("condition", ["body = x'31'", "body = x'32'", "body IN (x'31', x'32')"])
async def test_whoever_removes_messages_of_a_session_lets_the_next_one_come(
    old: Store, condition: str
) -> None:
    queues = EmbeddedQueues(old, "host-1")
    bodies = [b"1", b"2", b"3"]
    await queues.send([OutgoingMessage(queue="jobs", body=body, session_id="s") for body in bodies])
    await old.write(lambda connection: connection.execute(f"DELETE FROM messages WHERE {condition}"))
    left = []
    while found := await queues.receive("jobs", 32):
        left += [message.body for message in found]
        await queues.complete(found)
    assert left == [body for body in bodies if body.hex() not in condition]


async def test_an_emptied_queue_takes_new_messages_of_its_sessions(old: Store) -> None:
    queues = EmbeddedQueues(old, "host-1")
    messages = [OutgoingMessage(queue="jobs", body=b"a", session_id="s") for _ in range(3)]
    await queues.send(messages)
    await old.write(lambda connection: connection.execute("DELETE FROM messages WHERE queue = 'jobs'"))
    await queues.send(messages[:1])
    assert len(await queues.receive("jobs", 32)) == 1


async def test_many_that_wait_in_a_session_are_in_nobodys_way(old: Store) -> None:
    """No statement of a receive may look at the messages that wait: their number must not matter."""
    queues = EmbeddedQueues(old, "host-1")
    await queues.send([OutgoingMessage(queue="jobs", body=b"s", session_id="s") for _ in range(3000)])
    await queues.send([OutgoingMessage(queue="jobs", body=b"x", priority=0)])
    await queues.receive("jobs", 1)

    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    await old.write(lambda connection: connection.set_progress_handler(count, 100))
    assert [message.body for message in await queues.receive("jobs", 32)] == [b"x"]
    assert await queues.receive("jobs", 32) == []
    assert steps < 50, "hundreds of SQLite's instructions"


async def test_the_sweep_forgets_ids_whose_window_is_over(old: Store) -> None:
    clock = old.clock
    assert isinstance(clock, ManualClock)
    queues = EmbeddedQueues(old, "host-1")
    await queues.send([OutgoingMessage(queue="jobs", body=b"a", dedup_id=str(n)) for n in range(3)])
    assert await queues.sweep() == 0
    clock.advance(timedelta(minutes=5))
    assert await queues.sweep() == 3
    assert await old.read(lambda c: c.execute("SELECT count(*) FROM dedup_ids").fetchone()) == (0,)


async def test_a_duplicate_that_is_dropped_is_told_in_the_log(
    old: Store, caplog: pytest.LogCaptureFixture
) -> None:
    queues = EmbeddedQueues(old, "host-1")
    with caplog.at_level(logging.DEBUG, "funchost.bindings.queue"):
        for _ in range(2):
            await queues.send([OutgoingMessage(queue="jobs", body=b"a", dedup_id="order-1")])
    assert [record.getMessage() for record in caplog.records] == [
        "A message for 'jobs' is dropped: 'order-1' was sent before."
    ]
