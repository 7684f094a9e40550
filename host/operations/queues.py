"""Queues as people look after them: what they hold and how fast they move, emptied, paused and taken up again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ...bindings.errors import BindingError, NotFound
from ...bindings.history import RunFilter, RunRecord, RunState
from ...bindings.parked import parked_messages
from ...bindings.queue import QueueDepth
from ..config.vocabulary import nearest
from ..switches import SCOPE, Switch, SwitchKind, own_storage_or, read_switches, switch_key
from .workbench import Workbench

#: How the names of queues begin that triggers keep for themselves.
INTERNAL = "azure-webjobs-"

#: Over which time rates are reckoned, and from how many runs at most: of a busy app the last second may do.
RATE_WINDOW = timedelta(minutes=1)
_MOST_RUNS = 5000

_QUEUE_TRIGGER = "queueTrigger"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How fast messages of a queue are worked off: a second, on the average of the last minute."""

    #: Deliveries, each of which is a run.
    received: float = 0.0
    #: Those of them that have succeeded.
    completed: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueInfo:
    """A queue with what it holds."""

    depth: QueueDepth
    rate: Rate
    #: None: listeners take from it.
    paused: Switch | None

    @property
    def name(self) -> str:
        """What it is called."""
        return self.depth.queue

    @property
    def is_internal(self) -> bool:
        """Whether a trigger keeps it for itself."""
        return self.name.startswith(INTERNAL)


async def list_queues(workbench: Workbench, connection: str = "") -> list[QueueInfo]:
    """The queues behind a connection, by name; the empty one is the app's own storage.

    Rates are those of the hosts of this machine, as the history has their runs: where that is switched off for a
    function they are less than they should be, and a batch counts once.
    """
    depths = await workbench.queues(connection).depths()
    paused = await paused_queues(workbench, connection)
    rates = await _rates(workbench)
    known = {depth.queue for depth in depths}
    empty = (
        QueueDepth(queue=name, visible=0, delayed=0, in_flight=0, oldest=None)
        for name in paused.keys() - known
    )
    found = [
        QueueInfo(depth=depth, rate=rates.get(depth.queue, Rate()), paused=paused.get(depth.queue))
        for depth in (*depths, *empty)
    ]
    return sorted(found, key=lambda queue: queue.name)


async def check_queue(workbench: Workbench, connection: str, queue: str) -> None:
    """Raise `NotFound`, with the nearest name, where there is no such queue."""
    check_known(queue, [depth.queue for depth in await workbench.queues(connection).depths()])


def check_known(queue: str, known: Collection[str]) -> None:
    """Raise `NotFound`, with the nearest name, for one that is not `known`."""
    if queue in known:
        return
    near = nearest(queue, known)
    shown = [name for name in known if not name.startswith(INTERNAL)]
    hint = f"Did you mean {near}?" if near else f"There are: {', '.join(shown)}." if shown else ""
    raise NotFound(f"There is no queue '{queue}': no message was ever sent to it. {hint}".rstrip())


async def clear_queue(workbench: Workbench, queue: str, connection: str = "") -> int:
    """Remove the messages of a queue for good, delayed ones too; returns how many there were.

    Those in flight stay where the store knows them; SQS removes them as well.
    """
    store = workbench.queues(connection)
    await workbench.note("queues.clear", queue, connection=connection)
    return await parked_messages(store).clear(queue)


async def pause_queue(workbench: Workbench, queue: str, connection: str = "") -> bool:
    """Have no listener of any host take from a queue until it is resumed; False where that is so already.

    What is in flight goes on. Raises `BindingError` for a queue that a trigger keeps for itself.
    """
    if queue.startswith(INTERNAL):
        raise BindingError(
            f"{queue} is what a trigger keeps for itself. Pause its function instead: funchost functions pause NAME."
        )
    workbench.queues(connection)  # a connection that cannot be used is told now
    switch = Switch(
        kind=SwitchKind.QUEUE,
        name=queue,
        connection=own_storage_or(connection),
        since=workbench.clock.now(),
        by=workbench.who,
    )
    state = workbench.storage.state
    if await state.get(SCOPE, switch.key) is not None:
        return False
    await workbench.note("queues.pause", queue, connection=connection)
    await state.put(SCOPE, switch.key, switch)
    return True


async def resume_queue(workbench: Workbench, queue: str, connection: str = "") -> bool:
    """Have listeners take from a queue again; False where they do already."""
    key, state = switch_key(SwitchKind.QUEUE, queue, connection), workbench.storage.state
    if await state.get(SCOPE, key) is None:
        return False
    await workbench.note("queues.resume", queue, connection=connection)
    await state.put(SCOPE, key, None)
    return True


async def paused_queues(workbench: Workbench, connection: str = "") -> dict[str, Switch]:
    """The queues behind a connection that are paused, by name."""
    values = await workbench.storage.state.items(SCOPE)
    wanted = own_storage_or(connection).lower()
    return {
        switch.name: switch
        for switch in read_switches(values.values())
        if switch.kind is SwitchKind.QUEUE and switch.connection.lower() == wanted
    }


def queue_document(queue: QueueInfo, now: datetime) -> dict[str, Any]:
    """A queue as programs are shown it."""
    depth = queue.depth
    age = max(0.0, (now - depth.oldest).total_seconds()) if depth.oldest else None
    return {
        "queue": queue.name,
        "visible": depth.visible,
        "delayed": depth.delayed,
        "inFlight": depth.in_flight,
        "waiting": depth.waiting,
        "oldest": depth.oldest.isoformat() if depth.oldest else None,
        "oldestAgeSeconds": age,
        "receivedPerSecond": round(queue.rate.received, 3),
        "completedPerSecond": round(queue.rate.completed, 3),
        "paused": pause_document(queue.paused),
    }


def pause_document(switch: Switch | None) -> dict[str, str] | None:
    """Since when something is paused, and by whom."""
    return {"since": switch.since.isoformat(), "by": switch.by} if switch else None


async def _rates(workbench: Workbench) -> dict[str, Rate]:
    """The rate of each queue that messages came from in the last minute."""
    now = workbench.clock.now()
    runs = await workbench.history.list(RunFilter(since=now - RATE_WINDOW), _MOST_RUNS)
    # Where there are more runs than that, they are those of a shorter time.
    full = len(runs) == _MOST_RUNS
    seconds = max((now - runs[-1].started).total_seconds(), 0.1) if full else RATE_WINDOW.total_seconds()
    received = Counter(run.origin for run in runs if run.trigger == _QUEUE_TRIGGER)
    completed = Counter(run.origin for run in runs if _is_completed(run))
    return {
        queue: Rate(received=count / seconds, completed=completed[queue] / seconds)
        for queue, count in received.items()
    }


def _is_completed(run: RunRecord) -> bool:
    return run.trigger == _QUEUE_TRIGGER and run.state is RunState.SUCCEEDED
