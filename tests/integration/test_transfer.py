"""A local state as one file: what goes in comes out, what is damaged stays out, and nothing is done by halves."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from funchost.bindings import store_exchange
from funchost.bindings.clock import SystemClock, new_run_id
from funchost.bindings.errors import ConfigurationError, NotFound, StoreError, StoreInUseError
from funchost.bindings.history import INLINE, Kept, RunFilter, RunRecord, RunState
from funchost.bindings.presence import Presence
from funchost.bindings.queue import OutgoingMessage
from funchost.bindings.state import Sighting
from funchost.bindings.store import Store
from funchost.bindings.table import OutgoingEntity
from funchost.host.operations.transfer import content_of, export_state, import_state
from funchost.host.storage import EmbeddedStorage
from funchost.host.switches import Switch, SwitchKind

LARGE = b"x" * (INLINE + 1)
RUN = new_run_id(datetime(2026, 3, 1, tzinfo=UTC))


async def filled(folder: Path) -> None:
    """A store with something of each kind, left by a host that was killed while it had a message in flight."""
    storage = EmbeddedStorage(folder, SystemClock())
    await storage.queues.send([OutgoingMessage(queue="orders", body=b"one", properties={"parent": "p"})])
    await storage.queues.receive("orders", 1)
    await storage.queues.send(
        [OutgoingMessage(queue="orders", body=b"later", visible_at=datetime.now(UTC) + timedelta(days=1))],
        [OutgoingEntity(table="people", partition_key="a", row_key="b", properties={"n": 1})],
    )
    await storage.state.put("keys", "master", "secret")
    blob = await storage.blobs.put("inbox", "a/b.txt", b"blob", metadata={"owner": "anna"})
    waiting = json.dumps({"Type": "BlobTrigger", "ETag": blob.etag, "BlobName": "a/b.txt"}).encode()
    message = OutgoingMessage(queue="azure-webjobs-blobtrigger-work", body=waiting)
    await storage.state.record("blob:Work", [Sighting("inbox/a/b.txt", blob.etag, message)])
    storage.history.write_content(RUN, "input", LARGE)
    run = RunRecord(
        id=RUN,
        function="Work",
        trigger="queueTrigger",
        state=RunState.RUNNING,
        host=storage.owner,
        started=datetime(2026, 3, 1, tzinfo=UTC),
        input=Kept("bytes", LARGE[:INLINE], len(LARGE)),
    )
    await storage.history.record([run])
    await storage.store.write(
        lambda c: c.execute("INSERT INTO hosts VALUES (?, 4711, 0)", (storage.owner,)).rowcount
    )
    await storage.close()


@pytest.fixture
async def old(tmp_path: Path) -> Path:
    """The folder of a store with something in it."""
    await filled(tmp_path / "old")
    return tmp_path / "old"


@pytest.fixture
def file(tmp_path: Path, old: Path) -> Path:
    """An export of it."""
    export_state(old, tmp_path / "state.funchost")
    return tmp_path / "state.funchost"


def members(file: Path) -> dict[str, bytes]:
    with tarfile.open(file) as tar:
        return {info.name: content.read() for info in tar if (content := tar.extractfile(info))}


def packed(file: Path, contents: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> Path:
    """An archive with these members; those whose name ends in @ are links."""
    with tarfile.open(file, "w:gz") as tar:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size, info.type = len(content), kind if name.startswith("blobs/x") else tarfile.REGTYPE
            tar.addfile(info, io.BytesIO(content))
    return file


def everything(folder: Path) -> dict[str, bytes]:
    """All files of a store, and all rows of its database."""
    found = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(("store.db", "import.lock"))
    }
    with closing(sqlite3.connect(folder / "store.db")) as connection:
        return found | {"rows": "\n".join(connection.iterdump()).encode()}


# -- what is in it


async def test_what_was_exported_is_there_after_the_import(tmp_path: Path, file: Path) -> None:
    done = await import_state(file, tmp_path / "new")
    assert done.counts["messages"] == 3
    assert (done.counts["blobs"], done.counts["runs"]) == (1, 1)
    storage = EmbeddedStorage(tmp_path / "new", SystemClock())
    assert await storage.state.get("keys", "master") == "secret"
    entity = await storage.tables.get("people", "a", "b")
    assert entity is not None
    assert entity.properties == {"n": 1}
    found = await storage.blobs.get("inbox", "a/b.txt")
    assert found is not None
    assert (found[1], found[0].metadata) == (b"blob", {"owner": "anna"})
    run = await storage.history.get(RUN)
    assert await storage.history.content(run, "input") == LARGE
    await storage.close()


async def test_what_was_in_flight_is_visible_again_and_its_run_abandoned(tmp_path: Path, file: Path) -> None:
    await import_state(file, tmp_path / "new")
    storage = EmbeddedStorage(tmp_path / "new", SystemClock())
    (message,) = await storage.queues.receive("orders", 10)
    assert (message.body, message.dequeue_count, message.properties) == (b"one", 1, {"parent": "p"})
    assert (await storage.history.get(RUN)).state == RunState.ABANDONED
    assert await storage.store.read(lambda c: c.execute("SELECT * FROM hosts").fetchall()) == []
    await storage.close()


async def test_blobs_that_were_seen_are_not_new_after_the_import(tmp_path: Path, file: Path) -> None:
    await import_state(file, tmp_path / "new")
    storage = EmbeddedStorage(tmp_path / "new", SystemClock())
    blob = await storage.blobs.info("inbox", "a/b.txt")
    assert blob is not None
    assert await storage.state.seen("blob:Work") == {"inbox/a/b.txt": blob.etag}
    (waiting,) = await storage.queues.peek("azure-webjobs-blobtrigger-work", 10)
    assert json.loads(waiting.body)["ETag"] == blob.etag
    await storage.close()


async def test_an_export_goes_beside_a_running_host_and_is_private(tmp_path: Path, old: Path) -> None:
    storage = EmbeddedStorage(old, SystemClock())
    await storage.presence.start()
    target = tmp_path / "live.funchost"
    await asyncio.to_thread(export_state, old, target)
    assert target.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    await storage.presence.stop()
    await storage.close()


async def test_an_import_over_an_import_leaves_nothing_of_the_first(tmp_path: Path, file: Path) -> None:
    new = tmp_path / "new"
    await import_state(file, new)
    storage = EmbeddedStorage(new, SystemClock())
    await storage.blobs.put("inbox", "more.txt", b"more")
    await storage.close()
    await import_state(file, new)
    assert not (new / "blobs" / "inbox" / "more.txt").exists()
    assert not [
        path.name for path in new.iterdir() if path.name.startswith((".replaced", ".settled", ".import-"))
    ]


async def test_functions_are_paused_from_the_first_moment_on(tmp_path: Path, file: Path) -> None:
    switch = Switch(kind=SwitchKind.PAUSED, name="Work", since=datetime.now(UTC), by="cli:anna")
    await import_state(file, tmp_path / "new", [switch])
    storage = EmbeddedStorage(tmp_path / "new", SystemClock())
    assert await storage.state.get("switches", "paused:work") is not None
    await storage.close()


def test_where_there_is_no_store_there_is_nothing_to_export(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no store"):
        export_state(tmp_path, tmp_path / "file")
    assert content_of(tmp_path) == {}


# -- what is refused


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flipped(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)


def other_bytes(file: Path) -> None:
    packed(file, members(file) | {"blobs/inbox/a/b.txt": b"BLOB"})


def one_less(file: Path) -> None:
    packed(file, {name: content for name, content in members(file).items() if not name.startswith("blobs/")})


def one_more(file: Path) -> None:
    packed(file, {"blobs/inbox/new": b"x"} | members(file))


def no_archive(file: Path) -> None:
    file.write_bytes(b"hello")


def empty(file: Path) -> None:
    file.write_bytes(b"")


def other_archive(file: Path) -> None:
    packed(file, {"readme.txt": b"hello"})


def broken_database(file: Path) -> None:
    rewritten(file, {"store.db": b"SQLite format 3\0" + b"\xff" * 5000})


def rewritten(file: Path, changes: dict[str, bytes], **manifest: Any) -> None:
    """Change members, and have the manifest vouch for them."""
    import hashlib

    contents = members(file) | changes
    document = json.loads(contents.pop("manifest.json")) | manifest
    for name, content in changes.items():
        document["members"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    packed(file, contents | {"manifest.json": json.dumps(document).encode()})


DAMAGES: list[Callable[[Path], None]] = [
    cut,
    flipped,
    other_bytes,
    one_less,
    one_more,
    no_archive,
    empty,
    other_archive,
    broken_database,
    lambda file: rewritten(file, {"../evil": b"x"}),
    lambda file: rewritten(file, {"/etc/evil": b"x"}),
    lambda file: rewritten(file, {"blobs/../../evil": b"x"}),
    lambda file: rewritten(file, {"hosts/evil.json": b"x"}),
    lambda file: rewritten(file, {"blobs/a\\..\\b": b"x"}),
    lambda file: rewritten(file, {}, version=2),
    lambda file: rewritten(file, {}, store=99),
    lambda file: rewritten(file, {}, version="x"),
]


@pytest.mark.parametrize("damage", range(len(DAMAGES)))
async def test_what_is_not_whole_changes_nothing(tmp_path: Path, old: Path, file: Path, damage: int) -> None:
    DAMAGES[damage](file)
    before = everything(old)
    with pytest.raises(ConfigurationError):
        await import_state(file, old)
    assert everything(old) == before
    assert not (tmp_path / "evil").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"old", "state.funchost"}
    assert not [path.name for path in old.iterdir() if path.name.startswith(".import-")]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
async def test_a_link_in_the_archive_is_refused(tmp_path: Path, file: Path, kind: bytes) -> None:
    packed(file, {"blobs/x": b""} | members(file), kind)
    with pytest.raises(ConfigurationError, match="no plain file"):
        await import_state(file, tmp_path / "new")


async def test_nothing_is_imported_under_a_running_host(tmp_path: Path, file: Path) -> None:
    storage = EmbeddedStorage(tmp_path / "new", SystemClock())
    await storage.presence.start()
    with pytest.raises(StoreInUseError, match="stop the host"):
        await import_state(file, tmp_path / "new")
    await storage.presence.stop()
    await storage.close()


async def test_a_host_does_not_start_while_something_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_exchange, "_PATIENCE", 0.05)
    with store_exchange.held(tmp_path / "new"), pytest.raises(StoreInUseError, match="funchost import"):
        EmbeddedStorage(tmp_path / "new", SystemClock())
    storage = EmbeddedStorage(tmp_path / "new", SystemClock())
    await storage.close()


async def test_a_host_waits_for_another_that_looks_at_the_same_moment(tmp_path: Path) -> None:
    folder, looking, opened = tmp_path / "new", threading.Event(), threading.Event()

    def look() -> None:
        with store_exchange.held(folder):
            looking.set()
            opened.wait(0.2)

    other = threading.Thread(target=look)
    other.start()
    looking.wait(5)
    await EmbeddedStorage(folder, SystemClock()).close()
    other.join()


# -- all or nothing


def states(tmp_path: Path) -> tuple[Path, Path]:
    """A store with an old state, and a new one within it that is to take its place."""
    folder, new = tmp_path / "store", tmp_path / "store" / ".import-1"
    for place, text in ((folder, "old"), (new, "new")):
        (place / "blobs").mkdir(parents=True)
        (place / "store.db").write_text(text)
        (place / "blobs" / text).write_text(text)
    (folder / "store.db-wal").write_text("old")
    (new / "runs").mkdir()
    return folder, new


def is_old(folder: Path) -> bool:
    names = {path.name for path in folder.iterdir() if not path.name.startswith((".", "import.lock"))}
    return names == {"store.db", "store.db-wal", "blobs"} and [
        p.name for p in (folder / "blobs").iterdir()
    ] == ["old"]


def is_new(folder: Path) -> bool:
    names = {path.name for path in folder.iterdir() if not path.name.startswith((".", "import.lock"))}
    return names == {"store.db", "runs", "blobs"} and [p.name for p in (folder / "blobs").iterdir()] == [
        "new"
    ]


KILLED = """
import os, sys
from pathlib import Path
from funchost.bindings import store_exchange
left = int(sys.argv[2])
def counted(event, arguments):
    global left
    if event in ("os.rename", "os.remove", "os.rmdir"):
        left -= 1
        if left < 0:
            os._exit(9)
folder = Path(sys.argv[1])
sys.addaudithook(counted)
with store_exchange.held(folder):
    store_exchange.exchange(folder, folder / ".import-1")
"""


@pytest.mark.parametrize("step", range(12))
def test_an_exchange_that_is_killed_is_made_or_undone(tmp_path: Path, step: int) -> None:
    folder, _ = states(tmp_path)
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder), str(step)], check=False, timeout=30)
    assert done.returncode in (0, 9)
    store_exchange.check_not_held(folder)
    assert is_old(folder) or is_new(folder)
    assert is_old(folder) == (step < 7)
    assert not (folder / ".replaced").exists()


def test_an_undoing_that_is_broken_off_is_gone_on_with(tmp_path: Path) -> None:
    folder, new = states(tmp_path)
    (folder / "import.lock").touch()
    replaced = folder / ".replaced"
    replaced.mkdir()
    for path in ("store.db", "store.db-wal", "blobs"):
        (folder / path).rename(replaced / path)
    (replaced / "complete").touch()
    shutil.copytree(new, folder, dirs_exist_ok=True)
    (folder / "store.db").unlink()
    store_exchange.check_not_held(folder)
    assert is_old(folder)


def test_an_exchange_that_fails_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, new = states(tmp_path)
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self == new / "blobs":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with store_exchange.held(folder), pytest.raises(StoreError, match="it is as it was"):
        store_exchange.exchange(folder, new)
    assert is_old(folder)


async def test_an_import_that_is_broken_off_leaves_the_old_state(
    old: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(old)

    def broken(folder: Path, new: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("funchost.host.operations.transfer.exchange", broken)
    with pytest.raises(KeyboardInterrupt):
        await import_state(file, old)
    assert everything(old) == before


async def test_a_host_finds_the_imported_runs(tmp_path: Path, file: Path) -> None:
    await import_state(file, tmp_path / "new")
    store = Store(tmp_path / "new")
    host = Presence(store, "host", report=lambda message: pytest.fail(message))
    await host.start()
    await host.stop()
    await store.close()
    storage = EmbeddedStorage(tmp_path / "new", SystemClock())
    assert await storage.history.count(RunFilter(search="4711")) == 1
    await storage.close()
    assert (tmp_path / "new" / "store.db").stat().st_mode & 0o077 == 0
