"""What happens, told to many readers: each has his place, may come back to it, and holds up nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest

from funchost.host.admin import live as live_module
from funchost.host.admin.feed import KEPT, Event, Feed
from funchost.host.admin.live import Live, Spawn


def everything(event: Event) -> bool:
    return True


async def told(reading: object, count: int = 0) -> list[object]:
    return [event.data for event in await reading.next(0.01)]  # type: ignore[attr-defined]


async def test_a_reader_is_told_what_happens_after_he_began() -> None:
    feed = Feed("a")
    feed.publish("x", 1)
    reading = feed.read(everything)
    feed.publish("x", 2)
    assert await told(reading) == [2]
    assert await told(reading) == []


async def test_a_reader_is_told_only_what_he_wants() -> None:
    feed = Feed("a")
    reading = feed.read(lambda event: event.name == "y")
    feed.publish("x", 1)
    feed.publish("y", 2)
    assert await told(reading) == [2]


async def test_a_reader_who_comes_back_is_told_what_he_missed_of_what_he_wants() -> None:
    feed = Feed("a")
    for number in range(5):
        feed.publish("x", number)
    assert await told(feed.read(lambda event: event.data != 3, feed.id_of(3))) == [4]
    assert await told(feed.read(everything, feed.last_id)) == []
    assert await told(feed.read(everything, feed.id_of(0))) == [0, 1, 2, 3, 4]


async def test_of_what_is_no_longer_known_a_gap_is_told() -> None:
    feed = Feed("a")
    for number in range(KEPT + 2):
        feed.publish("x", number)
    for id_ in ("a-1", f"a-{KEPT + 3}", "b-5", "a", "", "a--1", "a-1e9", f"a-{'9' * 30}"):
        [event] = await feed.read(everything, id_).next(0.01)
        assert (event.name, event.number) == ("gap", KEPT + 2), id_
    assert len(await told(feed.read(everything, "a-2"))) == KEPT


async def test_a_reader_who_does_not_read_is_cut_off_and_can_come_back() -> None:
    feed = Feed("a")
    slow = feed.read(everything)
    for number in range(KEPT + 1):
        feed.publish("x", number)
    assert slow.overrun
    taken = await slow.next(0)
    assert len(taken) == KEPT
    assert await told(feed.read(everything, feed.id_of(taken[-1].number))) == [KEPT]


async def test_who_has_gone_is_told_nothing() -> None:
    feed = Feed("a")
    reading = feed.read(everything)
    reading.close()
    feed.publish("x", 1)
    assert not feed.is_read
    assert await told(reading) == []


class Told:
    """A source that tells what is put into it."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[int | Exception] = asyncio.Queue()
        self.next: int | Exception = 0
        self.begun = 0

    async def begin(self) -> Told:
        self.begun += 1
        return self

    async def changed(self) -> None:
        self.next = await self.queue.get()

    async def tell(self, feed: Feed) -> None:
        if isinstance(self.next, Exception):
            raise self.next
        feed.publish("x", self.next)


@pytest.fixture
async def spawn() -> AsyncIterator[Spawn]:
    tasks: list[asyncio.Task[None]] = []

    def spawned(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        tasks.append(asyncio.create_task(work))
        return tasks[-1]

    yield spawned
    for task in tasks:
        task.cancel()


async def test_one_look_serves_all_who_read(spawn: Spawn) -> None:
    source = Told()
    live = Live(source.begin, spawn)
    first, second = await live.read(everything), await live.read(everything)
    await source.queue.put(1)
    for reading in (first, second):
        assert [event.data for event in await reading.next(5)] == [1]
    assert source.begun == 1


async def test_a_look_that_fails_is_made_again(monkeypatch: pytest.MonkeyPatch, spawn: Spawn) -> None:
    monkeypatch.setattr(live_module, "AFTER_FAILURE", 0.0)
    source = Told()
    live = Live(source.begin, spawn)
    reading = await live.read(everything)
    await source.queue.put(OSError("gone"))
    await source.queue.put(2)
    assert [event.data for event in await reading.next(10)] == [2]
