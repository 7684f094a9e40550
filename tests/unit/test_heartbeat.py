"""When a worker that does not answer is to be replaced."""

from __future__ import annotations

import asyncio
import os

import pytest

from funchost.host.workers import heartbeat
from funchost.host.workers.heartbeat import Heartbeat


class Worker:
    """What the heartbeat is of."""

    def __init__(self) -> None:
        self.pings = 0
        self.is_busy = False
        self.answers = True
        self.told: list[str] = []
        self.is_told = asyncio.Event()
        self.heartbeat = Heartbeat(os.getpid(), self.ping, lambda: self.is_busy, self.tell)

    def ping(self) -> None:
        self.pings += 1
        if self.answers:
            self.heartbeat.answered()

    def tell(self, text: str) -> None:
        self.told.append(text)
        self.is_told.set()

    async def fails(self) -> str | None:
        """Why it is to be replaced; None when it was not for so many beats."""
        try:
            async with asyncio.timeout(heartbeat.INTERVAL * 12):
                return await self.heartbeat.fails()
        except TimeoutError:
            return None


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.01)
    monkeypatch.setattr(heartbeat, "_is_stopped", lambda pid: False)
    return Worker()


async def test_one_that_answers_is_pinged_on_and_on(worker: Worker) -> None:
    assert await worker.fails() is None
    assert worker.pings > 3
    assert worker.told == []


async def test_one_that_is_idle_and_does_not_answer_is_to_be_replaced(worker: Worker) -> None:
    worker.answers = False
    assert await worker.fails() == "it had nothing to do, and did not answer for 0.03 s"
    assert worker.pings == 1, "what does not answer is not sent ever more"


async def test_one_that_is_busy_is_left_alone_and_that_is_told_once(worker: Worker) -> None:
    worker.answers, worker.is_busy = False, True
    assert await worker.fails() is None
    [told] = worker.told
    assert told.startswith(f"Worker {os.getpid()} has not answered for 0.03 s: a function holds it up")


async def test_one_whose_process_is_stopped_is_to_be_replaced_also_when_it_is_busy(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "_is_stopped", lambda pid: True)
    worker.answers, worker.is_busy = False, True
    assert await worker.fails() == "its process was stopped by a signal, and did not answer for 0.03 s"


async def test_an_answer_that_comes_late_is_one(worker: Worker) -> None:
    worker.answers, worker.is_busy = False, True
    failing = asyncio.create_task(worker.fails())
    await worker.is_told.wait()
    worker.answers = True
    worker.heartbeat.answered()
    await asyncio.sleep(heartbeat.INTERVAL * 2)
    worker.is_busy = False
    assert await failing is None


def test_a_process_that_goes_on_is_not_stopped() -> None:
    assert not heartbeat._is_stopped(os.getpid())
    assert not heartbeat._is_stopped(0)
