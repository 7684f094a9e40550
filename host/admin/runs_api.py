"""The admin API of runs: which there were, what became of each, and what becomes of them now."""

from __future__ import annotations

from functools import partial

from ...bindings.errors import BindingError, NotFound
from ...bindings.history import RunRecord, RunState
from ..operations.runs import has_latest_code, relatives, relatives_document, run_document, run_summary
from .answers import Answer, Events, Raw
from .call import AdminCall
from .feed import Event
from .models import Refused
from .paging import Page, page
from .routes import RAW, Route, stream_of
from .run_models import Cancelled, Run, RunProgress, RunSummary
from .run_queries import LiveQuery, RunsQuery, parse_states, run_filter


async def list_runs(call: AdminCall) -> Answer:
    """The runs that began last, the latest first."""
    query, bench = call.query(RunsQuery), call.workbench
    wanted = run_filter(query, bench.clock.now())
    found = await bench.history.list(wanted, query.limit + 1, _before(query))
    return 200, page(found, query.limit, lambda run: run.id, run_summary)


def _before(query: RunsQuery) -> str | None:
    after = query.after
    if after is not None and not after.isascii():
        raise BindingError("'next' is of another list.")
    return after


async def get_run(call: AdminCall) -> Answer:
    """One run with all that is kept of it, and the runs around it."""
    run, history = await found_run(call), call.workbench.history
    family = relatives_document(await relatives(history, run))
    return 200, {**run_document(run), "hasLatestCode": await has_latest_code(history, run), **family}


async def get_content(part: str, call: AdminCall) -> Answer:
    """A run's input, output or log as it was."""
    run = await found_run(call)
    kept = {"input": run.input, "output": run.output, "log": run.log}[part]
    if kept.kind == "none":
        raise NotFound(f"The run {run.id} has no {part}.")
    kind = {"text": "text/plain; charset=utf-8", "json": "application/json"}.get(kept.kind)
    content = await call.workbench.history.content(run, part)
    return Raw(content, kind or "application/octet-stream", f"{run.id}.{part}")


async def cancel_run(call: AdminCall) -> Answer:
    """End a run that is in hand here."""
    run = await found_run(call)
    if run.state is not RunState.RUNNING:
        return 409, {"error": f"The run {run.id} has ended: it is {run.state.value}."}
    if not call.host.cancel_run(run.id, f"It was cancelled by {call.who}."):
        return 409, {"error": f"The run {run.id} is not in hand in this host: ask the one that runs it."}
    await call.workbench.note("runs.cancel", run.id, function=run.function)
    return 202, {"id": run.id}


async def live_runs(call: AdminCall) -> Answer:
    """What becomes of runs, told while it happens."""
    query = call.query(LiveQuery)
    functions = {name.lower() for name in query.function}
    states = {state.value for state in parse_states(query.state)}

    def wants(event: Event) -> bool:
        run = event.data
        return (not functions or run["function"].lower() in functions) and (
            not states or run["state"] in states
        )

    return Events(await call.desk.live_runs.read(wants, call.last_event))


async def found_run(call: AdminCall) -> RunRecord:
    """The run that the path names; as of now where it is in hand here. Raises `NotFound`."""
    id_, recorder = call.names["id"], call.host.recorder
    try:
        run = await call.workbench.history.get(id_)
    except NotFound:
        # One that has just begun has no record yet.
        if young := recorder.now(id_):
            return young
        raise
    return (recorder.now(run.id) if run.state is RunState.RUNNING else None) or run


ROUTES = (
    Route(
        method="GET",
        path="runs",
        handler=list_runs,
        summary="Runs, the latest first.",
        query=RunsQuery,
        answers={200: Page[RunSummary]},
    ),
    Route(
        method="GET",
        path="runs/live",
        handler=live_runs,
        summary="What becomes of runs, told while it happens.",
        query=LiveQuery,
        answers={200: stream_of({"begun": RunSummary, "progress": RunProgress, "ended": RunSummary})},
    ),
    Route(
        method="GET",
        path="runs/{id}",
        handler=get_run,
        summary="One run with all that is kept of it, and the runs around it.",
        answers={200: Run},
    ),
    *(
        Route(
            method="GET",
            path=f"runs/{{id}}/{part}",
            handler=partial(get_content, part),
            summary=f"The {part} of a run as it was.",
            answers={200: RAW},
        )
        for part in ("input", "output", "log")
    ),
    Route(
        method="POST",
        path="runs/{id}/cancel",
        handler=cancel_run,
        summary="End a run that is in hand here; it fails for that reason.",
        answers={202: Cancelled, 409: Refused},
    ),
)
