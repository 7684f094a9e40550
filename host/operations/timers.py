"""How timers stand: when each runs next, how it ran last, what was missed, and why it does not run now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

from ...bindings.history import RunFilter, RunRecord, RunState
from ...triggers.descriptor import SingletonMode
from ...triggers.timer import TimerTrigger
from ...triggers.timer_listener import TIMER_SCOPE
from ...triggers.timer_missed import Missed
from ...triggers.timer_status import TimerStatus, resume
from .hosts import host_document
from .locks import LockInfo, list_locks
from .schedule_words import schedule_words
from .switches import FunctionSwitches, list_switches
from .workbench import Workbench

#: How many of the next runs are told.
UPCOMING = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerInfo:
    """How a timer stands. Moments of its schedule are in its zone."""

    name: str
    schedule: str
    #: The schedule in words; empty where that would be long.
    meaning: str = ""
    zone: tzinfo
    disabled: bool = False
    #: None: it has not run, or its runs are not remembered.
    last: datetime | None = None
    #: The next run by what is stored; it may be past while no host runs it. None: there is none any more.
    next: datetime | None = None
    is_past_due: bool = False
    upcoming: Sequence[datetime] = ()
    #: Why its runs are not remembered; empty where they are.
    forgotten: str = ""
    #: Its last run that is on record, by its schedule or by hand.
    last_run: RunRecord | None = None
    missed: Missed | None = None
    #: The lease of the host that runs it now.
    holder: LockInfo | None = None
    #: Why it does not run now; empty when it does.
    why: Sequence[str] = ()

    @property
    def late(self) -> float | None:
        """Seconds by which its last run on record was late; None for a run by hand, which was due at no time."""
        run = self.last_run
        if run is None or run.queued is None:
            return None
        return max(0.0, (run.started - run.queued).total_seconds())


async def timers_info(workbench: Workbench, triggers: Iterable[TimerTrigger]) -> list[TimerInfo]:
    """How these timers stand, by name."""
    locks = {lock.lease.name: lock for lock in await list_locks(workbench)}
    ordered = sorted(triggers, key=lambda trigger: trigger.function.name.lower())
    return [await _info(workbench, trigger, locks) for trigger in ordered]


def timer_document(timer: TimerInfo) -> dict[str, Any]:
    """A timer as `--json` and the API give it."""
    return {
        "name": timer.name,
        "schedule": timer.schedule,
        "meaning": timer.meaning,
        "timeZone": str(timer.zone),
        "disabled": timer.disabled,
        "last": _iso(timer.last),
        "next": _iso(timer.next),
        "isPastDue": timer.is_past_due,
        "upcoming": [{"local": _iso(each), "utc": _iso(each.astimezone(UTC))} for each in timer.upcoming],
        "isRemembered": not timer.forgotten,
        "lastRun": _run_document(timer.last_run, timer.late) if timer.last_run else None,
        "missed": _missed_document(timer.missed) if timer.missed else None,
        "host": host_document(timer.holder.host) if timer.holder else None,
        "why": list(timer.why),
    }


async def _info(workbench: Workbench, trigger: TimerTrigger, locks: dict[str, LockInfo]) -> TimerInfo:
    name, schedule = trigger.function.name, trigger.schedule
    now = workbench.clock.now()
    stored = await workbench.storage.state.get(TIMER_SCOPE, name)
    status, is_past_due = resume(schedule, TimerStatus.from_json(stored), now)
    runs = await workbench.history.list(RunFilter(functions=(name,)), 1)
    last_run = runs[0] if runs else None
    [switches] = await list_switches(workbench, {name: trigger.function.disabled})
    return TimerInfo(
        name=name,
        schedule=trigger.fields.schedule or trigger.fields.runAt or "",
        meaning=schedule_words(schedule),
        zone=schedule.zone,
        disabled=switches.disabled,
        last=status.last and status.last.astimezone(schedule.zone),
        next=status.next and status.next.astimezone(schedule.zone),
        is_past_due=is_past_due,
        upcoming=trigger.preview(now, UPCOMING),
        forgotten=_forgotten(trigger),
        last_run=last_run,
        missed=Missed.from_status(stored),
        holder=locks.get(f"{name}.Listener"),
        why=_why(trigger, status, last_run, locks, switches),
    )


def _forgotten(trigger: TimerTrigger) -> str:
    if trigger.is_monitored:
        return ""
    if trigger.fields.useMonitor is False:
        return "not remembered: useMonitor is false"
    return "not remembered: it runs more often than once a minute"


def _why(
    trigger: TimerTrigger,
    status: TimerStatus,
    last_run: RunRecord | None,
    locks: dict[str, LockInfo],
    switches: FunctionSwitches,
) -> list[str]:
    """Each reason why it does not run now, in a sentence without its end."""
    if switches.disabled or switches.paused:
        return [f"it is {switches.told}"]
    if status.next is None:
        return ["its time is past"]
    name = trigger.function.name
    holder = locks.get(f"{name}.Listener")
    reasons = [] if holder else ["no host runs it now"]
    if holder and last_run and last_run.state is RunState.RUNNING:
        reasons.append(f"its run {last_run.id} is still going, since {last_run.started.isoformat()}")
        reasons += _waits_for(trigger, holder, locks)
    return reasons


def _waits_for(trigger: TimerTrigger, holder: LockInfo, locks: dict[str, LockInfo]) -> list[str]:
    """The singleton's lock, where another host than the one that runs the timer has it."""
    singleton = trigger.function.policy.singleton
    if singleton is None or singleton.mode is not SingletonMode.FUNCTION:
        return []
    name = trigger.function.name
    others = [
        lock
        for lock in locks.values()
        if lock.lease.owner != holder.lease.owner
        and (lock.lease.name == name or (lock.function == name and singleton.scope))
        and not lock.lease.name.endswith(".Listener")
    ]
    return [f"the lock {lock.lease.name} is held by {lock.holder}" for lock in others]


def _run_document(run: RunRecord, late: float | None) -> dict[str, Any]:
    return {
        "id": run.id,
        "state": run.state,
        "started": _iso(run.started.astimezone(UTC)),
        "ended": _iso(run.ended and run.ended.astimezone(UTC)),
        "durationSeconds": run.duration,
        "lateSeconds": late,
        "error": run.error,
    }


def _missed_document(missed: Missed) -> dict[str, Any]:
    return {
        "noticed": _iso(missed.noticed.astimezone(UTC)),
        "first": _iso(missed.first.astimezone(UTC)),
        "last": _iso(missed.last.astimezone(UTC)),
        "count": missed.count,
        "why": missed.why,
        "done": missed.done,
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
