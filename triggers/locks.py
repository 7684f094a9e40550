"""The leases that this host holds, kept renewed together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import timedelta

from ..bindings.lease import LEASE_PERIOD, Lease, LeaseStore

#: How long after it was asked for or renewed a lease is surely not another host's, in seconds. Less than its
#: period: a host that does not answer is given up by its heartbeat, which may be older than the last renewal.
SURE = LEASE_PERIOD.total_seconds() * 2 / 3


class Lock:
    """A lease held by this host."""

    def __init__(self, lease: Lease, asked: float) -> None:
        self.lease = lease
        #: When it was last asked for, on the loop's clock.
        self.asked = asked
        #: Set when another host holds the lease now.
        self.lost = asyncio.Event()


class Locks:
    """Takes leases in the name of this host and renews all of them in one step, at a third of their life."""

    def __init__(
        self, store: LeaseStore, owner: str, *, report: Callable[[str], None] = lambda message: None
    ) -> None:
        self.owner = owner
        self._store = store
        self._report = report
        self._held: dict[Lease, Lock] = {}
        self._renewing: asyncio.Task[None] | None = None

    async def try_acquire(self, name: str) -> Lock | None:
        """The lock, or None when somebody holds it (this host included)."""
        now = asyncio.get_running_loop().time()
        asking = asyncio.ensure_future(self._store.acquire(name, self.owner))
        try:
            lease = await asyncio.shield(asking)
        except asyncio.CancelledError:
            # Whoever asked has gone: what is granted all the same must not stay taken.
            granted = await asking
            if granted:
                await self._give_back(granted)
            raise
        if lease is None:
            return None
        lock = self._held[lease] = Lock(lease, now)
        if self._renewing is None:
            self._renewing = asyncio.create_task(self._renew(), name="locks")
        return lock

    async def acquire(
        self, name: str, *, timeout: timedelta | None, interval: timedelta, unless: asyncio.Event
    ) -> Lock | None:
        """Wait for the lock; None when `timeout` (None: for ever) is over, or once `unless` is set.

        It is asked for at each `interval`, and whenever a lease was given back. Not first come, first served.
        """
        loop = asyncio.get_running_loop()
        end = None if timeout is None else loop.time() + timeout.total_seconds()
        while True:
            lock = await self.try_acquire(name)
            if lock:
                return lock
            wait = interval
            if end is not None:
                wait = min(wait, timedelta(seconds=end - loop.time()))
            if wait <= timedelta(0) or unless.is_set():
                return None
            await self._wait(wait, unless)

    async def release(self, lock: Lock) -> None:
        """Give the lock back; one that was lost is left alone.

        Never raises: a lease that the store does not take back now ends by itself.
        """
        self._held.pop(lock.lease, None)
        await self._give_back(lock.lease)

    def surely_held(self, name: str) -> Lease | None:
        """The lease, unless another host may hold it by now, as when this one has just stood still for a while."""
        now = asyncio.get_running_loop().time()
        for lease, lock in self._held.items():
            if lease.name == name and now < lock.asked + SURE:
                return lease
        return None

    async def wait_for_release(self, limit: timedelta) -> None:
        """Return when somebody gave a lease back, or after `limit`."""
        await self._store.wait(limit)

    async def stop(self) -> None:
        """Give everything back."""
        if self._renewing:
            self._renewing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._renewing
            self._renewing = None
        for lock in list(self._held.values()):
            await self.release(lock)

    async def _wait(self, limit: timedelta, unless: asyncio.Event) -> None:
        waits = [asyncio.ensure_future(self._store.wait(limit)), asyncio.ensure_future(unless.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _give_back(self, lease: Lease) -> None:
        try:
            await self._store.release(lease)
        except Exception as error:
            self._report(f"The lease '{lease.name}' could not be given back and ends by itself: {error}")

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(LEASE_PERIOD.total_seconds() / 3)
            now = asyncio.get_running_loop().time()
            held = dict(self._held)
            try:
                lost = await self._store.renew(list(held))
            except Exception as error:
                self._report(f"Leases could not be renewed: {error}")
                continue
            for renewed in held.values():
                renewed.asked = now
            for lease in lost:
                lock = self._held.pop(lease, None)
                if lock:
                    self._report(f"The lease '{lease.name}' was lost to another host.")
                    lock.lost.set()
