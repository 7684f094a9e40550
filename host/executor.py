"""One event to one outcome: a slot, a lock, the inputs, the attempts, the outputs, the settlement.

The executor knows nothing of where an event came from. What goes wrong here and what goes wrong in the function
look the same to the listener: an outcome that did not succeed.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

from ..bindings.clock import new_id
from ..bindings.errors import FunchostError
from ..bindings.expressions import Template
from ..triggers.base import Deliver, ErrorInfo, Outcome, Resources, Status, TriggerEvent
from ..triggers.descriptor import FunctionDescriptor, SingletonMode, SingletonPolicy
from .binder import Binder
from .pool import Pool
from .retry import delay_before
from .trace import Trace
from .worker_process import Call, InvocationTimeout, Result, WorkerLost

#: Deaths of a worker that one delivery may cause before it is over, whatever its retry policy says.
MOST_DEATHS = 3


class LockTimeout(FunchostError):
    """The singleton's lock was not to be had in time."""


class HostStopping(FunchostError):
    """The host is stopping."""


class Observer:
    """Is told of each invocation; the log and whoever counts are observers. Does nothing by itself."""

    def started(self, function: str, invocation_id: str, event: TriggerEvent) -> None:
        """An event's first attempt is about to begin."""

    def ended(self, outcome: Outcome) -> None:
        """An event has been settled."""

    def retrying(self, outcome_error: ErrorInfo, function: str, invocation_id: str, delay: float) -> None:
        """An attempt failed and another follows after `delay` seconds."""


class Executor:
    """Runs events on the pool. One for each host; `deliver` gives a function's entrance."""

    def __init__(self, pool: Pool, resources: Resources, observer: Observer) -> None:
        self._pool = pool
        self._resources = resources
        self._observer = observer
        self.stopping = asyncio.Event()

    def deliver(self, function: FunctionDescriptor) -> Deliver:
        """What a listener of `function` calls with its events."""
        return FunctionRunner(function, self._pool, self._resources, self._observer, self.stopping).run


class FunctionRunner:
    """Runs the events of one function under its policies."""

    def __init__(
        self,
        function: FunctionDescriptor,
        pool: Pool,
        resources: Resources,
        observer: Observer,
        stopping: asyncio.Event,
    ) -> None:
        self._function = function
        self._pool = pool
        self._resources = resources
        self._observer = observer
        self._stopping = stopping
        self._binder = Binder(function, resources)
        self._clock = resources.clock
        self._choose = random.Random()
        policy = function.policy
        self._timeout = policy.timeout.total_seconds() if policy.timeout else None
        self._slots = asyncio.Semaphore(policy.concurrency) if policy.concurrency else None
        self._singleton = _function_singleton(policy.singleton)
        self._scope = (
            Template.parse(self._singleton.scope) if self._singleton and self._singleton.scope else None
        )

    async def run(self, event: TriggerEvent) -> Outcome:
        """Run the event to its outcome and have it settled. Never raises for what the function did."""
        id_ = new_id()
        run = _Run(event, id_, self._clock.now(), Trace.of(event, id_))
        self._observer.started(self._function.name, run.invocation_id, event)
        if self._slots is None and self._singleton is None:
            outcome = await self._run_and_settle(run)
        else:
            outcome = await self._run_in_turn(run)
        self._observer.ended(outcome)
        return outcome

    async def _run_in_turn(self, run: _Run) -> Outcome:
        async with AsyncExitStack() as held:
            if self._slots:
                await held.enter_async_context(self._slots)
            if self._singleton:
                try:
                    await held.enter_async_context(self._locked(run, self._singleton))
                except HostStopping as error:
                    info = ErrorInfo("HostStopping", str(error))
                    return await self._settle(run, self._outcome(run, Status.INTERRUPTED, 0, info))
                except FunchostError as error:
                    return await self._settle(run, self._failure(run, error))
            return await self._run_and_settle(run)

    @contextlib.asynccontextmanager
    async def _locked(self, run: _Run, singleton: SingletonPolicy) -> AsyncIterator[None]:
        """Hold the singleton's lock. It is given back after the outputs were stored."""
        name = self._function.name
        if self._scope:
            scope = self._scope.render(run.event.metadata, function=name, clock=self._clock)
            name = f"{name}.{scope}"
        locks = self._resources.locks
        lock = await locks.acquire(
            name,
            timeout=singleton.acquisition_timeout,
            interval=singleton.acquisition_interval,
            unless=self._stopping,
        )
        if lock is None and self._stopping.is_set():
            raise HostStopping
        if lock is None:
            raise LockTimeout(f"The lock '{name}' was not to be had within {singleton.acquisition_timeout}.")
        run.fence = lock.lease.fence
        try:
            yield
        finally:
            await locks.release(lock)

    async def _run_and_settle(self, run: _Run) -> Outcome:
        try:
            outcome = await self._attempt_all(run)
        except Exception as error:
            outcome = self._failure(run, error)
        return await self._settle(run, outcome)

    async def _settle(self, run: _Run, outcome: Outcome) -> Outcome:
        """Store the outputs and settle the event; what cannot be stored fails the invocation."""
        settle = run.event.settle or store_messages
        try:
            await settle(outcome)
            return outcome
        except Exception as error:
            failed = self._failure(run, error)
        if run.event.settle:
            await run.event.settle(failed)
        return failed

    # -- attempts

    async def _attempt_all(self, run: _Run) -> Outcome:
        retry, deaths = 0, 0
        suspect = False
        while True:
            try:
                result = await self._attempt(run, retry, alone=suspect)
            except WorkerLost as lost:
                if not lost.guilty and not lost.stopped and run.event.repeatable:
                    # A neighbour may have ended the worker: this run uses up nothing, and from now on it
                    # runs alone, so that it cannot be mistaken for the culprit.
                    suspect = True
                    continue
                if not lost.guilty:
                    return self._outcome(run, Status.INTERRUPTED, retry, ErrorInfo("WorkerLost", str(lost)))
                deaths += 1
                status, error = Status.FAILED, ErrorInfo("WorkerLost", str(lost))
            except InvocationTimeout as timeout:
                status, error = Status.TIMED_OUT, ErrorInfo("InvocationTimeout", str(timeout))
            else:
                if result.error is None:
                    return await self._success(run, result, retry)
                status, error = Status.FAILED, result.error
                run.wrote = result.wrote
            delay = delay_before(self._function.policy.retry, retry + 1, self._choose)
            if delay is None or deaths >= MOST_DEATHS or run.is_spent:
                return self._outcome(run, status, retry, error)
            self._observer.retrying(error, self._function.name, run.invocation_id, delay.total_seconds())
            if await self._stopped_during(delay.total_seconds()):
                return self._outcome(run, Status.INTERRUPTED, retry, error)
            retry += 1
            run.last_error = {"type": error.type, "message": error.message, "traceback": error.traceback}

    async def _stopped_during(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
            return True
        except TimeoutError:
            return self._stopping.is_set()

    async def _attempt(self, run: _Run, retry: int, *, alone: bool) -> Result:
        call = self._call(run, retry)
        if self._binder.has_inputs:
            await self._add_inputs(call, run)
        return await (self._pool.invoke_alone(call) if alone else self._pool.invoke(call))

    def _call(self, run: _Run, retry: int) -> Call:
        event = run.event
        header: dict[str, Any] = {
            "type": "invoke",
            "invocation": run.invocation_id,
            "function": self._function.name,
            "kind": event.kind,
            "data": event.data,
            "metadata": event.metadata,
            "trace": {"parent": run.trace.parent, "state": run.trace.state},
        }
        policy = self._function.policy.retry
        if policy:
            header["retry"] = {"count": retry, "max": policy.max_retry_count, "error": run.last_error}
        if run.fence is not None:
            header["fence"] = run.fence
        if isinstance(event.body, bytes):
            return Call(header, (event.body,), None, self._timeout, event.cancelled)
        header["stream"] = True
        return Call(header, (b"",), event.body, self._timeout, event.cancelled)

    async def _add_inputs(self, call: Call, run: _Run) -> None:
        values = await self._binder.inputs(run.event.metadata)
        call.header["inputs"] = [{"name": name, "kind": kind} for name, kind, _ in values]
        call.body = (*call.body, *(content for _, _, content in values))
        call.header["sizes"] = [len(piece) for piece in call.body]

    async def _success(self, run: _Run, result: Result, retry: int) -> Outcome:
        outcome = self._outcome(run, Status.SUCCEEDED, retry, None)
        outcome.kind = result.kind
        outcome.header = result.data if result.wrote is None else {**result.data, "wrote": result.wrote}
        outcome.body = result.body
        if result.outputs:
            properties = {"traceparent": run.trace.parent, "parent": run.invocation_id}
            if run.trace.state:
                properties["tracestate"] = run.trace.state
            outputs = self._binder.outputs(result.outputs, run.event.metadata, properties)
            for store, container, name, content in outputs.blobs:
                await store.put(
                    container, name, content, metadata={"AzureWebJobsParentId": run.invocation_id}
                )
            outcome.messages = outputs.messages
            outcome.ended = self._clock.now()
        return outcome

    def _outcome(self, run: _Run, status: Status, retry: int, error: ErrorInfo | None) -> Outcome:
        return Outcome(
            header={} if run.wrote is None else {"wrote": run.wrote},
            status=status,
            function=self._function.name,
            invocation_id=run.invocation_id,
            started=run.started,
            ended=self._clock.now(),
            attempts=retry + 1,
            error=error,
        )

    def _failure(self, run: _Run, error: Exception) -> Outcome:
        info = ErrorInfo(type(error).__name__, str(error))
        return self._outcome(run, Status.FAILED, 0, info)


class _Run:
    """One event on its way through the executor."""

    __slots__ = ("event", "fence", "invocation_id", "last_error", "started", "trace", "wrote")

    def __init__(self, event: TriggerEvent, invocation_id: str, started: Any, trace: Trace) -> None:
        self.event = event
        self.invocation_id = invocation_id
        self.started = started
        self.trace = trace
        self.fence: int | None = None
        self.last_error: dict[str, str] | None = None
        #: Watched files that it wrote; None where that is not looked for.
        self.wrote: list[str] | None = None

    @property
    def is_spent(self) -> bool:
        """Whether the value was a stream that cannot be brought a second time."""
        return not isinstance(self.event.body, bytes) and not self.event.repeatable


async def store_messages(outcome: Outcome) -> None:
    """Send the messages that a run put out, where its event brings no settlement of its own."""
    by_store: dict[Any, list[Any]] = {}
    for store, message in outcome.messages:
        by_store.setdefault(store, []).append(message)
    for store, messages in by_store.items():
        await store.send(messages)


def _function_singleton(policy: SingletonPolicy | None) -> SingletonPolicy | None:
    return policy if policy and policy.mode is SingletonMode.FUNCTION else None
