"""How a blob trigger finds new versions: what its fields may say, and its state in words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from fake_s3 import FakeS3, refusal
from fakes import ManualClock, make_function, make_outcome, memory_resources
from s3 import SETTINGS

from funchost.bindings.aws.s3_blobs import S3Blobs
from funchost.bindings.blob import BlobInfo, BlobStore, ContainerMissing
from funchost.bindings.errors import ConfigurationError, QueueMissing, StoreError
from funchost.bindings.memory_blobs import MemoryBlobs
from funchost.bindings.memory_queues import MemoryQueues
from funchost.bindings.memory_state import MemoryState
from funchost.bindings.patterns import PathPattern
from funchost.bindings.queue import LEASE, QueueMessage
from funchost.triggers.base import Listener, Outcome, TriggerEvent
from funchost.triggers.blob import BlobTrigger
from funchost.triggers.blob_source import BlobSource
from funchost.triggers.fields import BlobTriggerFields
from funchost.triggers.notifications import Notifications
from funchost.triggers.scan import Scanner
from funchost.triggers.watch import Hints, Watch

DEADLINE = 5.0

NOTIFIED = {"source": "notifications", "notificationQueue": "uploads-events"}


class Queues(MemoryQueues):
    """Queues of which one may be missing."""

    missing = ""

    async def receive(self, queue: str, limit: int, lease: timedelta = LEASE) -> list[QueueMessage]:
        if queue == self.missing:
            raise QueueMissing(f"There is no queue '{queue}'.")
        return await super().receive(queue, limit, lease)


class World:
    """A function for blobs on S3, on a host whose own things are in memory."""

    def __init__(self) -> None:
        self.s3 = FakeS3()
        self.blobs: BlobStore = S3Blobs(lambda: self.s3, SETTINGS)
        self.queues = Queues(ManualClock())
        self.told: list[str] = []
        self.runs: list[str] = []
        self.listeners: list[Listener] = []
        resources = memory_resources(queues=self.queues, report=self.told.append)
        self.resources = replace(
            resources,
            blobs=lambda connection: self.blobs,
            state=MemoryState(self.queues),
            watch=Watch(),
            notifications=Notifications(settle=0.0),
        )

    def trigger(self, path: str = "uploads/in/{name}", name: str = "Work", **fields: Any) -> BlobTrigger:
        function = make_function("blobTrigger", {"path": path}, name=name)
        return BlobTrigger(function, BlobTriggerFields(path=path, **fields), self.resources)

    async def start(self, **fields: Any) -> Listener:
        listener = self.trigger(**fields).listener(self.deliver)
        self.listeners.append(listener)
        await listener.start()
        return listener

    async def deliver(self, event: TriggerEvent) -> Outcome:
        self.runs.append(event.data["name"])
        outcome = make_outcome()
        assert event.settle is not None
        await event.settle(outcome)
        return outcome

    async def until_state(self, listener: Listener, beginning: str) -> None:
        async with asyncio.timeout(DEADLINE):
            while True:
                if listener.state.startswith(beginning):
                    return
                await asyncio.sleep(0.005)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    for listener in world.listeners:
        await listener.stop()
    await world.resources.locks.stop()


# -- what its fields may say


@pytest.mark.parametrize(
    ("fields", "key", "says"),
    [
        ({"notificationQueue": "events"}, "notificationQueue", 'only with "source": "notifications"'),
        ({"source": "notifications"}, "source", "'notificationQueue' has to say which queue"),
        ({"source": "notifications", "notificationQueue": "e.fifo"}, "notificationQueue", "FIFO"),
        ({"source": "notifications", "notificationQueue": "e e"}, "notificationQueue", "SQS"),
        ({"scanInterval": "-1"}, "scanInterval", "only notifications can do without"),
    ],
)
def test_what_does_not_fit_is_told_with_its_key(
    world: World, fields: dict[str, str], key: str, says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says) as failure:
        world.trigger(**fields)
    assert failure.value.key == key


def test_a_store_that_tells_nothing_is_told(world: World) -> None:
    world.blobs = MemoryBlobs()
    with pytest.raises(ConfigurationError, match="sends no notifications") as failure:
        world.trigger(**NOTIFIED)
    assert failure.value.key == "source"


@pytest.mark.parametrize("source", ["LogsAndContainerScan", "EventGrid"])
def test_azures_sources_mean_nothing_else_here(world: World, source: str) -> None:
    assert world.trigger(source=source).describe() == "uploads/in/{name}"


# -- polling


async def test_a_bucket_is_listed_every_ten_seconds_and_asked_for_no_folder_events(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    async def sleep(scanner: Scanner, seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.Event().wait()

    monkeypatch.setattr(Scanner, "_sleep", sleep)
    for fields in ({}, {"scanInterval": "00:00:30"}, {**NOTIFIED}, {**NOTIFIED, "scanInterval": "00:10:00"}):
        await world.start(**{**fields, "name": f"F{len(pauses)}"})
        async with asyncio.timeout(DEADLINE):
            while True:
                if len(pauses) == len(world.listeners):
                    break
                await asyncio.sleep(0.005)
    assert [round(pause) for pause in pauses] == [10, 30, 3600, 600]


async def test_a_missing_bucket_is_waited_for(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    world.s3.missing.add("uploads")
    listener = await world.start(scanInterval="00:00:00.02")
    await world.until_state(listener, "waiting: The connection 'Cloud'")
    assert "create it" in listener.state
    world.s3.missing.clear()
    await world.until_state(listener, "listening")
    assert world.told == []
    assert len([message for message in caplog.messages if "waits for its container" in message]) == 1


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (refusal("AccessDenied", "ListObjectsV2"), "s3:ListBucket"),
        (
            refusal("PermanentRedirect", "ListObjectsV2", HTTPHeaders={"x-amz-bucket-region": "eu-north-1"}),
            "another region (eu-north-1)",
        ),
        (ConnectionError("refused"), "cannot be used"),
    ],
    ids=["denied", "another region", "no network"],
)
async def test_trouble_is_told_once_and_heals(world: World, error: Exception, says: str) -> None:
    for _ in range(2):
        world.s3.fail("list_objects_v2", error)
    listener = await world.start(scanInterval="00:00:00.02")
    await world.until_state(listener, "scanning failed")
    assert says in listener.state
    await world.until_state(listener, "listening")
    assert len(world.told) == 1 and says in world.told[0]


async def test_a_prefix_that_is_dear_to_list_is_told_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("funchost.bindings.aws.s3_blobs.CHEAP_TO_LIST", 2)
    for name in "abc":
        await world.blobs.put("uploads", f"in/{name}", b"1")
    listener = await world.start(scanInterval="00:00:10")
    await world.until_state(listener, "listening; 3 objects are listed every 10 s")
    assert len(world.told) == 1
    assert world.told[0].startswith("Work polls uploads/in/{name}: 3 objects")
    assert "$0.04 a day; with notifications" in world.told[0]


class _Failing:
    """A source that fails for a while."""

    folder: str | None = None
    recursive = True
    recorded = 0.0

    def __init__(self, error: Exception, failures: int) -> None:
        self.error = error
        self.failures = failures

    async def load(self) -> None:
        pass

    async def scan(self) -> str:
        self.failures -= 1
        if self.failures >= 0:
            raise self.error
        return "listening"

    async def look(self, hints: Hints) -> None:
        pass

    def next_look(self) -> float | None:
        return None


@pytest.mark.parametrize("error", [StoreError("Throttled."), ContainerMissing("No bucket.")])
@pytest.mark.parametrize(
    ("interval", "pauses"), [(10.0, [10, 20, 40, 60, 60, 10]), (3600.0, [10, 20, 40, 60, 60, 3600])]
)
async def test_a_scan_that_fails_is_repeated_after_longer_and_longer_pauses(
    monkeypatch: pytest.MonkeyPatch, error: Exception, interval: float, pauses: list[int]
) -> None:
    seen: list[int] = []
    done = asyncio.Event()

    async def sleep(scanner: Scanner, seconds: float) -> None:
        seen.append(round(seconds))
        if len(seen) == len(pauses):
            done.set()
            await asyncio.Event().wait()
        scanner._on_hints(Hints(everywhere=True))  # as if the time was over

    monkeypatch.setattr(Scanner, "_sleep", sleep)
    scanner = Scanner(
        _Failing(error, len(pauses) - 1), watch=Watch(), interval=interval, report=lambda message: None
    )
    await scanner.start()
    await asyncio.wait_for(done.wait(), DEADLINE)
    assert (scanner.state, scanner.trouble) == ("listening", None)
    await scanner.stop()
    assert seen == pauses


# -- notifications


async def test_who_has_notifications_says_so_and_what_keeps_them(world: World) -> None:
    world.queues.missing = "uploads-events"
    listener = await world.start(**NOTIFIED)
    await world.until_state(listener, "waiting: There is no queue 'uploads-events'.")
    world.queues.missing = ""
    await world.until_state(listener, "listening (notifications from uploads-events)")
    assert world.told == []


async def test_a_sweep_that_fails_shows_beside_notifications(world: World) -> None:
    world.s3.missing.add("uploads")
    listener = await world.start(**NOTIFIED)
    await world.until_state(listener, "waiting: The connection 'Cloud'")


async def test_the_sweep_at_the_start_finds_what_no_notification_told(world: World) -> None:
    await world.blobs.put("uploads", "in/a", b"1")
    await world.start(**NOTIFIED)
    async with asyncio.timeout(DEADLINE):
        while True:
            if world.runs:
                break
            await asyncio.sleep(0.005)
    assert world.runs == ["uploads/in/a"]


async def test_without_scans_nothing_is_listed(world: World) -> None:
    listener = await world.start(**NOTIFIED, scanInterval="-1")
    await world.until_state(listener, "listening (notifications from uploads-events)")
    await listener.stop()
    assert world.s3.asked("list_objects_v2") == []


async def test_a_listing_does_not_forget_what_is_recorded_meanwhile(world: World) -> None:
    """A notification that comes while a listing is past its place."""
    await world.blobs.put("uploads", "in/b", b"1")
    state = world.resources.state
    source = BlobSource("Work", PathPattern.parse("uploads/in/{name}"), world.blobs, state, "internal")
    await source.load()
    late: list[BlobInfo] = []

    class Slow(MemoryBlobs):
        async def list(self, container: str, prefix: str = "") -> AsyncIterator[BlobInfo]:
            async for info in world.blobs.list(container, prefix):
                yield info
            late.append(await world.blobs.put("uploads", "in/a", b"1"))
            await source.sight(late)

    source._store = Slow()
    await source.scan()
    assert (await state.seen("blob:Work")).keys() == {"uploads/in/a", "uploads/in/b"}
