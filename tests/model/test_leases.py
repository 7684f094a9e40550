"""Random schedules on leases: at most one holds a name, fences grow, what is given back is free. On the embedded
store with two hosts that crash, stand still and come again; in memory; on S3 with hosts that forget all they held."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from itertools import count
from typing import Any, TypeVar

from fake_s3 import FakeS3
from model.hosts import HOSTS, OUTSIDE, Fleet, SharedStore, WallClock, shared_store
from model.lease_machine import Grant, LeaseMachine
from model.schedules import chosen_by, run_schedules, step
from s3 import SETTINGS

from funchost.bindings.aws.s3_leases import S3Leases
from funchost.bindings.embedded_lease import EmbeddedLeases
from funchost.bindings.lease import LeaseStore
from funchost.bindings.memory_leases import MemoryLeases

T = TypeVar("T")


class MemoryMachine(LeaseMachine):
    """Leases in memory, which no host outlives."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(WallClock())
        self._loop = loop
        self._leases = MemoryLeases(self.clock)

    def do(self, step: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(step)

    def leases(self, host: str) -> LeaseStore:
        return self._leases

    def owner(self, host: str) -> str:
        return host

    def awake(self) -> list[str]:
        return list(HOSTS)


class S3Machine(MemoryMachine):
    """Leases on S3, each host with what it remembers of them.

    One that ended without being given back is taken over only by who has seen it unchanged for its period.
    """

    ends_on_time = False

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._s3 = FakeS3()
        self._lives = count(1)
        self._hosts: dict[str, tuple[str, S3Leases]] = {}
        for host in HOSTS:
            self._begin(host)

    def leases(self, host: str) -> LeaseStore:
        return self._hosts[host][1]

    def owner(self, host: str) -> str:
        return self._hosts[host][0]

    def is_freed_by_release(self, grant: Grant) -> bool:
        # One that was lost to time may have been forgotten: then it is left alone.
        return self.holds(grant)

    def _begin(self, host: str) -> None:
        leases = S3Leases(lambda: self._s3, SETTINGS, "bucket", clock=self.clock)
        self._hosts[host] = f"{host}{next(self._lives)}", leases

    def holding(self) -> list[str]:
        """The hosts that hold something."""
        return [grant.host for grant, _ in self.held.values() if self.acts(grant)]

    @step("holding", host=chosen_by("holding"))
    def crash_and_start_again(self, host: str) -> None:
        self._begin(host)


class EmbeddedMachine(LeaseMachine):
    """Two hosts on one embedded store, each with its own connections, as two processes have them."""

    def __init__(self, shared: SharedStore) -> None:
        super().__init__(shared.clock)
        shared.clear()
        self._shared = shared
        self._fleet = Fleet(shared)
        for name in HOSTS:
            self.do(self._fleet.start(name))

    def do(self, step: Coroutine[Any, Any, T]) -> T:
        return self._shared.do(step)

    def leases(self, host: str) -> LeaseStore:
        return EmbeddedLeases(self._shared.stores.get(host, self._shared.stores[OUTSIDE]))

    def owner(self, host: str) -> str:
        return self._fleet.hosts[host].owner

    # -- when steps can be taken

    def awake(self) -> list[str]:
        return self._fleet.awake()

    def asleep(self) -> list[str]:
        return self._fleet.asleep()

    def gone(self) -> list[str]:
        return self._fleet.gone()

    def watching(self) -> list[str]:
        return self._fleet.watching()

    def holding(self) -> list[str]:
        """The hosts that are awake and hold something."""
        return [grant.host for grant, _ in self.held.values() if self.acts(grant)]

    # -- steps

    @step("holding", host=chosen_by("holding"))
    def crash(self, host: str) -> None:
        self._fleet.hosts[host].crash()

    @step("holding", host=chosen_by("holding"))
    def stop(self, host: str) -> None:
        self.do(self._fleet.hosts[host].stop())
        self.bury([self.owner(host)])

    @step("gone", host=chosen_by("gone"))
    def start_again(self, host: str) -> None:
        self.bury(self.do(self._fleet.start(host)))

    @step("holding", host=chosen_by("holding"))
    def stand_still(self, host: str) -> None:
        self.do(self._fleet.stand_still(host))

    @step("asleep", host=chosen_by("asleep"))
    def wake_up(self, host: str) -> None:
        self._fleet.wake_up(host)

    @step("watching", host=chosen_by("watching"))
    def look_at_the_others(self, host: str) -> None:
        self.bury(self.do(self._fleet.look(host)))

    def bury(self, owners: list[str]) -> None:
        self.held = {name: held for name, held in self.held.items() if held[0].owner not in owners}

    def compare(self) -> None:
        now = self.clock.monotonic()
        rows = self._shared.rows.execute("SELECT name, owner, fence FROM leases WHERE ends > ?", (now,))
        held = [self.held[name][0].lease for name in sorted(self.held) if self.is_held(name)]
        assert sorted(rows) == [(lease.name, lease.owner, lease.fence) for lease in held]

    def teardown(self) -> None:
        self.do(self._fleet.close())


def test_in_random_schedules_embedded_leases_have_one_holder_and_growing_fences() -> None:
    with shared_store() as shared:
        run_schedules(lambda: EmbeddedMachine(shared), 400)


def test_in_random_schedules_leases_in_memory_have_one_holder_and_growing_fences() -> None:
    with asyncio.Runner() as runner:
        run_schedules(lambda: MemoryMachine(runner.get_loop()), 100)


def test_in_random_schedules_leases_on_s3_have_one_holder_and_growing_fences() -> None:
    with asyncio.Runner() as runner:
        run_schedules(lambda: S3Machine(runner.get_loop()), 60)
