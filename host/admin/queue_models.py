"""Queues and their messages as the OpenAPI document has them."""

from __future__ import annotations

from typing import Annotated

import msgspec

from ...bindings.ordering import DEFAULT_PRIORITY, HIGHEST_PRIORITY, LOWEST_PRIORITY
from .contents import Base64, Text, content_of
from .paging import Paged
from .run_models import Moment

#: Where the queues are that a call is about.
Connection = Annotated[str, msgspec.Meta(description="A connection; none is the app's own storage.")]
Length = Annotated[str, msgspec.Meta(description="A length of time such as `10m`, `7d` or `00:10:00`.")]


class ByConnection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the queues are."""

    connection: Connection = ""


class QueuesQuery(Paged, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which queues."""

    connection: Connection = ""
    all: Annotated[bool, msgspec.Meta(description="Also those that triggers keep for themselves.")] = False


class PeekQuery(ByConnection, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many messages."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 10


class Pause(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Since when something is switched so, and by whom."""

    since: Moment
    by: str


class Queue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A queue with what it holds."""

    queue: str
    visible: int
    delayed: int
    inFlight: int
    waiting: Annotated[int, msgspec.Meta(description="Behind others of their sessions.")]
    oldest: Moment | None
    oldestAgeSeconds: float | None
    receivedPerSecond: float
    completedPerSecond: float
    paused: Pause | None


class Message(msgspec.Struct, frozen=True):
    """A message that was looked at. Whatever else travels with it stands beside these."""

    id: str
    queue: str
    state: str
    dequeueCount: int
    inserted: Moment
    visible: Moment
    expires: Moment | None
    sessionId: str | None
    priority: int
    dedupId: str | None
    body: str | msgspec.UnsetType = msgspec.UNSET
    bodyBase64: str | msgspec.UnsetType = msgspec.UNSET


class Messages(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Messages of a queue, the next to be delivered first."""

    items: list[Message]


class Sent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message to be sent."""

    body: Text = None
    bodyBase64: Base64 = None
    delay: Length | None = None
    at: Annotated[str | None, msgspec.Meta(description="To be seen from then on, in ISO 8601.")] = None
    ttl: Length = "7d"
    session: str | None = None
    priority: Annotated[int, msgspec.Meta(ge=LOWEST_PRIORITY, le=HIGHEST_PRIORITY)] = DEFAULT_PRIORITY
    dedupId: str | None = None
    replyTo: str | None = None
    correlationId: str | None = None
    properties: Annotated[dict[str, str], msgspec.Meta(description="What else is to go with it.")] = {}

    @property
    def content(self) -> bytes:
        """The body. Raises `BindingError`."""
        return content_of(self.body, self.bodyBase64, "body") or b""


class Accepted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message that is stored."""

    queue: str
    bytes: int
    visible: Annotated[Moment | None, msgspec.Meta(description="From when on; null: at once.")]


class Cleared(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was removed."""

    queue: str
    deleted: int


class Paused(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a queue is switched."""

    queue: str
    paused: bool
    changed: Annotated[bool, msgspec.Meta(description="False: it was so before.")]


class Switched(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a function was switched."""

    name: str
    changed: Annotated[bool, msgspec.Meta(description="False: it was so before.")]


class FunctionSwitches(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How people have switched a function."""

    name: str
    disabled: bool
    definedDisabled: bool
    switched: Pause | None
    paused: Pause | None
