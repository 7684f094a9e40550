"""The follower of a file: each whole line on the queue once, whatever happens to the file or the host."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from fakes import make_function, memory_resources
from funchost.triggers.base import Resources

from funchost_spool import follower as module
from funchost_spool.follower import LONGEST, Follower
from funchost_spool.lines import LineTrigger, LineTriggerFields

LEASE = "follow:Work"


class Log:
    """A file that is followed, and what has come of it."""

    def __init__(self, path: Path, resources: Resources) -> None:
        self.path = path
        self.resources = resources
        self.follower = Follower(path, "Work", "lines", LEASE, resources)

    def add(self, text: str) -> None:
        with self.path.open("a") as file:
            file.write(text)

    async def queued(self, count: int) -> list[str]:
        """The first so many lines on the queue; fails when they do not come soon."""
        async with asyncio.timeout(5):
            while len(found := await self.resources.own_queues.peek("lines", 1000)) < count:
                await asyncio.sleep(0.005)
        return [message.body.decode() for message in found]

    async def looks(self) -> None:
        """Give the follower the time for a few looks."""
        await asyncio.sleep(0.1)


@pytest.fixture
async def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Log:
    monkeypatch.setattr(module, "POLL", 0.01)
    resources = memory_resources()
    await resources.locks.try_acquire(LEASE)
    return Log(tmp_path / "app.log", resources)


async def test_whole_lines_are_queued_in_their_order_without_their_ends(log: Log) -> None:
    log.add("one\r\ntwo\n\nthr")
    await log.follower.start()
    assert await log.queued(3) == ["one", "two", ""]
    log.add("ee\n")
    assert await log.queued(4) == ["one", "two", "", "three"]
    assert log.follower.state == "listening"
    await log.follower.stop()
    assert log.follower.state == "stopped"


async def test_it_waits_for_a_file_that_is_not_there_yet(log: Log) -> None:
    await log.follower.start()
    await log.looks()
    assert log.follower.state == f"waiting: there is no file {log.path}"
    log.add("one\n")
    assert await log.queued(1) == ["one"]
    await log.follower.stop()


async def test_it_goes_on_where_it_was(log: Log) -> None:
    log.add("one\n")
    await log.follower.start()
    await log.queued(1)
    await log.follower.stop()
    log.add("two\n")
    again = Log(log.path, log.resources)
    await again.follower.start()
    assert await again.queued(2) == ["one", "two"]
    await again.looks()
    assert await again.queued(2) == ["one", "two"]
    await again.follower.stop()


async def test_a_file_that_is_renamed_is_read_to_its_end_before_its_successor(log: Log) -> None:
    log.add("one\n")
    await log.follower.start()
    await log.queued(1)
    log.add("two\n")
    log.path.rename(log.path.with_name("app.log.1"))
    log.path.write_text("three\n")
    assert await log.queued(3) == ["one", "two", "three"]
    await log.follower.stop()


async def test_a_file_that_is_emptied_begins_anew(log: Log) -> None:
    log.add("one\ntwo\n")
    await log.follower.start()
    await log.queued(2)
    log.path.write_text("")
    await log.looks()
    log.add("ten\n")  # ends where the first line did
    assert await log.queued(3) == ["one", "two", "ten"]
    await log.follower.stop()


async def test_a_line_that_is_too_long_for_a_message_comes_in_pieces(log: Log) -> None:
    log.add("x" * (LONGEST + 10) + "\nshort\n")
    await log.follower.start()
    assert [len(line) for line in await log.queued(3)] == [LONGEST, 10, 5]
    await log.follower.stop()


async def test_a_host_whose_lease_may_be_lost_queues_nothing(log: Log) -> None:
    [lock] = [log.resources.locks.surely_held(LEASE)]
    assert lock is not None
    await log.resources.locks.stop()
    log.add("one\n")
    await log.follower.start()
    await log.looks()
    await log.follower.stop()
    assert await log.resources.own_queues.peek("lines", 9) == []


async def test_a_file_that_cannot_be_read_is_told_once_and_heals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL", 0.01)
    told: list[str] = []
    resources = memory_resources(report=told.append)
    await resources.locks.try_acquire(LEASE)
    log = Log(tmp_path / "app.log", resources)
    log.path.mkdir()
    await log.follower.start()
    await log.looks()
    assert len(told) == 1
    assert "app.log" in told[0]
    assert log.follower.state.startswith("waiting: ")
    log.path.rmdir()
    log.add("one\n")
    assert await log.queued(1) == ["one"]
    await log.follower.stop()


async def test_stopping_twice_or_before_the_start_is_fine(log: Log) -> None:
    await log.follower.stop()
    await log.follower.start()
    await log.follower.start()
    await asyncio.gather(log.follower.stop(), log.follower.stop())


async def test_the_event_of_a_line_is_the_line(tmp_path: Path) -> None:
    trigger = LineTrigger(
        make_function("lineTrigger"), LineTriggerFields(path="logs/app.log"), memory_resources()
    )
    event = await trigger.manual_event("grün".encode())
    assert event.body == "grün".encode()
    assert event.metadata["lineTrigger"] == "grün"
    assert trigger.describe() == "lines of logs/app.log"
