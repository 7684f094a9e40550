"""Messages run as batches: all that one receive brought is one event, and yet each message has its own end."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from ..bindings.clock import new_id
from ..bindings.queue import QueueMessage
from .base import Deliver, Outcome, Status, TriggerEvent
from .batch_failures import failed_ids, reported
from .queue_settlement import Settlement, in_groups, log

#: Turns the messages of one receive into an event.
ToBatch = Callable[[Sequence[QueueMessage]], TriggerEvent]


class MessageBatches:
    """Runs a function once for all messages of a receive."""

    def __init__(self, settlement: Settlement, deliver: Deliver, to_event: ToBatch) -> None:
        self._settlement = settlement
        self._deliver = deliver
        self._to_event = to_event

    def lines(self, messages: list[QueueMessage]) -> list[list[QueueMessage]]:
        return [messages]

    def run(self, line: list[QueueMessage], passed: Callable[[], None]) -> Coroutine[Any, Any, object]:
        return self._process(line)

    async def _process(self, line: list[QueueMessage]) -> None:
        """Run the batch and settle it; `line` keeps what is not settled yet."""
        over = [message for message in line if self._settlement.is_over(message)]
        if over:
            await self._settlement.each(map(self._settlement.give_up, over))
            line[:] = [message for message in line if not self._settlement.is_over(message)]
        if line:
            event = self._to_event(line)
            event.settle = partial(self._settle, line)
            await self._deliver(event)

    async def _settle(self, line: list[QueueMessage], outcome: Outcome) -> None:
        """Decide the end of each message. Raises for a report of failures that cannot be understood, and for outputs
        that cannot be stored; nothing has happened then."""
        if outcome.succeeded:
            failed = failed_ids(outcome, {message.id for message in line})
            await self._settlement.succeed([one for one in line if one.id not in failed], outcome)
            self._tell(failed, len(line))
            line[:] = [message for message in line if message.id in failed]
            outcome = reported(outcome)
        if outcome.status is Status.INTERRUPTED:
            await self._settlement.each(map(self._settlement.give_back, line))
        else:
            await self._settlement.each(self._fail(group, outcome) for group in in_groups(line))

    async def _fail(self, group: list[QueueMessage], outcome: Outcome) -> None:
        """Failed messages of one group. When one stays in the queue, those behind it wait for it: their turn has not
        come, so that it is not held against them."""
        behind = list(group)
        try:
            while behind and await self._settlement.fail(behind.pop(0), outcome):
                pass
        finally:
            await self._settlement.each(map(self._settlement.give_back, behind))

    def _tell(self, failed: set[str], count: int) -> None:
        if failed:
            log.warning(
                "%s reports %d of %d messages of '%s' as failed: %s",
                self._settlement.function,
                len(failed),
                count,
                self._settlement.queue,
                ", ".join(sorted(failed)),
            )


def batch_event(bodies: Sequence[bytes], metadata: Sequence[Mapping[str, Any]]) -> TriggerEvent:
    """The event of several messages. What is known of each becomes an array: of ``id`` there is ``idArray``."""
    names = metadata[0] if metadata else ()
    return TriggerEvent(
        kind="queue",
        body=b"".join(bodies),
        data={"sizes": [len(body) for body in bodies]},
        metadata={f"{name}Array": [each[name] for each in metadata] for name in names},
    )


def batch_by_hand(data: bytes) -> TriggerEvent:
    """The event for a run by hand: each element of a JSON array is a message, anything else is the only one."""
    bodies = _elements(data)
    return batch_event(bodies, [{"id": new_id(), "dequeueCount": 1} for _ in bodies])


def batch_details(messages: Sequence[QueueMessage]) -> dict[str, object]:
    """What the log shows of a batch."""
    return {"Count": len(messages), "MessageIds": " ".join(message.id for message in messages)}


def shared(messages: Sequence[QueueMessage], name: str) -> Any:
    """A property that all of them have in common; None where they differ."""
    first, *others = (message.properties.get(name) for message in messages)
    return first if all(other == first for other in others) else None


def _elements(data: bytes) -> list[bytes]:
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [data]
    if not isinstance(value, list):
        return [data]
    return [one.encode() if isinstance(one, str) else msgspec.json.encode(one) for one in value]
