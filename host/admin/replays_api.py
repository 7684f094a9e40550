"""The admin API of replays: a run is made once more, or all runs of a kind."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

from ...bindings.errors import BindingError, FunchostError, NotFound
from ...bindings.history import RunRecord
from ...bindings.replay_batches import Batch
from ...triggers.descriptor import FunctionDescriptor
from ...triggers.http_server import discard
from ..operations.bulk_replay import BulkReplay, choose
from ..operations.replay import (
    ServedRunner,
    StillRunning,
    check_ended,
    goes_by_queue,
    left_out,
    replay_event,
    send_again,
    still_queued,
)
from ..operations.runs import run_summary
from ..served_function import ServedFunction
from .answers import Answer
from .call import AdminCall
from .functions import RunQuery, run_by_hand
from .models import Outcome as OutcomeModel
from .models import Refused
from .paging import Page, Paged, page_of_all
from .replay_models import Replay, ReplayChoice, Replayed, ReplayStarted, WithData
from .routes import Route
from .run_queries import ReplayMany, filter_words, run_filter
from .runs_api import found_run

log = logging.getLogger("funchost.host.admin")

#: Runs that a dry run names.
_NAMED = 100


# -- one run


async def replay_run(call: AdminCall) -> Answer:
    """Make a run once more: by a message where a message caused it, else here and now."""
    run = await found_run(call)
    try:
        check_ended(run)
    except StillRunning as error:
        return 409, {"error": str(error)}
    data = await call.body() if call.is_raw else (await call.document(WithData)).content
    if goes_by_queue(run):
        queue = await send_again(call.workbench, run, _served(call, run).descriptor, data)
        return 202, {"replayOf": run.id, "queue": queue, "leftOut": []}
    return await _replay_here(call, run, data)


async def _replay_here(call: AdminCall, run: RunRecord, data: bytes | None) -> Answer:
    runner = ServedRunner(call.host.functions, call.host.pool)
    event = await replay_event(call.workbench.history, runner, run, data)
    served = _served(call, run)
    await call.workbench.note("runs.replay", run.id, function=run.function)
    begun = {"replayOf": run.id, "queue": None, "leftOut": left_out(run)}
    return await run_by_hand(call, served, event, begun=begun)


def _served(call: AdminCall, run: RunRecord) -> ServedFunction:
    served = call.host.functions.get(run.function)
    if served is None:
        raise NotFound(f"There is no function '{run.function}' any more.")
    return served


# -- all runs of a kind


async def replay_many(call: AdminCall) -> Answer:
    """Replay all runs that fit: the answer tells how many, the work goes on behind it."""
    asked = await call.document(ReplayMany)
    if not filter_words(asked):
        raise BindingError("Say which runs: by function, state, since, until, search, parent or the like.")
    history = call.workbench.history
    choice = await choose(
        history,
        run_filter(asked, call.workbench.clock.now()),
        still_queued=await still_queued(call.workbench),
        again=asked.again,
    )
    if asked.dryRun:
        named = [run_summary(run) for run in choice.runs[:_NAMED]]
        return 200, {"total": len(choice.runs), "leftOut": choice.left_out, "runs": named}
    bulk = _bulk(call)
    batch = await bulk.make(choice, filter_words(asked), asked.rate)
    _work_off(call, bulk, batch)
    return 202, {**_document(call, batch), "leftOut": choice.left_out}


async def list_replays(call: AdminCall) -> Answer:
    """The bulk replays that are remembered."""
    known = await _bulk(call).batches.list()
    shown = partial(_document, call)
    return 200, page_of_all(known, call.query(Paged), _when, shown, backwards=True)


async def get_replay(call: AdminCall) -> Answer:
    """How far a bulk replay is."""
    return 200, _document(call, await _batch(call))


async def cancel_replay(call: AdminCall) -> Answer:
    """Stop a bulk replay that this host is at. What was replayed stays so."""
    batch = await _batch(call)
    task = call.desk.replays.get(batch.id)
    if task is None:
        return 409, {"error": f"This host is not at the replay {batch.id}."}
    task.cancel()
    await asyncio.wait({task})
    await call.workbench.note("runs.cancelReplay", batch.id)
    return 200, _document(call, await _batch(call))


async def resume_replay(call: AdminCall) -> Answer:
    """Go on with a bulk replay that was broken off."""
    batch = await _batch(call)
    if batch.id in call.desk.replays:
        return 409, {"error": f"This host is at the replay {batch.id} already."}
    await call.workbench.note("runs.resumeReplay", batch.id, left=batch.left)
    _work_off(call, _bulk(call), batch)
    return 202, _document(call, batch)


async def _batch(call: AdminCall) -> Batch:
    return await _bulk(call).batches.get(call.names["batch"])


def _bulk(call: AdminCall) -> BulkReplay:
    functions: Mapping[str, FunctionDescriptor] = {
        served.descriptor.name.lower(): served.descriptor for served in call.host.functions
    }
    return BulkReplay(call.workbench, functions, partial(_run_live, call))


async def _run_live(call: AdminCall, run: RunRecord) -> None:
    runner = ServedRunner(call.host.functions, call.host.pool)
    event = await replay_event(call.workbench.history, runner, run)
    await discard((await runner.run_event(run.function, event)).body)


def _work_off(call: AdminCall, bulk: BulkReplay, batch: Batch) -> None:
    replays = call.desk.replays
    task = call.desk.begin_until_stop(_told(bulk, batch))
    replays[batch.id] = task
    task.add_done_callback(lambda _: replays.pop(batch.id, None))


async def _told(bulk: BulkReplay, batch: Batch) -> None:
    try:
        progress = await bulk.work_off(batch)
    except Exception as error:
        reason = error if isinstance(error, FunchostError) else repr(error)
        log.warning("The replay %s was broken off, and can be resumed: %s", batch.id, reason)
        return
    if progress.refused:
        first = next(iter(progress.refused.values()))
        log.warning("%d runs of the replay %s were not replayed: %s", len(progress.refused), batch.id, first)


def _when(batch: Batch) -> str:
    return f"{batch.at.isoformat()} {batch.id}"


def _document(call: AdminCall, batch: Batch) -> dict[str, Any]:
    state = "running" if batch.id in call.desk.replays else "stopped" if batch.left else "done"
    return {
        "id": batch.id,
        "state": state,
        "at": batch.at.isoformat(),
        "who": batch.who,
        "wanted": batch.wanted,
        "rate": batch.rate,
        "total": batch.total,
        "left": batch.left,
    }


ROUTES = (
    Route(
        method="POST",
        path="runs/{id}/replay",
        handler=replay_run,
        summary="Make a run once more, with what it was given or other data.",
        query=RunQuery,
        body=WithData,
        body_optional=True,
        answers={200: OutcomeModel, 202: Replayed, 409: Refused, 429: Refused},
    ),
    Route(
        method="POST",
        path="runs/replay",
        handler=replay_many,
        summary="Replay all runs that fit.",
        body=ReplayMany,
        answers={200: ReplayChoice, 202: ReplayStarted},
    ),
    Route(
        method="GET",
        path="replays",
        handler=list_replays,
        summary="The bulk replays that are remembered.",
        query=Paged,
        answers={200: Page[Replay]},
    ),
    Route(
        method="GET",
        path="replays/{batch}",
        handler=get_replay,
        summary="How far a bulk replay is.",
        answers={200: Replay},
    ),
    Route(
        method="POST",
        path="replays/{batch}/cancel",
        handler=cancel_replay,
        summary="Stop a bulk replay; what was replayed stays so.",
        answers={200: Replay, 409: Refused},
    ),
    Route(
        method="POST",
        path="replays/{batch}/resume",
        handler=resume_replay,
        summary="Go on with a bulk replay that was broken off.",
        answers={202: Replay, 409: Refused},
    ),
)
