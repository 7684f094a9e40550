"""The admin API of logs: what hosts and functions have said last, and what they say now."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Literal

import msgspec

from ...bindings.clock import Clock
from ..logs.log_reader import LineFilter, LogReader
from .answers import Answer, Events
from .call import AdminCall
from .feed import Event
from .moments import Since, parse_since
from .routes import Route, stream_of
from .run_models import Moment

_Level = Annotated[
    Literal["debug", "info", "warning", "error", "critical"], msgspec.Meta(description="The least level.")
]


class Line(msgspec.Struct, frozen=True):
    """A line of the log; further details stand beside these."""

    time: Moment
    level: str
    message: str
    function: str | msgspec.UnsetType = msgspec.UNSET
    invocation: str | msgspec.UnsetType = msgspec.UNSET


class Lines(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Lines of the log, the last one last."""

    items: list[Line]


class LinesQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which lines."""

    function: Annotated[tuple[str, ...], msgspec.Meta(description="About these functions, in any case.")] = ()
    run: Annotated[str | None, msgspec.Meta(description="About this run, by the beginning of its id.")] = None
    level: _Level = "debug"


class LastLinesQuery(LinesQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which of the last lines."""

    since: Since = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 100


async def get_logs(call: AdminCall) -> Answer:
    """The last lines."""
    query = call.query(LastLinesQuery)
    wanted = _filter(query, _since(query, call.workbench.clock))
    folder = call.desk.logs_folder
    found = await asyncio.to_thread(lambda: LogReader(folder).last(wanted, query.limit))
    return 200, {"items": [line.document for line in found]}


async def live_logs(call: AdminCall) -> Answer:
    """Lines as they are written."""
    wanted = _filter(call.query(LinesQuery), None)

    def wants(event: Event) -> bool:
        return wanted.wants(event.source)

    return Events(await call.desk.live_logs.read(wants, call.last_event))


def _filter(query: LinesQuery, since: datetime | None) -> LineFilter:
    functions = frozenset(name.lower() for name in query.function)
    return LineFilter(functions=functions, run=query.run, level=query.level, since=since)


def _since(query: LastLinesQuery, clock: Clock) -> datetime | None:
    return parse_since(query.since, "since", clock.now())


ROUTES = (
    Route(
        method="GET",
        path="logs",
        handler=get_logs,
        summary="The last lines of the log.",
        query=LastLinesQuery,
        answers={200: Lines},
    ),
    Route(
        method="GET",
        path="logs/live",
        handler=live_logs,
        summary="Lines of the log as they are written.",
        query=LinesQuery,
        answers={200: stream_of({"line": Line})},
    ),
)
