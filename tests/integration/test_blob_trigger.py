"""Blob triggers on a real folder of blobs, with real events and the embedded store."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from funchost.bindings.blob import BlobInfo, BlobStore
from funchost.bindings.embedded_lease import EmbeddedLeases
from funchost.bindings.embedded_queue import EmbeddedQueues
from funchost.bindings.embedded_state import EmbeddedState
from funchost.bindings.embedded_table import EmbeddedTables
from funchost.bindings.errors import BindingError, ConfigurationError, NotFound
from funchost.bindings.file_content import STREAM_FROM
from funchost.bindings.folder_blobs import FolderBlobs
from funchost.bindings.memory_blobs import MemoryBlobs
from funchost.bindings.queue import OutgoingMessage, QueueMessage
from funchost.bindings.store import Store
from funchost.triggers.base import ErrorInfo, Listener, Outcome, Resources, Status, TriggerEvent
from funchost.triggers.blob import POISON_QUEUE, BlobTrigger
from funchost.triggers.blob_source import BlobMessage
from funchost.triggers.descriptor import Binding, FunctionDescriptor
from funchost.triggers.fields import BlobTriggerFields
from funchost.triggers.locks import Locks
from funchost.triggers.watch import Watch


class _NoTimers:
    def call_at(self, moment: datetime, callback: Callable[[], None]) -> Callable[[], None]:
        raise NotImplementedError


@dataclass
class _Host:
    """One host on one store, and a function that notes which blobs it is run for."""

    root: Path
    blobs: FolderBlobs
    queues: EmbeddedQueues
    resources: Resources
    told: list[str]
    fails: bool = False
    events: list[TriggerEvent] = field(default_factory=list)
    runs: list[tuple[str, bytes]] = field(default_factory=list)
    listeners: list[Listener] = field(default_factory=list)
    markers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def trigger(self, path: str = "receipts/{name}.json", **fields: Any) -> BlobTrigger:
        function = FunctionDescriptor(
            name="Notify",
            directory=self.root / "Notify",
            script_file=self.root / "Notify/main.py",
            entry_point="main",
            trigger=Binding(type="blobTrigger", name="blob"),
        )
        return BlobTrigger(function, BlobTriggerFields(path=path, **fields), self.resources)

    async def start(self, path: str = "receipts/{name}.json", **fields: Any) -> Listener:
        listener = self.trigger(path, **fields).listener(self.deliver)
        self.listeners.append(listener)
        await listener.start()
        return listener

    async def deliver(self, event: TriggerEvent) -> Outcome:
        content = (
            event.body if isinstance(event.body, bytes) else b"".join([piece async for piece in event.body])
        )
        self.events.append(event)
        self.runs.append((event.data["name"], content))
        now = datetime.now(UTC)
        outcome = Outcome(
            status=Status.FAILED if self.fails else Status.SUCCEEDED,
            function="Notify",
            invocation_id="1",
            started=now,
            ended=now,
            error=ErrorInfo("ValueError", "no good") if self.fails else None,
        )
        assert event.settle is not None
        await event.settle(outcome)
        return outcome

    async def settled(self) -> None:
        """Wait until a marker that is put now has run: whatever came before has been found by then."""
        name = f"marker-{next(self.markers)}.json"
        await self.blobs.put("receipts", name, b"")
        await self.until(lambda: any(path == f"receipts/{name}" for path, _ in self.runs))
        self.runs = [run for run in self.runs if "marker-" not in run[0]]

    async def until(self, done: Callable[[], bool], seconds: float = 5.0) -> None:
        """Wait until something is so."""

        async def answer() -> bool:
            return done()

        await _until(answer, seconds)

    async def until_queued(self, queue: str, count: int) -> None:
        """Wait until a queue holds so many messages."""

        async def holds() -> bool:
            depths = [depth for depth in await self.queues.depths() if depth.queue == queue]
            return sum(depth.visible + depth.in_flight for depth in depths) == count

        await _until(holds)


async def _until(done: Callable[[], Awaitable[bool]], seconds: float = 5.0) -> None:
    """Look each 10 ms, with a deadline."""
    async with asyncio.timeout(seconds):
        while True:
            if await done():
                return
            await asyncio.sleep(0.01)


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[_Host]:
    store = Store(tmp_path / "store")
    queues = EmbeddedQueues(store, "host")
    told: list[str] = []
    locks = Locks(EmbeddedLeases(store), "host")
    blobs = FolderBlobs(store.folder)
    resources = Resources(
        root=tmp_path,
        queues=lambda connection: queues,
        blobs=lambda connection: blobs,
        tables=lambda connection: EmbeddedTables(store),
        entities=lambda connection: queues,
        locks=locks,
        state=EmbeddedState(store, queues),
        own_queues=queues,
        wakeups=_NoTimers(),
        watch=Watch(),
        report=told.append,
    )
    host = _Host(tmp_path, blobs, queues, resources, told)
    yield host
    for listener in host.listeners:
        await listener.stop()
    await locks.stop()
    await store.close()


async def test_a_new_blob_runs_within_200_ms(host: _Host) -> None:
    await host.start()
    await host.settled()
    loop = asyncio.get_running_loop()
    for number in range(3):
        began = loop.time()
        await host.blobs.put("receipts", f"{number}.json", b"{}")
        await host.until(lambda number=number: len(host.runs) == number + 1)  # type: ignore[misc]
        assert loop.time() - began < 0.2


async def test_the_first_blob_of_a_new_container_and_folder_runs_soon(host: _Host) -> None:
    await host.start()
    await host.blobs.put("receipts", "2026/11/a.json", b"{}")
    await host.until(lambda: bool(host.runs), seconds=2)
    assert host.events[0].metadata["name"] == "2026/11/a"
    await host.blobs.put("receipts", "2026/12/b.json", b"{}")
    await host.until(lambda: len(host.runs) == 2, seconds=2)


async def test_the_event_says_what_azure_says(host: _Host) -> None:
    await host.start("receipts/{kind}-{name}.json")
    info = await host.blobs.put("receipts", "x-y-z.json", b"{}", metadata={"by": "me"})
    await host.until(lambda: bool(host.runs))
    event = host.events[0]
    uri = host.blobs.path("receipts", "x-y-z.json").as_uri()
    properties = {
        "Length": 2,
        "ContentLength": 2,
        "ContentType": "application/json",
        "ETag": info.etag,
        "LastModified": info.modified_at.isoformat(),
    }
    assert event.kind == "blob"
    assert event.reason == "New blob detected(LogsAndContainerScan): receipts/x-y-z.json"
    about = {"uri": uri, "properties": properties, "metadata": {"by": "me"}}
    assert event.data == {"name": "receipts/x-y-z.json", "length": 2, **about}
    assert event.metadata == {"blobTrigger": "receipts/x-y-z.json", "kind": "x-y", "name": "z", **about}


async def test_blobs_that_were_there_before_run_once_and_not_again_after_a_restart(host: _Host) -> None:
    await host.blobs.put("receipts", "early.json", b"1")
    first = await host.start()
    await host.until(lambda: len(host.runs) == 1)
    await first.stop()
    await host.blobs.put("receipts", "late.json", b"2")
    await host.start()
    await host.until(lambda: len(host.runs) == 2)
    await host.settled()
    assert host.runs == [("receipts/early.json", b"1"), ("receipts/late.json", b"2")]


async def test_each_version_of_a_blob_runs_once(host: _Host) -> None:
    await host.start()
    for number in range(3):
        await host.blobs.put("receipts", "a.json", b"%d" % number)
        await host.until(lambda number=number: len(host.runs) == number + 1)  # type: ignore[misc]
    await host.settled()
    assert [content for _, content in host.runs] == [b"0", b"1", b"2"]


async def test_a_blob_that_does_not_match_does_not_run(host: _Host) -> None:
    await host.start()
    await host.blobs.put("receipts", "a.txt", b"1")
    await host.blobs.put("others", "a.json", b"1")
    await host.settled()
    assert host.runs == []


async def test_a_file_that_another_program_drops_runs_once_it_is_whole(host: _Host) -> None:
    await host.start()
    await host.settled()
    with (host.blobs.folder / "receipts/a.json").open("w") as file:
        file.write("half, ")
        file.flush()
        await host.settled()
        assert host.runs == []
        file.write("whole")
    await host.until(lambda: bool(host.runs), seconds=0.5)
    await host.settled()
    assert host.runs == [("receipts/a.json", b"half, whole")]


async def test_a_container_that_goes_away_for_a_while_does_not_run_its_blobs_again(
    host: _Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans: list[str] = []
    listing = host.blobs.list

    def counted(container: str, prefix: str = "") -> AsyncIterator[BlobInfo]:
        scans.append(container)
        return listing(container, prefix)

    monkeypatch.setattr(host.blobs, "list", counted)
    await host.blobs.put("receipts", "a.json", b"1")
    await host.start(scanInterval="00:00:00.05")
    await host.until(lambda: len(host.runs) == 1)
    container, away = host.blobs.folder / "receipts", host.blobs.folder.parent / "away"
    container.rename(away)
    before = len(scans)
    await host.until(lambda: len(scans) >= before + 3)
    away.rename(container)
    await host.settled()
    assert host.runs == [("receipts/a.json", b"1")]


async def test_a_blob_put_again_after_it_was_deleted_runs_again(host: _Host) -> None:
    await host.start()
    await host.blobs.put("receipts", "a.json", b"1")
    await host.until(lambda: len(host.runs) == 1)
    await host.blobs.delete("receipts", "a.json")
    await host.blobs.put("receipts", "a.json", b"1")
    await host.until(lambda: len(host.runs) == 2)


async def test_a_message_whose_blob_is_gone_or_not_wanted_completes_without_running(host: _Host) -> None:
    trigger = host.trigger()
    messages = [
        BlobMessage(
            function_id="Host.Functions.Notify", container_name=container, blob_name=name, e_tag='"0x1"'
        )
        for container, name in [("receipts", "gone.json"), ("receipts", "a.txt"), ("others", "a.json")]
    ]
    bodies = [*(msgspec.json.encode(message) for message in messages), b"not ours", b'{"Type":"Other"}']
    await host.queues.send([OutgoingMessage(queue=trigger.queue, body=body) for body in bodies])
    await host.start()
    await host.until_queued(trigger.queue, 0)
    assert host.runs == []
    assert await host.queues.peek(POISON_QUEUE, 1) == []


@pytest.mark.parametrize("size", [1, STREAM_FROM])
async def test_a_message_for_a_version_that_was_overwritten_makes_no_event(host: _Host, size: int) -> None:
    trigger = host.trigger()
    old = await host.blobs.put("receipts", "a.json", b"o" * size)
    new = await host.blobs.put("receipts", "a.json", b"n" * size)
    assert await trigger.event(_message(old)) is None
    assert await trigger.event(_message(new)) is not None


def _message(info: BlobInfo) -> QueueMessage:
    told = BlobMessage(
        function_id="Host.Functions.Notify",
        container_name=info.container,
        blob_name=info.name,
        e_tag=info.etag,
    )
    now = datetime.now(UTC)
    return QueueMessage(
        queue="q",
        id="1",
        body=msgspec.json.encode(told),
        receipt=None,
        dequeue_count=1,
        inserted_at=now,
        expires_at=None,
        next_visible_at=now,
        first_received_at=None,
        properties={},
    )


async def test_a_blob_that_cannot_be_worked_on_goes_to_poison_after_five_deliveries(host: _Host) -> None:
    host.fails = True
    await host.start()
    info = await host.blobs.put("receipts", "a.json", b"1")
    await host.until_queued(POISON_QUEUE, 1)
    assert len(host.runs) == 5
    (message,) = await host.queues.peek(POISON_QUEUE, 10)
    assert msgspec.json.decode(message.body) == {
        "Type": "BlobTrigger",
        "FunctionId": "Host.Functions.Notify",
        "BlobType": "BlockBlob",
        "ContainerName": "receipts",
        "BlobName": "a.json",
        "ETag": info.etag,
    }
    assert await host.blobs.info("receipts", "a.json") == info


async def test_a_large_blob_is_streamed(host: _Host) -> None:
    content = os.urandom(1024) * (STREAM_FROM // 1024)
    await host.start()
    await host.blobs.put("receipts", "big.json", content)
    await host.until(lambda: bool(host.runs))
    assert host.runs[0][1] == content
    assert not isinstance(host.events[0].body, bytes)


async def test_a_store_without_a_folder_is_found_by_scanning(host: _Host) -> None:
    memory: BlobStore = MemoryBlobs()
    host.resources = replace(host.resources, blobs=lambda connection: memory)
    await host.start(scanInterval="00:00:00.05")
    await memory.put("receipts", "a.json", b"1")
    await host.until(lambda: len(host.runs) == 1)
    await memory.put("receipts", "a.json", b"2")
    await host.until(lambda: len(host.runs) == 2)
    assert host.events[0].data["uri"] == "receipts/a.json"


async def test_a_folder_that_cannot_be_read_is_told_and_the_others_run(
    host: _Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    await host.blobs.put("receipts", "shut/a.json", b"1")
    await host.blobs.put("receipts", "b.json", b"2")
    scandir = os.scandir

    def refusing(path: Any) -> Any:
        if str(path).endswith("shut"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    listener = await host.start(scanInterval="00:00:00.05")
    await host.until(lambda: listener.state.startswith("scanning failed"))
    await host.until(lambda: [path for path, _ in host.runs] == ["receipts/b.json"])
    monkeypatch.undo()
    await host.until(lambda: len(host.runs) == 2)
    await host.until(lambda: listener.state == "listening")
    assert len(host.told) == 1


async def test_a_run_by_hand_takes_the_blob_s_path(host: _Host) -> None:
    trigger = host.trigger()
    info = await host.blobs.put("receipts", "b.json", b"by hand", metadata={"by": "me"})
    event = await trigger.manual_event(b" receipts/b.json\n")
    assert (event.body, event.metadata["name"]) == (b"by hand", "b")
    assert (event.data["name"], event.data["length"]) == ("receipts/b.json", 7)
    assert event.data["uri"].endswith("/receipts/b.json")
    assert event.data["properties"]["ETag"] == info.etag
    assert event.data["metadata"] == event.metadata["metadata"] == {"by": "me"}
    for wrong in [None, b"", b"receipts", b"receipts/../a"]:
        with pytest.raises(BindingError):
            await trigger.manual_event(wrong)
    for missing in ["receipts/none.json", "nowhere/a.json"]:
        with pytest.raises(NotFound, match=f"There is no blob {missing}."):
            await trigger.manual_event(missing.encode())


async def test_a_large_blob_is_streamed_to_a_run_by_hand(host: _Host) -> None:
    await host.blobs.put("receipts", "a.json", bytes(STREAM_FROM))
    event = await host.trigger().manual_event(b"receipts/a.json")
    assert not isinstance(event.body, bytes)
    for _ in range(2):
        assert sum([len(piece) async for piece in event.body]) == event.data["length"] == STREAM_FROM


async def test_the_folder_of_the_container_is_there_once_it_listens(host: _Host) -> None:
    await host.start()
    (host.blobs.folder / "receipts" / "a.json").write_bytes(b"dropped")
    await host.until(lambda: len(host.runs) == 1)


async def test_what_cannot_be_configured_is_told_with_its_key(host: _Host) -> None:
    with pytest.raises(ConfigurationError) as failure:
        host.trigger("{container}/a")
    assert failure.value.key == "path"
