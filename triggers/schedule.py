"""When a timer is due: NCRONTAB on the wall clock of a time zone, a fixed interval, or one moment."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo

from ..bindings.errors import ConfigurationError
from ..bindings.time_span import parse_time_span
from .ncrontab import Ncrontab, parse_ncrontab, split_fields

_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
_MINUTE = timedelta(minutes=1)
_SECOND = timedelta(seconds=1)
_INSTANT = timedelta(microseconds=1)
#: A schedule that occurs at all does so at least once in such a time: February 29 may be left out once.
_LONGEST_BACK = timedelta(days=366 * 9)
_LONGEST_INTERVAL = timedelta(days=36_525)
#: As APScheduler writes them, in NCRONTAB's order.
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


class Schedule(ABC):
    """The occurrences of a timer. All moments are aware; those given back are in the schedule's zone."""

    def __init__(self, zone: tzinfo) -> None:
        self.zone = zone

    @staticmethod
    def parse(text: str, zone: tzinfo) -> CronSchedule | IntervalSchedule:
        """The schedule that a `schedule` text means: NCRONTAB, else a TimeSpan. Raises `ConfigurationError`."""
        if len(split_fields(text)) in (5, 6):
            return CronSchedule(parse_ncrontab(text), zone)
        try:
            interval = parse_time_span(text)
        except ConfigurationError:
            raise ConfigurationError(
                f"'{text}' is not a schedule. Write 5 or 6 NCRONTAB fields separated by spaces (not tabs), [second] minute"
                " hour day month weekday, such as '0 */5 * * * *', or a TimeSpan such as 00:05:00."
            ) from None
        return IntervalSchedule(interval, zone)

    @staticmethod
    def at(text: str, zone: tzinfo) -> OneTime:
        """The single moment that an ISO text means; without an offset it is in `zone`."""
        try:
            moment = datetime.fromisoformat(text)
            return OneTime(moment if moment.tzinfo else moment.replace(tzinfo=zone), zone)
        except (ValueError, OverflowError):
            raise ConfigurationError(
                f"'{text}' is not a time. Write it as ISO 8601, such as 2030-01-31T18:00:00+01:00."
            ) from None

    @property
    @abstractmethod
    def is_frequent(self) -> bool:
        """Whether it is due more than once a minute: then nothing is remembered of it."""

    @property
    @abstractmethod
    def is_interval(self) -> bool:
        """Whether it is about the time between runs, and not about points in time."""

    def next_after(self, moment: datetime) -> datetime | None:
        """The first occurrence strictly after `moment`; None when there is none any more."""
        found = self._next(moment.astimezone(UTC))
        return found and found.astimezone(self.zone)

    def upcoming(self, moment: datetime, count: int) -> list[datetime]:
        """The next `count` occurrences strictly after `moment`, fewer where the schedule ends."""
        occurrences: list[datetime] = []
        while len(occurrences) < count and (found := self.next_after(moment)) is not None:
            occurrences.append(found)
            moment = found
        return occurrences

    def last_before(self, moment: datetime) -> datetime | None:
        """The last occurrence before `moment`; None where there is none, or none in the last `_LONGEST_BACK`."""
        moment = moment.astimezone(UTC)
        back = _MINUTE
        while (found := self._next(moment - back)) is None or found >= moment:
            if back > _LONGEST_BACK:
                return None
            back *= 2
        low, high = moment - back, moment
        while high - low > _SECOND:
            middle = low + (high - low) / 2
            following = self._next(middle)
            low, high = (middle, high) if following and following < moment else (low, middle)
        return self.next_after(low)

    @abstractmethod
    def _next(self, moment: datetime) -> datetime | None:
        """As `next_after`, in UTC: there, times can be compared and added up whatever the zone does."""


class IntervalSchedule(Schedule):
    """Due when so much time has passed since the last run."""

    def __init__(self, interval: timedelta, zone: tzinfo) -> None:
        super().__init__(zone)
        if not timedelta(0) < interval <= _LONGEST_INTERVAL:
            raise ConfigurationError(
                "The TimeSpan of a schedule must be more than zero and at most 100 years."
            )
        self.interval = interval

    @property
    def is_frequent(self) -> bool:
        return self.interval < _MINUTE

    @property
    def is_interval(self) -> bool:
        return True

    def last_before(self, moment: datetime) -> datetime:
        """So long before, since whatever is due at `moment` counts from then."""
        return (moment.astimezone(UTC) - self.interval).astimezone(self.zone)

    def _next(self, moment: datetime) -> datetime:
        return moment + self.interval


class OneTime(Schedule):
    """Due once."""

    is_frequent = False
    is_interval = False

    def __init__(self, moment: datetime, zone: tzinfo) -> None:
        super().__init__(zone)
        self.moment = moment.astimezone(UTC)

    def _next(self, moment: datetime) -> datetime | None:
        return self.moment if moment < self.moment else None


class CronSchedule(Schedule):
    """Due when the wall clock of a zone matches an NCRONTAB expression.

    Where the clock is put forward, an occurrence that is left out comes as much later as the gap is wide.
    Where it is put back, an interval goes on through the repeated hour; a point in time comes only at first.
    """

    def __init__(self, cron: Ncrontab, zone: tzinfo) -> None:
        super().__init__(zone)
        self.cron = cron
        self._next_wall = _wall_clock(cron)

    @property
    def is_frequent(self) -> bool:
        return self.cron.is_frequent

    @property
    def is_interval(self) -> bool:
        return self.cron.is_interval

    def _next(self, moment: datetime) -> datetime:
        # Between two changes of the zone's offset a wall clock is only UTC moved. So it is followed offset by
        # offset; beginning a day early shows a change just past, whose gap or repeated hour may still go on.
        since, start, offset = moment - _DAY, moment, self._offset(moment - _DAY)
        late: datetime | None = None
        while True:
            found = self._next_wall(start + offset) - offset
            if late is not None and late <= found:
                return late
            change = self._first_change(since, found)
            if change is None:
                return found
            jump = self._offset(change) - offset
            if found < change + max(jump, timedelta(0)):
                late = found
            silent = max(-jump, timedelta(0)) if not self.is_interval else timedelta(0)
            since, start, offset = change, max(moment, change + silent - _INSTANT), offset + jump

    def _offset(self, moment: datetime) -> timedelta:
        return moment.astimezone(self.zone).utcoffset() or timedelta(0)

    def _first_change(self, after: datetime, until: datetime) -> datetime | None:
        """When, later than `after` and up to `until`, the zone's offset first changes."""
        offset = self._offset(after)
        while after < until:
            probe = min(after + _WEEK, until)
            if self._offset(probe) != offset:
                return self._bisect(after, probe)
            after = probe
        return None

    def _bisect(self, low: datetime, high: datetime) -> datetime:
        """The whole second at which the offset is first that of `high`."""
        before = self._offset(low)
        while high - low > _SECOND:
            middle = low + (high - low) / 2
            low, high = (middle, high) if self._offset(middle) == before else (low, middle)
        return high.replace(microsecond=0)


def _wall_clock(cron: Ncrontab) -> Callable[[datetime], datetime]:
    """What finds the next matching time strictly after a given one on a clock that never jumps."""
    # Slow to import, and needed only where there are timers.
    from apscheduler.triggers.cron import CronTrigger

    seconds, minutes, hours, days, months, weekdays = cron.fields
    # Every field is given: CronTrigger sets those after the last given one to their minimum. Weekdays go by
    # name because its numbers begin on Monday. On UTC its own handling of summer time has nothing to do.
    trigger = CronTrigger(
        second=_list(seconds),
        minute=_list(minutes),
        hour=_list(hours),
        day=_list(days),
        month=_list(months),
        day_of_week=",".join(_WEEKDAYS[day] for day in weekdays) or "*",
        timezone=UTC,
    )

    def next_match(moment: datetime) -> datetime:
        # It gives its starting point back when that matches.
        found: datetime = trigger.get_next_fire_time(None, moment + _INSTANT)
        return found

    return next_match


def _list(values: tuple[int, ...]) -> str:
    return ",".join(map(str, values)) or "*"
