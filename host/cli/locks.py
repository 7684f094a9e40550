"""`funchost locks`: who holds which lease. Works on the store itself, beside running hosts."""

from __future__ import annotations

import click

from ..operations.locks import LockInfo, break_lock, find_lock, list_locks, lock_document
from .access import opened_workbench
from .consent import consent, yes_option
from .main import run_async
from .message import printable
from .options import App, Group, app_options, json_option
from .output import emit_json, emit_table, talk


@click.group(cls=Group)
def locks() -> None:
    """Show who holds which lock, and break one."""


@locks.command("list")
@json_option
@app_options
def list_all(app: App, as_json: bool) -> None:
    """List the locks that are held.

    Hosts hold them for singletons, timers and scanners, each for 15 s at a time; one is renewed for as long as its
    host needs it and lives. The fence grows with each new holder.
    """
    found = run_async(lambda: _list(app))
    if as_json:
        emit_json([lock_document(lock) for lock in found])
    elif found:
        emit_table(("LOCK", "SERVES", "HELD BY", "FENCE", "ENDS IN"), [_row(lock) for lock in found])
    else:
        talk("No lock is held.")


@locks.command("break")
@click.argument("name")
@yes_option
@json_option
@app_options
def break_one(app: App, name: str, yes: bool, as_json: bool) -> None:
    """End a lock, whoever holds it.

    It is free at once, and its holder learns of it within 5 s. Until then both may be at work: a listener stops then,
    a run of a singleton goes on to its end. A function that hands on the fence of its lock is protected, since who
    takes it next has a higher one.
    """
    lock = run_async(lambda: _find(app, name))
    consent(
        f"{printable(name)} is held by {lock.holder}; what runs under it may overlap with what comes next",
        yes=yes,
    )
    lock = run_async(lambda: _break(app, name))
    if as_json:
        emit_json(lock_document(lock))
    else:
        talk(
            f"Broken: {name} ({lock.serves}), which was held by {lock.holder} with fence {lock.lease.fence}."
        )


async def _list(app: App) -> list[LockInfo]:
    async with opened_workbench(app) as workbench:
        return await list_locks(workbench)


async def _find(app: App, name: str) -> LockInfo:
    async with opened_workbench(app) as workbench:
        return await find_lock(workbench, name)


async def _break(app: App, name: str) -> LockInfo:
    async with opened_workbench(app) as workbench:
        return await break_lock(workbench, name)


def _row(lock: LockInfo) -> tuple[str, ...]:
    ends_in = "" if lock.ends_in is None else f"{lock.ends_in:.0f} s"
    # A scope may be whatever stood in a message.
    names = printable(lock.lease.name), printable(lock.serves)
    return *names, lock.holder, str(lock.lease.fence), ends_in
