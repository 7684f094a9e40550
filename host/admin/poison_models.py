"""Messages that were given up, as the OpenAPI document has them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from .contents import Base64, Text, content_of
from .moments import Since
from .paging import Paged
from .queue_models import Connection
from .run_models import Moment

_Queue = Annotated[str | None, msgspec.Meta(description="In this queue, or that came from it.")]
_Error = Annotated[str | None, msgspec.Meta(description="Whose error has this text in its first line.")]


class PoisonQuery(Paged, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which messages."""

    queue: _Queue = None
    function: str | None = None
    error: _Error = None
    since: Since = None
    connection: Connection = ""


class ExportQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which messages."""

    queue: _Queue = None
    function: str | None = None
    error: _Error = None
    since: Since = None
    connection: Connection = ""


class Several(ExportQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which messages: by ids, by a filter, or all."""

    ids: Annotated[tuple[str, ...], msgspec.Meta(description="By ids, or the beginnings of such.")] = ()
    all: Annotated[bool, msgspec.Meta(description="All that were given up.")] = False
    dryRun: Annotated[bool, msgspec.Meta(description="Only tell which these are.")] = False


class SeveralReplayed(Several, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which messages go back to work, and where."""

    to: Annotated[
        str | None, msgspec.Meta(description="To this queue instead of the one they came from.")
    ] = None
    rate: Annotated[float, msgspec.Meta(gt=0, le=100_000, description="So many a second at most.")] | None = (
        None
    )


class PoisonTo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a message is to go."""

    to: Annotated[str | None, msgspec.Meta(description="To this queue instead of the one it came from.")] = (
        None
    )


class NewBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body that a message is to have."""

    body: Text = None
    bodyBase64: Base64 = None

    @property
    def content(self) -> bytes | None:
        """The body; None where none is given. Raises `BindingError`."""
        return content_of(self.body, self.bodyBase64, "body")


class _Given(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    queue: str
    state: str
    origin: Annotated[str | None, msgspec.Meta(description="The queue that it came from.")]
    function: str | None
    error: str | None
    message: str | None
    attempts: int | None
    dequeueCount: int | None
    messageId: Annotated[str | None, msgspec.Meta(description="What its id was in the queue it came from.")]
    runs: Annotated[list[str], msgspec.Meta(description="The runs of its deliveries, the last one last.")]
    firstReceived: Moment | None
    givenUp: Moment | None
    edited: Moment | None
    inserted: Moment
    expires: Moment | None
    sessionId: str | None
    priority: int


class PoisonSummary(_Given, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message in a list."""


class PoisonMessage(_Given, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of a message that was given up."""

    traceback: str | None
    properties: dict[str, Any]
    body: str | msgspec.UnsetType = msgspec.UNSET
    bodyBase64: str | msgspec.UnsetType = msgspec.UNSET


class PoisonGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Messages of one queue that were given up by one function for one error."""

    queue: str
    function: str | None
    error: str | None
    message: str | None
    count: int
    first: Moment
    last: Moment
    example: Annotated[str, msgspec.Meta(description="The id of the one that was given up last.")]


class PoisonEdited(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a body was changed."""

    id: str
    changed: Annotated[bool, msgspec.Meta(description="False: it was so before.")]


class PoisonMoved(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message that went back to work."""

    id: str
    to: str


class PoisonChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which messages are meant."""

    total: int
    items: Annotated[list[PoisonSummary], msgspec.Meta(description="The first of them.")]


class PoisonBegun(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For how many it is done now."""

    total: int
