"""The calls on one queue of SQS: found by its name, in batches, with what fails in part tried again."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ..clock import Clock, new_id
from ..errors import AccessDenied, FunchostError, QueueMissing, StoreError
from .batching import MOST_ENTRIES, Batcher
from .errors import Unprocessed, failure_of
from .session import AwsSession
from .sqs_limits import size_of

log = logging.getLogger("funchost.bindings.sqs")

#: Seconds for which what a queue says of itself is believed.
BELIEVED = 300.0

#: Seconds before what failed within a batch is tried again.
PAUSES = (0.1, 0.5, 1.0)

#: How long a message is hidden when it is received: as long as its queue says, within these bounds. It is renewed
#: long before, so a longer time only keeps others waiting when a host dies.
SHORTEST_LEASE = timedelta(seconds=30)
LONGEST_LEASE = timedelta(minutes=5)

_ASKED = [
    "MaximumMessageSize",
    "VisibilityTimeout",
    "MessageRetentionPeriod",
    "RedrivePolicy",
]
_COUNTS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFacts:
    """What a queue says of itself."""

    url: str
    #: Bytes.
    max_size: int = 1024 * 1024
    lease: timedelta = SHORTEST_LEASE
    retention: timedelta = timedelta(days=4)
    #: Whether SQS itself moves a message to another queue after too many deliveries.
    redriven: bool = False


class QueueClient:
    """One queue, by its name on SQS. Raises `QueueMissing`, `AccessDenied` and `StoreError`; all of them heal."""

    def __init__(self, session: AwsSession, name: str, clock: Clock, *, may_create: bool) -> None:
        self.name = name
        self._may_create = may_create
        self.fifo = name.endswith(".fifo")
        self._session = session
        self._clock = clock
        self._facts: QueueFacts | None = None
        self._asked_at = 0.0
        self._asking = asyncio.Lock()
        #: How often the queue was asked, and why it did not answer the last time.
        self._asked = 0
        self._unanswered: StoreError | None = None
        self._attempt = new_id()
        self._sends = Batcher[dict[str, Any]](self._send, weigh=size_of, in_order=self.fifo)
        self._deletes = Batcher[str](self._delete)
        self._changes = Batcher[tuple[str, int]](self._change)

    @property
    def lease(self) -> timedelta:
        """How long a message is hidden when it is received, as far as that is known yet."""
        return self._facts.lease if self._facts else SHORTEST_LEASE

    async def facts(self, *, create: bool = False) -> QueueFacts:
        """What the queue says of itself, asked anew every few minutes. With `create` it is made when missing.

        While it cannot be asked, what it said before goes on to count.
        """
        asked = self._asked
        async with self._asking:
            now = self._clock.monotonic()
            if self._facts is None and self._unanswered and asked != self._asked:
                raise self._unanswered  # it was asked while this one waited
            if self._facts is None or now - self._asked_at > BELIEVED:
                self._facts = await self._ask_again(create)
                self._asked_at = now
            return self._facts

    async def _ask_again(self, create: bool) -> QueueFacts:
        self._unanswered = None
        known = self._facts
        try:
            return await self._ask(create)
        except StoreError as error:
            self._unanswered = error
            if known is None:
                raise
            return known
        except AccessDenied:
            if known is None:
                raise
            return known
        finally:
            self._asked += 1

    async def receive(self, limit: int, visibility: int, wait: int) -> list[dict[str, Any]]:
        """Up to ten messages, as SQS delivers them; `visibility` and `wait` are seconds."""
        more = {"ReceiveRequestAttemptId": self._attempt} if self.fifo else {}
        answer = await self._call(
            self._session.long_call,
            "receive_message",
            MaxNumberOfMessages=min(limit, MOST_ENTRIES),
            VisibilityTimeout=visibility,
            WaitTimeSeconds=wait,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
            **more,
        )
        # Kept over a failure: SQS then gives the messages of an answer that was lost once more.
        self._attempt = new_id()
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    async def send(self, entries: Sequence[dict[str, Any]]) -> None:
        """Send all entries. Raises what went wrong with the first of those that were not taken."""
        await all_done(self._sends.put(entry) for entry in entries)

    async def delete(self, handle: str) -> None:
        """Delete a message by its receipt handle. Raises `ReceiptLost` where SQS says so."""
        await self._deletes.put(handle)

    async def hide(self, handle: str, seconds: int) -> None:
        """Make a message visible after `seconds` from now. Raises `ReceiptLost` where SQS says so."""
        await self._changes.put((handle, seconds))

    async def purge(self) -> None:
        """Have SQS delete all messages, those in flight included; it takes up to a minute for that."""
        await self._call(self._session.call, "purge_queue")

    async def counts(self) -> tuple[int, int, int]:
        """About how many messages are visible, delayed and in flight."""
        told = await self._call(self._session.call, "get_queue_attributes", AttributeNames=list(_COUNTS))
        visible, delayed, in_flight = (int(told.get("Attributes", {}).get(name, 0)) for name in _COUNTS)
        return visible, delayed, in_flight

    async def _send(self, entries: Sequence[dict[str, Any]]) -> Sequence[Exception | None]:
        return await self._in_batch("send_message_batch", entries)

    async def _delete(self, handles: Sequence[str]) -> Sequence[Exception | None]:
        return await self._in_batch("delete_message_batch", [{"ReceiptHandle": handle} for handle in handles])

    async def _change(self, changes: Sequence[tuple[str, int]]) -> Sequence[Exception | None]:
        entries = [{"ReceiptHandle": handle, "VisibilityTimeout": seconds} for handle, seconds in changes]
        return await self._in_batch("change_message_visibility_batch", entries)

    async def _in_batch(
        self, operation: str, entries: Sequence[Mapping[str, Any]]
    ) -> Sequence[FunchostError | None]:
        """One call; what failed by no fault of ours is tried again. Gives what went wrong with each in the end."""
        results: list[FunchostError | None] = [None] * len(entries)
        left = list(range(len(entries)))
        for pause in (0.0, *PAUSES):
            await asyncio.sleep(pause)
            failures = await self._try(operation, {place: entries[place] for place in left})
            for place in left:
                results[place] = failures.get(place)
            left = [place for place, failure in failures.items() if isinstance(failure, Unprocessed)]
            if not left:
                break
        return results

    async def _try(
        self, operation: str, entries: Mapping[int, Mapping[str, Any]]
    ) -> dict[int, FunchostError]:
        """What went wrong with which entry."""
        batch = [{**entry, "Id": str(place)} for place, entry in entries.items()]
        try:
            answer = await self._call(self._session.call, operation, Entries=batch)
        except FunchostError as error:
            return dict.fromkeys(entries, error)
        return {int(failed["Id"]): failure_of(failed, self.name) for failed in answer.get("Failed", ())}

    async def _call(self, call: Any, operation: str, **arguments: Any) -> dict[str, Any]:
        # What is in flight is settled by what is known, however old that is.
        facts = self._facts or await self.facts()
        try:
            answer: dict[str, Any] = await call("sqs", operation, QueueUrl=facts.url, **arguments)
        except QueueMissing as error:
            self._facts = None
            raise self._missing() from error
        return answer

    async def _ask(self, create: bool) -> QueueFacts:
        try:
            found = await self._session.call("sqs", "get_queue_url", QueueName=self.name)
        except QueueMissing as error:
            self._facts = None
            if not (create and self._may_create):
                raise self._missing() from error
            attributes = {"FifoQueue": "true"} if self.fifo else {}
            found = await self._session.call(
                "sqs", "create_queue", QueueName=self.name, Attributes=attributes
            )
        try:
            told = await self._session.call(
                "sqs", "get_queue_attributes", QueueUrl=found["QueueUrl"], AttributeNames=_ASKED
            )
        except AccessDenied:
            # Whoever only sends may do without that permission; SQS then checks sizes itself.
            return QueueFacts(url=found["QueueUrl"])
        return self._read(found["QueueUrl"], told.get("Attributes", {}))

    def _read(self, url: str, told: Mapping[str, str]) -> QueueFacts:
        visibility = timedelta(seconds=int(told.get("VisibilityTimeout", 30)))
        redrive = json.loads(told.get("RedrivePolicy") or "{}")
        if redrive and not (self._facts and self._facts.redriven):
            log.info(
                "The queue '%s' has a redrive policy: SQS gives a message up after %s deliveries. The maxDequeueCount "
                "and the poison queue of functions do not count for it.",
                self.name,
                redrive.get("maxReceiveCount"),
            )
        return QueueFacts(
            url=url,
            max_size=int(told.get("MaximumMessageSize", 1024 * 1024)),
            lease=min(max(visibility, SHORTEST_LEASE), LONGEST_LEASE),
            retention=timedelta(seconds=int(told.get("MessageRetentionPeriod", 345_600))),
            redriven=bool(redrive),
        )

    def _missing(self) -> QueueMissing:
        settings = self._session.settings
        return QueueMissing(
            f"There is no queue '{self.name}' at {settings.place} (connection '{settings.name}'). Create it, check "
            f"region and account, or let the host make it with {settings.name}__createQueues=true."
        )


async def all_done(steps: Iterable[Awaitable[None]]) -> None:
    """Wait for all of them, then raise the first error."""
    for result in await asyncio.gather(*steps, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
