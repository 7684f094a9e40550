"""Whether a host is ready, and why not."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from funchost.bindings.errors import StoreError
from funchost.host.metrics import health as health_module
from funchost.host.metrics.health import Health
from funchost.host.served_function import FunctionStatus


class FakeStore:
    """A store that answers, or fails, or hangs."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.hangs = False

    async def write(self, operation: Callable[[sqlite3.Connection], Any]) -> Any:
        if self.hangs:
            await asyncio.Event().wait()
        if self.error:
            raise self.error
        return (0,)


class FakeStorage:
    """What hosts share: asked, it says whether it can be used."""

    def __init__(self) -> None:
        self.local = SimpleNamespace(store=FakeStore())
        self.trouble: str | None = None
        self.asked = 0

    async def check(self) -> bool:
        self.asked += 1
        return self.trouble is None


class FakeHost:
    """As much of a host as its health looks at."""

    def __init__(self, *states: str) -> None:
        self.is_open = True
        self.state = "Running"
        self.availability = SimpleNamespace(draining=False)
        self.pool = SimpleNamespace(pids=[17])
        self.storage = FakeStorage()
        self.functions = [
            SimpleNamespace(
                status=FunctionStatus(name=f"F{n}", trigger="queueTrigger", where="", state=state)
            )
            for n, state in enumerate(states)
        ]


async def troubles(host: FakeHost, health: Health | None = None) -> dict[str, str]:
    """What is not as it should be."""
    found = await (health or Health(cast(Any, host))).checks()
    return {check.name: check.trouble for check in found if check.trouble}


async def test_a_host_whose_listeners_are_up_is_ready() -> None:
    assert await troubles(FakeHost("listening", "listening, next run 2026")) == {}


@pytest.mark.parametrize("state", ["failing: no such queue", "waiting: the lock", "not listening"])
async def test_a_listener_that_is_not_up_is_named_with_its_reason(state: str) -> None:
    assert await troubles(FakeHost("listening", state)) == {"function:F1": state}


@pytest.mark.parametrize(
    "state", ["disabled", "in error", "paused (since …, by cli:anna)", "not served here: eventGridTrigger"]
)
async def test_what_is_not_to_listen_is_not_waited_for(state: str) -> None:
    assert await troubles(FakeHost(state)) == {}


@pytest.mark.parametrize(
    ("state", "told"),
    [("Starting", "it is starting"), ("Offline", "it is offline"), ("Default", "it is starting")],
)
async def test_a_host_that_takes_no_work_is_not_ready(state: str, told: str) -> None:
    host = FakeHost("not listening")
    host.state = state
    assert await troubles(host) == {"host": told}


async def test_a_host_that_is_not_open_yet_answers_too() -> None:
    host = FakeHost()
    host.is_open, host.state = False, "Stopping"
    assert await troubles(host) == {"host": "it is stopping"}


async def test_a_host_that_drains_is_not_ready() -> None:
    host = FakeHost("not listening")
    host.availability.draining = True
    assert list(await troubles(host)) == ["host"]


async def test_a_host_without_workers_is_not_ready() -> None:
    host = FakeHost("listening")
    host.pool.pids = []
    assert list(await troubles(host)) == ["workers"]


async def test_a_storage_that_fails_is_told() -> None:
    host = FakeHost()
    host.storage.local.store.error = StoreError("The disk is full.")
    assert await troubles(host) == {"storage": "The disk is full."}


async def test_a_storage_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_module, "LIMIT", 0.01)
    host = FakeHost()
    host.storage.local.store.hangs = True
    assert await troubles(host) == {"storage": "there was no answer in 0.01 s"}


async def test_what_is_shared_is_not_asked_again_at_once() -> None:
    host = FakeHost()
    host.storage.trouble = "no such bucket"
    health = Health(cast(Any, host))
    for _ in range(5):
        assert await troubles(host, health) == {"shared storage": "no such bucket"}
    assert host.storage.asked == 1
