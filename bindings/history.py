"""What is kept of each run: the record, what records are asked for by, and the protocol of where they are kept."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from .clock import short_run_id

#: Bytes of an input, an output or a log that stand in the record itself; what is larger goes into a file.
INLINE = 64 * 1024


class RunState(enum.StrEnum):
    """How a run stands, or how it ended."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed-out"
    #: Its host died, or was taken for dead, while it ran.
    ABANDONED = "abandoned"
    #: Broken off by something that was not its own doing: a stop, a reload, a neighbour's crash.
    INTERRUPTED = "interrupted"
    #: It ended, but its message had been handed to another run by then: nothing of it was stored.
    LOST_LEASE = "lost-lease"


#: The states of runs that did not reach what they were for.
FAILURES = frozenset({RunState.FAILED, RunState.TIMED_OUT, RunState.ABANDONED, RunState.LOST_LEASE})


class Kept(msgspec.Struct, frozen=True, gc=False):
    """A content as it is kept: an input, an output or a log."""

    #: ``none``, ``text``, ``bytes``, ``json``; ``stream`` where it went past and nothing was kept.
    kind: str = "none"
    #: The whole content, or its first bytes where `size` is larger.
    data: bytes = b""
    #: Bytes of the whole content.
    size: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether nothing of it has to be looked up elsewhere."""
        return self.kind != "stream" and len(self.data) == self.size


NOTHING = Kept()


class Step(msgspec.Struct, frozen=True):
    """Something that happened in the course of a run, beside its beginning and end."""

    at: datetime
    text: str


class OutputRef(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that a run put out."""

    #: ``queue``, ``blob`` or ``table``.
    type: str
    #: The queue, ``container/name`` of the blob, the table.
    where: str
    size: int = 0


# Many are made, and kept for a moment; none can be part of a cycle.
class RunRecord(msgspec.Struct, kw_only=True, array_like=True, gc=False):
    """One invocation: one delivery of an event with all its attempts."""

    #: The invocation id. Ids of runs sort by when they began (`clock.new_run_id`).
    id: str
    function: str
    #: The trigger's type, such as ``queueTrigger``.
    trigger: str
    state: RunState
    #: The host that ran it (its owner mark), and the process id of the worker.
    host: str
    worker: int | None = None
    #: Where the event came from, for people: ``orders`` (a queue), ``container/name``, ``POST /api/hello``.
    origin: str = ""
    #: The id of the message that it was run for.
    message: str | None = None
    #: When the event came to be: the message was sent, the blob was found.
    queued: datetime | None = None
    started: datetime
    ended: datetime | None = None
    attempts: int = 1
    #: Deliveries of the message so far, this one included.
    dequeue_count: int | None = None
    #: The run that put out what this one was run for.
    parent: str | None = None
    #: The run that this one repeats.
    replay_of: str | None = None
    trace_id: str | None = None
    #: A hash of the function's files, as they were when its code was loaded.
    code: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    error_traceback: str | None = None
    #: What the event held beside its content and cannot be asked for again: a request's method, url, headers and
    #: parameters, with secrets masked; the sizes of a batch's messages.
    event: dict[str, Any] = msgspec.field(default_factory=dict)
    input: Kept = NOTHING
    output: Kept = NOTHING
    outputs: Sequence[OutputRef] = ()
    #: Status and headers of what an HTTP function answered.
    answer: dict[str, Any] = msgspec.field(default_factory=dict)
    #: Lines as ``2026-01-31T18:00:00.123Z info text``; further lines of a text that has several follow as they are.
    log: Kept = NOTHING
    steps: Sequence[Step] = ()
    #: What the function said of itself: how far it is (0 to 1, or None), and a JSON value.
    progress: float | None = None
    status: Any = None

    @property
    def short_id(self) -> str:
        """What of its id is shown in tables and logs; `HistoryStore.get` takes it too."""
        return short_run_id(self.id)

    @property
    def duration(self) -> float | None:
        """Seconds from its beginning to its end; None while it runs."""
        return None if self.ended is None else max(0.0, (self.ended - self.started).total_seconds())

    @property
    def error(self) -> str | None:
        """Why it did not succeed, in a line or a few."""
        if self.error_message is None:
            return None
        return f"{self.error_type}: {self.error_message}" if self.error_type else self.error_message


class RunFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs are asked for; what is None or empty does not matter. All that is said must hold."""

    #: Names, in any case.
    functions: tuple[str, ...] = ()
    states: tuple[RunState, ...] = ()
    #: When it began: from the first moment on, and before the second.
    since: datetime | None = None
    until: datetime | None = None
    #: Words that all stand in input, error or log.
    search: str | None = None
    parent: str | None = None
    replay_of: str | None = None
    message: str | None = None
    trace_id: str | None = None


class HistoryStore(Protocol):
    """Keeps the records of runs."""

    async def record(self, records: Sequence[RunRecord]) -> None:
        """Keep the records, each in the place of one with the same id."""

    async def list(self, wanted: RunFilter, limit: int, before: str | None = None) -> list[RunRecord]:
        """The runs that began last, the latest first, without input, output, log and steps.

        `before` is the id of the last one of the page before.
        """

    async def get(self, id: str) -> RunRecord:
        """One run with all that is kept of it; the beginning of an id will do, or a `short_id`. Raises `NotFound` for none, or several."""

    async def count(self, wanted: RunFilter) -> int:
        """How many runs there are of that kind."""

    def all(self, wanted: RunFilter) -> AsyncIterator[RunRecord]:
        """All runs of that kind, the one that began first first, as `list` gives them."""

    async def content(self, run: RunRecord, part: str) -> bytes:
        """The whole of its ``input``, ``output`` or ``log``. Raises `NotFound` where that is no longer kept."""
