"""NCRONTAB, the cron dialect of timer triggers: six fields (seconds first), or five without seconds.

It differs from crontab(5): day of month and day of week must both match, 7 is not Sunday, names are known by
any prefix, and a range written backwards is turned round instead of wrapping.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from ..bindings.counted import counted
from ..bindings.errors import ConfigurationError

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_NUMBER = re.compile("-?[0-9]{1,9}")
_LONGEST_MONTH = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}


class _Field(NamedTuple):
    """One field: what it is called and which values it takes."""

    title: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    def expand(self, text: str) -> tuple[int, ...]:
        """All values that the field's text stands for, ascending."""
        return tuple(sorted({value for element in text.split(",") for value in self._element(element)}))

    def _element(self, text: str) -> range:
        span, slash, step_text = text.partition("/")
        step = max(self._step(step_text, text), 1) if slash else 1
        if span == "*":
            return range(self.low, self.high + 1, step)
        first_text, dash, last_text = span.partition("-")
        first = self._value(first_text, text)
        last = self._value(last_text, text) if dash else self.high if slash else first
        return range(min(first, last), max(first, last) + 1, step)

    def _value(self, text: str, element: str) -> int:
        if _NUMBER.fullmatch(text):
            if self.low <= int(text) <= self.high:
                return int(text)
        elif text:
            for position, name in enumerate(self.names):
                if name.lower().startswith(text.lower()):
                    return self.low + position
        raise self._refused(element)

    def _step(self, text: str, element: str) -> int:
        if _NUMBER.fullmatch(text):
            return int(text)
        raise self._refused(element)

    def _refused(self, element: str) -> ConfigurationError:
        allowed = f"{self.low} to {self.high}"
        if self.names:
            allowed += f" ({self.names[0]} is {self.low}) or names such as {self.names[1][:3]}"
        return ConfigurationError(
            f"'{element}' is not allowed in the field {self.title}. It takes {allowed}, as *, n, a-b, */step,"
            " a-b/step or a/step, and lists of these with commas (no ?, L, W or #)."
        )


_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 6, _WEEKDAYS),
)


@dataclass(frozen=True, slots=True)
class Ncrontab:
    """The values of each field, ascending. Day of week counts from Sunday = 0."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]

    @property
    def fields(self) -> tuple[tuple[int, ...], ...]:
        """The six fields in their order, those that take every value as an empty tuple."""
        values = (self.seconds, self.minutes, self.hours, self.days, self.months, self.weekdays)
        return tuple(
            () if len(some) == field.high - field.low + 1 else some
            for some, field in zip(values, _FIELDS, strict=True)
        )

    @property
    def is_interval(self) -> bool:
        """Whether it says how often rather than when, which decides what the repeated hour in autumn does.

        Azure looks for ``*``, ``-`` or ``/`` in the time of day once every field has been written out anew.
        No step survives that, and only neighbouring values become a range again.
        """
        return any(_has_neighbours(values) for values in (self.seconds, self.minutes, self.hours))

    @property
    def is_frequent(self) -> bool:
        """Whether it runs more than once in every minute."""
        return not any(self.fields[1:]) and len(self.seconds) > 1


def parse_ncrontab(text: str) -> Ncrontab:
    """The schedule that an expression of 5 or 6 fields stands for.

    Raises `ConfigurationError` naming the field and what it takes, also when no day can ever match.
    """
    fields = split_fields(text)
    if len(fields) not in (5, 6):
        raise ConfigurationError(
            f"'{text}' has {counted(len(fields), 'field')}; NCRONTAB has 5, or 6 with the seconds first."
        )
    if len(fields) == 5:
        fields = ["0", *fields]
    cron = Ncrontab(*(field.expand(value) for field, value in zip(_FIELDS, fields, strict=True)))
    if min(cron.days) > max(_LONGEST_MONTH.get(month, 31) for month in cron.months):
        raise ConfigurationError(
            f"The schedule '{text}' never occurs: no month {_listed(cron.months)} has a day {_listed(cron.days)}."
        )
    return cron


def split_fields(text: str) -> list[str]:
    """The fields of an expression. Only spaces separate them."""
    return [part for part in text.split(" ") if part]


def _has_neighbours(values: tuple[int, ...]) -> bool:
    return any(later - earlier == 1 for earlier, later in pairwise(values))


def _listed(values: Iterable[int]) -> str:
    return " or ".join(map(str, values))
