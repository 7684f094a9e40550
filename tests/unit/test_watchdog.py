"""The watchdog over listeners that a test lets go on, hang and die, by a clock that is set by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise
from typing import ClassVar, cast

import msgspec
import pytest
from fakes import ManualClock, make_function, make_outcome, memory_resources

from funchost.bindings.errors import StoreError
from funchost.bindings.memory_queues import MemoryQueues
from funchost.bindings.queue import OutgoingMessage, PeekedMessage, QueueMessage
from funchost.host import functions as module
from funchost.host.execution.executor import Executor
from funchost.host.functions import Functions
from funchost.host.watchdog import AGE, CALM, INTERVAL, PAUSES, Watchdog
from funchost.triggers.base import Deliver, Outcome, Trigger, TriggerEvent
from funchost.triggers.descriptor import FunctionDescriptor, QueuePolicy
from funchost.triggers.pulse import Demand, Pulse, pulses_of
from funchost.triggers.queue_listener import LONGEST_POLL, QueueListener
from funchost.triggers.singleton import ListenerLease

LIMIT = 60.0


class FakeListener:
    """Its loop goes on with each `turn`, and ends with `die`."""

    def __init__(self, clock: ManualClock, queues: MemoryQueues) -> None:
        self.state = "new"
        self.taken = 0
        self.has_room = True
        self._queues = queues
        self._end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.pulse = Pulse("fetching", clock.monotonic, self._demand)
        self.released = asyncio.Event()
        self.released.set()

    @property
    def pulses(self) -> tuple[Pulse, ...]:
        return (self.pulse,)

    def _demand(self) -> Demand | None:
        return Demand(self._queues, "orders", self.taken) if self.has_room else None

    async def start(self) -> None:
        async def loop() -> None:
            await self._end

        self.pulse.follow(asyncio.create_task(loop()))
        self.turn()
        self.state = "listening"

    async def stop(self) -> None:
        self.pulse.leave()
        self.state = "stopping"
        await self.released.wait()
        self.state = "stopped"

    def turn(self) -> None:
        self.pulse.step(LIMIT)

    async def die(self, error: Exception | None = None) -> None:
        if error:
            self._end.set_exception(error)
        else:
            self._end.set_result(None)
        await settle_down()


class NoFields(msgspec.Struct):
    """A trigger with nothing to say."""


class FakeTrigger(Trigger):
    type = "fake"
    Fields = NoFields
    made: ClassVar[list[FakeListener]] = []
    queues: ClassVar[MemoryQueues]
    clock: ClassVar[ManualClock]

    def listener(self, deliver: Deliver) -> FakeListener:
        self.made.append(FakeListener(self.clock, self.queues))
        return self.made[-1]


class FakeExecutor:
    def deliver(self, function: FunctionDescriptor) -> Deliver:
        return cast(Deliver, None)

    def waits(self, function: str) -> str | None:
        return None


class Bench:
    """One function in service, with a watchdog."""

    def __init__(self) -> None:
        self.clock = FakeTrigger.clock = ManualClock()
        self.queues = FakeTrigger.queues = MemoryQueues(self.clock)
        self.told: list[str] = []
        resources = memory_resources(clock=self.clock, queues=self.queues, report=self.told.append)
        self.functions = Functions(cast(Executor, FakeExecutor()), resources)
        self.functions.arrange(
            [make_function(name="Work")], [], {}, triggers={}, still_served=lambda name: True
        )
        self.watchdog = Watchdog(self.functions, self.queues, self.clock, self.told.append)

    @property
    def made(self) -> list[FakeListener]:
        return FakeTrigger.made

    @property
    def state(self) -> str:
        [status] = self.functions.status()
        return status.state

    async def look(self, looks: int = 1, *, turning: bool = False) -> None:
        for _ in range(looks):
            self.clock.advance(timedelta(seconds=INTERVAL))
            if turning:
                self.made[-1].turn()
            await self.watchdog.look()


async def settle_down() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setattr(module, "trigger_class", lambda kind: FakeTrigger)
    monkeypatch.setattr(FakeTrigger, "made", [])
    monkeypatch.setattr("funchost.host.watchdog.STOP_LIMIT", 0.01)
    bench = Bench()
    await bench.functions.listen()
    yield bench
    for listener in bench.made:
        listener.released.set()
    await bench.functions.stop()


async def test_a_listener_that_goes_on_is_left_alone(bench: Bench) -> None:
    await bench.look(100, turning=True)
    assert (len(bench.made), bench.told) == (1, [])


async def test_a_listener_whose_loop_hangs_is_made_anew_and_that_is_shown_until_it_goes_on(
    bench: Bench,
) -> None:
    await bench.look(int(LIMIT / INTERVAL) - 1)
    assert len(bench.made) == 1
    await bench.look(2)
    assert [one.state for one in bench.made] == ["stopped", "listening"]
    said = "fetching hangs; its listener was made anew (1 time)"
    assert (bench.told, bench.state) == ([f"Work: {said}."], f"failing: {said}")
    await bench.look()
    assert bench.state == f"failing: {said}", "the new one has shown nothing yet"
    await bench.look(turning=True)
    assert bench.state == "listening"
    assert bench.told[1:] == ["The listener of Work goes on again."]


async def test_a_listener_whose_loop_died_is_made_anew_with_the_reason(bench: Bench) -> None:
    await bench.made[0].die(ValueError("no"))
    await bench.look()
    assert len(bench.made) == 1, "it is looked at twice"
    await bench.look()
    assert len(bench.made) == 2
    assert bench.told == [
        "Work: fetching has ended with ValueError('no'); its listener was made anew (1 time)."
    ]


async def test_a_loop_that_was_done_is_not_begun_again(bench: Bench) -> None:
    await bench.made[0].die()
    await bench.look(20)
    assert len(bench.made) == 1


async def test_a_machine_that_stood_still_is_no_loop_that_does(bench: Bench) -> None:
    await bench.look()
    bench.clock.advance(timedelta(hours=8))
    await bench.watchdog.look()
    bench.made[0].turn()
    await bench.look(3)
    assert (len(bench.made), bench.told) == (1, [])


async def test_what_does_not_help_is_repeated_ever_more_rarely(bench: Bench) -> None:
    renewed = []
    for _ in range(int(1500 / INTERVAL)):
        before = len(bench.made)
        await bench.look()
        if len(bench.made) > before:
            renewed.append(bench.clock.monotonic())
    pauses = [after - before for before, after in pairwise(renewed)]
    assert len(pauses) == 5
    assert all(pause >= least for pause, least in zip(pauses, PAUSES, strict=True))
    assert pauses == sorted(pauses)
    assert "(6 times)" in bench.told[-1]


async def test_what_went_on_for_long_counts_anew(bench: Bench) -> None:
    await bench.look(int(LIMIT / INTERVAL) + 1)
    await bench.look(int(CALM / INTERVAL) + 2, turning=True)
    await bench.look(int(LIMIT / INTERVAL) + 1)
    assert [line for line in bench.told if line.endswith("anew (1 time).")] == [bench.told[0]] * 2


async def test_one_that_does_not_end_is_not_waited_for(bench: Bench) -> None:
    bench.made[0].released.clear()
    await bench.look(int(LIMIT / INTERVAL) + 1)
    assert [one.state for one in bench.made] == ["stopping", "listening"]


async def test_listeners_of_a_host_that_drains_are_not_made_anew(bench: Bench) -> None:
    bench.functions.pause()
    await settle_down()
    await bench.look(40)
    assert [one.state for one in bench.made] == ["stopped"]
    await bench.functions.resume()
    await bench.look(4, turning=True)
    assert (len(bench.made), bench.told) == (2, [])


# -- messages that nobody takes

LOOKS = int(AGE.total_seconds() / INTERVAL) + 2


async def send(bench: Bench, delay: float = 0) -> None:
    due = bench.clock.now() + timedelta(seconds=delay)
    await bench.queues.send([OutgoingMessage(queue="orders", body=b"1", visible_at=due)])


async def test_a_message_that_ages_although_there_is_room_is_told_and_the_listener_made_anew(
    bench: Bench,
) -> None:
    await send(bench)
    await bench.look(LOOKS, turning=True)
    assert len(bench.made) == 2
    assert "a message of 'orders' has waited for 40 s, with room for it; its listener" in bench.told[0]


async def test_a_message_may_age_while_there_is_no_room_or_others_are_taken(bench: Bench) -> None:
    await send(bench)
    bench.made[0].has_room = False
    await bench.look(LOOKS, turning=True)
    bench.made[0].has_room = True
    for _ in range(2 * LOOKS):
        bench.made[0].taken += 1
        await bench.look(turning=True)
    assert (len(bench.made), bench.told) == (1, [])


async def test_messages_that_are_delayed_or_in_flight_do_not_age(bench: Bench) -> None:
    await send(bench)
    await bench.queues.receive("orders", 1)
    await send(bench, delay=LOOKS * INTERVAL)
    await bench.look(LOOKS + 2, turning=True)
    assert len(bench.made) == 1


async def test_a_store_that_cannot_be_looked_into_is_not_the_listeners_fault(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def peek(queue: str, limit: int) -> list[PeekedMessage]:
        raise StoreError("away")

    monkeypatch.setattr(bench.queues, "peek", peek)
    await send(bench)
    await bench.look(LOOKS, turning=True)
    assert (len(bench.made), bench.told) == (1, [])


# -- the pulses of real listeners


class Hanging(MemoryQueues):
    """Its polls hang from the moment on that the test says."""

    hangs = False

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.go_on = asyncio.Event()

    async def receive(self, queue: str, limit: int, lease: timedelta = timedelta(0)) -> list[QueueMessage]:
        if self.hangs:
            await self.go_on.wait()
        return await super().receive(queue, limit)


async def queue_listener(clock: ManualClock, store: MemoryQueues, runs: list[bytes]) -> QueueListener:
    async def deliver(event: TriggerEvent) -> Outcome:
        assert isinstance(event.body, bytes)
        runs.append(event.body)
        assert event.settle
        await event.settle(make_outcome())
        return make_outcome()

    async def to_event(message: QueueMessage) -> TriggerEvent:
        return TriggerEvent(kind="queue", body=message.body)

    listener = QueueListener(
        function="Work",
        queue="orders",
        store=store,
        policy=QueuePolicy(),
        deliver=deliver,
        to_event=to_event,
        poison_queue=None,
        resources=memory_resources(clock=clock, queues=store),
    )
    await listener.start()
    return listener


async def test_a_queue_listener_tells_of_a_poll_that_hangs_and_gives_back_what_it_brings_in_the_end() -> None:
    clock = ManualClock()
    store = Hanging(clock)
    store.hangs = True
    runs: list[bytes] = []
    listener = await queue_listener(clock, store, runs)
    await settle_down()
    clock.advance(timedelta(seconds=LONGEST_POLL - 1))
    assert [pulse.trouble for pulse in listener.pulses] == [None, None]
    clock.advance(timedelta(seconds=2))
    assert [pulse.trouble for pulse in listener.pulses] == ["reading the queue 'orders' hangs", None]
    stopping = asyncio.create_task(listener.stop())
    await settle_down()
    await store.send([OutgoingMessage(queue="orders", body=b"1")])
    store.go_on.set()
    await stopping
    [depth] = await store.depths()
    assert (depth.visible, depth.in_flight, runs) == (1, 0, [])


async def test_a_stopping_host_does_not_wait_for_a_poll_that_hangs() -> None:
    clock = ManualClock()
    store = Hanging(clock)
    store.hangs = True
    listener = await queue_listener(clock, store, [])
    await settle_down()
    clock.advance(timedelta(seconds=LONGEST_POLL + 1))
    stopping = asyncio.create_task(listener.stop())
    await settle_down()
    assert not stopping.done()
    listener._resources.stopping.set()
    async with asyncio.timeout(5):
        await stopping


async def test_a_queue_listener_demands_messages_while_it_has_room_and_counts_them() -> None:
    clock = ManualClock()
    store = MemoryQueues(clock)
    runs: list[bytes] = []
    listener = await queue_listener(clock, store, runs)
    await store.send([OutgoingMessage(queue="orders", body=b"1")])
    await settle_down()
    assert runs == [b"1"]
    assert listener.pulses[0].demand() == Demand(store, "orders", 1)
    assert listener.pulses[0].is_proven
    await listener.stop()
    assert [pulse.trouble for pulse in listener.pulses] == [None, None]


async def test_a_lease_shows_the_pulses_of_what_it_wraps() -> None:
    clock = ManualClock()
    listener = FakeListener(clock, MemoryQueues(clock))
    lease = ListenerLease(listener, "Work.Listener", memory_resources(clock=clock))
    assert pulses_of(lease)[1:] == listener.pulses
    assert pulses_of(None) == ()
