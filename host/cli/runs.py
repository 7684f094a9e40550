"""`funchost runs`: what became of each run. Works on the store itself, beside running hosts."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from ...bindings.errors import HostUnreachable, NotFound
from ...bindings.history import RunFilter, RunRecord, RunState
from ..operations.run_feed import RunFeed, follow
from ..operations.runs import (
    has_latest_code,
    relatives,
    relatives_document,
    run_document,
    run_summary,
)
from ..operations.workbench import Workbench
from .access import hosts_of, opened_workbench
from .main import run_async
from .options import App, Group, app_options, json_option
from .output import Exit, Failure, emit_json, talk
from .run_page import run_text
from .runs_filter import check_known, filter_of, filter_options, function_option, has_store, state_option
from .runs_replay import replay
from .runs_text import ago_text, run_line, runs_table

#: Seconds in which a run that was cancelled ends, if it does so soon.
_SOON = 5.0


@click.group(cls=Group)
def runs() -> None:
    """Look at runs, follow them, replay and cancel them."""


@runs.command("list")
@filter_options
@click.option("--parent", metavar="RUN", help="Only runs for what this run put out.")
@click.option("--replay-of", metavar="RUN", help="Only runs that repeat this run.")
@click.option("--limit", type=click.IntRange(1), default=50, help="How many. Default 50.")
@json_option
@app_options
def list_runs(
    app: App, parent: str | None, replay_of: str | None, limit: int, as_json: bool, **filters: Any
) -> None:
    """List runs, the latest first.

    A run is one delivery of an event, with all its attempts; TRIES are its attempts, and which delivery it was.
    """
    wanted = filter_of(**filters)
    found, has_more = run_async(lambda: _list(app, wanted, limit, parent, replay_of))
    if as_json:
        emit_json([run_summary(run) for run in found])
    elif found:
        click.echo(runs_table(found, datetime.now(UTC)))
        if has_more:
            talk(f"These are the last {len(found)}; --limit shows more.")
    else:
        asked = wanted != RunFilter() or parent or replay_of
        talk("No such runs." if asked else "No runs yet.")


@runs.command()
@click.argument("id_", metavar="ID")
@click.option("--input", "part", flag_value="input", help="Print what it was given, as it was.")
@click.option("--output", "part", flag_value="output", help="Print what it gave, as it was.")
@click.option("--log", "part", flag_value="log", help="Print what it logged.")
@json_option
@app_options
def show(app: App, id_: str, part: str | None, as_json: bool) -> None:
    """Show all that is kept of a run.

    The beginning of its ID is enough.
    """
    if part and as_json:
        raise click.UsageError(f"--{part} prints the content as it is: leave --json out.")
    if part:
        sys.stdout.buffer.write(run_async(lambda: _content(app, id_, part)))
        sys.stdout.buffer.flush()
        return
    text, document = run_async(lambda: _show(app, id_))
    if as_json:
        emit_json(document)
    else:
        click.echo(text)


@runs.command()
@function_option
@state_option
@click.option(
    "-n", "count", type=click.IntRange(0, 10_000), default=0, help="The last ones first. Default 0."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document a line.")
@app_options
def tail(app: App, functions: Sequence[str], states: Sequence[RunState], count: int, as_json: bool) -> None:
    """Show runs as they begin and end, until Ctrl+C.

    Runs that are over within a quarter of a second are shown when they end.
    """
    run_async(lambda: _tail(app, functions, states, count, as_json))


@runs.command()
@click.argument("id_", metavar="ID")
@app_options
def cancel(app: App, id_: str) -> None:
    """End a run that goes on. It fails, and its message is given up."""
    run = run_async(lambda: _get(app, id_))
    if run.state is not RunState.RUNNING:
        _tell_ended(run)
    if not _cancelled(app, run):
        run = run_async(lambda: _get(app, id_))
        if run.state is not RunState.RUNNING:
            _tell_ended(run)
        raise HostUnreachable(
            f"No host of this app that is running has run {run.id} in hand. If its host has died, the next one that "
            "starts says so of the run: funchost start."
        )
    run = run_async(lambda: _after_cancel(app, run.id))
    if run.state is RunState.RUNNING:
        talk(f"Run {run.id} was told to end, and has not yet: funchost runs show {run.id}")
    else:
        talk(f"Run {run.id} was cancelled.")


runs.add_command(replay)


async def _list(
    app: App, wanted: RunFilter, limit: int, parent: str | None, replay_of: str | None
) -> tuple[list[RunRecord], bool]:
    """The runs, and whether there are more."""
    if not has_store(app):
        await check_known(app, None, wanted.functions)
        return [], False
    async with opened_workbench(app) as workbench:
        history = workbench.history
        wanted = msgspec.structs.replace(
            wanted, parent=await _id(workbench, parent), replay_of=await _id(workbench, replay_of)
        )
        found = await history.list(wanted, limit + 1)
        if not found:
            await check_known(app, history, wanted.functions)
        return found[:limit], len(found) > limit


async def _id(workbench: Workbench, start: str | None) -> str | None:
    """The whole id of a run. One that is whole may also be that of a run that is no longer kept."""
    if start is None:
        return None
    try:
        return (await workbench.history.get(start)).id
    except NotFound:
        if len(start) == 36:
            return start
        raise


async def _get(app: App, id_: str) -> RunRecord:
    _check_store(app, id_)
    async with opened_workbench(app) as workbench:
        return await workbench.history.get(id_)


async def _content(app: App, id_: str, part: str) -> bytes:
    _check_store(app, id_)
    async with opened_workbench(app) as workbench:
        run = await workbench.history.get(id_)
        kept = getattr(run, part)
        return b"" if kept.kind == "none" else await workbench.history.content(run, part)


async def _show(app: App, id_: str) -> tuple[str, dict[str, Any]]:
    _check_store(app, id_)
    async with opened_workbench(app) as workbench:
        run = await workbench.history.get(id_)
        found = await relatives(workbench.history, run)
        latest = await has_latest_code(workbench.history, run)
    document = {**run_document(run), "hasLatestCode": latest, **relatives_document(found)}
    return run_text(run, found, latest, datetime.now(UTC)), document


async def _tail(
    app: App, functions: Sequence[str], states: Sequence[RunState], count: int, as_json: bool
) -> None:
    async with opened_workbench(app) as workbench:
        await check_known(app, workbench.history, functions)
        changed = asyncio.Event()
        workbench.storage.local.store.subscribe("runs", changed.set)
        feed = RunFeed(workbench.history, workbench.clock, functions, states)
        async for run in follow(feed, changed, count):
            line = msgspec.json.encode(run_summary(run)).decode() if as_json else run_line(run)
            click.echo(line)


def _cancelled(app: App, run: RunRecord) -> bool:
    """Whether a host has ended it, or is about to."""
    silent: HostUnreachable | None = None
    for host in hosts_of(app):
        try:
            if host.cancel_run(run.id):
                return True
        except HostUnreachable as error:
            silent = error
    if silent:
        raise silent
    return False


async def _after_cancel(app: App, id_: str) -> RunRecord:
    """The run once it has ended, or after a moment."""
    async with opened_workbench(app) as workbench:
        changed = asyncio.Event()
        workbench.storage.local.store.subscribe("runs", changed.set)
        with suppress(TimeoutError):
            async with asyncio.timeout(_SOON):
                while (await workbench.history.get(id_)).state is RunState.RUNNING:
                    await changed.wait()
                    changed.clear()
        return await workbench.history.get(id_)


def _tell_ended(run: RunRecord) -> None:
    when = f" {ago_text(run.ended, datetime.now(UTC))}" if run.ended else ""
    raise Failure(f"Run {run.id} is over: it ended{when} as {run.state.value}.", Exit.FAILED)


def _check_store(app: App, id_: str) -> None:
    if not has_store(app):
        raise NotFound(f"There is no run '{id_}': nothing was run here yet.")
