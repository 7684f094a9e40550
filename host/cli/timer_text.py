"""A timer as people read it."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from ...bindings.counted import counted
from ...bindings.history import RunRecord
from ...triggers.timer_missed import MOST_COUNTED, Missed
from ..operations.timers import TimerInfo
from .message import printable
from .runs_text import duration_text


def timer_text(timer: TimerInfo) -> str:
    """Several lines, without the last line's end. Moments are in the timer's zone, and where that is another in UTC."""
    last = _text(timer.last) if timer.last else timer.forgotten or "none remembered"
    following = _text(timer.next) if timer.next else "none"
    meaning = f"{timer.meaning}, " if timer.meaning else ""
    lines = [
        f"{timer.name}  {timer.schedule}  ({meaning}{timer.zone}){'  disabled' if timer.disabled else ''}",
        f"  last run  {last}",
        *_record_lines(timer.last_run, timer.late, timer.zone),
        f"  next run  {following}{'  PAST DUE' if timer.is_past_due else ''}",
        *(f"  waits     {reason}" for reason in timer.why),
        *_missed_lines(timer.missed, timer.zone),
    ]
    for number, moment in enumerate(timer.upcoming):
        in_utc = "" if timer.zone == UTC else f"   {_text(moment.astimezone(UTC))}"
        lines.append(f"  {'' if number else 'upcoming':<8}  {_text(moment)}{in_utc}")
    return "\n".join(lines)


def _record_lines(run: RunRecord | None, late: float | None, zone: tzinfo) -> list[str]:
    """The last run on record: the one above, or one by hand that came after it."""
    if run is None:
        return []
    took = "" if run.duration is None else f" in {duration_text(run.duration)}"
    how = "by hand" if late is None else f"{duration_text(late)} late"
    lines = [
        f"  on record {run.state}{took}, {how}",
        f"            {_text(run.started.astimezone(zone))}, run {run.id}",
    ]
    if run.error:
        lines.append(f"            {printable(run.error.splitlines()[0])}")
    return lines


def _missed_lines(missed: Missed | None, zone: tzinfo) -> list[str]:
    if missed is None:
        return []
    count = "more than " * (missed.count == MOST_COUNTED) + counted(missed.count, "tick")
    span = _text(missed.first.astimezone(zone))
    if missed.last != missed.first:
        span += f" to {_text(missed.last.astimezone(zone))}"
    return [
        f"  missed    {count}, {span}",
        f"            {missed.why}; {missed.done}",
    ]


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}"
