"""One event to one outcome, with a pool that the test plays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast

import pytest
from fakes import ManualClock, make_function, memory_resources

from funchost.bindings.errors import AccessDenied, BindingError, StoreError
from funchost.bindings.lease import LEASE_PERIOD, Lease
from funchost.bindings.memory_blobs import MemoryBlobs
from funchost.bindings.memory_leases import MemoryLeases
from funchost.bindings.memory_queues import MemoryQueues
from funchost.host.execution import attempts as attempts_module
from funchost.host.execution import executor as executor_module
from funchost.host.execution.attempts import MOST_DEATHS
from funchost.host.execution.executor import Executor
from funchost.host.execution.observer import Observer
from funchost.host.execution.run import Run
from funchost.host.workers.call import Call, InvocationTimeout, Result, WorkerLost
from funchost.host.workers.pool import Pool
from funchost.triggers.base import Cause, Deliver, ErrorInfo, Outcome, Status, TriggerEvent
from funchost.triggers.descriptor import (
    Binding,
    Policy,
    RetryPolicy,
    RetryStrategy,
    SingletonMode,
    SingletonPolicy,
)
from funchost.triggers.locks import Locks

Answer = Result | Exception

RAISED = ErrorInfo("ValueError", "bad order", "Traceback: …")
NEIGHBOUR = WorkerLost("exit code 1", guilty=False)
GUILTY = WorkerLost("signal 11", guilty=True)
STOPPED = WorkerLost("the host is stopping", guilty=False, stopped=True)


def result(error: ErrorInfo | None = None, **more: Any) -> Result:
    given: dict[str, Any] = {"kind": "none", "data": {}, "body": b"", "outputs": [], "wrote": None}
    return Result(**{**given, "error": error, **more})


def for_ever(count: int = -1, delay: timedelta = timedelta(0)) -> RetryPolicy:
    return RetryPolicy(strategy=RetryStrategy.FIXED_DELAY, max_retry_count=count, delay_interval=delay)


class FakePool:
    """Answers what the test tells it to, in order; without an answer a call waits."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.calls: list[Call] = []
        self.alone: list[bool] = []
        self.waiting: list[asyncio.Future[Result]] = []

    def invoke(self, call: Call) -> asyncio.Future[Result]:
        return self._answer(call, alone=False)

    async def invoke_alone(self, call: Call) -> Result:
        return await self._answer(call, alone=True)

    def _answer(self, call: Call, *, alone: bool) -> asyncio.Future[Result]:
        self.calls.append(call)
        self.alone.append(alone)
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        if not self.answers:
            self.waiting.append(future)
        elif isinstance(answer := self.answers.pop(0), Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
        return future


@dataclass
class Noted(Observer):
    """Keeps what it is told."""

    told: list[tuple[str, str]] = field(default_factory=list)
    on_retry: Callable[[], None] = lambda: None

    def started(self, run: Run) -> None:
        self.told.append(("started", run.invocation_id))

    def ended(self, run: Run, outcome: Outcome) -> None:
        self.told.append((f"ended {outcome.status.value}", outcome.invocation_id))

    def progressed(self, invocation_id: str, progress: float | None, status: Any) -> None:
        self.told.append((f"progressed {progress} {status}", invocation_id))

    def retrying(self, run: Run, error: ErrorInfo, delay: float) -> None:
        self.told.append(("retrying", run.invocation_id))
        self.on_retry()

    @property
    def steps(self) -> list[str]:
        return [step for step, _ in self.told]


class Bench:
    """An executor between a fake pool and stores in memory."""

    def __init__(self) -> None:
        self.pool = FakePool()
        self.clock = ManualClock()
        self.queues = MemoryQueues(self.clock)
        self.blobs = MemoryBlobs(self.clock)
        self.resources = memory_resources(clock=self.clock, queues=self.queues, blobs=self.blobs)
        self.observer = Noted()
        self.executor = Executor(cast(Pool, self.pool), self.resources, self.observer)

    def deliver(self, *bindings: Binding, name: str = "Work", **policy: Any) -> Deliver:
        return self.executor.deliver(make_function(name=name, bindings=bindings, policy=Policy(**policy)))

    async def run(self, *answers: Answer, event: TriggerEvent | None = None, **policy: Any) -> Outcome:
        self.pool.answers = list(answers)
        return await self.deliver(**policy)(event or TriggerEvent(kind="queue", body=b"body"))

    async def bodies(self, queue: str = "bills") -> list[bytes]:
        return [message.body for message in await self.queues.peek(queue, 100)]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    await bench.resources.locks.stop()


async def settle_down() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


# -- one attempt


async def test_a_result_is_the_outcome(bench: Bench) -> None:
    outcome = await bench.run(result(kind="json", data={"a": 1}, body=b"{}"))
    assert outcome.succeeded and outcome.error is None
    assert (outcome.function, outcome.attempts, outcome.kind, outcome.body) == ("Work", 1, "json", b"{}")
    assert outcome.header == {"a": 1}
    assert bench.observer.told == [
        ("started", outcome.invocation_id),
        ("ended succeeded", outcome.invocation_id),
    ]


async def test_the_worker_is_told_what_happened(bench: Bench) -> None:
    event = TriggerEvent(kind="blob", body=b"content", data={"d": 1}, metadata={"name": "x"})
    await bench.run(result(), event=event, timeout=timedelta(seconds=90))
    [call] = bench.pool.calls
    assert {"type": "invoke", "function": "Work", "kind": "blob"}.items() <= call.header.items()
    assert (call.header["data"], call.header["metadata"]) == ({"d": 1}, {"name": "x"})
    assert call.body == (b"content",)
    assert call.timeout == 90
    assert "retry" not in call.header and "fence" not in call.header


async def test_a_function_without_a_limit_has_no_timeout(bench: Bench) -> None:
    await bench.run(result(), timeout=None)
    assert bench.pool.calls[0].timeout is None


async def test_an_error_of_the_function_is_a_failure(bench: Bench) -> None:
    outcome = await bench.run(result(RAISED))
    assert (outcome.status, outcome.error, outcome.attempts) == (Status.FAILED, RAISED, 1)


async def test_a_function_that_ran_past_its_time_says_so(bench: Bench) -> None:
    outcome = await bench.run(InvocationTimeout("Timeout value of 00:05:00 was exceeded."))
    assert outcome.status is Status.TIMED_OUT
    assert outcome.error and outcome.error.type == "InvocationTimeout"
    assert "00:05:00" in outcome.error.message


async def test_an_error_of_the_host_looks_like_one_of_the_function(bench: Bench) -> None:
    outcome = await bench.run(RuntimeError("no code of it is loaded"))
    assert (outcome.status, outcome.error) == (
        Status.FAILED,
        ErrorInfo("RuntimeError", "no code of it is loaded"),
    )


# -- runs that are cancelled


async def test_a_run_that_is_cancelled_fails_without_another_attempt(bench: Bench) -> None:
    event = TriggerEvent(kind="queue", body=b"body")
    running = asyncio.ensure_future(bench.deliver(retry=for_ever())(event))
    await settle_down()
    [call], [waiting] = bench.pool.calls, bench.pool.waiting
    assert call.on_abort
    call.on_abort(lambda: waiting.set_result(result(ErrorInfo("InvocationCancelled", "client"))))
    assert bench.executor.cancel(call.header["invocation"], "Anna wanted it.")
    outcome = await running
    assert (outcome.status, outcome.attempts) == (Status.FAILED, 1)
    assert outcome.error == ErrorInfo("RunCancelled", "Anna wanted it.")


async def test_a_run_whose_worker_is_ended_for_its_cancellation_is_not_run_again(bench: Bench) -> None:
    event = TriggerEvent(kind="queue", body=b"body")
    running = asyncio.ensure_future(bench.deliver()(event))
    await settle_down()
    bench.executor.cancel(bench.pool.calls[0].header["invocation"], "no")
    bench.pool.waiting[0].set_exception(NEIGHBOUR)
    outcome = await running
    assert outcome.error == ErrorInfo("RunCancelled", "no")
    assert len(bench.pool.calls) == 1


async def test_a_run_that_ends_all_the_same_keeps_its_result(bench: Bench) -> None:
    running = asyncio.ensure_future(bench.deliver()(TriggerEvent(kind="queue")))
    await settle_down()
    bench.executor.cancel(bench.pool.calls[0].header["invocation"], "no")
    bench.pool.waiting[0].set_result(result())
    assert (await running).succeeded


async def test_a_run_that_waits_for_its_next_attempt_is_cancelled_at_once(bench: Bench) -> None:
    bench.pool.answers = [result(RAISED)]
    deliver = bench.deliver(retry=for_ever(9, timedelta(hours=1)))
    running = asyncio.ensure_future(deliver(TriggerEvent(kind="queue")))
    await settle_down()
    assert bench.executor.cancel(bench.pool.calls[0].header["invocation"], "no")
    outcome = await asyncio.wait_for(running, 5)
    assert outcome.error == ErrorInfo("RunCancelled", "no")


async def test_a_run_that_is_over_cannot_be_cancelled(bench: Bench) -> None:
    outcome = await bench.run(result())
    assert not bench.executor.cancel(outcome.invocation_id, "no")


# -- attempts


async def test_attempts_are_made_until_one_succeeds_under_one_id(bench: Bench) -> None:
    outcome = await bench.run(result(RAISED), result(RAISED), result(), retry=for_ever(5))
    assert outcome.succeeded and outcome.attempts == 3
    assert {call.header["invocation"] for call in bench.pool.calls} == {outcome.invocation_id}
    assert bench.observer.steps == ["started", "retrying", "retrying", "ended succeeded"]


async def test_the_count_of_a_policy_is_of_attempts_after_the_first(bench: Bench) -> None:
    outcome = await bench.run(*[result(RAISED)] * 9, retry=for_ever(2))
    assert (outcome.status, outcome.attempts, len(bench.pool.calls)) == (Status.FAILED, 3, 3)


async def test_each_attempt_is_told_its_number_and_the_last_error(bench: Bench) -> None:
    await bench.run(result(RAISED), result(), retry=for_ever(2))
    first, second = [call.header["retry"] for call in bench.pool.calls]
    assert (first["count"], first["max"], first["error"]) == (0, 2, None)
    assert (second["count"], second["max"]) == (1, 2)
    assert "bad order" in str(second["error"])


async def test_a_timeout_is_tried_again_too(bench: Bench) -> None:
    outcome = await bench.run(InvocationTimeout(), result(), retry=for_ever(1))
    assert outcome.succeeded and outcome.attempts == 2


async def test_attempts_for_ever_end_when_the_host_stops(bench: Bench) -> None:
    retries = 0

    def count() -> None:
        nonlocal retries
        retries += 1
        if retries == 50:
            bench.executor.stopping.set()

    bench.observer.on_retry = count
    outcome = await bench.run(*[result(RAISED)] * 100, retry=for_ever())
    assert (outcome.status, outcome.attempts, outcome.error) == (Status.INTERRUPTED, 50, RAISED)


async def test_a_stop_ends_the_wait_for_the_next_attempt(bench: Bench) -> None:
    def stop_soon() -> None:
        asyncio.get_running_loop().call_soon(bench.executor.stopping.set)

    bench.observer.on_retry = stop_soon
    outcome = await asyncio.wait_for(
        bench.run(result(RAISED), retry=for_ever(9, timedelta(hours=1))), timeout=5
    )
    assert outcome.status is Status.INTERRUPTED
    assert len(bench.pool.calls) == 1


async def _pieces() -> AsyncIterator[bytes]:
    yield b"piece"


async def test_a_stream_is_handed_on_as_one(bench: Bench) -> None:
    await bench.run(result(), event=TriggerEvent(kind="http", body=_pieces(), repeatable=False))
    (call,) = bench.pool.calls
    assert call.stream is not None
    assert [piece async for piece in call.stream] == [piece async for piece in _pieces()]
    assert call.header["stream"] is True


@pytest.mark.parametrize(
    ("told", "known"),
    [
        (ErrorInfo("funchost_worker.streams.StreamBroken", "gone"), ErrorInfo("BindingError", "It changed.")),
        (RAISED, RAISED),
    ],
)
async def test_a_stream_that_breaks_off_gives_the_reason_to_the_run(
    bench: Bench, told: ErrorInfo, known: ErrorInfo
) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield b"a"
        raise BindingError("It changed.")

    event = TriggerEvent(kind="file", body=breaking())
    run = asyncio.create_task(bench.run(event=event))
    await settle_down()
    (stream,) = [call.stream for call in bench.pool.calls]
    assert stream is not None
    with pytest.raises(BindingError):
        [piece async for piece in stream]
    bench.pool.waiting[0].set_result(result(told))
    assert (await run).error == known


async def test_a_request_that_does_not_fit_is_not_tried_again(bench: Bench) -> None:
    error = ErrorInfo("RequestError", "id: Field required")
    outcome = await bench.run(result(error), result(), retry=for_ever(3))
    assert (outcome.status, outcome.error, outcome.attempts) == (Status.FAILED, error, 1)
    assert bench.observer.steps == ["started", "ended failed"]


async def test_a_stream_that_is_spent_is_not_tried_again_and_the_error_is_the_functions(bench: Bench) -> None:
    event = TriggerEvent(kind="http", body=_pieces(), repeatable=False)
    outcome = await bench.run(result(RAISED), result(), event=event, retry=for_ever(3))
    assert (outcome.status, outcome.error, outcome.attempts) == (Status.FAILED, RAISED, 1)
    assert len(bench.pool.calls) == 1


# -- a worker that dies


async def test_a_run_that_was_beside_the_culprit_uses_up_nothing_and_goes_on_alone(bench: Bench) -> None:
    outcome = await bench.run(NEIGHBOUR, result())
    assert outcome.succeeded and outcome.attempts == 1
    assert bench.pool.alone == [False, True]
    assert bench.observer.steps == ["started", "ended succeeded"]


async def test_a_run_that_ended_its_worker_has_failed_with_the_reason(bench: Bench) -> None:
    outcome = await bench.run(NEIGHBOUR, GUILTY)
    assert (outcome.status, outcome.error) == (Status.FAILED, ErrorInfo("WorkerLost", "signal 11"))


async def test_deaths_are_tried_again_but_not_for_ever(bench: Bench) -> None:
    outcome = await bench.run(*[GUILTY] * 20, retry=for_ever())
    assert outcome.status is Status.FAILED
    assert len(bench.pool.calls) == MOST_DEATHS


async def test_a_request_is_not_run_again_unasked(bench: Bench) -> None:
    outcome = await bench.run(NEIGHBOUR, result(), event=TriggerEvent(kind="http", repeatable=False))
    assert outcome.status is Status.INTERRUPTED
    assert len(bench.pool.calls) == 1


async def test_a_run_that_the_hosts_stop_ended_is_interrupted(bench: Bench) -> None:
    outcome = await bench.run(STOPPED, result(), retry=for_ever(3))
    assert (outcome.status, outcome.attempts) == (Status.INTERRUPTED, 1)
    assert len(bench.pool.calls) == 1


# -- inputs and outputs


BILLS = Binding(type="queue", name="bills", direction="out", fields={"queueName": "bills"})
RECEIPT = Binding(type="blob", name="receipt", direction="out", fields={"path": "receipts/{id}"})
ORDER = Binding(type="blob", name="order", fields={"path": "orders/{id}"})


async def test_outputs_are_stored_when_the_event_settles_nothing_itself(bench: Bench) -> None:
    bench.pool.answers = [result(outputs=[("bills", "text", b"bill"), ("receipt", "text", b"paid")])]
    event = TriggerEvent(kind="http", metadata={"id": "7"}, tracestate="vendor=1", traceparent=CALLER)
    outcome = await bench.deliver(BILLS, RECEIPT)(event)
    [message] = await bench.queues.peek("bills", 10)
    assert message.properties["parent"] == outcome.invocation_id
    assert message.properties["traceparent"].startswith("00-0af7651916cd43dd8448eb211c80319c-")
    assert message.properties["tracestate"] == "vendor=1"
    found = await bench.blobs.get("receipts", "7")
    assert found and found[1] == b"paid"


CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_a_failed_run_stores_nothing(bench: Bench) -> None:
    bench.pool.answers = [result(RAISED, outputs=[("bills", "text", b"bill")])]
    await bench.deliver(BILLS)(TriggerEvent(kind="http"))
    assert await bench.bodies() == []


async def test_an_output_that_cannot_be_stored_fails_the_run(bench: Bench) -> None:
    bench.pool.answers = [result(outputs=[("bills", "bytes", b"x" * 100_000)])]
    outcome = await bench.deliver(BILLS)(TriggerEvent(kind="http"))
    assert outcome.status is Status.FAILED
    assert outcome.error and outcome.error.type == "MessageTooLarge"
    assert bench.observer.steps[-1] == "ended failed"


async def test_an_output_that_goes_nowhere_fails_the_run(bench: Bench) -> None:
    bench.pool.answers = [result(outputs=[("receipt", "text", b"paid")])]
    outcome = await bench.deliver(RECEIPT)(TriggerEvent(kind="http"))
    assert outcome.status is Status.FAILED
    assert outcome.error and "id" in outcome.error.message


PEOPLE = {"tableName": "People", "partitionKey": "p", "rowKey": "{id}"}
PERSON = Binding(type="table", name="person", direction="out", fields=PEOPLE)


async def test_messages_and_entities_are_stored_together_or_not_at_all(bench: Bench) -> None:
    deliver = bench.deliver(BILLS, PERSON)
    event = TriggerEvent(kind="http", metadata={"id": "7"})
    for status in (Status.SUCCEEDED, Status.FAILED):
        bench.pool.answers = [result(outputs=[("bills", "text", b"bill"), ("person", "json", b"{}")])]
        outcome = await deliver(event)
        assert outcome.status is status
    assert outcome.error and outcome.error.type == "EntityConflict"
    assert await bench.bodies() == [b"bill"]


async def test_an_entity_that_cannot_be_fails_the_run_before_anything_is_stored(bench: Bench) -> None:
    bench.pool.answers = [result(outputs=[("receipt", "text", b"paid"), ("person", "json", b"[5]")])]
    outcome = await bench.deliver(RECEIPT, PERSON)(TriggerEvent(kind="http", metadata={"id": "7"}))
    assert outcome.error and "The output 'person' (table)" in outcome.error.message
    assert await bench.blobs.get("receipts", "7") is None


async def test_inputs_go_behind_the_body_with_their_sizes(bench: Bench) -> None:
    await bench.blobs.put("orders", "7", b"order")
    bench.pool.answers = [result()]
    await bench.deliver(ORDER)(TriggerEvent(kind="queue", body=b"body", metadata={"id": "7"}))
    [call] = bench.pool.calls
    assert call.body == (b"body", b"order")
    assert call.header["sizes"] == [4, 5]
    assert call.header["inputs"] == [{"name": "order", "kind": "bytes"}]


class _BadBlobs:
    """A blob store that fails so many times."""

    def __init__(self, bench: Bench, error: Exception, times: int) -> None:
        self.error, self.times = error, times
        self._put, self._get = bench.blobs.put, bench.blobs.get

    async def put(self, *arguments: Any, **more: Any) -> Any:
        self._fail()
        return await self._put(*arguments, **more)

    async def get(self, *arguments: Any) -> Any:
        self._fail()
        return await self._get(*arguments)

    def _fail(self) -> None:
        self.times -= 1
        if self.times >= 0:
            raise self.error


@pytest.fixture
def bad_blobs(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception, int], _BadBlobs]:
    def begin(error: Exception, times: int) -> _BadBlobs:
        monkeypatch.setattr(attempts_module, "WRITE_AGAIN", (0.0, 0.0))
        bad = _BadBlobs(bench, error, times)
        monkeypatch.setattr(bench.blobs, "put", bad.put)
        monkeypatch.setattr(bench.blobs, "get", bad.get)
        return bad

    return begin


PAID = [("receipt", "text", b"paid")]


async def test_a_blob_that_its_store_does_not_take_for_a_moment_is_written_without_another_run(
    bench: Bench, bad_blobs: Callable[[Exception, int], _BadBlobs]
) -> None:
    bad_blobs(StoreError("no network"), 2)
    bench.pool.answers = [result(outputs=PAID)]
    outcome = await bench.deliver(RECEIPT)(TriggerEvent(kind="queue", metadata={"id": "7"}))
    assert (outcome.status, len(bench.pool.calls)) == (Status.SUCCEEDED, 1)
    found = await bench.blobs.get("receipts", "7")
    assert found and found[1] == b"paid"


async def test_a_blob_that_cannot_be_written_fails_the_attempt_and_the_retry_policy_counts(
    bench: Bench, bad_blobs: Callable[[Exception, int], _BadBlobs]
) -> None:
    bad_blobs(StoreError("no network"), 5)  # three for the first attempt
    bench.pool.answers = [result(outputs=PAID), result(outputs=PAID), result(outputs=PAID)]
    event = TriggerEvent(kind="queue", metadata={"id": "7"})
    outcome = await bench.deliver(RECEIPT, retry=for_ever(1))(event)
    assert (outcome.status, outcome.attempts, len(bench.pool.calls)) == (Status.SUCCEEDED, 2, 2)
    bad_blobs(StoreError("no network"), 100)
    outcome = await bench.deliver(RECEIPT)(event)
    assert (outcome.status, outcome.error) == (Status.FAILED, ErrorInfo("StoreError", "no network"))


async def test_what_is_denied_is_not_tried_again_at_once(
    bench: Bench, bad_blobs: Callable[[Exception, int], _BadBlobs]
) -> None:
    store = bad_blobs(AccessDenied("no right"), 100)
    bench.pool.answers = [result(outputs=PAID)]
    outcome = await bench.deliver(RECEIPT)(TriggerEvent(kind="queue", metadata={"id": "7"}))
    assert (outcome.error, store.times) == (ErrorInfo("AccessDenied", "no right"), 99)


async def test_an_input_that_cannot_be_read_fails_the_attempt_and_the_retry_policy_counts(
    bench: Bench, bad_blobs: Callable[[Exception, int], _BadBlobs]
) -> None:
    await bench.blobs.put("orders", "7", b"order")
    bad_blobs(StoreError("no network"), 1)
    bench.pool.answers = [result()]
    event = TriggerEvent(kind="queue", metadata={"id": "7"})
    outcome = await bench.deliver(ORDER, retry=for_ever(1))(event)
    assert (outcome.status, outcome.attempts, len(bench.pool.calls)) == (Status.SUCCEEDED, 2, 1)


# -- settling


def _event(settle: Callable[[Outcome], Any]) -> TriggerEvent:
    return TriggerEvent(kind="queue", settle=settle)


async def test_the_event_settles_its_outputs_itself(bench: Bench) -> None:
    settled: list[Outcome] = []

    async def settle(outcome: Outcome) -> None:
        settled.append(outcome)

    bench.pool.answers = [result(outputs=[("bills", "text", b"bill")])]
    outcome = await bench.deliver(BILLS)(_event(settle))
    assert settled == [outcome]
    assert [message.body for _, message in outcome.messages] == [b"bill"]
    assert await bench.bodies() == []


async def test_a_settlement_that_raises_fails_the_run_and_is_made_again_as_a_failure(bench: Bench) -> None:
    settled: list[Outcome] = []

    async def settle(outcome: Outcome) -> None:
        settled.append(outcome)
        if outcome.succeeded:
            raise StoreError("The disk is full.")

    outcome = await bench.run(result(), event=_event(settle))
    assert [settlement.status for settlement in settled] == [Status.SUCCEEDED, Status.FAILED]
    assert settled[1] is outcome
    assert outcome.error == ErrorInfo("StoreError", "The disk is full.")
    assert outcome.messages == ()


# -- turns


async def test_no_more_than_the_concurrency_run_at_once(bench: Bench) -> None:
    deliver = bench.deliver(concurrency=2)
    runs = [asyncio.ensure_future(deliver(TriggerEvent(kind="queue"))) for _ in range(5)]
    await settle_down()
    assert len(bench.pool.waiting) == 2
    bench.pool.waiting[0].set_result(result())
    await settle_down()
    assert len(bench.pool.waiting) == 3
    bench.pool.answers = [result()] * 2
    for future in bench.pool.waiting[1:]:
        future.set_result(result())
    assert all(outcome.succeeded for outcome in await asyncio.gather(*runs))


async def test_one_singleton_runs_at_a_time_and_gets_a_growing_fence(bench: Bench) -> None:
    deliver = bench.deliver(singleton=SingletonPolicy())
    runs = [asyncio.ensure_future(deliver(TriggerEvent(kind="queue"))) for _ in range(3)]
    for count in range(1, 4):
        await settle_down()
        assert len(bench.pool.calls) == count
        bench.pool.waiting[-1].set_result(result())
    await asyncio.gather(*runs)
    fences = [call.header["fence"] for call in bench.pool.calls]
    assert fences == sorted(set(fences))


async def test_the_lock_is_held_until_the_event_is_settled(bench: Bench) -> None:
    held: list[bool] = []

    async def settle(outcome: Outcome) -> None:
        held.append(await bench.resources.locks.try_acquire("Work") is None)

    await bench.run(result(), event=_event(settle), singleton=SingletonPolicy())
    assert held == [True]
    assert await bench.resources.locks.try_acquire("Work") is not None


async def test_each_value_of_a_scope_is_a_lock_of_its_own(bench: Bench) -> None:
    deliver = bench.deliver(singleton=SingletonPolicy(scope="{customer}"))
    events = [TriggerEvent(kind="queue", metadata={"customer": name}) for name in ("a", "b", "a")]
    runs = [asyncio.ensure_future(deliver(event)) for event in events]
    await settle_down()
    assert [call.header["metadata"]["customer"] for call in bench.pool.calls] == ["a", "b"]
    assert await bench.resources.locks.try_acquire("Work.a") is None
    bench.pool.answers = [result()]
    for future in bench.pool.waiting:
        future.set_result(result())
    await asyncio.gather(*runs)


async def test_a_scope_without_a_value_fails_the_run(bench: Bench) -> None:
    outcome = await bench.run(result(), singleton=SingletonPolicy(scope="{customer}"))
    assert outcome.status is Status.FAILED
    assert outcome.error and "customer" in outcome.error.message
    assert bench.pool.calls == []


async def test_a_lock_that_is_not_to_be_had_in_time_fails_the_run_and_is_settled(bench: Bench) -> None:
    settled: list[Outcome] = []

    async def settle(outcome: Outcome) -> None:
        settled.append(outcome)

    assert await bench.resources.locks.try_acquire("Work")
    policy = SingletonPolicy(acquisition_timeout=timedelta(0))
    outcome = await bench.run(result(), event=_event(settle), singleton=policy)
    assert outcome.status is Status.FAILED
    assert outcome.error and outcome.error.type == "LockTimeout" and "Work" in outcome.error.message
    assert settled == [outcome]
    assert bench.pool.calls == []


async def test_who_waits_for_a_lock_is_interrupted_when_the_host_stops(bench: Bench) -> None:
    lock = await bench.resources.locks.try_acquire("Work")
    assert lock
    waiting = asyncio.ensure_future(bench.run(result(), singleton=SingletonPolicy()))
    await settle_down()
    bench.executor.stopping.set()
    outcome = await asyncio.wait_for(waiting, 5)
    assert outcome.status is Status.INTERRUPTED
    assert bench.pool.calls == []
    await bench.resources.locks.release(lock)
    assert await bench.resources.locks.try_acquire("Work") is not None, "nobody waits for it any more"


class Away(MemoryLeases):
    """Leases that cannot be asked for until they are back."""

    away = True

    async def acquire(self, name: str, owner: str, period: timedelta = LEASE_PERIOD) -> Lease | None:
        if self.away:
            raise StoreError("no network")
        return await super().acquire(name, owner, period)


@pytest.fixture
def away(bench: Bench) -> Away:
    store = Away(bench.clock)
    bench.resources = replace(bench.resources, locks=Locks(store, "host-1"))
    bench.executor = Executor(cast(Pool, bench.pool), bench.resources, bench.observer)
    return store


async def test_a_run_whose_lock_cannot_be_asked_for_waits_and_it_is_known_why(
    bench: Bench, away: Away
) -> None:
    # It would have failed long ago if the time counted.
    policy = SingletonPolicy(acquisition_timeout=timedelta(milliseconds=1))
    waiting = asyncio.ensure_future(bench.run(result(), singleton=policy))
    await asyncio.sleep(0.05)
    assert not waiting.done() and bench.pool.calls == []
    assert bench.executor.waits("Work") == "no network"
    assert bench.executor.waits("Another") is None
    away.away = False
    assert (await asyncio.wait_for(waiting, 5)).succeeded
    assert bench.executor.waits("Work") is None


async def test_a_request_whose_lock_cannot_be_asked_for_waits_for_a_while_only(
    bench: Bench, away: Away, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor_module, "PATIENCE", timedelta(milliseconds=20))
    event = TriggerEvent(kind="http", repeatable=False)
    outcome = await asyncio.wait_for(bench.run(result(), event=event, singleton=SingletonPolicy()), 5)
    assert outcome.status is Status.INTERRUPTED
    assert outcome.error and outcome.error.type == "LockUnavailable"
    assert "no network" in outcome.error.message
    assert bench.pool.calls == []
    assert bench.executor.waits("Work") is None


async def test_a_stop_ends_the_wait_for_a_lock_that_cannot_be_asked_for(bench: Bench, away: Away) -> None:
    settled: list[Status] = []

    async def settle(outcome: Outcome) -> None:
        settled.append(outcome.status)

    waiting = asyncio.ensure_future(bench.run(event=_event(settle), singleton=SingletonPolicy()))
    await settle_down()
    bench.executor.stopping.set()
    await asyncio.wait_for(waiting, 5)
    assert settled == [Status.INTERRUPTED]


async def test_a_singleton_of_the_listener_takes_no_lock_for_a_run(bench: Bench) -> None:
    assert await bench.resources.locks.try_acquire("Work")
    policy = SingletonPolicy(mode=SingletonMode.LISTENER)
    assert (await bench.run(result(), singleton=policy)).succeeded


# -- what is in hand


async def test_what_runs_and_what_waits_for_another_attempt_is_counted_once(bench: Bench) -> None:
    activity = bench.executor.activity
    running = asyncio.ensure_future(bench.run())
    failed = result(error=ErrorInfo("ValueError", "no"))
    waiting = asyncio.ensure_future(bench.run(failed, retry=for_ever(delay=timedelta(hours=1))))
    await settle_down()
    assert (activity.invocations, activity.retries, activity.is_idle) == (1, 1, False)

    bench.executor.stopping.set()
    bench.pool.waiting[0].set_result(result())
    await asyncio.gather(running, waiting)
    assert (activity.invocations, activity.retries, activity.is_idle) == (0, 0, True)


# -- runs that somebody will ask for


async def test_a_run_has_the_id_that_its_caller_was_told(bench: Bench) -> None:
    outcome = await bench.run(result(), event=TriggerEvent(kind="http", run_id="r-1"))
    assert (outcome.invocation_id, bench.pool.calls[0].header["invocation"]) == ("r-1", "r-1")


async def test_a_streamed_response_that_nobody_reads_is_collected(bench: Bench) -> None:
    streamed = result(kind="stream", data={"status": 201}, body=_pieces())
    outcome = await bench.run(streamed, event=TriggerEvent(kind="http", run_id="r-1"))
    assert (outcome.kind, outcome.body) == ("http", b"piece")
    assert outcome.header["status"] == 201


async def test_one_that_is_too_large_to_be_kept_fails_the_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts_module, "MOST_COLLECTED", 3)
    streamed = result(kind="stream", body=_pieces())
    outcome = await bench.run(streamed, event=TriggerEvent(kind="http", run_id="r-1"))
    assert outcome.status is Status.FAILED
    assert outcome.error and "too large to be kept" in outcome.error.message


async def test_a_streamed_response_that_somebody_reads_stays_one(bench: Bench) -> None:
    outcome = await bench.run(result(kind="stream", body=_pieces()))
    assert outcome.kind == "stream"
    assert not isinstance(outcome.body, bytes)


@pytest.mark.parametrize(("properties", "replies"), [({"replyTo": "replies"}, True), ({}, False)])
async def test_the_worker_is_told_that_somebody_waits_for_the_result(
    bench: Bench, properties: dict[str, str], replies: bool
) -> None:
    event = TriggerEvent(kind="queue", cause=Cause(properties=properties))
    await bench.run(result(), event=event)
    assert ("replies" in bench.pool.calls[0].header) == replies


async def test_what_a_function_says_of_itself_is_told(bench: Bench) -> None:
    running = asyncio.ensure_future(bench.run(event=TriggerEvent(kind="queue", run_id="r-1")))
    await settle_down()
    told = bench.pool.calls[0].on_progress
    assert told
    told(0.4, {"step": 1})
    assert ("progressed 0.4 {'step': 1}", "r-1") in bench.observer.told
    bench.pool.waiting[0].set_result(result())
    await running
