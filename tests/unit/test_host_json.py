from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from funchost.host.config.host_json import read_host_json
from funchost.host.config.host_models import HostJson
from funchost.triggers.descriptor import Problem

#: Every section that Azure documents, and the file that its tools write for a new app.
EVERYTHING = """
{
  "version": "2.0",
  "$schema": "https://json.schemastore.org/host",
  "aggregator": {"batchSize": 1000, "flushTimeout": "00:00:30"},
  "concurrency": {"dynamicConcurrencyEnabled": true, "snapshotPersistenceEnabled": true},
  "logging": {
    "fileLoggingMode": "debugOnly",
    "logLevel": {"Function.MyFunction": "Information", "default": "None"},
    "console": {"isEnabled": "false", "DisableColors": true},
    "applicationInsights": {
      "enableDependencyTracking": true,
      "samplingSettings": {"isEnabled": true, "excludedTypes": "Request", "maxTelemetryItemsPerSecond": 20},
      "snapshotConfiguration": {"isEnabled": false}
    }
  },
  "extensionBundle": {"id": "Microsoft.Azure.Functions.ExtensionBundle", "version": "[4.*, 5.0.0)"},
  "customHandler": {"description": {"defaultExecutablePath": "server", "workingDirectory": "handler", "arguments": ["--port"]}, "enableForwardingHttpRequest": false},
  "extensions": {
    "blobs": {"maxDegreeOfParallelism": 4, "poisonBlobThreshold": 1},
    "cosmosDB": {"connectionMode": "Gateway"},
    "durableTask": {"hubName": "MyTaskHub", "storageProvider": {"type": "AzureStorage"}, "tracing": {}},
    "eventHubs": {"maxEventBatchSize": 100, "initialOffsetOptions": {"type": "fromStart"}},
    "eventHub": {}, "http": {"routePrefix": "api", "hsts": {"isEnabled": true, "maxAge": "10"}, "customHeaders": {"a": "b"}, "dynamicThrottlesEnabled": true, "maxOutstandingRequests": 20, "maxConcurrentRequests": 10, "enableChunkedRequestBinding": false},
    "kafka": {"maxBatchSize": 64}, "mcp": {"serverName": "x"}, "dapr": {},
    "queues": {"visibilityTimeout": "00:00:30", "batchSize": 16, "maxDequeueCount": 5, "newBatchThreshold": 8, "messageEncoding": "base64", "maxPollingInterval": "00:00:02"},
    "sendGrid": {"from": "Azure Functions <samples@functions.com>"},
    "serviceBus": {"prefetchCount": 1}, "signalR": {}, "rabbitMQ": {}, "tables": {}, "warmup": {}
  },
  "functions": ["QueueProcessor"],
  "functionTimeout": "00:05:00",
  "healthMonitor": {"enabled": true, "healthCheckInterval": "00:00:10", "healthCheckWindow": "00:02:00", "healthCheckThreshold": 6, "counterThreshold": 0.80},
  "managedDependency": {"enabled": true},
  "managedDependencies": {"enabled": true},
  "retry": {"strategy": "fixedDelay", "maxRetryCount": 5, "delayInterval": "00:00:05"},
  "singleton": {"lockPeriod": "00:00:15", "listenerLockPeriod": "00:01:00", "listenerLockRecoveryPollingInterval": "00:01:00", "lockAcquisitionTimeout": "00:01:00", "lockAcquisitionPollingInterval": "00:00:03"},
  "telemetryMode": "OpenTelemetry",
  "watchDirectories": ["Shared", "Test"],
  "watchFiles": ["myFile.txt"],
  "httpWorker": {}, "serviceBus": {}, "eventHub": {}, "isDefaultHostConfig": true, "metadataProviderTimeout": "00:00:30", "sendCanceledInvocationsToWorker": true, "fileWatchingEnabled": true
}
"""


def read(
    root: Path, text: str | None, environ: Mapping[str, str] | None = None
) -> tuple[HostJson, tuple[Problem, ...]]:
    if text is not None:
        (root / "host.json").write_text(text, encoding="utf-8")
    return read_host_json(root, environ or {})


def body(text: str) -> str:
    return '{"version": "2.0",\n' + text + "}"


def test_a_missing_file_means_the_defaults_and_no_problem(tmp_path: Path) -> None:
    host_json, problems = read(tmp_path, None)
    assert problems == ()
    assert host_json == HostJson()
    assert host_json.functionTimeout == timedelta(minutes=30)
    assert (host_json.extensions.http.routePrefix, host_json.extensions.queues.batchSize) == ("api", 16)
    assert host_json.singleton.lockAcquisitionTimeout is None


def test_values_are_read_with_comments_in_any_case_and_as_text(tmp_path: Path) -> None:
    host_json, problems = read(
        tmp_path,
        body("""
        // how queues are read
        "Extensions": {"QUEUES": {"BatchSize": "4", "maxPollingInterval": 500, "messageEncoding": "None",
                                  "visibilityTimeout": "00:00:30"}},
        "logging": {"logLevel": {"default": "information", "Host.Results": "Error"}},
        "aggregator": {"isEnabled": "false"}, "functionTimeout": "-1", "$schema": "x",
        """),
    )
    assert problems == ()
    queues = host_json.extensions.queues
    assert (
        queues.batchSize,
        queues.maxPollingInterval,
        queues.messageEncoding,
        queues.visibilityTimeout,
    ) == (
        4,
        timedelta(milliseconds=500),
        "none",
        timedelta(seconds=30),
    )
    assert host_json.logging.logLevel == {"default": "Information", "Host.Results": "Error"}
    assert host_json.functionTimeout is None
    assert host_json.aggregator.isEnabled is False


def test_what_azure_knows_is_accepted_though_it_has_no_effect(tmp_path: Path) -> None:
    _, problems = read(
        tmp_path,
        body(
            '"extensionBundle": {"id": "x", "version": "[4.*, 5.0.0)"}, "customHandler": {}, "healthMonitor": {},'
            '"concurrency": {"CPUThreshold": 0.5}, "extensions": {"durableTask": {"hubName": "a"}},'
            '"logging": {"applicationInsights": {"samplingSettings": {"isEnabled": true}}}'
        ),
    )
    assert problems == ()


def test_a_file_with_everything_in_it_brings_no_complaint(tmp_path: Path) -> None:
    _, problems = read(tmp_path, EVERYTHING)
    assert problems == ()


@pytest.mark.parametrize(
    ("text", "key", "sentence"),
    [
        ('"extensions": {"queues": {"batchSize": 33}}', "extensions.queues.batchSize", "out of range"),
        ('"extensions": {"queues": {"batchSize": true}}', "extensions.queues.batchSize", "a whole number"),
        ('"extensions": {"queues": 5}', "extensions.queues", "an object"),
        ('"functionTimeout": "00:00:00"', "functionTimeout", "out of range"),
        ('"functionTimeout": "soon"', "functionTimeout", "hh:mm:ss"),
        ('"functionTimeout": 30', "functionTimeout", "a duration in quotes"),
        ('"singleton": {"lockPeriod": "00:02:00"}', "singleton.lockPeriod", "out of range"),
        (
            '"extensions": {"queues": {"maxPollingInterval": 99}}',
            "extensions.queues.maxPollingInterval",
            "range",
        ),
        ('"functions": "A"', "functions", "a list"),
        ('"logging": {"fileLoggingMode": "sometimes"}', "logging.fileLoggingMode", "not one of"),
        ('"retry": {"strategy": "fixedDelay"}', "retry.maxRetryCount", "missing"),
        ('"retry": {"strategy": "fixedDelay", "maxRetryCount": 3}', "retry.delayInterval", "needs"),
        ('"retry": {"maxRetryCount": -2}', "retry.maxRetryCount", "out of range"),
        (
            '"retry": {"maxRetryCount": 1, "minimumInterval": "00:00:02", "maximumInterval": "00:00:01"}',
            "retry.minimumInterval",
            "longer",
        ),
    ],
)
def test_a_wrong_value_is_an_error_with_its_place(tmp_path: Path, text: str, key: str, sentence: str) -> None:
    host_json, problems = read(tmp_path, body(text))
    (problem,) = problems
    assert (problem.file, problem.key, problem.line, problem.severity) == ("host.json", key, 2, "error")
    assert sentence in problem.message
    assert problem.function is None
    assert host_json.extensions.queues.batchSize == 16
    assert host_json.retry is None


@pytest.mark.parametrize("text", ["{}", '{"version": "1.0"}', '{"version": 2.0}'])
def test_a_wrong_or_missing_version_is_an_error(tmp_path: Path, text: str) -> None:
    _, problems = read(tmp_path, text)
    assert [(each.key, each.severity) for each in problems] == [("version", "error")]


@pytest.mark.parametrize(("text", "line"), [('{"version": "2.0"\n"functions": []}', 2), ("", 1), ("[]", 1)])
def test_a_file_that_is_no_json_object_is_an_error_and_the_defaults_count(
    tmp_path: Path, text: str, line: int
) -> None:
    host_json, problems = read(tmp_path, text)
    assert host_json == HostJson()
    assert [(each.line, each.severity) for each in problems] == [(line, "error")]


@pytest.mark.parametrize(
    ("text", "key", "fix"),
    [
        ('"functionTimeOuts": 1', "functionTimeOuts", "Did you mean functionTimeout?"),
        (
            '"extensions": {"queues": {"batchsise": 1}}',
            "extensions.queues.batchsise",
            "extensions.queues.batchSize?",
        ),
        ('"queues": {"batchSize": 1}', "queues.batchSize", "Did you mean extensions.queues.batchSize?"),
        (
            '"extensions": {"batchSize": 1}',
            "extensions.batchSize",
            "Did you mean extensions.queues.batchSize?",
        ),
        ('"http": {"routePrefix": ""}', "http.routePrefix", "Did you mean extensions.http.routePrefix?"),
        ('"routePrefix": ""', "routePrefix", "Did you mean extensions.http.routePrefix?"),
        ('"maxRetryCount": 1', "maxRetryCount", "Did you mean retry.maxRetryCount?"),
        ('"zzz": 1', "zzz", "Remove it; known here: version, functions"),
    ],
)
def test_an_unknown_key_is_a_warning_with_the_nearest_known_one(
    tmp_path: Path, text: str, key: str, fix: str
) -> None:
    host_json, problems = read(tmp_path, body(text))
    (problem,) = problems
    assert (problem.file, problem.key, problem.line, problem.severity) == ("host.json", key, 2, "warning")
    assert fix in (problem.fix or "")
    assert host_json == HostJson()


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    _, problems = read(
        tmp_path, '{"version": "3", "queues": {"batchSize": 1, "x": 2},\n"watchFiles": 3, "watchfiles": 4}'
    )
    assert [(each.key, each.line) for each in problems] == [
        ("watchfiles", 2),
        ("version", 1),
        ("queues.batchSize", 1),
        ("queues.x", 1),
        ("watchFiles", 2),
        ("watchfiles", 2),
    ]


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    host_json, problems = read(
        tmp_path,
        body('"functions": ["A", "B"], "extensions": {"http": {"routePrefix": "v1"}}'),
        {
            "azurefunctionsjobhost__extensions__HTTP__routeprefix": "v2",
            "AzureFunctionsJobHost:extensions:queues:batchSize": "8",
            "AzureFunctionsJobHost__functions__1": "C",
            "AzureFunctionsJobHost__functions__10": "E",
            "AzureFunctionsJobHost__functions__2": "D",
            "AzureFunctionsJobHost__logging__logLevel__Host.Results": "Debug",
        },
    )
    assert problems == ()
    assert host_json.extensions.http.routePrefix == "v2"
    assert host_json.extensions.queues.batchSize == 8
    assert host_json.functions == ["A", "C", "D", "E"]
    assert host_json.logging.logLevel == {"Host.Results": "Debug"}


def test_the_environment_counts_without_a_file(tmp_path: Path) -> None:
    host_json, problems = read(tmp_path, None, {"AzureFunctionsJobHost__functions__0": "A"})
    assert (host_json.functions, problems) == (["A"], ())


def test_a_wrong_override_is_told_by_its_variable(tmp_path: Path) -> None:
    _, problems = read(tmp_path, body(""), {"AzureFunctionsJobHost__extensions__queues__batchSize": "many"})
    (problem,) = problems
    assert (problem.file, problem.key) == (None, "AzureFunctionsJobHost__extensions__queues__batchSize")


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "host.json").mkdir()
    _, problems = read(tmp_path, None)
    assert "cannot be read" in problems[0].message
