"""A host's mark on the embedded store, where the store fails or goes away under it."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from funchost.bindings import presence as presence_module
from funchost.bindings import store as store_module
from funchost.bindings.presence import Presence
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


async def test_a_host_whose_store_is_removed_says_so_once(store: Store) -> None:
    reports = Reports()
    host = Presence(store, "host", report=reports)
    await host.start()
    shutil.rmtree(store.folder)
    await reports.wait_for("was removed or replaced")
    await host.stop()
    assert sum("was removed or replaced" in message for message in reports.all) == 1
