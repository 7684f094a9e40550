"""Blob triggers on S3, told by notifications that moto sends, or by listing; one host or two."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest
from aws import Aws
from fakes import make_function, make_outcome
from s3 import S3

from funchost.bindings.aws.s3_upload import PART
from funchost.bindings.aws.storage import AwsStorage
from funchost.bindings.clock import SystemClock
from funchost.bindings.lease import LeaseStore
from funchost.bindings.memory_leases import MemoryLeases
from funchost.bindings.storage import ConnectionSettings
from funchost.triggers.base import Listener, Outcome, Resources, TriggerEvent
from funchost.triggers.blob import BlobTrigger
from funchost.triggers.fields import BlobTriggerFields
from funchost.triggers.locks import Locks
from funchost.triggers.notifications import Notifications
from funchost.triggers.watch import Watch

DEADLINE = 20.0

#: With notifications alone: what they do not tell is not found.
TOLD = {"source": "notifications", "notificationQueue": "events", "scanInterval": "-1"}


class Host:
    """One of the hosts of an app, and functions that note which blobs they are run for."""

    def __init__(self, storage: AwsStorage, resources: Resources, told: list[str]) -> None:
        self.storage = storage
        self.resources = resources
        self.told = told
        self.runs: list[tuple[str, str]] = []
        self.events: list[TriggerEvent] = []
        self._listeners: list[Listener] = []

    async def start(self, path: str = "uploads/in/{name}", name: str = "Work", **fields: Any) -> Listener:
        function = make_function("blobTrigger", {"path": path}, name=name)
        trigger = BlobTrigger(function, BlobTriggerFields(path=path, **fields), self.resources)

        async def deliver(event: TriggerEvent) -> Outcome:
            self.events.append(event)
            self.runs.append((name, event.data["name"]))
            outcome = make_outcome()
            assert event.settle is not None
            await event.settle(outcome)
            return outcome

        listener = trigger.listener(deliver)
        self._listeners.append(listener)
        await listener.start()
        return listener

    async def stop(self) -> None:
        await asyncio.gather(*(listener.stop() for listener in self._listeners))
        await self.resources.locks.stop()
        await self.storage.close()


class World:
    """A bucket that tells a queue of its changes, and the hosts that share what they remember in another bucket."""

    def __init__(self, aws: Aws, s3: S3, root: Path) -> None:
        self.aws = aws
        self.s3 = s3
        self.bucket = f"{s3.prefix}uploads"
        self._root = root
        self._hosts: list[Host] = []
        self._leases: LeaseStore = MemoryLeases(SystemClock())

    async def host(self) -> Host:
        values = {
            "region": "eu-west-1",
            "endpointurl": self.aws.url,
            "bucketprefix": self.s3.prefix,
            "queueprefix": self.aws.prefix,
            "bucket": self.s3.bucket,
        }
        storage = AwsStorage(
            ConnectionSettings(name="Uploads", setting="Uploads", values=values), SystemClock()
        )
        shared = storage.host_state("app")
        told: list[str] = []
        resources = Resources(
            root=self._root,
            queues=lambda connection: storage.queues(),
            blobs=lambda connection: storage.blobs(),
            tables=cast(Any, None),
            entities=cast(Any, None),
            locks=Locks(self._leases, f"host-{len(self._hosts)}"),
            state=shared.state,
            own_queues=shared.queues,
            wakeups=cast(Any, None),
            watch=Watch(),
            notifications=Notifications(settle=0.0),
            report=told.append,
        )
        host = Host(storage, resources, told)
        self._hosts.append(host)
        return host

    def make_bucket(self) -> None:
        place = {"LocationConstraint": "eu-west-1"}
        self.s3.raw.create_bucket(Bucket=self.bucket, CreateBucketConfiguration=place)

    def notify(self) -> None:
        """Have the bucket tell the queue of what begins with ``in/``; S3 sends a test event then."""
        url = self.aws.create_queue("events")
        told = self.aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        rule = {
            "QueueArn": told["Attributes"]["QueueArn"],
            "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"],
            "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "in/"}]}},
        }
        self.s3.raw.put_bucket_notification_configuration(
            Bucket=self.bucket, NotificationConfiguration={"QueueConfigurations": [rule]}
        )

    async def put(self, key: str, body: bytes = b"1") -> None:
        await asyncio.to_thread(self.s3.raw.put_object, Bucket=self.bucket, Key=key, Body=body)

    async def delete(self, key: str) -> None:
        await asyncio.to_thread(self.s3.raw.delete_object, Bucket=self.bucket, Key=key)

    async def until_told(self) -> None:
        """Wait until every notification has been acted upon."""

        async def done() -> bool:
            return await asyncio.to_thread(self.aws.counts, "events") == (0, 0)

        await until(done)

    async def close(self) -> None:
        await asyncio.gather(*(host.stop() for host in self._hosts))


async def until(done: Callable[[], Awaitable[bool]] | Callable[[], bool]) -> None:
    """Look each 20 ms, with a deadline."""
    async with asyncio.timeout(DEADLINE):
        while True:
            answer = done()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.02)


@pytest.fixture
async def world(aws: Aws, emulator: Any, tmp_path: Path) -> AsyncIterator[World]:
    with contextlib.closing(S3(emulator.url)) as s3:
        world = World(aws, s3, tmp_path)
        yield world
        await world.close()


async def test_an_object_runs_its_function_however_its_key_is_spelled(world: World) -> None:
    world.make_bucket()
    world.notify()
    host = await world.host()
    listener = await host.start(**TOLD)
    keys = ["in/a.csv", "in/b c+d.csv", "in/grün/€.txt", "in/100%25.txt", "in/a&b=c?.txt"]
    for key in keys:
        await world.put(key)
    await world.put("out/not for it")
    await world.put("in/folder/")
    await until(lambda: len(host.runs) == len(keys))
    await world.until_told()
    assert sorted(path for _, path in host.runs) == sorted(f"uploads/{key}" for key in keys)
    assert listener.state == "listening (notifications from events)"
    assert host.told == []


async def test_an_event_says_what_is_known_of_the_object(world: World) -> None:
    world.make_bucket()
    host = await world.host()
    info = await host.storage.blobs().put("uploads", "in/a b.csv", b"1,2", metadata={"by": "me"})
    await host.start("uploads/in/{name}.csv", scanInterval="00:00:00.1")
    await until(lambda: bool(host.runs))
    [event] = host.events
    about = {
        "uri": f"{world.aws.url}/{world.bucket}/in/a%20b.csv",
        "properties": {
            "Length": 3,
            "ContentLength": 3,
            "ContentType": "text/csv",
            "ETag": info.etag,
            "LastModified": info.modified_at.isoformat(),
        },
        "metadata": {"by": "me"},
    }
    assert event.body == b"1,2"
    assert event.data == {"name": "uploads/in/a b.csv", "length": 3, **about}
    assert event.metadata == {"blobTrigger": "uploads/in/a b.csv", "name": "a b", **about}


async def test_an_upload_in_parts_runs_once_however_often_it_is_told(world: World) -> None:
    world.make_bucket()
    world.notify()
    host = await world.host()
    await host.start(**TOLD)
    await host.storage.blobs().put("uploads", "in/large", bytes(PART + 1))
    await until(lambda: bool(host.runs))
    await world.until_told()
    await world.put("in/next")
    await until(lambda: len(host.runs) == 2)
    assert host.runs == [("Work", "uploads/in/large"), ("Work", "uploads/in/next")]
    body = host.events[0].body
    assert not isinstance(body, bytes)
    assert sum([len(piece) async for piece in body]) == PART + 1


async def test_an_object_that_was_deleted_runs_again_when_it_is_put_again(world: World) -> None:
    world.make_bucket()
    world.notify()
    host = await world.host()
    await host.start(**TOLD)
    await world.put("in/a")
    await until(lambda: len(host.runs) == 1)
    await world.delete("in/a")
    await world.until_told()
    assert await host.resources.state.seen("blob:Work") == {}
    await world.put("in/a")
    await until(lambda: len(host.runs) == 2)


async def test_of_a_versioned_bucket_the_current_version_runs(world: World) -> None:
    world.make_bucket()
    world.s3.raw.put_bucket_versioning(Bucket=world.bucket, VersioningConfiguration={"Status": "Enabled"})
    world.notify()
    host = await world.host()
    await world.put("in/a", b"old")
    await world.put("in/a", b"new")
    await host.start(**TOLD)
    await until(lambda: bool(host.runs))
    await world.until_told()
    assert [event.body for event in host.events] == [b"new"]
    await world.delete("in/a")
    await world.put("in/b")
    await until(lambda: len(host.runs) == 2)
    assert await host.storage.blobs().open("uploads", "in/a") is None


async def test_two_functions_on_one_queue_get_what_each_is_for(world: World) -> None:
    world.make_bucket()
    world.notify()
    host = await world.host()
    await host.start("uploads/in/{name}.csv", "Tables", **TOLD)
    await host.start("uploads/in/{name}", "All", **TOLD)
    await world.put("in/a.csv")
    await world.put("in/b.txt")
    await until(lambda: len(host.runs) == 3)
    await world.until_told()
    assert sorted(host.runs) == [
        ("All", "uploads/in/a.csv"),
        ("All", "uploads/in/b.txt"),
        ("Tables", "uploads/in/a.csv"),
    ]


@pytest.mark.parametrize("fields", [{**TOLD, "scanInterval": "00:00:00.2"}, {"scanInterval": "00:00:00.2"}])
async def test_of_two_hosts_one_runs_each_version(world: World, fields: dict[str, str]) -> None:
    world.make_bucket()
    world.notify()
    hosts = [await world.host(), await world.host()]
    for host in hosts:
        await host.start(**fields)
    keys = [f"in/{number:02}" for number in range(12)]
    await asyncio.gather(*map(world.put, keys))

    def runs() -> list[str]:
        return sorted(path for host in hosts for _, path in host.runs)

    await until(lambda: len(runs()) >= len(keys))
    await world.put("in/last")  # whatever was queued twice before has run by then
    await until(lambda: "uploads/in/last" in runs())
    assert runs() == sorted(f"uploads/{key}" for key in [*keys, "in/last"])


async def test_what_no_notification_told_is_found_by_the_scan_at_the_start(world: World) -> None:
    world.make_bucket()
    await world.put("in/early")
    world.notify()
    host = await world.host()
    await host.start(source="notifications", notificationQueue="events")
    await until(lambda: len(host.runs) == 1)
    await world.put("in/late")
    await until(lambda: len(host.runs) == 2)
    assert host.runs == [("Work", "uploads/in/early"), ("Work", "uploads/in/late")]


async def test_a_queue_and_a_bucket_that_come_late_are_waited_for(world: World) -> None:
    host = await world.host()
    listener = await host.start(**TOLD)
    polled = await host.start(name="Polled", scanInterval="00:00:00.1")
    await until(lambda: listener.state.startswith("waiting: There is no queue"))
    await until(lambda: polled.state.startswith("waiting: The connection 'Uploads'"))
    world.make_bucket()
    world.notify()
    await until(lambda: listener.state.startswith("listening (") and polled.state == "listening")
    await world.put("in/a")
    await until(lambda: len(host.runs) == 2)
    assert {name for name, _ in host.runs} == {"Work", "Polled"}


async def test_what_is_no_notification_is_put_away_and_holds_up_nobody(world: World) -> None:
    world.make_bucket()
    world.notify()
    world.aws.create_queue("events-poison")
    host = await world.host()
    await host.start(**TOLD)
    world.aws.send("events", "hello", '{"Records": 7}')
    await world.put("in/a")
    await until(lambda: len(host.runs) == 1)
    await world.until_told()
    assert sorted(message["Body"] for message in world.aws.receive("events-poison")) == [
        "hello",
        '{"Records": 7}',
    ]
