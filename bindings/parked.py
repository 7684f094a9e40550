"""Messages that wait for people, such as those given up: looked at, replaced and removed one by one.

A `QueueStore` has no way to take one message out of many. A store that can do that brings its own with a method
``parked``, as the embedded one does; all others are served by receiving what lies there and giving the rest back.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Mapping
from datetime import timedelta
from typing import Any, Protocol

import msgspec

from .errors import QueueMissing, ReceiptLost
from .queue import OutgoingMessage, PeekedMessage, QueueMessage, QueueStore

#: How the names of poison queues end (functions-semantics 5.5), and those of FIFO queues of SQS.
POISON_SUFFIX = "-poison"
_FIFO = ".fifo"

#: Makes what takes a message's place; None removes the message. May be called more than once for one message, and in
#: another thread, so it must depend on nothing but the message.
Replacement = Callable[[PeekedMessage], OutgoingMessage | None]

#: How long messages are hidden while they are gone through.
HOLD = timedelta(minutes=2)

#: Messages that are received at once.
_BATCH = 10

#: Receives in a row that bring nothing new before the queue counts as gone through.
_PATIENCE = 3


class Parked(Protocol):
    """The messages of one queue store, for people at work on them. What is in flight belongs to whoever runs it: it
    is neither replaced nor removed."""

    async def poison_queues(self, about: str | None) -> list[str]:
        """The queues to look into for messages that were given up, by name.

        With `about` (a poison queue, or one that messages were given up from) those that may have to do with it.
        """

    def look(self, queue: str, *, bodies: bool = True) -> AsyncGenerator[PeekedMessage, None]:
        """All messages of a queue that are there now, without `bodies` as far as that saves anything. Close it."""

    def replace(
        self, queue: str, ids: Collection[str], made: Replacement, *, singly: bool = False
    ) -> AsyncGenerator[str, None]:
        """Remove messages and send what `made` gives in their place, in one step where the store can.

        Gives the id of each once it is done; what is gone or in flight is passed over. With `singly` nothing is done
        ahead of what was asked for. Close it.
        """

    async def rewrite(self, message: PeekedMessage, changed: PeekedMessage) -> bool:
        """Put another body and other properties in the place of a message's, in its queue; it may get another id.

        False when it is gone or in flight, or has become another. Raises `MessageTooLarge`.
        """

    async def clear(self, queue: str) -> int:
        """Remove the messages of a queue; returns how many there were."""


def parked_messages(store: QueueStore) -> Parked:
    """The messages of a store, by its own way where it has one."""
    own: Callable[[], Parked] | None = getattr(store, "parked", None)
    return own() if own else ReceivedMessages(store)


def origin_by_name(queue: str) -> str | None:
    """The queue whose messages are given up into one of this name; None when the name does not say."""
    name = queue.removesuffix(_FIFO)
    origin = name.removesuffix(POISON_SUFFIX)
    return None if origin in ("", name) else origin + queue.removeprefix(name)


def carries_reason(properties: Mapping[str, Any]) -> bool:
    """Whether a message says that it was given up."""
    return isinstance(properties.get("poison"), dict)


class ReceivedMessages:
    """`Parked` on a store that can only receive: each look is one more delivery, unless the store takes that back.

    What is delayed or in flight does not show. A crash in the middle leaves messages hidden for `HOLD` at most.
    """

    def __init__(
        self,
        store: QueueStore,
        receive: Callable[[str, int, timedelta], Awaitable[list[QueueMessage]]] | None = None,
    ) -> None:
        """`receive` takes the place of the store's own, which may wait for messages longer than is wanted here."""
        self._store = store
        self._receive = receive or store.receive

    async def poison_queues(self, about: str | None) -> list[str]:
        names = await self.names()
        known = [name for name in names if origin_by_name(name)]
        if about is None:
            return known
        own = [name for name in known if about in (name, origin_by_name(name))]
        if own or about not in names:
            return own
        # A poison queue by another name, or one whose messages are alive and must not all be received for a look.
        return [about] if await self._holds_poison(about) else []

    async def _holds_poison(self, queue: str) -> bool:
        """Whether the first message of a queue says that it was given up."""
        messages = await self._receive(queue, 1, HOLD)
        await self._give_back(messages)
        return any(carries_reason(message.properties) for message in messages)

    async def names(self) -> list[str]:
        """The queues that there are."""
        return [depth.queue for depth in await self._store.depths()]

    async def look(self, queue: str, *, bodies: bool = True) -> AsyncGenerator[PeekedMessage, None]:
        held: dict[str, QueueMessage] = {}
        try:
            async for message in self._all(queue, held, _BATCH):
                held[message.id] = msgspec.structs.replace(message, body=b"")
                yield _looked_at(message)
        finally:
            await self._give_back(held.values())

    async def replace(
        self, queue: str, ids: Collection[str], made: Replacement, *, singly: bool = False
    ) -> AsyncGenerator[str, None]:
        wanted = set(ids)
        held: dict[str, QueueMessage] = {}
        try:
            async for message in self._all(queue, held, 1 if singly else _BATCH):
                if message.id in wanted:
                    wanted.discard(message.id)
                    if await self._settle(held.pop(message.id), made):
                        yield message.id
                if not wanted:
                    return
        finally:
            await self._give_back(held.values())

    async def rewrite(self, message: PeekedMessage, changed: PeekedMessage) -> bool:
        def made(found: PeekedMessage) -> OutgoingMessage:
            return OutgoingMessage(
                queue=message.queue,
                body=changed.body,
                ttl=None,
                properties=changed.properties,
                session_id=found.session_id,
                priority=found.priority,
            )

        return [id_ async for id_ in self.replace(message.queue, (message.id,), made)] != []

    async def clear(self, queue: str) -> int:
        removed = 0
        async for message in self._all(queue, {}, _BATCH):
            removed += await self._settle(message, lambda message: None)
        return removed

    async def _all(
        self, queue: str, held: dict[str, QueueMessage], limit: int
    ) -> AsyncGenerator[QueueMessage, None]:
        """Each message once, in flight for us and, while nobody settles it, among those `held`."""
        seen: set[str] = set()
        idle = 0
        while idle < _PATIENCE:
            try:
                messages = await self._receive(queue, limit, HOLD)
            except QueueMissing:
                return
            if not messages:
                return
            # One that comes again has outlasted its hold: its newer receipt is the one that counts.
            held.update((message.id, message) for message in messages)
            fresh = [message for message in messages if message.id not in seen]
            seen.update(message.id for message in fresh)
            idle = 0 if fresh else idle + 1
            for message in fresh:
                yield message

    async def _settle(self, message: QueueMessage, made: Replacement) -> bool:
        outgoing = made(_looked_at(message))
        try:
            if outgoing is None:
                await self._store.complete((message,))
            else:
                await self._store.poison(message, outgoing)
        except ReceiptLost:
            return False
        return True

    async def _give_back(self, messages: Iterable[QueueMessage]) -> None:
        for message in messages:
            try:
                await self._store.release(message, timedelta(0), count=False)
            except ReceiptLost:
                continue  # it is somebody else's by now


def _looked_at(message: QueueMessage) -> PeekedMessage:
    return PeekedMessage(
        queue=message.queue,
        id=message.id,
        body=message.body,
        state="visible",
        # This look is none of its deliveries.
        dequeue_count=message.dequeue_count - 1,
        inserted_at=message.inserted_at,
        expires_at=message.expires_at,
        visible_at=message.next_visible_at,
        properties=message.properties,
        session_id=message.group,
        priority=message.priority,
        dedup_id=message.dedup_id,
    )
