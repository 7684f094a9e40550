"""`funchost list` and `version`: what is there, and how it stands."""

from __future__ import annotations

import platform
import sqlite3
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ...bindings.errors import HostUnreachable
from ...triggers.descriptor import Problem
from .access import hiding, hosts_of, inspected
from .main import run_async
from .options import App, app_options, json_option
from .output import Exit, emit_json, emit_table, fail, show_problems, talk

if TYPE_CHECKING:
    from ..served_function import FunctionStatus

FUNCTION_COLUMNS = ("FUNCTION", "TRIGGER", "WHERE", "STATE")
NO_FUNCTIONS = "No functions yet. `funchost new hello --trigger http` makes one."

#: Functions, each with its host's URL (empty where none runs), and whether all that there may be could be read.
_Found = tuple[list[tuple["FunctionStatus", str]], bool]


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
