"""Messages on SQS that wait for people: received to be looked at, sent and then deleted to be moved."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from ..parked import ReceivedMessages
from .sqs_client import QueueClient

if TYPE_CHECKING:
    from .sqs_queue import SqsQueues

#: How long one call waits for messages: those that were just sent are not on all of SQS's servers at once.
WAIT = timedelta(seconds=1)


class SqsParked(ReceivedMessages):
    """`Parked` on SQS.

    A kill between sending and deleting leaves a message in both queues; none is lost. Of a FIFO group no more than
    one batch is seen while it is held.
    """

    def __init__(
        self,
        queues: SqsQueues,
        client: Callable[[str], QueueClient],
        names: Callable[[], Awaitable[list[str]]],
        poll: timedelta,
    ) -> None:
        """`poll` is the longest that one call may wait."""
        wait = min(WAIT, poll)
        super().__init__(queues, lambda queue, limit, lease: queues.receive(queue, limit, lease, poll=wait))
        self._client = client
        self._names = names

    async def names(self) -> list[str]:
        return sorted(await self._names())

    async def clear(self, queue: str) -> int:
        """SQS takes up to a minute for that, and removes what is in flight as well. The number is about right."""
        client = self._client(queue)
        visible, delayed, in_flight = await client.counts()
        await client.purge()
        return visible + delayed + in_flight
