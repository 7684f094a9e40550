"""`funchost config`: what is shown, where it came from, and what is masked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from funchost.host.configuration import Configuration, HostOptions
from funchost.host.operations.config_origin import Origin
from funchost.host.operations.config_secrets import looks_secret
from funchost.host.operations.config_view import ConfigView, Value, config_document, config_view
from funchost.host.operations.doctor.look import look_at

QUEUE = {"type": "queueTrigger", "name": "job", "queueName": "jobs"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "host.json").write_text('{\n  "version": "2.0"\n}')
    return tmp_path


def write(path: Path, document: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document, indent=1))


def add(root: Path, name: str, *bindings: dict[str, Any], **more: Any) -> None:
    write(root / name / "function.json", {"bindings": bindings, **more})
    (root / name / "__init__.py").write_text("def main(job): pass\n")


async def view(root: Path, environ: dict[str, str] | None = None, **options: Any) -> ConfigView:
    effective = options.pop("effective", True)
    configuration = Configuration(HostOptions(root=root, environ=environ or {}, **options))
    return config_view(configuration, await look_at(configuration, load=False), effective=effective)


def one(found: ConfigView, section: str, key: str) -> Value:
    [value] = [each for each in found.values if (each.section, each.key) == (section, key)]
    return value


async def shown(found: ConfigView, section: str, key: str) -> tuple[Any, str]:
    value = one(found, section, key)
    return value.value, str(value.origin)


# -- host.json


async def test_a_value_of_host_json_has_its_line(root: Path) -> None:
    write(root / "host.json", {"version": "2.0", "functionTimeout": "00:05:00"})
    found = await view(root)
    assert await shown(found, "host.json", "functionTimeout") == ("00:05:00", "host.json:3")
    assert one(found, "host.json", "functionTimeout").origin.key == "functionTimeout"


async def test_what_is_said_nowhere_is_a_default_and_shown_only_when_asked_for(root: Path) -> None:
    key = "extensions.queues.batchSize"
    assert await shown(await view(root), "host.json", key) == (16, "default")
    found = await view(root, effective=False)
    assert [value.key for value in found.values] == ["version"]


async def test_a_variable_that_says_it_over_the_file_is_told_with_both(root: Path) -> None:
    write(root / "host.json", {"version": "2.0", "extensions": {"queues": {"batchSize": 8}}})
    name = "AzureFunctionsJobHost__extensions__queues__batchSize"
    value, origin = await shown(await view(root, {name: "4"}), "host.json", "extensions.queues.batchSize")
    assert (value, origin) == (4, f"environment {name}, over host.json:5")


async def test_such_a_variable_may_stand_in_local_settings(root: Path) -> None:
    name = "AzureFunctionsJobHost__functionTimeout"
    write(root / "local.settings.json", {"Values": {name: "00:01:00"}})
    found = await view(root)
    assert await shown(found, "host.json", "functionTimeout") == ("00:01:00", "local.settings.json:3")


async def test_a_value_that_is_wrong_is_told_and_the_default_shown(root: Path) -> None:
    write(root / "host.json", {"version": "2.0", "extensions": {"queues": {"batchSize": 99}}})
    found = await view(root)
    assert await shown(found, "host.json", "extensions.queues.batchSize") == (16, "default")
    assert found.failed


async def test_no_limit_is_shown_as_it_is_written(root: Path) -> None:
    write(root / "host.json", {"version": "2.0", "functionTimeout": "-1"})
    assert await shown(await view(root), "host.json", "functionTimeout") == ("-1", "host.json:3")


async def test_keys_of_objects_that_may_hold_anything_are_shown_one_by_one(root: Path) -> None:
    write(root / "host.json", {"version": "2.0", "logging": {"logLevel": {"Function.orders": "Debug"}}})
    found = await view(root)
    assert await shown(found, "host.json", "logging.logLevel.Function.orders") == ("Debug", "host.json:5")


async def test_an_app_without_host_json_has_defaults_alone(tmp_path: Path) -> None:
    found = await view(tmp_path)
    assert str(one(found, "host.json", "version").origin) == "default"
    assert not found.failed


# -- settings


async def test_a_setting_has_its_line_or_its_variable(root: Path) -> None:
    write(root / "local.settings.json", {"Values": {"A": "1", "B": "2"}})
    found = await view(root, {"b": "3"})
    assert await shown(found, "settings", "A") == ("1", "local.settings.json:3")
    assert await shown(found, "settings", "B") == ("3", "environment b, over local.settings.json:4")


async def test_of_the_environment_only_what_concerns_the_app_is_shown(root: Path) -> None:
    add(root, "f", {**QUEUE, "queueName": "%NAME%", "connection": "Orders"})
    environ = {"NAME": "jobs", "Orders__provider": "aws", "Orders__region": "x", "OTHER": "1", "TZ": "UTC"}
    found = await view(root, environ, effective=False)
    names = [value.key for value in found.values if value.section == "settings"]
    assert names == ["NAME", "Orders__provider", "Orders__region", "TZ"]


async def test_what_the_host_adds_is_a_default(root: Path) -> None:
    name = "AZURE_FUNCTIONS_ENVIRONMENT"
    assert await shown(await view(root), "settings", name) == ("Development", "default")
    assert await shown(await view(root, {name: "Production"}), "settings", name) == (
        "Production",
        f"environment {name}",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ApiKey", "abcdefgh"),
        ("DB_PASSWORD", "abcdefgh"),
        ("AWS_SECRET_ACCESS_KEY", "abcdefgh"),
        ("GITHUB_TOKEN", "abcdefgh"),
        ("ConnectionStrings:Db", "Server=x"),
        ("SqlConnection", "Server=x"),
        ("Anything", "AccountName=a;AccountKey=abc=="),
        ("Anything", "Endpoint=sb://x;SharedAccessKeyName=a;SharedAccessKey=b"),
        ("Anything", "Server=x;Password=y"),
        ("Anything", "postgres://me:secret@host/db"),
        ("Anything", "https://x/blob?sv=1&sig=abc"),
        ("Orders__accountKey", "abcdefgh"),
        ("AzureWebJobsStorage", "DefaultEndpointsProtocol=https;AccountName=x"),
    ],
)
def test_what_looks_like_a_secret_is_one(name: str, value: str) -> None:
    assert looks_secret(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AzureWebJobsStorage", "UseDevelopmentStorage=true"),
        ("FUNCTIONS_WORKER_RUNTIME", "python"),
        ("OrdersConnection__region", "eu-west-1"),
        ("Orders__provider", "aws"),
        ("Url", "https://example.com/x?a=b"),
        ("ApiKey", ""),
        ("UseKey", "true"),
    ],
)
def test_what_does_not_is_none(name: str, value: str) -> None:
    assert not looks_secret(name, value)


async def test_secrets_are_masked_unless_asked_for(root: Path) -> None:
    write(root / "local.settings.json", {"Values": {"ApiKey": "abcdefgh", "A": "1"}})
    found = await view(root)
    assert (one(found, "settings", "ApiKey").value, one(found, "settings", "ApiKey").masked.value) == (
        "abcdefgh",
        "***",
    )
    assert one(found, "settings", "A").masked.value == "1"


# -- start


async def test_the_command_line_counts_before_local_settings_and_defaults(root: Path) -> None:
    write(root / "local.settings.json", {"Host": {"LocalHttpPort": 7073, "CORS": "*"}})
    found = await view(root)
    assert await shown(found, "start", "port") == (7073, "local.settings.json:3")
    assert await shown(found, "start", "cors") == ("*", "local.settings.json:4")
    assert await shown(await view(root, port=9000), "start", "port") == (9000, "command line --port")
    assert await shown(found, "start", "address") == ("127.0.0.1", "default")


async def test_workers_and_zone_come_from_settings(root: Path) -> None:
    environ = {"FUNCTIONS_WORKER_PROCESS_COUNT": "3", "TZ": "Europe/Berlin"}
    found = await view(root, environ)
    assert await shown(found, "start", "workers") == (3, "environment FUNCTIONS_WORKER_PROCESS_COUNT")
    assert await shown(found, "start", "timeZone") == ("Europe/Berlin", "environment TZ")
    assert await shown(await view(root, environ, workers=2), "start", "workers") == (
        2,
        "command line --workers",
    )


async def test_keys_are_asked_for_where_others_can_call(root: Path) -> None:
    asked = await shown(await view(root, address="0.0.0.0"), "start", "auth")
    assert asked == (True, "default (an address that others reach)")


# -- functions


async def test_a_policy_comes_from_the_function_then_host_json_then_nowhere(root: Path) -> None:
    write(root / "host.json", {"version": "2.0", "extensions": {"queues": {"maxDequeueCount": 3}}})
    add(root, "f", {**QUEUE, "batchSize": 4}, timeout="00:00:09")
    found = await view(root)
    assert await shown(found, "function f", "batchSize") == (4, "f/function.json:7")
    assert await shown(found, "function f", "newBatchThreshold") == (2, "f/function.json:7")
    assert await shown(found, "function f", "timeout") == ("00:00:09", "f/function.json:10")
    assert await shown(found, "function f", "maxDequeueCount") == (3, "host.json:5")
    assert await shown(found, "function f", "visibilityTimeout") == ("00:00:00", "default")
    assert one(found, "function f", "batchSize").origin.key == "bindings[0].batchSize"


async def test_queue_policies_are_left_out_where_they_mean_nothing(root: Path) -> None:
    add(root, "f", {"type": "timerTrigger", "name": "job", "schedule": "0 0 3 * * *"})
    keys = {value.key for value in (await view(root)).values if value.section == "function f"}
    assert {"retry", "singleton", "timeout", "concurrency", "disabled"} <= keys
    assert "batchSize" not in keys


async def test_a_retry_policy_is_shown_as_it_is_written(root: Path) -> None:
    retry = {"strategy": "fixedDelay", "maxRetryCount": 2, "delayInterval": "00:00:05"}
    add(root, "f", QUEUE, retry=retry)
    found = one(await view(root), "function f", "retry")
    assert (found.value, found.origin.file) == (retry, "f/function.json")


async def test_what_disables_a_function_is_told(root: Path) -> None:
    add(root, "f", QUEUE, disabled=True)
    add(root, "g", QUEUE)
    found = await view(root, {"AzureWebJobs.g.Disabled": "1"})
    assert await shown(found, "function f", "disabled") == (True, "f/function.json:9")
    assert await shown(found, "function g", "disabled") == (True, "environment AzureWebJobs.g.Disabled")


async def test_the_policies_of_changes_come_from_blobs(root: Path) -> None:
    write(root / "host.json", {"version": "2.0", "extensions": {"blobs": {"poisonBlobThreshold": 2}}})
    add(root, "f", {"type": "blobTrigger", "name": "job", "path": "uploads/{name}"})
    assert await shown(await view(root), "function f", "maxDequeueCount") == (2, "host.json:5")


# -- the document


async def test_the_document_has_all_of_it(root: Path) -> None:
    document = config_document(await view(root, effective=False))
    [value] = document["values"]
    assert value == {
        "section": "host.json",
        "key": "version",
        "value": "2.0",
        "secret": False,
        "origin": {
            "kind": "file",
            "file": "host.json",
            "line": 2,
            "key": "version",
            "name": None,
            "over": None,
        },
    }
    assert document["problems"] == []


def test_an_origin_without_a_line_names_the_file() -> None:
    assert str(Origin(kind="file", file="host.json")) == "host.json"
