"""A run as a span. Its ids are those of the trace context that its function was given and its outputs carry, so
whatever the function itself reports, and whatever runs because of it, stands in the same trace."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags, TraceState
from opentelemetry.trace.status import Status as SpanStatus
from opentelemetry.trace.status import StatusCode

from ...triggers.base import ErrorInfo, Outcome, Status
from ...triggers.http_response import FAILED, ResponseError, render
from ..execution.run import Run

#: By the kind of event: the span's kind, and what OpenTelemetry calls such a trigger.
_KINDS = {
    "http": (SpanKind.SERVER, "http"),
    "queue": (SpanKind.CONSUMER, "pubsub"),
    "blob": (SpanKind.CONSUMER, "datasource"),
    "file": (SpanKind.CONSUMER, "datasource"),
    "timer": (SpanKind.INTERNAL, "timer"),
}
_OTHER = (SpanKind.INTERNAL, "other")

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


def span_context(
    traceparent: str | None, state: str | None = None, *, remote: bool = False
) -> SpanContext | None:
    """What a traceparent, with its tracestate, says; None for none, and for one that is none."""
    found = _TRACEPARENT.fullmatch(traceparent or "")
    if not found:
        return None
    trace, span, flags = (int(part, 16) for part in found.groups())
    if not (trace and span):
        return None
    return SpanContext(
        trace, span, remote, TraceFlags(flags), TraceState.from_header([state] if state else [])
    )


def span_of(
    run: Run, outcome: Outcome, events: list[Event], resource: Resource, scope: InstrumentationScope
) -> ReadableSpan:
    """The span of a run that has ended."""
    kind, _ = _KINDS.get(run.event.kind, _OTHER)
    error = outcome.error
    if error:
        events = [*events, _exception(error, outcome.ended)]
    status = SpanStatus(StatusCode.ERROR, str(error) if error else outcome.status.value)
    return ReadableSpan(
        name=run.function,
        context=span_context(run.trace.parent, run.trace.state),
        parent=_parent(run),
        resource=resource,
        attributes=_attributes(run, outcome),
        events=events,
        kind=kind,
        status=SpanStatus(StatusCode.UNSET) if outcome.status is Status.SUCCEEDED else status,
        start_time=nanoseconds(outcome.started),
        end_time=nanoseconds(outcome.ended),
        instrumentation_scope=scope,
    )


def retry_event(error: ErrorInfo, delay: float, attempt: int, at: datetime) -> Event:
    """That an attempt failed, and another follows."""
    attributes: dict[str, Any] = {"attempt": attempt, "error": str(error), "delay_seconds": delay}
    return Event("retry", attributes, nanoseconds(at))


def nanoseconds(moment: datetime) -> int:
    """Since 1970."""
    return int(moment.timestamp() * 1_000_000) * 1000


def _parent(run: Run) -> SpanContext | None:
    parent = span_context(run.event.traceparent, remote=True)
    own = span_context(run.trace.parent)
    # A context that could not be gone on with began a trace of its own.
    return parent if parent and own and parent.trace_id == own.trace_id else None


def _attributes(run: Run, outcome: Outcome) -> dict[str, Any]:
    event, cause = run.event, run.event.cause
    found: dict[str, Any] = {
        "faas.name": run.function,
        "faas.trigger": _KINDS.get(event.kind, _OTHER)[1],
        "faas.invocation_id": run.invocation_id,
        "funchost.state": outcome.status.value,
        "funchost.attempts": outcome.attempts,
        "funchost.origin": cause.origin or None,
        "error.type": outcome.error.type if outcome.error else None,
    }
    if event.kind == "http":
        found |= {
            "http.request.method": event.data.get("method"),
            "http.response.status_code": _status(outcome),
        }
    if event.kind == "queue":
        found |= {
            "messaging.operation.type": "process",
            "messaging.destination.name": cause.origin or None,
            "messaging.message.id": cause.message,
            "messaging.message.delivery_count": cause.dequeue_count,
        }
    return {name: value for name, value in found.items() if value is not None}


def _status(outcome: Outcome) -> int:
    """What the caller is answered, also where the function did not say so itself."""
    try:
        return render(outcome).status
    except ResponseError:
        return FAILED.status


def _exception(error: ErrorInfo, at: datetime) -> Event:
    attributes = {"exception.type": error.type, "exception.message": error.message}
    if error.traceback:
        attributes["exception.stacktrace"] = error.traceback
    return Event("exception", attributes, nanoseconds(at))
