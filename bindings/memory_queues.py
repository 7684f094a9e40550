"""Queues in memory, for tests and for trying things. They do what `EmbeddedQueues` does, and forget it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import msgspec

from .clock import Clock, SystemClock, new_id
from .embedded_queue import MAX_BODY_BASE64, Receipt
from .errors import MessageTooLarge, ReceiptLost
from .memory_tables import MemoryTables
from .queue import LEASE, OutgoingMessage, PeekedMessage, QueueDepth, QueueMessage
from .table import OutgoingEntity


@dataclass(slots=True, kw_only=True)
class _Stored:
    """A message while it is kept."""

    number: int
    id: str
    body: bytes
    inserted_at: datetime
    visible_at: datetime
    expires_at: datetime | None
    properties: dict[str, Any]
    dequeue_count: int = 0
    #: Grows with each delivery and each release: the part of the receipt that goes stale.
    fence: int = 0
    taken: bool = False
    first_received_at: datetime | None = None

    def state(self, now: datetime) -> str:
        if self.visible_at <= now:
            return "visible"
        return "in flight" if self.taken else "delayed"


class MemoryQueues:
    """`QueueStore` that ends with the process. `max_body` is the largest body in bytes."""

    def __init__(self, clock: Clock | None = None, *, max_body: int = MAX_BODY_BASE64) -> None:
        self._clock = clock or SystemClock()
        #: The tables of the same connection.
        self.tables = MemoryTables(self._clock)
        self._max_body = max_body
        self._queues: dict[str, dict[int, _Stored]] = {}
        self._news: dict[str, asyncio.Event] = {}
        self._numbers = count(1)

    async def send(
        self, messages: Sequence[OutgoingMessage], entities: Sequence[OutgoingEntity] = ()
    ) -> None:
        self._check_sizes(messages)
        self.tables.put(entities)
        self.put(messages)

    def put(self, messages: Sequence[OutgoingMessage]) -> None:
        """Put all messages into their queues, whatever their size."""
        for message in messages:
            stored = self._stored(message)
            self._queues.setdefault(message.queue, {})[stored.number] = stored
            self._event(message.queue).set()

    def lease_of(self, queue: str) -> timedelta:
        return LEASE

    async def receive(self, queue: str, limit: int, lease: timedelta = LEASE) -> list[QueueMessage]:
        self._event(queue).clear()
        now = self._clock.now()
        due = [stored for stored in self._in_order(queue) if stored.visible_at <= now]
        taken = sorted(due[:limit], key=lambda stored: stored.number)
        return [self._deliver(queue, stored, now + lease) for stored in taken]

    async def renew(self, messages: Sequence[QueueMessage], lease: timedelta = LEASE) -> None:
        for message in messages:
            stored = self._find(message)
            if stored:
                stored.visible_at = self._clock.now() + lease

    async def complete(
        self,
        messages: Sequence[QueueMessage],
        outputs: Sequence[OutgoingMessage] = (),
        entities: Sequence[OutgoingEntity] = (),
    ) -> None:
        self._check_sizes(outputs)
        self._replace(messages, outputs, entities)

    async def poison(self, message: QueueMessage, poison: OutgoingMessage) -> None:
        self._replace([message], [poison])

    async def release(
        self,
        message: QueueMessage,
        delay: timedelta,
        *,
        count: bool = True,
        properties: dict[str, Any] | None = None,
    ) -> None:
        stored = self._find(message)
        if stored is None:
            raise ReceiptLost
        stored.visible_at = self._clock.now() + delay
        stored.fence += 1
        stored.taken = False
        stored.dequeue_count -= not count
        if properties is not None:
            stored.properties = _as_kept(properties)
        self._event(message.queue).set()

    async def wait(self, queue: str, limit: timedelta) -> None:
        due = min((stored.visible_at for stored in self._in_order(queue)), default=None)
        wait = limit if due is None else min(limit, due - self._clock.now())
        if wait > timedelta(0):
            try:
                async with asyncio.timeout(wait.total_seconds()):
                    await self._event(queue).wait()
            except TimeoutError:
                pass

    async def peek(self, queue: str, limit: int) -> list[PeekedMessage]:
        now = self._clock.now()
        return [_peeked(queue, stored, now) for stored in list(self._in_order(queue))[:limit]]

    async def depths(self) -> list[QueueDepth]:
        return [self._depth(queue) for queue in sorted(self._queues)]

    def _depth(self, queue: str) -> QueueDepth:
        kept = list(self._in_order(queue))
        now = self._clock.now()
        states = [stored.state(now) for stored in kept]
        return QueueDepth(
            queue=queue,
            visible=states.count("visible"),
            delayed=states.count("delayed"),
            in_flight=states.count("in flight"),
            oldest=min((stored.inserted_at for stored in kept), default=None),
        )

    def _in_order(self, queue: str) -> Iterator[_Stored]:
        """What the queue holds and has not expired, as it will be delivered."""
        now = self._clock.now()
        kept = sorted(
            self._queues.get(queue, {}).values(), key=lambda stored: (stored.visible_at, stored.number)
        )
        return (stored for stored in kept if stored.expires_at is None or stored.expires_at > now)

    def _find(self, message: QueueMessage) -> _Stored | None:
        number, fence = message.receipt
        stored = self._queues.get(message.queue, {}).get(number)
        return stored if stored and stored.fence == fence else None

    def _replace(
        self,
        messages: Sequence[QueueMessage],
        outputs: Sequence[OutgoingMessage],
        entities: Sequence[OutgoingEntity] = (),
    ) -> None:
        held = [message for message in messages if self._find(message)]
        if not held:
            raise ReceiptLost
        self.tables.put(entities)
        for message in held:
            del self._queues[message.queue][message.receipt.id]
        self.put(outputs)

    def _stored(self, message: OutgoingMessage) -> _Stored:
        now = self._clock.now()
        visible_at = message.visible_at or now
        return _Stored(
            number=next(self._numbers),
            id=new_id(),
            body=message.body,
            inserted_at=now,
            visible_at=visible_at,
            expires_at=None if message.ttl is None else max(now, visible_at) + message.ttl,
            properties=_as_kept(message.properties),
        )

    def _deliver(self, queue: str, stored: _Stored, until: datetime) -> QueueMessage:
        stored.visible_at = until
        stored.fence += 1
        stored.taken = True
        stored.dequeue_count += 1
        stored.first_received_at = stored.first_received_at or self._clock.now()
        return QueueMessage(
            queue=queue,
            id=stored.id,
            body=stored.body,
            receipt=Receipt(stored.number, stored.fence),
            dequeue_count=stored.dequeue_count,
            inserted_at=stored.inserted_at,
            expires_at=stored.expires_at,
            next_visible_at=until,
            first_received_at=stored.first_received_at,
            properties=_as_kept(stored.properties),
        )

    def _check_sizes(self, messages: Sequence[OutgoingMessage]) -> None:
        for message in messages:
            if len(message.body) > self._max_body:
                raise MessageTooLarge(
                    f"A message of {len(message.body)} bytes for queue '{message.queue}' is over the limit of "
                    f"{self._max_body} bytes."
                )

    def _event(self, queue: str) -> asyncio.Event:
        return self._news.setdefault(queue, asyncio.Event())


def _as_kept(properties: dict[str, Any]) -> dict[str, Any]:
    """A copy of the properties as a store that writes JSON would give them back."""
    kept: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(properties))
    return kept


def _peeked(queue: str, stored: _Stored, now: datetime) -> PeekedMessage:
    return PeekedMessage(
        queue=queue,
        id=stored.id,
        body=stored.body,
        state=stored.state(now),
        dequeue_count=stored.dequeue_count,
        inserted_at=stored.inserted_at,
        expires_at=stored.expires_at,
        visible_at=stored.visible_at,
        properties=_as_kept(stored.properties),
    )
