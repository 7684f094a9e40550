"""A listener that listens on one host only: it runs while this host holds a lease."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import timedelta

from ..bindings.errors import FunchostError
from .base import Deliver, Listener, Outcome, Resources, Status, TriggerEvent
from .descriptor import FunctionDescriptor, SingletonMode
from .locks import Lock
from .pulse import Pulse, pulses_of

log = logging.getLogger(__name__)

#: How often a host that lost asks again. A lease that is given back, or whose host died, is noticed at once.
RECOVERY_INTERVAL = timedelta(seconds=5)

#: Seconds that a start waits for the first answer about the lease: a host is not held up by a store that is away.
START_LIMIT = 2.0


class ListenerLease:
    """Wraps any `Listener`. The inner one stops before the lease goes, and a loser keeps asking."""

    def __init__(self, inner: Listener, name: str, resources: Resources) -> None:
        self._inner = inner
        self._name = name
        self._resources = resources
        self._pulse = Pulse(f"asking for the lease '{name}'", resources.clock.monotonic)
        self._task: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None
        #: Why the inner one does not listen; None while it does.
        self._waits: str | None = "stopped"

    @property
    def state(self) -> str:
        return self._waits or self._inner.state

    @property
    def pulses(self) -> tuple[Pulse, ...]:
        """Of asking for the lease, and of the inner one."""
        return (self._pulse, *pulses_of(self._inner))

    async def start(self) -> None:
        if self._task is None:
            self._waits = "asking for its lease"
            asked = asyncio.Event()
            self._task = asyncio.create_task(self._keep(asked), name=f"lease {self._name}")
            self._pulse.follow(self._task)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(START_LIMIT):
                    await asked.wait()

    async def stop(self) -> None:
        if self._task and self._stopping is None:
            self._stopping = asyncio.create_task(self._end(self._task), name=f"stop {self._name}")
        if self._stopping:
            # Shared by all who ask: to cancel twice would leave what is in flight behind.
            await asyncio.shield(self._stopping)

    async def _end(self, task: asyncio.Task[None]) -> None:
        self._pulse.leave()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self._task = self._stopping = None
        self._waits = "stopped"

    async def _keep(self, asked: asyncio.Event) -> None:
        while True:
            lock = await self._try()
            if lock is None:
                asked.set()
                await self._wait_for_release()
                continue
            try:
                await self._listen_while_held(lock, asked)
            finally:
                asked.set()

    async def _wait_for_release(self) -> None:
        try:
            await self._resources.locks.wait_for_release(RECOVERY_INTERVAL)
        except Exception as error:
            # Whether the lease can be had, the next try tells; and if it cannot be asked for, why.
            log.debug("A lease that is given back cannot be waited for: %r", error)
            await asyncio.sleep(RECOVERY_INTERVAL.total_seconds())

    async def _try(self) -> Lock | None:
        try:
            lock = await self._resources.locks.try_acquire(self._name)
        except Exception as error:
            self._wait_for(error, f"The lease '{self._name}' cannot be asked for")
            return None
        if lock is None:
            self._waits = "standing by: another host holds its lease"
        return lock

    async def _listen_while_held(self, lock: Lock, asked: asyncio.Event) -> None:
        try:
            await self._inner.start()
            self._waits = None
            asked.set()
            await lock.lost.wait()
            self._waits = "stopping: another host may hold its lease now"
        except Exception as error:
            self._wait_for(error, f"The listener of '{self._name}' failed to start")
            asked.set()
            await asyncio.sleep(RECOVERY_INTERVAL.total_seconds())
        finally:
            # Also when this task is cancelled: what is in flight is settled before another host may begin.
            await asyncio.shield(self._let_go(lock))

    def _wait_for(self, error: Exception, what: str) -> None:
        """Have the state say why nothing is listened for; each reason is told once in a row."""
        state = f"waiting: {error if isinstance(error, FunchostError) else repr(error)}"
        if state != self._waits:
            self._resources.report(f"{what}, which is tried again: {error}")
        self._waits = state

    async def _let_go(self, lock: Lock) -> None:
        await self._inner.stop()
        await self._resources.locks.release(lock)


def while_held(name: str, deliver: Deliver, function: str, resources: Resources) -> Deliver:
    """`deliver`, as long as this host surely has the lease; what comes without it is interrupted.

    A host that stood still (suspended, out of memory) wakes up to events that are overdue before it hears that
    another host has taken its place and has seen to them.
    """

    async def deliver_if_held(event: TriggerEvent) -> Outcome:
        lease = resources.locks.surely_held(name)
        if lease is not None:
            event.fence = lease.fence
            return await deliver(event)
        now = resources.clock.now()
        outcome = Outcome(
            status=Status.INTERRUPTED, function=function, invocation_id="", started=now, ended=now
        )
        if event.settle:
            await event.settle(outcome)
        return outcome

    return deliver_if_held


def listener_lease(function: FunctionDescriptor) -> str | None:
    """The lease that the function's listener needs by its singleton policy; None when it needs none."""
    singleton = function.policy.singleton
    if singleton and singleton.mode is SingletonMode.LISTENER:
        return f"{function.name}.Listener"
    return None


def one_host_only(
    function: FunctionDescriptor, deliver: Deliver, resources: Resources, make: Callable[[Deliver], Listener]
) -> Listener:
    """The listener that `make` makes, behind a lease when the function's singleton policy says so."""
    lease = listener_lease(function)
    if lease is None:
        return make(deliver)
    return ListenerLease(make(while_held(lease, deliver, function.name, resources)), lease, resources)
