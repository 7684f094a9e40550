"""`funchost functions`: what people have switched. Works on the store itself; running hosts go by it at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import wraps
from typing import Any, TypeVar

import click

from ...bindings.counted import counted
from ..operations import switches
from ..operations.switches import FunctionSwitches, known_names, list_switches, switches_document
from ..operations.workbench import Workbench
from .access import hiding, inspected, opened_workbench
from .consent import consent, yes_option
from .main import run_async
from .options import App, Group, app_options, json_option
from .output import Exit, emit_json, emit_table, fail, show_problems, talk
from .queues import nothing_stored
from .show import NO_FUNCTIONS

Command = TypeVar("Command", bound=Callable[..., Any])

#: Switches functions, given those that their definitions disable; returns those for which that changes something.
_Operation = Callable[[Workbench, Sequence[str], Mapping[str, bool]], Awaitable[list[str]]]


@click.group(cls=Group)
def functions() -> None:
    """Pause, resume, enable and disable functions."""


@functions.command("list")
@json_option
@app_options
def list_all(app: App, as_json: bool) -> None:
    """List the functions and how they are switched.

    `funchost list` shows how they stand otherwise.
    """
    found = run_async(lambda: _list(app))
    if as_json:
        emit_json([switches_document(function) for function in found])
    elif found:
        emit_table(("FUNCTION", "SWITCHED"), [(one.name, one.told) for one in found], one_line=True)
    else:
        talk(NO_FUNCTIONS)


def _choice(command: Command) -> Command:
    """Give the command what says which functions it is about."""

    @click.argument("names", nargs=-1, metavar="[NAME]...")
    @click.option("--all", "everything", is_flag=True, help="All functions of the app.")
    @yes_option
    @json_option
    @app_options
    @wraps(command)
    def wrapped(names: tuple[str, ...], everything: bool, **options: Any) -> Any:
        if bool(names) == everything:
            raise click.UsageError("Name the functions, or say --all.")
        return command(names=names, **options)

    return wrapped  # type: ignore[return-value]


@functions.command()
@_choice
def pause(app: App, names: Sequence[str], yes: bool, as_json: bool) -> None:
    """Have functions take nothing new, until `resume`.

    That goes for all hosts of the app, also for those that are started later. What runs goes on; messages and blobs
    wait; HTTP callers get 503. `funchost run` runs a paused function all the same.
    """
    _switch(app, names, "paused", lambda bench, found, _: switches.pause(bench, found), yes, as_json)


@functions.command()
@_choice
def resume(app: App, names: Sequence[str], yes: bool, as_json: bool) -> None:
    """Have functions take events again.

    What has come meanwhile runs now; a timer makes up for what it has missed as its `misfire` says.
    """
    _switch(app, names, "resumed", lambda bench, found, _: switches.resume(bench, found), yes, as_json)


@functions.command()
@_choice
def disable(app: App, names: Sequence[str], yes: bool, as_json: bool) -> None:
    """Have functions be as with `disabled` in function.json.

    That is stronger than the function's definition and the app's settings, until `enable`.
    """
    _switch(app, names, "disabled", switches.disable, yes, as_json)


@functions.command()
@_choice
def enable(app: App, names: Sequence[str], yes: bool, as_json: bool) -> None:
    """Have functions be as without `disabled`.

    That is stronger than the function's definition and the app's settings, until `disable`.
    """
    _switch(app, names, "enabled", switches.enable, yes, as_json)


def _switch(
    app: App, names: Sequence[str], done: str, operation: _Operation, yes: bool, as_json: bool
) -> None:
    """Switch the functions of those names, or all of them, and say so."""
    defined = run_async(lambda: _defined(app))
    chosen = known_names(names, defined) if names else sorted(defined, key=str.lower)
    if not names and chosen:
        consent(f"{counted(len(chosen), 'function')} to be {done}: {', '.join(chosen)}", yes=yes)
    changed = run_async(lambda: _work(app, chosen, operation, defined))
    if as_json:
        emit_json([{"name": name, "changed": name in changed} for name in chosen])
        return
    if changed:
        talk(f"{done.capitalize()}: {', '.join(changed)}.")
    if rest := [name for name in chosen if name not in changed]:
        talk(f"Nothing to do for: {', '.join(rest)}.")
    if not chosen:
        talk(NO_FUNCTIONS)


async def _list(app: App) -> list[FunctionSwitches]:
    defined = await _defined(app)
    if nothing_stored(app, None):
        return [FunctionSwitches(name=name, defined_disabled=off) for name, off in sorted(defined.items())]
    async with opened_workbench(app) as workbench:
        return await list_switches(workbench, defined)


async def _work(
    app: App, names: Sequence[str], operation: _Operation, defined: Mapping[str, bool]
) -> list[str]:
    async with opened_workbench(app) as workbench:
        return await operation(workbench, names, defined)


async def _defined(app: App) -> dict[str, bool]:
    """The functions of the app, also those in error, and which of them are disabled before anybody switches."""
    app.check()
    async with inspected(app) as host:
        if problems := hiding(host):
            show_problems(problems)
            fail("The functions show once the app can be read.", Exit.CONFIGURATION)
        names = {status.name: False for status in host.functions.status()}
        return names | {name: one.disabled for name, one in host.functions.defined.items()}
