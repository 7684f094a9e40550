"""What functions name is made at the emulator: queues, buckets, notifications. Once, and nothing is taken away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aws import Aws
from fakes import ManualClock

from funchost.bindings.aws.storage import AwsStorage
from funchost.bindings.errors import ConfigurationError
from funchost.bindings.storage import ConnectionSettings, Storage
from funchost.host.emulator.provision import provision
from funchost.triggers.descriptor import Binding, FunctionDescriptor


class Place:
    """One connection to the emulator, with names of its own."""

    def __init__(self, aws: Aws, **more: str) -> None:
        self.aws = aws
        values = {
            "endpointurl": aws.url,
            "region": "us-east-1",
            "queueprefix": aws.prefix,
            "bucketprefix": aws.prefix,
            "emulated": "true",
            **more,
        }
        settings = ConnectionSettings(name="Cloud", setting="Cloud", values=values)
        self.storage = AwsStorage(settings, ManualClock())
        self.said: list[str] = []

    async def provision(self, *functions: FunctionDescriptor) -> None:
        await provision(functions, self._storage_of, self.said.append)

    def _storage_of(self, connection: str) -> Storage | None:
        if connection == "Missing":
            raise ConfigurationError("The connection 'Missing' cannot be used.")
        return self.storage if connection == "Cloud" else None

    async def client(self, service: str, operation: str, **arguments: Any) -> Any:
        return await asyncio.to_thread(lambda: getattr(self.storage.client(service), operation)(**arguments))

    async def queues(self) -> list[str]:
        answer = await self.client("sqs", "list_queues", QueueNamePrefix=self.aws.prefix)
        return sorted(
            url.rpartition("/")[2].removeprefix(self.aws.prefix) for url in answer.get("QueueUrls", ())
        )

    async def buckets(self) -> list[str]:
        answer = await self.client("s3", "list_buckets", Prefix=self.aws.prefix)
        return sorted(bucket["Name"].removeprefix(self.aws.prefix) for bucket in answer["Buckets"])

    async def rules(self, bucket: str) -> list[dict[str, Any]]:
        answer = await self.client(
            "s3", "get_bucket_notification_configuration", Bucket=self.aws.prefix + bucket
        )
        found: list[dict[str, Any]] = answer.get("QueueConfigurations", [])
        return found

    async def messages(self, queue: str) -> list[dict[str, Any]]:
        url = (await self.client("sqs", "get_queue_url", QueueName=self.aws.prefix + queue))["QueueUrl"]
        answer = await self.client("sqs", "receive_message", QueueUrl=url, MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in answer.get("Messages", ())]


@pytest.fixture
async def place(aws: Aws) -> AsyncIterator[Place]:
    place = Place(aws)
    yield place
    await place.storage.close()


def function(name: str, trigger: Binding, *bindings: Binding) -> FunctionDescriptor:
    return FunctionDescriptor(
        name=name,
        directory=Path(name),
        script_file=Path(name) / "__init__.py",
        entry_point="main",
        trigger=trigger,
        bindings=bindings,
    )


def binding(kind: str, direction: str = "in", connection: str = "Cloud", **fields: str) -> Binding:
    return Binding(type=kind, name="x", direction=direction, fields={"connection": connection, **fields})


def on_blobs(name: str, path: str, **more: str) -> FunctionDescriptor:
    told = {"source": "notifications", "notificationQueue": "news"}
    return function(name, binding("blobTrigger", path=path, **told, **more))


async def test_queues_and_buckets_are_made_with_their_prefixes(place: Place) -> None:
    await place.provision(
        function(
            "work",
            binding("queueTrigger", queueName="jobs"),
            binding("queue", "out", queueName="done"),
            binding("blob", "out", path="results/{id}.json"),
        ),
        function(
            "look", binding("blobTrigger", path="inbox/{name}"), binding("blob", path="lists/today.txt")
        ),
    )
    assert await place.queues() == ["done", "jobs"]
    assert await place.buckets() == ["inbox", "lists", "results"]
    assert place.said == []


async def test_a_fifo_queue_is_one(place: Place) -> None:
    await place.provision(function("work", binding("queueTrigger", queueName="jobs.fifo")))
    url = place.aws.prefix + "jobs.fifo"
    url = (await place.client("sqs", "get_queue_url", QueueName=url))["QueueUrl"]
    told = await place.client("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["All"])
    assert told["Attributes"]["ContentBasedDeduplication"] == told["Attributes"]["FifoQueue"] == "true"


async def test_what_depends_on_the_event_and_what_is_elsewhere_is_not_made(place: Place) -> None:
    await place.provision(
        function(
            "work",
            binding("httpTrigger"),
            binding("queue", "out", queueName="to-{name}"),
            binding("blob", "out", path="{name}/x"),
            binding("queue", "out", connection="", queueName="embedded"),
            binding("table", "out", tableName="Orders"),
        )
    )
    assert (await place.queues(), await place.buckets(), place.said) == ([], [], [])


async def test_a_connection_to_an_account_is_left_alone(aws: Aws) -> None:
    place = Place(aws, emulated="false")
    await place.provision(function("work", binding("queueTrigger", queueName="jobs")))
    assert await place.queues() == []
    await place.storage.close()


async def test_what_is_there_stays_as_it_is(place: Place) -> None:
    url = place.aws.prefix + "jobs"
    await place.client("sqs", "create_queue", QueueName=url, Attributes={"VisibilityTimeout": "77"})
    west = {"LocationConstraint": "eu-west-1"}
    await place.client(
        "s3", "create_bucket", Bucket=f"{place.aws.prefix}inbox", CreateBucketConfiguration=west
    )
    work = function("work", binding("queueTrigger", queueName="jobs"), binding("blob", path="inbox/x"))
    await place.provision(work)
    await place.provision(work)
    assert (await place.queues(), await place.buckets(), place.said) == (["jobs"], ["inbox"], [])
    url = (await place.client("sqs", "get_queue_url", QueueName=url))["QueueUrl"]
    told = await place.client("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["All"])
    assert told["Attributes"]["VisibilityTimeout"] == "77"


async def test_a_bucket_tells_the_queue_of_what_the_path_is_for(place: Place) -> None:
    await place.provision(on_blobs("look", "inbox/new/{name}.txt"))
    assert "s3:TestEvent" in [each.get("Event") for each in await place.messages("news")]
    for key in ("new/a.txt", "old/b.txt"):
        await place.client("s3", "put_object", Bucket=f"{place.aws.prefix}inbox", Key=key, Body=b"x")
    [told] = await place.messages("news")
    assert told["Records"][0]["s3"]["object"]["key"] == "new%2Fa.txt"


async def test_rules_of_others_stay_and_are_set_once(place: Place) -> None:
    await place.provision(on_blobs("look", "inbox/new/{name}"))
    [rule] = await place.rules("inbox")
    theirs = {**rule, "Id": "theirs", "Events": ["s3:ObjectRemoved:*"]}
    theirs["Filter"] = {"Key": {"FilterRules": [{"Name": "suffix", "Value": ".gone"}]}}
    await place.client(
        "s3",
        "put_bucket_notification_configuration",
        Bucket=f"{place.aws.prefix}inbox",
        NotificationConfiguration={"QueueConfigurations": [rule, theirs]},
    )
    await place.messages("news")
    await place.provision(on_blobs("look", "inbox/new/{name}"))
    assert {each["Id"] for each in await place.rules("inbox")} == {"funchost-look", "theirs"}
    # Nothing was set anew: that would have sent another test event.
    assert await place.messages("news") == []


async def test_what_cannot_be_made_names_its_function_and_the_others_have_theirs(place: Place) -> None:
    await place.provision(
        function("wrong", binding("queueTrigger", connection="Missing", queueName="a")),
        function("invalid", binding("queueTrigger", queueName="not a queue")),
        function("work", binding("queueTrigger", queueName="jobs")),
    )
    assert await place.queues() == ["jobs"]
    assert len(place.said) == 2
    assert "'wrong'" in place.said[0]
    assert "'invalid'" in place.said[1]
