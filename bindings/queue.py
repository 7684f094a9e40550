"""Queues as funchost sees them: the records that travel, and the protocol every queue store fulfils."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from .table import OutgoingEntity

#: How long an unread message is kept (Azure's default).
DEFAULT_TTL = timedelta(days=7)

#: How long a received message stays invisible before its lease has to be renewed (Azure's fixed 10 minutes).
LEASE = timedelta(minutes=10)


class OutgoingMessage(msgspec.Struct, kw_only=True, frozen=True):
    """A message on its way into a queue."""

    queue: str
    body: bytes
    #: Invisible until this moment; None means at once.
    visible_at: datetime | None = None
    #: None means for ever.
    ttl: timedelta | None = DEFAULT_TTL
    #: What travels beside the body: ``traceparent``, ``poison``, ``generation`` …; JSON values only.
    properties: dict[str, Any] = msgspec.field(default_factory=dict)


class QueueMessage(msgspec.Struct, kw_only=True, frozen=True):
    """One delivery of a message. The receipt is good until the message is settled or handed on."""

    queue: str
    id: str
    body: bytes
    #: Opaque to all but the store that gave it; it fences a late finisher out.
    receipt: Any
    #: Deliveries so far, this one included.
    dequeue_count: int
    inserted_at: datetime
    expires_at: datetime | None
    next_visible_at: datetime
    #: When the message was first delivered to anyone.
    first_received_at: datetime | None
    properties: dict[str, Any]
    #: Messages of one group are handed out in their order, and run one after the other; None: no order.
    group: str | None = None
    #: Whether its store gives it up by itself after too many deliveries; it is then not ours to do.
    redriven: bool = False


class PeekedMessage(msgspec.Struct, kw_only=True, frozen=True):
    """A message looked at without being received."""

    queue: str
    id: str
    body: bytes
    #: ``visible``, ``delayed`` or ``in flight``.
    state: str
    dequeue_count: int
    inserted_at: datetime
    expires_at: datetime | None
    visible_at: datetime
    properties: dict[str, Any]


class QueueDepth(msgspec.Struct, kw_only=True, frozen=True):
    """How much one queue holds."""

    queue: str
    visible: int
    delayed: int
    in_flight: int
    oldest: datetime | None


class QueueStore(Protocol):
    """Keeps queues. Every method may be called from many tasks at once.

    At least once: a message that was sent is delivered until somebody settles it. A settlement with a
    receipt that is no longer the message's raises `ReceiptLost` and changes nothing.
    """

    async def send(
        self, messages: Sequence[OutgoingMessage], entities: Sequence[OutgoingEntity] = ()
    ) -> None:
        """Put all messages into their queues, durably, all or none where the store can; creates the queues.

        With them go `entities` into the tables of the same connection. Raises `MessageTooLarge` before anything
        is sent, and `EntityConflict`, which leaves all as it was.
        """

    def lease_of(self, queue: str) -> timedelta:
        """How long a message of `queue` is hidden when it is received or renewed, unless another time is said."""

    async def receive(self, queue: str, limit: int, lease: timedelta = LEASE) -> list[QueueMessage]:
        """Take up to `limit` visible messages, oldest first, and hide them for `lease`.

        A store may wait some seconds for the first of them; whoever stops waits for it to return, since what it
        brings is in flight. Raises `QueueMissing` where the store knows queues that do not exist.
        """

    async def renew(self, messages: Sequence[QueueMessage], lease: timedelta = LEASE) -> None:
        """Hide the messages for another `lease` from now. Those already lost are passed over."""

    async def complete(
        self,
        messages: Sequence[QueueMessage],
        outputs: Sequence[OutgoingMessage] = (),
        entities: Sequence[OutgoingEntity] = (),
    ) -> None:
        """Remove the messages, all of one queue, and send `outputs` and `entities`, in one step where the store can.

        Those already lost are passed over; `ReceiptLost` is raised, and nothing changed, when all are. Raises what
        `send` raises; the messages are then still in flight.
        """

    async def release(
        self,
        message: QueueMessage,
        delay: timedelta,
        *,
        count: bool = True,
        properties: dict[str, Any] | None = None,
    ) -> None:
        """Make the message visible again after `delay`.

        With ``count=False`` the delivery does not count: the dequeue count goes back by one. `properties`
        take the place of the message's own, where the store can do that.
        """

    async def poison(self, message: QueueMessage, poison: OutgoingMessage) -> None:
        """Remove the message and send `poison` in its place, in one step where the store can."""

    async def wait(self, queue: str, limit: timedelta) -> None:
        """Return when `queue` may have something to receive, or after `limit`, whichever is first."""

    async def peek(self, queue: str, limit: int) -> list[PeekedMessage]:
        """Look at up to `limit` messages, oldest first, whatever their state."""

    async def depths(self) -> list[QueueDepth]:
        """All queues that exist, by name."""
