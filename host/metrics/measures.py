"""What a host measures when somebody asks: queues, leases, functions, its store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from ...bindings.errors import FunchostError
from ...bindings.queue import QueueDepth, QueueStore
from ...triggers.descriptor import FunctionDescriptor
from ...triggers.poison import poison_queue_name
from .health import LIMIT, Check, Health
from .tally import Tally

if TYPE_CHECKING:
    from ..host import Host

#: Seconds for which the depths of queues elsewhere hold: each look at them is paid for.
QUEUES_FRESH = 60.0

_QUEUE_TRIGGER = "queueTrigger"

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """One look at a host."""

    now: datetime
    version: str
    tally: Tally
    checks: Sequence[Check]
    #: By connection; the empty one is the app's own storage.
    queues: Sequence[tuple[str, QueueDepth]] = ()
    #: Where functions give up messages to.
    poison_queues: frozenset[str] = frozenset()
    #: The name of each lease, and whether this host holds it.
    leases: Sequence[tuple[str, bool]] = ()
    #: Name, trigger and whether it takes events.
    functions: Sequence[tuple[str, str, bool]] = ()
    workers: int = 0
    worker_losses: int = 0
    #: What the records of runs take, in bytes.
    history_size: int = 0


@dataclass(slots=True)
class _Seen:
    at: float
    depths: list[QueueDepth] = field(default_factory=list)


class Meter:
    """Measures one host."""

    def __init__(self, host: Host, health: Health) -> None:
        self._host = host
        self._health = health
        self._elsewhere: dict[str, _Seen] = {}
        self._version = ""

    async def measure(self) -> Measures:
        """A look at everything. What does not answer is left out: its check tells of it."""
        host = self._host
        checks = await self._health.checks()
        self._version = self._version or host.version
        begun = Measures(
            now=host.resources.clock.now() if host.is_open else datetime.now().astimezone(),
            version=self._version,
            tally=host.tally,
            checks=checks,
        )
        if not host.is_open:
            return begun
        queues, leases, size = await asyncio.gather(self._queues(), self._leases(), self._history_size())
        statuses = [served.status for served in host.functions]
        return Measures(
            now=begun.now,
            version=begun.version,
            tally=begun.tally,
            checks=checks,
            queues=queues,
            poison_queues=self._poison_queues(),
            leases=leases,
            functions=[(one.name, one.trigger, one.state.startswith("listening")) for one in statuses],
            workers=len(host.pool.pids),
            worker_losses=host.pool.losses,
            history_size=size,
        )

    async def _queues(self) -> list[tuple[str, QueueDepth]]:
        local = self._host.storage.local.queues
        found = [("", depth) for depth in await _asked(local.depths(), [])]
        for connection, names in self._listened_to().items():
            store = self._host.resources.queues(connection)
            if store is not local:
                depths = await self._depths_of(connection, store)
                found += [(connection, depth) for depth in depths if depth.queue in names]
        return found

    def _listened_to(self) -> dict[str, set[str]]:
        """The queues that functions listen to, with those of what they gave up, by connection."""
        found: dict[str, set[str]] = {}
        for descriptor in self._queue_functions():
            fields = descriptor.trigger.fields
            names = found.setdefault(fields.get("connection") or "", set())
            names.update(filter(None, (fields.get("queueName"), _poison_queue(descriptor))))
        return found

    def _poison_queues(self) -> frozenset[str]:
        return frozenset(filter(None, map(_poison_queue, self._queue_functions())))

    def _queue_functions(self) -> list[FunctionDescriptor]:
        found = [served.descriptor for served in self._host.functions if not served.error]
        return [one for one in found if one.trigger.type == _QUEUE_TRIGGER]

    async def _depths_of(self, connection: str, store: QueueStore) -> list[QueueDepth]:
        now = asyncio.get_running_loop().time()
        seen = self._elsewhere.get(connection)
        if seen is None or now - seen.at >= QUEUES_FRESH:
            seen = self._elsewhere[connection] = _Seen(now, await _asked(store.depths(), []))
        return seen.depths

    async def _leases(self) -> list[tuple[str, bool]]:
        storage = self._host.storage
        held = await _asked(storage.locks.held_by_anyone(), [])
        return [(one.lease.name, one.lease.owner == storage.owner) for one in held]

    async def _history_size(self) -> int:
        store = self._host.storage.local.store
        row = await _asked(store.read(lambda c: c.execute("SELECT bytes FROM history").fetchone()), (0,))
        return int(row[0])


def _poison_queue(function: FunctionDescriptor) -> str | None:
    queue = function.trigger.fields.get("queueName") or ""
    return poison_queue_name(queue, function.policy.queue.poison_queue)


async def _asked(answer: Awaitable[T], otherwise: T) -> T:
    try:
        async with asyncio.timeout(LIMIT):
            return await answer
    except (TimeoutError, FunchostError):
        return otherwise
