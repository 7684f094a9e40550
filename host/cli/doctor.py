"""`funchost doctor`: look for what keeps an app from working."""

from __future__ import annotations

import shutil
import sys
import textwrap
from pathlib import Path

import click

from ...bindings.counted import counted
from ..operations.doctor.check import Check, Outcome, doctor_document, worst
from .main import run_async
from .options import App, Port, app_options, json_option
from .output import Exit, emit_json

_MARKS = {
    Outcome.OK: ("✓", "ok", "green"),
    Outcome.WARNING: ("!", "!", "yellow"),
    Outcome.PROBLEM: ("✗", "X", "red"),
    Outcome.SKIPPED: ("-", "-", "bright_black"),
}

#: Columns of the mark and of the name of a check.
_MARK, _NAME = 3, 15

#: As wide as a text is at most read with ease.
_WIDEST = 110


@click.command()
@json_option
@app_options
@click.option("-p", "--port", type=Port(), help="The port that `start` is given, if it is.")
@click.option("--python", type=click.Path(path_type=Path), help="The interpreter that `start` is given.")
def doctor(app: App, as_json: bool, port: int | None, python: Path | None) -> int:
    """Look for what keeps an app from working.

    Nothing is changed, no function is run, and each check ends in time. The exit code is 3 where there is a problem.
    """
    app.check()
    checks = run_async(lambda: _examined(app, port, python, show=not as_json))
    if as_json:
        emit_json(doctor_document(checks))
    else:
        click.echo(f"\n{summary(checks)}")
    return Exit.CONFIGURATION if worst(checks) is Outcome.PROBLEM else Exit.OK


async def _examined(app: App, port: int | None, python: Path | None, *, show: bool) -> list[Check]:
    from ..configuration import Configuration, HostOptions  # half a second that the help need not wait
    from ..operations.doctor.examine import examine
    from ..operations.doctor.patient import Patient
    from ..runtime import running_hosts

    hosts = running_hosts(app.store_folder)
    emulator = hosts[-1].emulator if hosts else None
    options = HostOptions(root=app.root, store=app.store, port=port, python=python, emulator=emulator)
    checks: list[Check] = []
    fancy, width = _is_unicode(), _width()
    async for check in examine(Patient(Configuration(options))):
        if show:
            before = checks[-1].name if checks else ""
            click.echo(check_text(check, fancy=fancy, width=width, first=check.name != before))
        checks.append(check)
    return checks


def check_text(check: Check, *, fancy: bool, width: int, first: bool = True) -> str:
    """A check as people read it: its mark, its name where it is the first of that name, what was found, what to do."""
    sign, plain, colour = _MARKS[check.outcome]
    mark = click.style(f"{sign if fancy else plain:<{_MARK}}", fg=colour)
    name = f"{check.name if first else '':<{_NAME}}"
    room = max(width - _MARK - _NAME, 20)
    text = ": ".join(part for part in (_subject(check), check.found) if part)
    lines = [line for part in text.splitlines() for line in textwrap.wrap(part, room) or [""]]
    if check.fix:
        lines += textwrap.wrap(
            check.fix, room, initial_indent="→ " if fancy else "> ", subsequent_indent="  "
        )
    indent = " " * (_MARK + _NAME)
    return f"{mark}{name}" + f"\n{indent}".join(lines)


def _subject(check: Check) -> str:
    """The place, after the function where nothing else names that."""
    if check.function is None or check.function in check.place + check.found:
        return check.place
    return f"{check.function} ({check.place})" if check.place else check.function


def summary(checks: list[Check]) -> str:
    """How it came out, in a sentence."""
    problems = sum(check.outcome is Outcome.PROBLEM for check in checks)
    warnings = sum(check.outcome is Outcome.WARNING for check in checks)
    if not problems and not warnings:
        return "All is well."
    told = [
        counted(number, word) for number, word in ((problems, "problem"), (warnings, "warning")) if number
    ]
    return f"{' and '.join(told)}."


def _is_unicode() -> bool:
    try:
        "✓✗→".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _width() -> int:
    return min(shutil.get_terminal_size((_WIDEST, 0)).columns, _WIDEST) if sys.stdout.isatty() else _WIDEST
