"""Operations on locks, blobs and logs, on a store of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fake_s3 import FakeS3
from fakes import make_function, memory_resources
from s3 import SETTINGS

from funchost.bindings.aws.s3_state import S3State
from funchost.bindings.clock import SystemClock, new_run_id
from funchost.bindings.embedded_state import EmbeddedState
from funchost.bindings.errors import BindingError, NotFound
from funchost.bindings.history import Kept, RunRecord, RunState
from funchost.bindings.memory_blobs import MemoryBlobs
from funchost.bindings.memory_leases import MemoryLeases
from funchost.bindings.queue import OutgoingMessage
from funchost.bindings.state import Sighting, StateStore
from funchost.host.logs.line import LogLine
from funchost.host.logs.log_files import LOGS, LogFiles
from funchost.host.logs.log_reader import LineFilter
from funchost.host.operations.blobs import (
    Again,
    blob_info,
    blobs_of,
    containers,
    delete_blob,
    put_blob,
    run_again,
    to_run_again,
)
from funchost.host.operations.locks import break_lock, list_locks, lock_document
from funchost.host.operations.logs import last_lines, lines_of_run, log_reader
from funchost.host.operations.workbench import Workbench
from funchost.host.storage import EmbeddedStorage, HostStorage
from funchost.triggers.blob import BlobTrigger
from funchost.triggers.fields import BlobTriggerFields
from funchost.triggers.locks import Locks

NOW = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Workbench]:
    local = EmbeddedStorage(tmp_path, SystemClock())
    storage = HostStorage(local, None, "app", lambda message: None)
    blobs = MemoryBlobs()
    yield Workbench(
        storage=storage,
        queues=lambda connection: local.queues,
        blobs=lambda connection: blobs if connection else local.blobs,
        clock=SystemClock(),
        who="cli:test",
    )
    await storage.close()


async def actions(bench: Workbench) -> list[tuple[str, str, dict[str, Any]]]:
    rows = await bench.storage.local.audit.list(10)
    return [(row.action, row.target, row.detail) for row in reversed(rows)]


# -- locks


@pytest.mark.parametrize(
    ("name", "serves", "function"),
    [
        ("totals", "singleton totals", "totals"),
        ("totals.anna.b", "singleton totals for anna.b", "totals"),
        ("orders.Listener", "listener of orders", "orders"),
        ("tick.Listener", "timer tick", "tick"),
        ("scan:blob:img", "scanner of the blobs of img", "img"),
        ("scan:file:csv", "scanner of the files of csv", "csv"),
        ("follow:feed", "a lease of a trigger", None),
    ],
)
async def test_a_lock_tells_in_words_what_it_is_for(
    bench: Workbench, name: str, serves: str, function: str | None
) -> None:
    await bench.storage.state.put("timer", "tick", {"Last": "x"})
    assert await bench.storage.locks.try_acquire(name)
    [lock] = await list_locks(bench)
    assert (lock.serves, lock.function, lock.shared) == (serves, function, False)


async def test_a_lock_names_the_host_that_holds_it(bench: Workbench) -> None:
    await bench.storage.local.presence.start()
    assert await bench.storage.locks.try_acquire("totals")
    [lock] = await list_locks(bench)
    document = lock_document(lock)
    assert document["owner"] == bench.storage.owner
    assert document["host"]["alive"] is True
    assert 0 < document["endsInSeconds"] <= 15
    assert lock.holder == f"process {document['host']['pid']}"


async def test_a_lock_of_nobody_that_is_known_says_so(bench: Workbench) -> None:
    assert await bench.storage.locks.try_acquire("totals")
    [lock] = await list_locks(bench)
    assert (lock.host, lock.holder) == (None, "a host that is gone")


async def test_locks_that_machines_share_stand_beside_those_of_this_one(bench: Workbench) -> None:
    storage = bench.storage
    storage.locks = Locks(MemoryLeases(), "elsewhere")
    assert await storage.locks.try_acquire("shared")
    assert await storage.local.locks.try_acquire("local")
    found = await list_locks(bench)
    assert [(lock.lease.name, lock.shared) for lock in found] == [("local", False), ("shared", True)]
    assert found[1].holder == "another machine, or a host that is gone"
    assert (await break_lock(bench, "shared")).shared
    assert [lock.lease.name for lock in await list_locks(bench)] == ["local"]
    await storage.locks.stop()


async def test_breaking_a_lock_frees_it_and_is_noted(bench: Workbench) -> None:
    held = await bench.storage.locks.try_acquire("totals")
    assert held is not None
    broken = await break_lock(bench, "totals")
    assert broken.lease == held.lease
    [(action, target, detail)] = await actions(bench)
    assert (action, target, detail["fence"]) == ("locks.break", "totals", held.lease.fence)
    again = await bench.storage.locks.try_acquire("totals")
    assert again is not None and again.lease.fence > held.lease.fence


async def test_a_lock_that_nobody_holds_cannot_be_broken(bench: Workbench) -> None:
    assert await bench.storage.locks.try_acquire("totals")
    with pytest.raises(NotFound, match="Did you mean totals"):
        await break_lock(bench, "total")
    assert await actions(bench) == []


# -- blobs


async def test_containers_are_counted(bench: Workbench) -> None:
    store = bench.blobs("")
    assert await containers(store) == []
    await store.put("pics", "a", b"12345")
    await store.put("pics", "b/c", b"1")
    [found] = await containers(store)
    assert (found.name, found.blobs, found.size, found.is_whole) == ("pics", 2, 6, True)
    assert found.newest is not None


async def test_the_blobs_of_a_container_come_up_to_a_limit(bench: Workbench) -> None:
    store = bench.blobs("")
    for name in ("a/1", "a/2", "b"):
        await store.put("pics", name, b"1")
    found, has_more = await blobs_of(store, "pics", "a/", 1)
    assert (len(found), has_more) == (1, True)
    found, has_more = await blobs_of(store, "pics", "a/", 2)
    assert (sorted(info.name for info in found), has_more) == (["a/1", "a/2"], False)
    assert await blobs_of(store, "pics", "z", 5) == ([], False)
    with pytest.raises(NotFound, match="Did you mean pics"):
        await blobs_of(store, "picz", "", 5)


async def test_a_blob_is_put_shown_and_deleted_and_noted(bench: Workbench) -> None:
    info = await put_blob(bench, "", "pics/a.png", b"1", content_type="x/y", metadata={"k": "v"})
    assert await blob_info(bench.blobs(""), "pics/a.png") == info
    assert (info.content_type, info.metadata) == ("x/y", {"k": "v"})
    await delete_blob(bench, "", "pics/a.png")
    assert [action for action, *_ in await actions(bench)] == ["blobs.put", "blobs.delete"]
    with pytest.raises(NotFound):
        await blob_info(bench.blobs(""), "pics/a.png")
    with pytest.raises(NotFound):
        await delete_blob(bench, "", "pics/a.png")
    with pytest.raises(BindingError):
        await put_blob(bench, "", "pics/../../etc", b"")


def blob_trigger(
    bench: Workbench, name: str = "thumb", path: str = "pics/{name}.png", state: StateStore | None = None
) -> BlobTrigger:
    """On memory's blobs, remembered and queued in the embedded store."""
    resources = replace(
        memory_resources(blobs=bench.blobs("other")),
        state=state or bench.storage.state,
        own_queues=bench.storage.queues,
    )
    fields = {"path": path, "connection": "other"}
    function = make_function("blobTrigger", fields, name=name)
    return BlobTrigger(function, msgspec.convert(fields, BlobTriggerFields), resources)


async def queued(bench: Workbench, function: str = "thumb") -> list[tuple[str, str]]:
    messages = await bench.storage.queues.peek(f"azure-webjobs-blobtrigger-{function}", 100)
    bodies = [msgspec.json.decode(message.body) for message in messages]
    return [(body["BlobName"], body["ETag"]) for body in bodies]


async def test_blobs_are_queued_again_for_functions_that_have_run_for_them(bench: Workbench) -> None:
    store, trigger = bench.blobs("other"), blob_trigger(bench)
    first = await store.put("pics", "2026/a.png", b"1")
    second = await store.put("pics", "b.png", b"2")
    await store.put("pics", "c.txt", b"3")
    for _ in range(2):
        plan = await to_run_again([trigger], "pics", "")
        assert [(again.function, len(again.blobs)) for again in plan] == [("thumb", 2)]
        assert await run_again(bench, plan) == 2
    assert sorted(await queued(bench)) == sorted(2 * [("2026/a.png", first.etag), ("b.png", second.etag)])
    assert await bench.storage.state.seen("blob:thumb") == {
        "pics/2026/a.png": first.etag,
        "pics/b.png": second.etag,
    }
    assert [action for action, *_ in await actions(bench)] == 2 * ["blobs.reprocess"]


async def test_blobs_are_queued_again_where_hosts_share_what_they_remember_on_s3(bench: Workbench) -> None:
    s3, queues = FakeS3(), bench.storage.queues
    state = S3State(lambda: s3, SETTINGS, "storage", queues)
    trigger = blob_trigger(bench, state=state)
    info = await bench.blobs("other").put("pics", "a.png", b"1")
    for _ in range(2):
        await run_again(bench, await to_run_again([trigger], "pics", ""))
    assert await queued(bench) == 2 * [("a.png", info.etag)]
    assert await state.seen("blob:thumb") == {"pics/a.png": info.etag}


async def test_a_version_that_a_scan_has_queued_meanwhile_is_not_queued_twice(bench: Workbench) -> None:
    trigger = blob_trigger(bench)
    info = await bench.blobs("other").put("pics", "a.png", b"1")
    plan = await to_run_again([trigger], "pics", "")

    class Raced(EmbeddedState):
        """A state in which a scanner of another host comes in between the two steps."""

        async def record(self, scope: str, sightings: Sequence[Sighting]) -> int:
            done = await super().record(scope, sightings)
            if sightings[0].version is None:
                message = OutgoingMessage(
                    queue="azure-webjobs-blobtrigger-thumb", body=b'{"BlobName":"a.png","ETag":"s"}'
                )
                await super().record(scope, [Sighting(info.path, info.etag, message)])
            return done

    local = bench.storage.local
    raced = Raced(local.store, local.queues)
    again = Again(blob_trigger(bench, state=raced), plan[0].blobs)
    await run_again(bench, [again])
    assert await queued(bench) == [("a.png", "s")]


async def test_only_the_functions_and_blobs_that_are_meant_run_again(bench: Workbench) -> None:
    store = bench.blobs("other")
    await store.put("pics", "2026/a.png", b"1")
    await store.put("pics", "b.png", b"2")
    triggers = [
        blob_trigger(bench),
        blob_trigger(bench, "log", "pics/{n}"),
        blob_trigger(bench, "x", "docs/{n}"),
    ]
    plan = await to_run_again(triggers, "pics", "2026/", functions=["THUMB"])
    assert [(again.function, [info.name for info in again.blobs]) for again in plan] == [
        ("thumb", ["2026/a.png"])
    ]
    assert [again.function for again in await to_run_again(triggers, "pics", "")] == ["log", "thumb"]
    assert [again.function for again in await to_run_again(triggers, "pics", "", connection="other")] == [
        "log",
        "thumb",
    ]
    for wanted in ({"functions": ["thum"]}, {"connection": "third"}):
        with pytest.raises(NotFound):
            await to_run_again(triggers, "pics", "", **wanted)
    with pytest.raises(NotFound, match="docs/"):
        await to_run_again(triggers, "picz", "")


# -- logs


def record(began: datetime, log: str, *, function: str = "one", ended: bool = True) -> RunRecord:
    return RunRecord(
        id=new_run_id(began),
        function=function,
        trigger="queueTrigger",
        state=RunState.SUCCEEDED if ended else RunState.RUNNING,
        host="h",
        started=began,
        ended=began + SECOND if ended else None,
        log=Kept("text", log.encode(), len(log.encode())) if log else Kept(),
    )


def written(began: datetime, *texts: str) -> str:
    moment = began.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return "".join(f"{moment} info {text}\n" for text in texts)


def keep(bench: Workbench, *lines: LogLine) -> None:
    files = LogFiles(bench.storage.local.store.folder / LOGS, NOW)
    for line in lines:
        files.add(line)
    files.close()


async def test_lines_older_than_the_files_come_from_the_history(bench: Workbench) -> None:
    old, split = NOW - 60 * SECOND, NOW - SECOND
    await bench.history.record(
        [
            record(old, written(old, "old", "two\nlines")),
            record(old + SECOND, written(old + SECOND, "other"), function="two"),
            record(old + 2 * SECOND, ""),
            record(split, written(split, "before") + written(NOW, "in the file")),
        ]
    )
    keep(bench, LogLine(NOW, "info", "in the file", "one", "r"), LogLine(NOW + SECOND, "info", "host"))
    reader = log_reader(bench)

    async def found(count: int | None, **wanted: Any) -> list[str]:
        return [line.text for line in await last_lines(bench, reader, LineFilter(**wanted), count)]

    assert await found(None) == ["old", "two\nlines", "other", "before", "in the file", "host"]
    assert await found(3) == ["before", "in the file", "host"]
    assert await found(2) == ["in the file", "host"]
    assert await found(10, functions=frozenset({"one"})) == ["old", "two\nlines", "before", "in the file"]
    assert await found(10, since=split) == ["before", "in the file", "host"]
    assert await found(10, level="error") == []


async def test_without_files_the_history_tells(bench: Workbench) -> None:
    await bench.history.record([record(NOW, written(NOW, "kept"))])
    [line] = await last_lines(bench, log_reader(bench), LineFilter(), 5)
    assert (line.text, line.function, line.level, line.time) == ("kept", "one", "info", NOW)


async def test_a_run_that_has_ended_shows_its_whole_log(bench: Workbench) -> None:
    kept = record(NOW, written(NOW, "a", "b", "c"))
    await bench.history.record([kept])
    run, lines = await lines_of_run(bench, log_reader(bench), LineFilter(run=kept.id), None)
    assert run is not None and run.id == kept.id
    assert [line.text for line in lines] == ["a", "b", "c"]
    _, lines = await lines_of_run(bench, log_reader(bench), LineFilter(run=kept.id), 1)
    assert [line.text for line in lines] == ["c"]


async def test_a_run_that_goes_on_shows_what_the_files_have(bench: Workbench) -> None:
    going = record(NOW, "", ended=False)
    await bench.history.record([going])
    keep(bench, LogLine(NOW, "info", "so far", "one", going.id))
    run, lines = await lines_of_run(bench, log_reader(bench), LineFilter(run=going.id), None)
    assert run is not None and run.ended is None
    assert [line.text for line in lines] == ["so far"]


async def test_a_run_without_a_record_is_found_in_the_files_or_not_at_all(bench: Workbench) -> None:
    keep(bench, LogLine(NOW, "info", "short", "one", "01a1ff88-1"))
    run, lines = await lines_of_run(bench, log_reader(bench), LineFilter(run="01a1ff88"), None)
    assert (run, [line.text for line in lines]) == (None, ["short"])
    with pytest.raises(NotFound):
        await lines_of_run(bench, log_reader(bench), LineFilter(run="02aaaaaa"), None)
