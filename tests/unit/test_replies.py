"""What senders are told of the end of their messages, with stores in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from fakes import ManualClock, make_outcome, memory_resources

from funchost.bindings.errors import BindingError, FunchostError, QueueMissing
from funchost.bindings.memory_queues import MemoryQueues
from funchost.bindings.names import queue_name
from funchost.bindings.queue import OutgoingMessage, PeekedMessage, QueueMessage
from funchost.bindings.table import OutgoingEntity
from funchost.triggers.base import ErrorInfo, Outcome, Status
from funchost.triggers.descriptor import QueuePolicy
from funchost.triggers.queue_settlement import Settlement
from funchost.triggers.replies import CALLBACKS, Replies

FAILED = make_outcome(Status.FAILED, ErrorInfo("ValueError", "bad order", "Traceback: …"))


class Queues(MemoryQueues):
    """May refuse what goes into one queue, as a service does whose queues exist or not."""

    missing = ""

    async def complete(
        self,
        messages: Sequence[QueueMessage],
        outputs: Sequence[OutgoingMessage] = (),
        entities: Sequence[OutgoingEntity] = (),
    ) -> None:
        self._check(outputs)
        await super().complete(messages, outputs, entities)

    async def poison(
        self, message: QueueMessage, poison: OutgoingMessage, outputs: Sequence[OutgoingMessage] = ()
    ) -> None:
        self._check(outputs)
        await super().poison(message, poison, outputs)

    def _check(self, outputs: Sequence[OutgoingMessage]) -> None:
        if self.missing in [output.queue for output in outputs]:
            raise QueueMissing(f"There is no queue '{self.missing}'.")


class Bench:
    """A queue whose messages are settled, and where the answers go."""

    def __init__(self, *, many: bool = False, local: bool = False) -> None:
        """`local`: the messages are in the store of this machine, too."""
        self.clock = ManualClock()
        self.store = Queues(self.clock)
        self.local = self.store if local else MemoryQueues(self.clock)
        self.reports: list[str] = []
        self.replies = Replies(
            function="Work",
            store=self.store,
            callbacks=self.local,
            queue_name=queue_name,
            many=many,
            report=self.reports.append,
        )
        self.settlement = Settlement(
            function="Work",
            queue="orders",
            store=self.store,
            policy=QueuePolicy(max_dequeue_count=2, visibility_timeout=timedelta(0)),
            poison_queue="orders-poison",
            resources=memory_resources(clock=self.clock, queues=self.store, report=self.reports.append),
            replies=self.replies,
        )

    async def message(self, **properties: Any) -> QueueMessage:
        """A message with these properties, received."""
        await self.store.send([OutgoingMessage(queue="orders", body=b"1", properties=properties)])
        return await self.again()

    async def again(self) -> QueueMessage:
        [message] = await self.store.receive("orders", 1)
        return message

    async def held(self, queue: str) -> list[PeekedMessage]:
        return list(await self.store.peek(queue, 10))

    async def reply(self) -> PeekedMessage:
        [reply] = await self.held("replies")
        return reply

    async def calls(self) -> list[Any]:
        return [msgspec.json.decode(one.body) for one in await self.local.peek(CALLBACKS, 10)]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def answered(body: bytes, kind: str = "text") -> Outcome:
    return make_outcome(kind=kind, body=body)


async def test_the_result_goes_to_the_queue_that_the_sender_named(bench: Bench) -> None:
    message = await bench.message(replyTo="replies", correlationId="c-1", traceparent="00-x")
    await bench.settlement.succeed([message], answered(b"done"))
    reply = await bench.reply()
    assert reply.body == b"done"
    assert reply.properties == {
        "correlationId": "c-1",
        "parent": "run-1",
        "runState": "succeeded",
        "traceparent": "00-x",
    }
    assert await bench.held("orders") == []


async def test_what_a_reply_causes_stands_below_the_run_that_sent_it(bench: Bench) -> None:
    message = await bench.message(replyTo="replies", traceparent="00-asker")
    outcome = answered(b"done")
    outcome.traceparent = "00-run"
    await bench.settlement.succeed([message], outcome)
    assert (await bench.reply()).properties["traceparent"] == "00-run"


@pytest.mark.parametrize("correlation", [{}, {"correlationId": ""}, {"correlationId": 7}])
async def test_without_a_correlation_it_is_the_messages_id(bench: Bench, correlation: dict[str, Any]) -> None:
    message = await bench.message(replyTo="replies", **correlation)
    await bench.settlement.succeed([message], answered(b""))
    assert (await bench.reply()).properties["correlationId"] == message.id


async def test_a_failure_is_told_when_the_message_is_given_up_and_not_before(bench: Bench) -> None:
    message = await bench.message(replyTo="replies", callbackUrl="http://a/")
    await bench.settlement.fail(message, FAILED)
    assert (await bench.held("replies"), await bench.calls()) == ([], [])
    await bench.settlement.fail(await bench.again(), FAILED)
    reply = await bench.reply()
    assert msgspec.json.decode(reply.body) == {
        "state": "failed",
        "error": {"type": "ValueError", "message": "bad order"},
    }
    assert (reply.properties["runState"], reply.properties["error"]) == ("failed", "bad order")
    assert len(await bench.held("orders-poison")) == len(await bench.calls()) == 1


async def test_a_message_whose_runs_all_ended_without_a_result_is_answered_too(bench: Bench) -> None:
    message = await bench.message(replyTo="replies", failures=[{"run": "run-0", "attempts": 1, "error": "x"}])
    await bench.settlement.give_up(message)
    reply = await bench.reply()
    assert msgspec.json.decode(reply.body)["error"]["type"] == "MaxDequeueCount"
    assert reply.properties["parent"] == "run-0"


async def test_whoever_sees_to_a_message_in_a_poison_queue_does_not_answer_it_again(bench: Bench) -> None:
    message = await bench.message(replyTo="replies", callbackUrl="http://a/", poison={"error": "ValueError"})
    await bench.settlement.succeed([message], answered(b"done"))
    assert (await bench.held("replies"), await bench.calls()) == ([], [])


async def test_what_was_interrupted_is_not_answered(bench: Bench) -> None:
    await bench.settlement.give_back(await bench.message(replyTo="replies", callbackUrl="http://a/"))
    assert (await bench.held("replies"), await bench.calls()) == ([], [])


async def test_a_run_that_lost_its_message_answers_nobody(bench: Bench) -> None:
    late = await bench.message(replyTo="replies")
    await bench.store.release(late, timedelta(0))
    now = await bench.again()
    outcome = answered(b"late")
    await bench.settlement.succeed([late], outcome)
    assert (outcome.status, await bench.held("replies")) == (Status.LOST_LEASE, [])
    await bench.settlement.give_up(late, FAILED)
    assert await bench.held("replies") == []
    await bench.settlement.succeed([now], answered(b"in time"))
    assert (await bench.reply()).body == b"in time"


@pytest.mark.parametrize("local", [True, False])
async def test_a_url_is_called_from_this_machines_queue(local: bool) -> None:
    bench = Bench(local=local)
    message = await bench.message(callbackUrl="https://example.com/done", correlationId="c-1")
    await bench.settlement.succeed([message], answered(b"done"))
    [call] = await bench.calls()
    assert (call["url"], call["run"]) == ("https://example.com/done", "run-1")
    assert call["document"] == {
        "id": "run-1",
        "function": "Work",
        "state": "succeeded",
        "message": message.id,
        "correlationId": "c-1",
        "error": None,
    }


async def test_each_message_of_a_batch_is_answered() -> None:
    bench = Bench(many=True)
    messages = [await bench.message(replyTo="replies", correlationId=name) for name in "ab"]
    await bench.settlement.succeed(messages, answered(b'{"batchItemFailures":[]}', "json"))
    replies = await bench.held("replies")
    assert [(one.body, one.properties["correlationId"]) for one in replies] == [(b"", "a"), (b"", "b")]


@pytest.mark.parametrize("name", ["No Queue!", "", 5, ["a"], "x" * 3000])
async def test_a_name_that_no_queue_can_have_does_not_stop_the_message(bench: Bench, name: Any) -> None:
    await bench.settlement.succeed([await bench.message(replyTo=name)], answered(b"done"))
    assert await bench.held("orders") == []
    assert "gets no reply" in bench.reports[0]


async def test_a_url_that_is_no_text_does_not_stop_the_message(bench: Bench) -> None:
    await bench.settlement.succeed([await bench.message(callbackUrl={"a": 1})], answered(b"done"))
    assert (await bench.held("orders"), await bench.calls()) == ([], [])
    assert "Nobody is called" in bench.reports[0]


async def test_a_result_that_is_too_large_for_a_message_is_said_to_be() -> None:
    bench = Bench(local=True)
    message = await bench.message(replyTo="replies", callbackUrl="http://a/")
    await bench.settlement.succeed([message], answered(b"x" * 60_000))
    assert len(await bench.calls()) == 1
    reply = await bench.reply()
    assert msgspec.json.decode(reply.body)["error"]["type"] == "ReplyTooLarge"
    assert "run-1" in reply.properties["error"]
    assert (await bench.held("orders"), bench.reports) == ([], [])


@pytest.mark.parametrize("succeeds", [True, False])
async def test_a_queue_that_is_not_there_stops_neither_the_message_nor_the_call(succeeds: bool) -> None:
    bench = Bench(local=True)
    bench.store.missing = "replies"
    message = await bench.message(replyTo="replies", callbackUrl="http://a/")
    if succeeds:
        await bench.settlement.succeed([message], answered(b"done"))
    else:
        await bench.settlement.give_up(message, FAILED)
    assert await bench.held("orders") == []
    assert len(await bench.held("orders-poison")) == (0 if succeeds else 1)
    assert len(await bench.calls()) == 1
    assert "no queue 'replies'" in bench.reports[0]


async def test_outputs_that_cannot_be_stored_fail_the_run_as_ever_and_nobody_is_answered(
    bench: Bench,
) -> None:
    outcome = answered(b"done")
    outcome.messages = [(bench.store, OutgoingMessage(queue="bills", body=b"x" * 60_000))]
    with pytest.raises(FunchostError) as raised:
        await bench.settlement.succeed([await bench.message(replyTo="replies")], outcome)
    assert not isinstance(raised.value, BindingError)
    assert (await bench.held("replies"), await bench.held("bills"), bench.reports) == ([], [], [])
