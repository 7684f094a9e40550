"""What a route parameter may demand of its value: ASP.NET's constraints, by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ..bindings.counted import counted
from ..bindings.errors import ConfigurationError

_GUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_NUMBER = r"[+-]?([0-9][0-9,]*\.?[0-9]*|\.[0-9]+)"
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
#: Beside ISO 8601, what people write in a URL.
_DATE_FORMATS = ("%m-%d-%Y", "%Y-%m-%d %I:%M%p", "%Y-%m-%d %I:%M:%S%p")


class RouteError(ConfigurationError):
    """A route cannot be used."""

    def __init__(self, message: str) -> None:
        super().__init__(message, key="route")


@dataclass(frozen=True, slots=True)
class Constraint:
    """One condition on a value. Constraints filter; they never convert."""

    #: As written, such as ``length(1,5)``: two constraints are the same when their texts are.
    text: str
    accepts: Callable[[str], bool]
    #: A value that it accepts, to show people a URL; None where there is no telling.
    example: str | None


def make_constraint(name: str, arguments: str | None) -> Constraint:
    """The constraint written as ``name`` or ``name(arguments)``; raises `RouteError`."""
    known = _PLAIN.get(name.lower())
    if known is not None and arguments is None:
        return Constraint(name.lower(), *known)
    text = f"{name.lower()}({arguments or ''})"
    if name.lower() == "regex":
        return Constraint(text, _regex(arguments or ""), None)
    bounds = _BOUNDS.get(name.lower())
    if bounds is None or arguments is None:
        raise RouteError(_misused(name, known is not None, bounds is not None))
    numbers = _numbers(name, arguments)
    counts, accepts, example = bounds
    if len(numbers) not in counts:
        expected = " or ".join(str(count) for count in counts)
        raise RouteError(
            f"The constraint '{text}' has {counted(len(numbers), 'number')}; it takes {expected}."
        )
    return Constraint(text, accepts(numbers), example(numbers))


def _misused(name: str, plain: bool, bounded: bool) -> str:
    if plain:
        return f"The constraint '{name}' takes no arguments; write it without parentheses."
    if bounded:
        return f"The constraint '{name}' needs its numbers in parentheses, such as '{name}(3)'."
    known = ", ".join(sorted([*_PLAIN, *_BOUNDS, "regex"]))
    return f"'{name}' is not a route constraint; the known ones are {known}."


def _numbers(name: str, arguments: str) -> list[int]:
    parts = [part.strip() for part in arguments.split(",")]
    if not all(_INTEGER.fullmatch(part) for part in parts):
        raise RouteError(f"The constraint '{name}({arguments})' takes whole numbers, separated by commas.")
    return [int(part) for part in parts]


def _regex(expression: str) -> Callable[[str], bool]:
    try:
        pattern = re.compile(expression, re.IGNORECASE)
    except re.error as error:
        raise RouteError(
            f"The regular expression '{expression}' of a constraint is wrong: {error}."
        ) from None
    return lambda value: pattern.search(value) is not None


def _whole(expression: str) -> Callable[[str], bool]:
    pattern = re.compile(expression, re.IGNORECASE)
    return lambda value: pattern.fullmatch(value) is not None


def _integer(value: str) -> int | None:
    return int(value) if _INTEGER.fullmatch(value) else None


def _within(low: int, high: int) -> Callable[[str], bool]:
    def accepts(value: str) -> bool:
        number = _integer(value)
        return number is not None and low <= number <= high

    return accepts


def _is_datetime(value: str) -> bool:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return any(_parses(value, form) for form in _DATE_FORMATS)
    return True


def _parses(value: str, form: str) -> bool:
    try:
        datetime.strptime(value, form)
    except ValueError:
        return False
    return True


_INT32, _INT64 = 2**31, 2**63

#: Constraints without arguments: what they accept, and an example.
_PLAIN: dict[str, tuple[Callable[[str], bool], str]] = {
    "int": (_within(-_INT32, _INT32 - 1), "1"),
    "long": (_within(-_INT64, _INT64 - 1), "1"),
    "bool": (_whole("true|false"), "true"),
    "datetime": (_is_datetime, "2025-01-01"),
    "decimal": (_whole(_NUMBER), "1.5"),
    "double": (_whole(_NUMBER + r"(e[+-]?[0-9]+)?|nan|[+-]?infinity"), "1.5"),
    "float": (_whole(_NUMBER + r"(e[+-]?[0-9]+)?|nan|[+-]?infinity"), "1.5"),
    "guid": (
        _whole(rf"{_GUID}|[0-9a-f]{{32}}|\{{{_GUID}\}}|\({_GUID}\)"),
        "00000000-0000-0000-0000-000000000000",
    ),
    "alpha": (_whole("[a-z]*"), "a"),
    "required": (bool, "a"),
}

_Bounds = tuple[
    tuple[int, ...],
    Callable[[Sequence[int]], Callable[[str], bool]],
    Callable[[Sequence[int]], str],
]

#: Constraints on numbers: how many they take, what they then accept, and an example.
_BOUNDS: dict[str, _Bounds] = {
    "minlength": ((1,), lambda n: lambda value: len(value) >= n[0], lambda n: "1" * n[0]),
    "maxlength": ((1,), lambda n: lambda value: len(value) <= n[0], lambda n: "1"),
    "length": ((1, 2), lambda n: lambda value: n[0] <= len(value) <= n[-1], lambda n: "1" * n[0]),
    "min": ((1,), lambda n: _within(n[0], _INT64 - 1), lambda n: str(n[0])),
    "max": ((1,), lambda n: _within(-_INT64, n[0]), lambda n: str(n[0])),
    "range": ((2,), lambda n: _within(n[0], n[1]), lambda n: str(n[0])),
}
