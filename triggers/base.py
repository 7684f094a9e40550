"""What every trigger is made of: an event goes up, an outcome comes down, the listener settles."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

import msgspec

from ..bindings.clock import Clock, SystemClock
from ..bindings.queue import OutgoingMessage, QueueMessage, QueueStore
from .notifications import Notifications

if TYPE_CHECKING:
    from pathlib import Path

    from ..bindings.blob import BlobStore
    from ..bindings.state import StateStore
    from ..bindings.table import OutgoingEntity, TableStore
    from .descriptor import FunctionDescriptor
    from .http_front import HttpFront
    from .locks import Locks
    from .watch import Watch


#: The type of the error of a run that somebody cancelled.
CANCELLED = "RunCancelled"

#: Errors whose message alone says what is wrong, and what to do.
_OWN_ERRORS = frozenset({"LoadError", "BindError", "WorkerLost", "FunchostError", "BindingError", CANCELLED})

#: The reason of an event that somebody asked for: a request, or a run by hand.
CALLED = "This function was programmatically called via the host APIs."


class Status(enum.StrEnum):
    """How an event ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed-out"
    #: Stopped by something that is not its own doing (a stop, a neighbour's crash): it uses up nothing.
    INTERRUPTED = "interrupted"
    #: It ran to its end, but too late: its message had been handed to another run, and nothing of it was stored.
    LOST_LEASE = "lost-lease"


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """Why an invocation failed."""

    type: str
    message: str
    traceback: str = ""

    @property
    def is_callers(self) -> bool:
        """Whether the HTTP request was wrong, not the function: its body does not fit, or cannot be taken."""
        # As a worker calls the one, and the HTTP front the other.
        return self.type in ("RequestError", "BodyError")

    def __str__(self) -> str:
        """The reason for people, in one line or a few; an error of funchost's own needs no name of a class."""
        return self.message if self.type in _OWN_ERRORS else f"{self.type}: {self.message}"


class Unsent(NamedTuple):
    """What a function gave to an output whose service is not spoken here: it goes nowhere but is shown."""

    name: str
    type: str
    #: As of a worker's values: text, bytes or json.
    kind: str
    content: bytes


class Outcome(msgspec.Struct, kw_only=True):
    """What became of an event. Executor errors and the function's own look the same."""

    status: Status
    function: str
    invocation_id: str
    started: datetime
    ended: datetime
    #: Attempts made inside this delivery.
    attempts: int = 1
    error: ErrorInfo | None = None
    #: The function's return value as the worker sent it: ``kind`` is none, text, bytes, json, http or stream.
    kind: str = "none"
    header: dict[str, Any] = msgspec.field(default_factory=dict)
    body: bytes | AsyncIterable[bytes] = b""
    #: The run's place in its trace: what is sent because of its end goes on with it.
    traceparent: str | None = None
    #: Queue outputs that still have to be stored, by store; settling stores them.
    messages: Sequence[tuple[QueueStore, OutgoingMessage]] = ()
    #: Table outputs likewise; they go through the queue store of their connection.
    entities: Sequence[tuple[QueueStore, OutgoingEntity]] = ()
    unsent: Sequence[Unsent] = ()

    @property
    def succeeded(self) -> bool:
        """Whether the function ran to its end without an error."""
        return self.status is Status.SUCCEEDED


class Cause(msgspec.Struct, kw_only=True, frozen=True, gc=False):
    """Where an event came from, for the history of runs and for answers to who caused it."""

    #: For people: a queue, ``container/name``, a path, ``POST /api/hello``.
    origin: str = ""
    #: The message that brought it: its id, when it was sent, and its deliveries so far.
    message: str | None = None
    queued: datetime | None = None
    dequeue_count: int | None = None
    #: What travelled beside it: ``parent`` and ``replayOf`` (runs), ``replyTo``, ``correlationId`` …
    properties: Mapping[str, Any] = msgspec.field(default_factory=dict)


#: Of what came from nowhere that is known, such as a run by hand.
NO_CAUSE = Cause()


class TriggerEvent(msgspec.Struct, kw_only=True):
    """Something happened that a function is to be run for."""

    #: What the worker is told of the value: ``http``, ``queue``, ``blob``, ``file``, ``timer``, ``warmup`` or
    #: ``manual``.
    kind: str
    #: The value's raw content; where it is too large to be held, a stream that starts anew each time it is
    #: iterated (only once unless the event is repeatable).
    body: bytes | AsyncIterable[bytes] = b""
    #: What belongs to the value and is no content: method, url and headers of a request, times of a timer.
    data: dict[str, Any] = msgspec.field(default_factory=dict)
    #: What expressions see, and the function as trigger metadata.
    metadata: Mapping[str, Any] = msgspec.field(default_factory=dict)
    #: Why, in a sentence for the log.
    reason: str = CALLED
    #: Gives what the log shows of it beside the reason, where details are wanted.
    details: Callable[[], Mapping[str, object]] | None = None
    cause: Cause = NO_CAUSE
    #: The id that its run is to have, since a caller was told it; such a run is always recorded, with its whole result.
    run_id: str | None = None
    #: W3C trace context of whoever caused this.
    traceparent: str | None = None
    tracestate: str | None = None
    #: Of the lease that its listener holds, if it holds one.
    fence: int | None = None
    #: False when running it again unasked could do harm (an HTTP request).
    repeatable: bool = True
    #: Called with the outcome while the function's locks are still held. Must store the outcome's messages
    #: and entities when it succeeded. If it raises, the invocation counts as failed and it is called again
    #: with that.
    settle: Callable[[Outcome], Awaitable[None]] | None = None
    #: Is given what cancels the run, and calls it when the caller has gone away.
    cancelled: Callable[[Callable[[], None]], None] | None = None


#: How a listener gets an event run. Never raises for what the function did.
Deliver = Callable[[TriggerEvent], Awaitable[Outcome]]


class Listener(Protocol):
    """Waits for one kind of event on behalf of one function."""

    async def start(self) -> None:
        """Return once it is listening. Starting twice is fine."""

    async def stop(self) -> None:
        """Take no new events, and return once those in flight are settled. May be called at any time."""

    @property
    def state(self) -> str:
        """One word or sentence for people: ``listening``, or why it is not."""


class Wakeups(Protocol):
    """Calls back at a moment; the host has one such clockwork for all timers."""

    def call_at(self, moment: datetime, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` in the loop at `moment` (at once when it is past); returns what cancels that.

        Soon when the clock is set back by more than `clock.SET_BACK`: what was reckoned by it may be wrong now.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What the host lends to triggers: the outside world, by the name of a connection."""

    #: The app root.
    root: Path
    #: Where each named connection's queues, blobs and tables are; the empty name is the host's own storage.
    queues: Callable[[str], QueueStore]
    blobs: Callable[[str], BlobStore]
    tables: Callable[[str], TableStore]
    #: Where entities for a connection's tables are sent.
    entities: Callable[[str], QueueStore]
    #: The leases of this host, and what it remembers: shared with all hosts of the app.
    locks: Locks
    state: StateStore
    #: The hosts' own queues, where `state` puts what was recorded.
    own_queues: QueueStore
    wakeups: Wakeups
    #: Change events of folders, and notifications of changed blobs.
    watch: Watch
    notifications: Notifications = field(default_factory=Notifications)
    #: The same three for this machine alone; None where there is no difference.
    local_locks: Locks | None = None
    local_state: StateStore | None = None
    local_queues: QueueStore | None = None
    #: The HTTP server; None where this host serves no HTTP.
    http: HttpFront | None = None
    clock: Clock = field(default_factory=SystemClock)
    #: Set once the host stops: nothing new is to begin, and a store that does not answer is not waited for.
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    #: The time zone that schedules are in when the function does not say (an IANA name).
    time_zone: str = "UTC"
    #: Where each named connection leads, for people, such as ``AWS in eu-west-1``; None is the embedded store.
    place: Callable[[str], str | None] = lambda connection: None
    #: Adds to what people are told (problems that show only while listening).
    report: Callable[[str], None] = lambda message: None

    def at(self, connection: str | None) -> str:
        """Where a connection leads, to be put behind what is there; empty for the embedded store."""
        place = self.place(connection or "")
        return f" at {place}" if place else ""

    def on_this_machine(self) -> Resources:
        """As these, for events that only this machine sees, such as those of its files."""
        return replace(
            self,
            locks=self.local_locks or self.locks,
            state=self.local_state or self.state,
            own_queues=self.local_queues or self.own_queues,
        )


#: A model of the fields of a binding.
FieldsModel = type[msgspec.Struct]


class Trigger:
    """Knows one trigger type: checks its entry when made, and makes the listener.

    A third party subclasses this and names the class as an entry point of the group ``funchost.triggers``.
    """

    #: The ``type`` in function.json, such as ``queueTrigger``.
    type: ClassVar[str]

    #: The fields that its entry may have beside ``name``, ``type``, ``direction``, ``dataType`` and
    #: ``cardinality``; field names are the JSON names. Ours and the editor's schema both come from it.
    Fields: ClassVar[FieldsModel]

    def __init__(self, function: FunctionDescriptor, fields: Any, resources: Resources) -> None:
        """Check what only this type can check; raises `ConfigurationError` with the key."""
        self.function = function
        self.fields = fields
        self.resources = resources

    def listener(self, deliver: Deliver) -> Listener:
        """The listener for this function."""
        raise NotImplementedError

    def describe(self) -> str:
        """What a person should see beside the function: its URL, queue, path or next run."""
        return ""

    async def manual_event(self, data: bytes | None) -> TriggerEvent:
        """The event for a run by hand with `data` (None: without)."""
        raise NotImplementedError


__all__ = [
    "CALLED",
    "CANCELLED",
    "NO_CAUSE",
    "Cause",
    "Deliver",
    "ErrorInfo",
    "Listener",
    "Outcome",
    "QueueMessage",
    "Resources",
    "Status",
    "Trigger",
    "TriggerEvent",
    "Unsent",
    "Wakeups",
]
