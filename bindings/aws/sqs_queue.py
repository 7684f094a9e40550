"""Queues on SQS, standard and FIFO, behind the same protocol as the embedded ones.

SQS cannot do in one step what the embedded store does in a transaction: outputs are sent first and the message is
deleted then, so that a crash between the two repeats rather than loses. Nor does it take a delivery back: each one
counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from ..clock import Clock, SystemClock, from_milliseconds
from ..errors import (
    AccessDenied,
    BindingError,
    FunchostError,
    MessageTooLarge,
    QueueMissing,
    ReceiptLost,
    StoreError,
)
from ..ordering import DEFAULT_PRIORITY
from ..queue import OutgoingMessage, PeekedMessage, QueueDepth, QueueMessage
from ..table import OutgoingEntity
from .session import AwsSession
from .sqs_client import QueueClient, QueueFacts, all_done
from .sqs_limits import LONGEST_VISIBILITY, check_size
from .sqs_memory import PropertiesMemory
from .sqs_message import Content, content_of, entry_of, shortened
from .sqs_peek import WAIT, peek

if TYPE_CHECKING:
    from .sqs_parked import SqsParked

log = logging.getLogger("funchost.bindings.sqs")

#: The longest name of a queue.
LONGEST_NAME = 80

#: How long one call waits for messages. A stop waits for it too: it cannot be broken off without losing what SQS
#: has just assigned.
POLL = timedelta(seconds=10)

#: The same where another endpoint is set: an emulator, which charges nothing and whose user wants it to stop soon.
EMULATOR_POLL = timedelta(seconds=2)

#: A poll that came back empty sooner than this, in seconds, is followed by a pause as long.
SHORT_POLL = 1.0

#: Seconds that a message is left before the end of the 12 hours for which one can be kept hidden.
MARGIN = 60


class Receipt(NamedTuple):
    """Which delivery of a message."""

    handle: str
    #: When it was received, on the clock that never steps.
    received: float

    def __str__(self) -> str:
        return self.handle


@dataclass(slots=True)
class _Delivery:
    """What is known here of a delivery while it is in flight."""

    receipt: Receipt
    #: Until when it is hidden, on the clock that never steps.
    until: float
    #: SQS has said that it is somebody else's by now.
    lost: bool = False
    #: What its run put out is sent already; only the deletion is left.
    outputs_sent: bool = False


class SqsQueues:
    """`QueueStore` on SQS."""

    def __init__(
        self,
        session: AwsSession,
        clock: Clock | None = None,
        *,
        poll: timedelta | None = None,
        own_prefix: str | None = None,
    ) -> None:
        """`poll` is how long `receive` waits for a message; zero does not wait.

        With `own_prefix`, which then stands before their names, they are queues that nobody but hosts uses: made
        when they are missing, by sending and by receiving.
        """
        self._session = session
        self._clock = clock or SystemClock()
        settings = session.settings
        usual = EMULATOR_POLL if settings.endpoint_url else POLL
        self._poll = usual if poll is None else poll
        self._own = own_prefix is not None
        self._may_create = self._own or settings.create_queues
        self._prefix = settings.queue_prefix if own_prefix is None else own_prefix
        self._clients: dict[str, QueueClient] = {}
        self._deliveries: dict[tuple[str, str], _Delivery] = {}
        self._released = PropertiesMemory()
        #: Queues whose last poll waited for messages as long as it was to.
        self._waited: set[str] = set()
        #: Queues whose last poll failed.
        self._failed: set[str] = set()
        #: Queues that messages with a priority were sent to, which has been told.
        self._ranked: set[str] = set()

    # -- sending

    async def send(
        self, messages: Sequence[OutgoingMessage], entities: Sequence[OutgoingEntity] = ()
    ) -> None:
        _refuse(entities)
        if not messages:
            return
        # All are checked before the first one goes.
        entries = [(message.queue, await self._entry(message)) for message in messages]
        queues = dict.fromkeys(queue for queue, _ in entries)
        await all_done(
            self._client(queue).send([entry for other, entry in entries if other == queue])
            for queue in queues
        )

    async def _entry(self, message: OutgoingMessage, deduplication_id: str | None = None) -> dict[str, Any]:
        client = self._client(message.queue)
        facts = await client.facts(create=True)
        if message.priority != DEFAULT_PRIORITY:
            self._tell_no_priority(message)
        now = self._clock.now()
        entry = entry_of(message, now, fifo=client.fifo, deduplication_id=deduplication_id)
        check_size(client.name, entry, facts.max_size)
        return entry

    def _tell_no_priority(self, message: OutgoingMessage) -> None:
        if message.queue not in self._ranked:
            self._ranked.add(message.queue)
            log.warning(
                "SQS knows no priorities: messages of '%s' come as if the priority %d had not been given. Use a queue "
                "for each priority, or the embedded store. This is told once.",
                message.queue,
                message.priority,
            )

    # -- receiving

    def lease_of(self, queue: str) -> timedelta:
        return self._client(queue).lease

    async def receive(
        self, queue: str, limit: int, lease: timedelta | None = None, *, poll: timedelta | None = None
    ) -> list[QueueMessage]:
        try:
            messages = await self._receive(queue, limit, lease, self._poll if poll is None else poll)
        except FunchostError:
            self._failed.add(queue)
            raise
        self._failed.discard(queue)
        return messages

    async def _receive(
        self, queue: str, limit: int, lease: timedelta | None, usual: timedelta
    ) -> list[QueueMessage]:
        client = self._client(queue)
        facts = await client.facts(create=self._own)
        seconds = min(math.ceil((lease or facts.lease).total_seconds()), LONGEST_VISIBILITY)
        # After a failure the first poll does not wait for messages: that it works again is to show at once.
        poll = timedelta(0) if queue in self._failed else usual
        began = self._clock.monotonic()
        found = await client.receive(limit, seconds, int(poll.total_seconds()))
        now = self._clock.monotonic()
        if found or now - began >= SHORT_POLL:
            self._waited.add(queue)
        else:
            self._waited.discard(queue)
        over: list[dict[str, Any]] = []
        messages: list[QueueMessage] = []
        for one in found:
            content = content_of(one, fifo=client.fifo)
            if content.expires_at and content.expires_at <= self._clock.now():
                over.append(one)
            else:
                messages.append(self._delivered(queue, one, content, facts, now + seconds))
        # What cannot be deleted now comes again, and is passed over again.
        await asyncio.gather(*(client.delete(one["ReceiptHandle"]) for one in over), return_exceptions=True)
        return messages

    async def wait(self, queue: str, limit: timedelta) -> None:
        # Receiving has waited already. This only keeps from asking again and again what answers nothing at once.
        pause = 0.0 if queue in self._waited else SHORT_POLL
        await asyncio.sleep(min(pause, max(limit.total_seconds(), 0.0)))

    def _delivered(
        self, queue: str, received: dict[str, Any], content: Content, facts: QueueFacts, until: float
    ) -> QueueMessage:
        told = received["Attributes"]
        now = self._clock.monotonic()
        receipt = Receipt(received["ReceiptHandle"], now)
        self._deliveries[queue, received["MessageId"]] = _Delivery(receipt, until)
        inserted_at = from_milliseconds(int(told["SentTimestamp"]))
        released = self._released.take(queue, received["MessageId"])
        return QueueMessage(
            queue=queue,
            id=received["MessageId"],
            body=content.body,
            receipt=receipt,
            dequeue_count=int(told["ApproximateReceiveCount"]),
            inserted_at=inserted_at,
            expires_at=content.expires_at or inserted_at + facts.retention,
            next_visible_at=self._clock.now() + timedelta(seconds=until - now),
            first_received_at=from_milliseconds(int(told["ApproximateFirstReceiveTimestamp"])),
            properties=released or content.properties,
            group=content.group,
            priority=content.priority,
            dedup_id=content.dedup_id,
            redriven=facts.redriven,
        )

    # -- settling

    async def renew(self, messages: Sequence[QueueMessage], lease: timedelta | None = None) -> None:
        await all_done(self._renew(message, lease) for message in messages)

    async def _renew(self, message: QueueMessage, lease: timedelta | None) -> None:
        delivery = self._deliveries.get((message.queue, message.id))
        if delivery is None or delivery.receipt != message.receipt or delivery.lost:
            return
        seconds = self._hideable(message, lease or self.lease_of(message.queue))
        if seconds <= 0:
            log.warning(
                "Message %s of '%s' runs for 12 hours: SQS delivers it anew.", message.id, message.queue
            )
            delivery.lost = True
            return
        until = self._clock.monotonic() + seconds
        try:
            await self._client(message.queue).hide(message.receipt.handle, seconds)
            delivery.until = until
        except (ReceiptLost, BindingError, QueueMissing):
            delivery.lost = True
            log.warning("Message %s of '%s' is not this host's any more.", message.id, message.queue)

    async def complete(
        self,
        messages: Sequence[QueueMessage],
        outputs: Sequence[OutgoingMessage] = (),
        entities: Sequence[OutgoingEntity] = (),
    ) -> None:
        deliveries = self._still_in_flight(messages)
        _refuse(entities)
        if not any(delivery.outputs_sent for _, delivery in deliveries):
            await self.send(outputs)
            for _, delivery in deliveries:
                delivery.outputs_sent = True
        deletions = (self._delete(message) for message, _ in deliveries)
        results = await asyncio.gather(*deletions, return_exceptions=True)
        errors = [result for result in results if isinstance(result, BaseException)]
        # Another error goes before: those that it concerns are to be tried again.
        grave = [error for error in errors if not isinstance(error, ReceiptLost)]
        if grave or len(errors) == len(deliveries):
            raise (grave or errors)[0]

    async def poison(
        self, message: QueueMessage, poison: OutgoingMessage, outputs: Sequence[OutgoingMessage] = ()
    ) -> None:
        delivery = self._in_flight(message)
        if not delivery.outputs_sent:
            # The same id however often it is tried: on a FIFO queue it then arrives once.
            entry = await self._fitting(poison, message.id)
            await self.send(outputs)
            await self._client(poison.queue).send([entry])
            delivery.outputs_sent = True
        await self._delete(message)

    async def release(
        self,
        message: QueueMessage,
        delay: timedelta,
        *,
        count: bool = True,
        properties: dict[str, Any] | None = None,
    ) -> None:
        self._in_flight(message)
        seconds = max(self._hideable(message, delay), 0)
        await self._settle(message, self._client(message.queue).hide(message.receipt.handle, seconds))
        self._released.note(message.queue, message.id, properties or message.properties)

    async def _fitting(self, poison: OutgoingMessage, deduplication_id: str) -> dict[str, Any]:
        problem: MessageTooLarge | None = None
        for attempt in shortened(poison):
            try:
                return await self._entry(attempt, deduplication_id)
            except MessageTooLarge as error:
                problem = error
        assert problem is not None
        raise problem

    async def _delete(self, message: QueueMessage) -> None:
        await self._settle(message, self._client(message.queue).delete(message.receipt.handle))

    async def _settle(self, message: QueueMessage, step: Any) -> None:
        """Do the last step; afterwards the delivery is over, unless the step may be tried again."""
        try:
            await step
        except (ReceiptLost, QueueMissing, BindingError) as error:
            self._deliveries.pop((message.queue, message.id), None)
            raise ReceiptLost from error
        except AccessDenied as error:
            # What was run must not be run anew: it is tried until the right is granted.
            raise StoreError(str(error)) from error
        self._deliveries.pop((message.queue, message.id), None)

    def _still_in_flight(self, messages: Sequence[QueueMessage]) -> list[tuple[QueueMessage, _Delivery]]:
        """Those that can still be settled. Raises `ReceiptLost` when none of them can."""
        found: list[tuple[QueueMessage, _Delivery]] = []
        for message in messages:
            with contextlib.suppress(ReceiptLost):
                found.append((message, self._in_flight(message)))
        if not found:
            raise ReceiptLost
        return found

    def _in_flight(self, message: QueueMessage) -> _Delivery:
        """The delivery. Raises `ReceiptLost` when it is over, and on a FIFO queue also when its time was: SQS then
        takes no settlement any more, while a standard queue does if nobody else got the message."""
        delivery = self._deliveries.get((message.queue, message.id))
        if delivery is None or delivery.receipt != message.receipt:
            raise ReceiptLost
        late = delivery.lost or self._clock.monotonic() > delivery.until
        if late and self._client(message.queue).fifo:
            raise ReceiptLost
        return delivery

    def _hideable(self, message: QueueMessage, wanted: timedelta) -> int:
        """The seconds for which it may be hidden: as wanted, but for 12 hours in all."""
        hidden = self._clock.monotonic() - message.receipt.received
        return min(math.ceil(wanted.total_seconds()), int(LONGEST_VISIBILITY - MARGIN - hidden))

    # -- looking

    async def peek(self, queue: str, limit: int) -> list[PeekedMessage]:
        """Only those that are visible, each of which has been delivered once more by that."""
        wait = min(WAIT, int(self._poll.total_seconds()))
        return await peek(self._client(queue), queue, limit, self._clock, wait)

    def parked(self) -> SqsParked:
        """The messages as people handle them one by one."""
        from .sqs_parked import SqsParked  # hosts do not need it

        return SqsParked(self, self._client, self._names, self._poll)

    async def depths(self) -> list[QueueDepth]:
        """Approximate, as SQS counts; it does not tell the age of the oldest message."""
        names = await self._names()
        return [await self._depth(name) for name in sorted(names)]

    async def _names(self) -> list[str]:
        names: list[str] = []
        page: dict[str, Any] = {"QueueNamePrefix": self._prefix} if self._prefix else {}
        while True:
            answer = await self._session.call("sqs", "list_queues", MaxResults=1000, **page)
            names += [
                url.rpartition("/")[2].removeprefix(self._prefix) for url in answer.get("QueueUrls", ())
            ]
            if "NextToken" not in answer:
                return names
            page["NextToken"] = answer["NextToken"]

    async def _depth(self, queue: str) -> QueueDepth:
        visible, delayed, in_flight = await self._client(queue).counts()
        return QueueDepth(queue=queue, visible=visible, delayed=delayed, in_flight=in_flight, oldest=None)

    def _client(self, queue: str) -> QueueClient:
        client = self._clients.get(queue)
        if client is None:
            name = _shortened(self._prefix + queue) if self._own else self._prefix + queue
            client = QueueClient(self._session, name, self._clock, may_create=self._may_create)
            self._clients[queue] = client
        return client


def _shortened(name: str) -> str:
    """A name that SQS takes, and that no other name is shortened to."""
    if len(name) <= LONGEST_NAME:
        return name
    mark = sha256(name.encode()).hexdigest()[:12]
    return f"{name[: LONGEST_NAME - len(mark) - 1]}-{mark}"


def _refuse(entities: Iterable[OutgoingEntity]) -> None:
    if any(True for _ in entities):
        raise BindingError("There are no tables behind a connection to AWS: SQS keeps queues alone.")
