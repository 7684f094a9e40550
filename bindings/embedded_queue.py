"""Queues in the embedded store. Settling a message and sending what its run put out is one transaction."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from . import embedded_messages as rows
from .clock import milliseconds
from .embedded_table import write_with
from .errors import MessageTooLarge, ReceiptLost
from .ordering import DEDUP_WINDOW
from .queue import LEASE, OutgoingMessage, PeekedMessage, QueueDepth, QueueMessage
from .store import Store, signal
from .table import OutgoingEntity

if TYPE_CHECKING:
    from .embedded_parked import EmbeddedParked

#: The largest body, in bytes: Azure's 64 KiB, which its default base64 encoding leaves 48 KiB of.
MAX_BODY = 64 * 1024
MAX_BODY_BASE64 = MAX_BODY // 4 * 3

log = logging.getLogger("funchost.bindings.queue")


class EmbeddedQueues:
    """`QueueStore` on the embedded store.

    `owner` marks what this host has in flight, so that it is given back as soon as the host is known to be
    dead, long before its lease ends. `max_body` is the largest body in bytes; `dedup_window` is for how long an id
    keeps further messages with it out of a queue.
    """

    def __init__(
        self,
        store: Store,
        owner: str,
        *,
        max_body: int = MAX_BODY_BASE64,
        dedup_window: timedelta = DEDUP_WINDOW,
    ) -> None:
        self._store = store
        self._owner = owner
        self._max_body = max_body
        self._dedup_window = dedup_window
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
        for message in rows.insert(connection, messages, self._store.clock.now(), self._dedup_window):
            log.debug("A message for '%s' is dropped: %r was sent before.", message.queue, message.dedup_id)
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

        def operation(connection: sqlite3.Connection) -> tuple[list[tuple[Any, ...]], int | None]:
            found = rows.claim(connection, queue, self._owner, now, until, limit)
            return found, None if found else rows.next_due(connection, queue, now)

        found, self._next_due[queue] = await self._store.write(operation)
        return [rows.message_of(queue, row) for row in found]

    async def renew(self, messages: Sequence[QueueMessage], lease: timedelta = LEASE) -> None:
        until = milliseconds(self._store.clock.now() + lease)
        changes = [(until, *message.receipt) for message in messages]
        await self._store.write(
            lambda connection: connection.executemany(
                "UPDATE messages SET visible_at = ? WHERE id = ? AND fence = ?", changes
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

    async def poison(
        self, message: QueueMessage, poison: OutgoingMessage, outputs: Sequence[OutgoingMessage] = ()
    ) -> None:
        self.check_sizes(outputs)
        # A body that was let in once is let into the poison queue too, whatever the limit is now.
        await self._replace((message,), (poison, *outputs))

    async def release(
        self,
        message: QueueMessage,
        delay: timedelta,
        *,
        count: bool = True,
        properties: dict[str, Any] | None = None,
    ) -> None:
        change = {
            "until": milliseconds(self._store.clock.now() + delay),
            "uncounted": 0 if count else 1,
            "properties": None if properties is None else msgspec.json.encode(properties).decode(),
            **message.receipt._asdict(),
        }

        def operation(connection: sqlite3.Connection) -> bool:
            changed = connection.execute(rows.RELEASE, change).rowcount
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
        return await self._store.read(lambda connection: rows.look(connection, queue, now, limit))

    async def depths(self) -> list[QueueDepth]:
        now = milliseconds(self._store.clock.now())
        return await self._store.read(lambda connection: rows.depths(connection, now))

    async def sweep(self) -> int:
        """Remove the messages whose time to live is over, and ids whose window is, a few thousand at a time; returns
        how many there were."""
        now = milliseconds(self._store.clock.now())
        return await self._store.write(lambda connection: rows.sweep(connection, now))

    def parked(self) -> EmbeddedParked:
        """The messages as people handle them one by one."""
        from .embedded_parked import EmbeddedParked  # hosts do not need it

        return EmbeddedParked(self._store, self)

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
                gone += connection.execute(rows.DELETE, receipt).rowcount
            if gone and outputs:
                self.send_within(connection, outputs)
            return gone > 0

        if not await self._write(operation, entities):
            raise ReceiptLost
        # With the first message of a session gone, the next one has come.
        followed = {message.queue for message in messages if message.group is not None}
        self.tell(followed | {output.queue for output in outputs})

    def _write(
        self, operation: Callable[[sqlite3.Connection], bool], entities: Sequence[OutgoingEntity]
    ) -> Awaitable[bool]:
        """Run `operation` and, if it answers True, store the entities in the same step."""
        if entities:
            return write_with(self._store, entities, operation)
        return self._store.write(operation)

    def _event(self, queue: str) -> asyncio.Event:
        event = self._news.get(queue)
        if event is None:
            event = self._news[queue] = asyncio.Event()
            self._store.subscribe(f"queue:{queue}", event.set)
        return event
