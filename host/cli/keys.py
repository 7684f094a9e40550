"""`funchost keys`: the keys that HTTP functions and the admin API ask for."""

from __future__ import annotations

import click

from ..keys import HOST_RING, MASTER, MASTER_RING, SYSTEM_RING, Key, Keys
from ..runtime import running_hosts
from .access import check_function, opened_store, opened_workbench
from .main import run_async
from .options import App, Group, app_options, json_option
from .output import emit_json, emit_table, talk

#: What the keys of each ring open, those first that open most.
_OPENS = {
    MASTER_RING: "everything",
    HOST_RING: "all functions",
    SYSTEM_RING: "system",
}


@click.group(cls=Group)
def keys() -> None:
    """Show and renew the keys that HTTP functions ask for."""


@keys.command("list")
@click.option("--function", help="Only the keys of this function; makes its default key when it has none.")
@json_option
@app_options
def list_keys(app: App, function: str | None, as_json: bool) -> None:
    """Show the keys with their values."""
    found = run_async(lambda: _list(app, function))
    if as_json:
        emit_json([{**_owner(key), "name": key.name, "value": key.value} for key in found])
    else:
        emit_table(("KEY", "OPENS", "VALUE"), [(key.name, _opens(key), key.value) for key in found])


@keys.command()
@click.argument("name")
@click.option("--function", help="The function whose key it is.")
@json_option
@app_options
def rotate(app: App, name: str, function: str | None, as_json: bool) -> None:
    """Give a key a new value, and print it; the master key is _master.

    A key of that name is made when there is none.
    """
    if not name.strip() or "/" in name:
        raise click.BadParameter("A key's name must not be empty and has no slash.", param_hint="NAME")
    if function and name.lower() == MASTER:
        raise click.UsageError("The master key belongs to no function: leave --function out.")
    key, is_new, is_shared = run_async(lambda: _rotate(app, name, function))
    if as_json:
        emit_json({**_owner(key), "name": key.name, "value": key.value, "made": is_new})
    else:
        click.echo(key.value)
    if is_new:
        talk(f"There was no key '{name}'; it was made.")
    if is_shared:
        talk(
            "Running hosts, those on other machines too, take it up when it is used; an old value, within 30 s."
        )
    elif running_hosts(app.store_folder):
        talk("Running hosts take it up at once.")


async def _list(app: App, function: str | None) -> list[Key]:
    async with opened_store(app) as storage:
        if function:
            await check_function(app, function)
        held = Keys(storage.state)
        await held.load()
        found = await held.list(function)
        rank = {ring: place for place, ring in enumerate(_OPENS)}
        return sorted(found, key=lambda key: rank.get(key.ring, len(rank)))


async def _rotate(app: App, name: str, function: str | None) -> tuple[Key, bool, bool]:
    """The key, whether it was made, and whether hosts of other machines have it too."""
    async with opened_workbench(app) as workbench:
        if function:
            await check_function(app, function)
        storage = workbench.storage
        held = Keys(storage.state)
        await held.load()
        before = {(key.ring, key.name.lower()) for key in await held.list()}
        await workbench.note("keys.roll", name, **({"function": function} if function else {}))
        value = await held.rotate(name, function)
        key = next(key for key in await held.list() if key.value == value)
        is_shared = storage.state is not storage.local.state
        return key, (key.ring, key.name.lower()) not in before, is_shared


def _owner(key: Key) -> dict[str, str | None]:
    kind, _, function = key.ring.partition(":")
    return {"kind": kind, "function": function or None}


def _opens(key: Key) -> str:
    return _OPENS.get(key.ring) or key.ring.partition(":")[2]
