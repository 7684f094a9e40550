"""Notifications of changed blobs: one receiver for each queue that brings them, shared by all functions that name it.

A message is completed once every version that it tells of is on the internal queues of the functions that want it;
what cannot be recorded now comes again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from ..bindings.blob import NotifyingBlobs
from ..bindings.clock import Clock
from ..bindings.errors import BindingError, FunchostError, QueueMissing, ReceiptLost, StoreError
from ..bindings.queue import OutgoingMessage, QueueMessage, QueueStore
from .polling import BackOff
from .pulse import Pulse
from .subscriptions import Place, Subscriber, Subscriptions, later
from .trouble import Trouble

log = logging.getLogger("funchost.triggers.blob")

#: Messages taken by one call, and held here at most.
BATCH = 10
MOST = 100

#: Seconds without a subscriber coming or going before messages are received: whoever is just starting, or is made
#: anew, must not miss what is completed for others.
SETTLE = 1.0

#: The longest pause after a poll that failed, and the seconds that a stop then waits for the next one.
READ_AGAIN = timedelta(seconds=30)
FAILING_POLL = 1.0

#: The longest pause, in seconds, before a message that could not be recorded comes again.
LONGEST_DELAY = 300

#: Kinds of messages that were told of and are passed over in silence from then on.
_KINDS = 100

#: Bytes of a body that the log shows.
_SHOWN = 200

#: Ends what `Notifications.add` began.
Remove = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationQueue:
    """A queue that brings notifications."""

    name: str
    store: QueueStore
    #: Where a message goes that is no notification; None: it is dropped.
    poison: str | None
    #: Tells people what keeps it from being read.
    report: Callable[[str], None]
    clock: Clock


class Notifications:
    """The receivers of a host, each while anybody wants what it receives."""

    def __init__(self, settle: float = SETTLE) -> None:
        self._settle = settle
        self._receivers: dict[str, Receiver] = {}

    def add(
        self, subscriber: Subscriber, blobs: NotifyingBlobs, queue: NotificationQueue
    ) -> tuple[Receiver, Remove]:
        """Tell `subscriber` of the changes of `blobs` that `queue` brings; returns what receives them, and what
        ends that."""
        key = blobs.notification_queue(queue.name)
        receiver = self._receivers.get(key)
        if receiver is None:
            receiver = self._receivers[key] = Receiver(queue, self._settle)
        receiver.subscriptions.add(subscriber, blobs)
        receiver.start()

        async def remove() -> None:
            receiver.subscriptions.remove(subscriber)
            if not receiver.subscriptions:
                if self._receivers.get(key) is receiver:
                    del self._receivers[key]
                await receiver.stop()

        return receiver, remove


class Receiver:
    """Receives the messages of one queue and settles them once all subscribers were told what they mean."""

    def __init__(self, queue: NotificationQueue, settle: float) -> None:
        self._queue = queue
        self._store = queue.store
        self._settle = settle
        self.subscriptions = Subscriptions()
        self._held: list[QueueMessage] = []
        #: When a subscriber had last come or gone as what is held was received.
        self._since = 0.0
        self.pulse = Pulse(f"receiving notifications from '{queue.name}'", queue.clock.monotonic)
        self._listening: asyncio.Task[None] | None = None
        self._handling: asyncio.Task[None] | None = None
        self._passed: set[str] = set()
        self._reading = _Hitch(queue, "read")
        self._recording = _Hitch(queue, "recorded")

    @property
    def trouble(self) -> str | None:
        """What keeps notifications from being read or recorded, for people; None when nothing does."""
        return self._reading.state or self._recording.state

    def start(self) -> None:
        """Receive, unless it does so already."""
        if self._listening is None or self._listening.done():
            self._listening = asyncio.create_task(self._listen(), name=f"notifications {self._queue.name}")
            self.pulse.follow(self._listening)

    async def stop(self) -> None:
        """Receive no more; what was received and is not handled yet goes back."""
        self.pulse.leave()
        if self._listening:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        if self._handling:
            await asyncio.gather(self._handling, return_exceptions=True)

    # -- receiving

    async def _listen(self) -> None:
        empty, failed = BackOff(timedelta(minutes=1)), BackOff(READ_AGAIN)
        while True:
            since = await self._settled()
            try:
                messages = await self._receive()
                self._reading.passed()
                failed.reset()
                if not messages:
                    await self._store.wait(self._queue.name, empty.next())
            except Exception as error:
                self._reading.came(error)
                await asyncio.sleep(failed.next().total_seconds())
                continue
            if messages:
                empty.reset()
                self._since = since
                await self._hand_on(messages)

    async def _settled(self) -> float:
        """Wait until nobody has come or gone for a while; returns when somebody last did."""
        loop = asyncio.get_running_loop()
        while True:
            left = self.subscriptions.changed + self._settle - loop.time()
            if left <= 0:
                return self.subscriptions.changed
            await asyncio.sleep(left)

    async def _receive(self) -> list[QueueMessage]:
        """Some messages. A stop in the middle must not lose what was just received: it is given back."""
        receiving = asyncio.ensure_future(self._store.receive(self._queue.name, BATCH))
        try:
            return await asyncio.shield(receiving)
        except asyncio.CancelledError:
            await asyncio.wait({receiving}, timeout=FAILING_POLL if self._reading.state else None)
            if not receiving.done():
                receiving.cancel()
            elif not receiving.exception():
                await self._give_back(receiving.result())
            raise

    async def _hand_on(self, messages: list[QueueMessage]) -> None:
        """Have them handled while the next are received: under backlog many at a time, which costs less."""
        self._held += messages
        if self._handling is None or self._handling.done():
            self._handling = asyncio.create_task(self._handle_held(), name=f"notified {self._queue.name}")
        if len(self._held) >= MOST:
            await asyncio.shield(self._handling)

    # -- handling

    async def _handle_held(self) -> None:
        while self._held:
            messages, self._held = self._held, []
            try:
                await self._handle(messages)
            except Exception as error:
                # They come again when their time is up.
                self._recording.came(error)

    async def _handle(self, messages: Sequence[QueueMessage]) -> None:
        wanted: list[tuple[QueueMessage, dict[Place, str]]] = []
        places: dict[Place, str] = {}
        for message in messages:
            try:
                found, others = self.subscriptions.read(message.body)
            except BindingError as error:
                await self._refuse(message, error)
                continue
            self._pass_over(others)
            wanted.append((message, found))
            for place, order in found.items():
                places[place] = later(order, places.get(place))
        failed = await self.subscriptions.record(places)
        if failed:
            self._recording.came(next(iter(failed.values())))
        else:
            self._recording.passed()
        await self._settle_all(
            [message for message, found in wanted if not failed.keys() & found.keys()],
            [message for message, found in wanted if failed.keys() & found.keys()],
        )

    def _pass_over(self, others: Iterable[str]) -> None:
        for other in others:
            if other not in self._passed and len(self._passed) < _KINDS:
                self._passed.add(other)
                name = self._queue.name
                log.warning("The queue '%s' brings %s. No function is for that; it is dropped.", name, other)

    # -- settling

    async def _settle_all(self, recorded: Sequence[QueueMessage], failed: Sequence[QueueMessage]) -> None:
        if self.subscriptions.changed != self._since:
            await self._give_back(recorded)  # who has come meanwhile was told nothing
        elif recorded:
            await self._tried(self._store.complete(recorded))
        await asyncio.gather(*map(self._put_off, failed))

    async def _give_back(self, messages: Sequence[QueueMessage]) -> None:
        release, now = self._store.release, timedelta(0)
        await asyncio.gather(*(self._tried(release(message, now, count=False)) for message in messages))

    async def _put_off(self, message: QueueMessage) -> None:
        seconds = min(2 ** min(message.dequeue_count, 16), LONGEST_DELAY)
        await self._tried(self._store.release(message, timedelta(seconds=seconds)))

    async def _tried(self, step: Awaitable[None]) -> None:
        """A message that cannot be settled comes again, and is then no news."""
        try:
            await step
        except ReceiptLost:
            pass
        except FunchostError as error:
            log.warning(
                "Notifications of '%s' cannot be settled, and come again: %s", self._queue.name, error
            )

    async def _refuse(self, message: QueueMessage, error: BindingError) -> None:
        """Put away what is no notification, and will be none the next time; where there is no place for it, drop it."""
        if message.redriven:
            await self._put_off(message)  # as often as the queue's own policy says, which then puts it away
            return
        shown = message.body[:_SHOWN].decode(errors="replace") + ("…" if len(message.body) > _SHOWN else "")
        log.warning("A message of '%s' is no notification. %s It says: %s", self._queue.name, error, shown)
        if not await self._poisoned(message, error):
            await self._tried(self._store.complete([message]))

    async def _poisoned(self, message: QueueMessage, error: BindingError) -> bool:
        if self._queue.poison is None:
            return False
        reason = {"error": "BindingError", "message": str(error), "queue": self._queue.name}
        about = {**reason, "messageId": message.id, "dequeueCount": message.dequeue_count}
        poison = OutgoingMessage(
            queue=self._queue.poison, body=message.body, ttl=None, properties={"poison": about}
        )
        try:
            await self._store.poison(message, poison)
        except ReceiptLost:
            pass
        except StoreError as why:
            log.warning("It cannot be moved to '%s' yet: %s", self._queue.poison, why)
            await self._put_off(message)
        except FunchostError as why:
            log.warning("It cannot be moved to '%s', and is dropped: %s", self._queue.poison, why)
            return False
        return True


class _Hitch:
    """What keeps notifications from being read, or recorded: in the state, and told when it comes and is over."""

    def __init__(self, queue: NotificationQueue, done: str) -> None:
        self._queue = queue.name
        self._done = done
        self._trouble = Trouble(queue.report, queue.clock)
        #: For people; None when nothing does.
        self.state: str | None = None

    def came(self, error: Exception) -> None:
        """It was this."""
        known = isinstance(error, FunchostError)
        self.state = f"waiting: {error}" if known else f"failing: {error!r}"
        if isinstance(error, QueueMissing):
            self._trouble.came(f"Notifications wait for their queue. {error}", log.info)
            return
        reason = error if known else repr(error)
        self._trouble.came(
            f"Notifications of the queue '{self._queue}' cannot be {self._done}, which is tried again: {reason}"
        )

    def passed(self) -> None:
        """Nothing does now."""
        self.state = None
        self._trouble.passed(f"Notifications of the queue '{self._queue}' can be {self._done} again.")
