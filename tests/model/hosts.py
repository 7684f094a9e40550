"""Hosts on one embedded store as model-based tests need them: each step of their lives is taken by hand.

The store is opened once, for all schedules, which would take most of their time otherwise; each begins with
empty tables.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Coroutine, Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from fakes import ManualClock
from model.schedules import quick_folder

from funchost.bindings.lease import LEASE_PERIOD
from funchost.bindings.presence import Presence
from funchost.bindings.store import Store

T = TypeVar("T")

#: The hosts of a schedule, and a process that is none: it sends and looks.
HOSTS = ("A", "B")
OUTSIDE = "outside"

_TABLES = ("messages", "dedup_ids", "entities", "hosts", "leases", "signals")


class WallClock(ManualClock):
    """A clock whose wall time can be set, as people and time servers do."""

    def set(self, by: timedelta) -> None:
        self._now += by


class SharedStore:
    """One embedded store with the connections of several processes, and the loop that they are used in."""

    def __init__(self, folder: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.clock = WallClock()
        self.lives = count(1)
        self.stores = {name: self.do(self._opened(folder)) for name in (*HOSTS, OUTSIDE)}
        #: For looking at the rows themselves.
        self.rows = sqlite3.connect(folder / "store.db", isolation_level=None)

    async def _opened(self, folder: Path) -> Store:
        return Store(folder, clock=self.clock)

    def do(self, step: Coroutine[Any, Any, T]) -> T:
        """Take a step to its end."""
        return self.loop.run_until_complete(step)

    def clear(self) -> None:
        """Forget all that there was."""
        self.rows.execute("BEGIN IMMEDIATE")
        for table in _TABLES:
            self.rows.execute(f"DELETE FROM {table}")
        self.rows.execute("COMMIT")
        for store in self.stores.values():
            store._subscribers.clear()

    def close(self) -> None:
        self.rows.close()
        for store in self.stores.values():
            self.do(store.close())
        self.do(self.loop.shutdown_default_executor())
        self.loop.close()


@contextlib.contextmanager
def shared_store() -> Iterator[SharedStore]:
    """An embedded store in memory."""
    with quick_folder() as folder, contextlib.closing(SharedStore(folder)) as shared:
        yield shared


class HostOnStore:
    """One process on the store: its own connections, its own mark. It beats and looks when it is told to."""

    def __init__(self, store: Store, clock: ManualClock, owner: str) -> None:
        self.owner = owner
        self.store = store
        self.clock = clock
        self.is_alive = True
        #: False while its process stands still.
        self.is_awake = True
        #: Whether the others look after it, and whether they have given back what it held since its last beat.
        self.is_listed = True
        self.is_given_up = False
        self.last_beat = clock.monotonic()
        self._presence = Presence(self.store, owner)

    async def start(self) -> None:
        """Begin as a host does, which buries those that died before."""
        await self._presence.start()
        # The schedule says when it beats and looks, not the host's own rounds.
        task = self._presence._task
        assert task is not None
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def beat(self) -> None:
        """Show that it lives."""
        await self._presence._beat()
        self.last_beat, self.is_given_up = self.clock.monotonic(), False

    async def look(self) -> None:
        """Look whether the others live, and give back what the dead held."""
        await self._presence._bury_the_dead()

    def crash(self) -> None:
        """End as a kill does: nothing is given back, the system opens the lock."""
        self._presence._lock.release()
        self.is_alive = self.is_awake = False

    async def stop(self) -> None:
        """End in order."""
        await self._presence.stop()
        self.is_alive = self.is_awake = self.is_listed = False

    @property
    def seems_dead(self) -> bool:
        """Whether another host that looks now must take it for dead."""
        is_silent = self.last_beat < self.clock.monotonic() - LEASE_PERIOD.total_seconds()
        return self.is_listed and (not self.is_alive or (is_silent and not self.is_given_up))


class Fleet:
    """The hosts A and B, which come and go; each life of one has an owner of its own."""

    def __init__(self, shared: SharedStore) -> None:
        self._shared = shared
        #: The last life of each.
        self.hosts: dict[str, HostOnStore] = {}
        #: All lives that the store may know.
        self._all: list[HostOnStore] = []

    def awake(self) -> list[str]:
        """Those that do what they are told."""
        return [name for name, host in self.hosts.items() if host.is_awake]

    def asleep(self) -> list[str]:
        """Those that stand still."""
        return [name for name, host in self.hosts.items() if host.is_alive and not host.is_awake]

    def gone(self) -> list[str]:
        """Those that have ended, in one way or the other."""
        return [name for name, host in self.hosts.items() if not host.is_alive]

    def watching(self) -> list[str]:
        """Those that will notice, when they look, that another seems dead."""
        return [name for name in self.awake() if any(self._silent(but=self.hosts[name].owner))]

    async def start(self, name: str) -> list[str]:
        """Begin a new life; returns the owners that it finds dead."""
        await self._beat()
        dead = self._seem_dead(but="")
        owner = f"{name}{next(self._shared.lives)}"
        host = HostOnStore(self._shared.stores[name], self._shared.clock, owner)
        await host.start()
        self.hosts[name] = host
        self._all.append(host)
        return dead

    async def look(self, name: str) -> list[str]:
        """Have one look at the others; returns the owners that it finds dead."""
        await self._beat()
        host = self.hosts[name]
        dead = self._seem_dead(but=host.owner)
        await host.look()
        return dead

    async def stand_still(self, name: str) -> None:
        """Suspend it, right after a beat."""
        await self.hosts[name].beat()
        self.hosts[name].is_awake = False

    async def close(self) -> None:
        """End all."""
        for host in self.hosts.values():
            if host.is_alive:
                await host.stop()

    def wake_up(self, name: str) -> None:
        """Go on; it may take something and end before its next beat."""
        self.hosts[name].is_awake = True

    async def _beat(self) -> None:
        """All that are awake have shown so lately. It makes no difference before somebody looks."""
        for host in self.hosts.values():
            if host.is_awake:
                await host.beat()

    def _seem_dead(self, but: str) -> list[str]:
        """The owners that a look finds dead. They are given up from then on; those that have ended are forgotten."""
        found = list(self._silent(but))
        for host in found:
            host.is_listed, host.is_given_up = host.is_alive, True
        return [host.owner for host in found]

    def _silent(self, but: str) -> Iterator[HostOnStore]:
        return (host for host in self._all if host.owner != but and not host.is_awake and host.seems_dead)
