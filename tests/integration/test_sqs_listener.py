"""The queue listener on SQS, at moto's server, with a function that the test plays."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from aws import Aws
from fakes import make_outcome, memory_resources

from funchost.bindings.aws.session import AwsSession
from funchost.bindings.aws.sqs_queue import SqsQueues
from funchost.bindings.queue import OutgoingMessage, QueueMessage
from funchost.host.worker.protocol import split
from funchost.triggers.base import ErrorInfo, Outcome, Status, TriggerEvent
from funchost.triggers.descriptor import QueuePolicy
from funchost.triggers.poison import poison_queue_name
from funchost.triggers.queue_batch import batch_event
from funchost.triggers.queue_listener import QueueListener

DEADLINE = 30.0


class CountingSession(AwsSession):
    """Counts the calls that reach the service."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.calls: Counter[str] = Counter()

    async def _called(self, service: str, operation: str, *arguments: Any, **how: Any) -> dict[str, Any]:
        self.calls[operation] += 1
        return await super()._called(service, operation, *arguments, **how)


class Bench:
    """Listeners on one queue, and what their functions were given."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.session = CountingSession(aws.settings(create_queues=True))
        self.store = SqsQueues(self.session)
        self.told: list[str] = []
        self.ran: list[str] = []
        self.function: Callable[[TriggerEvent], Awaitable[Outcome]] = self.succeed
        self.listeners: list[QueueListener] = []

    async def succeed(self, event: TriggerEvent) -> Outcome:
        return make_outcome()

    async def _deliver(self, event: TriggerEvent) -> Outcome:
        self.ran.append(_text(event))
        outcome = await self.function(event)
        assert event.settle is not None
        await event.settle(outcome)
        return outcome

    async def listen(self, queue: str = "jobs", *, many: bool = False, **policy: Any) -> QueueListener:
        async def as_it_is(message: QueueMessage) -> TriggerEvent:
            return TriggerEvent(kind="queue", body=message.body, metadata={"count": message.dequeue_count})

        def as_batch(messages: Sequence[QueueMessage]) -> TriggerEvent:
            about = [{"id": message.id, "count": message.dequeue_count} for message in messages]
            return batch_event([message.body for message in messages], about)

        listener = QueueListener(
            function="Work",
            queue=queue,
            store=self.store,
            policy=QueuePolicy(**policy),
            deliver=self._deliver,
            to_event=None if many else as_it_is,
            to_batch=as_batch if many else None,
            poison_queue=poison_queue_name(queue, None),
            resources=memory_resources(queues=self.store, report=self.told.append),
        )
        await listener.start()
        self.listeners.append(listener)
        return listener

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - nobody else tells
                await asyncio.sleep(0.01)

    async def until_empty(self, queue: str = "jobs") -> None:
        await self.until(lambda: self.aws.counts(queue) == (0, 0))


def _text(event: TriggerEvent) -> str:
    assert isinstance(event.body, bytes)
    return event.body.decode()


@pytest.fixture
async def bench(aws: Aws) -> AsyncIterator[Bench]:
    bench = Bench(aws)
    aws.create_queue("jobs")
    yield bench
    await asyncio.gather(*(listener.stop() for listener in bench.listeners))
    bench.session.close()


async def test_a_backlog_costs_at_most_a_quarter_of_a_call_for_each_message(bench: Bench) -> None:
    async def short_work(event: TriggerEvent) -> Outcome:
        await asyncio.sleep(random.uniform(0.001, 0.02))
        return make_outcome()

    bench.function = short_work
    bench.aws.send("jobs", *map(str, range(500)))
    await bench.listen()
    await bench.until(lambda: len(bench.ran) >= 500)
    await bench.until_empty()
    assert sorted(bench.ran, key=int) == [str(number) for number in range(500)]
    calls = bench.session.calls.total()
    print(f"{calls / 500:.3f} calls for each message: {dict(bench.session.calls)}")
    assert calls / 500 <= 0.25


async def test_outputs_of_runs_at_the_same_time_go_out_together(bench: Bench) -> None:
    async def with_output(event: TriggerEvent) -> Outcome:
        assert isinstance(event.body, bytes)
        return make_outcome(messages=[(bench.store, OutgoingMessage(queue="done", body=event.body))])

    bench.function = with_output
    bench.aws.send("jobs", *map(str, range(100)))
    await bench.listen()
    await bench.until(lambda: len(bench.ran) >= 100)
    await bench.until_empty()
    assert bench.aws.counts("done")[0] == 100
    assert bench.session.calls["send_message_batch"] <= 25


async def test_what_is_received_while_the_listener_stops_goes_back_unrun(bench: Bench) -> None:
    listener = await bench.listen()
    await bench.until(lambda: bench.session.calls["receive_message"])
    stopping = asyncio.ensure_future(listener.stop())
    await asyncio.sleep(0)
    await asyncio.to_thread(bench.aws.send, "jobs", "late")
    await asyncio.wait_for(stopping, DEADLINE)
    assert bench.ran == []
    assert bench.aws.counts("jobs") == (1, 0)


async def test_a_long_run_keeps_its_message(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = asyncio.Event()

    async def long_work(event: TriggerEvent) -> Outcome:
        await go_on.wait()
        return make_outcome()

    bench.function = long_work
    # A lease of two seconds, renewed three times in it, while the run takes longer than that.
    monkeypatch.setattr("funchost.bindings.aws.sqs_client.SHORTEST_LEASE", timedelta(seconds=2))
    await asyncio.to_thread(bench.aws.create_queue, "short", VisibilityTimeout="2")
    await asyncio.to_thread(bench.aws.send, "short", "a")
    await bench.listen("short")
    await bench.until(lambda: bench.session.calls["change_message_visibility_batch"] >= 5)
    assert bench.ran == ["a"]
    go_on.set()
    await bench.until_empty("short")
    assert bench.ran == ["a"]


async def test_a_group_is_run_in_order_and_waits_for_the_one_that_failed(bench: Bench) -> None:
    async def fail_first(event: TriggerEvent) -> Outcome:
        if event.metadata["count"] == 1 and event.body == b"2":
            return make_outcome(Status.FAILED, ErrorInfo("ValueError", "once"))
        return make_outcome()

    bench.function = fail_first
    bench.aws.create_queue("jobs.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    bench.aws.send("jobs.fifo", "1", "2", "3", "4", MessageGroupId="g")
    await bench.listen("jobs.fifo")
    await bench.until(lambda: len(bench.ran) >= 5)
    await bench.until_empty("jobs.fifo")
    assert bench.ran == ["1", "2", "2", "3", "4"]


async def test_groups_run_at_the_same_time(bench: Bench) -> None:
    both = asyncio.Barrier(2)

    async def meet(event: TriggerEvent) -> Outcome:
        await both.wait()
        return make_outcome()

    bench.function = meet
    bench.aws.create_queue("jobs.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    bench.aws.send("jobs.fifo", "a", MessageGroupId="a")
    bench.aws.send("jobs.fifo", "b", MessageGroupId="b")
    await bench.listen("jobs.fifo")
    await bench.until_empty("jobs.fifo")


async def test_a_poison_message_of_a_fifo_queue_goes_to_a_fifo_queue(bench: Bench) -> None:
    async def fail(event: TriggerEvent) -> Outcome:
        return make_outcome(Status.FAILED, ErrorInfo("ValueError", "bad"))

    bench.function = fail
    bench.aws.create_queue("jobs.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    bench.aws.send("jobs.fifo", "a", MessageGroupId="g")
    await bench.listen("jobs.fifo", max_dequeue_count=1)
    await bench.until_empty("jobs.fifo")
    [given_up] = bench.aws.receive("jobs-poison.fifo")
    assert (given_up["Body"], given_up["Attributes"]["MessageGroupId"]) == ("a", "g")


# -- batches


def _texts(event: TriggerEvent) -> dict[str, str]:
    """The messages of a batch by their ids."""
    bodies = split(_text(event).encode(), event.data["sizes"])
    return dict(zip(event.metadata["idArray"], (body.decode() for body in bodies), strict=True))


def _reporting(ids: Sequence[str], **more: Any) -> Outcome:
    report = {"batchItemFailures": [{"itemIdentifier": id_} for id_ in ids]}
    return make_outcome(kind="json", body=msgspec.json.encode(report), **more)


async def test_only_the_messages_of_a_batch_that_are_reported_come_again(bench: Bench) -> None:
    batches: list[list[str]] = []

    async def fail_odd_ones_once(event: TriggerEvent) -> Outcome:
        texts = _texts(event)
        batches.append(sorted(texts.values()))
        first = set(event.metadata["countArray"]) == {1}
        failed = [id_ for id_, text in texts.items() if first and int(text) % 2]
        done = OutgoingMessage(queue="done", body=b",".join(text.encode() for text in batches[-1]))
        return _reporting(failed, messages=[(bench.store, done)])

    bench.function = fail_odd_ones_once
    bench.aws.send("jobs", *map(str, range(10)))
    await bench.listen(many=True)
    await bench.until_empty()
    assert batches[0] == [str(number) for number in range(10)]
    assert sorted([text for batch in batches[1:] for text in batch]) == ["1", "3", "5", "7", "9"]
    assert bench.aws.counts("done")[0] == len(batches)
    assert bench.session.calls["delete_message_batch"] <= len(batches)


async def test_a_batch_that_fails_goes_to_the_poison_queue_message_by_message(bench: Bench) -> None:
    async def fail(event: TriggerEvent) -> Outcome:
        return make_outcome(Status.FAILED, ErrorInfo("ValueError", "bad"))

    bench.function = fail
    bench.aws.send("jobs", "a", "b", "c")
    await bench.listen(many=True, max_dequeue_count=2)
    await bench.until_empty()
    given_up = [message["Body"] for message in bench.aws.receive("jobs-poison")]
    assert sorted(given_up) == ["a", "b", "c"]


async def test_a_group_in_a_batch_is_in_order_and_stays_so_after_a_failure(bench: Bench) -> None:
    batches: list[list[str]] = []

    async def fail_from_two_on(event: TriggerEvent) -> Outcome:
        texts = _texts(event)
        batches.append(list(texts.values()))
        return _reporting([id_ for id_, text in texts.items() if len(batches) == 1 and text >= "2"])

    bench.function = fail_from_two_on
    bench.aws.create_queue("jobs.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    bench.aws.send("jobs.fifo", "1", "2", "3", "4", MessageGroupId="g")
    await bench.listen("jobs.fifo", many=True)
    await bench.until_empty("jobs.fifo")
    assert batches[0] == ["1", "2", "3", "4"]
    assert [text for batch in batches[1:] for text in batch] == ["2", "3", "4"]
