"""`funchost timers`: when each timer runs, how it ran last and why not, and runs out of turn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click
import msgspec

from ...bindings.errors import ConfigurationError, NotFound
from ..config.vocabulary import nearest
from ..operations.timers import TimerInfo, timer_document, timers_info
from .access import hiding, inspected, opened_workbench, workbench_of
from .main import run_async
from .options import App, Duration, Group, Moment, app_options, json_option
from .output import Exit, emit_json, fail, show_problems, talk
from .run import run_and_show
from .timer_text import timer_text

#: Timers, and whether all that there may be could be read.
_Found = tuple[list[TimerInfo], bool]


class _TimersGroup(Group):
    """Without a command, `list` is meant."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        is_named = bool(args) and (not args[0].startswith("-") or args[0] in ("-h", "--help"))
        return super().parse_args(ctx, args if is_named else ["list", *args])


@click.group(cls=_TimersGroup)
def timers() -> None:
    """Show each timer with its runs, and run one now."""


@timers.command("list")
@json_option
@app_options
def list_all(app: App, as_json: bool) -> None:
    """Show all timers, each with its next runs.

    A timer is past due when a run that should have been is still to be made up for.
    """
    found, is_readable = run_async(lambda: _timers(app))
    if as_json:
        emit_json([timer_document(timer) for timer in found])
    elif found:
        click.echo("\n\n".join(timer_text(timer) for timer in found))
    if not found and not is_readable:
        fail("The timers cannot be shown until that is fixed.", Exit.CONFIGURATION)
    if not found and not as_json:
        talk("No timers. `funchost new tick --trigger timer` makes one.")


@timers.command()
@click.argument("name")
@json_option
@app_options
def show(app: App, name: str, as_json: bool) -> None:
    """Show one timer: its next runs, how it ran last, what was missed, and why it does not run now."""
    timer = _named(app, name)
    if as_json:
        emit_json(timer_document(timer))
    else:
        click.echo(timer_text(timer))


@timers.command()
@click.argument("name")
@click.option("--at", type=Moment(), help="As if it were that time, such as 2030-01-31T18:00.")
@click.option("--timeout", type=Duration(), help="How long to wait for it, such as 30s. Default: no limit.")
@json_option
@app_options
def run(app: App, name: str, at: datetime | None, timeout: timedelta | None, as_json: bool) -> None:
    """Run a timer once, now, and print its result.

    With --at the function sees what a tick at that time has it see: the schedule's status as of then, and not past
    due. Its schedule goes on as it was either way.
    """
    timer = _named(app, name)
    data = msgspec.json.encode({"at": at.isoformat()}) if at else None
    run_async(lambda: _note(app, timer.name, at))
    run_and_show(app, timer.name, data, timeout, as_json=as_json)


def _named(app: App, name: str) -> TimerInfo:
    known: _Found = run_async(lambda: _timers(app))
    found, is_readable = known
    for timer in found:
        if timer.name.lower() == name.lower():
            return timer
    if not is_readable:
        raise ConfigurationError(f"Whether there is a timer '{name}' shows once that is fixed.")
    names = [timer.name for timer in found]
    near = nearest(name, names)
    hint = f" Did you mean {near}?" if near else f" There are: {', '.join(names)}." if names else ""
    raise NotFound(f"There is no timer '{name}' in {app.root.resolve()}.{hint}")


async def _timers(app: App) -> _Found:
    from ...triggers.timer import TimerTrigger

    async with inspected(app) as host:
        names = {one.name for one in host.functions.status() if one.trigger == TimerTrigger.type}
        problems = [*hiding(host), *(problem for problem in host.problems if problem.function in names)]
        show_problems(problems)
        triggers = [one.trigger for one in host.functions if isinstance(one.trigger, TimerTrigger)]
        return await timers_info(workbench_of(host), triggers), not problems


async def _note(app: App, name: str, at: datetime | None) -> None:
    async with opened_workbench(app) as workbench:
        await workbench.note("timers.run", name, at=at.astimezone(UTC).isoformat() if at else None)
