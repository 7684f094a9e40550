"""The listener of a timer: one run for each occurrence, never two at a time, remembered over restarts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import partial
from typing import Any

from ..bindings.clock import SET_BACK
from ..bindings.errors import StoreError
from .base import CALLED, Cause, Deliver, Resources, Status, TriggerEvent
from .fields import TimerTriggerFields
from .pulse import Pulse
from .schedule import Schedule
from .timer_missed import Missed, missed_before, missed_between
from .timer_status import TimerStatus, resume, was_set_back

#: Where the status of timers is kept.
TIMER_SCOPE = "timer"

#: The most runs that ``misfire: all`` makes up for at one start.
_MOST_MISSED = 1000

#: Seconds in which a status is stored or not: a store that hangs holds up neither the next run nor a stop.
_SAVE_LIMIT = 30

#: How long to wait before an interrupted run is begun again.
_AGAIN = timedelta(seconds=1)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Tick:
    """One run that is to be made."""

    #: The occurrence that it is for.
    due: datetime
    #: Azure's word for why it does not run when the schedule says.
    unscheduled: str | None = None
    #: It stands for its own occurrence only, however late it runs: those after it are still to come.
    alone: bool = False


class TimerListener:
    """Runs one timer, never two runs at a time. Assumes that nobody else runs it: see `ListenerLease`.

    `fence` is asked at each start for the number of the lease under which it runs. What a later holder of the lease
    has stored stays as it is.
    """

    def __init__(
        self,
        function: str,
        schedule: Schedule,
        fields: TimerTriggerFields,
        resources: Resources,
        deliver: Deliver,
        fence: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._function = function
        self._schedule = schedule
        self._fields = fields
        self._resources = resources
        self._deliver = deliver
        self._monitored = fields.useMonitor is not False and not schedule.is_frequent
        self._status: TimerStatus | None = None
        #: The ticks that had no run, when that was last so.
        self._missed: Missed | None = None
        #: When the last run here ended.
        self._ended: datetime | None = None
        self._ask_fence = fence
        self._fence: int | None = None
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._pulse = Pulse(f"the clockwork of {function}", resources.clock.monotonic)

    @property
    def pulses(self) -> tuple[Pulse, ...]:
        """Of its loop, which may die and cannot hang: it waits for its moment, or for its run."""
        return (self._pulse,)

    async def start(self) -> None:
        if self._task is not None:
            return
        self._stopping = False
        owed = await self._resume()
        if not self._stopping:
            self._task = asyncio.create_task(self._run(owed), name=f"timer {self._function}")
            self._pulse.follow(self._task)

    async def stop(self) -> None:
        self._pulse.leave()
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait([self._task])
            self._task = None

    @property
    def state(self) -> str:
        if self._task is None:
            return "stopped"
        if self._next is None:
            return "finished: its time is past"
        return f"listening, next run {self._next.astimezone(self._schedule.zone):%Y-%m-%d %H:%M:%S %Z}"

    @property
    def _next(self) -> datetime | None:
        return self._status.next if self._status else None

    async def _resume(self) -> bool:
        """Take up the stored status; whether a run is owed from before. Raises `StoreError`."""
        now = self._resources.clock.now()
        self._fence = self._ask_fence()
        if self._monitored:
            owed = await self._take_over(now)
        else:
            self._status, owed = TimerStatus.fresh(self._schedule, now), False
        if _log.isEnabledFor(logging.DEBUG):
            following = [moment.isoformat() for moment in self._schedule.upcoming(now, 5)]
            _log.debug("Timer %s: next runs %s", self._function, ", ".join(following) or "none")
        return owed

    async def _take_over(self, now: datetime) -> bool:
        """Go on from the stored status and put our fence on it: from now on its last holder, who may be slow to
        notice, stores nothing any more."""
        owed = False
        # What ran here and could not be stored then is known here all the same.
        known = self._status

        def edit(value: Any) -> Any:
            nonlocal owed
            stored = TimerStatus.from_json(value)
            self._status, owed = resume(self._schedule, known.later(stored) if known else stored, now)
            self._missed = self._missed or Missed.from_status(value)
            return None if _fence_of(value) > (self._fence or 0) else self._kept(self._status)

        if not await self._resources.state.change(TIMER_SCOPE, self._function, edit):
            raise StoreError(f"Another host has gone on with the timer '{self._function}' meanwhile.")
        if owed and self._next:
            self._missed = missed_before(self._schedule, self._next, now, self._fields.misfire)
        return owed

    async def _run(self, owed: bool) -> None:
        going = await self._first_run(owed)
        while going and (due := self._next) is not None:
            now = self._resources.clock.now()
            if self._status and was_set_back(self._schedule, self._status, now):
                self._report("the clock was set back; it goes on by the time that it shows now")
                await self._save(TimerStatus.fresh(self._schedule, now))
            else:
                going = await self._until(due) and await self._run_if_due(due)

    async def _run_if_due(self, due: datetime) -> bool:
        """Run the tick, unless it was the clock that was set back; False when stopped."""
        is_far = due - self._resources.clock.now() > SET_BACK
        return is_far or await self._complete(_Tick(due))

    async def _first_run(self, owed: bool) -> bool:
        now = self._resources.clock.now()
        if owed and self._fields.misfire == "all":
            return await self._catch_up(now)
        if owed and self._fields.misfire == "once":
            return await self._complete(_Tick(self._next or now, "IsPastDue"))
        if owed:
            await self._save(TimerStatus.fresh(self._schedule, now))
        return not self._fields.runOnStartup or await self._complete(_Tick(now, "RunOnStartup"))

    async def _catch_up(self, now: datetime) -> bool:
        """One run for each occurrence up to `now`, oldest first; False when stopped in between."""
        for _ in range(_MOST_MISSED):
            due = self._next
            if due is None or due > now:
                return True
            if not await self._complete(_Tick(due, "IsPastDue", alone=True)):
                return False
        if self._next is not None and self._next <= now:
            self._report(
                f"missed more than {_MOST_MISSED} runs; those after the first {_MOST_MISSED} are left out"
            )
            await self._save(TimerStatus.fresh(self._schedule, now))
        return True

    async def _complete(self, tick: _Tick) -> bool:
        """Run the tick, again where it was interrupted; False when a stop came before it was done."""
        while not self._stopping:
            if await self._fire(tick):
                return True
            await self._until(self._resources.clock.now() + _AGAIN)
        return False

    async def _fire(self, tick: _Tick) -> bool:
        """Run the tick and reckon the next one; False, and nothing is reckoned, when it was interrupted."""
        started = self._resources.clock.now()
        if self._monitored and not tick.unscheduled:
            missed = missed_between(self._schedule, tick.due, started, self._ended)
            self._missed = missed or self._missed
        try:
            outcome = await self._deliver(self._tick_event(tick, started))
        except Exception as error:
            self._report(f"the run at {started.isoformat()} could not be made: {error!r}")
        else:
            if outcome.status is Status.INTERRUPTED:
                return False
        self._ended = self._resources.clock.now()
        # A tick that came early (the clock was set back) must not come again at its proper time.
        last = tick.due if tick.alone else max(started, tick.due)
        await self._save(TimerStatus.reckoned(self._schedule, last))
        return True

    async def _until(self, moment: datetime) -> bool:
        """Wait for the moment, or until the clock is set back; False when the listener is stopped."""
        self._wake.clear()
        if self._stopping:
            return False
        cancel = self._resources.wakeups.call_at(moment, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            cancel()
        return not self._stopping

    async def _save(self, status: TimerStatus) -> None:
        """Go on with the status. That it is remembered too is best effort: the schedule goes on without."""
        self._status = status
        if not self._monitored:
            return
        kept = self._kept(status)
        try:
            async with asyncio.timeout(_SAVE_LIMIT):
                is_ours = await self._resources.state.change(
                    TIMER_SCOPE,
                    self._function,
                    lambda value: None if _fence_of(value) > (self._fence or 0) else kept,
                )
        except Exception as error:
            self._report(f"its status could not be stored, so another host may repeat a run: {error}")
        else:
            if not is_ours:
                self._report("another host had taken it over while it ran here")

    def _kept(self, status: TimerStatus) -> dict[str, Any]:
        """The status as it is stored."""
        value: dict[str, Any] = {**status.to_json(self._schedule.zone)}
        if self._missed:
            value["Missed"] = self._missed.to_json()
        return value if self._fence is None else {**value, "Fence": self._fence}

    def _tick_event(self, tick: _Tick, started: datetime) -> TriggerEvent:
        zone = self._schedule.zone
        reason = f"Timer fired at {started.astimezone(zone).isoformat()}"
        status = self._status.to_json(zone) if self._monitored and self._status else None
        event = timer_event(status, past_due=tick.unscheduled == "IsPastDue", reason=reason)
        event.cause = Cause(queued=tick.due)
        if tick.unscheduled:
            event.details = partial(_details, tick, zone)
        return event

    def _report(self, message: str) -> None:
        self._resources.report(f"Timer {self._function}: {message}.")


def _fence_of(value: Any) -> int:
    """Of the lease under which a stored status was written."""
    fence = value.get("Fence") if isinstance(value, dict) else None
    return fence if isinstance(fence, int) else 0


def _details(tick: _Tick, zone: tzinfo) -> dict[str, object]:
    """What the log shows of a run out of turn."""
    details: dict[str, object] = {"UnscheduledInvocationReason": tick.unscheduled}
    if tick.unscheduled == "IsPastDue":
        details["OriginalSchedule"] = tick.due.astimezone(zone).isoformat()
    return details


def timer_event(status: dict[str, str] | None, *, past_due: bool, reason: str = CALLED) -> TriggerEvent:
    """A tick as the worker is told of it; `status` as it is stored, None where nothing is remembered."""
    data = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": past_due}
    return TriggerEvent(kind="timer", data=data, metadata={"timerTrigger": data}, reason=reason)
