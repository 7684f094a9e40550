"""Runs that nobody waits for: what is begun, in which order, and how many at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import cast

import msgspec
import pytest
from fakes import ManualClock, make_outcome

from funchost.bindings.errors import BindingError, StoreError
from funchost.bindings.memory_queues import MemoryQueues
from funchost.bindings.queue import OutgoingMessage
from funchost.bindings.table import OutgoingEntity
from funchost.host.callers import starts as module
from funchost.host.callers.signing import Signing
from funchost.host.callers.starts import AsyncStarts
from funchost.host.history.recorder import Recorder
from funchost.triggers.base import Outcome, TriggerEvent
from funchost.triggers.http_async import TooManyStarts
from funchost.triggers.replies import CALLBACKS


class Bench:
    """Starts on stores in memory; a run ends when the test lets it. What happens is noted in `steps`."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.let = asyncio.Event()
        self.trouble: StoreError | None = None
        #: Why no record can be written.
        self.unwritable: StoreError | None = None
        self.queues = MemoryQueues(ManualClock())
        self.starts = AsyncStarts(
            recorder=cast(Recorder, self),
            signing=cast(Signing, self),
            queues=cast(MemoryQueues, self),
            clock=ManualClock(),
            trusts=self.trusts,
        )

    def trusts(self, headers: Mapping[str, str], key: str | None, function: str) -> bool:
        return False

    async def deliver(self, event: TriggerEvent) -> Outcome:
        self.steps.append(f"ran {event.run_id}")
        await self.let.wait()
        return make_outcome()

    async def send(self, messages: list[OutgoingMessage], entities: list[OutgoingEntity] = []) -> None:  # noqa: B006
        if self.trouble:
            raise self.trouble
        await self.queues.send(messages)
        self.steps.append("sent")

    async def check(self) -> None:
        if self.unwritable:
            raise self.unwritable

    async def keep(self, id: str) -> None:
        self.steps.append(f"kept {id}")

    async def status_path(self, id: str) -> str:
        return f"/runs/{id}"

    async def begin(self, body: bytes = b"", callback: str | None = None) -> module.StartedRun:
        return await self.starts.begin("Work", self.deliver, TriggerEvent(kind="http", body=body), callback)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    bench.let.set()


async def test_a_run_is_in_hand_when_it_is_begun_and_known_before_its_caller_is_told(bench: Bench) -> None:
    started = await bench.begin()
    assert bench.steps == [f"ran {started.id}"]
    assert await started.status_path() == f"/runs/{started.id}"
    assert bench.steps[1:] == [f"kept {started.id}"]
    assert not started.outcome.done()
    bench.let.set()
    assert (await started.outcome).succeeded


async def test_what_is_to_be_called_is_kept_before_the_run_begins(bench: Bench) -> None:
    started = await bench.begin(callback="https://example.com/")
    assert bench.steps == ["sent", f"ran {started.id}"]
    [message] = await bench.queues.peek(CALLBACKS, 10)
    wanted = msgspec.json.decode(message.body)
    assert (wanted["run"], wanted["url"]) == (started.id, "https://example.com/")


async def test_a_run_of_which_its_caller_could_not_be_told_is_not_begun(bench: Bench) -> None:
    bench.unwritable = StoreError("locked")
    with pytest.raises(StoreError):
        await bench.begin()
    assert bench.steps == []


async def test_where_that_cannot_be_kept_or_called_nothing_begins(bench: Bench) -> None:
    with pytest.raises(BindingError):
        await bench.begin(callback="ftp://example.com/")
    bench.trouble = StoreError("locked")
    with pytest.raises(StoreError):
        await bench.begin(callback="https://example.com/")
    assert bench.steps == []


async def test_there_is_an_end_to_how_many_are_in_hand(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_RUNS", 2)
    first = await bench.begin()
    await bench.begin()
    with pytest.raises(TooManyStarts):
        await bench.begin()
    bench.let.set()
    await first.outcome
    await asyncio.sleep(0)
    await bench.begin()


async def test_there_is_an_end_to_what_they_hold_but_one_may_always_begin(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 10)
    await bench.begin(b"x" * 11)
    with pytest.raises(TooManyStarts):
        await bench.begin(b"x")
