"""Receives messages, keeps them invisible while they run, and settles each one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from ..bindings.errors import FunchostError, QueueMissing, ReceiptLost, StoreError
from ..bindings.queue import OutgoingMessage, QueueMessage, QueueStore
from ..bindings.table import OutgoingEntity
from .base import Deliver, ErrorInfo, Outcome, Resources, Status, TriggerEvent
from .descriptor import QueuePolicy
from .poison import poison_message, with_failure
from .polling import BackOff

#: The category that Azure logs this under is that of the trigger.
log = logging.getLogger("funchost.triggers.queue")

#: The longest pause after a renewal that failed.
RENEW_AGAIN = timedelta(minutes=1)

#: Turns a message into an event; None means that there is nothing to run any more.
ToEvent = Callable[[QueueMessage], Awaitable[TriggerEvent | None]]

#: Told of each outcome after the message was settled.
OnOutcome = Callable[[QueueMessage, Outcome], Awaitable[None]]


class QueueListener:
    """Receives from one queue for one function, at most `batch_size + new_batch_threshold` at a time.

    `to_event` makes the event; when it gives None the message is completed without a run, when it raises the
    delivery counts as failed. `poison_queue` None means that a message is never given up.
    """

    def __init__(
        self,
        *,
        function: str,
        queue: str,
        store: QueueStore,
        policy: QueuePolicy,
        deliver: Deliver,
        to_event: ToEvent,
        poison_queue: str | None,
        resources: Resources,
        on_outcome: OnOutcome | None = None,
        concurrency: int | None = None,
    ) -> None:
        self._function = function
        self._queue = queue
        self._store = store
        self._policy = policy
        self._deliver = deliver
        self._to_event = to_event
        self._poison_queue = poison_queue
        self._resources = resources
        self._on_outcome = on_outcome
        self._threshold = policy.new_batch_threshold
        self._batch_size = policy.batch_size
        if concurrency is not None:
            self._batch_size = min(self._batch_size, concurrency)
            self._threshold = min(self._threshold, concurrency - self._batch_size)
        self._back_off = BackOff(policy.max_polling_interval)
        #: What each task has still to run or to settle: one message, or those of a group in their order.
        self._in_flight: dict[asyncio.Task[None], list[QueueMessage]] = {}
        self._room = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping: asyncio.Task[None] | None = None
        self.state = "stopped"

    async def start(self) -> None:
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(self._listen(), name=f"queue {self._queue}"),
                asyncio.create_task(self._renew(), name=f"renew {self._queue}"),
            ]
            self.state = "listening"

    async def stop(self) -> None:
        if self._tasks and self._stopping is None:
            self._stopping = asyncio.create_task(self._stop(), name=f"stop {self._queue}")
        if self._stopping:
            # Shared by all who ask: to cancel twice would leave behind what was just received.
            await asyncio.shield(self._stopping)

    async def _stop(self) -> None:
        listening, renewing = self._tasks
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        # Renewal goes on for as long as something is in flight.
        await asyncio.gather(*self._in_flight, return_exceptions=True)
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        self._tasks = []
        self._stopping = None
        self.state = "stopped"

    # -- receiving

    async def _listen(self) -> None:
        while True:
            while self._held > self._threshold:
                self._room.clear()
                await self._room.wait()
            try:
                messages = await self._receive()
            except Exception as error:
                self._trouble(error)
                await asyncio.sleep(self._back_off.next().total_seconds())
                continue
            self.state = "listening"
            if messages:
                self._back_off.reset()
                self._begin(messages)
            else:
                await self._store.wait(self._queue, self._back_off.next())

    async def _receive(self) -> list[QueueMessage]:
        """A batch. A stop in the middle must not lose what was just received: it is given back."""
        receiving = asyncio.ensure_future(self._store.receive(self._queue, self._batch_size))
        try:
            return await asyncio.shield(receiving)
        except asyncio.CancelledError:
            await asyncio.gather(*map(self._give_back, await receiving))
            raise

    def _trouble(self, error: Exception) -> None:
        state = f"waiting: {error}" if isinstance(error, FunchostError) else f"failing: {error!r}"
        if state != self.state and isinstance(error, QueueMissing):
            log.info("%s waits for its queue. %s", self._function, error)
        elif state != self.state:
            self._resources.report(f"The queue '{self._queue}' of {self._function} cannot be read: {error}")
        self.state = state

    @property
    def _held(self) -> int:
        return sum(map(len, self._in_flight.values()))

    def _begin(self, messages: list[QueueMessage]) -> None:
        loop = asyncio.get_running_loop()
        for line in _lines(messages):
            work = self._process(line[0]) if len(line) == 1 else self._process_in_turn(line)
            task: asyncio.Task[Any] = loop.create_task(work)
            self._in_flight[task] = line
            task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[Any]) -> None:
        self._in_flight.pop(task, None)
        self._tell_room()
        if not task.cancelled() and task.exception():
            self._resources.report(f"A message of '{self._queue}' could not be settled: {task.exception()}")

    def _tell_room(self) -> None:
        if self._held <= self._threshold:
            self._room.set()

    async def _renew(self) -> None:
        pause = self._renewal_pause
        while True:
            await asyncio.sleep(pause.total_seconds())
            pause = self._renewal_pause
            messages = [message for line in self._in_flight.values() for message in line]
            if messages:
                try:
                    await self._store.renew(messages)
                except Exception as error:
                    # Tried again before the leases end.
                    pause = min(RENEW_AGAIN, pause / 2)
                    self._resources.report(f"Messages of '{self._queue}' could not be renewed: {error}")

    @property
    def _renewal_pause(self) -> timedelta:
        return self._store.lease_of(self._queue) / 3

    # -- one message

    async def _process_in_turn(self, line: list[QueueMessage]) -> None:
        """Messages of one group. When one stays in the queue, those behind it go back: they must not overtake it."""
        try:
            while line and await self._process(line[0]):
                del line[0]
                self._tell_room()
        finally:
            await asyncio.gather(*map(self._give_back, line[1:]))

    async def _process(self, message: QueueMessage) -> bool:
        """Run and settle it; returns whether it has left the queue."""
        if self._over(message, self._policy.max_dequeue_count + 1):
            await self._insist(message, lambda: self._give_up(message, None))
            return True
        try:
            event = await self._to_event(message)
        except Exception as error:
            return await self._settle(message, self._failed(error))
        if event is None:
            await self._insist(message, lambda: self._store.complete(message))
            return True
        left = False

        async def settle(outcome: Outcome) -> None:
            nonlocal left
            left = await self._settle(message, outcome)

        event.settle = settle
        outcome = await self._deliver(event)
        if self._on_outcome:
            await self._on_outcome(message, outcome)
        return left

    async def _settle(self, message: QueueMessage, outcome: Outcome) -> bool:
        """The one place that decides a message's end (functions-semantics 5.4); whether it has left the queue."""
        if outcome.succeeded:
            own = await self._own_messages(outcome)
            entities = await self._own_entities(outcome) if outcome.entities else ()
            await self._insist(message, lambda: self._store.complete(message, own, entities))
            return True
        if outcome.status is Status.INTERRUPTED:
            await self._give_back(message)
            return False
        if self._over(message, self._policy.max_dequeue_count):
            await self._insist(message, lambda: self._give_up(message, outcome))
            return True
        delay, properties = self._policy.visibility_timeout, with_failure(message, outcome)
        await self._insist(message, lambda: self._store.release(message, delay, properties=properties))
        return False

    def _over(self, message: QueueMessage, most: int) -> bool:
        """Whether it is ours to give it up now, delivered as often as it was."""
        return message.dequeue_count >= most and bool(self._poison_queue) and not message.redriven

    async def _own_messages(self, outcome: Outcome) -> list[OutgoingMessage]:
        """The messages that go with the message's end; those of other stores are sent now, all of one store
        together."""
        others: dict[QueueStore, list[OutgoingMessage]] = {}
        for store, output in outcome.messages:
            if store is not self._store:
                others.setdefault(store, []).append(output)
        for store, outputs in others.items():
            await store.send(outputs)
        return [output for store, output in outcome.messages if store is self._store]

    async def _own_entities(self, outcome: Outcome) -> list[OutgoingEntity]:
        """The entities that go with the message's end; those of other stores are stored now."""
        for store, entity in outcome.entities:
            if store is not self._store:
                await store.send((), [entity])
        return [entity for store, entity in outcome.entities if store is self._store]

    async def _give_back(self, message: QueueMessage) -> None:
        await self._insist(message, lambda: self._store.release(message, timedelta(0), count=False))

    async def _give_up(self, message: QueueMessage, outcome: Outcome | None) -> None:
        assert self._poison_queue is not None
        log.warning(
            "Message has reached MaxDequeueCount of %d. Moving message to queue '%s'.",
            self._policy.max_dequeue_count,
            self._poison_queue,
        )
        now = self._resources.clock.now()
        await self._store.poison(
            message, poison_message(message, outcome, self._function, self._poison_queue, now)
        )

    async def _insist(self, message: QueueMessage, step: Callable[[], Awaitable[None]]) -> None:
        """Settle in spite of a store that fails for a while; give way when the message is no longer ours."""
        back_off: BackOff | None = None
        while True:
            try:
                await step()
                return
            except ReceiptLost:
                log.info("Message %s of '%s' had been handed to another host.", message.id, self._queue)
                return
            except StoreError as error:
                log.warning("Message %s of '%s' cannot be settled yet: %s", message.id, self._queue, error)
                back_off = back_off or BackOff(timedelta(seconds=5))
                await asyncio.sleep(back_off.next().total_seconds())

    def _failed(self, error: Exception) -> Outcome:
        now = self._resources.clock.now()
        return Outcome(
            status=Status.FAILED,
            function=self._function,
            invocation_id="",
            started=now,
            ended=now,
            error=ErrorInfo(type(error).__name__, str(error)),
        )


def _lines(messages: list[QueueMessage]) -> list[list[QueueMessage]]:
    """What may run at the same time: each message for itself, those of one group as one."""
    lines: dict[str, list[QueueMessage]] = {}
    for place, message in enumerate(messages):
        key = f"#{place}" if message.group is None else f"={message.group}"
        lines.setdefault(key, []).append(message)
    return list(lines.values())
