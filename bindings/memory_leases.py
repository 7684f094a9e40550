"""Leases in memory, for tests and for trying things."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import count

from .clock import Clock, SystemClock
from .lease import LEASE_PERIOD, HeldLease, Lease


class MemoryLeases:
    """`LeaseStore` that ends with the process; owners that share it compete."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        #: Who holds each name, and until when on the monotonic clock.
        self._held: dict[str, tuple[Lease, float]] = {}
        self._fences = count(1)
        self._released = asyncio.Event()

    async def acquire(self, name: str, owner: str, period: timedelta = LEASE_PERIOD) -> Lease | None:
        # Cleared before we look: a lease given back meanwhile sets it again.
        self._released.clear()
        now = self._clock.monotonic()
        if name in self._held and self._held[name][1] > now:
            return None
        lease = Lease(name, owner, next(self._fences))
        self._held[name] = lease, now + period.total_seconds()
        return lease

    async def renew(self, lease: Lease, period: timedelta = LEASE_PERIOD) -> bool:
        if not self._holds(lease):
            return False
        self._held[lease.name] = lease, self._clock.monotonic() + period.total_seconds()
        return True

    async def release(self, lease: Lease) -> None:
        if self._holds(lease):
            del self._held[lease.name]
        self._released.set()

    async def wait(self, limit: timedelta) -> None:
        try:
            async with asyncio.timeout(limit.total_seconds()):
                await self._released.wait()
        except TimeoutError:
            pass

    async def list(self) -> list[HeldLease]:
        now = self._clock.monotonic()
        held = [HeldLease(lease, ends - now) for lease, ends in self._held.values() if ends > now]
        return sorted(held, key=lambda each: each.lease.name)

    async def break_(self, name: str) -> bool:
        held = self._held.pop(name, None)
        self._released.set()
        return held is not None and held[1] > self._clock.monotonic()

    def _holds(self, lease: Lease) -> bool:
        held, ends = self._held.get(lease.name, (None, 0.0))
        return held == lease and ends > self._clock.monotonic()
