"""Runs as the OpenAPI document has them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from ...bindings.history import RunState
from .models import RunError

Moment = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]


class RunReason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a run did not succeed, without its traceback."""

    type: str | None
    message: str | None


class _Summary(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    function: str
    trigger: str
    state: RunState
    origin: Annotated[str, msgspec.Meta(description="A queue, `container/name`, `POST /api/hello`.")]
    message: Annotated[str | None, msgspec.Meta(description="The message that it was run for.")]
    queued: Moment | None
    started: Moment
    ended: Moment | None
    durationMs: float | None
    attempts: int
    dequeueCount: int | None
    parent: Annotated[str | None, msgspec.Meta(description="The run that put out what this one was run for.")]
    replayOf: Annotated[str | None, msgspec.Meta(description="The run that this one repeats.")]
    traceId: str | None
    host: str
    worker: Annotated[int | None, msgspec.Meta(description="The worker's process id.")]
    code: Annotated[str | None, msgspec.Meta(description="A hash of the function's files.")]
    progress: Annotated[float | None, msgspec.Meta(description="From 0 to 1, as the function says.")]


class RunSummary(_Summary, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run in a list."""

    error: RunReason | None


class Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A content, or its beginning: as `text` where it is text, else as `base64`."""

    kind: str
    size: int
    isWhole: Annotated[
        bool, msgspec.Meta(description="Whether nothing is left out; if not, ask for it by itself.")
    ]
    text: str | msgspec.UnsetType = msgspec.UNSET
    base64: str | msgspec.UnsetType = msgspec.UNSET


class TimelineStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that happened in the course of a run."""

    at: Moment
    text: str


class RunOutput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that a run put out."""

    type: str
    where: str
    size: int


class RunBranch(_Summary, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run with the runs that were run for what it put out."""

    error: RunReason | None
    children: list[RunBranch]
    hasMoreChildren: bool


class Run(_Summary, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that is kept of a run, and the runs around it."""

    error: Annotated[RunError | None, msgspec.Meta(description="With its traceback.")]
    status: Annotated[Any, msgspec.Meta(description="What the function says of itself.")]
    timeline: list[TimelineStep]
    event: dict[str, Any]
    input: Content | None
    output: Content | None
    answer: dict[str, Any]
    outputs: list[RunOutput]
    log: Content | None
    hasLatestCode: Annotated[
        bool | None, msgspec.Meta(description="Whether its code is that of the function's last run.")
    ]
    parents: Annotated[list[RunSummary], msgspec.Meta(description="The nearest first.")]
    children: list[RunBranch]
    hasMoreChildren: bool
    original: Annotated[RunSummary | None, msgspec.Meta(description="The run that it repeats.")]
    replays: list[RunSummary]


class RunProgress(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a function that runs has said of itself."""

    id: str
    function: str
    state: RunState
    progress: float | None
    status: Any


class Cancelled(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The run that is ended."""

    id: str
