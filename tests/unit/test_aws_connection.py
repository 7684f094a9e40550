"""Connections to AWS as functions name them, and what stands in their way."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from fakes import ManualClock

from funchost.bindings.aws.session import AwsSession, in_thread
from funchost.bindings.aws.settings import AwsSettings
from funchost.bindings.aws.storage import AwsStorage
from funchost.bindings.errors import AccessDenied, BindingError, ConfigurationError
from funchost.bindings.names import sqs_queue_name
from funchost.bindings.storage import ConnectionSettings
from funchost.host.config.connection import Connection
from funchost.host.configuration import Configuration, HostOptions
from funchost.host.storage import Connected
from funchost.triggers.descriptor import FunctionDescriptor, Problem

AWS = {"Orders__provider": "aws", "Orders__region": "eu-west-1"}


def found(root: Path, *bindings: dict[str, Any]) -> tuple[list[FunctionDescriptor], list[Problem]]:
    """The function of these bindings, or what is wrong with it."""
    folder = root / "work"
    folder.mkdir()
    (root / "host.json").write_text('{"version": "2.0"}')
    (folder / "__init__.py").write_text("def main(job): ...")
    (folder / "function.json").write_text(json.dumps({"bindings": bindings}))
    discovery = Configuration(HostOptions(root=root, environ=AWS)).finder.find()
    return list(discovery.functions), list(discovery.problems)


def trigger(queue: str, **more: Any) -> dict[str, Any]:
    return {"type": "queueTrigger", "name": "job", "queueName": queue, "connection": "Orders", **more}


@pytest.mark.parametrize("queue", ["orders", "Orders_2", "orders.fifo", "q" * 80, "a"])
def test_queues_of_sqs_have_its_names_and_keep_their_case(tmp_path: Path, queue: str) -> None:
    [function], problems = found(tmp_path, trigger(queue, poisonQueueName="Given_Up"))
    assert (function.trigger.fields["queueName"], function.trigger.storage, problems) == (queue, "aws", [])


@pytest.mark.parametrize("queue", ["or.ders", "orders.Fifo", "q" * 81, "q" * 76 + ".fifo", "ördérs", "a b"])
def test_what_sqs_would_not_take_as_a_name_is_told(tmp_path: Path, queue: str) -> None:
    functions, [problem] = found(tmp_path, trigger(queue))
    assert functions == []
    assert "is not the name of a queue on SQS" in problem.message
    with pytest.raises(BindingError):
        sqs_queue_name(queue)


def test_there_are_no_tables_on_aws(tmp_path: Path) -> None:
    table = {"type": "table", "name": "t", "direction": "out", "tableName": "Orders", "connection": "Orders"}
    functions, [problem] = found(tmp_path, trigger("orders"), table)
    assert functions == []
    assert "leads to a storage without tables (aws)" in problem.message
    assert problem.key == "bindings[1].connection"


def test_without_boto3_a_connection_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    functions, [problem] = found(tmp_path, trigger("orders"))
    assert functions == []
    assert "boto3 is missing" in problem.message
    assert "pip install funchost[aws]" in (problem.fix or "")


def connection(name: str, **values: str) -> Connection:
    settings = ConnectionSettings(name=name, setting=name, values=values)
    return Connection(name, "aws", name, settings=settings)


async def test_connections_that_say_the_same_share_one_storage() -> None:
    connected = Connected(ManualClock())
    first = connected.storage(connection("Orders"))
    assert isinstance(first, AwsStorage)
    assert connected.storage(connection("Orders")) is first
    assert connected.storage(connection("Orders", region="eu-west-1")) is not first
    assert first.queues() is first.queues()
    assert first.blobs() is first.blobs()
    await connected.close()


async def test_a_host_shares_its_state_only_where_the_connection_names_a_bucket() -> None:
    connected = Connected(ManualClock())
    assert connected.host_storage(connection("AzureWebJobsStorage")) is None
    assert connected.host_storage(connection("AzureWebJobsStorage", bucket="shared")) is not None
    assert connected.host_storage(Connection("")) is None
    await connected.close()


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No region, no credentials, no configuration files."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.mark.parametrize(
    ("settings", "kind", "said"),
    [
        (AwsSettings(name="Orders"), ConfigurationError, "names no region. Set Orders__region"),
        (AwsSettings(name="Orders", region="eu-west-1"), AccessDenied, "has no credentials"),
        (AwsSettings(name="Orders", profile="dev"), ConfigurationError, "names the profile 'dev'"),
    ],
)
@pytest.mark.usefixtures("bare_environment")
async def test_what_is_missing_for_a_call_is_told(
    settings: AwsSettings, kind: type[Exception], said: str
) -> None:
    session = AwsSession(settings)
    with pytest.raises(kind, match=said):
        await session.call("sqs", "list_queues")
    session.close()


async def test_a_client_is_made_once_however_many_ask_for_it_at_the_same_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = AwsSession(AwsSettings(name="Orders", region="eu-west-1"))
    made: list[str] = []
    make = session._made

    def noted(service: str, patient: bool) -> Any:
        made.append(service)
        return make(service, patient)

    monkeypatch.setattr(session, "_made", noted)
    clients = await asyncio.gather(*(in_thread(lambda: session.client("sqs")) for _ in range(8)))
    assert len({id(client) for client in clients}) == 1
    assert made == ["sqs"]
    session.close()


async def test_work_in_a_thread_gives_its_result_or_its_error_and_never_holds_up_the_end() -> None:
    assert await in_thread(lambda: threading.current_thread().daemon)
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 // 0)
