"""`funchost list`, `timers` and `version`: what is there, and how it stands."""

from __future__ import annotations

import platform
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any

import click

from ...bindings.errors import HostUnreachable
from ...triggers.descriptor import Problem
from .access import hiding, hosts_of, inspected
from .main import run_async
from .options import App, app_options, json_option
from .output import Exit, emit_json, emit_table, fail, show_problems, talk

if TYPE_CHECKING:
    from ...bindings.state import StateStore
    from ...triggers.timer import TimerTrigger
    from ..served_function import FunctionStatus

FUNCTION_COLUMNS = ("FUNCTION", "TRIGGER", "WHERE", "STATE")
NO_FUNCTIONS = "No functions yet. `funchost new hello --trigger http` makes one."

_PREVIEWED = 5

#: Functions, each with its host's URL (empty where none runs), and whether all that there may be could be read.
_Found = tuple[list[tuple["FunctionStatus", str]], bool]


@dataclass(frozen=True, slots=True)
class Timer:
    """A timer as it is shown. Moments are in its zone."""

    name: str
    schedule: str
    zone: tzinfo
    disabled: bool
    #: None: it has not run, or its runs are not remembered.
    last: datetime | None
    #: The next run by what is stored; it may be past while no host runs. None: there is none any more.
    next: datetime | None
    is_past_due: bool
    upcoming: Sequence[datetime]
    #: Why its runs are not remembered; empty where they are.
    forgotten: str = ""


@click.command("list")
@json_option
@app_options
def list_functions(app: App, as_json: bool) -> None:
    """List the functions and how they stand.

    That is as the running hosts have it; without one, as the files are.
    """
    found = _served(app)
    if found is None:
        talk("No host is running.")
        found = run_async(lambda: _found(app))
    rows, is_readable = found
    if as_json:
        emit_json([{**asdict(status), "host": url or None} for status, url in rows])
    elif rows:
        # A reason why functions wait is for now, and is shown whole.
        one_line = not any(status.waits for status, _ in rows)
        emit_table(FUNCTION_COLUMNS, [function_row(status, url) for status, url in rows], one_line=one_line)
    if not rows and not is_readable:
        fail("The functions show once the app can be read.", Exit.CONFIGURATION)
    if not rows and not as_json:
        talk(NO_FUNCTIONS)


@click.command()
@json_option
@app_options
def timers(app: App, as_json: bool) -> None:
    """Show each timer with its next runs.

    A timer is past due when a run that should have been is still to be made up for.
    """
    found, is_readable = run_async(lambda: _timers(app))
    if as_json:
        emit_json([_timer_document(timer) for timer in found])
    elif found:
        click.echo("\n\n".join(timer_text(timer) for timer in found))
    if not found and not is_readable:
        fail("The timers cannot be shown until that is fixed.", Exit.CONFIGURATION)
    if not found and not as_json:
        talk("No timers. `funchost new tick --trigger timer` makes one.")


@click.command("version")
@json_option
def show_version(as_json: bool) -> None:
    """Show the versions of funchost and what it stands on."""
    from importlib.metadata import version  # 20 ms of import that `start` shall not pay

    versions = {
        "funchost": version("funchost"),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "platform": platform.platform(),
    }
    if as_json:
        emit_json(versions)
        return
    for name, value in versions.items():
        click.echo(f"{name:<9} {value}")


def function_row(status: FunctionStatus, url: str, *, with_reason: bool = True) -> tuple[str, str, str, str]:
    """A function's cells below `FUNCTION_COLUMNS`; `url` is that of its host, empty where none runs."""
    where = status.where
    if address := status.url(url):
        where = f"{where.rpartition(' ')[0]} {address}".strip()
    state = status.state
    reason = status.errors[0].splitlines()[0] if status.errors else ""
    if with_reason and reason not in state:
        state += f": {reason}"
    return status.name, status.trigger.removesuffix("Trigger"), where, " ".join(state.split())


def timer_text(timer: Timer) -> str:
    """A timer as people read it, several lines without the last line's end."""
    last = _text(timer.last) if timer.last else timer.forgotten or "none remembered"
    following = _text(timer.next) if timer.next else "none"
    lines = [
        f"{timer.name}  {timer.schedule}  ({timer.zone}){'  disabled' if timer.disabled else ''}",
        f"  last run  {last}",
        f"  next run  {following}{'  PAST DUE' if timer.is_past_due else ''}",
    ]
    for number, moment in enumerate(timer.upcoming):
        in_utc = "" if timer.zone == UTC else f"   {_text(moment.astimezone(UTC))}"
        lines.append(f"  {'' if number else 'upcoming':<8}  {_text(moment)}{in_utc}")
    return "\n".join(lines)


def _served(app: App) -> _Found | None:
    """The functions of the running hosts; None where no host runs (or answers)."""
    found: dict[str, tuple[FunctionStatus, str]] = {}
    errors: list[str] = []
    answered = False
    for host in hosts_of(app):
        try:
            for status in host.functions():
                found.setdefault(status.name, (status, host.runtime.url))
            errors += host.errors()
            answered = True
        except HostUnreachable as error:
            talk(str(error))
    if not answered:
        return None
    if not found:
        show_problems(map(Problem, dict.fromkeys(errors)))
    return sorted(found.values(), key=lambda row: row[0].name.lower()), not errors


async def _found(app: App) -> _Found:
    async with inspected(app) as host:
        show_problems(host.problems)
        return [(status, "") for status in host.functions.status()], not hiding(host)


async def _timers(app: App) -> tuple[list[Timer], bool]:
    """The timers, and whether all that there may be could be read."""
    from ...triggers.timer import TimerTrigger

    async with inspected(app) as host:
        names = {one.name for one in host.functions.status() if one.trigger == TimerTrigger.type}
        problems = [*hiding(host), *(problem for problem in host.problems if problem.function in names)]
        show_problems(problems)
        triggers = [one.trigger for one in host.functions if isinstance(one.trigger, TimerTrigger)]
        return [await _timer(trigger, host.storage.state) for trigger in triggers], not problems


async def _timer(trigger: TimerTrigger, state: StateStore) -> Timer:
    from ...triggers.timer_listener import TIMER_SCOPE
    from ...triggers.timer_status import TimerStatus, resume

    name, schedule = trigger.function.name, trigger.schedule
    now = trigger.resources.clock.now()
    stored = TimerStatus.from_json(await state.get(TIMER_SCOPE, name))
    status, is_past_due = resume(schedule, stored, now)
    return Timer(
        name=name,
        schedule=trigger.fields.schedule or trigger.fields.runAt or "",
        zone=schedule.zone,
        disabled=trigger.function.disabled,
        last=status.last and status.last.astimezone(schedule.zone),
        next=status.next and status.next.astimezone(schedule.zone),
        is_past_due=is_past_due,
        upcoming=trigger.preview(now, _PREVIEWED),
        forgotten=_forgotten(trigger),
    )


def _forgotten(trigger: TimerTrigger) -> str:
    if trigger.fields.useMonitor is False:
        return "not remembered: useMonitor is false"
    return "not remembered: it runs more often than once a minute" if trigger.schedule.is_frequent else ""


def _timer_document(timer: Timer) -> dict[str, Any]:
    return {
        "name": timer.name,
        "schedule": timer.schedule,
        "timeZone": str(timer.zone),
        "disabled": timer.disabled,
        "last": timer.last and timer.last.isoformat(),
        "next": timer.next and timer.next.isoformat(),
        "isPastDue": timer.is_past_due,
        "upcoming": [
            {"local": moment.isoformat(), "utc": moment.astimezone(UTC).isoformat()}
            for moment in timer.upcoming
        ],
    }


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}"
