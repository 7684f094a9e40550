"""Runs as they are looked at: documents of the history's records, and where a run stands among others."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...bindings.errors import NotFound
from ...bindings.history import HistoryStore, Kept, RunFilter, RunRecord, RunState, Step
from ..config.vocabulary import nearest

#: How far a family is followed: generations up and down, children of one run, and descendants in all.
_GENERATIONS = 50
_CHILDREN = 50
_DESCENDANTS = 200

#: Replays of one run that are named.
_REPLAYS = 50


@dataclass(frozen=True, slots=True)
class Branch:
    """A run with the runs that were run for what it put out."""

    run: RunRecord
    children: tuple[Branch, ...] = ()
    #: Whether it has further children, which are not among these.
    has_more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Relatives:
    """The runs that one run has to do with."""

    #: Who put out what it was run for, and so on upwards, the nearest first.
    parents: tuple[RunRecord, ...] = ()
    children: tuple[Branch, ...] = ()
    has_more_children: bool = False
    #: The run that it repeats, and those that repeat it, the first one first.
    original: RunRecord | None = None
    replays: tuple[RunRecord, ...] = ()


def parse_state(text: str) -> RunState:
    """The state of that name, in any case. Raises `ValueError` with the nearest one."""
    known = [state.value for state in RunState]
    word = text.strip().lower().replace("_", "-")
    if word in known:
        return RunState(word)
    near = nearest(word, known)
    hint = f"Did you mean '{near}'?" if near else f"There are: {', '.join(known)}."
    raise ValueError(f"'{text}' is no state of a run. {hint}")


async def relatives(history: HistoryStore, run: RunRecord) -> Relatives:
    """The family of a run, and its replays, as far as they are kept."""
    budget = [_DESCENDANTS]
    children, has_more = await _children(history, run, budget, {run.id})
    replays = await history.list(RunFilter(replay_of=run.id), _REPLAYS)
    return Relatives(
        parents=await _ancestors(history, run),
        children=children,
        has_more_children=has_more,
        original=await _kept(history, run.replay_of),
        replays=tuple(reversed(replays)),
    )


async def has_latest_code(history: HistoryStore, run: RunRecord) -> bool | None:
    """Whether the function's last run had the code that this one had; None where that is not known."""
    newest = await history.list(RunFilter(functions=(run.function,)), 1)
    if run.code is None or not newest or newest[0].code is None:
        return None
    return newest[0].code == run.code


def timeline(run: RunRecord) -> list[Step]:
    """What happened in the course of a run, in order, its beginning and end included."""
    steps = [Step(run.started, "started"), *run.steps]
    if run.queued:
        steps.append(Step(run.queued, "queued"))
    # Where moments are the same, the order in which they were noted counts.
    steps.sort(key=lambda step: step.at)
    return [*steps, Step(run.ended, str(run.state))] if run.ended else steps


# -- documents


def run_summary(run: RunRecord) -> dict[str, Any]:
    """What lists have of a run. Moments are ISO 8601 in UTC."""
    return {
        "id": run.id,
        "function": run.function,
        "trigger": run.trigger,
        "state": run.state.value,
        "origin": run.origin,
        "message": run.message,
        "queued": _moment(run.queued),
        "started": _moment(run.started),
        "ended": _moment(run.ended),
        "durationMs": None if run.duration is None else round(run.duration * 1000, 3),
        "attempts": run.attempts,
        "dequeueCount": run.dequeue_count,
        "parent": run.parent,
        "replayOf": run.replay_of,
        "traceId": run.trace_id,
        "host": run.host,
        "worker": run.worker,
        "code": run.code,
        "progress": run.progress,
        "error": _error(run),
    }


def run_document(run: RunRecord) -> dict[str, Any]:
    """All that is kept of a run. Of a content that is too large for the record there is the beginning."""
    return {
        **run_summary(run),
        "error": _error(run, with_traceback=True),
        "status": run.status,
        "timeline": [{"at": _moment(step.at), "text": step.text} for step in timeline(run)],
        "event": run.event,
        "input": kept_document(run.input),
        "output": kept_document(run.output),
        "answer": run.answer,
        "outputs": [{"type": ref.type, "where": ref.where, "size": ref.size} for ref in run.outputs],
        "log": kept_document(run.log),
    }


def relatives_document(found: Relatives) -> dict[str, Any]:
    """The runs around a run, each by its summary."""
    return {
        "parents": [run_summary(run) for run in found.parents],
        "children": [_branch_document(branch) for branch in found.children],
        "hasMoreChildren": found.has_more_children,
        "original": run_summary(found.original) if found.original else None,
        "replays": [run_summary(run) for run in found.replays],
    }


def kept_document(kept: Kept) -> dict[str, Any] | None:
    """A content, as `text` where it is text, else as `base64`; None where there was none."""
    if kept.kind == "none":
        return None
    document: dict[str, Any] = {"kind": kept.kind, "size": kept.size, "isWhole": kept.is_whole}
    text = kept_text(kept)
    if text is not None:
        return {**document, "text": text}
    return {**document, "base64": base64.b64encode(kept.data).decode()}


def kept_text(kept: Kept) -> str | None:
    """What is in the record of a content, where that is text; None where it is not."""
    try:
        return kept.data.decode()
    except UnicodeDecodeError as error:
        # The cut may have gone through the last character.
        is_cut = not kept.is_whole and error.start > len(kept.data) - 4
        return kept.data[: error.start].decode() if is_cut else None


def _branch_document(branch: Branch) -> dict[str, Any]:
    return {
        **run_summary(branch.run),
        "children": [_branch_document(child) for child in branch.children],
        "hasMoreChildren": branch.has_more,
    }


def _error(run: RunRecord, *, with_traceback: bool = False) -> dict[str, Any] | None:
    if run.error_message is None and run.error_type is None:
        return None
    error = {"type": run.error_type, "message": run.error_message}
    return {**error, "traceback": run.error_traceback} if with_traceback else error


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


# -- relatives


async def _ancestors(history: HistoryStore, run: RunRecord) -> tuple[RunRecord, ...]:
    found: list[RunRecord] = []
    seen = {run.id}
    while len(found) < _GENERATIONS and run.parent not in seen:
        parent = await _kept(history, run.parent)
        if parent is None:
            break
        found.append(parent)
        seen.add(parent.id)
        run = parent
    return tuple(found)


async def _children(
    history: HistoryStore, run: RunRecord, budget: list[int], seen: set[str]
) -> tuple[tuple[Branch, ...], bool]:
    """The children of a run, each with its own; and whether there are more. `budget` is how many may still come."""
    if len(seen) > _GENERATIONS:
        return (), True
    limit = min(_CHILDREN, budget[0])
    found = await history.list(RunFilter(parent=run.id), limit + 1)
    runs = [child for child in reversed(found[:limit]) if child.id not in seen]
    budget[0] -= len(runs)
    branches = [await _branch(history, child, budget, seen) for child in runs]
    return tuple(branches), len(found) > limit


async def _branch(history: HistoryStore, run: RunRecord, budget: list[int], seen: set[str]) -> Branch:
    children, has_more = await _children(history, run, budget, seen | {run.id})
    return Branch(run, children, has_more)


async def _kept(history: HistoryStore, id_: str | None) -> RunRecord | None:
    """The run of that id; None where there is none, or it is no longer kept."""
    if not id_:
        return None
    try:
        return await history.get(id_)
    except NotFound:
        return None
