"""The ledger itself: it finds what it is there to find."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from e2e.apps import App
from faults.ledger import Ledger

from funchost.bindings.embedded_queue import EmbeddedQueues
from funchost.bindings.presence import Presence
from funchost.bindings.queue import OutgoingMessage
from funchost.bindings.store import Store


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(tmp_path)


def by_hand(app: App, **more: Any) -> Ledger:
    return Ledger(app, recorded=False, **more)


def messages(queue: str, ids: Iterable[str]) -> list[OutgoingMessage]:
    return [OutgoingMessage(queue=queue, body=id.encode()) for id in ids]


def on_queues(app: App, *, complete: int = 0, release: int = 0, poison: int = 0, hold: int = 0) -> None:
    """What a host would do with the first messages of the queue; those held are left in flight."""

    async def go() -> None:
        store = Store(app.store)
        queues = EmbeddedQueues(store, "host-1")
        taken = iter(await queues.receive("jobs", complete + release + poison + hold))
        for _ in range(complete):
            message = next(taken)
            run(app, message.body.decode())
            await queues.complete([message], messages("done", [message.body.decode()]))
        for _ in range(release):
            await queues.release(next(taken), timedelta(minutes=1))
        for _ in range(poison):
            message = next(taken)
            await queues.poison(message, OutgoingMessage(queue="jobs-poison", body=message.body))
        await store.close()

    asyncio.run(go())


def run(app: App, id: str) -> None:
    with (app.root / "ledger.txt").open("a") as file:
        file.write(f"start {id} 1\nend {id} 1\n")


def execute(app: App, statement: str) -> None:
    with closing(sqlite3.connect(app.store / "store.db", isolation_level=None)) as connection:
        connection.execute(statement)


def test_each_message_is_counted_in_the_one_place_where_it_is(app: App) -> None:
    ledger = by_hand(app)
    ledger.send(*"abcdefg")
    on_queues(app, complete=2, release=1, poison=1, hold=1)
    tally = ledger.check()
    assert (tally.done, tally.delayed, tally.poison, tally.in_flight, tally.queued) == (2, 1, 1, 1, 2)
    assert (tally.lost, tally.completed_twice, tally.settled) == (0, 0, 3)
    assert str(tally).startswith("done 2, queued 2, delayed 1, in flight 1, poison 1, quarantined 0; lost 0")


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("DELETE FROM messages WHERE body = x'61'", "LOST"),
        ("UPDATE messages SET body = x'7a' WHERE body = x'61'", "NEVER SENT"),
        ("UPDATE messages SET queue = 'done' WHERE body = x'61'", "DONE WITHOUT A RUN"),
        ("UPDATE messages SET queue = 'done', body = x'62'", "COMPLETED TWICE"),
        ("UPDATE messages SET queue = 'jobs-poison', body = x'62' WHERE body = x'61'", "IN TWO PLACES"),
    ],
)
def test_a_message_that_is_not_where_it_belongs_is_shown_with_its_fault(
    app: App, fault: str, told: str
) -> None:
    ledger = by_hand(app)
    ledger.send("a", "b")
    ledger.check()
    execute(app, fault)
    with pytest.raises(AssertionError, match=told):
        ledger.check()


def test_a_run_of_which_only_some_outputs_were_kept_is_half_done(app: App) -> None:
    ledger = by_hand(app, outputs=("done",), tables=("Results",), blobs=("files",))
    ledger.send("a")
    on_queues(app, complete=1)
    with pytest.raises(AssertionError, match="HALF DONE"):
        ledger.check()
    execute(app, "INSERT INTO entities VALUES ('results', 'p', 'a', 0, '{}')")
    with pytest.raises(AssertionError, match=r'HALF DONE.*"files": 0'):
        ledger.check()
    (app.store / "blobs" / "files").mkdir(parents=True)
    (app.store / "blobs" / "files" / "a.txt").write_text("")
    assert ledger.check().done == 1


def test_what_was_perhaps_not_sent_may_be_nowhere_but_not_in_two_places(app: App) -> None:
    ledger = by_hand(app)
    ledger.send("a")
    ledger.unsure.append("b")
    ledger.check()
    execute(app, "UPDATE messages SET queue = 'done', body = x'62'")
    with pytest.raises(AssertionError, match="LOST"):
        ledger.check()


def test_a_look_changes_nothing_of_what_a_killed_host_left(app: App) -> None:
    ledger = by_hand(app)
    ledger.send("a")
    with closing(sqlite3.connect(app.store / "store.db")) as other:
        # While somebody has it open there is a log that is not in the database yet.
        other.execute("SELECT * FROM messages").fetchall()
        execute(app, "UPDATE messages SET dequeue_count = 3")
        log = app.store / "store.db-wal"
        before = log.read_bytes()
        assert before
        ledger.check()
        assert log.read_bytes() == before


async def test_what_a_living_host_holds_is_in_flight(app: App) -> None:
    store = Store(app.store)
    queues = EmbeddedQueues(store, "host-1")
    presence = Presence(store, "host-1")
    await presence.start()
    await queues.send(messages("jobs", "a"))
    await queues.receive("jobs", 1)
    ledger = by_hand(app)
    assert ledger.check(["a"]).in_flight == 1
    await presence.stop()
    assert ledger.check(["a"]).queued == 1
    await store.close()
