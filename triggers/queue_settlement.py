"""How deliveries end: completed, released, given back or given up, in spite of a store that fails for a while."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from functools import partial

from ..bindings.counted import counted
from ..bindings.errors import (
    AccessDenied,
    BindingError,
    FunchostError,
    MessageTooLarge,
    QueueMissing,
    ReceiptLost,
    StoreError,
)
from ..bindings.queue import OutgoingMessage, QueueMessage, QueueStore
from ..bindings.table import OutgoingEntity
from .base import CANCELLED, ErrorInfo, Outcome, Resources, Status
from .descriptor import QueuePolicy
from .poison import poison_message, with_failure
from .polling import BackOff
from .replies import CALLBACKS, Replies, Told, without_result
from .trouble import Trouble

#: The category that Azure logs this under is that of the trigger.
log = logging.getLogger("funchost.triggers.queue")


#: Seconds that a settlement is given once the host stops. What is not settled then comes again by itself.
LAST_TRY = 3.0


class Settlement:
    """Settles the messages of one queue for one function. `poison_queue` None means that none is ever given up."""

    def __init__(
        self,
        *,
        function: str,
        queue: str,
        store: QueueStore,
        policy: QueuePolicy,
        poison_queue: str | None,
        resources: Resources,
        replies: Replies | None = None,
        begun: Callable[[], None] = lambda: None,
    ) -> None:
        self.function = function
        self.queue = queue
        self._store = store
        self._policy = policy
        self._poison_queue = poison_queue
        self._resources = resources
        self._replies = replies
        self._begun = begun
        self._trouble = Trouble(resources.report, resources.clock)
        #: Since when each task settles something, on the loop's clock.
        self._settling: dict[asyncio.Task[object] | None, float] = {}

    async def succeed(self, messages: Sequence[QueueMessage], outcome: Outcome) -> None:
        """Complete the messages of one run, be they none, and store what it put out."""
        own = await self._own_messages(outcome)
        entities = await self._own_entities(outcome) if outcome.entities else ()
        if not messages:
            if own or entities:
                await self._store.send(own, entities)
            return

        told = self._replies.to(messages, outcome) if self._replies else ()
        if told:
            await self._telling(messages[0], told, partial(self._complete, messages, outcome, own, entities))
        else:
            await self._complete(messages, outcome, own, entities, ())

    async def fail(self, message: QueueMessage, outcome: Outcome) -> bool:
        """Have it delivered again, or give it up after its last delivery; returns whether it has left the queue."""
        cancelled = outcome.error is not None and outcome.error.type == CANCELLED
        if self._over(message, 0 if cancelled else self._policy.max_dequeue_count):
            await self.give_up(message, outcome)
            return True
        delay, properties = self._policy.visibility_timeout, with_failure(message, outcome)
        await self._insist(message, lambda: self._store.release(message, delay, properties=properties))
        return False

    async def give_back(self, message: QueueMessage) -> None:
        """Have it delivered again at once; this delivery does not count, where the store can do that."""
        await self._insist(message, lambda: self._store.release(message, timedelta(0), count=False))

    async def drop(self, message: QueueMessage) -> None:
        """Complete a message for which there is nothing to run."""
        await self._insist(message, lambda: self._store.complete((message,)))

    @property
    def under_way(self) -> int:
        """How many settlements the store is still to take. `begun` is called whenever there is one more."""
        return len(self._settling)

    def is_over(self, message: QueueMessage) -> bool:
        """Whether it was delivered too often to be run once more: its last run ended without a result."""
        return self._over(message, self._policy.max_dequeue_count + 1)

    async def give_up(self, message: QueueMessage, outcome: Outcome | None = None) -> None:
        """Move it to the poison queue with its reason: the outcome of its last run, or none."""
        queue = self._poison_queue
        assert queue is not None
        if outcome and outcome.error and outcome.error.type == CANCELLED:
            log.warning("Its run was cancelled. Moving message to queue '%s'.", queue)
        else:
            log.warning(
                "Message has reached MaxDequeueCount of %d. Moving message to queue '%s'.",
                self._policy.max_dequeue_count,
                queue,
            )
        poison = poison_message(message, outcome, self.function, queue, self._resources.clock.now())

        told = self._replies.to((message,), outcome) if self._replies else ()
        await self._telling(message, told, partial(self._move, message, poison))

    async def each(self, steps: Iterable[Awaitable[object]]) -> None:
        """Take steps for several messages; what goes wrong with one of them is told, and concerns no other."""
        for result in await asyncio.gather(*steps, return_exceptions=True):
            if isinstance(result, Exception):
                self._resources.report(f"A message of '{self.queue}' could not be settled: {result}")

    def failed(self, error: Exception) -> Outcome:
        """The outcome of a run that did not begin."""
        now = self._resources.clock.now()
        return Outcome(
            status=Status.FAILED,
            function=self.function,
            invocation_id="",
            started=now,
            ended=now,
            error=ErrorInfo(type(error).__name__, str(error)),
        )

    def _over(self, message: QueueMessage, most: int) -> bool:
        """Whether it is ours to give it up now, delivered as often as it was."""
        return message.dequeue_count >= most and bool(self._poison_queue) and not message.redriven

    async def _complete(
        self,
        messages: Sequence[QueueMessage],
        outcome: Outcome,
        own: Sequence[OutgoingMessage],
        entities: Sequence[OutgoingEntity],
        told: Sequence[OutgoingMessage],
    ) -> None:
        step = partial(self._store.complete, messages, [*own, *told], entities)
        if not await self._insist(messages[0], step):
            outcome.status = Status.LOST_LEASE

    async def _move(
        self, message: QueueMessage, poison: OutgoingMessage, told: Sequence[OutgoingMessage]
    ) -> None:
        # Stores of other packages may not know the last argument.
        more = (told,) if told else ()
        await self._insist(message, partial(self._store.poison, message, poison, *more))

    async def _telling(
        self, message: QueueMessage, told: Told, end: Callable[[Sequence[OutgoingMessage]], Awaitable[None]]
    ) -> None:
        """End a message with what its sender is told. That he cannot be told is no reason for the message to stay."""
        for store, answer in told:
            if store is not self._store:
                await self._insist(message, partial(store.send, [answer]))
        own = [answer for store, answer in told if store is self._store]
        problem: FunchostError | None = None
        for answers in (own, [*map(without_result, own)]) if own else ():
            try:
                await end(answers)
                return
            except (BindingError, MessageTooLarge, QueueMissing, AccessDenied) as error:
                problem = problem or error
        await end([answer for answer in own if answer.queue == CALLBACKS])
        if problem:
            self._resources.report(f"A sender of '{self.queue}' could not be answered: {problem}")

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

    async def _insist(self, message: QueueMessage, step: Callable[[], Awaitable[None]]) -> bool:
        """Settle in spite of a store that fails for a while; give way when the message is no longer ours, which gives
        False unless an earlier try may have settled it."""
        task = asyncio.current_task()
        self._settling[task] = asyncio.get_running_loop().time()
        self._begun()
        try:
            return await self._try_on(message, step)
        finally:
            self._settling.pop(task, None)

    async def _try_on(self, message: QueueMessage, step: Callable[[], Awaitable[None]]) -> bool:
        back_off: BackOff | None = None
        ours = True
        while True:
            try:
                await step()
            except StoreError as error:
                self._trouble.came(
                    f"Messages of '{self.queue}' cannot be settled yet, which is tried again: {error}"
                )
                back_off = back_off or BackOff(timedelta(seconds=5))
                await asyncio.sleep(back_off.next().total_seconds())
                continue
            except ReceiptLost:
                ours = back_off is not None
                self._tell_lost(message, tried=ours)
            self._trouble.passed(f"Messages of '{self.queue}' can be settled again.")
            return ours

    def _tell_lost(self, message: QueueMessage, *, tried: bool) -> None:
        seemed = "settled by a try that was reported as failed, or " if tried else ""
        log.info("Message %s of '%s' had been %shanded to another host.", message.id, self.queue, seemed)

    def give_in(self) -> None:
        """Once the host stops, leave what a store does not let be settled: it comes again when its time is up."""
        late = asyncio.get_running_loop().time() - LAST_TRY
        stuck = [task for task, since in self._settling.items() if task and since < late]
        if stuck and self._resources.stopping.is_set():
            log.warning(
                "%s of '%s' could not be settled, and comes again when its time is up.",
                counted(len(stuck), "message"),
                self.queue,
            )
            for task in stuck:
                task.cancel()


def in_groups(messages: Iterable[QueueMessage]) -> list[list[QueueMessage]]:
    """Those of one group together, in their order; each message without a group for itself."""
    groups: dict[str, list[QueueMessage]] = {}
    for place, message in enumerate(messages):
        key = f"#{place}" if message.group is None else f"={message.group}"
        groups.setdefault(key, []).append(message)
    return list(groups.values())
