"""The embedded store between processes, and in all the ways in which a file can let one down."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import statistics
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes import ManualClock

from funchost.bindings import filesystem, presence
from funchost.bindings import store as store_module
from funchost.bindings.embedded_lease import EmbeddedLeases
from funchost.bindings.embedded_queue import EmbeddedQueues
from funchost.bindings.errors import StoreError, StoreInUseError
from funchost.bindings.presence import Presence
from funchost.bindings.queue import OutgoingMessage
from funchost.bindings.store import Store
from funchost.bindings.store_schema import SCHEMA_VERSION

DEADLINE = 20.0
HOUR = timedelta(hours=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
async def store(folder: Path) -> AsyncIterator[Store]:
    store = Store(folder)
    yield store
    await store.close()


@pytest.fixture
def queues(store: Store) -> EmbeddedQueues:
    return EmbeddedQueues(store, "host-1")


class Other:
    """Another process on the same store."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def hear(self) -> Any:
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), DEADLINE)
        return json.loads(line) if line else None

    async def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        assert self._process.stdout is not None
        await self._process.stdout.read()
        await self._process.wait()


Begin = Callable[..., Awaitable[Other]]


@pytest.fixture
async def begin(folder: Path) -> AsyncIterator[Begin]:
    """Starts another process that does `what` on the store."""
    others: list[Other] = []

    async def begin(what: str, owner: str = "other") -> Other:
        script = Path(__file__).with_name("store_process.py")
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(script), what, str(folder), owner, stdout=PIPE
        )
        others.append(Other(process))
        return others[-1]

    yield begin
    for other in others:
        await other.kill()


async def send(queues: EmbeddedQueues, *bodies: bytes) -> None:
    await queues.send([OutgoingMessage(queue="orders", body=body) for body in bodies])


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE):
        # What other processes do shows in the file only.
        while not await holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


# -- several processes


async def test_processes_on_one_store_share_its_messages_and_take_each_once(
    queues: EmbeddedQueues, begin: Begin
) -> None:
    consumers = [await begin("consume", f"other-{n}") for n in range(3)]
    for consumer in consumers:
        assert await consumer.hear() == "ready"
    numbers = [str(n) for n in range(300)]
    for start in range(0, 300, 20):
        await send(queues, *[number.encode() for number in numbers[start : start + 20]])
    await until(lambda: _is_empty(queues))
    await send(queues, *[b"over"] * 24)

    async def taken_by(consumer: Other) -> list[str]:
        taken: list[str] = []
        while "over" not in taken and (batch := await consumer.hear()) is not None:
            taken += batch
        return [body for body in taken if body != "over"]

    taken = await asyncio.gather(*(taken_by(consumer) for consumer in consumers))
    assert sorted(body for bodies in taken for body in bodies) == sorted(numbers)


async def _is_empty(queues: EmbeddedQueues) -> bool:
    depths = await queues.depths()
    return all(depth.visible + depth.in_flight == 0 for depth in depths)


async def test_processes_that_open_a_new_store_at_once_all_can(folder: Path, begin: Begin) -> None:
    others = [await begin("send", f"other-{n}") for n in range(4)]
    assert [await other.hear() for other in others] == ["sent"] * 4
    store = Store(folder)
    [depth] = await EmbeddedQueues(store, "host-1").depths()
    assert depth.visible == 80
    await store.close()


async def test_a_message_wakes_who_waits_in_another_process(queues: EmbeddedQueues, begin: Begin) -> None:
    other = await begin("notice")
    assert await other.hear() == "ready"
    delays = []
    for _ in range(15):
        await send(queues, repr(time.monotonic()).encode())
        delays.append(await other.hear())
    median = statistics.median(delays)
    print(f"woken after {median * 1000:.1f} ms (median), {max(delays) * 1000:.1f} ms (slowest)")
    assert median < 1.0


async def test_what_a_killed_process_held_is_given_back_unused(
    store: Store, queues: EmbeddedQueues, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "LOOK_INTERVAL", 0.02)
    await send(queues, b"a", b"b")
    other = await begin("hold")
    assert await other.hear() == {"messages": 2, "lease": True}
    assert await queues.receive("orders", 8) == []
    told: list[str] = []
    ours = Presence(store, "host-1", report=told.append)
    await ours.start()
    assert await EmbeddedLeases(store).acquire("totals", "host-1") is None

    waiting = asyncio.ensure_future(queues.wait("orders", HOUR))
    await other.kill()
    await asyncio.wait_for(waiting, DEADLINE)
    await until(lambda: _is_visible(queues, 2))
    messages = await queues.receive("orders", 8)
    assert [(message.body, message.dequeue_count) for message in messages] == [(b"a", 1), (b"b", 1)]
    lease = await EmbeddedLeases(store).acquire("totals", "host-1")
    assert lease is not None and lease.fence > 1
    assert "2 messages" in told[0] and "has ended" in told[0]
    await ours.stop()


async def _is_visible(queues: EmbeddedQueues, count: int) -> bool:
    return any(depth.visible == count for depth in await queues.depths())


async def test_a_message_that_brings_hosts_down_is_given_back_for_free_only_so_often(
    store: Store, queues: EmbeddedQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "FREE_CRASHES", 2)
    await send(queues, b"a")
    counts = []
    for _ in range(4):
        dead = EmbeddedQueues(store, "dead")
        [message] = await dead.receive("orders", 1)
        counts.append(message.dequeue_count)
        await store.write(lambda c: c.execute("INSERT INTO hosts VALUES ('dead', 1, 0)"))
        ours = Presence(store, "host-1")
        await ours.start()
        await ours.stop()
    assert counts == [1, 1, 1, 2]


async def test_a_host_that_hangs_is_taken_for_dead_and_fenced_out(
    store: Store, queues: EmbeddedQueues
) -> None:
    hanging = Presence(store, "hanging")
    await hanging.start()
    theirs = EmbeddedQueues(store, "hanging")
    await send(queues, b"a")
    [late] = await theirs.receive("orders", 1)
    await store.write(lambda c: c.execute("UPDATE hosts SET heartbeat = heartbeat - 60"))
    told: list[str] = []
    ours = Presence(store, "host-1", report=told.append)
    await ours.start()
    assert "does not answer" in told[0]
    [message] = await queues.receive("orders", 1)
    await queues.complete([message])
    with pytest.raises(Exception, match="someone else"):
        await theirs.complete([late])
    await ours.stop()
    await hanging.stop()


async def test_hosts_that_live_leave_each_other_alone(store: Store, queues: EmbeddedQueues) -> None:
    first, second = Presence(store, "host-1"), Presence(store, "host-2")
    await first.start()
    await send(queues, b"a")
    await queues.receive("orders", 1)
    await second.start()
    assert await EmbeddedQueues(store, "host-2").receive("orders", 1) == []
    await second.stop()
    await first.stop()
    assert await store.read(lambda c: c.execute("SELECT * FROM hosts").fetchall()) == []


async def test_a_look_at_the_others_that_fails_does_not_end_ours(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "LOOK_INTERVAL", 0.001)
    told: list[str] = []
    enough = asyncio.Event()

    def report(line: str) -> None:
        told.append(line)
        if len(told) == 3:
            enough.set()

    ours = Presence(store, "host-1", report=report)
    await ours.start()

    def broken(folder: Path, owner: str) -> bool:
        raise OSError("too many open files")

    monkeypatch.setattr(presence, "_is_unlocked", broken)
    await store.write(lambda c: c.execute("INSERT INTO hosts VALUES ('host-2', 1, 1e12)"))
    await asyncio.wait_for(enough.wait(), DEADLINE)
    assert "too many open files" in told[0]
    await ours.stop()


async def test_a_lease_given_back_elsewhere_before_the_wait_is_not_missed(store: Store) -> None:
    """The news may come between the refusal and the wait."""
    other_store = Store(store.folder)
    theirs, ours = EmbeddedLeases(other_store), EmbeddedLeases(store)
    lease = await theirs.acquire("totals", "host-2")
    assert lease is not None
    assert await ours.acquire("totals", "host-1") is None
    news = asyncio.Event()
    store.subscribe("leases", news.set)
    await theirs.release(lease)
    await asyncio.wait_for(news.wait(), DEADLINE)
    await asyncio.wait_for(ours.wait(HOUR), DEADLINE)
    await other_store.close()


# -- operations that share a commit


async def test_an_operation_that_raises_does_not_spoil_its_neighbours(store: Store) -> None:
    def put(key: str) -> Callable[[sqlite3.Connection], None]:
        def operation(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT INTO state VALUES ('s', ?, '1')", (key,))
            if key == "bad":
                raise ValueError("no good")

        return operation

    results = await asyncio.gather(
        *(store.write(put(key)) for key in ("a", "bad", "b")), return_exceptions=True
    )
    assert results[0] is None and results[2] is None
    assert isinstance(results[1], ValueError)
    assert await _keys(store) == ["a", "b"]


async def _keys(store: Store) -> list[str]:
    rows = await store.read(lambda c: c.execute("SELECT key FROM state ORDER BY key").fetchall())
    return [key for (key,) in rows]


async def test_a_statement_that_fails_is_a_store_error(store: Store) -> None:
    with pytest.raises(StoreError, match="no_such_table"):
        await store.write(lambda c: c.execute("INSERT INTO no_such_table VALUES (1)"))
    with pytest.raises(StoreError, match="no_such_table"):
        await store.read(lambda c: c.execute("SELECT * FROM no_such_table"))


async def test_what_was_written_before_the_end_is_kept(folder: Path) -> None:
    store = Store(folder)
    writes = [
        store.write(lambda c, n=n: c.execute("INSERT INTO state VALUES ('s', ?, '1')", (f"{n:02}",)))  # type: ignore[misc]
        for n in range(20)
    ]
    await store.close()
    assert all(write.done() and not write.exception() for write in writes)
    await store.close()
    with pytest.raises(StoreError, match="closed"):
        store.write(lambda c: None)
    with pytest.raises(StoreError, match="closed"):
        await store.read(lambda c: None)
    store = Store(folder)
    assert len(await _keys(store)) == 20
    await store.close()


async def test_a_writer_that_gives_up_waiting_does_not_disturb_the_others(store: Store) -> None:
    first = store.write(lambda c: c.execute("INSERT INTO state VALUES ('s', 'a', '1')"))
    second = store.write(lambda c: c.execute("INSERT INTO state VALUES ('s', 'b', '1')").rowcount)
    first.cancel()
    assert await second == 1


async def test_others_cannot_look_into_the_folder(store: Store) -> None:
    assert store.folder.stat().st_mode & 0o077 == 0


# -- a file that cannot be used


async def test_a_store_that_another_keeps_locked_says_so_in_time_and_goes_on_after(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.close()
    monkeypatch.setattr(store_module, "BUSY_TIMEOUT", 0.3)
    impatient = Store(store.folder)
    holder = sqlite3.connect(store.path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    began = time.monotonic()
    writes = [
        impatient.write(lambda c, n=n: c.execute("INSERT INTO state VALUES ('s', ?, '1')", (n,)))  # type: ignore[misc]
        for n in "abcdefgh"
    ]
    errors = await asyncio.gather(*writes, return_exceptions=True)
    assert all(isinstance(error, StoreInUseError) and "locked" in str(error) for error in errors)
    assert time.monotonic() - began < 1.5, "they wait together, not one after the other"
    assert await _keys(impatient) == []
    holder.execute("ROLLBACK")
    holder.close()
    await impatient.write(lambda c: c.execute("INSERT INTO state VALUES ('s', 'after', '1')"))
    assert await _keys(impatient) == ["after"]
    await impatient.close()


async def test_opening_a_store_that_another_keeps_locked_says_so(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.close()
    monkeypatch.setattr(store_module, "BUSY_TIMEOUT", 0.1)
    with contextlib.closing(sqlite3.connect(store.path, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreInUseError, match="stayed locked"):
            Store(store.folder)


async def test_a_full_disk_is_told_and_nothing_is_lost(store: Store, queues: EmbeddedQueues) -> None:
    await send(queues, b"kept")
    pages = await store.write(lambda c: int(c.execute("PRAGMA page_count").fetchone()[0]))
    await store.write(lambda c: c.execute(f"PRAGMA max_page_count = {pages + 2}").fetchone())
    with pytest.raises(StoreError, match=r"store\.db is full"):
        await send(queues, *[b"x" * 40_000] * 4)
    assert [message.body for message in await queues.receive("orders", 8)] == [b"kept"]
    await store.write(lambda c: c.execute("PRAGMA max_page_count = 1000000").fetchone())
    await send(queues, b"x" * 40_000)


async def test_a_store_that_became_read_only_says_what_to_do(store: Store, queues: EmbeddedQueues) -> None:
    # Root writes into any file: the connection itself is made to refuse.
    await store.write(lambda c: c.execute("PRAGMA query_only = 1"))
    with pytest.raises(StoreError, match="Make it and its folder writable"):
        await send(queues, b"a")


@pytest.mark.parametrize(
    "content",
    [b"garbage", b"garbage" * 1000, b"SQLite format 3\0" + b"\xff" * 5000],
    ids=["short", "long", "torn"],
)
async def test_a_file_that_is_no_database_is_told_and_left_alone(folder: Path, content: bytes) -> None:
    folder.mkdir()
    (folder / "store.db").write_bytes(content)
    with pytest.raises(StoreError, match=r"damaged.*aside"):
        Store(folder)
    assert (folder / "store.db").read_bytes() == content


async def test_a_store_that_is_damaged_inside_is_told(folder: Path) -> None:
    store = Store(folder)
    await send(EmbeddedQueues(store, "host-1"), *[b"x" * 10_000] * 20)
    await store.close()
    path = folder / "store.db"
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xee" * (len(content) - 4096)
    path.write_bytes(bytes(content))
    with pytest.raises(StoreError, match="damaged"):
        damaged = Store(folder)
        try:
            await EmbeddedQueues(damaged, "host-1").receive("orders", 8)
        finally:
            await damaged.close()


async def test_a_folder_in_place_of_the_file_is_told(folder: Path) -> None:
    (folder / "store.db").mkdir(parents=True)
    with pytest.raises(StoreError, match=r"store\.db"):
        Store(folder)


async def test_a_file_in_place_of_the_folder_is_told(folder: Path) -> None:
    folder.write_text("")
    with pytest.raises(StoreError, match="--store"):
        Store(folder)


async def test_a_store_of_a_newer_version_is_refused_and_left_alone(store: Store) -> None:
    await store.close()
    with contextlib.closing(sqlite3.connect(store.path)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(StoreError, match=r"newer funchost.*Upgrade"):
        Store(store.folder)
    with contextlib.closing(sqlite3.connect(store.path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION + 1,)


async def test_a_network_file_system_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "network_type", lambda path: "nfs4")
    with pytest.raises(StoreError, match=r"network file system \(nfs4\).*--store"):
        Store(folder)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/mnt/share/app", "cifs"), ("/mnt/share", "cifs"), ("/mnt/shared", None), ("/mnt/share/local/a", None)],
)
def test_the_deepest_mount_decides_the_kind(
    monkeypatch: pytest.MonkeyPatch, path: str, kind: str | None
) -> None:
    mounts = [("/", "ext4"), ("/mnt/share", "cifs"), ("/mnt/share/local", "nfs"), ("/mnt/share/local", "xfs")]
    monkeypatch.setattr(filesystem, "_mounts", lambda: mounts)
    assert filesystem.network_type(Path(path)) == kind


async def test_a_new_store_keeps_itself_out_of_repositories(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for folder in (tmp_path / "new", tmp_path / "mine"):
        await Store(folder).close()

    assert (tmp_path / "new" / ".gitignore").read_text() == "*\n"
    assert not (tmp_path / "mine" / ".gitignore").exists()


async def test_messages_sent_before_the_clock_was_set_back_do_not_wait_until_it_has_caught_up(
    folder: Path,
) -> None:
    clock = ManualClock()
    store = Store(folder, clock=clock)
    queues = EmbeddedQueues(store, "host-1")
    at_once, later = (
        OutgoingMessage(queue="jobs", body=b"at once"),
        OutgoingMessage(queue="jobs", body=b"later", visible_at=clock.now() + timedelta(minutes=5)),
    )
    await queues.send([at_once, later, OutgoingMessage(queue="jobs", body=b"taken")])
    clock.advance(-HOUR)

    assert await queues.receive("jobs", 1) == []
    await asyncio.wait_for(queues.wait("jobs", HOUR), DEADLINE)
    first, second = await queues.receive("jobs", 32)
    assert (first.body, second.body) == (b"at once", b"taken")
    assert first.inserted_at == clock.now()
    assert first.expires_at == clock.now() + timedelta(days=7)

    clock.advance(timedelta(minutes=5))
    assert [message.body for message in await queues.receive("jobs", 32)] == [b"later"]
    await store.close()


async def test_what_is_in_flight_when_the_clock_is_set_back_stays_so(folder: Path) -> None:
    clock = ManualClock()
    store = Store(folder, clock=clock)
    queues = EmbeddedQueues(store, "host-1")
    await queues.send([OutgoingMessage(queue="jobs", body=b"a")])
    (message,) = await queues.receive("jobs", 1)
    clock.advance(-HOUR)
    assert await queues.receive("jobs", 1) == []
    await queues.release(message, timedelta(0))
    assert [again.dequeue_count for again in await queues.receive("jobs", 1)] == [2]
    await store.close()
