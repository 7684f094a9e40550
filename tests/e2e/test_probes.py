"""`/healthz`, `/readyz`, `/metrics` and traces of a host that serves."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from collector import Collector
from e2e.apps import until
from e2e.running import RunningHost, funchost
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

pytestmark = pytest.mark.e2e

HTTP: list[dict[str, Any]] = [
    {"type": "httpTrigger", "name": "req", "authLevel": "anonymous"},
    {"type": "http", "direction": "out", "name": "$return"},
]
QUEUE = {"type": "queueTrigger", "name": "job", "queueName": "jobs"}


def add(root: Path, name: str, code: str, *bindings: dict[str, Any]) -> None:
    (root / name).mkdir(parents=True)
    (root / name / "function.json").write_text(json.dumps({"bindings": bindings}))
    (root / name / "__init__.py").write_text(code)


def get(url: str, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def metrics(host: RunningHost, **headers: str) -> dict[tuple[str, ...], float]:
    """Each sample by its name and the values of its labels."""
    status, text = get(f"{host.url}/metrics", **headers)
    assert status == 200
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("app")
    (root / "host.json").write_text('{"version": "2.0"}')
    add(root, "Hello", "def main(req):\n    return 'hi'\n", *HTTP)
    add(root, "Fail", "def main(job):\n    raise ValueError('no')\n", QUEUE)
    add(root, "Die", "import os\ndef main(req):\n    os._exit(3)\n", *HTTP)
    return root


@pytest.fixture(scope="module")
def host(app: Path) -> Iterator[RunningHost]:
    with RunningHost(app, "--no-watch") as host:
        yield host


def test_a_host_that_serves_is_live_and_ready(host: RunningHost) -> None:
    assert get(f"{host.url}/healthz") == (200, '{"status":"live"}')
    status, text = get(f"{host.url}/readyz")
    document = json.loads(text)
    assert (status, document["status"]) == (200, "ready")
    names = {check["name"] for check in document["checks"]}
    assert names >= {"host", "workers", "storage", "shared storage", "function:Hello", "function:Fail"}
    assert all(check["ok"] and check["reason"] is None for check in document["checks"])


def test_a_host_whose_store_cannot_be_written_is_live_and_not_ready(host: RunningHost, app: Path) -> None:
    with contextlib.closing(sqlite3.connect(app / ".funchost" / "store.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        status, text = get(f"{host.url}/readyz")
        assert get(f"{host.url}/healthz")[0] == 200
    assert status == 503
    assert [check["name"] for check in json.loads(text)["checks"] if not check["ok"]] == ["storage"]
    until(lambda: get(f"{host.url}/readyz")[0] == 200, 20)


def test_strangers_are_told_no_more_than_yes(host: RunningHost) -> None:
    assert get(f"{host.url}/readyz", Host="elsewhere.example") == (200, '{"status":"ready"}')
    assert get(f"{host.url}/metrics", Host="elsewhere.example")[0] == 401
    assert get(f"{host.url}/metrics", Origin="http://elsewhere.example")[0] == 403


def test_what_a_host_does_is_counted(host: RunningHost, app: Path) -> None:
    before = metrics(host).get(("funchost_runs_total", "Hello", "succeeded"), 0)
    get(f"{host.url}/api/Hello")
    funchost("queues", "send", "jobs", "bad", "--root", app)
    until(lambda: ("funchost_poison_messages", "", "jobs-poison") in metrics(host), 20)
    found = metrics(host)
    assert found[("funchost_runs_total", "Hello", "succeeded")] == before + 1
    assert found[("funchost_runs_total", "Fail", "failed")] == 5
    assert found[("funchost_queue_messages", "", "jobs-poison", "visible")] == 1
    assert found[("funchost_workers",)] == 1


def test_a_worker_that_is_lost_is_counted(host: RunningHost) -> None:
    before = metrics(host)[("funchost_worker_restarts_total",)]
    assert get(f"{host.url}/api/Die")[0] >= 500
    until(lambda: metrics(host)[("funchost_worker_restarts_total",)] == before + 1, 20)


def test_beyond_this_machine_metrics_are_for_the_master_key(app: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    with RunningHost(app, "--no-watch", "--auth", "--store", store) as host:
        keys = json.loads(funchost("keys", "list", "--root", app, "--store", store, "--json").stdout)
        master = next(key["value"] for key in keys if key["name"] == "_master")
        assert get(f"{host.url}/metrics")[0] == 401
        assert get(f"{host.url}/readyz") == (200, '{"status":"ready"}')
        assert get(f"{host.url}/healthz")[0] == 200
        assert "checks" in get(f"{host.url}/readyz", **{"x-functions-key": master})[1]
        assert ("funchost_workers",) in metrics(host, Authorization=f"Bearer {master}")
        assert get(f"{host.url}/metrics", Authorization="Bearer wrong")[0] == 401


def test_a_function_for_all_paths_is_asked_itself(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0", "extensions": {"http": {"routePrefix": ""}}}')
    bindings: list[dict[str, Any]] = [{**HTTP[0], "route": "{*path}", "methods": ["get"]}, HTTP[1]]
    add(tmp_path, "All", "def main(req):\n    return 'mine'\n", *bindings)
    with RunningHost(tmp_path, "--no-watch") as host:
        assert get(f"{host.url}/healthz") == (200, "mine")
        assert get(f"{host.url}/metrics") == (200, "mine")


def test_an_app_that_is_offline_is_live_and_not_ready(app: Path, tmp_path: Path) -> None:
    offline = app / "app_offline.htm"
    offline.write_text("gone")
    try:
        with RunningHost(app, "--no-watch", "--store", tmp_path / "store") as host:
            assert get(f"{host.url}/healthz")[0] == 200
            status, text = get(f"{host.url}/readyz")
            assert status == 503
            (check,) = [one for one in json.loads(text)["checks"] if not one["ok"]]
            assert (check["name"], check["reason"]) == ("host", "it is offline")
    finally:
        offline.unlink()


def test_one_trace_goes_from_request_to_message_to_blob(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    out = {"type": "queue", "direction": "out", "name": "job", "queueName": "jobs"}
    blob = {"type": "blob", "direction": "out", "name": "to", "path": "made/{rand-guid}.txt"}
    code = "def main(req, job):\n    job.set('work')\n    return 'sent'\n"
    add(tmp_path, "First", code, *HTTP, out)
    code = "import logging\ndef main(job, to, context):\n    logging.warning('at work')\n    to.set('done')\n"
    add(tmp_path, "Second", code, QUEUE, blob)
    add(
        tmp_path,
        "Third",
        "def main(new):\n    pass\n",
        {"type": "blobTrigger", "name": "new", "path": "made/{name}"},
    )
    collector = Collector()
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    try:
        with RunningHost(tmp_path, "--no-watch", env=environ) as host:
            caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
            assert get(f"{host.url}/api/First", traceparent=caller) == (200, "sent")
            until(lambda: len(spans_of(collector)) == 3, 25, lambda: host.log)
    finally:
        collector.shutdown()
        collector.server_close()
    by_name = {span.name: span for span in spans_of(collector)}
    assert {span.trace_id.hex() for span in by_name.values()} == {caller[3:35]}
    assert by_name["First"].parent_span_id.hex() == caller[36:52]
    assert by_name["Second"].parent_span_id == by_name["First"].span_id
    assert by_name["Third"].parent_span_id == by_name["Second"].span_id
    records = [
        record
        for body in collector.bodies("/v1/logs")
        for resource in ExportLogsServiceRequest.FromString(body).resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    ]
    (logged,) = [record for record in records if record.body.string_value == "at work"]
    assert logged.span_id == by_name["Second"].span_id


def spans_of(collector: Collector) -> list[Any]:
    return [
        span
        for body in collector.bodies("/v1/traces")
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
