"""File triggers on real folders, with real events and the embedded store."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from funchost.bindings.embedded_lease import EmbeddedLeases
from funchost.bindings.embedded_queue import EmbeddedQueues
from funchost.bindings.embedded_state import EmbeddedState
from funchost.bindings.embedded_table import EmbeddedTables
from funchost.bindings.errors import BindingError, ConfigurationError, NotFound
from funchost.bindings.file_content import STREAM_FROM
from funchost.bindings.file_tree import version_of
from funchost.bindings.folder_blobs import FolderBlobs
from funchost.bindings.queue import OutgoingMessage, QueueMessage
from funchost.bindings.store import Store
from funchost.triggers.base import ErrorInfo, Listener, Outcome, Resources, Status, TriggerEvent
from funchost.triggers.descriptor import Binding, FunctionDescriptor, Policy, QueuePolicy
from funchost.triggers.fields import FileTriggerFields
from funchost.triggers.file import POISON_QUEUE, FileTrigger
from funchost.triggers.file_place import FilePlace
from funchost.triggers.file_source import FileMessage, FileSource, FileWatching
from funchost.triggers.locks import Locks
from funchost.triggers.watch import Watch

Run = tuple[str, str, bytes]

_MANY_AT_ONCE = Policy(queue=QueuePolicy(batch_size=32, new_batch_threshold=500))


class _NoTimers:
    def call_at(self, moment: datetime, callback: Callable[[], None]) -> Callable[[], None]:
        raise NotImplementedError


@dataclass
class _Host:
    """One host on one store, and a function that notes what it is run for."""

    root: Path
    store: Store
    queues: EmbeddedQueues
    resources: Resources
    told: list[str]
    events: list[TriggerEvent] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    #: What the function does; its answer becomes the outcome's header.
    body: Callable[[TriggerEvent], Awaitable[dict[str, Any]]] | None = None
    listeners: list[Listener] = field(default_factory=list)
    markers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def trigger(
        self, path: str = "import/{name}.csv", policy: Policy | None = None, **fields: Any
    ) -> FileTrigger:
        return FileTrigger(
            _function(self.root, policy), FileTriggerFields(path=path, **fields), self.resources
        )

    async def start(
        self, path: str = "import/{name}.csv", policy: Policy | None = None, **fields: Any
    ) -> Listener:
        listener = self.trigger(path, policy, **fields).listener(self.deliver)
        self.listeners.append(listener)
        await listener.start()
        return listener

    async def deliver(self, event: TriggerEvent) -> Outcome:
        status, error, header = Status.SUCCEEDED, None, {}
        content = (
            event.body if isinstance(event.body, bytes) else b"".join([piece async for piece in event.body])
        )
        self.events.append(event)
        self.runs.append((event.data["name"], event.data["change"], content))
        try:
            header = await self.body(event) if self.body else {"wrote": []}
        except ValueError as failure:
            status, error = Status.FAILED, ErrorInfo("ValueError", str(failure))
        now = datetime.now(UTC)
        outcome = Outcome(
            status=status, function="f", invocation_id="1", started=now, ended=now, error=error, header=header
        )
        assert event.settle is not None
        await event.settle(outcome)
        return outcome

    async def until(self, done: Callable[[], bool], seconds: float = 5.0) -> None:
        """Wait until something is so."""

        async def answer() -> bool:
            return done()

        await _until(answer, seconds)

    async def settled(self) -> None:
        """Wait until a marker that is dropped now has run: whatever came before has been found by then."""
        marker = self.root / f"import/marker-{next(self.markers)}.csv"
        marker.write_text("marker")
        await self.until(lambda: any(name == marker.name for name, _, _ in self.runs))
        self.runs = [run for run in self.runs if not run[0].startswith("marker-")]

    async def until_seen(self, key: str) -> None:
        """Wait until the scanner has found a file."""

        async def seen() -> bool:
            return key in await self.resources.state.seen("file:Load")

        await _until(seen)

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
        root=tmp_path / "app",
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
    resources.root.mkdir()
    (resources.root / "import").mkdir()
    host = _Host(resources.root, store, queues, resources, told)
    yield host
    for listener in host.listeners:
        await listener.stop()
    await locks.stop()
    await store.close()


def _function(root: Path, policy: Policy | None = None) -> FunctionDescriptor:
    return FunctionDescriptor(
        name="Load",
        directory=root / "Load",
        script_file=root / "Load/main.py",
        entry_point="main",
        trigger=Binding(type="fileTrigger", name="file"),
        policy=policy or Policy(),
    )


def _drop(host: _Host, path: str, content: str | bytes = "1") -> Path:
    file = host.root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = host.root / "draft"
    draft.write_bytes(content if isinstance(content, bytes) else content.encode())
    return draft.rename(file)


async def test_a_new_file_runs_within_200_ms(host: _Host) -> None:
    await host.start()
    await host.settled()
    loop = asyncio.get_running_loop()
    began = loop.time()
    (host.root / "import/orders.csv").write_text("a;b")
    await host.until(lambda: bool(host.runs))
    assert host.runs == [("orders.csv", "created", b"a;b")]
    assert loop.time() - began < 0.2


async def test_the_event_says_which_file_and_what_happened(host: _Host) -> None:
    await host.start()
    path = host.root / "import/orders.csv"
    path.write_text("abc")
    await host.until(lambda: bool(host.runs))
    event = host.events[0]
    assert event.kind == "file"
    assert event.data == {"path": str(path), "name": "orders.csv", "change": "created", "length": 3}
    assert event.metadata == {
        "path": str(path),
        "fileTrigger": str(path),
        "name": "orders",
        "change": "created",
    }


async def test_files_that_came_while_the_host_was_down_run_once(host: _Host) -> None:
    _drop(host, "import/early.csv")
    first = await host.start()
    await host.until(lambda: len(host.runs) == 1)
    await first.stop()
    _drop(host, "import/late.csv")
    await host.start()
    await host.until(lambda: len(host.runs) == 2)
    await host.settled()
    assert [(name, change) for name, change, _ in host.runs] == [
        ("early.csv", "created"),
        ("late.csv", "created"),
    ]


async def test_each_version_of_a_file_runs_once(host: _Host) -> None:
    await host.start()
    for number in range(3):
        _drop(host, "import/a.csv", f"{number}")
        await host.until(lambda number=number: len(host.runs) == number + 1)  # type: ignore[misc]
    await host.settled()
    assert host.runs == [("a.csv", "created", b"0"), ("a.csv", "changed", b"1"), ("a.csv", "changed", b"2")]


async def test_changes_that_are_not_wanted_do_not_run(host: _Host) -> None:
    _drop(host, "import/a.csv")
    await host.start(changeTypes=["created"])
    await host.until(lambda: len(host.runs) == 1)
    _drop(host, "import/a.csv", "changed")
    await host.settled()
    assert len(host.runs) == 1


async def test_a_file_that_is_being_written_waits_until_it_is_closed(host: _Host) -> None:
    await host.start()
    with (host.root / "import/slow.csv").open("w") as file:
        for number in range(5):
            file.write(f"{number}\n")
            file.flush()
            await host.settled()
        assert host.runs == []
    await host.until(lambda: bool(host.runs))
    await host.settled()
    assert host.runs == [("slow.csv", "created", b"0\n1\n2\n3\n4\n")]


async def test_a_deleted_file_runs_without_content(host: _Host) -> None:
    file = _drop(host, "import/a.csv")
    await host.start(changeTypes=["deleted"])
    await host.until_seen("import/a.csv")
    file.unlink()
    await host.until(lambda: bool(host.runs))
    assert host.runs == [("a.csv", "deleted", b"")]


async def test_files_deleted_while_the_host_was_down_are_told(host: _Host) -> None:
    file = _drop(host, "import/a.csv")
    first = await host.start(changeTypes=["created", "deleted"])
    await host.until(lambda: len(host.runs) == 1)
    await first.stop()
    file.unlink()
    await host.start(changeTypes=["created", "deleted"])
    await host.until(lambda: len(host.runs) == 2)
    assert host.runs[1] == ("a.csv", "deleted", b"")


async def test_a_renamed_file_is_told_with_its_old_path(host: _Host) -> None:
    file = _drop(host, "import/a.csv", "same")
    await host.start(changeTypes=["created", "deleted", "renamed"])
    await host.until(lambda: len(host.runs) == 1)
    file.rename(host.root / "import/b.csv")
    await host.until(lambda: len(host.runs) == 2)
    await host.settled()
    assert host.runs == [("a.csv", "created", b"same"), ("b.csv", "renamed", b"same")]
    assert host.events[1].metadata["oldPath"] == str(file)


async def test_a_renamed_file_is_a_new_one_where_renames_are_not_told(host: _Host) -> None:
    file = _drop(host, "import/a.csv")
    await host.start()
    await host.until(lambda: len(host.runs) == 1)
    file.rename(host.root / "import/b.csv")
    await host.until(lambda: len(host.runs) == 2)
    assert host.runs[1][:2] == ("b.csv", "created")


async def test_a_missing_folder_is_waited_for(host: _Host) -> None:
    listener = await host.start("inbox/deep/{name}.csv")
    await host.until(lambda: "waiting for the folder" in listener.state)
    (host.root / "inbox/deep").mkdir(parents=True)
    (host.root / "inbox/deep/a.csv").write_text("1")
    await host.until(lambda: bool(host.runs), seconds=2)
    assert listener.state == "listening"


@pytest.mark.parametrize("removed_first", [True, False])
async def test_a_replaced_folder_is_watched_again(host: _Host, removed_first: bool) -> None:
    _drop(host, "import/a.csv")
    # A folder that was moved away makes no event; only the next scan finds another one in its place.
    await host.start(scanInterval=None if removed_first else "00:00:00.5")
    await host.until(lambda: len(host.runs) == 1)
    if removed_first:
        shutil.rmtree(host.root / "import")
    else:
        (host.root / "import").rename(host.root / "import.old")
    (host.root / "import").mkdir()
    (host.root / "import/b.csv").write_text("2")
    await host.until(lambda: len(host.runs) == 2, seconds=2)
    (host.root / "import/c.csv").write_text("3")
    await host.until(lambda: len(host.runs) == 3, seconds=0.4)


async def test_a_folder_that_went_away_does_not_mean_that_its_files_were_deleted(host: _Host) -> None:
    for name in "ab":
        _drop(host, f"import/{name}.csv")
    listener = await host.start(changeTypes=["created", "changed", "deleted"], scanInterval="00:00:00.05")
    await host.until(lambda: len(host.runs) == 2)
    (host.root / "import").rename(host.root / "away")
    await host.until(lambda: "waiting" in listener.state)
    (host.root / "import").mkdir()
    await host.settled()
    (host.root / "import").rename(host.root / "other")
    (host.root / "away").rename(host.root / "import")
    await host.until(lambda: listener.state == "listening")
    (host.root / "import/c.csv").write_text("c")
    await host.until(lambda: len(host.runs) == 3)
    assert sorted(name for name, _, _ in host.runs) == ["a.csv", "b.csv", "c.csv"]


async def test_a_file_deleted_before_its_run_completes_without_running(host: _Host) -> None:
    trigger = host.trigger()
    file = _drop(host, "import/a.csv")
    first = await host.start(changeTypes=["created"])
    await host.until(lambda: len(host.runs) == 1)
    await first.stop()
    message = FileMessage(
        function_id="Host.Functions.Load",
        path="import/a.csv",
        change="changed",
        version=version_of(file.stat()),
    )
    await host.queues.send([OutgoingMessage(queue=trigger.queue, body=msgspec.json.encode(message))])
    file.unlink()
    await host.start(changeTypes=["created"])
    await host.until_queued(trigger.queue, 0)
    assert len(host.runs) == 1


@pytest.mark.parametrize("size", [1, STREAM_FROM])
async def test_a_message_for_a_version_that_was_overwritten_makes_no_event(host: _Host, size: int) -> None:
    trigger = host.trigger()
    old = version_of(_drop(host, "import/a.csv", b"o" * size).stat())
    new = version_of(_drop(host, "import/a.csv", b"n" * size).stat())
    assert await trigger.event(_message(old)) is None
    assert await trigger.event(_message(new)) is not None


def _message(version: str) -> QueueMessage:
    told = FileMessage(
        function_id="Host.Functions.Load", path="import/a.csv", change="changed", version=version
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


async def test_auto_delete_removes_the_file_after_success_only(host: _Host) -> None:
    async def body(event: TriggerEvent) -> dict[str, Any]:
        if event.data["name"] == "bad.csv":
            raise ValueError("bad")
        return {"wrote": []}

    host.body = body
    good, bad = _drop(host, "import/good.csv"), _drop(host, "import/bad.csv")
    await host.start(autoDelete=True)
    await host.until(lambda: not good.exists())
    await host.until_queued(POISON_QUEUE, 1)
    assert bad.exists()


async def test_auto_delete_leaves_a_version_that_came_during_the_run(host: _Host) -> None:
    replaced = asyncio.Event()

    async def body(event: TriggerEvent) -> dict[str, Any]:
        if not replaced.is_set():
            replaced.set()
            _drop(host, "import/a.csv", "newer")
        return {"wrote": []}

    host.body = body
    file = _drop(host, "import/a.csv", "old")
    await host.start(autoDelete=True)
    await host.until(lambda: not file.exists())
    assert [content for _, _, content in host.runs] == [b"old", b"newer"]


async def test_a_file_that_cannot_be_worked_on_goes_to_poison_after_five_deliveries(host: _Host) -> None:
    async def body(event: TriggerEvent) -> dict[str, Any]:
        raise ValueError("no good")

    host.body = body
    _drop(host, "import/a.csv")
    await host.start()
    await host.until_queued(POISON_QUEUE, 1)
    assert len(host.runs) == 5
    (message,) = await host.queues.peek(POISON_QUEUE, 10)
    told = msgspec.json.decode(message.body)
    assert told["Type"] == "FileTrigger"
    assert told["FunctionId"] == "Host.Functions.Load"
    assert (told["Path"], told["Change"]) == ("import/a.csv", "created")
    assert message.properties["poison"]["message"] == "no good"


async def test_ten_thousand_files_run_once_each(host: _Host) -> None:
    for number in range(10_000):
        (host.root / f"import/{number}.csv").touch()
    await host.start(policy=_MANY_AT_ONCE)
    await host.until(lambda: len(host.runs) >= 10_000, seconds=60)
    await host.settled()
    assert len(host.runs) == 10_000
    assert len({name for name, _, _ in host.runs}) == 10_000


async def test_a_burst_of_new_files_runs_each_once(host: _Host) -> None:
    await host.start(policy=_MANY_AT_ONCE)
    for number in range(3_000):
        (host.root / f"import/{number}.csv").touch()
    await host.until(lambda: len(host.runs) >= 3_000, seconds=30)
    await host.settled()
    assert len(host.runs) == 3_000


async def test_a_large_file_is_streamed_and_can_be_read_again(host: _Host) -> None:
    content = os.urandom(1024) * (STREAM_FROM // 1024)
    (host.root / "import/big.csv").write_bytes(content)
    await host.start()
    await host.until(lambda: bool(host.runs))
    assert host.runs[0][2] == content
    event = host.events[0]
    assert not isinstance(event.body, bytes)
    assert sum([len(piece) async for piece in event.body]) == len(content)


async def test_names_that_are_no_text_run_too(host: _Host) -> None:
    (host.root / "import" / os.fsdecode(b"caf\xe9.csv")).write_text("1")
    (host.root / "import" / "größe.csv").write_text("2")
    await host.start()
    await host.until(lambda: len(host.runs) == 2)
    assert sorted(name for name, _, _ in host.runs) == ["caf\\xe9.csv", "größe.csv"]
    assert all(msgspec.json.encode([event.data, dict(event.metadata)]) for event in host.events)


async def test_links_that_lead_out_hidden_files_and_pipes_do_not_run(host: _Host) -> None:
    secret = host.root / "secret.csv"
    secret.write_text("secret")
    (host.root / "import/link.csv").symlink_to(secret)
    (host.root / "import/.hidden.csv").write_text("hidden")
    os.mkfifo(host.root / "import/pipe.csv")
    await host.start()
    await host.settled()
    assert host.runs == []


async def test_files_in_new_folders_are_found(host: _Host) -> None:
    await host.start("import/{customer}/{name}.csv")
    _drop(host, "import/smith/a.csv")
    await host.until(lambda: bool(host.runs), seconds=2)
    assert host.events[0].metadata["customer"] == "smith"
    _drop(host, "elsewhere/b.csv")
    (host.root / "elsewhere").rename(host.root / "import/jones")
    await host.until(lambda: len(host.runs) == 2, seconds=2)


async def test_a_folder_that_is_deleted_or_moved_out_deletes_its_files(host: _Host) -> None:
    _drop(host, "import/smith/a.csv")
    _drop(host, "import/jones/b.csv")
    await host.start("import/{customer}/{name}.csv", changeTypes=["created", "deleted"])
    await host.until(lambda: len(host.runs) == 2)
    shutil.rmtree(host.root / "import/smith")
    await host.until(lambda: ("a.csv", "deleted", b"") in host.runs)
    (host.root / "import/jones").rename(host.root / "jones")
    await host.until(lambda: ("b.csv", "deleted", b"") in host.runs)


async def test_a_function_that_writes_new_files_into_its_own_path_is_stopped(host: _Host) -> None:
    async def body(event: TriggerEvent) -> dict[str, Any]:
        copy = host.root / f"import/copy-{event.data['name']}"
        copy.write_text("copy")
        return {"wrote": [str(copy), str(host.root / "elsewhere.csv")]}

    host.body = body
    (host.root / "import/a.csv").write_text("1")
    listener = await host.start()
    await host.until(lambda: listener.state.startswith("stopped"))
    assert "import/{name}.csv" in listener.state
    assert 4 <= len(host.runs) <= 5
    assert len(host.told) == 1
    assert "Let it write to another folder" in host.told[0]
    await listener.stop()
    before = len(host.runs)
    await listener.start()
    (host.root / "import/b.csv").write_text("2")
    assert listener.state.startswith("stopped")
    assert len(host.runs) == before


async def test_a_function_that_rewrites_its_own_file_is_stopped_though_the_worker_does_not_tell(
    host: _Host,
) -> None:
    async def body(event: TriggerEvent) -> dict[str, Any]:
        Path(event.data["path"]).write_text(f"{len(host.runs)}")
        return {}

    host.body = body
    (host.root / "import/a.csv").write_text("1")
    listener = await host.start()
    await host.until(lambda: listener.state.startswith("stopped"))
    assert len(host.runs) <= 4


async def test_two_hosts_on_one_store_run_each_file_once(host: _Host) -> None:
    await host.start()
    second = Locks(EmbeddedLeases(host.store), "second")
    other = FileTrigger(
        _function(host.root),
        FileTriggerFields(path="import/{name}.csv"),
        replace(host.resources, locks=second),
    ).listener(host.deliver)
    host.listeners.append(other)
    await other.start()
    for number in range(50):
        (host.root / f"import/{number}.csv").write_text("1")
    await host.until(lambda: len(host.runs) >= 50)
    await host.settled()
    assert len(host.runs) == 50
    await second.stop()


async def test_a_run_by_hand_takes_a_path(host: _Host) -> None:
    _drop(host, "import/a.csv", "by hand")
    trigger = host.trigger()
    for text in ["import/a.csv", str(host.root / "import/a.csv")]:
        event = await trigger.manual_event(text.encode())
        assert (event.body, event.data["name"], event.metadata["name"]) == (b"by hand", "a.csv", "a")
    for wrong in [None, b"", b" "]:
        with pytest.raises(BindingError):
            await trigger.manual_event(wrong)
    for missing in ["import/none.csv", "../secret", r"import/\xff"]:
        with pytest.raises(NotFound, match=re.escape(f"There is no file {missing} below")):
            await trigger.manual_event(missing.replace(r"\xff", "\udcff").encode(errors="surrogateescape"))


async def test_what_cannot_be_configured_is_told_with_its_key(host: _Host) -> None:
    assert host.trigger(changeTypes="Created | Deleted").changes == {"created", "deleted"}
    wrong: list[dict[str, Any]] = [
        {"changeTypes": "moved"},
        {"changeTypes": []},
        {"changeTypes": ["deleted"], "autoDelete": True},
    ]
    for fields in wrong:
        with pytest.raises(ConfigurationError) as failure:
            host.trigger(**fields)
        assert failure.value.key == "changeTypes"
    with pytest.raises(ConfigurationError) as failure:
        host.trigger("import/")
    assert failure.value.key == "path"


async def test_a_version_that_own_writes_led_to_says_how_many(host: _Host) -> None:
    watching = FileWatching(
        function="Load",
        place=FilePlace("import/{name}.csv", host.root),
        changes=frozenset({"created"}),
        queue="q",
        generation=lambda key: {"import/a.csv": 2}.get(key, 0),
    )
    _drop(host, "import/a.csv")
    _drop(host, "import/b.csv")
    source = FileSource(watching, host.resources.state)
    await source.load()
    await source.scan()
    messages = await host.queues.peek("q", 10)
    told = {msgspec.json.decode(message.body)["Path"]: message.properties for message in messages}
    assert told == {"import/a.csv": {"generation": 2}, "import/b.csv": {}}


async def test_a_scan_that_a_folder_vanishes_under_deletes_nothing(
    host: _Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        _drop(host, f"import/{name}.csv")
    listener = await host.start(changeTypes=["created", "deleted"], scanInterval="00:00:00.05")
    await host.until(lambda: len(host.runs) == 3)
    scandir = os.scandir

    def vanishing(path: Any) -> Any:
        if Path(path) == host.root / "import" and Path(path).exists():
            Path(path).rename(host.root / "away")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", vanishing)
    await host.until(lambda: listener.state.startswith("waiting"))
    monkeypatch.undo()
    (host.root / "away").rename(host.root / "import")
    await host.settled()
    assert len(host.runs) == 3


async def test_an_invocation_that_fails_is_not_followed_by_deletion_or_stop(host: _Host) -> None:
    async def body(event: TriggerEvent) -> dict[str, Any]:
        if len(host.runs) < 3:
            raise ValueError("not yet")
        return {"wrote": []}

    host.body = body
    file = _drop(host, "import/a.csv")
    listener = await host.start(autoDelete=True)
    await host.until(lambda: not file.exists())
    assert len(host.runs) == 3
    assert listener.state == "listening"
