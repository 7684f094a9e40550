"""What a spool promises beyond the suite: other programs, several processes, a folder that is not there."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes import ManualClock
from funchost.bindings.errors import BindingError, ReceiptLost, StoreError
from funchost.bindings.queue import OutgoingMessage

from funchost_spool.queues import SpoolQueues

LEASE = timedelta(seconds=30)


def spool(folder: Path, clock: ManualClock | None = None) -> SpoolQueues:
    return SpoolQueues(folder, clock or ManualClock(), lease=LEASE)


def drop(folder: Path, name: str, content: bytes, clock: ManualClock, delay: int = 0) -> None:
    """Put a file there as another program would."""
    queue = folder / "queues" / "orders"
    queue.mkdir(parents=True, exist_ok=True)
    (queue / name).write_bytes(content)
    seconds = clock.now().timestamp() + delay
    os.utime(queue / name, (seconds, seconds))


@pytest.mark.parametrize("name", ["order.json", "first order", "1_2_3", "a_b.message"])
async def test_a_file_of_any_name_is_a_message(tmp_path: Path, name: str) -> None:
    clock = ManualClock()
    queues = spool(tmp_path, clock)
    drop(tmp_path, name, b"one", clock)
    assert [(each.body, each.state) for each in await queues.peek("orders", 9)] == [(b"one", "visible")]
    [message] = await queues.receive("orders", 9)
    assert (message.body, message.dequeue_count, message.properties) == (b"one", 1, {})
    assert message.inserted_at == clock.now()
    await queues.release(message, timedelta(0))
    [again] = await queues.receive("orders", 9)
    assert (again.id, again.dequeue_count) == (message.id, 2)
    await queues.complete([again])
    assert list((tmp_path / "queues" / "orders").iterdir()) == []


async def test_a_file_of_the_future_waits_until_then(tmp_path: Path) -> None:
    clock = ManualClock()
    drop(tmp_path, "order", b"one", clock, delay=60)
    assert await spool(tmp_path, clock).receive("orders", 9) == []
    clock.advance(timedelta(minutes=1))
    assert len(await spool(tmp_path, clock).receive("orders", 9)) == 1


@pytest.mark.parametrize("what", [{"session_id": "a"}, {"dedup_id": "1"}])
async def test_what_a_spool_does_not_keep_is_refused(tmp_path: Path, what: dict[str, Any]) -> None:
    queues = spool(tmp_path)
    with pytest.raises(BindingError, match="leave them out"):
        await queues.send([OutgoingMessage(queue="orders", body=b"", **what)])
    assert await queues.depths() == []


async def test_what_begins_with_a_dot_and_folders_are_no_messages(tmp_path: Path) -> None:
    clock = ManualClock()
    drop(tmp_path, ".order.part", b"half", clock)
    (tmp_path / "queues" / "orders" / "folder").mkdir()
    assert await spool(tmp_path, clock).receive("orders", 9) == []


async def test_of_several_processes_each_message_has_one_holder(tmp_path: Path) -> None:
    clock = ManualClock()
    stores = [spool(tmp_path, clock) for _ in range(6)]
    await stores[0].send([OutgoingMessage(queue="orders", body=b"%d" % number) for number in range(100)])
    ids: list[str] = []
    while len(set(ids)) < 100:
        taken = await asyncio.gather(*(store.receive("orders", 10) for store in stores))
        ids += [message.id for messages in taken for message in messages]
    assert len(ids) == 100


async def test_a_message_whose_holder_died_comes_again_and_a_late_finisher_changes_nothing(
    tmp_path: Path,
) -> None:
    clock = ManualClock()
    one, other = spool(tmp_path, clock), spool(tmp_path, clock)
    await one.send([OutgoingMessage(queue="orders", body=b"one")])
    [late] = await one.receive("orders", 1)
    clock.advance(LEASE)
    [current] = await other.receive("orders", 1)
    assert current.dequeue_count == 2
    with pytest.raises(ReceiptLost):
        await one.complete([late], [OutgoingMessage(queue="bills", body=b"bill")])
    await other.complete([current])
    assert await other.peek("bills", 9) == []


async def test_what_another_process_sends_ends_a_wait(tmp_path: Path) -> None:
    one, other = spool(tmp_path), spool(tmp_path)
    assert await one.receive("orders", 1) == []
    waiting = asyncio.ensure_future(one.wait("orders", timedelta(hours=1)))
    await other.send([OutgoingMessage(queue="orders", body=b"one")])
    await asyncio.wait_for(waiting, 5)


async def test_a_folder_that_is_not_there_is_told_and_never_made(tmp_path: Path) -> None:
    share = tmp_path / "share"
    queues = spool(share)
    with pytest.raises(StoreError, match="share"):
        await queues.receive("orders", 1)
    with pytest.raises(StoreError):
        await queues.send([OutgoingMessage(queue="orders", body=b"one")])
    assert await queues.depths() == []
    assert not share.exists()
    share.mkdir()
    await queues.send([OutgoingMessage(queue="orders", body=b"one")])
    assert len(await queues.receive("orders", 1)) == 1


async def test_properties_go_with_their_message(tmp_path: Path) -> None:
    queues = spool(tmp_path)
    await queues.send([OutgoingMessage(queue="orders", body=b"one", properties={"traceparent": "t"})])
    [message] = await queues.receive("orders", 1)
    await queues.release(message, timedelta(0), properties={"failures": ["x"]})
    [message] = await queues.receive("orders", 1)
    assert message.properties == {"failures": ["x"]}
    await queues.complete([message])
    assert list((tmp_path / "queues" / "orders").iterdir()) == []
