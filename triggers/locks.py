"""The leases that this host holds, each renewed until it is given back or may be another host's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from datetime import timedelta
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

from ..bindings.errors import StoreError
from ..bindings.lease import LEASE_PERIOD, HeldLease, Lease, LeaseStore
from .lock_line import Line, Wish

#: How long after it was asked for or renewed a lease is surely not another host's, in seconds. Less than its
#: period: a host that does not answer is given up by its heartbeat, which may be older than the last renewal, and
#: who has to let go of something needs time for it.
SURE = LEASE_PERIOD.total_seconds() * 2 / 3

#: Seconds until a renewal that failed is tried again.
RENEW_AGAIN = 1.0

#: Seconds that giving a lease back may take; where it takes longer the lease ends by itself.
RELEASE_LIMIT = 5.0


#: The system's clock that goes on while the machine is suspended; where none has a number, the usual one does.
_SLEEPLESS: int | None = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))


def sleepless() -> float:
    """Seconds that never step, nor stand still while this machine is suspended: leases go on elsewhere then."""
    return time.monotonic() if _SLEEPLESS is None else time.clock_gettime(_SLEEPLESS)


class Lock:
    """A lease held by this host."""

    def __init__(self, lease: Lease, asked: float) -> None:
        self.lease = lease
        #: When it was last asked for.
        self.asked = asked
        #: Set once another host may hold the lease.
        self.lost = asyncio.Event()
        #: The runs of this host that wait until it is given back.
        self.line: Line[Lock] | None = None
        self.renewal: asyncio.TimerHandle | asyncio.Task[None] | None = None


class Locks:
    """Takes leases in the name of this host and renews each at a third of its life.

    One that cannot be renewed is given up after `SURE` seconds, before others may take it.
    """

    def __init__(
        self,
        store: LeaseStore,
        owner: str,
        *,
        clock: Callable[[], float] = sleepless,
        report: Callable[[str], None] = lambda message: None,
    ) -> None:
        self.owner = owner
        self._store = store
        self._clock = clock
        self._report = report
        self._held: dict[Lease, Lock] = {}
        #: Gives back what is granted when nobody wants it any more.
        self._late: set[asyncio.Task[None]] = set()
        #: By name, for as long as a run has the lock or waits for it.
        self._lines: WeakValueDictionary[str, Line[Lock]] = WeakValueDictionary()
        #: Whether it was told that leases cannot be renewed.
        self._told = False

    async def try_acquire(self, name: str) -> Lock | None:
        """The lock, or None when somebody holds it (this host included).

        Raises `FunchostError` where the store cannot say, or takes so long that nothing would be sure any more.
        """
        asked = self._clock()
        asking = asyncio.ensure_future(self._store.acquire(name, self.owner))
        try:
            async with asyncio.timeout(SURE):
                lease = await asyncio.shield(asking)
        except TimeoutError:
            self._begin(self._give_back_late(asking))
            raise StoreError(f"There was no answer about the lease '{name}' in {SURE:g} s.") from None
        except asyncio.CancelledError:
            self._begin(self._give_back_late(asking))
            raise
        if lease is None:
            return None
        if self._clock() >= asked + SURE:
            self._begin(self._give_back(lease))
            raise StoreError(f"The lease '{name}' was granted too late to be relied on.")
        lock = self._held[lease] = Lock(lease, asked)
        pause = LEASE_PERIOD.total_seconds() / 3
        lock.renewal = asyncio.get_running_loop().call_later(pause, self._begin_renewal, lock)
        return lock

    async def acquire(
        self,
        name: str,
        *,
        timeout: timedelta | None,
        interval: timedelta,
        unless: asyncio.Event,
        patience: timedelta | None = None,
    ) -> Lock | None:
        """Wait for the lock; None when `timeout` (None: for ever) is over, or once `unless` is set.

        It is asked for at each `interval`, and whenever a lease was given back. Not first come, first served. While
        the store cannot be asked, it is tried again with growing pauses, and the timeout stands still. Raises
        `LockUnavailable` when that lasts for `patience` (None: it never does).
        """
        wish = Wish(timeout=timeout, interval=interval, unless=unless, patience=patience)
        line = self._lines.get(name)
        if line is None:
            line = self._lines[name] = Line(partial(self.try_acquire, name), self._store.wait)
        lock = await line.wait(wish)
        if lock is not None:
            lock.line = line
        return lock

    def trouble(self, name: str) -> str | None:
        """Why a lock that runs of this host wait for cannot be asked for now; None when it can."""
        line = self._lines.get(name)
        return str(line.trouble) if line and line.trouble else None

    async def release(self, lock: Lock) -> None:
        """Give the lock back; one that another host holds by now is left alone.

        Never raises: a lease that the store does not take back now ends by itself.
        """
        self._drop(lock)
        try:
            await self._give_back(lock.lease)
        finally:
            if lock.line:
                lock.line.leave()

    def surely_held(self, name: str) -> Lease | None:
        """The lease, unless another host may hold it by now, as when this one has just stood still for a while."""
        now = self._clock()
        for lease, lock in self._held.items():
            if lease.name == name and now < lock.asked + SURE:
                return lease
        return None

    async def wait_for_release(self, limit: timedelta) -> None:
        """Return when somebody gave a lease back, or after `limit`."""
        await self._store.wait(limit)

    async def held_by_anyone(self) -> list[HeldLease]:
        """The leases that hosts hold, this one or others, by name."""
        return await self._store.list()

    async def break_(self, name: str) -> bool:
        """As `LeaseStore.break_`."""
        return await self._store.break_(name)

    async def stop(self) -> None:
        """Give everything back, as far as the store takes it."""
        await asyncio.gather(*map(self.release, list(self._held.values())))
        if self._late:
            await asyncio.wait(self._late, timeout=RELEASE_LIMIT)
        for task in self._late:
            task.cancel()

    # -- giving back

    def _drop(self, lock: Lock) -> None:
        self._held.pop(lock.lease, None)
        if lock.renewal:
            lock.renewal.cancel()

    async def _give_back(self, lease: Lease) -> None:
        try:
            async with asyncio.timeout(RELEASE_LIMIT):
                await self._store.release(lease)
        except Exception as error:
            reason = f"no answer in {RELEASE_LIMIT:g} s" if isinstance(error, TimeoutError) else error
            self._report(f"The lease '{lease.name}' could not be given back and ends by itself: {reason}")

    async def _give_back_late(self, asking: asyncio.Future[Lease | None]) -> None:
        """Give back what comes to be granted although whoever asked has gone."""
        await asyncio.wait([asking])
        if not asking.cancelled() and not asking.exception() and (lease := asking.result()):
            await self._give_back(lease)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="give a lease back")
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    # -- renewing

    def _begin_renewal(self, lock: Lock) -> None:
        # Not before the first pause is over: most runs have ended by then.
        lock.renewal = asyncio.create_task(self._renew(lock), name=f"renew {lock.lease.name}")

    async def _renew(self, lock: Lock) -> None:
        """Renew the lock until it is lost; who gives it back cancels this."""
        reason = ""
        while not reason:
            asked = self._clock()
            try:
                # Once also where nothing is sure any more, as after standing still: nobody may have noticed.
                async with asyncio.timeout(max(RENEW_AGAIN, self._sure_for(lock))):
                    is_held = await self._store.renew(lock.lease)
            except Exception as error:
                self._tell(error)
                pause = RENEW_AGAIN
                if self._sure_for(lock) <= 0:
                    reason = f"is given up: it could not be renewed for {SURE:g} s"
            else:
                self._told = False
                if is_held:
                    lock.asked, pause = asked, LEASE_PERIOD.total_seconds() / 3
                else:
                    reason = "was lost to another host"
            if not reason:
                await asyncio.sleep(max(0.0, min(pause, self._sure_for(lock))))
        self._held.pop(lock.lease, None)
        self._report(f"The lease '{lock.lease.name}' {reason}.")
        lock.lost.set()

    def _sure_for(self, lock: Lock) -> float:
        """Seconds for which the lock is still surely held."""
        return lock.asked + SURE - self._clock()

    def _tell(self, error: Exception) -> None:
        if not self._told:
            self._told = True
            reason = "there is no answer" if isinstance(error, TimeoutError) else error
            self._report(f"Leases could not be renewed, which is tried again: {reason}")
