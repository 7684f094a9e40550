"""Queues in the embedded store. Settling a message and sending what its run put out is one transaction."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import msgspec

from .clock import SET_BACK, from_milliseconds, milliseconds, new_id
from .embedded_table import write_with
from .errors import MessageTooLarge, ReceiptLost
from .queue import LEASE, OutgoingMessage, PeekedMessage, QueueDepth, QueueMessage
from .store import Store, signal
from .table import OutgoingEntity

#: The largest body, in bytes: Azure's 64 KiB, which its default base64 encoding leaves 48 KiB of.
MAX_BODY = 64 * 1024
MAX_BODY_BASE64 = MAX_BODY // 4 * 3

_SET_BACK = SET_BACK // timedelta(milliseconds=1)

_CLAIM = """
UPDATE messages
SET visible_at = ?, fence = fence + 1, dequeue_count = dequeue_count + 1, owner = ?,
    first_received_at = coalesce(first_received_at, ?)
WHERE id IN (
    SELECT id FROM messages
    WHERE queue = ? AND visible_at <= ? AND (expires_at IS NULL OR expires_at > ?)
    ORDER BY visible_at, id LIMIT ?)
RETURNING id, fence, message_id, body, dequeue_count, inserted_at, expires_at, visible_at,
    first_received_at, properties
"""

_INSERT = """
INSERT INTO messages (queue, message_id, body, inserted_at, visible_at, expires_at, properties)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""

_DELETE = "DELETE FROM messages WHERE id = ? AND fence = ?"

_DEPTHS = """
SELECT queue, sum(visible_at <= :now), sum(visible_at > :now AND owner IS NULL),
    sum(visible_at > :now AND owner IS NOT NULL), min(inserted_at)
FROM messages WHERE expires_at IS NULL OR expires_at > :now GROUP BY queue
"""

# What was sent later than now: the clock was set back. It is due as long after now as it was due after it was sent.
_SEND_NOW = """
UPDATE messages
SET visible_at = visible_at - inserted_at + ?, expires_at = expires_at - inserted_at + ?, inserted_at = ?
WHERE queue = ? AND owner IS NULL AND inserted_at > ?
"""

_NEXT_DUE = """
SELECT visible_at, inserted_at FROM messages WHERE queue = ? AND (expires_at IS NULL OR expires_at > ?)
ORDER BY visible_at LIMIT 1
"""

_PEEK = """
SELECT message_id, body, owner, dequeue_count, inserted_at, expires_at, visible_at, properties
FROM messages WHERE queue = ? AND (expires_at IS NULL OR expires_at > ?) ORDER BY visible_at, id LIMIT ?
"""


class Receipt(NamedTuple):
    """Which row, and which delivery of it."""

    id: int
    fence: int

    def __str__(self) -> str:
        return f"{self.id}.{self.fence}"


class EmbeddedQueues:
    """`QueueStore` on the embedded store.

    `owner` marks what this host has in flight, so that it is given back as soon as the host is known to be
    dead, long before its lease ends. `max_body` is the largest body in bytes.
    """

    def __init__(self, store: Store, owner: str, *, max_body: int = MAX_BODY_BASE64) -> None:
        self._store = store
        self._owner = owner
        self._max_body = max_body
        self._news: dict[str, asyncio.Event] = {}
        #: When the next message of an empty queue becomes visible, in milliseconds.
        self._next_due: dict[str, int | None] = {}

    async def send(
        self, messages: Sequence[OutgoingMessage], entities: Sequence[OutgoingEntity] = ()
    ) -> None:
        self.check_sizes(messages)

        def operation(connection: sqlite3.Connection) -> bool:
            self.send_within(connection, messages)
            return True

        await self._write(operation, entities)
        self.tell({message.queue for message in messages})

    def send_within(self, connection: sqlite3.Connection, messages: Sequence[OutgoingMessage]) -> None:
        """Part of an operation: put all messages into their queues. `tell` belongs after the commit."""
        connection.executemany(_INSERT, [self._row(message) for message in messages])
        for queue in {message.queue for message in messages}:
            signal(connection, f"queue:{queue}")

    def tell(self, queues: Iterable[str]) -> None:
        """Wake this process's listeners of `queues`."""
        for queue in queues:
            self._store.announce(f"queue:{queue}")

    def lease_of(self, queue: str) -> timedelta:
        return LEASE

    async def receive(self, queue: str, limit: int, lease: timedelta = LEASE) -> list[QueueMessage]:
        # Cleared before we look: a message that comes in meanwhile sets it again.
        self._event(queue).clear()
        now = milliseconds(self._store.clock.now())
        until = now + int(lease.total_seconds() * 1000)
        claim = (until, self._owner, now, queue, now, now, limit)

        def operation(connection: sqlite3.Connection) -> tuple[list[tuple[Any, ...]], int | None]:
            rows = connection.execute(_CLAIM, claim).fetchall()
            if rows:
                return rows, None
            due, sent = connection.execute(_NEXT_DUE, (queue, now)).fetchone() or (None, now)
            if sent - now > _SET_BACK and connection.execute(_SEND_NOW, (now, now, now, queue, now)).rowcount:
                due = now
            return [], due

        rows, self._next_due[queue] = await self._store.write(operation)
        rows.sort()
        return [_message(queue, row) for row in rows]

    async def renew(self, messages: Sequence[QueueMessage], lease: timedelta = LEASE) -> None:
        until = milliseconds(self._store.clock.now() + lease)
        rows = [(until, *message.receipt) for message in messages]
        await self._store.write(
            lambda connection: connection.executemany(
                "UPDATE messages SET visible_at = ? WHERE id = ? AND fence = ?", rows
            )
        )

    async def complete(
        self,
        messages: Sequence[QueueMessage],
        outputs: Sequence[OutgoingMessage] = (),
        entities: Sequence[OutgoingEntity] = (),
    ) -> None:
        if outputs:
            self.check_sizes(outputs)
        await self._replace(messages, outputs, entities)

    async def poison(self, message: QueueMessage, poison: OutgoingMessage) -> None:
        # A body that was let in once is let into the poison queue too, whatever the limit is now.
        await self._replace((message,), (poison,))

    async def release(
        self,
        message: QueueMessage,
        delay: timedelta,
        *,
        count: bool = True,
        properties: dict[str, Any] | None = None,
    ) -> None:
        visible_at = milliseconds(self._store.clock.now() + delay)
        text = None if properties is None else msgspec.json.encode(properties).decode()
        change = (visible_at, 0 if count else 1, text, *message.receipt)

        def operation(connection: sqlite3.Connection) -> bool:
            changed = connection.execute(
                "UPDATE messages SET visible_at = ?, dequeue_count = dequeue_count - ?, owner = NULL,"
                " fence = fence + 1, properties = coalesce(?, properties) WHERE id = ? AND fence = ?",
                change,
            ).rowcount
            signal(connection, f"queue:{message.queue}")
            return changed == 1

        if not await self._store.write(operation):
            raise ReceiptLost
        self._event(message.queue).set()

    async def wait(self, queue: str, limit: timedelta) -> None:
        seconds = limit.total_seconds()
        due = self._next_due.get(queue)
        if due is not None:
            seconds = min(seconds, (due - milliseconds(self._store.clock.now())) / 1000)
        if seconds > 0:
            try:
                async with asyncio.timeout(seconds):
                    await self._event(queue).wait()
            except TimeoutError:
                pass

    async def peek(self, queue: str, limit: int) -> list[PeekedMessage]:
        now = milliseconds(self._store.clock.now())
        rows = await self._store.read(lambda c: c.execute(_PEEK, (queue, now, limit)).fetchall())
        return [_peeked(queue, row, now) for row in rows]

    async def depths(self) -> list[QueueDepth]:
        now = {"now": milliseconds(self._store.clock.now())}
        rows = await self._store.read(lambda c: c.execute(_DEPTHS, now).fetchall())
        known = await self._store.read(
            lambda c: c.execute("SELECT substr(topic, 7) FROM signals WHERE topic LIKE 'queue:%'").fetchall()
        )
        found = {
            queue: QueueDepth(
                queue=queue, visible=seen, delayed=delayed, in_flight=flying, oldest=from_milliseconds(oldest)
            )
            for queue, seen, delayed, flying, oldest in rows
        }
        for (queue,) in known:
            found.setdefault(queue, QueueDepth(queue=queue, visible=0, delayed=0, in_flight=0, oldest=None))
        return [found[queue] for queue in sorted(found)]

    async def sweep(self) -> int:
        """Remove the messages whose time to live is over, a few thousand at a time; returns how many."""
        now = milliseconds(self._store.clock.now())
        statement = (
            "DELETE FROM messages WHERE id IN (SELECT id FROM messages WHERE expires_at <= ? AND owner IS NULL"
            " LIMIT 5000)"
        )
        return await self._store.write(lambda c: c.execute(statement, (now,)).rowcount)

    def check_sizes(self, messages: Iterable[OutgoingMessage]) -> None:
        """Raise `MessageTooLarge` for the first body over the limit."""
        for message in messages:
            if len(message.body) > self._max_body:
                raise MessageTooLarge(
                    f"A message of {len(message.body)} bytes for queue '{message.queue}' is over the limit of "
                    f"{self._max_body} bytes (64 KiB once encoded). Put the content into a blob and its name "
                    "into the message."
                )

    async def _replace(
        self,
        messages: Sequence[QueueMessage],
        outputs: Sequence[OutgoingMessage],
        entities: Sequence[OutgoingEntity] = (),
    ) -> None:
        receipts = [message.receipt for message in messages]

        def operation(connection: sqlite3.Connection) -> bool:
            gone = 0
            for receipt in receipts:
                gone += connection.execute(_DELETE, receipt).rowcount
            if gone and outputs:
                self.send_within(connection, outputs)
            return gone > 0

        if not await self._write(operation, entities):
            raise ReceiptLost
        self.tell({output.queue for output in outputs})

    def _write(
        self, operation: Callable[[sqlite3.Connection], bool], entities: Sequence[OutgoingEntity]
    ) -> Awaitable[bool]:
        """Run `operation` and, if it answers True, store the entities in the same step."""
        if entities:
            return write_with(self._store, entities, operation)
        return self._store.write(operation)

    def _row(self, message: OutgoingMessage) -> tuple[Any, ...]:
        now = self._store.clock.now()
        visible_at = message.visible_at or now
        return (
            message.queue,
            new_id(),
            message.body,
            milliseconds(now),
            milliseconds(visible_at),
            None if message.ttl is None else milliseconds(max(now, visible_at) + message.ttl),
            msgspec.json.encode(message.properties).decode() if message.properties else None,
        )

    def _event(self, queue: str) -> asyncio.Event:
        event = self._news.get(queue)
        if event is None:
            event = self._news[queue] = asyncio.Event()
            self._store.subscribe(f"queue:{queue}", event.set)
        return event


def _message(queue: str, row: tuple[Any, ...]) -> QueueMessage:
    id_, fence, message_id, body, count, inserted, expires, visible, first, properties = row
    return QueueMessage(
        queue=queue,
        id=message_id,
        body=_bytes(body),
        receipt=Receipt(id_, fence),
        dequeue_count=count,
        inserted_at=from_milliseconds(inserted),
        expires_at=from_milliseconds(expires) if expires is not None else None,
        next_visible_at=from_milliseconds(visible),
        first_received_at=from_milliseconds(first) if first is not None else None,
        properties=_properties(properties),
    )


def _peeked(queue: str, row: tuple[Any, ...], now: int) -> PeekedMessage:
    message_id, body, owner, count, inserted, expires, visible, properties = row
    state = "visible" if visible <= now else "delayed" if owner is None else "in flight"
    return PeekedMessage(
        queue=queue,
        id=message_id,
        body=_bytes(body),
        state=state,
        dequeue_count=count,
        inserted_at=from_milliseconds(inserted),
        expires_at=from_milliseconds(expires) if expires is not None else None,
        visible_at=from_milliseconds(visible),
        properties=_properties(properties),
    )


def _bytes(body: bytes | str) -> bytes:
    # Another program that writes into the table may have put a text there.
    return body.encode() if isinstance(body, str) else body


def _properties(text: str | None) -> dict[str, Any]:
    """What travels beside the body; nothing where that cannot be read: its neighbours must not suffer for it."""
    if not text:
        return {}
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {}
