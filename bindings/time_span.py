"""Durations as text: .NET's TimeSpan in configuration files, short forms such as ``10m`` on the command line."""

from __future__ import annotations

import re
from datetime import timedelta

from .errors import ConfigurationError

_DAYS, _HOURS, _MINUTES = r"(?P<days>\d{1,8})", r"(?P<hours>[01]?\d|2[0-3])", r"(?P<minutes>[0-5]?\d)"
_SECONDS = r"(?P<seconds>[0-5]?\d)(?:\.(?P<fraction>\d{1,7}))?"

#: The forms that .NET reads, in its order: so ``24:00:00``, whose first part is no hour, is 24 days.
_FORMS = tuple(
    re.compile(rf"(?P<sign>-?){form}", re.ASCII)
    for form in (
        _DAYS,
        f"{_HOURS}:{_MINUTES}",
        f"{_HOURS}:{_MINUTES}:{_SECONDS}",
        f"{_DAYS}[.:]{_HOURS}:{_MINUTES}",
        f"{_DAYS}[.:]{_HOURS}:{_MINUTES}:{_SECONDS}",
    )
)
_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds", "ms": "milliseconds"}
_SHORT_PART = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|[dhms])", re.ASCII)


def parse_time_span(text: str) -> timedelta:
    """The duration that a TimeSpan text means: ``[-][d.]hh:mm[:ss[.fffffff]]``, or days alone.

    Raises `ConfigurationError`.
    """
    found = next(filter(None, (form.fullmatch(text.strip()) for form in _FORMS)), None)
    if found is None:
        raise ConfigurationError(f"'{text}' is not a duration; write it as hh:mm:ss or d.hh:mm:ss.")
    parts = {
        name: int(value) for name, value in found.groupdict().items() if value and name in _UNITS.values()
    }
    microseconds = int((found.groupdict().get("fraction") or "").ljust(6, "0")[:6])
    length = timedelta(microseconds=microseconds, **parts)
    return -length if found["sign"] else length


def parse_time_span_or_milliseconds(value: str | int) -> timedelta:
    """As `parse_time_span`; a number is milliseconds, as some settings of Azure's first version had it."""
    return timedelta(milliseconds=value) if isinstance(value, int) else parse_time_span(value)


def format_time_span(length: timedelta) -> str:
    """The TimeSpan text of a duration: ``[-][d.]hh:mm:ss[.ffffff]``."""
    sign, length = ("-", -length) if length < timedelta(0) else ("", length)
    minutes, seconds = divmod(length.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days = f"{length.days}." if length.days else ""
    fraction = f".{length.microseconds:06}" if length.microseconds else ""
    return f"{sign}{days}{hours:02}:{minutes:02}:{seconds:02}{fraction}"


def parse_duration(text: str) -> timedelta:
    """The duration a person typed: ``1h30m``, ``45s``, ``250ms``, or a TimeSpan with colons.

    Raises `ConfigurationError`.
    """
    short = text.strip().lower()
    if ":" in short:
        return parse_time_span(short)
    parts = _SHORT_PART.findall(short)
    if not parts or "".join(number + unit for number, unit in parts) != short:
        raise ConfigurationError(f"'{text}' is not a duration; write 10m, 1h30m, 45s, 250ms or hh:mm:ss.")
    return sum((timedelta(**{_UNITS[unit]: float(number)}) for number, unit in parts), timedelta(0))
