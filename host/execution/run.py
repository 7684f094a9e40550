"""One event on its way through the executor, and the outcomes it can have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from ...bindings.clock import Clock, new_run_id
from ...bindings.history import OutputRef
from ...triggers.base import CANCELLED, ErrorInfo, Outcome, Status, TriggerEvent
from ...triggers.descriptor import FunctionDescriptor
from ..workers.call import Call
from .source import Source
from .trace import Trace


class Run:
    """An event, its invocation, and how far it has come."""

    # What few runs have, or only later, stands in the class, so that all others are made sooner.
    #: Attempts begun; those that something else broke off do not count.
    attempts = 1
    last_error: ErrorInfo | None = None
    #: Watched files that it wrote; None where that is not looked for.
    wrote: list[str] | None = None
    #: The last call to a worker, which knows where it went.
    call: Call | None = None
    #: What its outputs were written to, or will be.
    outputs: Sequence[OutputRef] = ()
    #: Why somebody wants it ended; None: nobody does.
    cancelled: str | None = None
    #: Called to end a pause between two attempts.
    roused: Callable[[], None] | None = None
    #: The value, where it is a stream.
    source: Source | None = None
    _abort: Callable[[], None] | None = None

    def __init__(self, function: FunctionDescriptor, event: TriggerEvent, clock: Clock) -> None:
        self.descriptor = function
        self.function = function.name
        self.event = event
        if not isinstance(event.body, bytes):
            self.source = Source(event.body)
        self.started: datetime = clock.now()
        self.invocation_id = event.run_id or new_run_id(self.started)
        self.trace = Trace.of(event, self.invocation_id)
        #: Of the lease that lets it run: its listener's, or its own as a singleton.
        self.fence = event.fence
        self._clock = clock

    def cancel(self, reason: str) -> None:
        """Have it end without a result, and without another attempt; its worker is ended if need be."""
        self.cancelled = reason
        if self._abort:
            self._abort()
        if self.roused:
            self.roused()

    def on_abort(self, abort: Callable[[], None]) -> None:
        """Take what ends the attempt that has just begun."""
        self._abort = abort
        if self.cancelled is not None:
            abort()

    def cancellation(self) -> Outcome:
        """The outcome of a run that was cancelled."""
        return self.outcome(Status.FAILED, ErrorInfo(CANCELLED, self.cancelled or "It was cancelled."))

    @property
    def is_spent(self) -> bool:
        """Whether the value was a stream that cannot be brought a second time."""
        return self.source is not None and not self.event.repeatable

    def outcome(self, status: Status, error: ErrorInfo | None = None) -> Outcome:
        """The outcome, as of now, without a value yet."""
        return Outcome(
            status=status,
            function=self.function,
            invocation_id=self.invocation_id,
            started=self.started,
            ended=self._clock.now(),
            attempts=self.attempts,
            error=error,
            header={} if self.wrote is None else {"wrote": self.wrote},
            traceparent=self.trace.parent,
        )

    def failure(self, error: Exception) -> Outcome:
        """The outcome for an error of ours, which looks like one of the function's own."""
        return self.outcome(Status.FAILED, ErrorInfo(type(error).__name__, str(error)))
