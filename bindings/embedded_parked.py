"""Messages of the embedded store that wait for people: each is moved, changed or removed in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Collection, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from .clock import milliseconds
from .embedded_messages import peeked
from .parked import POISON_SUFFIX, Replacement
from .queue import OutgoingMessage, PeekedMessage
from .store import Store

if TYPE_CHECKING:
    from .embedded_queue import EmbeddedQueues

#: Messages that are read, moved or removed in one step.
_BATCH = 200
_CLEARED = 5000

# In flight is what has an owner for whom it is hidden still.
_FREE = "(owner IS NULL OR visible_at <= :now)"
_KEPT = "(expires_at IS NULL OR expires_at > :now)"

_QUEUES = f"""
SELECT DISTINCT queue FROM messages WHERE {_KEPT} AND (queue LIKE '%{POISON_SUFFIX}' OR (
    properties LIKE '%"poison"%' AND json_valid(properties) AND json_type(properties, '$.poison') = 'object'))
ORDER BY queue
"""

# The row's own id, then what `peeked` makes a message of.
_COLUMNS = """id, message_id, {body}, owner, dequeue_count, inserted_at, expires_at, visible_at, properties,
    session_id, priority, dedup_id, due_at"""

# The index alone answers that; to go through the rows of a queue page by page it does not help.
_ROWS = "SELECT id FROM messages WHERE queue = :queue"

_PAGE = f"""
SELECT {_COLUMNS} FROM messages
WHERE id IN (SELECT value FROM json_each(:numbers)) AND queue = :queue AND {_KEPT} ORDER BY id
"""

_NUMBERS = "SELECT message_id, id FROM messages WHERE queue = :queue ORDER BY id"

_TAKE = f"""
DELETE FROM messages WHERE id = :number AND queue = :queue AND {_FREE} AND {_KEPT}
RETURNING {_COLUMNS.format(body="body")}
"""

_REWRITE = f"""
UPDATE messages SET body = :body, properties = :properties
WHERE queue = :queue AND message_id = :id AND CAST(body AS BLOB) = :before AND {_FREE} AND {_KEPT}
"""

_CLEAR = f"""
DELETE FROM messages WHERE id IN (
    SELECT id FROM messages WHERE queue = :queue AND {_FREE} LIMIT {_CLEARED})
"""


class EmbeddedParked:
    """`Parked` on the embedded store. A kill leaves each message where it was or where it went, never in both."""

    def __init__(self, store: Store, queues: EmbeddedQueues) -> None:
        self._store = store
        self._queues = queues

    async def poison_queues(self, about: str | None) -> list[str]:
        # Whatever they are called: the messages say that they were given up, and by which queue.
        return [queue for (queue,) in await self._rows(_QUEUES, self._now())]

    async def look(self, queue: str, *, bodies: bool = True) -> AsyncGenerator[PeekedMessage, None]:
        page = _PAGE.format(body="body" if bodies else "x''")
        numbers = sorted(number for (number,) in await self._rows(_ROWS, {"queue": queue}))
        for start in range(0, len(numbers), _BATCH):
            some = msgspec.json.encode(numbers[start : start + _BATCH]).decode()
            asked = {"queue": queue, "numbers": some, **self._now()}
            for row in await self._rows(page, asked):
                yield peeked(queue, row[1:], asked["now"])

    async def replace(
        self, queue: str, ids: Collection[str], made: Replacement, *, singly: bool = False
    ) -> AsyncGenerator[str, None]:
        wanted = frozenset(ids)
        rows = await self._rows(_NUMBERS, {"queue": queue})
        numbers = [number for id_, number in rows if id_ in wanted]
        size = 1 if singly else _BATCH
        for start in range(0, len(numbers), size):
            for id_ in await self._replace(queue, numbers[start : start + size], made):
                yield id_

    async def _replace(self, queue: str, numbers: list[int], made: Replacement) -> list[str]:
        now = self._now()

        def operation(connection: sqlite3.Connection) -> tuple[list[str], list[OutgoingMessage]]:
            found = [taken for number in numbers if (taken := _take(connection, queue, number, now))]
            outgoing = [message for one in found if (message := made(one))]
            self._queues.send_within(connection, outgoing)
            return [one.id for one in found], outgoing

        done, outgoing = await self._store.write(operation)
        self._queues.tell({message.queue for message in outgoing})
        return done

    async def rewrite(self, message: PeekedMessage, changed: PeekedMessage) -> bool:
        self._queues.check_sizes([OutgoingMessage(queue=message.queue, body=changed.body)])
        change = {
            "queue": message.queue,
            "id": message.id,
            "before": message.body,
            "body": changed.body,
            "properties": msgspec.json.encode(changed.properties).decode(),
            **self._now(),
        }
        return await self._store.write(lambda c: c.execute(_REWRITE, change).rowcount == 1)

    async def clear(self, queue: str) -> int:
        asked = {"queue": queue, **self._now()}
        removed = 0
        while count := await self._store.write(lambda connection: connection.execute(_CLEAR, asked).rowcount):
            removed += count
        return removed

    async def _rows(self, statement: str, asked: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        return await self._store.read(lambda connection: connection.execute(statement, asked).fetchall())

    def _now(self) -> dict[str, Any]:
        return {"now": milliseconds(self._store.clock.now())}


def _take(
    connection: sqlite3.Connection, queue: str, number: int, now: Mapping[str, Any]
) -> PeekedMessage | None:
    """Remove a message, unless it is in flight."""
    rows = connection.execute(_TAKE, {"number": number, "queue": queue, **now}).fetchall()
    return peeked(queue, rows[0][1:], now["now"]) if rows else None
