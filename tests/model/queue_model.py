"""What a queue store does, in the fewest words: a list of messages, and a number that grows whenever one is handed
out or given back. Nothing here knows of SQL, tasks or files; where a store differs from this, one of them is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from funchost.bindings.queue import OutgoingMessage, QueueMessage

#: For how long an id keeps further messages with it out of a queue.
DEDUP_WINDOW = timedelta(minutes=5)

#: Hosts that may die over a message before that counts as a delivery.
FREE_DEATHS = 5


@dataclass(slots=True, eq=False)
class Kept:
    """A message that is in a queue."""

    queue: str
    body: bytes
    visible_at: datetime
    expires_at: datetime | None
    properties: dict[str, Any]
    session: str | None
    priority: int
    #: Whether it stands behind others of its session.
    waits: bool
    dequeue_count: int = 0
    #: The host that has it in flight; None is nobody.
    owner: str | None = None
    #: Grows when it is handed out and when it is given back: a receipt is good for one of these.
    turn: int = 0
    deaths: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """One time that a message was handed out: what the store gave, and what the model knows of it."""

    message: QueueMessage
    kept: Kept
    turn: int
    host: str

    def __repr__(self) -> str:
        return f"<{self.message.body.decode()}, delivery {self.turn}, to {self.host}>"


@dataclass(slots=True)
class QueueModel:
    """All queues of a store, and the row keys of one table."""

    now: Callable[[], datetime]
    #: In the order in which they were sent.
    messages: list[Kept] = field(default_factory=list)
    entities: set[str] = field(default_factory=set)
    #: Until when ids keep further messages with them out of their queues.
    ids: dict[tuple[str, str], datetime] = field(default_factory=dict)

    def send(self, messages: Iterable[OutgoingMessage], entity: str | None = None) -> None:
        now = self.now()
        for message in filter(self._is_new, messages):
            visible_at = message.visible_at or now
            ends = None if message.ttl is None else max(now, visible_at) + message.ttl
            session = message.session_id
            waits = session is not None and any(self._of_session(message.queue, session))
            self.messages.append(
                Kept(
                    message.queue,
                    message.body,
                    visible_at,
                    ends,
                    message.properties,
                    session,
                    message.priority,
                    waits,
                )
            )
        if entity:
            self.entities.add(entity)

    def _is_new(self, message: OutgoingMessage) -> bool:
        if message.dedup_id is None:
            return True
        key, now = (message.queue, message.dedup_id), self.now()
        known = key in self.ids and now < self.ids[key] <= now + DEDUP_WINDOW
        if not known:
            self.ids[key] = now + DEDUP_WINDOW
        return not known

    def _of_session(self, queue: str, session: str) -> Iterator[Kept]:
        return (kept for kept in self.messages if (kept.queue, kept.session) == (queue, session))

    def in_order(self, queue: str) -> list[Kept]:
        """What has not expired, the next to be delivered first."""
        alive = [kept for kept in self.messages if kept.queue == queue and not self._has_expired(kept)]
        return sorted(alive, key=self._place)  # stable: equals stay as they were sent

    def _place(self, kept: Kept) -> tuple[Any, ...]:
        if kept.waits:
            return (2,)
        if self.state(kept) == "visible":
            return 0, -kept.priority, kept.visible_at
        return 1, kept.visible_at

    def state(self, kept: Kept) -> str:
        if kept.waits:
            return "waiting"
        if kept.visible_at <= self.now():
            return "visible"
        return "in flight" if kept.owner else "delayed"

    def receive(self, queue: str, limit: int, lease: timedelta, owner: str) -> list[Kept]:
        due = self._next(queue, limit)
        while sessions := {kept.session for kept in due if self._has_expired(kept)}:
            for kept in list(self.messages):
                if kept.queue == queue and kept.session in sessions and self._has_expired(kept):
                    self._remove(kept)
            due = self._next(queue, limit)
        for kept in due:
            kept.visible_at, kept.owner = self.now() + lease, owner
            kept.turn += 1
            kept.dequeue_count += 1
        return due

    def _next(self, queue: str, limit: int) -> list[Kept]:
        """The next messages, with what has expired in a session, where it is in the way of others."""
        due = [kept for kept in self.messages if kept.queue == queue and self.state(kept) == "visible"]
        there = [kept for kept in due if kept.session or not self._has_expired(kept)]
        return sorted(there, key=self._place)[:limit]

    def is_good(self, delivery: Delivery) -> bool:
        """Whether the message is still there and was not handed on since."""
        return delivery.kept in self.messages and delivery.kept.turn == delivery.turn

    def renew(self, deliveries: Iterable[Delivery], lease: timedelta) -> None:
        for delivery in filter(self.is_good, deliveries):
            delivery.kept.visible_at = self.now() + lease

    def release(
        self, delivery: Delivery, delay: timedelta, *, count: bool, properties: dict[str, Any] | None
    ) -> None:
        kept = delivery.kept
        until = self.now() + delay
        kept.visible_at, kept.owner = min(until, kept.expires_at or until), None
        kept.turn += 1
        kept.dequeue_count -= not count
        kept.properties = properties or kept.properties

    def complete(
        self, deliveries: Sequence[Delivery], outputs: Iterable[OutgoingMessage], entity: str | None = None
    ) -> None:
        for delivery in filter(self.is_good, deliveries):
            self._remove(delivery.kept)
        self.send(outputs, entity)

    def _remove(self, gone: Kept) -> None:
        self.messages.remove(gone)
        if gone.session and not gone.waits:
            for follower in self._of_session(gone.queue, gone.session):
                follower.waits = False
                return

    def _has_expired(self, kept: Kept) -> bool:
        return kept.expires_at is not None and kept.expires_at <= self.now()

    def bury(self, owner: str) -> None:
        """Give back what a dead host held."""
        for kept in self.messages:
            if kept.owner == owner:
                kept.visible_at, kept.owner = self.now(), None
                kept.turn += 1
                kept.dequeue_count -= kept.deaths < FREE_DEATHS
                kept.deaths += 1

    def sweep(self) -> int:
        """Forget what has expired, unless somebody has it in flight."""
        over = [kept for kept in self.messages if not kept.owner and self._has_expired(kept)]
        for kept in over:
            self._remove(kept)
        ended = [key for key, ends in self.ids.items() if ends <= self.now()]
        for key in ended:
            del self.ids[key]
        return len(over) + len(ended)
