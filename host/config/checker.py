"""Checks a JSON value against a msgspec model, tells everything that is wrong, and returns what is left.

Kinder than msgspec itself, because configuration has always been read kindly: keys and enumerations in any case,
numbers and booleans also as text, null as if absent. Every problem is told with its place, not only the first, and an
unknown key with the nearest known one, also when that stands elsewhere.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import msgspec.inspect as types

from ...bindings.errors import ConfigurationError
from ...bindings.time_span import format_time_span, parse_time_span_or_milliseconds
from .jsonc import KeyPath
from .report import Report
from .vocabulary import Vocabulary, nearest

Field = types.Field

#: Stands for a value that was told and is left out, so that the default counts.
_BAD: Final = object()


@dataclass(frozen=True, slots=True)
class Span:
    """Which durations a field takes; goes into ``Meta(extra={"span": …})`` of a `timedelta`."""

    least: timedelta = timedelta(0)
    most: timedelta = timedelta.max
    #: Whether -1 is taken, and means None.
    unlimited: bool = False
    #: Whether a number is taken, as milliseconds.
    milliseconds: bool = False


@functools.cache
def fields_of_model(model: type) -> tuple[Field, ...]:
    """The fields of a struct type."""
    described = types.type_info(model)
    assert isinstance(described, types.StructType)
    return described.fields


def known_paths(fields: Iterable[Field], prefix: KeyPath = ()) -> list[KeyPath]:
    """All key paths that these fields allow, nested ones included."""
    found: list[KeyPath] = []
    for each in fields:
        path = (*prefix, each.encode_name)
        found.append(path)
        for member in _members(each.type):
            if isinstance(member, types.StructType):
                found += known_paths(member.fields, path)
    return found


class Checker:
    """Walks values beside their models, and reports."""

    def __init__(self, report: Report, known: Vocabulary) -> None:
        """`known` are all key paths of the file: it finds where a misplaced key belongs."""
        self._report = report
        self._known = known

    def check(self, value: Any, fields: Sequence[Field], path: KeyPath = ()) -> dict[str, Any]:
        """The object with its keys in their known spelling, without what is unknown or wrong."""
        if not isinstance(value, dict):
            self._wrong(path, value, "an object")
            return {}
        by_name = {each.encode_name.lower(): each for each in fields}
        checked: dict[str, Any] = {}
        for key, entry in value.items():
            each = by_name.get(key.lower())
            if each is not None:
                self._put(checked, each, entry, (*path, key))
            elif key != "$schema":
                self._unknown(key, entry, path, fields)
        self._tell_missing(value, fields, path)
        return checked

    def _put(self, checked: dict[str, Any], each: Field, entry: Any, path: KeyPath) -> None:
        clean = _BAD if entry is None else self._value(entry, each.type, path)
        if clean is not _BAD:
            checked[each.encode_name] = clean

    def _tell_missing(self, value: dict[str, Any], fields: Sequence[Field], path: KeyPath) -> None:
        present = {key.lower() for key, entry in value.items() if entry is not None}
        for each in fields:
            if each.required and each.encode_name.lower() not in present:
                where = self._report.named(path)
                self._report.error(
                    (*path, each.encode_name),
                    f"'{each.encode_name}' is missing{f' in {where}' if where else ''}.",
                    _description(each.type) and f"Add it: {_description(each.type)}",
                )

    def _value(self, value: Any, kind: types.Type, path: KeyPath) -> Any:
        members = _members(kind)
        fitting = [member for member in members if _fits(value, member)]
        if not fitting:
            return self._convert(value, members, kind, path)
        match fitting[0]:
            case types.StructType(fields=fields):
                checked = self.check(value, fields, path)
                return (
                    checked if all(each.encode_name in checked for each in fields if each.required) else _BAD
                )
            case types.DictType(value_type=inner):
                entries = {key: self._value(entry, inner, (*path, key)) for key, entry in value.items()}
                return {key: entry for key, entry in entries.items() if entry is not _BAD}
            case types.ListType(item_type=inner):
                items = [self._value(entry, inner, (*path, index)) for index, entry in enumerate(value)]
                return [entry for entry in items if entry is not _BAD]
            case types.LiteralType() as literal:
                return self._literal(value, literal, path)
            case types.TimeDeltaType():
                return self._span(value, kind, path)
            case member:
                return self._bounded(value, member, path)

    def _convert(self, value: Any, members: Sequence[types.Type], kind: types.Type, path: KeyPath) -> Any:
        """A number or boolean that stands as text, or a text that stands as number."""
        for member in members:
            clean = _converted(value, member)
            if clean is not _BAD:
                return self._value(clean, member, path)
        return self._wrong(path, value, " or ".join(dict.fromkeys(map(_kind_name, members))))

    def _literal(self, value: str, literal: types.LiteralType, path: KeyPath) -> Any:
        spellings = {str(known).lower(): known for known in literal.values}
        if value.lower() in spellings:
            return spellings[value.lower()]
        near = nearest(value, spellings)
        choices = ", ".join(map(str, literal.values))
        fix = f"Did you mean {spellings[near]}?" if near else f"Use one of: {choices}."
        self._report.error(path, f"'{value}' is not one of {choices}.", fix)
        return _BAD

    def _span(self, value: str | int, kind: types.Type, path: KeyPath) -> Any:
        span = _span_of(kind)
        if span.unlimited and str(value).strip() == "-1":
            return None
        if isinstance(value, int) and not span.milliseconds:
            return self._wrong(path, value, 'a duration in quotes, such as "00:00:30"')
        try:
            length = parse_time_span_or_milliseconds(value)
        except (ConfigurationError, OverflowError) as error:
            self._report.error(path, str(error))
            return _BAD
        if span.least <= length <= span.most:
            return length
        limits = f"at least {format_time_span(span.least)}"
        limits += f" and at most {format_time_span(span.most)}" if span.most < timedelta.max else ""
        limits += ", or -1 for no limit" if span.unlimited else ""
        self._report.error(path, f"The duration {value} is out of range.", f"It has to be {limits}.")
        return _BAD

    def _bounded(self, value: Any, kind: types.Type, path: KeyPath) -> Any:
        if isinstance(kind, types.IntType | types.FloatType):
            low, high = kind.ge, kind.le
            if (low is not None and value < low) or (high is not None and value > high):
                limits = " and ".join(
                    text
                    for bound, text in ((low, f"at least {low}"), (high, f"at most {high}"))
                    if bound is not None
                )
                self._report.error(path, f"{value} is out of range.", f"It has to be {limits}.")
                return _BAD
        if isinstance(kind, types.StrType) and kind.min_length and len(value) < kind.min_length:
            self._report.error(path, "The string is empty.", "Give it a value, or remove the key.")
            return _BAD
        return value

    def _wrong(self, path: KeyPath, value: Any, expected: str) -> Any:
        self._report.error(path, f"{_shown(value)} is not {expected}.", f"Make it {expected}.")
        return _BAD

    def _unknown(self, key: str, entry: Any, path: KeyPath, fields: Sequence[Field]) -> None:
        """Tell an unknown key; a whole block that stands in the wrong place is told key by key."""
        here = (*path, key)
        if isinstance(entry, dict) and entry and key in self._known:
            for inner, value in entry.items():
                self._unknown(inner, value, here, fields)
            return
        local = [each.encode_name for each in fields]
        meant = self._known.meant(here, local)
        fix = (
            f"Did you mean {' or '.join(map(self._report.named, meant))}?"
            if meant
            else f"Remove it; known here: {', '.join(local)}."
        )
        self._report.warning(here, f"'{key}' is not a known key here and has no effect.", fix)


def _members(kind: types.Type) -> tuple[types.Type, ...]:
    """The alternatives of a type, without null and without what only describes it."""
    while isinstance(kind, types.Metadata):
        kind = kind.type
    if isinstance(kind, types.UnionType):
        return tuple(member for each in kind.types for member in _members(each))
    return () if isinstance(kind, types.NoneType) else (kind,)


def _span_of(kind: types.Type) -> Span:
    while isinstance(kind, types.Metadata):
        if kind.extra and "span" in kind.extra:
            span = kind.extra["span"]
            assert isinstance(span, Span)
            return span
        kind = kind.type
    return Span()


def _description(kind: types.Type) -> str:
    return (
        str((kind.extra_json_schema or {}).get("description", "")) if isinstance(kind, types.Metadata) else ""
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


#: For each kind of type: whether a JSON value is of it, and what people call it.
_KINDS: tuple[tuple[type[types.Type] | tuple[type[types.Type], ...], Callable[[Any], bool], str], ...] = (
    (types.AnyType, lambda value: True, "anything"),
    ((types.StructType, types.DictType), lambda value: isinstance(value, dict), "an object"),
    (types.ListType, lambda value: isinstance(value, list), "a list"),
    ((types.StrType, types.LiteralType), lambda value: isinstance(value, str), "a string"),
    (types.TimeDeltaType, lambda value: isinstance(value, str) or _is_whole(value), "a duration"),
    (types.BoolType, lambda value: isinstance(value, bool), "true or false"),
    (types.IntType, _is_whole, "a whole number"),
    (types.FloatType, _is_number, "a number"),
)


def _fits(value: Any, kind: types.Type) -> bool:
    return any(isinstance(kind, each) and fits(value) for each, fits, _ in _KINDS)


def _kind_name(kind: types.Type) -> str:
    return next(name for each, _, name in _KINDS if isinstance(kind, each))


def _converted(value: Any, kind: types.Type) -> Any:
    """The value as this kind of type, where it only stands in another form; else `_BAD`."""
    match kind, value:
        case types.BoolType(), str() if value.strip().lower() in ("true", "false"):
            return value.strip().lower() == "true"
        case types.IntType(), str() if value.strip().removeprefix("-").isascii():
            return _parsed(int, value)
        case types.IntType(), float() if value.is_integer():
            return int(value)
        case types.FloatType(), str():
            return _parsed(float, value)
        case types.StrType(), bool():
            return str(value).lower()
        case types.StrType(), int() | float():
            return str(value)
        case _:
            return _BAD


def _parsed(kind: Callable[[str], Any], text: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        return _BAD


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "An object" if isinstance(value, dict) else "A list"
    return "true" if value is True else "false" if value is False else f"'{value}'"
