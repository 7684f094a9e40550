"""Queues in memory, for tests and for trying things. They do what `EmbeddedQueues` does, and forget it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count, islice
from typing import Any

import msgspec

from .clock import Clock, SystemClock, new_id
from .embedded_messages import Receipt
from .embedded_queue import MAX_BODY_BASE64
from .errors import MessageTooLarge, ReceiptLost
from .memory_tables import MemoryTables
from .ordering import DEDUP_WINDOW, session_before
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
    session_id: str | None
    priority: int
    dedup_id: str | None
    #: Whether it stands behind others of its session.
    waits: bool
    dequeue_count: int = 0
    #: Grows with each delivery and each release: the part of the receipt that goes stale.
    fence: int = 0
    taken: bool = False
    first_received_at: datetime | None = None

    def state(self, now: datetime) -> str:
        if self.waits:
            return "waiting"
        if self.visible_at <= now:
            return "visible"
        return "in flight" if self.taken else "delayed"

    def is_over(self, now: datetime) -> bool:
        """Whether its time to live is over."""
        return self.expires_at is not None and self.expires_at <= now


class MemoryQueues:
    """`QueueStore` that ends with the process. `max_body` is the largest body in bytes, `dedup_window` for how long an
    id keeps further messages with it out of a queue."""

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        max_body: int = MAX_BODY_BASE64,
        dedup_window: timedelta = DEDUP_WINDOW,
    ) -> None:
        self._clock = clock or SystemClock()
        #: The tables of the same connection.
        self.tables = MemoryTables(self._clock)
        self._max_body = max_body
        self._dedup_window = dedup_window
        self._queues: dict[str, dict[int, _Stored]] = {}
        #: Until when ids keep further messages with them out of their queues.
        self._ids: dict[tuple[str, str], datetime] = {}
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
            kept = self._queues.setdefault(message.queue, {})
            if message.dedup_id is None or self._keep_id(message.queue, message.dedup_id):
                stored = self._stored(message)
                kept[stored.number] = stored
                self._event(message.queue).set()

    def lease_of(self, queue: str) -> timedelta:
        return LEASE

    async def receive(self, queue: str, limit: int, lease: timedelta = LEASE) -> list[QueueMessage]:
        self._event(queue).clear()
        now = self._clock.now()
        due = self._due(queue, limit, now)
        while over := [stored for stored in due if stored.is_over(now)]:
            # They expired at the heads of their sessions: with them gone, others come.
            for stored in over:
                self._end_session(queue, stored.session_id, now)
            due = self._due(queue, limit, now)
        taken = sorted(due, key=lambda stored: (-stored.priority, stored.number))
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

    async def poison(
        self, message: QueueMessage, poison: OutgoingMessage, outputs: Sequence[OutgoingMessage] = ()
    ) -> None:
        self._check_sizes(outputs)
        self._replace([message], [poison, *outputs])

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
        # No longer hidden than it is kept: those behind it in a session have not to wait longer.
        until = self._clock.now() + delay
        stored.visible_at = min(until, stored.expires_at or until)
        stored.fence += 1
        stored.taken = False
        stored.dequeue_count -= not count
        if properties is not None:
            stored.properties = _as_kept(properties)
        self._event(message.queue).set()

    async def wait(self, queue: str, limit: timedelta) -> None:
        due = min((one.visible_at for one in self._in_order(queue) if not one.waits), default=None)
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
            waiting=states.count("waiting"),
        )

    def _in_order(self, queue: str) -> Iterator[_Stored]:
        """What the queue holds and has not expired, as it will be delivered."""
        now = self._clock.now()
        return (stored for stored in self._as_delivered(queue, now) if not stored.is_over(now))

    def _as_delivered(self, queue: str, now: datetime) -> list[_Stored]:
        def place(stored: _Stored) -> tuple[bool, bool, int, datetime, int]:
            is_due = stored.state(now) == "visible"
            level = -stored.priority if is_due else 0
            moment = now if stored.waits else stored.visible_at
            return not is_due, stored.waits, level, moment, stored.number

        return sorted(self._queues.get(queue, {}).values(), key=place)

    def _due(self, queue: str, limit: int, now: datetime) -> list[_Stored]:
        """The next messages, with what has expired in a session, where it is in the way of others."""
        due = (stored for stored in self._as_delivered(queue, now) if stored.state(now) == "visible")
        return list(islice((one for one in due if one.session_id or not one.is_over(now)), limit))

    def _end_session(self, queue: str, session: str | None, now: datetime) -> None:
        """Remove what has expired in a session."""
        for stored in list(self._queues[queue].values()):
            if stored.session_id == session and stored.is_over(now):
                self._remove(queue, stored.number)

    def _remove(self, queue: str, number: int) -> None:
        kept = self._queues[queue]
        gone = kept.pop(number)
        if gone.session_id and not gone.waits:
            behind = (stored for stored in kept.values() if stored.session_id == gone.session_id)
            if follower := next(behind, None):
                follower.waits = False
                self._event(queue).set()

    def _keep_id(self, queue: str, dedup_id: str) -> bool:
        """Whether the id is a new one; it is kept then."""
        now = self._clock.now()
        ends, until = self._ids.get((queue, dedup_id), now), now + self._dedup_window
        is_new = not now < ends <= until
        if is_new:
            self._ids[queue, dedup_id] = until
        return is_new

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
            self._remove(message.queue, message.receipt.id)
        self.put(outputs)

    def _stored(self, message: OutgoingMessage) -> _Stored:
        now = self._clock.now()
        visible_at = message.visible_at or now
        session = message.session_id
        kept = self._queues[message.queue].values()
        return _Stored(
            number=next(self._numbers),
            id=new_id(),
            body=message.body,
            inserted_at=now,
            visible_at=visible_at,
            expires_at=None if message.ttl is None else max(now, visible_at) + message.ttl,
            properties=_as_kept(message.properties),
            session_id=session,
            priority=message.priority,
            dedup_id=message.dedup_id,
            waits=session is not None and any(stored.session_id == session for stored in kept),
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
            group=stored.session_id,
            priority=stored.priority,
            dedup_id=stored.dedup_id,
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
        session_id=stored.session_id or session_before(stored.properties),
        priority=stored.priority,
        dedup_id=stored.dedup_id,
    )
