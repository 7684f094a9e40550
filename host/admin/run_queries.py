"""Which runs a caller means, by a query or in a body."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from ...bindings.errors import BindingError
from ...bindings.history import RunFilter, RunState
from ..operations.runs import parse_state
from .moments import Since, parse_since
from .paging import Paged

_Functions = Annotated[tuple[str, ...], msgspec.Meta(description="Of these functions, in any case.")]
_States = Annotated[
    tuple[str, ...], msgspec.Meta(description="In these states: running, succeeded, failed, timed-out …")
]
_Search = Annotated[
    str | None, msgspec.Meta(description="Words that all stand in the input, the error or the log.")
]


class RunsQuery(Paged, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which runs a list has."""

    function: _Functions = ()
    state: _States = ()
    since: Since = None
    until: Since = None
    search: _Search = None
    parent: str | None = None
    replayOf: str | None = None
    message: str | None = None
    traceId: str | None = None


class LiveQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which runs a stream tells of."""

    function: _Functions = ()
    state: _States = ()


class ReplayMany(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which runs are to be replayed, and how. At least one condition must be given."""

    function: _Functions = ()
    state: _States = ()
    since: Since = None
    until: Since = None
    search: _Search = None
    parent: str | None = None
    replayOf: str | None = None
    message: str | None = None
    traceId: str | None = None
    rate: Annotated[float, msgspec.Meta(gt=0, le=100_000, description="Replays a second.")] | None = None
    dryRun: Annotated[bool, msgspec.Meta(description="Only tell which runs these are.")] = False
    again: Annotated[
        bool, msgspec.Meta(description="Also those that a later delivery or another replay made good.")
    ] = False


def run_filter(asked: RunsQuery | ReplayMany, now: datetime) -> RunFilter:
    """The runs that are asked for. Raises `BindingError` for a state or a time that is none."""
    return RunFilter(
        functions=asked.function,
        states=parse_states(asked.state),
        since=parse_since(asked.since, "since", now),
        until=parse_since(asked.until, "until", now),
        search=asked.search or None,
        parent=asked.parent,
        replay_of=asked.replayOf,
        message=asked.message,
        trace_id=asked.traceId,
    )


def parse_states(texts: tuple[str, ...]) -> tuple[RunState, ...]:
    """The states of these names, in any case. Raises `BindingError` with the nearest one."""
    try:
        return tuple(parse_state(text) for text in texts)
    except ValueError as error:
        raise BindingError(str(error)) from None


def filter_words(asked: ReplayMany) -> str:
    """The conditions for people, such as ``state=failed since=1h``; empty where there are none."""
    words = []
    for name in ReplayMany.__struct_fields__:
        if name in ("rate", "dryRun", "again"):
            continue  # those say how, and not which
        given = getattr(asked, name)
        several = given if isinstance(given, tuple) else (given,)
        words += [f"{name}={one}" for one in several if one]
    return " ".join(words)
