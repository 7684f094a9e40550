"""`funchost runs replay`: a run is made once more, with what it was given or something else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import click

from ...bindings.errors import BindingError, ConfigurationError, HostUnreachable, MessageTooLarge, NotFound
from ...bindings.history import RunFilter, RunRecord, RunState
from ..operations.replay import (
    check_ended,
    editable_input,
    goes_by_queue,
    left_out,
    send_again,
    still_queued,
    takes_data,
)
from .access import check_function, hosts_of, opened_workbench
from .consent import consent, yes_option
from .definitions import functions_of
from .editing import check_editable, edited
from .main import run_async
from .options import App, Content, Rate, app_options, json_option
from .output import Exit, emit_json, fail, talk
from .runs_bulk import list_batches, replay_many, resume
from .runs_filter import filter_of, filter_options, has_store


@click.command()
@click.argument("id_", metavar="[ID]", required=False)
@click.option(
    "--edit", is_flag=True, help="Edit what it was given before; VISUAL or EDITOR names the editor."
)
@click.option("--data", type=Content(), help="Give it this: text, @FILE, or - for standard input.")
@filter_options
@click.option("--again", is_flag=True, help="Also runs whose message or replay has succeeded since.")
@click.option("--rate", type=Rate(), help="At most so many, such as 10/s. Default: as fast as it goes.")
@click.option("--dry-run", is_flag=True, help="Only show which runs would be replayed.")
@click.option("--resume", "batch", metavar="BATCH", help="Go on with a replay of many that was broken off.")
@click.option("--batches", is_flag=True, help="List the replays of many.")
@yes_option
@json_option
@app_options
def replay(
    app: App,
    id_: str | None,
    edit: bool,
    data: bytes | None,
    again: bool,
    rate: float | None,
    dry_run: bool,
    batch: str | None,
    batches: bool,
    yes: bool,
    as_json: bool,
    **filters: Any,
) -> None:
    """Make a run once more, or all runs that fit.

    A run that a message caused becomes a new message in its queue; any other is run now by the running host.

    \b
    funchost runs replay 01a1ff93-85e2-7f31 --edit
        one run, with another content
    funchost runs replay --function orders --since 1h --dry-run
        all that failed, unless --state says otherwise
    """
    wanted = filter_of(**filters)
    _check_choice(id_, wanted, batch, batches, single=edit or data is not None, bulk=again or dry_run)
    if batches:
        list_batches(app, as_json=as_json)
    elif batch is not None:
        resume(app, batch, rate, as_json=as_json)
    elif id_ is None:
        replay_many(app, wanted, again=again, rate=rate, dry_run=dry_run, yes=yes, as_json=as_json)
    else:
        _replay_one(app, id_, edit, data, yes=yes, as_json=as_json)


def _check_choice(
    id_: str | None, wanted: RunFilter, batch: str | None, batches: bool, *, single: bool, bulk: bool
) -> None:
    """Raise `UsageError` unless it is said in one way which runs are meant."""
    ways = [id_ is not None, wanted != RunFilter(), batch is not None, batches]
    if sum(ways) == 0:
        raise click.UsageError(
            "Say which run, or which runs: an ID, or --function, --state, --since, --search."
        )
    if sum(ways) > 1:
        raise click.UsageError("Give one of these: an ID, a filter, --resume, --batches.")
    if single and id_ is None:
        raise click.UsageError("--edit and --data are for one run: give its ID.")
    if bulk and not ways[1]:
        raise click.UsageError(
            "--again and --dry-run are for a filter, such as --function orders --since 1h."
        )


def _replay_one(app: App, id_: str, edit: bool, data: bytes | None, *, yes: bool, as_json: bool) -> None:
    if edit and data is not None:
        raise click.UsageError("Give either --edit or --data, not both.")
    if edit:
        check_editable()
    run, comes_again = run_async(lambda: _look(app, id_))
    _check_data(run, edit=edit, is_given=data is not None)
    try:
        _check_over(run, comes_again, yes=yes)
        if edit and (data := edited(run_async(lambda: _input(app, run)))) is None:
            talk("It was left as it was, so nothing is sent.")
            return
        replay_it = _send if goes_by_queue(run) else _run_now
        replay_it(app, run, data, as_json=as_json)
    except (BindingError, MessageTooLarge) as error:
        fail(error, Exit.USAGE)


def _check_data(run: RunRecord, *, edit: bool, is_given: bool) -> None:
    """Raise `UsageError` for a content that the run cannot be given."""
    if (edit or is_given) and run.trigger == "timerTrigger":
        raise click.UsageError("A timer is given nothing that could be another: leave --edit and --data out.")
    if edit and not takes_data(run):
        raise click.UsageError(
            "What it was given is a blob or file: change that, or name another with --data."
        )


def _check_over(run: RunRecord, comes_again: bool, *, yes: bool) -> None:
    """See that nothing is done twice that nobody wants so. Raises `StillRunning`, and what `consent` does."""
    if run.state is RunState.RUNNING:
        if not goes_by_queue(run):
            check_ended(run)
        consent(f"Run {run.id} has not ended yet: a replay has it done twice at once", yes=yes)
    elif comes_again:
        consent(f"The message of run {run.id} is still in its queue, and is run again by itself", yes=yes)


def _send(app: App, run: RunRecord, data: bytes | None, *, as_json: bool) -> None:
    queue = run_async(lambda: _sent(app, run, data))
    if as_json:
        emit_json({"replayOf": run.id, "queue": queue, "leftOut": []})
    is_served = any(host.serves(run.function) for host in hosts_of(app))
    when = "" if is_served else " It is run once a host that has this function is started."
    talk(f"Sent to {queue} once more.{when} The new run: funchost runs list --replay-of {run.id}")


def _run_now(app: App, run: RunRecord, data: bytes | None, *, as_json: bool) -> None:
    host = next((host for host in hosts_of(app) if host.serves(run.function)), None)
    if host is None:
        raise HostUnreachable(
            f"{run.function} ({run.trigger}) is run by a host, and none that has it is running. Start one, "
            f"funchost start, and say this again; or run it without one: funchost run {run.function}"
        )
    if lost := left_out(run):
        talk(f"Left out, since secrets are not kept: {', '.join(lost)}.")
    document = host.replay_run(run.id, data)
    if as_json:
        emit_json({**document, "replayOf": run.id})
    elif "result" in document:
        click.echo(document["result"], nl=not document["result"].endswith("\n"))
    _tell_outcome(document)


def _tell_outcome(document: Mapping[str, Any]) -> None:
    new, function = document["invocationId"], document["function"]
    status = document.get("http", {}).get("status")
    answer = f", HTTP {status}" if status else ""
    if document["status"] == "succeeded":
        talk(f"{function} succeeded{answer}: funchost runs show {new}")
        return
    error = document.get("error") or {"type": document["status"], "message": "it gave no reason"}
    code = Exit.TIMEOUT if document["status"] == "timed-out" else Exit.FAILED
    fail(f"{function} failed: {error['type']}: {error['message']}\n       funchost runs show {new}", code)


async def _look(app: App, id_: str) -> tuple[RunRecord, bool]:
    """The run, and whether its message is delivered again by itself."""
    if not has_store(app):
        raise NotFound(f"There is no run '{id_}': nothing was run here yet.")
    async with opened_workbench(app) as workbench:
        run = await workbench.history.get(id_)
        return run, run.message is not None and run.message in await still_queued(workbench)


async def _input(app: App, run: RunRecord) -> bytes:
    async with opened_workbench(app) as workbench:
        return await editable_input(workbench.history, run)


async def _sent(app: App, run: RunRecord, data: bytes | None) -> str:
    functions = await functions_of(app)
    function = functions.get(run.function.lower())
    if function is None:
        await _missing(app, run.function)
    async with opened_workbench(app) as workbench:
        return await send_again(workbench, run, function, data)


async def _missing(app: App, function: str) -> NoReturn:
    await check_function(app, function)
    raise ConfigurationError(
        f"The function '{function}' is in error, so where its messages belong is not known."
    )
