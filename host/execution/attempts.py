"""The attempts that one delivery gets: each a call to a worker, until one succeeds or the policy gives up."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterable
from functools import partial
from typing import Any

from ...bindings.blob import BlobStore
from ...bindings.clock import Clock
from ...bindings.errors import AccessDenied, BindingError, StoreError
from ...triggers.base import ErrorInfo, Outcome, Status
from ...triggers.descriptor import FunctionDescriptor
from ..workers.call import Call, InvocationTimeout, Result, WorkerLost
from ..workers.pool import Pool
from .activity import Activity
from .binder import Binder, Outputs
from .observer import Observer
from .retry import delay_before
from .run import Run

#: Deaths of a worker that one delivery may cause before it is over, whatever its retry policy says.
MOST_DEATHS = 3

#: Times that a run may be broken off by others before it is given back instead of being run again.
MOST_REPEATS = 3

#: Bytes of a streamed response that is kept for a caller who did not wait for it.
MOST_COLLECTED = 64 * 1024 * 1024

#: Pauses, in seconds on average, before a blob is written again that its store did not take.
WRITE_AGAIN = (0.3, 1.0)


class Attempts:
    """Makes the attempts for the events of one function."""

    def __init__(
        self,
        function: FunctionDescriptor,
        binder: Binder,
        pool: Pool,
        clock: Clock,
        stopping: asyncio.Event,
        observer: Observer,
        activity: Activity,
    ) -> None:
        self._function = function
        self._binder = binder
        self._pool = pool
        self._clock = clock
        self._stopping = stopping
        self._observer = observer
        self._activity = activity
        self._choose = random.Random()
        self._retry = function.policy.retry
        self._timeout = function.policy.timeout.total_seconds() if function.policy.timeout else None

    async def make(self, run: Run) -> Outcome:
        """Run it until it succeeds, is given up, or the host stops. Raises for what cannot be bound."""
        deaths = 0
        while True:
            if run.cancelled is not None:
                return run.cancellation()
            try:
                result = await self._invoke(run)
                run.wrote = result.wrote
                if result.error is None:
                    return await self._success(run, result)
            except WorkerLost as lost:
                error = ErrorInfo("WorkerLost", str(lost))
                if not lost.guilty and run.cancelled is None:
                    return run.outcome(Status.INTERRUPTED, error)
                status = Status.FAILED
                deaths += 1
            except InvocationTimeout as timeout:
                status, error = Status.TIMED_OUT, ErrorInfo("InvocationTimeout", str(timeout))
            except (AccessDenied, StoreError) as refusal:
                status, error = Status.FAILED, ErrorInfo(type(refusal).__name__, str(refusal))
            else:
                status = Status.FAILED
                error = run.source.explained(result.error) if run.source else result.error
            if run.cancelled is not None:
                return run.cancellation()
            # A request that does not fit would not fit the next time either.
            delay = None if error.is_callers else delay_before(self._retry, run.attempts, self._choose)
            if delay is None or deaths >= MOST_DEATHS or run.is_spent:
                return run.outcome(status, error)
            self._observer.retrying(run, error, delay.total_seconds())
            with self._activity.waiting():
                stopped = await self._stopped_during(delay.total_seconds(), run)
            if stopped:
                return run.outcome(Status.INTERRUPTED, error)
            run.attempts += 1
            run.last_error = error

    async def _invoke(self, run: Run) -> Result:
        """One attempt. When a neighbour may have ended its worker it is made again, at no cost, and alone, so
        that it cannot be mistaken for the culprit a second time."""
        call = run.call = self._call(run)
        call.on_progress = partial(self._observer.progressed, run.invocation_id)
        if self._binder.has_inputs:
            await self._add_inputs(call, run)
        try:
            return await self._pool.invoke(call)
        except WorkerLost as lost:
            if not _may_repeat(lost, run):
                raise
        for _ in range(MOST_REPEATS):
            try:
                return await self._pool.invoke_alone(call)
            except WorkerLost as lost:
                if not _may_repeat(lost, run):
                    raise
        raise WorkerLost("its worker was lost again and again", guilty=False)

    def _call(self, run: Run) -> Call:
        event = run.event
        header: dict[str, Any] = {
            "type": "invoke",
            "invocation": run.invocation_id,
            "function": run.function,
            "kind": event.kind,
            "data": event.data,
            "metadata": event.metadata,
            "trace": {"parent": run.trace.parent, "state": run.trace.state},
        }
        if self._retry:
            header["retry"] = {
                "count": run.attempts - 1,
                "max": self._retry.max_retry_count,
                "error": run.last_error,
            }
        if run.fence is not None:
            header["fence"] = run.fence
        if event.cause.properties.get("replyTo"):
            header["replies"] = True
        if isinstance(event.body, bytes):
            return Call(header, (event.body,), None, self._timeout, event.cancelled, run.on_abort)
        header["stream"] = True
        return Call(header, (b"",), run.source, self._timeout, event.cancelled, run.on_abort)

    async def _add_inputs(self, call: Call, run: Run) -> None:
        values = await self._binder.inputs(run.event.metadata)
        call.header["inputs"] = [{"name": name, "kind": kind} for name, kind, _ in values]
        call.body = (*call.body, *(content for _, _, content in values))
        call.header["sizes"] = [len(piece) for piece in call.body]

    async def _success(self, run: Run, result: Result) -> Outcome:
        outcome = run.outcome(Status.SUCCEEDED)
        outcome.kind, outcome.body = result.kind, result.body
        if run.event.run_id and not isinstance(result.body, bytes):
            # Nobody reads along: it is kept, to be asked for later.
            outcome.kind, outcome.body = "http", await _collected(result.body)
        outcome.header |= result.data
        if result.outputs:
            stored = await self._store_outputs(run, result)
            outcome.messages, outcome.entities = stored.messages, stored.entities
            outcome.unsent = stored.unsent
            outcome.ended = self._clock.now()
        return outcome

    async def _store_outputs(self, run: Run, result: Result) -> Outputs:
        """Write the blobs; messages and entities are left to the settlement, which stores them in its own step."""
        properties = {"traceparent": run.trace.parent, "parent": run.invocation_id}
        if run.trace.state:
            properties["tracestate"] = run.trace.state
        outputs = self._binder.outputs(result.outputs, run.event.metadata, properties)
        for blob in outputs.blobs:
            # What runs because of a blob learns by this of the run that wrote it, and goes on with its trace.
            about = {"AzureWebJobsParentId": run.invocation_id, "Traceparent": run.trace.parent}
            await self._write(blob, about)
        run.outputs = outputs.refs
        return outputs

    async def _write(self, blob: tuple[BlobStore, str, str, bytes], metadata: dict[str, str]) -> None:
        """Write a blob; again where its store is in trouble for a moment, since the function has run already."""
        store, container, name, content = blob
        for pause in WRITE_AGAIN:
            try:
                await store.put(container, name, content, metadata=metadata)
                return
            except StoreError:
                if await self._stopped_during(pause * self._choose.uniform(0.5, 1.5), None):
                    break
        await store.put(container, name, content, metadata=metadata)

    async def _stopped_during(self, seconds: float, run: Run | None) -> bool:
        """Whether the host stops within these seconds; they are over sooner when the run is cancelled."""
        try:
            async with asyncio.timeout(seconds) as pause:
                if run:
                    run.roused = lambda: pause.reschedule(0)
                await self._stopping.wait()
            return True
        except TimeoutError:
            return self._stopping.is_set()
        finally:
            if run:
                run.roused = None


async def _collected(stream: AsyncIterable[bytes]) -> bytes:
    """All of a streamed response. Raises `BindingError` for one that is too large to be kept."""
    collected = bytearray()
    pieces = aiter(stream)
    async for piece in pieces:
        collected += piece
        if len(collected) > MOST_COLLECTED:
            await pieces.aclose()  # type: ignore[attr-defined]
            raise BindingError(
                f"The streamed response is over {MOST_COLLECTED} bytes, too large to be kept for a caller who does not "
                "wait. Write it into a blob, and answer with its name."
            )
    return bytes(collected)


def _may_repeat(lost: WorkerLost, run: Run) -> bool:
    return run.cancelled is None and not lost.guilty and not lost.stopped and run.event.repeatable
