"""Replays as the OpenAPI document has them."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from .contents import Base64, Text, content_of
from .run_models import Moment, RunSummary


class WithData(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a run is to be given in place of what it was given."""

    data: Text = None
    dataBase64: Base64 = None

    @property
    def content(self) -> bytes | None:
        """The data; None where it is to be as it was. Raises `BindingError`."""
        return content_of(self.data, self.dataBase64, "data")


class Replayed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A replay that was begun."""

    replayOf: str
    queue: Annotated[str | None, msgspec.Meta(description="Where its message was put; null: it runs here.")]
    leftOut: Annotated[
        list[str], msgspec.Meta(description="Headers and parameters that were not kept: secrets.")
    ]


class ReplayChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which runs a bulk replay would repeat."""

    total: int
    leftOut: Annotated[dict[str, int], msgspec.Meta(description="How many are not, by the reason.")]
    runs: Annotated[list[RunSummary], msgspec.Meta(description="The first of them.")]


class Replay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bulk replay."""

    id: str
    state: Annotated[
        Literal["running", "stopped", "done"],
        msgspec.Meta(description="`stopped`: not at work in this host."),
    ]
    at: Moment
    who: str
    wanted: Annotated[str, msgspec.Meta(description="Which runs, for people.")]
    rate: float | None
    total: int
    left: int


class ReplayStarted(Replay, frozen=True, forbid_unknown_fields=True):
    """A bulk replay that was begun."""

    leftOut: Annotated[
        dict[str, int], msgspec.Meta(description="How many runs are not replayed, by the reason.")
    ]
