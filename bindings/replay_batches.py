"""Replays of many runs in the embedded store: what is still to be done of each, so that none is lost or repeated.

A batch is a row in the state's scope `BATCHES`. A run that is still to be replayed is a row in the batch's own scope;
it goes in the transaction in which its message is sent.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

import msgspec

from .embedded_queue import EmbeddedQueues
from .errors import NotFound
from .queue import OutgoingMessage
from .store import Store

BATCHES = "replays"

#: What is kept for a run that nobody has begun with, and for one that somebody has.
_WAITING, _BEGUN = '"waiting"', '"begun"'

_INSERT = "INSERT INTO state (scope, key, value) VALUES (?, ?, ?)"
_DELETE = "DELETE FROM state WHERE scope = ? AND key = ?"
_COUNT = "SELECT count(*) FROM state WHERE scope = ?"


class Batch(msgspec.Struct, kw_only=True):
    """Many runs that are replayed together."""

    id: str
    at: datetime
    #: Who asked for it, as the audit names him.
    who: str
    #: Which runs, for people.
    wanted: str
    total: int
    #: Replays a second; None: as fast as it goes.
    rate: float | None = None
    #: How many are still to be done. It is counted, and not kept.
    left: int = 0


class ReplayBatches:
    """The batches of one embedded store."""

    def __init__(self, store: Store, queues: EmbeddedQueues) -> None:
        self._store = store
        self._queues = queues

    async def make(self, batch: Batch, runs: Sequence[str], forget_before: datetime) -> None:
        """Keep a batch of these runs. Those made before `forget_before` are forgotten."""
        text = msgspec.json.encode(batch).decode()

        def operation(connection: sqlite3.Connection) -> None:
            for old in _batches(connection):
                if old.at < forget_before:
                    connection.execute(_DELETE, (BATCHES, old.id))
                    connection.execute("DELETE FROM state WHERE scope = ?", (_scope(old.id),))
            connection.execute(_INSERT, (BATCHES, batch.id, text))
            connection.executemany(_INSERT, ((_scope(batch.id), run, _WAITING) for run in runs))

        await self._store.write(operation)

    async def list(self) -> list[Batch]:
        """All that are known, the one that was made last first."""
        return sorted(await self._store.read(_batches), key=lambda batch: batch.at, reverse=True)

    async def get(self, id_: str) -> Batch:
        """One batch; the beginning of its id will do. Raises `NotFound` for none, or several."""
        known = await self.list()
        found = [batch for batch in known if id_ and batch.id.startswith(id_.lower())]
        if len(found) == 1:
            return found[0]
        if found:
            raise NotFound(f"Several batches begin with '{id_}': {', '.join(batch.id for batch in found)}.")
        named = f"There are: {', '.join(batch.id for batch in known)}." if known else "There is none at all."
        raise NotFound(f"There is no batch of replays '{id_}'. {named}")

    async def left(self, batch: Batch) -> dict[str, bool]:
        """The runs that are still to be replayed, the first one first; True for those that somebody has begun with."""
        rows = await self._store.read(
            lambda connection: connection.execute(
                "SELECT key, value FROM state WHERE scope = ? ORDER BY key", (_scope(batch.id),)
            ).fetchall()
        )
        return {key: value == _BEGUN for key, value in rows}

    async def begin(self, batch: Batch, run: str) -> bool:
        """Note that somebody begins with a run; False: it is done already."""
        change = (_BEGUN, _scope(batch.id), run)
        return await self._store.write(
            lambda c: (
                c.execute("UPDATE state SET value = ? WHERE scope = ? AND key = ?", change).rowcount == 1
            )
        )

    async def done(self, batch: Batch, run: str) -> bool:
        """Note that a run is replayed, or cannot be; False: it was done already."""
        return await self._store.write(lambda c: c.execute(_DELETE, (_scope(batch.id), run)).rowcount == 1)

    async def send(self, batch: Batch, run: str, messages: Sequence[OutgoingMessage]) -> bool:
        """Put a run's messages into the embedded store's queues and have it done, in one step.

        False: it was done already, and nothing is sent. Raises `MessageTooLarge`.
        """
        self._queues.check_sizes(messages)

        def operation(connection: sqlite3.Connection) -> bool:
            is_ours = connection.execute(_DELETE, (_scope(batch.id), run)).rowcount == 1
            if is_ours:
                self._queues.send_within(connection, messages)
            return is_ours

        sent = await self._store.write(operation)
        if sent:
            self._queues.tell({message.queue for message in messages})
        return sent


def _scope(batch: str) -> str:
    return f"replay:{batch}"


def _batches(connection: sqlite3.Connection) -> list[Batch]:
    rows = connection.execute("SELECT value FROM state WHERE scope = ?", (BATCHES,)).fetchall()
    found = [msgspec.json.decode(value, type=Batch) for (value,) in rows]
    for batch in found:
        batch.left = connection.execute(_COUNT, (_scope(batch.id),)).fetchone()[0]
    return found
