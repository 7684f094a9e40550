"""What tests share: a clock that is set by hand, and a host's outside world in memory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from funchost.bindings.blob import BlobStore
from funchost.bindings.lease import LeaseStore
from funchost.bindings.memory_blobs import MemoryBlobs
from funchost.bindings.memory_leases import MemoryLeases
from funchost.bindings.memory_queues import MemoryQueues
from funchost.bindings.memory_state import MemoryState
from funchost.bindings.queue import QueueStore
from funchost.triggers.base import ErrorInfo, Outcome, Resources, Status
from funchost.triggers.descriptor import Binding, FunctionDescriptor, Policy
from funchost.triggers.locks import Locks


class ManualClock:
    """Stands still until it is advanced."""

    def __init__(self) -> None:
        self._now = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self._seconds = 1000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._seconds

    def advance(self, step: timedelta) -> None:
        self._now += step
        self._seconds += step.total_seconds()


def memory_resources(
    *,
    clock: ManualClock | None = None,
    queues: QueueStore | Callable[[str], QueueStore] | None = None,
    blobs: BlobStore | None = None,
    leases: LeaseStore | None = None,
    owner: str = "host-1",
    report: Callable[[str], None] = lambda message: None,
) -> Resources:
    """Resources that end with the test; wake-ups and folder watches are not among them."""
    clock = clock or ManualClock()
    own = MemoryQueues(clock)
    chosen = own if queues is None else queues
    tables = (chosen if isinstance(chosen, MemoryQueues) else own).tables
    blob_store = blobs or MemoryBlobs(clock)
    return Resources(
        root=Path("app"),
        queues=chosen if callable(chosen) else lambda connection: chosen,
        blobs=lambda connection: blob_store,
        tables=lambda connection: tables,
        entities=chosen if callable(chosen) else lambda connection: chosen,
        locks=Locks(leases or MemoryLeases(clock), owner, report=report),
        state=MemoryState(own),
        own_queues=chosen("") if callable(chosen) else chosen,
        wakeups=cast(Any, None),
        watch=cast(Any, None),
        clock=clock,
        report=report,
    )


def make_function(
    trigger: str = "queueTrigger",
    fields: dict[str, Any] | None = None,
    *,
    name: str = "Work",
    bindings: tuple[Binding, ...] = (),
    policy: Policy | None = None,
) -> FunctionDescriptor:
    """A function that was read and checked."""
    return FunctionDescriptor(
        name=name,
        directory=Path("app") / name,
        script_file=Path("app") / name / "__init__.py",
        entry_point="main",
        trigger=Binding(type=trigger, name="input", fields=fields or {"queueName": "orders"}),
        bindings=bindings,
        policy=policy or Policy(),
    )


def make_outcome(status: Status = Status.SUCCEEDED, error: ErrorInfo | None = None, **more: Any) -> Outcome:
    """An outcome of a run that took no time."""
    now = ManualClock().now()
    return Outcome(
        status=status, function="Work", invocation_id="run-1", started=now, ended=now, error=error, **more
    )
