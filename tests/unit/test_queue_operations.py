"""Queues as people look after them: what is listed of them, and which are paused."""

from __future__ import annotations

from datetime import timedelta

import pytest
from memory_history import MemoryHistory
from workbenches import Bench

from funchost.bindings.clock import new_run_id
from funchost.bindings.errors import BindingError, NotFound
from funchost.bindings.history import RunRecord, RunState
from funchost.bindings.queue import OutgoingMessage
from funchost.host.operations import queues as module
from funchost.host.operations.queues import (
    QueueInfo,
    check_queue,
    clear_queue,
    list_queues,
    pause_queue,
    queue_document,
    resume_queue,
)

SECOND = timedelta(seconds=1)


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def send(bench: Bench, *queues: str) -> None:
    await bench.store.send([OutgoingMessage(queue=queue, body=b"x") for queue in queues])


async def listed(bench: Bench) -> dict[str, QueueInfo]:
    return {queue.name: queue for queue in await list_queues(bench.workbench)}


async def ran(
    bench: Bench, state: RunState, *, ago: float = 1, queue: str = "orders", trigger: str = "queueTrigger"
) -> None:
    started = bench.clock.now() - ago * SECOND
    assert isinstance(bench.history, MemoryHistory)
    run = RunRecord(
        id=new_run_id(started),
        function="Work",
        trigger=trigger,
        state=state,
        host="h",
        origin=queue,
        started=started,
    )
    await bench.history.record([run])


async def test_a_rate_is_the_average_of_the_last_minute(bench: Bench) -> None:
    await send(bench, "orders", "idle")
    for state in (RunState.SUCCEEDED, RunState.FAILED, RunState.RUNNING):
        await ran(bench, state)
    await ran(bench, RunState.SUCCEEDED, ago=61)
    await ran(bench, RunState.SUCCEEDED, trigger="blobTrigger")
    found = await listed(bench)
    assert (found["orders"].rate.received, found["orders"].rate.completed) == (3 / 60, 1 / 60)
    assert (found["idle"].rate.received, found["idle"].rate.completed) == (0, 0)


async def test_of_very_many_runs_the_last_ones_make_the_rate(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_RUNS", 4)
    await send(bench, "orders")
    for ago in (50, 2, 1.5, 1, 0.5):
        await ran(bench, RunState.SUCCEEDED, ago=ago)
    assert (await listed(bench))["orders"].rate.received == 2.0


async def test_a_pause_is_told_with_who_and_when_until_it_ends(bench: Bench) -> None:
    await send(bench, "orders", "other")
    assert await pause_queue(bench.workbench, "orders")
    assert not await pause_queue(bench.workbench, "orders")
    found = await listed(bench)
    assert queue_document(found["orders"], bench.clock.now())["paused"] == {
        "since": bench.clock.now().isoformat(),
        "by": "cli:ada",
    }
    assert found["other"].paused is None
    assert await resume_queue(bench.workbench, "orders")
    assert not await resume_queue(bench.workbench, "orders")
    assert (await listed(bench))["orders"].paused is None
    assert [row[:2] for row in bench.audit.rows] == [("queues.pause", "orders"), ("queues.resume", "orders")]


async def test_a_queue_may_be_paused_before_it_is_there(bench: Bench) -> None:
    await pause_queue(bench.workbench, "later")
    found = await listed(bench)
    assert (found["later"].depth.visible, found["later"].paused is not None) == (0, True)


async def test_queues_of_the_same_name_behind_other_connections_are_others(bench: Bench) -> None:
    await pause_queue(bench.workbench, "orders", "Cloud")
    assert not await resume_queue(bench.workbench, "orders")
    assert await module.paused_queues(bench.workbench) == {}
    assert list(await module.paused_queues(bench.workbench, "cloud")) == ["orders"]


async def test_the_apps_own_storage_may_be_called_by_its_setting(bench: Bench) -> None:
    await pause_queue(bench.workbench, "orders", "AzureWebJobsStorage")
    assert list(await module.paused_queues(bench.workbench)) == ["orders"]


async def test_what_a_trigger_keeps_for_itself_is_paused_with_its_function(bench: Bench) -> None:
    with pytest.raises(BindingError, match="functions pause"):
        await pause_queue(bench.workbench, "azure-webjobs-blobtrigger-notify")


async def test_clearing_removes_what_is_there_and_notes_it(bench: Bench) -> None:
    await send(bench, "orders", "orders", "other")
    assert await clear_queue(bench.workbench, "orders") == 2
    found = await listed(bench)
    assert (found["orders"].depth.visible, found["other"].depth.visible) == (0, 1)
    assert bench.audit.rows[0][:2] == ("queues.clear", "orders")


async def test_a_queue_that_is_not_there_is_told_with_the_nearest(bench: Bench) -> None:
    await send(bench, "orders")
    with pytest.raises(NotFound, match="Did you mean orders"):
        await check_queue(bench.workbench, "", "ordrs")
    await check_queue(bench.workbench, "", "orders")
