"""Receivers of notifications, with queues and blobs in memory."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from fakes import ManualClock

from funchost.bindings.blob import BlobChange, BlobInfo, Notification
from funchost.bindings.errors import AccessDenied, BindingError, QueueMissing, StoreError
from funchost.bindings.memory_blobs import MemoryBlobs
from funchost.bindings.memory_queues import MemoryQueues
from funchost.bindings.queue import LEASE, OutgoingMessage, QueueMessage
from funchost.triggers.notifications import BATCH, NotificationQueue, Notifications, Receiver, Remove

DEADLINE = 5.0


class NotifyingBlobs(MemoryBlobs):
    """Blobs whose notifications are lists of names in the container ``uploads``, with an order: ``[["a", "01"]]``."""

    def __init__(self) -> None:
        super().__init__()
        self.looked: list[str] = []
        self.trouble: Exception | None = None

    def notification_queue(self, queue: str) -> str:
        return queue

    def notification(self, body: bytes) -> Notification:
        try:
            told = json.loads(body)
        except ValueError:
            raise BindingError("It is not JSON.") from None
        if isinstance(told, str):
            return Notification(others=(told,))
        return Notification(
            tuple(BlobChange(container="uploads", name=name, order=order) for name, order in told)
        )

    def scan_cost(self, blobs: int, interval: float) -> str | None:
        return None

    async def info(self, container: str, name: str) -> BlobInfo | None:
        self.looked.append(name)
        if self.trouble:
            raise self.trouble
        return await super().info(container, name)


@dataclass
class Reader:
    """A subscriber that wants names with a beginning."""

    prefix: str = ""
    sighted: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    trouble: Exception | None = None
    #: Is waited for before anything is taken note of.
    gate: asyncio.Event | None = None

    def wants(self, container: str, name: str) -> bool:
        return container == "uploads" and name.startswith(self.prefix)

    async def sight(self, infos: Sequence[BlobInfo]) -> None:
        if self.gate:
            await self.gate.wait()
        if self.trouble:
            raise self.trouble
        self.sighted += [info.name for info in infos]

    async def forget(self, paths: Iterable[str]) -> None:
        self.forgotten += paths


class Queues(MemoryQueues):
    """Queues that can be told to fail."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.receive_trouble: Exception | None = None
        self.poison_trouble: Exception | None = None
        self.redriven = False

    async def receive(self, queue: str, limit: int, lease: timedelta = LEASE) -> list[QueueMessage]:
        if self.receive_trouble:
            raise self.receive_trouble
        found = await super().receive(queue, limit, lease)
        return [self._redriven(message) for message in found] if self.redriven else found

    def _redriven(self, message: QueueMessage) -> QueueMessage:
        return msgspec.structs.replace(message, redriven=True)

    async def poison(
        self, message: QueueMessage, poison: OutgoingMessage, outputs: Sequence[OutgoingMessage] = ()
    ) -> None:
        if self.poison_trouble:
            raise self.poison_trouble
        await super().poison(message, poison, outputs)


class World:
    """A host with one queue of notifications."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.queues = Queues(self.clock)
        self.blobs = NotifyingBlobs()
        self.told: list[str] = []
        self.notifications = Notifications(settle=0.0)
        self._ends: list[Remove] = []

    def subscribe(
        self, reader: Reader, blobs: NotifyingBlobs | None = None, poison: str | None = "p"
    ) -> Receiver:
        queue = NotificationQueue(
            name="events", store=self.queues, poison=poison, report=self.told.append, clock=self.clock
        )
        receiver, remove = self.notifications.add(reader, blobs or self.blobs, queue)
        self._ends.append(remove)
        return receiver

    async def tell(self, *bodies: Any) -> None:
        """Send a message for each body; texts go as they are."""
        texts = [body if isinstance(body, bytes) else json.dumps(body).encode() for body in bodies]
        await self.queues.send([OutgoingMessage(queue="events", body=text) for text in texts])

    async def until(self, done: Callable[[], bool]) -> None:
        async def answer() -> bool:
            return done()

        await _until(answer)

    async def left(self, queue: str = "events") -> list[str]:
        return [message.state for message in await self.queues.peek(queue, 100)]

    async def until_left(self, *states: str) -> None:
        async def answer() -> bool:
            return await self.left() == list(states)

        await _until(answer)

    async def end(self) -> None:
        while self._ends:
            await self._ends.pop()()


async def _until(done: Callable[[], Awaitable[bool]]) -> None:
    """Look each 2 ms, with a deadline."""
    async with asyncio.timeout(DEADLINE):
        while True:
            if await done():
                return
            await asyncio.sleep(0.002)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    await world.end()


async def test_everybody_who_wants_a_blob_is_told_and_the_message_completed(world: World) -> None:
    everything, some, none = Reader(), Reader("in/"), Reader("out/")
    for reader in (everything, some, none):
        world.subscribe(reader)
    await world.blobs.put("uploads", "in/a", b"1")
    await world.blobs.put("uploads", "b", b"1")
    await world.tell([["in/a", "1"]], [["b", "1"]])
    await world.until_left()
    assert (sorted(everything.sighted), some.sighted, none.sighted) == (["b", "in/a"], ["in/a"], [])


async def test_one_receiver_serves_all_functions_of_a_queue(world: World) -> None:
    assert world.subscribe(Reader("a")) is world.subscribe(Reader("b"))


async def test_a_blob_that_is_gone_is_forgotten(world: World) -> None:
    reader = Reader()
    world.subscribe(reader)
    await world.tell([["gone", "1"]])
    await world.until_left()
    assert (reader.sighted, reader.forgotten) == ([], ["uploads/gone"])


async def test_many_events_of_a_blob_are_one_look(world: World) -> None:
    reader = Reader()
    await world.blobs.put("uploads", "a", b"1")
    await world.tell(*([["a", f"{number:04}"]] for number in range(BATCH)))
    world.subscribe(reader)
    await world.until_left()
    assert world.blobs.looked == ["a"]


async def test_an_event_that_is_older_than_the_last_look_is_not_looked_at(world: World) -> None:
    world.subscribe(Reader())
    for orders, looks in [
        (["02"], 1),
        (["02", "01"], 1),
        (["03"], 2),
        (["004"], 3),
        (["0003"], 4),
        ([""], 5),
    ]:
        await world.tell(*([["a", order]] for order in orders))
        await world.until_left()
        assert len(world.blobs.looked) == looks, orders


async def test_what_cannot_be_looked_at_comes_again_later(world: World) -> None:
    reader = Reader()
    await world.blobs.put("uploads", "a", b"1")
    world.blobs.trouble = StoreError("The network is down.")
    receiver = world.subscribe(reader)
    await world.tell([["a", "1"]])
    await world.until_left("delayed")
    assert receiver.trouble == "waiting: The network is down."
    assert len(world.told) == 1 and "The network is down." in world.told[0]
    world.blobs.trouble = None
    world.clock.advance(timedelta(seconds=2))
    await world.tell([["other", "1"]])
    await world.until_left()
    assert reader.sighted == ["a"]
    assert receiver.trouble is None
    assert len(world.told) == 1


async def test_what_one_function_cannot_record_is_told_to_all_again(world: World) -> None:
    good, bad = Reader(), Reader("a", trouble=StoreError("The store is down."))
    world.subscribe(good)
    receiver = world.subscribe(bad)
    for name in "ab":
        await world.blobs.put("uploads", name, b"1")
    await world.tell([["a", "1"]], [["b", "1"]])
    await world.until_left("delayed")
    assert receiver.trouble == "waiting: The store is down."
    bad.trouble = None
    world.clock.advance(timedelta(seconds=2))
    await world.tell([])
    await world.until_left()
    assert bad.sighted == ["a"]
    assert sorted(good.sighted) == ["a", "a", "b"], "an order that was not recorded is not taken for done"


async def test_a_message_waits_longer_each_time_it_cannot_be_recorded(world: World) -> None:
    world.blobs.trouble = AccessDenied("No.")
    world.subscribe(Reader())
    await world.tell([["a", "1"]])
    waits: list[float] = []
    for _ in range(10):
        await world.until_left("delayed")
        [message] = await world.queues.peek("events", 1)
        waits.append((message.visible_at - world.clock.now()).total_seconds())
        world.clock.advance(timedelta(seconds=waits[-1]))
        before = len(world.blobs.looked)
        await world.tell([])  # wakes the receiver up
        await world.until(lambda before=before: len(world.blobs.looked) > before)  # type: ignore[misc]
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


async def test_a_queue_that_cannot_be_read_is_told_once_and_read_when_it_can_be(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    reader = Reader()
    world.queues.receive_trouble = QueueMissing("There is no queue 'events'.")
    receiver = world.subscribe(reader)
    await world.until(lambda: receiver.trouble is not None)
    assert receiver.trouble == "waiting: There is no queue 'events'."
    assert "There is no queue 'events'" in caplog.text
    assert world.told == []
    world.queues.receive_trouble = AccessDenied("sqs:ReceiveMessage is missing.")
    await world.until(lambda: receiver.trouble == "waiting: sqs:ReceiveMessage is missing.")
    world.queues.receive_trouble = None
    await world.tell([["a", "1"]])
    await world.until_left()
    assert receiver.trouble is None
    assert [text for text in world.told if "sqs:ReceiveMessage" in text] == world.told
    assert len(world.told) == 1


async def test_what_is_no_notification_goes_to_the_poison_queue_at_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    reader = Reader()
    world.subscribe(reader)
    await world.tell(b"hello \xff" + b"x" * 5000, [["a", "1"]])
    await world.until_left()
    [message] = await world.queues.peek("p", 10)
    assert message.body.startswith(b"hello \xff")
    assert message.properties["poison"]["message"] == "It is not JSON."
    assert "is no notification. It is not JSON. It says: hello" in caplog.text
    assert len(max(caplog.messages, key=len)) < 400
    assert reader.forgotten == ["uploads/a"], "the others go on"


@pytest.mark.parametrize("trouble", [QueueMissing("No queue 'p'."), AccessDenied("No.")])
async def test_without_a_poison_queue_what_is_no_notification_is_dropped(
    world: World, caplog: pytest.LogCaptureFixture, trouble: Exception
) -> None:
    world.queues.poison_trouble = trouble
    world.subscribe(Reader())
    await world.tell(b"hello")
    await world.until_left()
    assert "cannot be moved to 'p', and is dropped" in caplog.text


async def test_a_queue_whose_poison_queue_has_no_name_drops_it(world: World) -> None:
    world.subscribe(Reader(), poison=None)
    await world.tell(b"hello")
    await world.until_left()


async def test_a_poison_queue_that_cannot_be_reached_now_is_tried_again(world: World) -> None:
    world.queues.poison_trouble = StoreError("The network is down.")
    world.subscribe(Reader())
    await world.tell(b"hello")
    await world.until_left("delayed")


async def test_a_queue_with_a_redrive_policy_puts_it_away_itself(world: World) -> None:
    world.queues.redriven = True
    world.subscribe(Reader())
    await world.tell(b"hello")
    await world.until_left("delayed")
    assert await world.left("p") == []


async def test_what_nobody_is_for_is_dropped_and_told_once_for_each_kind(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.subscribe(Reader("in/"))
    await world.tell("tag events", "tag events", [["out/a", "1"]], "events of the bucket 'x'")
    await world.until_left()
    assert [message for message in caplog.messages if "brings" in message] == [
        "The queue 'events' brings tag events. No function is for that; it is dropped.",
        "The queue 'events' brings events of the bucket 'x'. No function is for that; it is dropped.",
    ]
    assert world.blobs.looked == [], "nobody is for out/a"


async def test_who_comes_while_others_are_told_is_told_too(world: World) -> None:
    first, second = Reader(gate=asyncio.Event()), Reader()
    world.subscribe(first)
    await world.blobs.put("uploads", "a", b"1")
    await world.tell([["a", "1"]])
    await world.until(lambda: bool(world.blobs.looked))
    world.subscribe(second)
    assert first.gate
    first.gate.set()
    await world.until(lambda: second.sighted == ["a"])
    await world.until_left()


async def test_nothing_is_received_before_everybody_has_come(world: World) -> None:
    world.notifications = Notifications(settle=3600.0)
    world.subscribe(Reader())
    await world.tell([["a", "1"]])
    await asyncio.sleep(0)
    assert await world.left() == ["visible"]


async def test_when_all_have_gone_what_was_received_goes_back(world: World) -> None:
    reader = Reader(gate=asyncio.Event())
    world.subscribe(reader)
    await world.blobs.put("uploads", "a", b"1")
    await world.tell([["a", "1"]])
    await world.until(lambda: bool(world.blobs.looked))
    ending = asyncio.create_task(world.end())
    await asyncio.sleep(0)
    assert reader.gate
    reader.gate.set()
    await ending
    assert await world.left() == ["visible"]


async def test_a_queue_is_read_again_when_somebody_comes_after_all_had_gone(world: World) -> None:
    world.subscribe(Reader())
    await world.end()
    reader = Reader()
    world.subscribe(reader)
    await world.tell([["a", "1"]])
    await world.until_left()
    assert reader.forgotten == ["uploads/a"]


async def test_a_backlog_is_recorded_many_at_a_time(world: World) -> None:
    reader = Reader(gate=asyncio.Event())
    names = [f"{number:03}" for number in range(5 * BATCH)]
    for name in names:
        await world.blobs.put("uploads", name, b"1")
    await world.tell(*([[name, "1"]] for name in names))
    tellings: list[int] = []
    sight = reader.sight

    async def counted(infos: Sequence[BlobInfo]) -> None:
        tellings.append(len(infos))
        await sight(infos)

    reader.sight = counted  # type: ignore[method-assign]
    world.subscribe(reader)
    await world.until(lambda: tellings == [BATCH])

    await world.until_left(*["in flight"] * len(names))
    assert reader.gate
    reader.gate.set()
    await world.until_left()
    assert tellings == [BATCH, 4 * BATCH]
    assert sorted(reader.sighted) == names
