"""Ticks of a timer that had no run at their time: how many, why, and what was done about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .schedule import IntervalSchedule, Schedule

#: So many are counted, and no more.
MOST_COUNTED = 1000

#: Why nobody ran them.
NOBODY, BUSY, STOOD_STILL = (
    "no host ran the timer then",
    "the run before was still going",
    "the host stood still, or its clock was set forward",
)

#: What was done, by the timer's `misfire`.
DONE = {
    "once": "one run was made for all of them",
    "all": "a run was made for each",
    "skip": "they were left out",
}


@dataclass(frozen=True, slots=True)
class Missed:
    """The ticks that were missed at one time."""

    #: When that was noticed.
    noticed: datetime
    #: The first and the last of them.
    first: datetime
    last: datetime
    #: How many; `MOST_COUNTED` may be more.
    count: int
    why: str
    done: str

    def to_json(self) -> dict[str, Any]:
        """As it stands in the timer's status."""
        return {
            "Noticed": self.noticed.astimezone(UTC).isoformat(),
            "First": self.first.astimezone(UTC).isoformat(),
            "Last": self.last.astimezone(UTC).isoformat(),
            "Count": self.count,
            "Why": self.why,
            "Done": self.done,
        }

    @classmethod
    def from_status(cls, status: Any) -> Missed | None:
        """What a stored status tells of the ticks that were missed last; None where it tells of none."""
        try:
            value = status["Missed"]
            noticed, first, last = (
                datetime.fromisoformat(value[key]) for key in ("Noticed", "First", "Last")
            )
            return cls(noticed, first, last, int(value["Count"]), str(value["Why"]), str(value["Done"]))
        except (KeyError, TypeError, ValueError):
            return None


def missed_before(schedule: Schedule, first: datetime, now: datetime, misfire: str) -> Missed:
    """The ticks from `first`, which was due, up to `now`, when a host takes the timer up."""
    last, count = _counted(schedule, first, now)
    return Missed(now, first, last, count, NOBODY, DONE[misfire])


def missed_between(
    schedule: Schedule, due: datetime, started: datetime, busy_until: datetime | None
) -> Missed | None:
    """The ticks after `due` for which its run, `started` late, stands too; None where there are none.

    `busy_until` is when the run before it ended.
    """
    # An interval counts from the last run: none of its ticks can be overrun.
    first = None if isinstance(schedule, IntervalSchedule) else schedule.next_after(due)
    if first is None or first > started:
        return None
    last, count = _counted(schedule, first, started)
    why = BUSY if busy_until is not None and busy_until >= first else STOOD_STILL
    return Missed(started, first, last, count, why, DONE["skip"])


def _counted(schedule: Schedule, first: datetime, until: datetime) -> tuple[datetime, int]:
    """The last tick up to `until`, and how many there are from `first` on."""
    last, count = first, 1
    while count < MOST_COUNTED and (following := schedule.next_after(last)) and following <= until:
        last, count = following, count + 1
    return last, count
