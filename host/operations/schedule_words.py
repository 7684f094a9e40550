"""What a schedule means, in words, where that can be said shortly."""

from __future__ import annotations

from collections.abc import Sequence

from ...bindings.time_span import format_time_span
from ...triggers.ncrontab import Ncrontab
from ...triggers.schedule import CronSchedule, IntervalSchedule, OneTime, Schedule

_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)

#: So many times of day, days or months are named one by one.
_MOST_NAMED = 4


def schedule_words(schedule: Schedule) -> str:
    """Such as ``at 09:30, Monday to Friday``; empty for what would take long to say."""
    if isinstance(schedule, OneTime):
        return "once"
    if isinstance(schedule, IntervalSchedule):
        return f"{format_time_span(schedule.interval)} after each run"
    return _cron_words(schedule.cron) if isinstance(schedule, CronSchedule) else ""


def _cron_words(cron: Ncrontab) -> str:
    time, days = _time_words(cron), _day_words(cron)
    return ", ".join(filter(None, (time, *days))) if time and days is not None else ""


def _time_words(cron: Ncrontab) -> str:
    seconds, minutes, hours = cron.fields[:3]
    if not minutes and not hours:
        return _every("second", seconds, 60) or ("every minute" if len(seconds) == 1 else "")
    if len(seconds) != 1:
        return ""
    if not hours and (every := _every("minute", minutes, 60)):
        return every
    if len(minutes) == 1 and (every := _every("hour", hours, 24)):
        return f"{every} at {minutes[0]:02} past" if minutes[0] else every
    if not hours or not minutes or len(hours) * len(minutes) > _MOST_NAMED:
        return ""
    second = f":{seconds[0]:02}" if seconds[0] else ""
    return f"at {_listed([f'{hour:02}:{minute:02}{second}' for hour in hours for minute in minutes])}"


def _every(unit: str, values: Sequence[int], size: int) -> str:
    """The words for a step through all of a field; empty for other values."""
    if not values:
        return f"every {unit}"
    step = size // len(values)
    even = len(values) > 1 and size % len(values) == 0 and tuple(values) == tuple(range(0, size, step))
    return f"every {step} {unit}s" if even else ""


def _day_words(cron: Ncrontab) -> list[str] | None:
    """Each limit of the days; None where one takes long to say."""
    days, months, weekdays = cron.fields[3:]
    if len(days) > _MOST_NAMED:
        return None
    words = []
    if days:
        words.append(f"on day {_listed(list(map(str, days)))} of the month")
    if weekdays:
        words.append(_span([_WEEKDAYS[day] for day in weekdays], weekdays))
    if months:
        words.append(f"in {_span([_MONTHS[month - 1] for month in months], months)}")
    return words


def _span(names: Sequence[str], values: Sequence[int]) -> str:
    is_row = len(values) > 2 and values[-1] - values[0] == len(values) - 1
    return f"{names[0]} to {names[-1]}" if is_row else _listed(names)


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
