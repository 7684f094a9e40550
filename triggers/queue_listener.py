"""Receives messages and keeps them invisible while they run; how they run is the matter of a runner."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, Protocol

from ..bindings.errors import FunchostError, QueueMissing
from ..bindings.queue import QueueMessage, QueueStore
from .base import Deliver, Resources
from .descriptor import QueuePolicy
from .polling import BackOff
from .pulse import Demand, Pulse
from .queue_batch import MessageBatches, ToBatch
from .queue_settlement import Settlement, log
from .queue_single import OnOutcome, SingleMessages, ToEvent
from .replies import Replies
from .trouble import Trouble

#: The longest pause after a renewal that failed.
RENEW_AGAIN = timedelta(minutes=1)

#: The longest pause after a poll that failed: so long it may take until a queue is read again that can be.
READ_AGAIN = timedelta(seconds=30)

#: Seconds that a poll takes at most, with all tries that a store makes by itself; one that takes longer hangs.
LONGEST_POLL = 90.0

#: Seconds that a stop waits for a poll when the last one failed; and between two looks at what is still in flight.
FAILING_POLL = 1.0
STOP_LOOK = 1.0


class Runner(Protocol):
    """Runs what was received, and settles it."""

    def lines(self, messages: list[QueueMessage]) -> list[list[QueueMessage]]:
        """What may run at the same time: the messages of a line belong together."""

    def run(self, line: list[QueueMessage], passed: Callable[[], None]) -> Coroutine[Any, Any, object]:
        """Run and settle a line. Takes off it what is settled before the rest, and calls `passed` then."""


class QueueListener:
    """Receives from one queue for one function, and runs at most `batch_size + new_batch_threshold` at a time.

    Beside those, as many as `batch_size` may have run and wait for the store to settle them.

    `to_event` makes the event of a message; when it gives None the message is completed without a run, when it raises
    the delivery counts as failed. `to_batch`, given instead, makes one event of all messages of a receive. At most
    `concurrency` events run at a time. `poison_queue` None means that a message is never given up. `replies` makes what
    senders are told of the end of their messages.
    """

    def __init__(
        self,
        *,
        function: str,
        queue: str,
        store: QueueStore,
        policy: QueuePolicy,
        deliver: Deliver,
        poison_queue: str | None,
        resources: Resources,
        to_event: ToEvent | None = None,
        to_batch: ToBatch | None = None,
        on_outcome: OnOutcome | None = None,
        concurrency: int | None = None,
        replies: Replies | None = None,
    ) -> None:
        self._function = function
        self._queue = queue
        self._store = store
        self._resources = resources
        settlement = Settlement(
            function=function,
            queue=queue,
            store=store,
            policy=policy,
            poison_queue=poison_queue,
            resources=resources,
            replies=replies,
            begun=self._tell_room,
        )
        self._settlement = settlement
        self._runner = _runner(settlement, deliver, to_event, to_batch, on_outcome)
        #: Messages that may be in flight when more are received; of batches, how many may be.
        self._threshold: float = policy.new_batch_threshold
        self._most_batches: float = math.inf
        self._batch_size = policy.batch_size
        #: Messages that may still be settled while others run in their place. Where runs are limited, or made one by
        #: one, there are none: what one run puts out is stored before the next begins.
        in_turn = concurrency is not None or policy.batch_size == 1 or policy.new_batch_threshold == 0
        self._overlap = 0 if in_turn else policy.batch_size
        if concurrency is not None and to_batch:
            self._threshold, self._most_batches = math.inf, concurrency
        elif concurrency is not None:
            self._batch_size = min(self._batch_size, concurrency)
            self._threshold = min(self._threshold, concurrency - self._batch_size)
        self._back_off = BackOff(policy.max_polling_interval)
        self._again = BackOff(min(policy.max_polling_interval, READ_AGAIN))
        self._reading = Trouble(resources.report, resources.clock)
        self._renewing = Trouble(resources.report, resources.clock)
        self._reader = Pulse(f"reading the queue '{queue}'", resources.clock.monotonic, self._demand)
        self._renewer = Pulse(f"renewing messages of '{queue}'", resources.clock.monotonic)
        self._taken = 0
        #: What each task has still to run or to settle: one message, those of a group in their order, or a batch.
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
            self._reader.follow(self._tasks[0])
            self._renewer.follow(self._tasks[1])
            self.state = "listening"

    async def stop(self) -> None:
        if self._tasks and self._stopping is None:
            self._stopping = asyncio.create_task(self._stop(), name=f"stop {self._queue}")
        if self._stopping:
            # Shared by all who ask: to cancel twice would leave behind what was just received.
            await asyncio.shield(self._stopping)

    @property
    def pulses(self) -> tuple[Pulse, ...]:
        """Of receiving and of renewing."""
        return self._reader, self._renewer

    async def _stop(self) -> None:
        listening, renewing = self._tasks
        self._reader.leave()
        self._renewer.leave()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        # Renewal goes on for as long as something is in flight.
        while self._in_flight:
            await asyncio.wait(self._in_flight, timeout=STOP_LOOK)
            self._settlement.give_in()
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        self._tasks = []
        self._stopping = None
        self.state = "stopped"

    # -- receiving

    async def _listen(self) -> None:
        while True:
            while not self._has_room:
                self._room.clear()
                self._reader.step()
                await self._room.wait()
            self._reader.step(LONGEST_POLL)
            try:
                messages = await self._receive()
            except Exception as error:
                self._cannot_read(error)
                self._reader.step()
                await asyncio.sleep(self._again.next().total_seconds())
                continue
            self._can_read()
            self._taken += len(messages)
            if messages:
                self._back_off.reset()
                self._begin(messages)
            else:
                await self._wait(self._back_off.next())

    async def _wait(self, limit: timedelta) -> None:
        self._reader.step(limit.total_seconds() + LONGEST_POLL)
        try:
            await self._store.wait(self._queue, limit)
        except Exception as error:
            # Whether there is something to receive, the next look tells; and if that fails too, why.
            log.debug("The queue '%s' cannot be waited for: %r", self._queue, error)
            await asyncio.sleep(limit.total_seconds())

    async def _receive(self) -> list[QueueMessage]:
        """A batch. A stop in the middle must not lose what was just received: it is given back."""
        receiving = asyncio.ensure_future(self._store.receive(self._queue, self._batch_size))
        try:
            return await asyncio.shield(receiving)
        except asyncio.CancelledError:
            await self._outwait(receiving)
            if not receiving.done():
                receiving.cancel()
            elif not receiving.exception():
                await asyncio.gather(*map(self._settlement.give_back, receiving.result()))
            raise

    async def _outwait(self, poll: asyncio.Future[list[QueueMessage]]) -> None:
        """Wait for a poll that is under way. One that hangs is only waited for as long as this host goes on."""
        limit = FAILING_POLL if self._reading.reason else self._reader.left
        await asyncio.wait({poll}, timeout=limit if limit < math.inf else None)
        if not poll.done() and not self._reading.reason:
            stopping = asyncio.create_task(self._resources.stopping.wait())
            await asyncio.wait((poll, stopping), return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()

    def _cannot_read(self, error: Exception) -> None:
        known = isinstance(error, FunchostError)
        self.state = f"waiting: {error}" if known else f"failing: {error!r}"
        if isinstance(error, QueueMissing):
            self._reading.came(f"{self._function} waits for its queue. {error}", log.info)
            return
        reason = error if known else repr(error)
        self._reading.came(f"The queue '{self._queue}' of {self._function} cannot be read: {reason}")

    def _can_read(self) -> None:
        self.state = "listening"
        self._again.reset()
        self._reading.passed(f"The queue '{self._queue}' of {self._function} can be read again.")

    def _demand(self) -> Demand | None:
        wants = self._has_room and self._reading.reason is None
        return Demand(self._store, self._queue, self._taken) if wants else None

    @property
    def _has_room(self) -> bool:
        # What has run takes no room while the store settles it, so that the next messages come meanwhile; but a
        # store that settles nothing must not be received from for ever.
        settling = min(self._settlement.under_way, self._overlap)
        held = sum(map(len, self._in_flight.values()))
        return held - settling <= self._threshold and len(self._in_flight) < self._most_batches

    def _begin(self, messages: list[QueueMessage]) -> None:
        loop = asyncio.get_running_loop()
        for line in self._runner.lines(messages):
            task: asyncio.Task[Any] = loop.create_task(self._runner.run(line, self._tell_room))
            self._in_flight[task] = line
            task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[Any]) -> None:
        self._in_flight.pop(task, None)
        self._tell_room()
        if not task.cancelled() and task.exception():
            self._resources.report(f"A message of '{self._queue}' could not be settled: {task.exception()}")

    def _tell_room(self) -> None:
        if self._has_room:
            self._room.set()

    async def _renew(self) -> None:
        pause = self._renewal_pause
        while True:
            await asyncio.sleep(pause.total_seconds())
            pause = self._renewal_pause
            messages = [message for line in self._in_flight.values() for message in line]
            if messages:
                try:
                    # One that hangs is tried again, too, before the leases end.
                    async with asyncio.timeout(pause.total_seconds()):
                        await self._store.renew(messages)
                except Exception as error:
                    # Tried again before the leases end.
                    pause = min(RENEW_AGAIN, pause / 2)
                    reason = "there is no answer" if isinstance(error, TimeoutError) else error
                    self._renewing.came(
                        f"Messages of '{self._queue}' could not be renewed, which is tried again: {reason}"
                    )
                else:
                    self._renewing.passed(f"Messages of '{self._queue}' can be renewed again.")

    @property
    def _renewal_pause(self) -> timedelta:
        return self._store.lease_of(self._queue) / 3


def _runner(
    settlement: Settlement,
    deliver: Deliver,
    to_event: ToEvent | None,
    to_batch: ToBatch | None,
    on_outcome: OnOutcome | None,
) -> Runner:
    if to_batch:
        return MessageBatches(settlement, deliver, to_batch)
    assert to_event is not None, "one of the two is given"
    return SingleMessages(settlement, deliver, to_event, on_outcome)
