"""`funchost export` and `funchost import`: the whole local state as one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from ...bindings.counted import counted
from ...bindings.errors import NotFound
from ..operations.switches import pause
from ..operations.transfer import (
    Transferred,
    check_no_host,
    content_of,
    export_state,
    import_state,
    transfer_document,
)
from ..switches import Switch, SwitchKind
from .access import opened_workbench
from .consent import consent, yes_option
from .definitions import functions_of
from .main import run_async
from .options import App, app_options, json_option
from .output import emit_json, talk

#: What is counted, in words: one, and several.
_WORDS = {
    "messages": ("message",),
    "entities": ("table entity", "table entities"),
    "runs": ("run",),
    "state": ("kept value",),
    "blobs": ("blob",),
}


@click.command("export")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@yes_option
@json_option
@app_options
def export_command(app: App, file: Path, yes: bool, as_json: bool) -> None:
    """Write the whole local state to a file.

    Queues, tables, runs, blobs, receipts and the keys: all that the store of the app holds. Hosts may go on
    meanwhile. What connections lead to is not in it.
    """
    app.check()
    if not file.parent.is_dir():
        raise click.UsageError(f"There is no folder {file.parent} to write {file.name} into.")
    if file.exists():
        consent(f"This replaces {file}", yes=yes)
    done = export_state(app.store_folder, file)
    run_async(lambda: _note(app, "state.export", done))
    _tell(done, "Wrote", as_json=as_json)
    talk("The keys of the functions and of the admin API are in it: whoever has the file can use them.")


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--hold", is_flag=True, help="Leave all functions paused, until `functions resume --all`.")
@yes_option
@json_option
@app_options
def import_command(app: App, file: Path, hold: bool, yes: bool, as_json: bool) -> None:
    """Put an exported state into the place of this app's.

    It is checked first, and all of it or nothing is imported. No host may run on the store. What was in flight
    when it was exported is visible again.
    """
    app.check()
    if not file.exists():
        raise NotFound(f"There is no file {file}.")
    check_no_host(app.store_folder)
    there = _counts_text(content_of(app.store_folder))
    if there:
        consent(f"This replaces the state in {app.store_folder}, with its keys ({there})", yes=yes)
    done = run_async(lambda: _import(app, file, hold=hold))
    run_async(lambda: _note(app, "state.import", done))
    _tell(done, "Imported", as_json=as_json)
    if hold:
        talk("All functions are paused. `funchost functions resume --all` lets them go on.")


async def _import(app: App, file: Path, *, hold: bool) -> Transferred:
    return await import_state(file, app.store_folder, await _held_functions(app) if hold else ())


async def _held_functions(app: App) -> Sequence[Switch]:
    """A pause for each function; where hosts share what is paused with others, it is kept there at once."""
    names = [function.name for function in (await functions_of(app)).values()]
    async with opened_workbench(app) as workbench:
        storage, now = workbench.storage, workbench.clock.now()
        if storage.state is not storage.local.state:
            await pause(workbench, names)
        return [Switch(kind=SwitchKind.PAUSED, name=name, since=now, by=workbench.who) for name in names]


async def _note(app: App, action: str, done: Transferred) -> None:
    async with opened_workbench(app) as workbench:
        await workbench.note(action, str(done.file), **done.counts)


def _tell(done: Transferred, verb: str, *, as_json: bool) -> None:
    if as_json:
        emit_json(transfer_document(done))
        return
    held = _counts_text(done.counts) or "an empty store"
    talk(f"{verb} {done.file} ({counted(done.size, 'byte')}): {held}.")


def _counts_text(counts: Mapping[str, int]) -> str:
    """What there is, without what there is none of."""
    return ", ".join(
        counted(count, *_WORDS.get(kind, (kind, kind))) for kind, count in counts.items() if count
    )
