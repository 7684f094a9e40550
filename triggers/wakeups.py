"""One clockwork for all timers: APScheduler wakes the host for the earliest moment that anybody waits for."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ..bindings.clock import SET_BACK, Clock

if TYPE_CHECKING:
    from apscheduler.schedulers.asyncio import AsyncIOScheduler

#: Cancelled calls are swept out once there are so many of them, and more than there are others.
_MANY = 64


class _Call:
    """A callback that is to be made; None once that was done or cancelled."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def make(self) -> None:
        callback, self.callback = self.callback, None
        if callback is not None:
            callback()


class SchedulerWakeups:
    """`Wakeups` on APScheduler: never early by `clock`, unless that is set back, and soon due when it is put forward.

    APScheduler keeps one job, for the earliest call; a heap keeps the others, because a job for every call
    costs over ten times as much. APScheduler is imported by the first call.
    """

    def __init__(self, clock: Clock, check_every: timedelta = timedelta(seconds=10)) -> None:
        """Whoever sets a clock tells nobody, so it is looked at again after `check_every` at the latest."""
        self._clock = clock
        #: What the clock showed when it was last looked at.
        self._seen = clock.now()
        self._check_every = check_every.total_seconds()
        self._calls: list[tuple[datetime, int, _Call]] = []
        self._order = itertools.count()
        self._cancelled = 0
        self._started = False
        self._scheduler: AsyncIOScheduler | None = None
        self._check: asyncio.TimerHandle | None = None
        #: What moment the job is for.
        self._armed: datetime | None = None

    async def start(self) -> None:
        """Begin to make calls, those asked for before included."""
        self._started = True
        self._arm()

    async def stop(self) -> None:
        """Make no more calls; they are kept for another start. May be called at any time."""
        self._started = False
        if self._check is not None:
            self._check.cancel()
        scheduler, self._scheduler, self._check, self._armed = self._scheduler, None, None, None
        if scheduler is not None:
            scheduler.shutdown(wait=False)
            # It does so in the loop's next turn.
            await asyncio.sleep(0)

    def call_at(self, moment: datetime, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` in the loop at `moment`, soon when it is past; returns what cancels that."""
        call = _Call(callback)
        # In UTC, because two times in one zone compare by what its clocks show.
        heapq.heappush(self._calls, (moment.astimezone(UTC), next(self._order), call))
        self._arm()
        return lambda: self._cancel(call)

    def _cancel(self, call: _Call) -> None:
        if call.callback is None:
            return
        call.callback = None
        self._cancelled += 1
        if self._cancelled > max(_MANY, len(self._calls) // 2):
            self._calls = [entry for entry in self._calls if entry[2].callback is not None]
            heapq.heapify(self._calls)
            self._cancelled = 0

    def _arm(self) -> None:
        """See to it that APScheduler's job is for the earliest call."""
        if not self._started or not self._calls:
            return
        earliest = self._calls[0][0]
        if self._armed is None or earliest < self._armed:
            self._armed = earliest
            self._wake_in(earliest - self._clock.now())

    def _wake_in(self, wait: timedelta) -> None:
        from apscheduler.triggers.date import DateTrigger

        if self._scheduler is None:
            self._scheduler = _running_scheduler()
        # By the machine's clock, which is the only one that APScheduler reads.
        trigger = DateTrigger(datetime.now(UTC) + max(wait, timedelta(0)), UTC)
        self._scheduler.add_job(self._ring, trigger, id="earliest", replace_existing=True)
        if self._check is None:
            self._check = asyncio.get_running_loop().call_later(self._check_every, self._look_again)

    async def _ring(self) -> None:
        """What the job does; a coroutine function, because APScheduler runs others in threads."""
        self._make_calls()

    def _look_again(self) -> None:
        self._check = None
        self._make_calls()

    def _make_calls(self) -> None:
        """Make all calls that are due, all there are when the clock was set back, and wait anew for the next one."""
        if not self._started:
            return
        loop, now = asyncio.get_running_loop(), self._clock.now()
        set_back, self._seen = self._seen - now > SET_BACK, now
        while self._calls and (set_back or self._calls[0][0] <= now):
            call = heapq.heappop(self._calls)[2]
            if call.callback is None:
                self._cancelled -= 1
            else:
                # Each on its own, so that one that fails stops no other.
                loop.call_soon(call.make)
        self._armed = None
        self._arm()


def _running_scheduler() -> AsyncIOScheduler:
    from apscheduler.schedulers.asyncio import AsyncIOScheduler

    # The job is set anew while it still runs, so APScheduler must not think that one is enough. However late
    # it is, it has to run.
    defaults = {"misfire_grace_time": None, "max_instances": 1000}
    scheduler = AsyncIOScheduler(timezone=UTC, job_defaults=defaults)
    scheduler.start()
    return scheduler
