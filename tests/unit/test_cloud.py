"""What a developer is told of functions that work with services that others use too."""

from __future__ import annotations

from typing import Any

import pytest
from fakes import make_function

from funchost.bindings.aws.settings import aws_settings
from funchost.bindings.clock import SystemClock
from funchost.bindings.storage import ConnectionSettings, Storage
from funchost.host.cloud import CloudUse, cloud_uses
from funchost.triggers.descriptor import Binding


class Cloud(Storage):
    """A storage that is one, or an emulator."""

    cloud = True

    @property
    def place(self) -> str:
        return "AWS in eu-west-1"

    @property
    def is_cloud(self) -> bool:
        return self.cloud


def storage(name: str) -> Cloud:
    return Cloud(ConnectionSettings(name=name, setting=name), SystemClock())


ORDERS, STATE = storage("Orders"), storage("AzureWebJobsStorage")


def storage_of(binding: Binding) -> Storage | None:
    return {"Orders": ORDERS}.get(binding.fields.get("connection", ""))


def bound(kind: str, direction: str = "in", **fields: Any) -> Binding:
    return Binding(type=kind, name="b", direction=direction, fields={"connection": "Orders", **fields})


def test_what_is_taken_read_and_written_is_told_by_connection() -> None:
    jobs = {"queueName": "jobs", "connection": "Orders"}
    bills = bound("queue", "out", queueName="bills")
    functions = [
        make_function("queueTrigger", jobs, name="work", bindings=(bills, bills)),
        make_function("queueTrigger", jobs, name="count", bindings=(bound("blob", path="in/{id}"),)),
        make_function("httpTrigger", {"route": "r"}, name="web", bindings=(bills,)),
        make_function("queueTrigger", {"queueName": "own"}, name="local"),
    ]
    [use] = cloud_uses(functions, storage_of, None)
    assert use == CloudUse(
        place="AWS in eu-west-1",
        connection="Orders",
        takes={"queue jobs": ["work", "count"]},
        reads={"blobs in/{id}": ["count"]},
        writes={"queue bills": ["work", "web"]},
    )
    assert use.sentence == (
        "This host was started on this machine, and does real work at AWS in eu-west-1 (connection Orders): "
        "takes queue jobs (work, count); reads blobs in/{id} (count); writes queue bills (work, web)."
    )


def test_the_hosts_own_storage_is_told_too() -> None:
    [use] = cloud_uses([], storage_of, STATE)
    assert (use.connection, use.keeps_state) == ("AzureWebJobsStorage", True)
    assert use.deeds == {"keeps": "locks, keys and schedules of the app's hosts"}


def test_an_emulator_is_no_real_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cloud, "cloud", False)
    function = make_function("queueTrigger", {"queueName": "jobs", "connection": "Orders"})
    assert cloud_uses([function], storage_of, STATE) == []


def test_of_very_many_things_some_are_named() -> None:
    outputs = tuple(bound("queue", "out", queueName=f"q{number}") for number in range(9))
    [use] = cloud_uses([make_function("httpTrigger", {}, bindings=outputs)], storage_of, None)
    assert use.deeds["writes"].endswith("queue q5 (Work), and 3 more")


@pytest.mark.parametrize(
    ("values", "environment", "place", "is_cloud"),
    [
        ({"region": "eu-west-1"}, {}, "AWS in eu-west-1", True),
        ({}, {"AWS_REGION": "eu-west-2", "AWS_DEFAULT_REGION": "eu-west-3"}, "AWS in eu-west-2", True),
        ({}, {"AWS_DEFAULT_REGION": "eu-west-3"}, "AWS in eu-west-3", True),
        ({}, {}, "AWS", True),
        ({"endpointurl": "https://sqs.eu-west-1.amazonaws.com"}, {}, None, True),
        ({"endpointurl": "https://nyc3.storage.example.com"}, {}, None, True),
        ({"endpointurl": "http://127.0.0.1:5000"}, {}, None, False),
        ({"endpointurl": "http://localhost:4566"}, {}, None, False),
        ({"endpointurl": "http://[::1]:4566"}, {}, None, False),
        ({"endpointurl": "http://192.168.1.7:9000"}, {}, None, False),
        ({"endpointurl": "http://localstack:4566"}, {}, None, False),
        ({"endpointurl": "https://localhost.localstack.cloud:4566"}, {}, None, False),
        ({}, {"AWS_ENDPOINT_URL": "http://localhost:4566"}, "http://localhost:4566", False),
        ({"region": "a"}, {"AWS_ENDPOINT_URL": "http://x", "AWS_ENDPOINT_URL_SQS": "y"}, "AWS in a", True),
        (
            {"region": "a"},
            {"AWS_ENDPOINT_URL": "http://localhost", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
            "AWS in a",
            True,
        ),
        ({"endpointurl": "http://emulator.example.com", "emulated": "true"}, {}, None, False),
    ],
)
def test_where_a_connection_leads_is_known_before_boto3_is_there(
    values: dict[str, str], environment: dict[str, str], place: str | None, is_cloud: bool
) -> None:
    found = aws_settings(ConnectionSettings(name="Orders", setting="Orders", values=values), environment)
    assert (found.place, found.is_cloud) == (place or values["endpointurl"], is_cloud)
