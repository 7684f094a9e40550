"""Leases on S3, for hosts on different machines: one small document for each name, written on a condition.

Nobody compares wall clocks. Who holds a lease counts its time from before the request; who waits for one,
from when this version of the document was first seen. So the holder gives up before others take over.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from datetime import timedelta

import msgspec

from ..clock import Clock, SystemClock, milliseconds, new_id
from ..errors import StoreError
from ..lease import LEASE_PERIOD, HeldLease, Lease
from .s3_calls import ClientFactory, together
from .s3_documents import PROBE, Document, S3Documents, key_part
from .settings import AwsSettings

#: Seconds between two looks, while somebody waits, at the leases that were refused; and for how long after it
#: was last asked for a lease is looked at.
LOOK_INTERVAL = 2.0
_LOOKED_AT = 60.0

#: How many sightings of other hosts' leases are remembered; forgetting one only prolongs the wait for it.
_MAX_SIGHTINGS = 10_000

#: How often a lease is asked for, or given back, when somebody comes in between.
_TRIES = 3


class _Note(msgspec.Struct, frozen=True):
    """What stands in a lease's document. No two that are written are equal, so neither are their ETags."""

    name: str
    owner: str
    fence: int
    #: One holding of the lease, from its acquisition to its end.
    grant: str
    #: Counts the writes of one holding.
    beat: int
    #: Seconds that the lease lasts without another beat.
    period: float
    #: Given back. The document stays, for the fence.
    free: bool = False


@dataclass(slots=True)
class _Held:
    """A lease that was granted here."""

    note: _Note
    etag: str
    #: On the monotonic clock.
    ends: float
    #: One write at a time: each needs the ETag of the one before.
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)


class S3Leases:
    """`LeaseStore` on S3. Needs conditional writes, which a service that only resembles S3 may lack.

    A lease whose host died is taken over by who has seen it unchanged for its whole period. A document that
    is not there begins with the time for a fence: so the fence grows also where documents were removed.
    """

    def __init__(
        self,
        client: ClientFactory,
        settings: AwsSettings,
        bucket: str,
        prefix: str = "funchost/",
        clock: Clock | None = None,
    ) -> None:
        self._documents = S3Documents(client, settings, bucket, f"{prefix}leases/")
        self._clock = clock or SystemClock()
        self._held: dict[Lease, _Held] = {}
        #: Which version of a name's document was seen last, and since when.
        self._sightings: dict[str, tuple[str, float]] = {}
        #: When each name that is waited for was last refused.
        self._refused: dict[str, float] = {}
        self._released = asyncio.Event()
        self._waiting = 0
        self._looking: asyncio.Task[None] | None = None

    async def check(self) -> None:
        """Raises `StoreError` or `AccessDenied` where no lease can be kept, before one is needed."""
        await self._documents.check()

    async def acquire(self, name: str, owner: str, period: timedelta = LEASE_PERIOD) -> Lease | None:
        # Cleared before we look: a lease that is given back meanwhile sets it again.
        self._released.clear()
        for _ in range(_TRIES):
            found = await self._documents.read(_key(name))
            note = self._decoded(_key(name), found) if found else None
            if found and note and not self._is_free(note, found.etag):
                break
            lease = Lease(name, owner, note.fence + 1 if note else milliseconds(self._clock.now()))
            if await self._take(lease, period, found.etag if found else None):
                self._refused.pop(name, None)
                return lease
        self._refused[name] = self._clock.monotonic()
        return None

    async def renew(self, lease: Lease, period: timedelta = LEASE_PERIOD) -> bool:
        held = self._held.get(lease)
        if held is None:
            return False
        async with held.writing:
            asked = self._clock.monotonic()
            seconds = period.total_seconds()
            note = msgspec.structs.replace(held.note, period=seconds)
            if asked < held.ends and await self._write(held, note):
                held.ends = asked + seconds
                self._see(lease.name, held.etag)
                return True
        self._held.pop(lease, None)
        return False

    async def release(self, lease: Lease) -> None:
        held = self._held.pop(lease, None)
        if held is not None:
            async with held.writing:
                await self._write(held, msgspec.structs.replace(held.note, free=True))
        self._released.set()

    async def wait(self, limit: timedelta) -> None:
        self._waiting += 1
        if self._looking is None:
            self._looking = asyncio.create_task(self._look(), name="look for free leases")
        try:
            async with asyncio.timeout(limit.total_seconds()):
                await self._released.wait()
        except TimeoutError:
            pass
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._looking.cancel()
                self._looking = None

    async def list(self) -> list[HeldLease]:
        keys = [key for key in await self._documents.list("") if key != PROBE]
        read = await together(map(self._documents.read, keys))
        notes = ((found, self._decoded(key, found)) for key, found in zip(keys, read, strict=True) if found)
        held = [each for found, note in notes if (each := self._held_by_anyone(note, found))]
        return sorted(held, key=lambda each: each.lease.name)

    async def break_(self, name: str) -> bool:
        for _ in range(_TRIES):
            found = await self._documents.read(_key(name))
            note = self._decoded(_key(name), found) if found else None
            if found is None or note is None or self._held_by_anyone(note, found) is None:
                return False
            # Another grant: its holder shall not take this for a beat of its own.
            broken = msgspec.structs.replace(note, grant=new_id(), free=True)
            if await self._documents.write(_key(name), msgspec.json.encode(broken), found.etag):
                self._released.set()
                return True
        raise self._raced(name)

    def _held_by_anyone(self, note: _Note, found: Document) -> HeldLease | None:
        """The lease that a document tells of; None when it is free, or has ended as far as can be told."""
        ends_in = None if found.age is None else note.period - found.age
        if note.free or self._has_ended(note, found.etag) or (ends_in is not None and ends_in <= 0):
            return None
        return HeldLease(Lease(note.name, note.owner, note.fence), ends_in)

    async def _take(self, lease: Lease, period: timedelta, etag: str | None) -> bool:
        asked = self._clock.monotonic()
        seconds = period.total_seconds()
        note = _Note(lease.name, lease.owner, lease.fence, new_id(), 0, seconds)
        written = await self._documents.write(_key(lease.name), msgspec.json.encode(note), etag)
        if written is None:
            return False
        self._held[lease] = _Held(note, written, asked + seconds)
        self._see(lease.name, written)
        return True

    async def _write(self, held: _Held, note: _Note) -> bool:
        """Write the next beat of a lease; False when it is somebody else's by now.

        Raises `StoreError` where S3 takes no beat although it is still ours.
        """
        for _ in range(_TRIES):
            beat = msgspec.structs.replace(note, beat=held.note.beat + 1)
            written = await self._documents.write(_key(note.name), msgspec.json.encode(beat), held.etag)
            if written is not None:
                held.note, held.etag = beat, written
                return True
            found = await self._documents.read(_key(note.name))
            current = self._decoded(_key(note.name), found) if found else None
            if found is None or current is None or current.grant != note.grant:
                return False
            # A beat that had failed here, as far as could be seen, came to be written all the same.
            held.note, held.etag = current, found.etag
        raise self._raced(note.name)

    def _raced(self, name: str) -> StoreError:
        return StoreError(
            f"The lease '{name}' could not be written: S3 said {_TRIES} times that somebody else did."
        )

    def _is_free(self, note: _Note, etag: str) -> bool:
        if note.free:
            return True
        if self._sightings.get(note.name, ("", 0.0))[0] != etag:
            self._see(note.name, etag)
            return False
        return self._has_ended(note, etag)

    def _has_ended(self, note: _Note, etag: str) -> bool:
        """Whether this version was seen unchanged for its whole period."""
        seen, since = self._sightings.get(note.name, ("", 0.0))
        return seen == etag and self._clock.monotonic() - since >= note.period

    def _see(self, name: str, etag: str) -> None:
        self._sightings.pop(name, None)
        self._sightings[name] = etag, self._clock.monotonic()
        if len(self._sightings) > _MAX_SIGHTINGS:
            del self._sightings[next(iter(self._sightings))]

    async def _look(self) -> None:
        """Look at what was refused until it may be free: nobody tells of what other machines give back."""
        while True:
            await asyncio.sleep(LOOK_INTERVAL)
            oldest = self._clock.monotonic() - _LOOKED_AT
            self._refused = {name: asked for name, asked in self._refused.items() if asked >= oldest}
            for name in list(self._refused):
                with contextlib.suppress(Exception):  # who asks for the lease is told
                    if await self._may_be_free(name):
                        self._refused.pop(name, None)
                        self._released.set()

    async def _may_be_free(self, name: str) -> bool:
        found = await self._documents.read(_key(name))
        return found is None or self._is_free(self._decoded(_key(name), found), found.etag)

    def _decoded(self, key: str, found: Document) -> _Note:
        try:
            return msgspec.json.decode(found.body, type=_Note)
        except msgspec.MsgspecError as error:
            raise self._documents.spoilt(key) from error


def _key(name: str) -> str:
    return f"{key_part(name)}.json"
