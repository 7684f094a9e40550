"""`funchost poison`: messages that were given up. Works on the store itself, beside running hosts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import BinaryIO

import click
import msgspec

from ...bindings.counted import counted
from ...bindings.errors import BindingError, MessageTooLarge
from ...bindings.history import RunRecord
from ...bindings.private_files import private_opener
from ..operations.poison import PoisonFilter, PoisonGroup, PoisonQueues, group_document
from ..operations.poison_message import PoisonMessage, poison_document
from ..operations.poison_moves import check_origins, delete, edit, replay
from ..operations.queues import check_queue
from .access import opened_workbench
from .consent import consent, yes_option
from .editing import edited, json_error
from .main import run_async
from .options import App, Content, Group, Rate, app_options, json_option
from .output import Exit, emit_json, fail, talk
from .poison_choice import Done, check_choice, filter_options, queue_option, work_on
from .poison_text import filter_text, group_text, moves_text, places_text, poison_text
from .queues import connection_option, named_queue, nothing_stored


@click.group(cls=Group)
def poison() -> None:
    """Look at messages that were given up, mend and replay them."""


@poison.command("list")
@click.argument("queue", required=False)
@filter_options
@json_option
@connection_option
@app_options
def list_all(app: App, wanted: PoisonFilter, as_json: bool, connection: str | None) -> None:
    """List the messages that were given up, by their errors.

    QUEUE is a poison queue, or one that messages came from. On SQS a look counts as a delivery.
    """
    groups = [] if nothing_stored(app, connection) else run_async(lambda: _groups(app, connection, wanted))
    if as_json:
        emit_json([group_document(group) for group in groups])
    elif groups:
        click.echo("\n\n".join(map(group_text, groups)))
    else:
        talk("No message was given up." if wanted.is_everything else "No such message was given up.")


@poison.command()
@click.argument("id_", metavar="ID")
@json_option
@connection_option
@app_options
def show(app: App, id_: str, as_json: bool, connection: str | None) -> None:
    """Show a message that was given up: why, its runs, its body.

    The beginning of an ID will do, and so will the ID that the message had before.
    """
    found, runs = run_async(lambda: _show(app, connection, id_))
    if as_json:
        emit_json(poison_document(found))
        return
    click.echo(poison_text(found, runs))
    if any(runs.values()):
        talk(f"More of a run: funchost runs show {found.reason.runs[-1]}")


@poison.command("edit")
@click.argument("id_", metavar="ID")
@click.option("--data", type=Content(), help="The new body: a text, @FILE, or - for standard input.")
@connection_option
@app_options
def edit_one(app: App, id_: str, data: bytes | None, connection: str | None) -> None:
    """Change the body of a message that was given up, in $VISUAL or $EDITOR.

    It stays where it is until it is replayed. A body that was JSON has to be so again.
    """
    found, _ = run_async(lambda: _show(app, connection, id_))
    body = edited(found.message.body) if data is None else _checked(data, found.message.body)
    try:
        changed = body is not None and run_async(lambda: _edit(app, connection, found.id, body))
    except MessageTooLarge as error:
        fail(error, Exit.USAGE)
    if not changed:
        talk("Nothing was changed.")
    else:
        talk(f"Changed. It goes back to work with: funchost poison replay {id_}")


@poison.command("replay")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@queue_option
@filter_options
@click.option("--all", "everything", is_flag=True, help="All that were given up.")
@click.option("--to", metavar="QUEUE", help="Move them to this queue instead.")
@click.option("--rate", type=Rate(), help="So many at most, such as 10/s.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@yes_option
@json_option
@connection_option
@app_options
def replay_them(
    app: App,
    ids: tuple[str, ...],
    wanted: PoisonFilter,
    everything: bool,
    to: str | None,
    rate: float | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    connection: str | None,
) -> None:
    """Move messages that were given up back to the queues that they came from.

    They start over, and their runs say which runs they repeat. Say which: by IDs, by a filter, or --all.
    """
    check_choice(ids, wanted, everything)
    to = named_queue(app, connection, to) if to else None

    def agreed(chosen: Sequence[PoisonMessage]) -> bool:
        try:
            check_origins(chosen, to)
        except BindingError as error:
            raise click.UsageError(str(error)) from None
        if dry_run:
            _show_moves(chosen, to, as_json)
        elif not ids and chosen:
            consent(f"{moves_text(chosen, to)} to be replayed", yes=yes)
        return not dry_run

    done = run_async(
        lambda: work_on(
            app,
            connection,
            ids,
            wanted,
            agreed,
            lambda bench, chosen: replay(bench, chosen, to=to, rate=rate, wanted=filter_text(wanted)),
        )
    )
    if done is not None:
        _tell(done, "replayed", as_json)


@poison.command("delete")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@queue_option
@filter_options
@click.option("--all", "everything", is_flag=True, help="All that were given up.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@yes_option
@json_option
@connection_option
@app_options
def delete_them(
    app: App,
    ids: tuple[str, ...],
    wanted: PoisonFilter,
    everything: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    connection: str | None,
) -> None:
    """Delete messages that were given up, for good.

    Say which: by IDs, by a filter, or --all. `funchost poison export` keeps a copy.
    """
    check_choice(ids, wanted, everything)

    def agreed(chosen: Sequence[PoisonMessage]) -> bool:
        if dry_run:
            _show_removals(chosen, as_json)
        elif not ids and chosen:
            consent(f"{places_text(chosen)} to be deleted for good", yes=yes)
        return not dry_run

    done = run_async(
        lambda: work_on(
            app,
            connection,
            ids,
            wanted,
            agreed,
            lambda bench, chosen: delete(bench, chosen, wanted=filter_text(wanted)),
        )
    )
    if done is not None:
        _tell(done, "deleted", as_json)


@poison.command()
@click.argument("file", default="-", metavar="[FILE|-]")
@queue_option
@filter_options
@connection_option
@app_options
def export(app: App, file: str, wanted: PoisonFilter, connection: str | None) -> None:
    """Write messages that were given up into a file, one JSON object a line.

    Each has all that `show` has, its body as text or in base64. They stay where they are.
    """
    if file == "-":
        if not run_async(lambda: _export(app, connection, wanted, sys.stdout.buffer)):
            talk("No such message was given up.")
        return
    with open(Path(file), "wb", opener=private_opener) as target:
        count = run_async(lambda: _export(app, connection, wanted, target))
    talk(f"Wrote {counted(count, 'message')} to {file}.")


# -- what is done


async def _groups(app: App, connection: str | None, wanted: PoisonFilter) -> list[PoisonGroup]:
    async with opened_workbench(app) as workbench:
        groups = await PoisonQueues(workbench, connection or "").groups(wanted)
        if wanted.queue and not groups:
            await check_queue(workbench, connection or "", wanted.queue)
        return groups


async def _show(
    app: App, connection: str | None, id_: str
) -> tuple[PoisonMessage, dict[str, RunRecord | None]]:
    async with opened_workbench(app) as workbench:
        queues = PoisonQueues(workbench, connection or "")
        found = await queues.get(id_)
        return found, await queues.runs(found)


async def _edit(app: App, connection: str | None, id_: str, body: bytes) -> bool:
    async with opened_workbench(app) as workbench:
        found = await PoisonQueues(workbench, connection or "").get(id_)
        return await edit(workbench, found, body)


def _checked(data: bytes, body: bytes) -> bytes:
    """The new body. Raises `BadParameter` where it is no JSON any more."""
    error = json_error(data) if json_error(body) is None else None
    if error:
        raise click.BadParameter(f"The body was JSON, and this is not: {error}.", param_hint="--data")
    return data


async def _export(app: App, connection: str | None, wanted: PoisonFilter, target: BinaryIO) -> int:
    if nothing_stored(app, connection):
        return 0
    count = 0
    async with opened_workbench(app) as workbench:
        queues = PoisonQueues(workbench, connection or "")
        async with aclosing(queues.find(wanted, whole=True)) as messages:
            async for message in messages:
                target.write(msgspec.json.encode(poison_document(message)) + b"\n")
                count += 1
        if wanted.queue and not count:
            await check_queue(workbench, connection or "", wanted.queue)
    target.flush()
    return count


# -- what is shown


def _show_moves(chosen: Sequence[PoisonMessage], to: str | None, as_json: bool) -> None:
    if as_json:
        moves = [{"id": one.id, "queue": one.queue, "to": to or one.origin} for one in chosen]
        emit_json({"dryRun": True, "count": len(chosen), "messages": moves})
    else:
        talk(f"Would replay {moves_text(chosen, to)}." if chosen else "No such message was given up.")


def _show_removals(chosen: Sequence[PoisonMessage], as_json: bool) -> None:
    if as_json:
        places = [{"id": one.id, "queue": one.queue} for one in chosen]
        emit_json({"dryRun": True, "count": len(chosen), "messages": places})
    else:
        talk(f"Would delete {places_text(chosen)}." if chosen else "No such message was given up.")


def _tell(done: Done, what: str, as_json: bool) -> None:
    """Say for how many it was done. Those named in vain end the command as not found."""
    chosen = done.chosen
    passed_over = sorted({poison.id for poison in chosen}.difference(done.ids))
    if as_json:
        emit_json({"chosen": len(chosen), what: len(done.ids), "passedOver": passed_over})
    elif not chosen:
        talk("No such message was given up.")
    else:
        talk(f"{what.capitalize()} {counted(len(done.ids), 'message')}.")
    if passed_over:
        talk(f"Passed over, since gone or in flight by now: {counted(len(passed_over), 'message')}.")
    if chosen and not done.ids:
        raise SystemExit(Exit.NOT_FOUND)
    if what == "replayed" and len(done.ids) == 1 and chosen[0].reason.runs and not as_json:
        talk(f"What comes of it: funchost runs list --replay-of {chosen[0].reason.runs[-1]}")
