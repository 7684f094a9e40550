"""The admin API of timers: when each runs, how it ran last and why not, and runs out of turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from ...bindings.errors import NotFound
from ...bindings.history import RunState
from ...triggers.timer import TimerTrigger
from ..operations.timers import timer_document, timers_info
from .answers import Answer
from .call import AdminCall
from .functions import RunQuery, function_named, run_by_hand, runnable
from .locks_api import LockHost
from .models import Begun, Outcome, Refused
from .moments import parse_moment
from .paging import Page, Paged, page_of_all
from .routes import Route
from .run_models import Moment


class Upcoming(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A run that is to be."""

    local: Moment
    utc: Moment


class TimerRun(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last run of a timer that is on record."""

    id: str
    state: RunState
    started: Moment
    ended: Moment | None
    durationSeconds: float | None
    lateSeconds: float | None
    error: str | None


class TimerMissed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Runs that should have been, the last time some were not."""

    noticed: Moment
    first: Moment
    last: Moment
    count: int
    why: str
    done: str


class Timer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a timer stands. Moments of its schedule are in its zone."""

    name: str
    schedule: str
    meaning: Annotated[str, msgspec.Meta(description="The schedule in words, where these are few.")]
    timeZone: str
    disabled: bool
    last: Moment | None
    next: Moment | None
    isPastDue: bool
    upcoming: list[Upcoming]
    isRemembered: bool
    lastRun: TimerRun | None
    missed: TimerMissed | None
    host: LockHost | None
    why: Annotated[list[str], msgspec.Meta(description="Why it does not run now.")]


class RunAt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """As of when a timer is run."""

    at: Annotated[str | None, msgspec.Meta(description="As if it were that time, in ISO 8601.")] = None


async def get_timers(call: AdminCall) -> Answer:
    """All timers, by name."""
    found = await timers_info(call.workbench, _triggers(call))
    return 200, page_of_all(found, call.query(Paged), lambda timer: timer.name.lower(), timer_document)


async def get_timer(call: AdminCall) -> Answer:
    """One timer."""
    [timer] = await timers_info(call.workbench, [_trigger(call)])
    return 200, timer_document(timer)


async def run_timer(call: AdminCall) -> Answer:
    """Run a timer once, now; its schedule goes on as it was."""
    trigger = _trigger(call)
    served = runnable(call, function_named(call))
    at = parse_moment((await call.document(RunAt)).at, "at")
    event = await trigger.manual_event(msgspec.json.encode({"at": at.isoformat()}) if at else None)
    await call.workbench.note("timers.run", trigger.function.name, at=at.isoformat() if at else None)
    return await run_by_hand(call, served, event)


def _triggers(call: AdminCall) -> Sequence[TimerTrigger]:
    return [one.trigger for one in call.host.functions if isinstance(one.trigger, TimerTrigger)]


def _trigger(call: AdminCall) -> TimerTrigger:
    name = call.names["function"]
    for trigger in _triggers(call):
        if trigger.function.name.lower() == name.lower():
            return trigger
    raise NotFound(f"There is no timer '{name}'.")


ROUTES = (
    Route(
        method="GET",
        path="timers",
        handler=get_timers,
        summary="The timers, each with its next runs.",
        query=Paged,
        answers={200: Page[Timer]},
    ),
    Route(
        method="GET",
        path="timers/{function}",
        handler=get_timer,
        summary="One timer.",
        answers={200: Timer},
    ),
    Route(
        method="POST",
        path="timers/{function}/run",
        handler=run_timer,
        summary="Run a timer once, now.",
        query=RunQuery,
        body=RunAt,
        body_optional=True,
        answers={200: Outcome, 202: Begun | None, 409: Refused, 429: Refused},
    ),
)
