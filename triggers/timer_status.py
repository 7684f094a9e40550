"""What is remembered of a timer over restarts, and what a timer that starts makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from ..bindings.clock import SET_BACK
from .schedule import OneTime, Schedule

#: How Azure writes a time that has not been.
_NEVER = "0001-01-01T00:00:00+00:00"

#: A point in time that comes again because the clock was set back by less is not repeated, as at the end of summer
#: time. More is the correction of a clock that was wrong.
_CORRECTION = timedelta(hours=3)


@dataclass(frozen=True, slots=True)
class TimerStatus:
    """The last run and the next one. Moments are in UTC, so that comparing them means what it says."""

    #: None: it has not run since its schedule was last changed.
    last: datetime | None
    #: None: it will not run any more.
    next: datetime | None
    #: What `next` was reckoned from.
    updated: datetime | None

    @classmethod
    def reckoned(cls, schedule: Schedule, last: datetime) -> TimerStatus:
        """The status after a run at `last`."""
        return cls(last, _next(schedule, last), last)

    @classmethod
    def fresh(cls, schedule: Schedule, now: datetime) -> TimerStatus:
        """The status of a timer that begins at `now`, owing nothing."""
        return cls(None, _next(schedule, now), now)

    @classmethod
    def as_of(cls, schedule: Schedule, moment: datetime) -> TimerStatus:
        """The status that a tick at `moment` finds, where every tick before it was run."""
        last = schedule.last_before(moment)
        following = schedule.next_after(last or moment - timedelta(microseconds=1))
        return cls(last and last.astimezone(UTC), following and following.astimezone(UTC), last)

    def to_json(self, zone: tzinfo) -> dict[str, str]:
        """Azure's three texts, ISO times with the zone's offset."""
        return {
            "Last": _text(self.last, zone),
            "Next": _text(self.next, zone),
            "LastUpdated": _text(self.updated, zone),
        }

    def later(self, other: TimerStatus | None) -> TimerStatus:
        """Whichever of the two knows of a later run; `other` where they know of the same."""
        if other is None or (self.last and (other.last is None or other.last < self.last)):
            return self
        return other

    @classmethod
    def from_json(cls, value: Any) -> TimerStatus | None:
        """What `to_json` made texts of; None for anything else."""
        try:
            return cls(_moment(value["Last"]), _moment(value["Next"]), _moment(value["LastUpdated"]))
        except (KeyError, TypeError, ValueError):
            return None


def was_set_back(schedule: Schedule, status: TimerStatus, now: datetime) -> bool:
    """Whether the clock was set back since the status was reckoned, and so far that the next run has to be reckoned
    anew by what it shows now."""
    most = SET_BACK if schedule.is_interval else _CORRECTION
    return status.updated is not None and status.updated > now + most


def resume(schedule: Schedule, stored: TimerStatus | None, now: datetime) -> tuple[TimerStatus, bool]:
    """The status to go on with, and whether a run that should have been before `now` is still owed.

    The memory of another schedule owes nothing, except that a single moment is owed until it has been run.
    """
    if isinstance(schedule, OneTime):
        return _resume_once(schedule, stored, now)
    if stored is None or was_set_back(schedule, stored, now):
        return TimerStatus.fresh(schedule, now), False
    base = stored.last or stored.updated or now
    expected = _next(schedule, base)
    if stored.next == expected:
        return stored, expected is not None and now > expected
    if expected is not None and now > expected:
        return TimerStatus.fresh(schedule, now), False
    return TimerStatus(None, expected, base), False


def _resume_once(schedule: OneTime, stored: TimerStatus | None, now: datetime) -> tuple[TimerStatus, bool]:
    last = stored.last if stored else None
    if last is not None and last >= schedule.moment:
        return TimerStatus(last, None, last), False
    return TimerStatus(last, schedule.moment, last or now), now > schedule.moment


def _next(schedule: Schedule, moment: datetime) -> datetime | None:
    found = schedule.next_after(moment)
    return found and found.astimezone(UTC)


def _text(moment: datetime | None, zone: tzinfo) -> str:
    return moment.astimezone(zone).isoformat() if moment else _NEVER


def _moment(text: str) -> datetime | None:
    moment = datetime.fromisoformat(text)
    if moment.year == 1:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
