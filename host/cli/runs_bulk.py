"""`funchost runs replay` of all runs that fit: counted, asked for, and gone on with after an end in the middle."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from functools import partial
from typing import Any

import click
import msgspec

from ...bindings.counted import counted
from ...bindings.errors import HostUnreachable, NotFound
from ...bindings.history import FAILURES, RunFilter, RunRecord
from ...bindings.replay_batches import Batch
from ..operations.bulk_replay import BulkReplay, Choice, Progress, RunLive, choose
from ..operations.replay import goes_by_queue, still_queued
from ..operations.runs import run_summary
from .access import hosts_of, opened_workbench
from .consent import consent
from .definitions import functions_of
from .main import run_async
from .options import App
from .output import emit_json, emit_table, talk
from .runs_filter import check_known, filter_text, has_store
from .runs_text import ago_text, runs_table

#: Runs that a dry run shows.
_SHOWN = 50

#: Why runs were refused, so many of them.
_REASONS = 10

#: Runs that hosts are asked to make at once.
_LIVE_AT_ONCE = 8

#: Seconds between two changes of the progress line.
_LINE_PAUSE = 0.1


def replay_many(
    app: App,
    wanted: RunFilter,
    *,
    again: bool,
    rate: float | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Replay the runs that fit, those that failed unless it is said which."""
    states = wanted.states or tuple(sorted(FAILURES))
    choice = run_async(lambda: _choice(app, msgspec.structs.replace(wanted, states=states), again))
    _tell_choice(choice)
    if dry_run:
        _show_choice(choice, as_json=as_json)
        return
    if choice.runs:
        _check_hosts(app, choice.runs)
        consent(f"{counted(len(choice.runs), 'run')} would be made once more", yes=yes)
        batch: Batch = run_async(lambda: _made(app, choice, wanted, rate))
        _work_off(app, batch, as_json=as_json)
    elif as_json:
        emit_json({"id": None, "total": 0, "left": 0, "replayed": 0, "refused": {}})


def resume(app: App, id_: str, rate: float | None, *, as_json: bool) -> None:
    """Go on with a batch, at another rate if one is given."""
    if not has_store(app):
        raise NotFound(f"There is no batch of replays '{id_}'.")
    batch: Batch = run_async(lambda: _found(app, id_))
    _work_off(app, batch if rate is None else msgspec.structs.replace(batch, rate=rate), as_json=as_json)


def list_batches(app: App, *, as_json: bool) -> None:
    """List the batches, the last one first."""
    batches: list[Batch] = run_async(lambda: _batches(app)) if has_store(app) else []
    if as_json:
        emit_json([_batch_document(batch) for batch in batches])
    elif batches:
        now = datetime.now(UTC)
        rows = [
            (
                batch.id,
                ago_text(batch.at, now),
                batch.who,
                f"{batch.total - batch.left} of {batch.total}",
                batch.wanted,
            )
            for batch in batches
        ]
        emit_table(("BATCH", "MADE", "BY", "DONE", "RUNS"), rows)
    else:
        talk("No replays of many yet.")


# -- which ones


async def _choice(app: App, wanted: RunFilter, again: bool) -> Choice:
    if not has_store(app):
        await check_known(app, None, wanted.functions)
        return Choice([], {})
    async with opened_workbench(app) as workbench:
        queued = await still_queued(workbench)
        choice = await choose(workbench.history, wanted, still_queued=queued, again=again)
        if not choice.runs:
            await check_known(app, workbench.history, wanted.functions)
        return choice


def _tell_choice(choice: Choice) -> None:
    by_function = Counter(run.function for run in choice.runs)
    parts = ", ".join(f"{count} of {name}" for name, count in by_function.most_common())
    talk(f"{counted(len(choice.runs), 'run')} to be replayed{f': {parts}' if parts else ''}.")
    if choice.left_out:
        talk(f"Left out: {', '.join(f'{count} {reason}' for reason, count in choice.left_out.items())}.")


def _show_choice(choice: Choice, *, as_json: bool) -> None:
    if as_json:
        runs = [run_summary(run) for run in choice.runs]
        emit_json({"total": len(runs), "leftOut": choice.left_out, "runs": runs})
        return
    if choice.runs:
        click.echo(runs_table(choice.runs[:_SHOWN], datetime.now(UTC)))
    if len(choice.runs) > _SHOWN:
        talk(f"These are the first {_SHOWN}; --json shows all.")


def _check_hosts(app: App, runs: Sequence[RunRecord]) -> None:
    """Raise `HostUnreachable` where some have to be run by a host and none is running that has their function."""
    needed = {run.function for run in runs if not goes_by_queue(run)}
    hosts = hosts_of(app) if needed else []
    missing = sorted(name for name in needed if not any(host.serves(name) for host in hosts))
    if missing:
        raise HostUnreachable(
            f"{', '.join(missing)}: runs of this kind are made by a host, and none that has the function is "
            "running. Start one, funchost start, and say this again."
        )


# -- doing it


async def _made(app: App, choice: Choice, wanted: RunFilter, rate: float | None) -> Batch:
    async with opened_workbench(app) as workbench:
        return await BulkReplay(workbench, {}).make(choice, filter_text(wanted), rate)


async def _found(app: App, id_: str) -> Batch:
    async with opened_workbench(app) as workbench:
        batch = await BulkReplay(workbench, {}).batches.get(id_)
        await workbench.note("runs.resumeReplay", batch.id, left=batch.left)
        return batch


async def _batches(app: App) -> list[Batch]:
    async with opened_workbench(app) as workbench:
        return await BulkReplay(workbench, {}).batches.list()


def _work_off(app: App, batch: Batch, *, as_json: bool) -> None:
    """Replay what is left of a batch, and tell of it."""
    line = _Line()
    try:
        progress: Progress = run_async(lambda: _worked_off(app, batch, line))
    except BaseException:
        line.end()
        talk(f"Broken off. To go on: funchost runs replay --resume {batch.id}")
        raise
    line.end()
    if as_json:
        left = progress.total - progress.done
        emit_json(
            {
                **_batch_document(batch),
                "left": left,
                "replayed": progress.replayed,
                "refused": progress.refused,
            }
        )
    talk(f"{progress.replayed} of {counted(progress.total, 'run')} replayed.")
    for id_, reason in list(progress.refused.items())[:_REASONS]:
        talk(f"  not {id_}: {reason}")
    if len(progress.refused) > _REASONS:
        talk(f"  and {len(progress.refused) - _REASONS} more were not.")


async def _worked_off(app: App, batch: Batch, line: _Line) -> Progress:
    functions = await functions_of(app)
    async with opened_workbench(app) as workbench:
        return await BulkReplay(workbench, functions, _live(app)).work_off(batch, line.show)


def _live(app: App) -> RunLive:
    """Has a running host run something once more."""
    hosts = hosts_of(app)
    places = asyncio.Semaphore(_LIVE_AT_ONCE)

    async def run_live(run: RunRecord) -> None:
        host = next((host for host in hosts if host.serves(run.function)), None)
        if host is None:
            raise HostUnreachable(f"{run.function} is run by a host, and none that has it is running.")
        async with places:
            await _in_thread(partial(host.replay_run, run.id, None))

    return run_live


async def _in_thread(call: Callable[[], object]) -> None:
    """Wait for a call in a thread of its own, which does not hold up the end of this process."""
    ended: Future[None] = Future()

    def work() -> None:
        try:
            call()
        except BaseException as error:
            ended.set_exception(error)
        else:
            ended.set_result(None)

    threading.Thread(target=work, daemon=True).start()
    await asyncio.wrap_future(ended)


def _batch_document(batch: Batch) -> dict[str, Any]:
    return {
        "id": batch.id,
        "at": batch.at.isoformat(),
        "who": batch.who,
        "wanted": batch.wanted,
        "rate": batch.rate,
        "total": batch.total,
        "left": batch.left,
    }


class _Line:
    """The progress on a terminal's last line."""

    def __init__(self) -> None:
        self._shown = 0.0

    def show(self, progress: Progress) -> None:
        """Show how far it is, unless that was shown a moment ago."""
        now = time.monotonic()
        if sys.stderr.isatty() and now >= self._shown + _LINE_PAUSE:
            self._shown = now
            click.echo(f"\r{progress.done} of {progress.total}", err=True, nl=False)

    def end(self) -> None:
        """Leave the line."""
        if self._shown:
            click.echo("\r\x1b[K", err=True, nl=False)
