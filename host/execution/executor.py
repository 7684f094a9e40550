"""One event to one outcome: a slot, a lock, the attempts, the settlement.

The executor knows nothing of where an event came from. What goes wrong here and what goes wrong in the function
look the same to the listener: an outcome that did not succeed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta

from ...bindings.errors import FunchostError
from ...bindings.expressions import Template
from ...bindings.queue import OutgoingMessage, QueueStore
from ...bindings.table import OutgoingEntity
from ...triggers.base import Deliver, ErrorInfo, Outcome, Resources, Status, TriggerEvent
from ...triggers.descriptor import FunctionDescriptor, SingletonMode, SingletonPolicy
from ...triggers.lock_line import LockUnavailable
from ..workers.pool import Pool
from .activity import Activity
from .attempts import Attempts
from .binder import Binder
from .observer import Observer
from .run import Run

#: How long a caller waits for a lock that cannot be asked for. What comes again by itself waits as long as it takes.
PATIENCE = timedelta(seconds=10)


class LockTimeout(FunchostError):
    """The singleton's lock was not to be had in time."""


class HostStopping(FunchostError):
    """The host is stopping, so the run was not begun."""


class Executor:
    """Runs events on the pool. One for each host; `deliver` gives a function's entrance."""

    def __init__(self, pool: Pool, resources: Resources, observer: Observer) -> None:
        self._pool = pool
        self._resources = resources
        self._observer = observer
        #: Set when nothing new is to begin: no further attempt, no wait for a lock.
        self.stopping = resources.stopping
        self.activity = Activity()
        #: The locks that runs of each function wait for, by its name, and how many do.
        self._locks: dict[str, Counter[str]] = {}
        #: The runs in hand, by their invocation ids.
        self._running: dict[str, Run] = {}

    def cancel(self, invocation_id: str, reason: str) -> bool:
        """End a run that is in hand, for this reason. It fails, with no further attempt, and its message is given up.

        False: there is no such run here.
        """
        run = self._running.get(invocation_id)
        if run is None:
            return False
        run.cancel(reason)
        return True

    def deliver(self, function: FunctionDescriptor) -> Deliver:
        """What a listener of `function` calls with its events."""
        return FunctionRunner(
            function,
            self._pool,
            self._resources,
            self._observer,
            self.stopping,
            self.activity,
            self._running,
            self._locks.setdefault(function.name, Counter()),
        ).run

    def waits(self, function: str) -> str | None:
        """Why events of the function that are in hand do not run: its lock cannot be asked for. None: they do."""
        locks = self._resources.locks
        troubles = (locks.trouble(name) for name in self._locks.get(function, ()))
        return next((trouble for trouble in troubles if trouble), None)


class FunctionRunner:
    """Runs the events of one function under its policies."""

    def __init__(
        self,
        function: FunctionDescriptor,
        pool: Pool,
        resources: Resources,
        observer: Observer,
        stopping: asyncio.Event,
        activity: Activity,
        running: dict[str, Run],
        locks: Counter[str],
    ) -> None:
        self._function = function
        self._name = function.name
        self._running = running
        self._resources = resources
        self._observer = observer
        self._stopping = stopping
        self._activity = activity
        self._locks = locks
        policy = function.policy
        binder = Binder(function, resources)
        self._attempts = Attempts(function, binder, pool, resources.clock, stopping, observer, activity)
        self._slots = asyncio.Semaphore(policy.concurrency) if policy.concurrency else None
        self._singleton = _function_singleton(policy.singleton)
        scope = self._singleton.scope if self._singleton else None
        self._scope = Template.parse(scope) if scope else None

    async def run(self, event: TriggerEvent) -> Outcome:
        """Run the event to its outcome and have it settled. Never raises for what the function did."""
        run = Run(self._function, event, self._resources.clock)
        self._observer.started(run)
        self._running[run.invocation_id] = run
        self._activity.invocations += 1
        try:
            if self._slots is None and self._singleton is None:
                outcome = await self._run_and_settle(run)
            else:
                outcome = await self._run_in_turn(run)
        finally:
            self._activity.invocations -= 1
            del self._running[run.invocation_id]
        self._observer.ended(run, outcome)
        return outcome

    async def _run_in_turn(self, run: Run) -> Outcome:
        async with AsyncExitStack() as held:
            if self._slots:
                await held.enter_async_context(self._slots)
            if self._singleton:
                try:
                    await held.enter_async_context(self._locked(run, self._singleton))
                except (HostStopping, LockUnavailable) as error:
                    info = ErrorInfo(type(error).__name__, str(error))
                    return await self._settle(run, run.outcome(Status.INTERRUPTED, info))
                except FunchostError as error:
                    return await self._settle(run, run.failure(error))
            return await self._run_and_settle(run)

    @contextlib.asynccontextmanager
    async def _locked(self, run: Run, singleton: SingletonPolicy) -> AsyncIterator[None]:
        """Hold the singleton's lock. It is given back after the outputs were stored."""
        name = self._name
        if self._scope:
            scope = self._scope.render(run.event.metadata, function=name, clock=self._resources.clock)
            name = f"{name}.{scope}"
        with self._noted(name):
            lock = await self._resources.locks.acquire(
                name,
                timeout=singleton.acquisition_timeout,
                interval=singleton.acquisition_interval,
                unless=self._stopping,
                patience=None if run.event.repeatable else PATIENCE,
            )
        if lock is None and self._stopping.is_set():
            raise HostStopping
        if lock is None:
            raise LockTimeout(f"The lock '{name}' was not to be had within {singleton.acquisition_timeout}.")
        run.fence = lock.lease.fence
        try:
            yield
        finally:
            await self._resources.locks.release(lock)

    @contextlib.contextmanager
    def _noted(self, lock: str) -> Iterator[None]:
        """Have it known that a run waits for this lock."""
        self._locks[lock] += 1
        try:
            yield
        finally:
            self._locks[lock] -= 1
            if not self._locks[lock]:
                del self._locks[lock]

    async def _run_and_settle(self, run: Run) -> Outcome:
        try:
            outcome = await self._attempts.make(run)
        except Exception as error:
            outcome = run.failure(error)
        return await self._settle(run, outcome)

    async def _settle(self, run: Run, outcome: Outcome) -> Outcome:
        """Store the outputs and settle the event; what cannot be stored fails the invocation."""
        self._observer.settling(run, outcome)
        settle = run.event.settle or store_outputs
        if settle is store_outputs and not outcome.messages and not outcome.entities:
            return outcome
        try:
            await settle(outcome)
            return outcome
        except Exception as error:
            failed = run.failure(error)
        self._observer.settling(run, failed)
        if run.event.settle:
            try:
                await run.event.settle(failed)
            except Exception as error:
                # Whoever holds it will give it up or bring it again; the run is over all the same.
                self._resources.report(f"An event of {self._name} could not be settled: {error}")
        return failed


async def store_outputs(outcome: Outcome) -> None:
    """Store what a run put into queues and tables, where its event brings no settlement of its own."""
    by_store: dict[QueueStore, tuple[list[OutgoingMessage], list[OutgoingEntity]]] = {}
    for store, message in outcome.messages:
        by_store.setdefault(store, ([], []))[0].append(message)
    for store, entity in outcome.entities:
        by_store.setdefault(store, ([], []))[1].append(entity)
    for store, (messages, entities) in by_store.items():
        await store.send(messages, entities)


def _function_singleton(policy: SingletonPolicy | None) -> SingletonPolicy | None:
    return policy if policy and policy.mode is SingletonMode.FUNCTION else None
