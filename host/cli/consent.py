"""Asks before something is done that cannot be undone."""

from __future__ import annotations

import sys

import click

yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask.")


def consent(what: str, *, yes: bool) -> None:
    """Return when `what` (a sentence without its end) is wanted: by `--yes`, or by whoever is at the terminal.

    Raises `Abort` for a no, and `UsageError` where nobody can be asked.
    """
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError(f"{what}: say --yes, since nobody is here to be asked.")
    click.confirm(f"{what}. Go on?", abort=True, err=True)
