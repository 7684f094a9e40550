"""Whether runs are told to OpenTelemetry: where OTEL_EXPORTER_OTLP_ENDPOINT names a collector. Nothing of the
library is imported otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ...bindings.clock import Clock

if TYPE_CHECKING:
    from .telemetry import Telemetry

_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL"
_SPOKEN = "http/protobuf"


def make_telemetry(
    environ: Mapping[str, str],
    service: str,
    version: Callable[[], str],
    clock: Clock,
    report: Callable[[str], None],
) -> Telemetry | None:
    """What tells a collector of the runs of the app `service`, as the app's settings say; None where none is named."""
    base = environ.get(_ENDPOINT, "").strip().rstrip("/")
    if not base or environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    protocol = environ.get(_PROTOCOL, "").strip() or _SPOKEN
    if protocol != _SPOKEN:
        report(f"No traces are sent: {_PROTOCOL} is {protocol}, and only {_SPOKEN} is spoken here.")
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.util.re import parse_env_headers

        from .telemetry import Telemetry
    except ImportError as error:
        report(f"{_ENDPOINT} is set, but no traces are sent: pip install 'funchost[otel]' ({error}).")
        return None
    headers = parse_env_headers(environ.get("OTEL_EXPORTER_OTLP_HEADERS", ""), liberal=True)
    try:
        spans = BatchSpanProcessor(OTLPSpanExporter(f"{base}/v1/traces", headers=headers))
        logs = BatchLogRecordProcessor(OTLPLogExporter(f"{base}/v1/logs", headers=headers))
    except (ValueError, TypeError, OSError) as error:
        report(f"No traces are sent, since the settings for OpenTelemetry cannot be used: {error}")
        return None
    return Telemetry(
        spans,
        logs,
        service=environ.get("OTEL_SERVICE_NAME") or service,
        version=version(),
        clock=clock,
    )
