"""Random schedules on queues, each step compared with a simple model: on the embedded store with two hosts that
crash, stand still and come again, and in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from model.hosts import HOSTS, OUTSIDE, Fleet, SharedStore, WallClock, shared_store
from model.queue_machine import MAX_BODY, POISON, QUEUES, QueueMachine
from model.schedules import chosen_by, run_schedules, step

from funchost.bindings.clock import milliseconds
from funchost.bindings.embedded_queue import EmbeddedQueues
from funchost.bindings.embedded_table import EmbeddedTables
from funchost.bindings.memory_queues import MemoryQueues
from funchost.bindings.queue import QueueStore
from funchost.bindings.table import TableStore

T = TypeVar("T")

_HELD = """
SELECT body, owner, visible_at, due_at, dequeue_count, properties FROM messages
WHERE queue = :queue AND (expires_at IS NULL OR expires_at > :now)
ORDER BY visible_at > :now, CASE WHEN visible_at <= :now THEN -priority END, visible_at, id
"""


class MemoryMachine(QueueMachine):
    """Queues in memory, which no host outlives."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(WallClock())
        self._loop = loop
        self._queues = MemoryQueues(self.clock, max_body=MAX_BODY)

    def do(self, step: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(step)

    def queues(self, host: str) -> QueueStore:
        return self._queues

    def owner(self, host: str) -> str:
        return host

    def awake(self) -> list[str]:
        return list(HOSTS)

    @property
    def tables(self) -> TableStore:
        return self._queues.tables


class EmbeddedMachine(QueueMachine):
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

    def queues(self, host: str) -> EmbeddedQueues:
        """Those of a host; where it has ended, of somebody who knows its receipts."""
        found = self._fleet.hosts.get(host)
        if found is None or not found.is_alive:
            return EmbeddedQueues(self._shared.stores[OUTSIDE], OUTSIDE, max_body=MAX_BODY)
        return EmbeddedQueues(found.store, found.owner, max_body=MAX_BODY)

    def owner(self, host: str) -> str:
        return self._fleet.hosts[host].owner

    @property
    def tables(self) -> TableStore:
        return EmbeddedTables(self._shared.stores[OUTSIDE])

    def held(self, queue: str) -> list[tuple[Any, ...]]:
        # The rows themselves: to peek would take as long as all the rest. The end of each schedule does.
        now = milliseconds(self.clock.now())
        rows = self._shared.rows.execute(_HELD, {"queue": queue, "now": now})
        return [
            (body, _state(owner, visible_at, due_at, now), count, json.loads(properties or "{}"))
            for body, owner, visible_at, due_at, count, properties in rows
        ]

    # -- when steps can be taken

    def awake(self) -> list[str]:
        return self._fleet.awake()

    def asleep(self) -> list[str]:
        return self._fleet.asleep()

    def gone(self) -> list[str]:
        return self._fleet.gone()

    def holding(self) -> list[str]:
        """The hosts that are awake and have something in flight."""
        owners = {kept.owner for kept in self.model.messages}
        return [host for host in self.awake() if self.owner(host) in owners]

    def watching(self) -> list[str]:
        """The hosts that will notice, when they look, that another seems dead."""
        return self._fleet.watching()

    def sweeping(self) -> list[str]:
        """The hosts that can sweep away something that has expired."""
        now = self.clock.now()
        over = any(kept.expires_at and kept.expires_at <= now for kept in self.model.messages)
        ended = any(ends <= now for ends in self.model.ids.values())
        return self.awake() if over or ended else []

    # -- steps

    @step("holding", host=chosen_by("holding"))
    def crash(self, host: str) -> None:
        self._fleet.hosts[host].crash()

    @step("holding", host=chosen_by("holding"))
    def stop(self, host: str) -> None:
        self.do(self._fleet.hosts[host].stop())
        self.model.bury(self.owner(host))

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

    @step("sweeping", host=chosen_by("sweeping"))
    def sweep(self, host: str) -> None:
        assert self.do(self.queues(host).sweep()) == self.model.sweep()

    def bury(self, owners: list[str]) -> None:
        for owner in owners:
            self.model.bury(owner)

    def compare_at_the_end(self) -> None:
        super().compare_at_the_end()
        for queue in (*QUEUES, POISON):
            assert super().held(queue) == self.held(queue), queue

    def teardown(self) -> None:
        super().teardown()
        self.do(self._fleet.close())


def _state(owner: str | None, visible_at: int, due_at: int | None, now: int) -> str:
    if due_at is not None:
        return "waiting"
    return "visible" if visible_at <= now else "in flight" if owner else "delayed"


def test_in_random_schedules_embedded_queues_are_at_each_step_as_the_model_has_them() -> None:
    with shared_store() as shared:
        run_schedules(lambda: EmbeddedMachine(shared), 1000)


def test_in_random_schedules_queues_in_memory_are_at_each_step_as_the_model_has_them() -> None:
    with asyncio.Runner() as runner:
        run_schedules(lambda: MemoryMachine(runner.get_loop()), 100)


# -- schedules that chance takes too long to find


def test_what_a_host_takes_after_it_was_given_up_comes_back_when_it_ends_before_its_next_beat() -> None:
    with shared_store() as shared:
        machine = EmbeddedMachine(shared)
        machine.begin_with_jobs(number=2)
        machine.receive(host="A", queue="jobs", limit=1, lease=timedelta(minutes=10))
        machine.stand_still(host="A")
        machine.time_passes(by=timedelta(seconds=16), set_by=timedelta(0))
        machine.look_at_the_others(host="B")
        machine.wake_up(host="A")
        machine.receive(host="A", queue="jobs", limit=2, lease=timedelta(minutes=10))
        assert machine.filled() == []
        machine.crash(host="A")
        machine.look_at_the_others(host="B")
        assert machine.filled() == ["jobs"]
        machine.teardown()


def test_the_deaths_of_hosts_count_as_deliveries_once_there_were_five() -> None:
    with shared_store() as shared:
        machine = EmbeddedMachine(shared)
        machine.begin_with_jobs(number=1)
        for _ in range(7):
            machine.receive(host="A", queue="jobs", limit=1, lease=timedelta(minutes=10))
            machine.crash(host="A")
            machine.start_again(host="A")
        [(_, _, dequeue_count, _)] = machine.held("jobs")
        assert dequeue_count == 2
        machine.teardown()
