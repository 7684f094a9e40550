"""A workbench whose stores end with the test, but for the queues that a test brings."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from fakes import ManualClock
from memory_history import MemoryHistory

from funchost.bindings.memory_queues import MemoryQueues
from funchost.bindings.memory_state import MemoryState
from funchost.bindings.queue import QueueStore
from funchost.bindings.state import StateStore
from funchost.host.operations.workbench import Workbench


class MemoryAudit:
    """What was noted: action, target and detail."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, dict[str, Any]]] = []

    async def add(self, who: str, action: str, target: str, detail: dict[str, Any]) -> None:
        self.rows.append((action, target, detail))


class Bench:
    """A workbench with what tests look at."""

    def __init__(
        self,
        store: QueueStore | None = None,
        clock: ManualClock | None = None,
        state: StateStore | None = None,
    ) -> None:
        self.clock = clock or ManualClock()
        self.store = store or MemoryQueues(self.clock)
        self.state = state or MemoryState(MemoryQueues(self.clock))
        self.audit = MemoryAudit()
        self.history = MemoryHistory()
        local = SimpleNamespace(queues=self.store, audit=self.audit, history=self.history, state=self.state)
        storage = SimpleNamespace(queues=self.store, state=self.state, local=local)
        self.workbench = Workbench(
            storage=cast(Any, storage),
            queues=lambda connection: self.store,
            blobs=cast(Any, None),
            clock=self.clock,
            who="cli:ada",
        )
