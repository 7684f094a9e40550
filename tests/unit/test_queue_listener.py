"""The queue listener against queues in memory, with a function that the test plays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from fakes import ManualClock, make_function, make_outcome, memory_resources

from funchost.bindings.errors import MessageTooLarge, QueueMissing, StoreError
from funchost.bindings.memory_queues import MemoryQueues
from funchost.bindings.queue import LEASE, OutgoingMessage, QueueMessage
from funchost.bindings.table import OutgoingEntity
from funchost.triggers import queue_listener, queue_settlement
from funchost.triggers.base import ErrorInfo, Outcome, Status, TriggerEvent
from funchost.triggers.descriptor import Policy, QueuePolicy, SingletonMode, SingletonPolicy
from funchost.triggers.fields import QueueTriggerFields
from funchost.triggers.queue import QueueTrigger
from funchost.triggers.queue_listener import QueueListener
from funchost.triggers.singleton import ListenerLease

FAILED = make_outcome(Status.FAILED, ErrorInfo("ValueError", "bad order", "Traceback: …"))
INTERRUPTED = make_outcome(Status.INTERRUPTED)


class Bench:
    """A listener, its queues, and the function: each run waits until the test lets it end."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = MemoryQueues(self.clock)
        self.told: list[str] = []
        self.events: list[TriggerEvent] = []
        self.ends: list[asyncio.Future[Outcome]] = []
        self.outcomes: list[Outcome] = []
        self.answer: Outcome | None = make_outcome()
        self.listener: QueueListener | None = None

    async def deliver(self, event: TriggerEvent) -> Outcome:
        """What the executor does: run, then settle while the locks are held."""
        self.events.append(event)
        outcome = self.answer
        if outcome is None:
            self.ends.append(asyncio.get_running_loop().create_future())
            outcome = await self.ends[-1]
        assert event.settle is not None
        await event.settle(outcome)
        self.outcomes.append(outcome)
        return outcome

    async def listen(
        self,
        *,
        to_event: Callable[[QueueMessage], Awaitable[TriggerEvent | None]] | None = None,
        poison_queue: str | None = "orders-poison",
        concurrency: int | None = None,
        **policy: Any,
    ) -> QueueListener:
        async def as_it_is(message: QueueMessage) -> TriggerEvent:
            return TriggerEvent(kind="queue", body=message.body)

        self.resources = memory_resources(clock=self.clock, queues=self.store, report=self.told.append)
        self.listener = QueueListener(
            function="Work",
            queue="orders",
            store=self.store,
            policy=QueuePolicy(**policy),
            deliver=self.deliver,
            to_event=to_event or as_it_is,
            poison_queue=poison_queue,
            resources=self.resources,
            concurrency=concurrency,
        )
        await self.listener.start()
        return self.listener

    async def send(self, count: int = 1, **more: Any) -> None:
        await self.store.send([OutgoingMessage(queue="orders", body=b"%d" % n, **more) for n in range(count)])

    async def held(self, queue: str = "orders") -> tuple[int, int, int]:
        """Visible, delayed and in flight."""
        for depth in await self.store.depths():
            if depth.queue == queue:
                return depth.visible, depth.delayed, depth.in_flight
        return 0, 0, 0


async def settle_down() -> None:
    """Let everything that can happen without time passing happen."""
    for _ in range(50):
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


# -- how many at a time


async def test_messages_run_at_once_up_to_batch_and_threshold(bench: Bench) -> None:
    bench.answer = None
    await bench.send(20)
    await bench.listen(batch_size=4, new_batch_threshold=2)
    await settle_down()
    assert len(bench.ends) == 4
    bench.ends[0].set_result(make_outcome())
    await settle_down()
    assert len(bench.ends) == 4, "three still run: over the threshold"
    bench.ends[1].set_result(make_outcome())
    await settle_down()
    assert len(bench.ends) == 8, "two run: a new batch of four was fetched"
    assert (await bench.held())[2] == 6


async def test_a_threshold_of_nothing_waits_for_the_whole_batch(bench: Bench) -> None:
    bench.answer = None
    await bench.send(4)
    await bench.listen(batch_size=2, new_batch_threshold=0)
    await settle_down()
    bench.ends[0].set_result(make_outcome())
    await settle_down()
    assert len(bench.ends) == 2
    bench.ends[1].set_result(make_outcome())
    await settle_down()
    assert len(bench.ends) == 4


class _SlowToComplete(MemoryQueues):
    """Completes nothing before it may."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.may = asyncio.Event()

    async def complete(
        self,
        messages: Sequence[QueueMessage],
        outputs: Sequence[OutgoingMessage] = (),
        entities: Sequence[OutgoingEntity] = (),
    ) -> None:
        await self.may.wait()
        await super().complete(messages, outputs, entities)


@pytest.mark.parametrize(
    ("policy", "run"),
    [
        ({"batch_size": 4, "new_batch_threshold": 2}, 8),
        ({"batch_size": 4, "new_batch_threshold": 0}, 4),
        ({"batch_size": 1, "new_batch_threshold": 1}, 2),
        ({"batch_size": 4, "new_batch_threshold": 2, "concurrency": 2}, 2),
    ],
)
async def test_others_run_while_messages_are_settled_unless_they_are_to_run_in_turn(
    bench: Bench, policy: dict[str, Any], run: int
) -> None:
    bench.store = store = _SlowToComplete(bench.clock)
    await bench.send(20)
    await bench.listen(**policy)
    await settle_down()
    assert len(bench.events) == run, "no more than a batch waits for its settlement"
    store.may.set()
    for _ in range(10):
        await settle_down()
    assert len(bench.events) == 20
    assert await bench.held() == (0, 0, 0)


@pytest.mark.parametrize(("concurrency", "most"), [(1, 1), (3, 3), (5, 5), (100, 6)])
async def test_concurrency_bounds_what_is_fetched(bench: Bench, concurrency: int, most: int) -> None:
    bench.answer = None
    await bench.send(20)
    await bench.listen(batch_size=4, new_batch_threshold=2, concurrency=concurrency)
    for end in range(12):
        await settle_down()
        assert (await bench.held())[2] <= most
        bench.ends[end].set_result(make_outcome())


async def test_everything_that_comes_is_run_once_and_is_gone(bench: Bench) -> None:
    await bench.send(50)
    await bench.listen()
    await settle_down()
    assert sorted(int(bytes(event.body)) for event in bench.events if isinstance(event.body, bytes)) == [
        *range(50)
    ]
    assert await bench.held() == (0, 0, 0)


async def test_a_message_that_comes_while_it_waits_is_run_at_once(bench: Bench) -> None:
    await bench.listen(max_polling_interval=timedelta(hours=1))
    await settle_down()
    await bench.send(1)
    await settle_down()
    assert len(bench.events) == 1


# -- how a message ends


async def test_success_completes_the_message_and_sends_the_outputs(bench: Bench) -> None:
    bench.answer = make_outcome(messages=[(bench.store, OutgoingMessage(queue="bills", body=b"bill"))])
    await bench.send()
    await bench.listen()
    await settle_down()
    assert await bench.held() == (0, 0, 0)
    assert await bench.held("bills") == (1, 0, 0)


async def test_outputs_for_another_store_are_sent_there(bench: Bench) -> None:
    other = MemoryQueues(bench.clock)
    bench.answer = make_outcome(messages=[(other, OutgoingMessage(queue="bills", body=b"bill"))])
    await bench.send()
    await bench.listen()
    await settle_down()
    assert [depth.queue for depth in await other.depths()] == ["bills"]
    assert await bench.held() == (0, 0, 0)
    assert await bench.held("bills") == (0, 0, 0)


async def test_a_failure_is_released_with_the_visibility_timeout_and_remembered(bench: Bench) -> None:
    bench.answer = FAILED
    await bench.send()
    await bench.listen(visibility_timeout=timedelta(minutes=3))
    await settle_down()
    assert await bench.held() == (0, 1, 0)
    [peeked] = await bench.store.peek("orders", 1)
    assert peeked.dequeue_count == 1
    assert peeked.visible_at == bench.clock.now() + timedelta(minutes=3)
    [failure] = peeked.properties["failures"]
    assert failure["error"] == "ValueError: bad order"
    assert failure["run"] == "run-1"


@pytest.mark.parametrize("status", [Status.FAILED, Status.TIMED_OUT])
async def test_a_message_that_fails_for_the_last_time_goes_to_poison_with_its_reason(
    bench: Bench, status: Status
) -> None:
    bench.answer = make_outcome(status, ErrorInfo("ValueError", "bad order", "Traceback: …"), attempts=2)
    await bench.send(properties={"traceparent": "t"})
    await bench.listen(max_dequeue_count=3)
    await settle_down()
    assert len(bench.events) == 3
    assert await bench.held() == (0, 0, 0)
    [poison] = await bench.store.peek("orders-poison", 10)
    assert poison.body == b"0"
    assert poison.expires_at is None
    assert poison.properties["traceparent"] == "t"
    assert "failures" not in poison.properties
    reason = poison.properties["poison"]
    assert (reason["error"], reason["message"], reason["traceback"]) == (
        "ValueError",
        "bad order",
        "Traceback: …",
    )
    assert (reason["queue"], reason["function"], reason["dequeueCount"]) == ("orders", "Work", 3)
    assert (reason["attempts"], reason["runs"]) == (6, ["run-1"] * 3)
    assert reason["firstReceived"] and reason["givenUp"] and reason["messageId"]


async def test_a_message_whose_run_was_cancelled_is_given_up_at_once(bench: Bench) -> None:
    bench.answer = make_outcome(Status.FAILED, ErrorInfo("RunCancelled", "Anna wanted it."))
    await bench.send()
    await bench.listen(max_dequeue_count=5)
    await settle_down()
    assert len(bench.events) == 1
    [poison] = await bench.store.peek("orders-poison", 10)
    assert poison.properties["poison"]["message"] == "Anna wanted it."


async def test_a_message_over_the_limit_is_not_run(bench: Bench) -> None:
    await bench.send()
    for _ in range(3):
        [message] = await bench.store.receive("orders", 1)
        await bench.store.release(message, timedelta(0))
    await bench.listen(max_dequeue_count=3)
    await settle_down()
    assert bench.events == []
    [poison] = await bench.store.peek("orders-poison", 10)
    reason = poison.properties["poison"]
    assert (reason["error"], reason["dequeueCount"], reason["runs"]) == ("MaxDequeueCount", 4, [])


async def test_without_a_poison_queue_a_message_is_never_given_up(bench: Bench) -> None:
    bench.answer = FAILED
    await bench.send()
    await bench.listen(max_dequeue_count=1, visibility_timeout=timedelta(minutes=1), poison_queue=None)
    for _ in range(3):
        await settle_down()
        bench.clock.advance(timedelta(minutes=1))
        # One message more wakes the listener: it does not see the clock being advanced.
        await bench.send()
    await settle_down()
    assert [depth.queue for depth in await bench.store.depths()] == ["orders"]
    assert max(peeked.dequeue_count for peeked in await bench.store.peek("orders", 10)) == 4


async def test_an_interruption_uses_up_nothing(bench: Bench) -> None:
    bench.answer = None
    await bench.send()
    await bench.listen(max_dequeue_count=1, visibility_timeout=timedelta(minutes=1))
    for _ in range(3):
        await settle_down()
        bench.ends[-1].set_result(INTERRUPTED)
    await settle_down()
    assert len(bench.events) == 4
    [peeked] = await bench.store.peek("orders", 1)
    assert (peeked.dequeue_count, peeked.properties) == (1, {})


async def test_a_settlement_that_cannot_be_made_is_told_to_whoever_ran_it(bench: Bench) -> None:
    """So that the executor can count the run as failed and settle it again."""
    too_large = OutgoingMessage(queue="bills", body=b"x" * 100_000)
    bench.answer = make_outcome(messages=[(bench.store, too_large)])
    raised: list[Exception] = []

    async def deliver(event: TriggerEvent) -> Outcome:
        assert event.settle is not None and bench.answer is not None
        try:
            await event.settle(bench.answer)
        except MessageTooLarge as error:
            raised.append(error)
            await event.settle(FAILED)
        return FAILED

    bench.deliver = deliver  # type: ignore[method-assign]
    await bench.send()
    await bench.listen(visibility_timeout=timedelta(minutes=1))
    await settle_down()
    assert len(raised) == 1
    assert await bench.held() == (0, 1, 0)


async def test_an_event_that_cannot_be_made_is_a_failed_delivery(bench: Bench) -> None:
    async def broken(message: QueueMessage) -> TriggerEvent:
        raise ValueError("no such blob")

    await bench.send()
    await bench.listen(to_event=broken, max_dequeue_count=2)
    await settle_down()
    assert bench.events == []
    [poison] = await bench.store.peek("orders-poison", 10)
    assert poison.properties["poison"]["message"] == "no such blob"


async def test_a_message_with_nothing_to_run_is_completed(bench: Bench) -> None:
    async def nothing(message: QueueMessage) -> None:
        return None

    await bench.send()
    await bench.listen(to_event=nothing)
    await settle_down()
    assert bench.events == []
    assert await bench.held() == (0, 0, 0)


async def test_a_late_finisher_gives_way_in_silence(bench: Bench) -> None:
    bench.answer = None
    await bench.send()
    await bench.listen()
    await settle_down()
    bench.clock.advance(LEASE * 2)
    [taken_over] = await bench.store.receive("orders", 1)
    bench.ends[0].set_result(
        make_outcome(messages=[(bench.store, OutgoingMessage(queue="bills", body=b"bill"))])
    )
    await settle_down()
    assert bench.told == []
    assert await bench.held("bills") == (0, 0, 0)
    await bench.store.complete([taken_over])


# -- a store in trouble


class Failing(MemoryQueues):
    """Fails as often as it is told to, in the steps that it is told."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.failures: dict[str, list[Exception]] = {}
        self.renewed: list[list[bytes]] = []

    def _fail(self, step: str) -> None:
        if self.failures.get(step):
            raise self.failures[step].pop(0)

    async def receive(self, queue: str, limit: int, lease: timedelta = LEASE) -> list[QueueMessage]:
        self._fail("receive")
        return await super().receive(queue, limit, lease)

    async def complete(
        self,
        messages: Sequence[QueueMessage],
        outputs: Sequence[OutgoingMessage] = (),
        entities: Sequence[OutgoingEntity] = (),
    ) -> None:
        self._fail("complete")
        await super().complete(messages, outputs, entities)

    async def renew(self, messages: Sequence[QueueMessage], lease: timedelta = LEASE) -> None:
        self.renewed.append([message.body for message in messages])
        self._fail("renew")
        await super().renew(messages, lease)


@pytest.fixture
def failing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Failing:
    monkeypatch.setattr("funchost.triggers.polling.MINIMUM", timedelta(0))
    bench.store = store = Failing(bench.clock)
    return store


async def test_a_store_that_fails_for_a_while_does_not_lose_a_settlement(
    bench: Bench, failing: Failing
) -> None:
    failing.failures["complete"] = [StoreError("locked"), StoreError("disk full")]
    await bench.send()
    await bench.listen()
    await settle_down()
    assert len(bench.events) == 1
    assert await bench.held() == (0, 0, 0)


async def test_messages_that_cannot_be_settled_are_told_once_for_all_of_them_and_all_tries(
    bench: Bench, failing: Failing
) -> None:
    failing.failures["complete"] = [StoreError("no network")] * 12
    await bench.send(4)
    await bench.listen()
    for _ in range(20):
        await settle_down()
    assert await bench.held() == (0, 0, 0)
    assert bench.told == [
        "Messages of 'orders' cannot be settled yet, which is tried again: no network",
    ]


async def test_what_a_store_does_not_let_be_settled_is_left_when_the_host_stops(
    bench: Bench, failing: Failing, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(queue_settlement, "LAST_TRY", 0.0)
    monkeypatch.setattr(queue_listener, "STOP_LOOK", 0.01)
    failing.failures["complete"] = [StoreError("no network")] * 100_000
    await bench.send()
    listener = await bench.listen()
    await settle_down()
    # A reload stops it too: then the messages are settled, however long that takes.
    stopping = asyncio.ensure_future(listener.stop())
    await asyncio.sleep(0.05)
    assert not stopping.done()
    bench.resources.stopping.set()
    await asyncio.wait_for(stopping, 5)
    assert "1 message of 'orders' could not be settled, and comes again when its time is up." in caplog.text
    assert await bench.held() == (0, 0, 1)


async def test_a_stop_does_not_wait_for_a_poll_of_a_store_in_trouble(
    bench: Bench, failing: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_listener, "FAILING_POLL", 0.01)
    never = asyncio.Event()
    polls: list[int] = []

    async def receive(queue: str, limit: int, lease: timedelta = LEASE) -> list[QueueMessage]:
        polls.append(limit)
        if len(polls) == 1:
            raise StoreError("no network")
        await never.wait()
        return []

    monkeypatch.setattr(failing, "receive", receive)
    listener = await bench.listen(max_polling_interval=timedelta(0))
    await settle_down()
    assert len(polls) == 2
    await asyncio.wait_for(listener.stop(), 5)


async def test_a_queue_that_cannot_be_read_is_reported_once_and_read_again(
    bench: Bench, failing: Failing
) -> None:
    failing.failures["receive"] = [StoreError("locked")] * 3
    await bench.send()
    await bench.listen(max_polling_interval=timedelta(0))
    await settle_down()
    assert len(bench.told) == 1 and "locked" in bench.told[0] and "orders" in bench.told[0]
    assert len(bench.events) == 1
    assert bench.listener and bench.listener.state == "listening"


async def test_a_queue_that_does_not_exist_yet_is_no_trouble(bench: Bench, failing: Failing) -> None:
    failing.failures["receive"] = [QueueMissing()]
    await bench.send()
    await bench.listen(max_polling_interval=timedelta(0))
    await settle_down()
    assert bench.told == []
    assert len(bench.events) == 1


async def test_any_error_of_a_store_leaves_the_listener_alive(bench: Bench, failing: Failing) -> None:
    failing.failures["receive"] = [RuntimeError("surprise")]
    await bench.send()
    await bench.listen(max_polling_interval=timedelta(0))
    await settle_down()
    assert len(bench.events) == 1


async def test_what_is_in_flight_is_renewed_also_after_a_renewal_failed(
    bench: Bench, failing: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failing, "lease_of", lambda queue: timedelta(0))
    failing.failures["renew"] = [StoreError("locked"), RuntimeError("surprise")]
    bench.answer = None
    await bench.send()
    await bench.listen()
    await settle_down()
    assert failing.renewed[:3] == [[b"0"]] * 3
    assert len([line for line in bench.told if "renewed" in line]) == 2


# -- starting and stopping


async def test_a_stop_waits_for_what_runs_and_settles_it(bench: Bench) -> None:
    bench.answer = None
    await bench.send()
    listener = await bench.listen()
    await settle_down()
    stopping = asyncio.ensure_future(listener.stop())
    await settle_down()
    assert not stopping.done()
    bench.ends[0].set_result(make_outcome())
    await stopping
    assert await bench.held() == (0, 0, 0)
    assert listener.state == "stopped"


async def test_who_stops_waiting_for_a_stop_does_not_end_what_runs(bench: Bench) -> None:
    bench.answer = None
    await bench.send()
    listener = await bench.listen()
    await settle_down()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(listener.stop(), 0.001)
    bench.ends[0].set_result(make_outcome())
    await listener.stop()
    assert len(bench.outcomes) == 1
    assert await bench.held() == (0, 0, 0)


async def test_a_stopped_listener_takes_nothing_new(bench: Bench) -> None:
    listener = await bench.listen()
    await listener.stop()
    await bench.send()
    await settle_down()
    assert bench.events == []


async def test_messages_received_while_stopping_are_given_back_unused(bench: Bench) -> None:
    received = asyncio.Event()
    go_on = asyncio.Event()

    class Slow(MemoryQueues):
        async def receive(self, queue: str, limit: int, lease: timedelta = LEASE) -> list[QueueMessage]:
            messages = await super().receive(queue, limit, lease)
            received.set()
            await go_on.wait()
            return messages

    bench.store = Slow(bench.clock)
    await bench.send(3)
    listener = await bench.listen()
    await received.wait()
    first = asyncio.ensure_future(listener.stop())
    await settle_down()
    second = asyncio.ensure_future(listener.stop())
    await settle_down()
    go_on.set()
    await asyncio.gather(first, second)
    assert bench.events == []
    peeked = await bench.store.peek("orders", 10)
    assert [(message.state, message.dequeue_count) for message in peeked] == [("visible", 0)] * 3


async def test_starting_twice_and_stopping_twice_is_fine(bench: Bench) -> None:
    listener = await bench.listen()
    await listener.start()
    await bench.send()
    await settle_down()
    assert len(bench.events) == 1
    await listener.stop()
    await listener.stop()
    await listener.start()
    await bench.send()
    await settle_down()
    assert len(bench.events) == 2


# -- the trigger


async def _event_of(trigger: QueueTrigger, body: bytes, **more: Any) -> TriggerEvent:
    """The event that the trigger's own listener makes of a message."""
    events: list[TriggerEvent] = []

    async def deliver(event: TriggerEvent) -> Outcome:
        events.append(event)
        assert event.settle is not None
        await event.settle(make_outcome())
        return make_outcome()

    listener = trigger.listener(deliver)
    await trigger.resources.queues("").send([OutgoingMessage(queue="orders", body=body, **more)])
    await listener.start()
    await settle_down()
    await listener.stop()
    [event] = events
    return event


def _trigger(policy: Policy | None = None, scope: str | None = None) -> QueueTrigger:
    clock = ManualClock()
    resources = memory_resources(clock=clock, queues=MemoryQueues(clock))
    if scope:
        policy = Policy(singleton=SingletonPolicy(scope=scope))
    return QueueTrigger(make_function(policy=policy), QueueTriggerFields(queueName="orders"), resources)


async def test_an_event_brings_the_body_metadata_and_trace() -> None:
    event = await _event_of(_trigger(), b"\xff", properties={"traceparent": "t", "tracestate": "s"})
    assert (event.kind, event.body, event.traceparent, event.tracestate) == ("queue", b"\xff", "t", "s")
    assert event.reason == "New queue message detected on 'orders'."
    assert event.metadata["dequeueCount"] == 1
    assert {"id", "popReceipt", "insertionTime", "expirationTime", "nextVisibleTime"} <= event.metadata.keys()


async def test_the_payload_is_parsed_only_for_functions_with_expressions() -> None:
    body = b'{"customerId": "c7"}'
    assert "customerId" not in (await _event_of(_trigger(), body)).metadata
    event = await _event_of(_trigger(scope="{customerId}"), body)
    assert event.metadata["customerId"] == "c7"
    assert event.metadata["queueTrigger"] == body.decode()


async def test_a_body_that_is_no_text_has_no_text_for_expressions() -> None:
    event = await _event_of(_trigger(scope="{id}"), b"\xff\xfe")
    assert event.metadata["queueTrigger"] is None


async def test_a_run_by_hand_looks_like_a_first_delivery() -> None:
    event = await _trigger(scope="{customerId}").manual_event(b'{"customerId": "c7"}')
    assert (event.kind, event.metadata["dequeueCount"], event.metadata["customerId"]) == ("queue", 1, "c7")
    assert (await _trigger().manual_event(None)).body == b""


async def test_a_listener_singleton_is_behind_a_lease() -> None:
    async def deliver(event: TriggerEvent) -> Outcome:
        raise NotImplementedError

    policy = Policy(singleton=SingletonPolicy(mode=SingletonMode.LISTENER))
    trigger = _trigger(policy)
    listener = trigger.listener(deliver)
    assert isinstance(listener, ListenerLease)
    lock = await trigger.resources.locks.try_acquire("Work.Listener")
    assert lock is not None
    await listener.start()
    assert "another host" in listener.state
    await trigger.resources.locks.release(lock)
    await settle_down()
    assert listener.state == "listening"
    await listener.stop()
    assert await trigger.resources.locks.try_acquire("Work.Listener") is not None
    await trigger.resources.locks.stop()


# -- stores with an order or an end of their own


class Grouped(MemoryQueues):
    """Hands messages out as of one group, or as given up by the store itself."""

    group: str | None = None
    redriven = False

    async def receive(self, queue: str, limit: int, lease: timedelta = LEASE) -> list[QueueMessage]:
        messages = await super().receive(queue, limit, lease)
        return [msgspec.structs.replace(one, group=self.group, redriven=self.redriven) for one in messages]


@pytest.fixture
def grouped(bench: Bench) -> Grouped:
    bench.store = store = Grouped(bench.clock)
    store.group = "g"
    return store


@pytest.mark.usefixtures("grouped")
async def test_messages_of_a_group_run_one_after_the_other(bench: Bench) -> None:
    bench.answer = None
    await bench.send(3)
    await bench.listen()
    for number in range(3):
        await settle_down()
        assert [event.body for event in bench.events] == [b"%d" % place for place in range(number + 1)]
        bench.ends[number].set_result(make_outcome())
    await settle_down()
    assert await bench.held() == (0, 0, 0)


@pytest.mark.usefixtures("grouped")
@pytest.mark.parametrize("outcome", [FAILED, INTERRUPTED])
async def test_what_is_behind_a_message_that_comes_again_goes_back_unrun(
    bench: Bench, outcome: Outcome
) -> None:
    bench.answer = None
    await bench.send(3)
    # The whole line counts as in flight, so nothing is fetched before it has ended.
    await bench.listen(batch_size=3, new_batch_threshold=0, visibility_timeout=timedelta(hours=1))
    await settle_down()
    bench.ends[0].set_result(make_outcome())
    await settle_down()
    assert await bench.held() == (0, 0, 2)
    assert bench.listener is not None
    stopping = asyncio.ensure_future(bench.listener.stop())
    await settle_down()
    bench.ends[1].set_result(outcome)
    await stopping
    assert [event.body for event in bench.events] == [b"0", b"1"]
    assert await bench.held() == ((1, 1, 0) if outcome is FAILED else (2, 0, 0))


@pytest.mark.usefixtures("grouped")
async def test_a_message_that_is_given_up_lets_the_next_of_its_group_pass(bench: Bench) -> None:
    bench.answer = FAILED
    await bench.send(2)
    await bench.listen(max_dequeue_count=1)
    await settle_down()
    assert [event.body for event in bench.events] == [b"0", b"1"]
    assert await bench.held("orders-poison") == (2, 0, 0)


async def test_a_message_that_its_store_gives_up_is_not_given_up_here(bench: Bench, grouped: Grouped) -> None:
    grouped.group, grouped.redriven = None, True
    bench.answer = FAILED
    await bench.send()
    await bench.listen(max_dequeue_count=1, visibility_timeout=timedelta(hours=1))
    await settle_down()
    bench.clock.advance(timedelta(hours=1))
    assert bench.listener is not None
    await bench.listener.stop()
    assert await bench.held() == (1, 0, 0)
    assert await bench.held("orders-poison") == (0, 0, 0)
