"""One event on its way through the executor, and the outcomes it can have."""

from __future__ import annotations

from datetime import datetime

from ...bindings.clock import Clock, new_id
from ...triggers.base import ErrorInfo, Outcome, Status, TriggerEvent
from .source import Source
from .trace import Trace


class Run:
    """An event, its invocation, and how far it has come."""

    __slots__ = (
        "_clock",
        "attempts",
        "event",
        "fence",
        "function",
        "invocation_id",
        "last_error",
        "source",
        "started",
        "trace",
        "wrote",
    )

    def __init__(self, function: str, event: TriggerEvent, clock: Clock) -> None:
        self.function = function
        self.event = event
        #: The value, where it is a stream.
        self.source = None if isinstance(event.body, bytes) else Source(event.body)
        self.invocation_id = new_id()
        self.started: datetime = clock.now()
        self.trace = Trace.of(event, self.invocation_id)
        #: Attempts begun; those that something else broke off do not count.
        self.attempts = 1
        #: Of the lease that lets it run: its listener's, or its own as a singleton.
        self.fence = event.fence
        self.last_error: ErrorInfo | None = None
        #: Watched files that it wrote; None where that is not looked for.
        self.wrote: list[str] | None = None
        self._clock = clock

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
        )

    def failure(self, error: Exception) -> Outcome:
        """The outcome for an error of ours, which looks like one of the function's own."""
        return self.outcome(Status.FAILED, ErrorInfo(type(error).__name__, str(error)))
