"""A host's mark on the embedded store, where the store fails or goes away under it."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from funchost.bindings import presence as presence_module
from funchost.bindings import store as store_module
from funchost.bindings.embedded_queue import EmbeddedQueues
from funchost.bindings.presence import Presence
from funchost.bindings.queue import OutgoingMessage
from funchost.bindings.store import Store

#: Seconds that anything may take before a test fails.
LIMIT = 5.0


class Reports:
    """What was reported, and a way to wait for it."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self._more = asyncio.Event()

    def __call__(self, message: str) -> None:
        self.all.append(message)
        self._more.set()

    async def wait_for(self, text: str) -> None:
        async with asyncio.timeout(LIMIT):
            while not any(text in message for message in self.all):
                self._more.clear()
                await self._more.wait()


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "BUSY_TIMEOUT", 0.1)
    monkeypatch.setattr(presence_module, "LOOK_INTERVAL", 0.02)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(tmp_path / "store")
    yield store
    await store.close()


async def test_a_host_leaves_a_store_that_is_locked_and_another_one_clears_up(store: Store) -> None:
    reports = Reports()
    host = Presence(store, "host", report=reports)
    await host.start()
    with closing(sqlite3.connect(store.path, isolation_level=None)) as browser:
        browser.execute("BEGIN IMMEDIATE")
        await host.stop()
    assert any("stayed locked" in message for message in reports.all)
    told = Reports()
    other = Presence(store, "other", report=told)
    await other.start()
    assert any("Host host" in message and "has ended" in message for message in told.all)
    await other.stop()


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (0, "has ended."),
        (1, "has ended: 1 message in flight was given back."),
        (2, "has ended: 2 messages in flight were given back."),
    ],
)
async def test_what_a_dead_host_held_is_counted_and_nothing_is_said_of_none(
    store: Store, count: int, told: str
) -> None:
    await store.write(lambda c: c.execute("INSERT INTO hosts VALUES ('dead', 1, ?)", (time.monotonic(),)))
    held = EmbeddedQueues(store, "dead")
    await held.send([OutgoingMessage(queue="jobs", body=b"x") for _ in range(count)])
    await held.receive("jobs", 10)
    reports = Reports()
    host = Presence(store, "host", report=reports)
    await host.start()
    await host.stop()
    (report,) = reports.all
    assert report == f"Host dead (process 1) {told}"


async def test_a_host_whose_store_is_removed_says_so_once(store: Store) -> None:
    reports = Reports()
    host = Presence(store, "host", report=reports)
    await host.start()
    shutil.rmtree(store.folder)
    await reports.wait_for("was removed or replaced")
    await host.stop()
    assert sum("was removed or replaced" in message for message in reports.all) == 1


async def test_the_lock_files_of_hosts_that_died_before_they_were_listed_are_removed(store: Store) -> None:
    folder = store.folder / "hosts"
    living, stray, new = Presence(store, "living"), folder / "stray.lock", folder / "new.lock"
    await living.start()
    for path in (stray, new):
        path.touch()
    for path in (stray, folder / "living.lock"):
        os.utime(path, (time.time() - 100, time.time() - 100))
    host = Presence(store, "host")
    await host.start()
    assert sorted(path.name for path in folder.glob("*.lock")) == ["host.lock", "living.lock", "new.lock"]
    await host.stop()
    await living.stop()
