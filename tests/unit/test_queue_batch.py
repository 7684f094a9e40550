"""Batches of messages against queues in memory, with a function that the test plays."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from fakes import ManualClock, make_function, make_outcome, memory_resources

from funchost.bindings.errors import BindingError, ConfigurationError, FunchostError
from funchost.bindings.memory_queues import MemoryQueues
from funchost.bindings.queue import LEASE, OutgoingMessage, QueueMessage
from funchost.triggers.base import ErrorInfo, Outcome, Status, TriggerEvent
from funchost.triggers.descriptor import Binding, Policy, QueuePolicy, SingletonPolicy
from funchost.triggers.fields import QueueTriggerFields
from funchost.triggers.queue import QueueTrigger
from funchost.triggers.queue_batch import batch_event
from funchost.triggers.queue_listener import QueueListener

FAILED = make_outcome(Status.FAILED, ErrorInfo("ValueError", "bad batch", "Traceback: …"))
HOUR = timedelta(hours=1)


def reporting(*ids: Any, **more: Any) -> Outcome:
    """The outcome of a run that names these messages as failed."""
    return saying({"batchItemFailures": [{"itemIdentifier": id_} for id_ in ids]}, **more)


def saying(report: Any, **more: Any) -> Outcome:
    return make_outcome(kind="json", body=msgspec.json.encode(report), **more)


class Queues(MemoryQueues):
    """May hand messages out as of groups, by the first letter of their body; notes what is renewed."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.grouped = False
        self.renewed: list[list[bytes]] = []

    async def receive(self, queue: str, limit: int, lease: timedelta = LEASE) -> list[QueueMessage]:
        found = await super().receive(queue, limit, lease)
        if not self.grouped:
            return found
        return [msgspec.structs.replace(one, group=one.body[:1].decode()) for one in found]

    async def renew(self, messages: Sequence[QueueMessage], lease: timedelta = LEASE) -> None:
        self.renewed.append([message.body for message in messages])
        await super().renew(messages, lease)


class Bench:
    """A listener for batches, its queues, and the function: a run ends as `answer` says, or when the test lets it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = Queues(self.clock)
        self.told: list[str] = []
        self.batches: list[list[QueueMessage]] = []
        self.outcomes: list[Outcome] = []
        self.answers: list[Outcome] = []
        #: With None a run waits for one of `ends`.
        self.answer: Outcome | None = make_outcome()
        self.ends: list[asyncio.Future[Outcome]] = []
        self.listener: QueueListener | None = None

    async def deliver(self, event: TriggerEvent) -> Outcome:
        """As the executor: run, settle, and settle as failed what could not be settled."""
        outcome = self.answers.pop(0) if self.answers else self.answer
        if outcome is None:
            self.ends.append(asyncio.get_running_loop().create_future())
            outcome = await self.ends[-1]
        assert event.settle is not None
        try:
            await event.settle(outcome)
        except FunchostError as error:
            outcome = make_outcome(Status.FAILED, ErrorInfo(type(error).__name__, str(error)))
            await event.settle(outcome)
        self.outcomes.append(outcome)
        return outcome

    def to_batch(self, messages: Sequence[QueueMessage]) -> TriggerEvent:
        self.batches.append(list(messages))
        return batch_event([message.body for message in messages], [{"id": one.id} for one in messages])

    async def listen(
        self, *, poison_queue: str | None = "orders-poison", concurrency: int | None = None, **policy: Any
    ) -> None:
        self.listener = QueueListener(
            function="Work",
            queue="orders",
            store=self.store,
            policy=QueuePolicy(**policy),
            deliver=self.deliver,
            to_batch=self.to_batch,
            poison_queue=poison_queue,
            resources=memory_resources(clock=self.clock, queues=self.store, report=self.told.append),
            concurrency=concurrency,
        )
        await self.listener.start()
        await settle_down()

    async def send(self, *bodies: bytes) -> list[str]:
        """Put messages into the queue; gives their ids."""
        await self.store.send([OutgoingMessage(queue="orders", body=body) for body in bodies])
        return [peeked.id for peeked in await self.store.peek("orders", 100)]

    @property
    def bodies(self) -> list[list[bytes]]:
        return [[message.body for message in batch] for batch in self.batches]

    async def left(self, queue: str = "orders") -> dict[bytes, int]:
        """What is in a queue, and how often each was delivered."""
        return {one.body: one.dequeue_count for one in await self.store.peek(queue, 100)}


async def settle_down() -> None:
    """Let everything that can happen without time passing happen."""
    for _ in range(80):
        await asyncio.sleep(0)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    for end in bench.ends:
        if not end.done():
            end.set_result(make_outcome())
    bench.answer = make_outcome()
    if bench.listener:
        await bench.listener.stop()


# -- what is a batch, and how many run


async def test_what_one_receive_brings_is_one_run_of_at_most_the_batch_size(bench: Bench) -> None:
    await bench.send(*(b"%d" % number for number in range(7)))
    await bench.listen(batch_size=3, new_batch_threshold=0)
    assert bench.bodies == [[b"0", b"1", b"2"], [b"3", b"4", b"5"], [b"6"]]
    assert await bench.left() == {}


async def test_an_event_holds_the_messages_one_after_the_other_and_arrays_of_what_is_known() -> None:
    event = batch_event([b"one", b"", b"\xff"], [{"id": "a"}, {"id": "b"}, {"id": "c"}])
    assert (event.kind, event.body, event.data) == ("queue", b"one\xff", {"sizes": [3, 0, 1]})
    assert event.metadata == {"idArray": ["a", "b", "c"]}


@pytest.mark.parametrize(("concurrency", "most"), [(1, 1), (2, 2), (None, 2)])
async def test_a_batch_counts_as_one_run(bench: Bench, concurrency: int | None, most: int) -> None:
    """Without a limit the threshold decides, which counts messages."""
    bench.answer = None
    await bench.send(*(b"%d" % number for number in range(12)))
    await bench.listen(batch_size=4, new_batch_threshold=4, concurrency=concurrency)
    assert len(bench.ends) == most
    bench.ends[0].set_result(make_outcome())
    await settle_down()
    assert len(bench.ends) == most + 1


async def test_every_message_of_a_running_batch_is_renewed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Queues, "lease_of", lambda self, queue: timedelta(milliseconds=6))
    bench.answer = None
    await bench.send(b"a", b"b")
    await bench.listen()
    async with asyncio.timeout(5):
        while not bench.store.renewed:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)
    assert bench.store.renewed[0] == [b"a", b"b"]


# -- how the messages of a batch end


async def test_a_batch_that_succeeds_is_gone_and_its_outputs_are_sent_once(bench: Bench) -> None:
    bench.answer = make_outcome(messages=[(bench.store, OutgoingMessage(queue="bills", body=b"bill"))])
    await bench.send(b"a", b"b")
    await bench.listen()
    assert await bench.left() == {}
    assert len(await bench.store.peek("bills", 10)) == 1


@pytest.mark.parametrize("status", [Status.FAILED, Status.TIMED_OUT])
async def test_a_batch_that_fails_comes_again_whole_each_message_with_the_reason(
    bench: Bench, status: Status
) -> None:
    bench.answer = make_outcome(status, ErrorInfo("ValueError", "bad batch"))
    await bench.send(b"a", b"b")
    await bench.listen(visibility_timeout=HOUR)
    for peeked in await bench.store.peek("orders", 10):
        assert (peeked.dequeue_count, peeked.visible_at) == (1, bench.clock.now() + HOUR)
        assert [failure["error"] for failure in peeked.properties["failures"]] == ["ValueError: bad batch"]


async def test_each_message_is_given_up_after_its_own_last_delivery(bench: Bench) -> None:
    bench.answer = FAILED
    await bench.send(b"old")
    [once] = await bench.store.receive("orders", 1)
    await bench.store.release(once, timedelta(0))
    await bench.send(b"new")
    await bench.listen(max_dequeue_count=2, visibility_timeout=HOUR)
    assert await bench.left() == {b"new": 1}
    [poison] = await bench.store.peek("orders-poison", 10)
    assert (poison.body, poison.properties["poison"]["message"]) == (b"old", "bad batch")


async def test_messages_that_were_delivered_too_often_are_not_part_of_the_batch(bench: Bench) -> None:
    await bench.send(b"crashed")
    for _ in range(3):
        [message] = await bench.store.receive("orders", 1)
        await bench.store.release(message, timedelta(0))
    await bench.send(b"new")
    await bench.listen(max_dequeue_count=3)
    assert bench.bodies == [[b"new"]]
    assert list(await bench.left("orders-poison")) == [b"crashed"]


async def test_nothing_is_run_when_all_were_delivered_too_often(bench: Bench) -> None:
    await bench.send(b"crashed")
    for _ in range(2):
        [message] = await bench.store.receive("orders", 1)
        await bench.store.release(message, timedelta(0))
    await bench.listen(max_dequeue_count=2)
    assert bench.batches == []


async def test_an_interrupted_batch_goes_back_at_once_and_uncounted(bench: Bench) -> None:
    bench.answers = [make_outcome(Status.INTERRUPTED)]
    bench.answer = None
    await bench.send(b"a", b"b")
    await bench.listen(visibility_timeout=HOUR)
    assert bench.bodies == [[b"a", b"b"]] * 2
    assert await bench.left() == {b"a": 1, b"b": 1}


async def test_a_stop_waits_for_the_batch_that_runs(bench: Bench) -> None:
    bench.answer = None
    await bench.send(b"a", b"b")
    await bench.listen()
    assert bench.listener
    stopping = asyncio.ensure_future(bench.listener.stop())
    await settle_down()
    assert not stopping.done()
    bench.ends[0].set_result(make_outcome())
    await stopping
    assert await bench.left() == {}


async def test_outputs_that_cannot_be_stored_fail_the_whole_batch(bench: Bench) -> None:
    too_large = OutgoingMessage(queue="bills", body=b"x" * 100_000)
    bench.answer = make_outcome(messages=[(bench.store, too_large)])
    await bench.send(b"a", b"b")
    await bench.listen(visibility_timeout=HOUR)
    assert await bench.left() == {b"a": 1, b"b": 1}
    assert bench.outcomes[0].status is Status.FAILED


async def test_a_message_that_cannot_be_settled_keeps_no_other_from_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuses(self: Queues, message: QueueMessage, poison: OutgoingMessage) -> None:
        raise BindingError("no such queue")

    monkeypatch.setattr(Queues, "poison", refuses)
    bench.answer = FAILED
    await bench.send(b"old")
    [once] = await bench.store.receive("orders", 1)
    await bench.store.release(once, timedelta(0))
    await bench.send(b"new")
    await bench.listen(max_dequeue_count=2, visibility_timeout=HOUR)
    assert bench.told == ["A message of 'orders' could not be settled: no such queue"]
    states = {one.body: one.state for one in await bench.store.peek("orders", 10)}
    assert states == {b"old": "in flight", b"new": "delayed"}


# -- partial failures


async def test_only_the_messages_that_are_named_come_again(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    _, b, _ = await bench.send(b"a", b"b", b"c")
    bench.answer = reporting(b, messages=[(bench.store, OutgoingMessage(queue="bills", body=b"bill"))])
    await bench.listen(visibility_timeout=HOUR)
    [peeked] = await bench.store.peek("orders", 10)
    assert (peeked.body, peeked.dequeue_count, peeked.visible_at) == (b"b", 1, bench.clock.now() + HOUR)
    [failure] = peeked.properties["failures"]
    assert failure["error"] == "BatchItemFailure: The function reported the message as failed."
    assert failure["run"] == "run-1"
    assert len(await bench.store.peek("bills", 10)) == 1
    assert f"Work reports 1 of 3 messages of 'orders' as failed: {b}" in caplog.text


async def test_what_is_named_again_and_again_is_given_up_with_that_reason(bench: Bench) -> None:
    _, b = await bench.send(b"a", b"b")
    bench.answers = [reporting(b), reporting(b)]
    await bench.listen(max_dequeue_count=2)
    assert bench.bodies == [[b"a", b"b"], [b"b"]]
    [poison] = await bench.store.peek("orders-poison", 10)
    assert (poison.body, poison.properties["poison"]["error"]) == (b"b", "BatchItemFailure")


async def test_outputs_are_stored_even_if_all_messages_are_named(bench: Bench) -> None:
    ids = await bench.send(b"a", b"b")
    bench.answer = reporting(*ids, messages=[(bench.store, OutgoingMessage(queue="bills", body=b"bill"))])
    await bench.listen(visibility_timeout=HOUR)
    assert await bench.left() == {b"a": 1, b"b": 1}
    assert len(await bench.store.peek("bills", 10)) == 1


@pytest.mark.parametrize(
    "outcome",
    [
        make_outcome(),
        saying({}),
        saying({"batchItemFailures": []}),
        saying({"batchItemFailures": None}),
    ],
)
async def test_an_empty_report_is_complete_success(
    bench: Bench, outcome: Outcome, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    bench.answer = outcome
    await bench.send(b"a", b"b")
    await bench.listen()
    assert await bench.left() == {}
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("report", "why"),
    [
        ({"batchItemFailures": "a"}, "cannot be understood"),
        ({"batchItemFailures": ["a"]}, "cannot be understood"),
        ({"batchItemFailures": [{"itemIdentifier": None}]}, "cannot be understood"),
        ({"batchItemFailures": [{"itemIdentifier": 7}]}, "cannot be understood"),
        ({"batchItemFailures": [{"itemIdentifer": "a"}]}, "missing required field `itemIdentifier`"),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, "reports '' as failed"),
        (
            {"batchItemFailures": [{"itemIdentifier": "nobody"}]},
            "reports 'nobody' as failed, which is not the id",
        ),
    ],
)
async def test_a_report_that_cannot_be_trusted_fails_the_whole_batch(
    bench: Bench, report: Any, why: str
) -> None:
    bill = OutgoingMessage(queue="bills", body=b"bill")
    bench.answer = saying(report, messages=[(bench.store, bill)])
    await bench.send(b"a", b"b")
    await bench.listen(visibility_timeout=HOUR)
    assert await bench.left() == {b"a": 1, b"b": 1}
    assert await bench.store.peek("bills", 10) == []
    [outcome] = bench.outcomes
    assert outcome.error and why in outcome.error.message
    assert "All messages of the batch count as failed" in outcome.error.message


async def test_a_named_message_beside_an_unknown_one_fails_with_all_others(bench: Bench) -> None:
    a, _ = await bench.send(b"a", b"b")
    bench.answer = reporting(a, "nobody")
    await bench.listen(visibility_timeout=HOUR)
    assert await bench.left() == {b"a": 1, b"b": 1}


# -- groups


async def test_a_group_stays_in_order_and_what_is_behind_a_failed_message_goes_back_uncounted(
    bench: Bench,
) -> None:
    bench.store.grouped = True
    ids = await bench.send(b"g1", b"h1", b"g2", b"g3", b"h2")
    bench.answer = None
    await bench.listen(visibility_timeout=HOUR, batch_size=5, new_batch_threshold=0)
    assert bench.bodies == [[b"g1", b"h1", b"g2", b"g3", b"h2"]]
    assert bench.listener
    stopping = asyncio.ensure_future(bench.listener.stop())
    bench.ends[0].set_result(reporting(ids[2], ids[3]))
    await stopping
    assert await bench.left() == {b"g2": 1, b"g3": 0}


async def test_a_message_that_is_not_named_is_done_even_behind_one_that_failed(bench: Bench) -> None:
    bench.store.grouped = True
    ids = await bench.send(b"g1", b"g2")
    bench.answer = reporting(ids[0])
    await bench.listen(visibility_timeout=HOUR)
    assert await bench.left() == {b"g1": 1}


async def test_behind_a_message_that_is_given_up_the_next_of_its_group_is_judged_for_itself(
    bench: Bench,
) -> None:
    bench.store.grouped = True
    bench.answer = FAILED
    await bench.send(b"g1", b"g2")
    await bench.listen(max_dequeue_count=1)
    assert await bench.left() == {}
    assert sorted(await bench.left("orders-poison")) == [b"g1", b"g2"]


# -- the trigger


def trigger(*bindings: Binding, policy: Policy | None = None) -> QueueTrigger:
    clock = ManualClock()
    resources = memory_resources(clock=clock, queues=MemoryQueues(clock))
    function = make_function(bindings=bindings, policy=policy)
    many = replace(function, trigger=replace(function.trigger, cardinality="many"))
    return QueueTrigger(many, QueueTriggerFields(queueName="orders"), resources)


async def event_of(*messages: OutgoingMessage) -> TriggerEvent:
    """The event that the trigger's own listener makes of messages."""
    events: list[TriggerEvent] = []

    async def deliver(event: TriggerEvent) -> Outcome:
        events.append(event)
        assert event.settle is not None
        await event.settle(make_outcome())
        return make_outcome()

    made = trigger()
    await made.resources.queues("").send(messages)
    listener = made.listener(deliver)
    await listener.start()
    await settle_down()
    await listener.stop()
    [event] = events
    return event


async def test_an_event_brings_what_is_known_of_each_message_as_arrays() -> None:
    event = await event_of(*(OutgoingMessage(queue="orders", body=body) for body in (b"a", b"bc")))
    assert event.body == b"abc"
    assert event.data == {"sizes": [1, 2]}
    assert event.metadata["dequeueCountArray"] == [1, 1]
    known = ("id", "dequeueCount", "popReceipt", "insertionTime", "expirationTime", "nextVisibleTime")
    said = ("sessionId", "priority", "dedupId", "replyTo", "correlationId", "applicationProperties")
    assert event.metadata.keys() == {f"{name}Array" for name in (*known, *said)}
    assert event.reason == "2 new queue messages detected on 'orders'."
    assert event.details
    ids = " ".join(event.metadata["idArray"])
    assert event.details() == {"Count": 2, "MessageIds": ids}


async def test_a_batch_comes_of_the_run_that_all_its_messages_come_of() -> None:
    sent = [
        OutgoingMessage(queue="orders", body=b"", properties={"parent": "p", "replayOf": r}) for r in "ab"
    ]
    cause = (await event_of(*sent)).cause
    assert (cause.origin, cause.properties) == ("orders", {"parent": "p", "replayOf": None})


@pytest.mark.parametrize(("other", "shared"), [("t", "t"), ("u", None)])
async def test_a_batch_goes_on_with_the_trace_that_all_its_messages_share(
    other: str, shared: str | None
) -> None:
    event = await event_of(
        *(
            OutgoingMessage(queue="orders", body=b"", properties={"traceparent": parent, "tracestate": "s"})
            for parent in ("t", other)
        )
    )
    assert (event.traceparent, event.tracestate) == (shared, "s" if shared else None)


@pytest.mark.parametrize(
    ("data", "bodies"),
    [
        (b'["one", {"id": 2}, 3, null]', [b"one", b'{"id":2}', b"3", b"null"]),
        (b"[]", []),
        (b"plain", [b"plain"]),
        (b'{"id": 2}', [b'{"id": 2}']),
        (b"[broken", [b"[broken"]),
        (b"\xff", [b"\xff"]),
        (None, [b""]),
    ],
)
async def test_a_run_by_hand_gets_the_elements_of_an_array(data: bytes | None, bodies: list[bytes]) -> None:
    event = await trigger().manual_event(data)
    assert event.body == b"".join(bodies)
    assert event.data["sizes"] == [len(body) for body in bodies]
    assert len(set(event.metadata.get("idArray", ()))) == len(bodies)


def test_people_see_that_it_runs_in_batches() -> None:
    assert trigger().describe() == "queue orders, in batches"


@pytest.mark.parametrize(
    ("bindings", "policy"),
    [
        ((Binding(type="blob", name="out", direction="out", fields={"path": "done/{customer}.txt"}),), None),
        ((), Policy(singleton=SingletonPolicy(scope="{customer}"))),
    ],
)
def test_an_expression_that_only_one_message_could_fill_is_refused(
    bindings: tuple[Binding, ...], policy: Policy | None
) -> None:
    with pytest.raises(ConfigurationError, match=r"\{customer\} in .* set the cardinality to one") as caught:
        trigger(*bindings, policy=policy)
    assert caught.value.key == "cardinality"


def test_expressions_that_need_no_message_are_fine() -> None:
    fields = {"path": "done/{rand-guid}-{DateTime:yyyy}-{sys.methodname}.txt"}
    trigger(Binding(type="blob", name="out", direction="out", fields=fields))
