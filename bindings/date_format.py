"""Times as text by .NET's format strings, invariant culture: what ``{DateTime:yyyy/MM}`` says."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

#: One-letter formats, spelled out.
_STANDARD = {
    "d": "MM/dd/yyyy",
    "D": "dddd, dd MMMM yyyy",
    "f": "dddd, dd MMMM yyyy HH:mm",
    "F": "dddd, dd MMMM yyyy HH:mm:ss",
    "g": "MM/dd/yyyy HH:mm",
    "G": "MM/dd/yyyy HH:mm:ss",
    "m": "MMMM dd",
    "o": "yyyy-MM-ddTHH:mm:ss.fffffffK",
    "r": "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
    "s": "yyyy-MM-ddTHH:mm:ss",
    "t": "HH:mm",
    "T": "HH:mm:ss",
    "u": "yyyy-MM-dd HH:mm:ss'Z'",
    "U": "dddd, dd MMMM yyyy HH:mm:ss",
    "y": "yyyy MMMM",
}
_STANDARD |= {letter.upper(): _STANDARD[letter] for letter in "mory"}

#: Quoted text, an escaped character, a run of one letter that means something, or any other character.
_TOKEN = re.compile(
    r"""(?P<quoted>"[^"]*"|'[^']*')|\\(?P<escaped>.)|(?P<run>(?P<letter>[dfFghHKmMstyz])(?P=letter)*)|(?P<plain>.)""",
    re.DOTALL,
)


def format_date(moment: datetime, form: str) -> str:
    """The moment (aware) as a .NET standard or custom format says. Raises `ValueError` for a bad format."""
    if len(form) == 1:
        if form not in _STANDARD:
            raise ValueError(f"'{form}' is not a date format")
        moment = moment.astimezone(UTC) if form in "rRuU" else moment
        form = _STANDARD[form]
    return "".join(_piece(moment, token) for token in _TOKEN.finditer(form.removeprefix("%")))


def _piece(moment: datetime, token: re.Match[str]) -> str:
    if token["run"]:
        return _PIECES[token["letter"]](moment, len(token["run"]))
    if token["quoted"]:
        return token["quoted"][1:-1]
    text = token["escaped"] or token["plain"]
    if text in "\"'\\%" and not token["escaped"]:
        raise ValueError(f"{text} has no meaning alone in a date format")
    return text


def _day(moment: datetime, width: int) -> str:
    if width <= 2:
        return f"{moment.day:0{width}}"
    return _DAYS[moment.weekday()] if width > 3 else _DAYS[moment.weekday()][:3]


def _month(moment: datetime, width: int) -> str:
    if width <= 2:
        return f"{moment.month:0{width}}"
    return _MONTHS[moment.month - 1] if width > 3 else _MONTHS[moment.month - 1][:3]


def _year(moment: datetime, width: int) -> str:
    return f"{moment.year % 100 if width <= 2 else moment.year:0{width}}"


def _fraction(moment: datetime, width: int) -> str:
    if width > 7:
        raise ValueError("a second has at most seven places in a date format")
    return f"{moment.microsecond:06}0"[:width]


def _offset(moment: datetime, width: int) -> str:
    minutes = (moment.utcoffset() or timedelta(0)) // timedelta(minutes=1)
    sign, minutes = ("-" if minutes < 0 else "+"), abs(minutes)
    hours = f"{sign}{minutes // 60:0{min(width, 2)}}"
    return f"{hours}:{minutes % 60:02}" if width > 2 else hours


def _number(value: Callable[[datetime], int]) -> Callable[[datetime, int], str]:
    return lambda moment, width: f"{value(moment):0{min(width, 2)}}"


_PIECES: dict[str, Callable[[datetime, int], str]] = {
    "d": _day,
    "f": _fraction,
    "F": lambda moment, width: _fraction(moment, width).rstrip("0"),
    "g": lambda moment, width: "A.D.",
    "h": _number(lambda moment: (moment.hour + 11) % 12 + 1),
    "H": _number(lambda moment: moment.hour),
    "K": lambda moment, width: ("Z" if moment.tzinfo is UTC else _offset(moment, 3)) * width,
    "m": _number(lambda moment: moment.minute),
    "M": _month,
    "s": _number(lambda moment: moment.second),
    "t": lambda moment, width: ("AM" if moment.hour < 12 else "PM")[: min(width, 2)],
    "y": _year,
    "z": _offset,
}
