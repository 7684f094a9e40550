"""Messages run one by one: each is an event of its own, those of one group come one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from ..bindings.queue import QueueMessage
from .base import Deliver, Outcome, Status, TriggerEvent
from .queue_settlement import Settlement, in_groups

#: Turns a message into an event; None means that there is nothing to run any more.
ToEvent = Callable[[QueueMessage], Awaitable[TriggerEvent | None]]

#: Told of each outcome after the message was settled.
OnOutcome = Callable[[QueueMessage, Outcome], Awaitable[None]]


class SingleMessages:
    """Runs a function once for each message."""

    def __init__(
        self, settlement: Settlement, deliver: Deliver, to_event: ToEvent, on_outcome: OnOutcome | None
    ) -> None:
        self._settlement = settlement
        self._deliver = deliver
        self._to_event = to_event
        self._on_outcome = on_outcome

    def lines(self, messages: list[QueueMessage]) -> list[list[QueueMessage]]:
        return in_groups(messages)

    def run(self, line: list[QueueMessage], passed: Callable[[], None]) -> Coroutine[Any, Any, object]:
        return self._process(line[0]) if len(line) == 1 else self._process_in_turn(line, passed)

    async def _process_in_turn(self, line: list[QueueMessage], passed: Callable[[], None]) -> None:
        """Messages of one group. When one stays in the queue, those behind it go back: they must not overtake it."""
        try:
            while line and await self._process(line[0]):
                del line[0]
                passed()
        finally:
            await asyncio.gather(*map(self._settlement.give_back, line[1:]))

    async def _process(self, message: QueueMessage) -> bool:
        """Run and settle it; returns whether it has left the queue."""
        if self._settlement.is_over(message):
            await self._settlement.give_up(message)
            return True
        try:
            event = await self._to_event(message)
        except Exception as error:
            return await self._settlement.fail(message, self._settlement.failed(error))
        if event is None:
            await self._settlement.drop(message)
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
            await self._settlement.succeed((message,), outcome)
            return True
        if outcome.status is Status.INTERRUPTED:
            await self._settlement.give_back(message)
            return False
        return await self._settlement.fail(message, outcome)
