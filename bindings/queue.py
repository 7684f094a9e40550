"""Queues as funchost sees them: the records that travel, and the protocol every queue store fulfils."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from .ordering import DEFAULT_PRIORITY
from .table import OutgoingEntity

#: How long an unread message is kept (Azure's default).
DEFAULT_TTL = timedelta(days=7)

#: How long a received message stays invisible before its lease has to be renewed (Azure's fixed 10 minutes).
LEASE = timedelta(minutes=10)


#: Names of properties that mean something to hosts, and that nobody else may give: how a message came about, and what
#: has become of it.
HOST_PROPERTIES = frozenset(
    {
        "attributes",
        "edited",
        "failures",
        "generation",
        "messageGroupId",
        "parent",
        "poison",
        "replayOf",
        "traceparent",
        "tracestate",
    }
)


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
    #: Messages of one session are delivered in the order of sending, one at a time; None: in no order.
    session_id: str | None = None
    #: 0 to 9; of what is due the higher is delivered first. Within a session it is the order that counts.
    priority: int = DEFAULT_PRIORITY
    #: What was sent to the queue with the same id a short time ago takes its place: this one is dropped.
    dedup_id: str | None = None


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
    #: Its session: messages of one group are handed out in their order, and run one after the other; None: no order.
    group: str | None = None
    priority: int = DEFAULT_PRIORITY
    dedup_id: str | None = None
    #: Whether its store gives it up by itself after too many deliveries; it is then not ours to do.
    redriven: bool = False


class PeekedMessage(msgspec.Struct, kw_only=True, frozen=True):
    """A message looked at without being received."""

    queue: str
    id: str
    body: bytes
    #: ``visible``, ``delayed``, ``in flight`` or, behind others of its session, ``waiting``.
    state: str
    dequeue_count: int
    inserted_at: datetime
    expires_at: datetime | None
    visible_at: datetime
    properties: dict[str, Any]
    #: Also the one that it had when it was given up, though it is in no order now.
    session_id: str | None = None
    priority: int = DEFAULT_PRIORITY
    dedup_id: str | None = None


def sent_properties(properties: Mapping[str, Any]) -> dict[str, Any]:
    """What the sender of a message gave it beside its body, of all its properties."""
    return {name: value for name, value in properties.items() if name not in HOST_PROPERTIES}


class QueueDepth(msgspec.Struct, kw_only=True, frozen=True):
    """How much one queue holds."""

    queue: str
    visible: int
    delayed: int
    in_flight: int
    oldest: datetime | None
    #: Behind others of their sessions.
    waiting: int = 0


class QueueStore(Protocol):
    """Keeps queues. Every method may be called from many tasks at once.

    At least once: a message that was sent is delivered until somebody settles it. A settlement with a
    receipt that is no longer the message's raises `ReceiptLost` and changes nothing.
    """

    async def send(
        self, messages: Sequence[OutgoingMessage], entities: Sequence[OutgoingEntity] = ()
    ) -> None:
        """Put all messages into their queues, durably, all or none where the store can; creates the queues.

        With them go `entities` into the tables of the same connection. A message whose `dedup_id` was sent to its
        queue within the store's window is dropped without a word. Raises `MessageTooLarge` before anything is sent,
        `BindingError` for a session or an id that the store cannot keep its promise for, and `EntityConflict`, which
        leaves all as it was.
        """

    def lease_of(self, queue: str) -> timedelta:
        """How long a message of `queue` is hidden when it is received or renewed, unless another time is said."""

    async def receive(self, queue: str, limit: int, lease: timedelta = LEASE) -> list[QueueMessage]:
        """Take up to `limit` visible messages and hide them for `lease`: those of the highest priority, oldest first.

        Of a session that is the first message alone, or the first few in their order; those behind come when it has
        left the queue, completed, given up or expired, and wait for it while it is tried again.
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

    async def poison(
        self, message: QueueMessage, poison: OutgoingMessage, outputs: Sequence[OutgoingMessage] = ()
    ) -> None:
        """Remove the message and send `poison` in its place, and `outputs` with it, in one step where the store can."""

    async def wait(self, queue: str, limit: timedelta) -> None:
        """Return when `queue` may have something to receive, or after `limit`, whichever is first."""

    async def peek(self, queue: str, limit: int) -> list[PeekedMessage]:
        """Look at up to `limit` messages, the next to be delivered first, whatever their state."""

    async def depths(self) -> list[QueueDepth]:
        """All queues that exist, by name."""
