"""Queues as folders of files. Any other program may move a file into one of them: that is a message too."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from funchost.bindings.clock import Clock, from_milliseconds, milliseconds, new_id
from funchost.bindings.errors import BindingError, MessageTooLarge, ReceiptLost, StoreError
from funchost.bindings.queue import OutgoingMessage, PeekedMessage, QueueDepth, QueueMessage
from funchost.bindings.table import OutgoingEntity

from .message_file import MessageFile, Ticket, message_files, set_due, sync_folder, write_draft

T = TypeVar("T")

#: The largest body in bytes: as on Azure, so that an app can move there.
MAX_BODY = 64 * 1024

#: Seconds between two looks for what other processes have sent.
POLL = 0.25

_log = logging.getLogger(__name__)


class SpoolQueues:
    """`QueueStore` in the folder `queues` of another one, which has to exist. Several processes may share it."""

    def __init__(self, folder: Path, clock: Clock, *, lease: timedelta, max_body: int = MAX_BODY) -> None:
        self.max_body = max_body
        self._base = folder
        self._clock = clock
        self._lease = lease
        self._news: dict[str, asyncio.Event] = {}

    # -- sending

    async def send(
        self, messages: Sequence[OutgoingMessage], entities: Sequence[OutgoingEntity] = ()
    ) -> None:
        if entities:
            raise BindingError("A spool has no tables.")
        for message in messages:
            if message.session_id is not None or message.dedup_id is not None:
                raise BindingError(
                    "A spool keeps no sessions, and forgets the ids of messages: leave them out."
                )
            if len(message.body) > self.max_body:
                raise MessageTooLarge(
                    f"A message of {len(message.body)} bytes for queue '{message.queue}' is over the limit of "
                    f"{self.max_body} bytes."
                )
        await self._put(messages)

    async def _put(self, messages: Sequence[OutgoingMessage]) -> None:
        await self._do(lambda: self._write(messages))
        for queue in {message.queue for message in messages}:
            self._event(queue).set()

    def _write(self, messages: Sequence[OutgoingMessage]) -> None:
        drafts: list[tuple[Path, Ticket]] = []
        try:
            for message in messages:
                drafts.append(self._draft(message))
        except OSError:
            for draft, _ in drafts:
                draft.unlink(missing_ok=True)
            raise
        # What is likely to go wrong, a full disk, has not: all of them appear.
        for draft, ticket in drafts:
            draft.rename(draft.with_name(str(ticket)))
        for folder in {draft.parent for draft, _ in drafts}:
            sync_folder(folder)

    def _draft(self, message: OutgoingMessage) -> tuple[Path, Ticket]:
        now = self._clock.now()
        due = message.visible_at or now
        ends = 0 if message.ttl is None else milliseconds(max(now, due) + message.ttl)
        ticket = Ticket(milliseconds(now), new_id(), ends)
        folder = self._made(message.queue)
        return write_draft(folder, ticket, message.body, message.properties, milliseconds(due)), ticket

    # -- receiving

    def lease_of(self, queue: str) -> timedelta:
        return self._lease

    async def receive(self, queue: str, limit: int, lease: timedelta | None = None) -> list[QueueMessage]:
        # Cleared before we look: a message that comes in meanwhile sets it again.
        self._event(queue).clear()
        return await self._do(lambda: self._take(queue, limit, lease or self._lease))

    def _take(self, queue: str, limit: int, lease: timedelta) -> list[QueueMessage]:
        folder = self._made(queue)  # so that people find where to put files
        now, until = self._now(), self._now(lease)
        taken: list[QueueMessage] = []
        for file in sorted(message_files(folder), key=lambda file: file.order):
            if len(taken) == limit or file.due > now:
                break
            if file.has_expired(now):
                file.remove()
            elif message := self._delivered(queue, file, now, until):
                taken.append(message)
        return sorted(taken, key=lambda message: message.receipt)

    def _delivered(self, queue: str, file: MessageFile, now: int, until: int) -> QueueMessage | None:
        old = file.ticket
        ticket = old._replace(
            first_received=old.first_received or now,
            deliveries=old.deliveries + 1,
            fence=old.fence + 1,
            taken=1,
        )
        ours = file.become(ticket, until)
        if ours is None:
            return None
        try:
            return _message(queue, ours)
        except OSError as error:
            # It comes again when its time is over; those behind it do not wait for that.
            _log.warning("The message %s cannot be read: %s", ours.path, error)
            return None

    async def renew(self, messages: Sequence[QueueMessage], lease: timedelta | None = None) -> None:
        until = self._now(lease or self._lease)
        await self._do(lambda: [set_due(self._held(message).path, until) for message in messages])

    async def wait(self, queue: str, limit: timedelta) -> None:
        left = limit.total_seconds()
        while left > 0:
            due = await self._do(lambda: self._seconds_until_due(queue))
            pause = min(left, POLL, due)
            if pause <= 0 or await self._hears(queue, pause) or pause == due:
                return
            left -= pause

    def _seconds_until_due(self, queue: str) -> float:
        now = self._now()
        return min((file.due - now for file in self._files(queue)), default=3_600_000) / 1000

    # -- settling

    async def complete(
        self,
        messages: Sequence[QueueMessage],
        outputs: Sequence[OutgoingMessage] = (),
        entities: Sequence[OutgoingEntity] = (),
    ) -> None:
        held = await self._still_held(messages)
        # No two files change in one step: a crash in between repeats the run, and loses nothing.
        await self.send(outputs, entities)
        await self._do(lambda: [file.remove() for file in held])

    async def poison(
        self, message: QueueMessage, poison: OutgoingMessage, outputs: Sequence[OutgoingMessage] = ()
    ) -> None:
        [file] = await self._still_held([message])
        await self.send(outputs)
        await self._put([poison])  # whatever its size: it was let in once
        await self._do(file.remove)

    async def release(
        self,
        message: QueueMessage,
        delay: timedelta,
        *,
        count: bool = True,
        properties: dict[str, Any] | None = None,
    ) -> None:
        old: Ticket = message.receipt
        ticket = old._replace(fence=old.fence + 1, deliveries=old.deliveries - (not count), taken=0)

        def free() -> None:
            file = self._held(message).become(ticket, self._now(self._lease))
            if file is None:
                raise ReceiptLost
            if properties is not None:
                file.keep_properties(properties)
            set_due(file.path, self._now(delay))

        await self._do(free)
        self._event(message.queue).set()

    # -- looking

    async def peek(self, queue: str, limit: int) -> list[PeekedMessage]:
        return await self._do(lambda: list(self._peeked(queue, limit)))

    def _peeked(self, queue: str, limit: int) -> Iterator[PeekedMessage]:
        now = self._now()
        for file in sorted(self._files(queue), key=lambda file: file.order)[:limit]:
            try:
                yield _look(queue, file, now)
            except FileNotFoundError:
                continue  # taken meanwhile

    async def depths(self) -> list[QueueDepth]:
        return await self._do(lambda: [self._depth(queue) for queue in self._names()])

    def _names(self) -> list[str]:
        folder = self._base / "queues"
        return sorted(each.name for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []

    def _depth(self, queue: str) -> QueueDepth:
        now, files = self._now(), list(self._files(queue))
        states = [file.state(now) for file in files]
        return QueueDepth(
            queue=queue,
            visible=states.count("visible"),
            delayed=states.count("delayed"),
            in_flight=states.count("in flight"),
            oldest=_moment(min((file.ticket.inserted for file in files), default=0)),
        )

    # -- the folder

    async def _do(self, work: Callable[[], T]) -> T:
        """Do it in a thread. A folder that cannot be used now is a `StoreError`: it is tried again."""
        try:
            return await asyncio.to_thread(work)
        except OSError as error:
            raise StoreError(f"The folder {self._base} cannot be used now ({error}).") from error

    def _made(self, queue: str) -> Path:
        folder = self._base / "queues" / queue
        if not folder.is_dir():
            # Not the base: where that is missing, a share is not mounted.
            folder.parent.mkdir(exist_ok=True)
            folder.mkdir(exist_ok=True)
        return folder

    def _files(self, queue: str) -> Iterator[MessageFile]:
        now = self._now()
        return (file for file in message_files(self._base / "queues" / queue) if not file.has_expired(now))

    def _held(self, message: QueueMessage) -> MessageFile:
        return MessageFile.held(self._base / "queues" / message.queue, message.receipt)

    async def _still_held(self, messages: Sequence[QueueMessage]) -> list[MessageFile]:
        held = [self._held(message) for message in messages]
        held = await self._do(lambda: [file for file in held if file.path.exists()])
        if not held:
            raise ReceiptLost
        return held

    def _now(self, later: timedelta = timedelta(0)) -> int:
        return milliseconds(self._clock.now() + later)

    # -- news within this process

    def _event(self, queue: str) -> asyncio.Event:
        return self._news.setdefault(queue, asyncio.Event())

    async def _hears(self, queue: str, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._event(queue).wait()
        except TimeoutError:
            return False


def _message(queue: str, file: MessageFile) -> QueueMessage:
    ticket = file.ticket
    return QueueMessage(
        queue=queue,
        id=ticket.id,
        body=file.path.read_bytes(),
        receipt=ticket,
        dequeue_count=ticket.deliveries,
        inserted_at=from_milliseconds(ticket.inserted),
        expires_at=_moment(ticket.expires),
        next_visible_at=from_milliseconds(file.due),
        first_received_at=_moment(ticket.first_received),
        properties=file.properties(),
    )


def _look(queue: str, file: MessageFile, now: int) -> PeekedMessage:
    ticket = file.ticket
    return PeekedMessage(
        queue=queue,
        id=ticket.id,
        body=file.path.read_bytes(),
        state=file.state(now),
        dequeue_count=ticket.deliveries,
        inserted_at=from_milliseconds(ticket.inserted),
        expires_at=_moment(ticket.expires),
        visible_at=from_milliseconds(file.due),
        properties=file.properties(),
    )


def _moment(value: int) -> datetime | None:
    return from_milliseconds(value) if value else None
