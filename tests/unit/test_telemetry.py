"""Runs as spans, and what functions log as records, in memory and through a collector's stub on this machine."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from collector import Collector
from fakes import ManualClock, make_function, make_outcome
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from opentelemetry.trace.status import StatusCode

from funchost.host.execution.run import Run
from funchost.host.telemetry import telemetry as telemetry_module
from funchost.host.telemetry.setup import make_telemetry
from funchost.host.telemetry.telemetry import Telemetry
from funchost.triggers.base import Cause, ErrorInfo, Status, TriggerEvent

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Told:
    """A telemetry, and what came of it."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self._logs = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
        self.telemetry = Telemetry(
            SimpleSpanProcessor(self._spans),
            SimpleLogRecordProcessor(self._logs),
            service="shop",
            version="1.2",
            clock=ManualClock(),
        )

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._spans.get_finished_spans())

    @property
    def logs(self) -> list[Any]:
        return [each.log_record for each in self._logs.get_finished_logs()]


@pytest.fixture
def told() -> Told:
    return Told()


def no_logs() -> SimpleLogRecordProcessor:
    return SimpleLogRecordProcessor(InMemoryLogRecordExporter())  # type: ignore[no-untyped-call]


def run_of(event: TriggerEvent) -> Run:
    return Run(make_function(), event, ManualClock())


def ended(told: Told, event: TriggerEvent, **outcome: Any) -> ReadableSpan:
    """The span of a run of this event."""
    run = run_of(event)
    told.telemetry.started(run)
    told.telemetry.ended(run, make_outcome(**outcome))
    return told.spans[-1]


def test_a_span_has_the_ids_that_the_function_was_given(told: Told) -> None:
    event = TriggerEvent(
        kind="http",
        data={"method": "POST"},
        traceparent=f"00-{TRACE}-{CALLER}-01",
        tracestate="vendor=value",
    )
    run = run_of(event)
    told.telemetry.started(run)
    told.telemetry.ended(run, make_outcome(kind="http", header={"status": 201}))
    (span,) = told.spans
    assert span.context is not None
    assert run.trace.parent == f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-01"
    assert f"{span.context.trace_id:032x}" == TRACE
    assert span.context.trace_state == {"vendor": "value"}
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == CALLER
    assert span.kind is SpanKind.SERVER
    assert span.attributes is not None
    assert span.attributes["http.request.method"] == "POST"
    assert span.attributes["http.response.status_code"] == 201
    assert span.resource.attributes["service.name"] == "shop"


@pytest.mark.parametrize("traceparent", [None, "", "nonsense", f"00-{'0' * 32}-{CALLER}-01"])
def test_what_has_no_caller_begins_a_trace(told: Told, traceparent: str | None) -> None:
    span = ended(told, TriggerEvent(kind="timer", traceparent=traceparent))
    assert span.parent is None
    assert span.kind is SpanKind.INTERNAL


def test_one_trace_goes_through_request_message_and_blob(told: Told) -> None:
    first = run_of(TriggerEvent(kind="http"))
    second = run_of(TriggerEvent(kind="queue", traceparent=first.trace.parent))
    third = run_of(TriggerEvent(kind="blob", traceparent=second.trace.parent))
    for run in (first, second, third):
        told.telemetry.started(run)
        told.telemetry.ended(run, make_outcome())
    spans = told.spans
    assert len({span.context.trace_id for span in spans if span.context}) == 1
    parents = [span.parent.span_id if span.parent else None for span in spans]
    assert parents == [None, *[span.context.span_id for span in spans[:2] if span.context]]
    assert [span.kind for span in spans] == [SpanKind.SERVER, SpanKind.CONSUMER, SpanKind.CONSUMER]


def test_what_its_caller_does_not_sample_is_not_sent() -> None:
    sent = InMemorySpanExporter()
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    processor = BatchSpanProcessor(sent)
    logs = no_logs()
    telemetry = Telemetry(processor, logs, service="shop", version="1", clock=ManualClock())
    for flags in ("00", "01"):
        run = run_of(TriggerEvent(kind="http", traceparent=f"00-{TRACE}-{CALLER}-{flags}"))
        telemetry.started(run)
        telemetry.ended(run, make_outcome())
    processor.force_flush()
    processor.shutdown()  # type: ignore[no-untyped-call]
    assert len(sent.get_finished_spans()) == 1


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        ({"kind": "text", "body": b"hi"}, 200),
        ({"kind": "none"}, 204),
        ({"kind": "http", "header": {"status": 418}}, 418),
        ({"kind": "http", "header": {"status": "many"}}, 500),
        ({"status": Status.FAILED, "error": ErrorInfo("ValueError", "boom")}, 500),
        ({"status": Status.INTERRUPTED}, 503),
    ],
)
def test_a_request_has_the_status_that_its_caller_was_answered(
    told: Told, outcome: dict[str, Any], status: int
) -> None:
    span = ended(told, TriggerEvent(kind="http", data={"method": "GET"}), **outcome)
    assert span.attributes is not None
    assert span.attributes["http.response.status_code"] == status


def test_a_failure_has_its_reason_and_its_attempts(told: Told) -> None:
    run = run_of(TriggerEvent(kind="queue", cause=Cause(origin="jobs", message="m-1", dequeue_count=2)))
    told.telemetry.started(run)
    told.telemetry.retrying(run, ErrorInfo("ValueError", "first"), 2.0)
    error = ErrorInfo("ValueError", "second", "Traceback …")
    told.telemetry.ended(run, make_outcome(Status.FAILED, error, attempts=2))
    (span,) = told.spans
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == "ValueError: second"
    assert [event.name for event in span.events] == ["retry", "exception"]
    assert dict(span.events[1].attributes or {}) == {
        "exception.type": "ValueError",
        "exception.message": "second",
        "exception.stacktrace": "Traceback …",
    }
    assert dict(span.attributes or {}) == {
        "faas.name": "Work",
        "faas.trigger": "pubsub",
        "faas.invocation_id": run.invocation_id,
        "funchost.state": "failed",
        "funchost.attempts": 2,
        "funchost.origin": "jobs",
        "error.type": "ValueError",
        "messaging.operation.type": "process",
        "messaging.destination.name": "jobs",
        "messaging.message.id": "m-1",
        "messaging.message.delivery_count": 2,
    }


def test_what_a_function_logs_stands_in_its_span(told: Told) -> None:
    run = run_of(TriggerEvent(kind="http"))
    told.telemetry.started(run)
    header = {"invocation": run.invocation_id, "level": "warning", "logger": "shop.orders"}
    told.telemetry.worker_said(header, "low stock")
    told.telemetry.worker_said({"stream": "stdout", "invocation": ""}, "printed")
    told.telemetry.worker_said({"system": True, "level": "info"}, "worker began")
    told.telemetry.ended(run, make_outcome())
    first, second = told.logs
    (span,) = told.spans
    assert span.context is not None
    assert (first.body, first.severity_text) == ("low stock", "warning")
    assert (first.trace_id, first.span_id) == (span.context.trace_id, span.context.span_id)
    assert first.attributes["faas.invocation_id"] == run.invocation_id
    assert (second.body, second.trace_id) == ("printed", 0)


# -- through a collector


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.shutdown()
    collector.server_close()


def made(environ: dict[str, str], said: list[str]) -> Telemetry | None:
    return make_telemetry(environ, "shop", lambda: "1.2", ManualClock(), said.append)


async def test_a_collector_gets_spans_and_logs(collector: Collector) -> None:
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"{collector.url}/",
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=secret",
        "OTEL_SERVICE_NAME": "orders",
    }
    telemetry = made(environ, [])
    assert telemetry is not None
    run = run_of(TriggerEvent(kind="http"))
    telemetry.started(run)
    telemetry.worker_said({"invocation": run.invocation_id, "level": "info"}, "hello")
    telemetry.ended(run, make_outcome())
    await telemetry.close()
    (spans,) = collector.bodies("/v1/traces")
    found = ExportTraceServiceRequest.FromString(spans).resource_spans[0]
    assert found.scope_spans[0].spans[0].trace_id.hex() == run.trace.parent[3:35]
    names = {each.key: each.value.string_value for each in found.resource.attributes}
    assert names["service.name"] == "orders"
    (logs,) = collector.bodies("/v1/logs")
    record = ExportLogsServiceRequest.FromString(logs).resource_logs[0].scope_logs[0].log_records[0]
    assert (record.body.string_value, record.span_id.hex()) == ("hello", run.trace.parent[36:52])
    assert {headers.get("api-key") for _, _, headers in collector.taken} == {"secret"}


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": " "},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "TRUE"},
    ],
)
def test_without_a_collector_there_is_nothing(environ: dict[str, str]) -> None:
    said: list[str] = []
    assert made(environ, said) is None
    assert said == []


def test_a_protocol_that_is_not_spoken_is_told() -> None:
    said: list[str] = []
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    assert made(environ, said) is None
    assert "grpc" in said[0]


def test_settings_that_cannot_be_used_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "-1")
    said: list[str] = []
    assert made({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, said) is None
    assert "cannot be used" in said[0]


def test_what_is_not_installed_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace.export", None)
    said: list[str] = []
    assert made({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, said) is None
    assert len(said) == 1
    assert "pip install 'funchost[otel]'" in said[0]


async def test_a_collector_that_does_not_answer_does_not_hold_up_a_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(telemetry_module, "CLOSE_LIMIT", 0.05)
    ending = threading.Event()

    class Stuck(SimpleSpanProcessor):
        def shutdown(self) -> None:
            ending.wait(10)

    logs = no_logs()
    telemetry = Telemetry(
        Stuck(InMemorySpanExporter()), logs, service="shop", version="1", clock=ManualClock()
    )
    async with asyncio.timeout(timedelta(seconds=5).total_seconds()):
        await telemetry.close()
    ending.set()
