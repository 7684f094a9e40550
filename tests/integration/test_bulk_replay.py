"""Replays of many runs on the embedded store: each is done once, whatever comes in between."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from fakes import make_function
from memory_history import NOON, failed, make_run, text

from funchost.bindings.errors import HostUnreachable, NotFound
from funchost.bindings.history import Kept, RunFilter, RunRecord
from funchost.bindings.memory_queues import MemoryQueues
from funchost.bindings.queue import OutgoingMessage, QueueStore
from funchost.bindings.replay_batches import Batch
from funchost.host.cli.access import opened_workbench
from funchost.host.cli.options import App
from funchost.host.operations.bulk_replay import BulkReplay, Choice, Progress, choose
from funchost.host.operations.replay import still_queued
from funchost.host.operations.workbench import Workbench

FUNCTIONS = {
    "work": make_function(fields={"queueName": "jobs"}, name="work"),
    "tick": make_function("timerTrigger", {"schedule": "0 0 * * * *"}, name="tick"),
}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Workbench]:
    async with opened_workbench(App(tmp_path, None)) as workbench:
        yield workbench


def runs(count: int) -> list[RunRecord]:
    """Failed runs, each with a body of its own."""
    return [
        failed(started=NOON + timedelta(seconds=n), message=f"m{n}", input=text(f"job{n}"))
        for n in range(count)
    ]


async def made(
    bench: Workbench, kept: list[RunRecord], rate: float | None = None, bulk: BulkReplay | None = None
) -> tuple[BulkReplay, Batch]:
    await bench.history.record(kept)
    bulk = bulk or BulkReplay(bench, FUNCTIONS)
    return bulk, await bulk.make(await choose(bench.history, RunFilter()), "--since 1h", rate)


async def bodies(bench: Workbench) -> Counter[str]:
    messages = await bench.storage.local.queues.peek("jobs", 10_000)
    return Counter(message.body.decode() for message in messages)


def each_once(count: int) -> Counter[str]:
    return Counter(f"job{n}" for n in range(count))


async def test_each_run_becomes_a_message_that_names_it(bench: Workbench) -> None:
    kept = runs(250)
    bulk, batch = await made(bench, kept)
    progress = await bulk.work_off(batch)
    assert (progress.total, progress.replayed, progress.refused) == (250, 250, {})
    assert await bodies(bench) == each_once(250)
    messages = await bench.storage.local.queues.peek("jobs", 1000)
    assert {message.properties["replayOf"] for message in messages} == {run.id for run in kept}
    assert (await bulk.batches.get(batch.id)).left == 0


async def test_what_is_done_is_not_done_again(bench: Workbench) -> None:
    bulk, batch = await made(bench, runs(5))
    await bulk.work_off(batch)
    assert (await bulk.work_off(batch)).total == 0
    assert await bodies(bench) == each_once(5)


async def test_two_that_work_off_the_same_batch_do_each_run_once(bench: Workbench) -> None:
    bulk, batch = await made(bench, runs(300))
    other = BulkReplay(bench, FUNCTIONS)
    first, second = await asyncio.gather(bulk.work_off(batch), other.work_off(batch))
    assert first.replayed + second.replayed == 300
    assert await bodies(bench) == each_once(300)


async def test_one_that_is_broken_off_goes_on_where_it_was(bench: Workbench) -> None:
    bulk, batch = await made(bench, runs(60), rate=200)
    some = asyncio.Event()

    def told(progress: Progress) -> None:
        if progress.done >= 10:
            some.set()

    working = asyncio.create_task(bulk.work_off(batch, told))
    async with asyncio.timeout(10):
        await some.wait()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    left = (await bulk.batches.get(batch.id)).left
    assert 0 < left <= 50
    batch.rate = None
    assert (await bulk.work_off(batch)).total == left
    assert await bodies(bench) == each_once(60)


async def test_a_rate_is_kept(bench: Workbench) -> None:
    bulk, batch = await made(bench, runs(40), rate=100)
    began = time.monotonic()
    await bulk.work_off(batch)
    # The first goes at once.
    assert time.monotonic() - began >= 39 / 100


async def test_runs_that_cannot_be_replayed_are_told_and_hold_up_no_other(bench: Workbench) -> None:
    good = runs(1)[0]
    streamed = failed(input=Kept("stream"), message="s")
    cut = failed(input=Kept("bytes", b"be", 99), message="c")
    unknown = failed("gone", message="g")
    bulk, batch = await made(bench, [good, streamed, cut, unknown])
    progress = await bulk.work_off(batch)
    assert progress.replayed == 1
    assert set(progress.refused) == {streamed.id, cut.id, unknown.id}
    assert "is not kept" in progress.refused[cut.id]
    assert "There is no function 'gone'" in progress.refused[unknown.id]
    assert (await bulk.batches.get(batch.id)).left == 0


async def test_a_run_that_is_no_longer_kept_is_told(bench: Workbench) -> None:
    run = runs(1)[0]
    bulk, _ = await made(bench, [])
    batch = await bulk.make(Choice([run], {}), "", None)
    assert "no run" in (await bulk.work_off(batch)).refused[run.id]


def ticks(count: int) -> list[RunRecord]:
    return [
        failed("tick", trigger="timerTrigger", origin="", started=NOON + timedelta(seconds=n))
        for n in range(count)
    ]


async def test_a_host_that_goes_away_leaves_the_rest_for_later(bench: Workbench) -> None:
    done: list[str] = []

    async def live(run: RunRecord) -> None:
        if len(done) == 2:
            raise HostUnreachable
        done.append(run.id)

    kept = ticks(5)
    bulk, batch = await made(bench, kept, rate=1000, bulk=BulkReplay(bench, FUNCTIONS, live))
    with pytest.raises(HostUnreachable):
        await bulk.work_off(batch)
    assert (await bulk.batches.get(batch.id)).left == 3

    async def back(run: RunRecord) -> None:
        done.append(run.id)

    await BulkReplay(bench, FUNCTIONS, back).work_off(batch)
    assert done == [run.id for run in kept]


async def test_what_somebody_had_begun_with_is_not_repeated_where_it_was_run(bench: Workbench) -> None:
    ran, not_run = ticks(2)
    done: list[str] = []

    async def live(run: RunRecord) -> None:
        done.append(run.id)

    bulk, batch = await made(bench, [ran, not_run], bulk=BulkReplay(bench, FUNCTIONS, live))
    for run in (ran, not_run):
        await bulk.batches.begin(batch, run.id)  # and then it was killed
    replay = make_run(
        "tick", started=batch.at + timedelta(seconds=1), replay_of=ran.id, trigger="timerTrigger"
    )
    await bench.history.record([replay])
    progress = await bulk.work_off(batch)
    assert done == [not_run.id]
    assert progress.replayed == 2


async def test_batches_are_found_by_the_beginning_of_their_id_and_forgotten_in_time(bench: Workbench) -> None:
    bulk, batch = await made(bench, runs(2))
    assert (await bulk.batches.get(batch.id[:4])).id == batch.id
    with pytest.raises(NotFound, match=f"There are: {batch.id}"):
        await bulk.batches.get("xyz")
    with pytest.raises(NotFound):
        await bulk.batches.get("")
    other = Batch(id="other", at=batch.at, who="me", wanted="", total=0)
    await bulk.batches.make(other, [], forget_before=batch.at + timedelta(seconds=1))
    assert [one.id for one in await bulk.batches.list()] == ["other"]
    assert await bulk.batches.left(batch) == {}


async def test_a_batch_is_noted_in_the_audit(bench: Workbench) -> None:
    _, batch = await made(bench, runs(3))
    [row] = await bench.storage.local.audit.list(10)
    assert (row.action, row.target, row.detail["runs"]) == ("runs.replayMany", batch.id, 3)


async def test_messages_of_another_connection_go_to_its_store(bench: Workbench) -> None:
    other, elsewhere = MemoryQueues(), []
    function = make_function(fields={"queueName": "jobs", "connection": "Other"}, name="work")

    def queues(connection: str) -> QueueStore:
        elsewhere.append(connection)
        return other

    bench = replace(bench, queues=queues)
    bulk, batch = await made(bench, runs(3), bulk=BulkReplay(bench, {"work": function}))
    assert (await bulk.work_off(batch)).replayed == 3
    assert set(elsewhere) == {"Other"}
    assert Counter(message.body.decode() for message in await other.peek("jobs", 9)) == each_once(3)
    assert (await bulk.work_off(batch)).total == 0


async def test_a_body_that_no_queue_takes_any_more_is_told(bench: Workbench) -> None:
    run = failed(message="m", input=text("x" * 60_000))
    bulk, batch = await made(bench, [run])
    assert "over the limit" in (await bulk.work_off(batch)).refused[run.id]


async def test_a_message_that_is_still_in_its_queue_is_known(bench: Workbench) -> None:
    store = bench.storage.local.queues
    await store.send(
        [OutgoingMessage(queue="jobs", body=b"tried"), OutgoingMessage(queue="jobs", body=b"new")]
    )
    [message] = await store.receive("jobs", 1)
    assert await still_queued(bench) == {message.id}
    await store.complete([message])
    assert await still_queued(bench) == set()
