"""Tells OpenTelemetry of runs and of what functions log. Batches are sent by threads of the library's own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Mapping
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, SpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from ...bindings.clock import Clock
from ...triggers.base import ErrorInfo, Outcome
from ..execution.observer import Observer
from ..execution.run import Run
from .spans import nanoseconds, retry_event, span_context, span_of

_SCOPE = "funchost"

#: Seconds that a stop waits for the collector.
CLOSE_LIMIT = 3.0

_SEVERITIES = {
    "trace": SeverityNumber.TRACE,
    "debug": SeverityNumber.DEBUG,
    "info": SeverityNumber.INFO,
    "warning": SeverityNumber.WARN,
    "error": SeverityNumber.ERROR,
    "critical": SeverityNumber.FATAL,
}


class _InHand:
    """A run that has not ended."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.context = span_context(run.trace.parent)
        self.events: list[Event] = []


class Telemetry(Observer):
    """The spans and log records of one host."""

    def __init__(
        self, spans: SpanProcessor, logs: LogRecordProcessor, *, service: str, version: str, clock: Clock
    ) -> None:
        """`service` is what the app is called, unless the environment's OTEL_RESOURCE_ATTRIBUTES say otherwise."""
        self._clock = clock
        here = Resource(
            {"service.name": service, "telemetry.distro.name": _SCOPE, "telemetry.distro.version": version}
        )
        self._resource = here.merge(_without_default_name(Resource.create()))
        self._scope = InstrumentationScope(_SCOPE, version)
        self._spans = spans
        self._provider = LoggerProvider(resource=self._resource, shutdown_on_exit=False)
        self._provider.add_log_record_processor(logs)
        self._logger = self._provider.get_logger(_SCOPE, version)
        self._in_hand: dict[str, _InHand] = {}

    def started(self, run: Run) -> None:
        self._in_hand[run.invocation_id] = _InHand(run)

    def retrying(self, run: Run, error: ErrorInfo, delay: float) -> None:
        if known := self._in_hand.get(run.invocation_id):
            known.events.append(retry_event(error, delay, run.attempts, self._clock.now()))

    def ended(self, run: Run, outcome: Outcome) -> None:
        known = self._in_hand.pop(run.invocation_id, None)
        events = known.events if known else []
        self._spans.on_end(span_of(run, outcome, events, self._resource, self._scope))

    def worker_said(self, header: Mapping[str, Any], text: str) -> None:
        """What user code printed or logged; what workers say of themselves is no business of the app's."""
        if header.get("system"):
            return
        level = str(header.get("level", "info"))
        known = self._in_hand.get(header.get("invocation") or "")
        context = known.context if known else None
        now = nanoseconds(self._clock.now())
        self._logger.emit(
            LogRecord(
                timestamp=now,
                observed_timestamp=now,
                trace_id=context.trace_id if context else None,
                span_id=context.span_id if context else None,
                trace_flags=context.trace_flags if context else None,
                severity_text=level,
                severity_number=_SEVERITIES.get(level, SeverityNumber.INFO),
                body=text,
                attributes=_attributes(header, known),
            )
        )

    async def close(self) -> None:
        """Send what is left, as far as the collector takes it within `CLOSE_LIMIT`, and end."""
        loop, closed = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self._spans.shutdown()
            self._provider.shutdown()
            with contextlib.suppress(RuntimeError):  # nobody waits any more
                loop.call_soon_threadsafe(closed.set)

        # Of the process's end such a thread is no hindrance, whatever the collector does.
        threading.Thread(target=shut_down, name="last traces", daemon=True).start()
        await asyncio.wait({asyncio.ensure_future(closed.wait())}, timeout=CLOSE_LIMIT)


def _attributes(header: Mapping[str, Any], known: _InHand | None) -> dict[str, str]:
    found = {"logger": header.get("logger"), "stream": header.get("stream")}
    if known:
        found |= {"faas.name": known.run.function, "faas.invocation_id": known.run.invocation_id}
    return {name: str(value) for name, value in found.items() if value}


def _without_default_name(resource: Resource) -> Resource:
    """Without the name that stands for one that nobody gave."""
    attributes = dict(resource.attributes)
    if str(attributes.get("service.name", "")).startswith("unknown_service"):
        del attributes["service.name"]
    return Resource(attributes)
