"""How the command line answers: data on stdout, talk on stderr, and one exit code for each kind of end."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Any, NoReturn

import click
import msgspec

from ...bindings.errors import (
    AccessDenied,
    ConfigurationError,
    FunchostError,
    HostUnreachable,
    NotFound,
    QueueMissing,
    StoreError,
    StoreInUseError,
)
from ...triggers.descriptor import Problem

#: A column with less room, in characters, is rather folded than cut.
_LEAST_ROOM = 20


class Exit(IntEnum):
    """Exit codes; documented in the README."""

    OK = 0
    FAILED = 1
    USAGE = 2
    CONFIGURATION = 3
    IN_USE = 4
    NOT_FOUND = 5
    TIMEOUT = 6
    UNREACHABLE = 7
    INTERRUPTED = 130


class Failure(FunchostError):
    """What ends a command with an exit code of its own."""

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(message)
        self.code = code


def talk(text: str) -> None:
    """Say something to the person at the terminal."""
    click.echo(text, err=True)


def fail(error: Exception | str, code: int | None = None) -> NoReturn:
    """Say what is wrong and end with the code that belongs to it."""
    click.echo(f"{click.style('Error:', fg='red')} {error}", err=True)
    raise SystemExit(exit_code(error) if code is None else code)


def explained(error: Exception) -> tuple[str, Exit]:
    """What to say of an error that ends a command, and the code that it ends with."""
    if isinstance(error, StoreInUseError):
        from .holders import holders_of_file

        holders = holders_of_file(error.path)
        return f"{error} It is open in: {', '.join(holders)}." if holders else str(error), Exit.IN_USE
    if isinstance(error, OSError) and not isinstance(error, TimeoutError):
        # A file or folder that cannot be read or written; what a command knows better, it says itself.
        return f"{error.filename or 'The system'}: {error.strerror or error}.", Exit.FAILED
    return str(error), exit_code(error)


def exit_code(error: Exception | str) -> Exit:
    """The code that an error ends the command with."""
    from ..workers.call import WorkerStartError  # only commands that fail have to wait for that

    if isinstance(error, Failure):
        return error.code
    for kind, code in (
        (WorkerStartError, Exit.CONFIGURATION),
        (ConfigurationError, Exit.CONFIGURATION),
        (StoreError, Exit.IN_USE),
        (AccessDenied, Exit.IN_USE),
        (QueueMissing, Exit.NOT_FOUND),
        (NotFound, Exit.NOT_FOUND),
        (HostUnreachable, Exit.UNREACHABLE),
        (TimeoutError, Exit.TIMEOUT),
        (FunchostError, Exit.FAILED),
    ):
        if isinstance(error, kind):
            return code
    return Exit.FAILED


def emit_json(value: Any) -> None:
    """One JSON document on stdout."""
    click.echo(msgspec.json.format(msgspec.json.encode(value)).decode())


def emit_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, err: bool = False, one_line: bool = False
) -> None:
    """A table on stdout (or stderr): as wide as the terminal, or as its content where there is none.

    With `one_line` the last column is cut where a terminal has no room for it, as long as that leaves something.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    stream = sys.stderr if err else sys.stdout
    on_terminal = stream.isatty()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    console = Console(file=stream, width=None if on_terminal else 1000, highlight=False)
    for column in columns[:-1]:
        table.add_column(column, overflow="fold")
    *others, _ = zip(columns, *rows, strict=True)
    room = console.width - sum(max(map(len, cells)) + 2 for cells in others)
    if one_line and room >= _LEAST_ROOM:
        table.add_column(columns[-1], overflow="ellipsis", no_wrap=True, max_width=room)
    else:
        table.add_column(columns[-1], overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    with console.capture() as drawn:
        console.print(table)
    # Cells are filled up with blanks, the last ones of a line for nothing.
    click.echo("\n".join(line.rstrip() for line in drawn.get().splitlines()), file=stream)


def show_problems(problems: Iterable[Problem]) -> None:
    """Each problem with its place and what to do, on stderr."""
    for problem in problems:
        colour = "red" if problem.severity == "error" else "yellow"
        place = _place(problem)
        head = click.style(f"{problem.severity}:", fg=colour)
        talk(f"{head} {place}{problem.message}")
        if problem.fix:
            talk(f"       fix: {problem.fix}")


def _place(problem: Problem) -> str:
    if problem.file is None:
        return f"{problem.key}: " if problem.key else ""
    line = f":{problem.line}" if problem.line else ""
    key = f" {problem.key}" if problem.key else ""
    return f"{problem.file}{line}{key}: "
