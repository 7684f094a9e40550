"""What a queue store does, in the fewest words: a list of messages, and a number that grows whenever one is handed
out or given back. Nothing here knows of SQL, tasks or files; where a store differs from this, one of them is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from funchost.bindings.queue import OutgoingMessage, QueueMessage

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

    def send(self, messages: Iterable[OutgoingMessage], entity: str | None = None) -> None:
        now = self.now()
        for message in messages:
            visible_at = message.visible_at or now
            ends = None if message.ttl is None else max(now, visible_at) + message.ttl
            self.messages.append(Kept(message.queue, message.body, visible_at, ends, message.properties))
        if entity:
            self.entities.add(entity)

    def in_order(self, queue: str) -> list[Kept]:
        """What has not expired, the next to be delivered first."""
        now = self.now()
        alive = [
            kept
            for kept in self.messages
            if kept.queue == queue and (not kept.expires_at or kept.expires_at > now)
        ]
        return sorted(alive, key=lambda kept: kept.visible_at)  # stable: equals stay as they were sent

    def state(self, kept: Kept) -> str:
        if kept.visible_at <= self.now():
            return "visible"
        return "in flight" if kept.owner else "delayed"

    def receive(self, queue: str, limit: int, lease: timedelta, owner: str) -> list[Kept]:
        due = [kept for kept in self.in_order(queue) if self.state(kept) == "visible"][:limit]
        for kept in due:
            kept.visible_at, kept.owner = self.now() + lease, owner
            kept.turn += 1
            kept.dequeue_count += 1
        return due

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
        kept.visible_at, kept.owner = self.now() + delay, None
        kept.turn += 1
        kept.dequeue_count -= not count
        kept.properties = properties or kept.properties

    def complete(
        self, deliveries: Sequence[Delivery], outputs: Iterable[OutgoingMessage], entity: str | None = None
    ) -> None:
        for delivery in filter(self.is_good, deliveries):
            self.messages.remove(delivery.kept)
        self.send(outputs, entity)

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
        now = self.now()
        over = [
            kept for kept in self.messages if not kept.owner and kept.expires_at and kept.expires_at <= now
        ]
        for kept in over:
            self.messages.remove(kept)
        return len(over)
