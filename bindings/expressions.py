"""Binding expressions: ``{name}`` filled from what is known of an event, ``%SETTING%`` from the app's settings."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from .clock import Clock
from .date_format import format_date
from .errors import BindingError

#: How a time reads when no format is given: fit for a file name.
DATE_FORMAT = "yyyy-MM-ddTHH-mm-ssK"

_PIECE = re.compile(r"\{\{|\}\}|\{(?P<expression>[^{}]*)\}|(?P<brace>[{}])|(?P<text>[^{}]+)")
#: Only the single name of an undotted path, and the later parts of a dotted one, may hold hyphens.
_PATH = re.compile(r"[^\W\d][\w-]*|[^\W\d]\w*(?:\.[^\W\d][\w-]*)+")
_SETTING = re.compile(r"%([^%]*)%")

_GUID_FORMS: dict[str, Callable[[uuid.UUID], str]] = {
    "N": lambda guid: guid.hex,
    "D": str,
    "B": lambda guid: f"{{{guid}}}",
    "P": lambda guid: f"({guid})",
    "X": lambda guid: "{{0x{:08x},0x{:04x},0x{:04x},{{{}}}}}".format(
        guid.time_low,
        guid.time_mid,
        guid.time_hi_version,
        ",".join(f"0x{byte:02x}" for byte in guid.bytes[8:]),
    ),
}
_BUILT_INS = frozenset({"rand-guid", "datetime", "sys.methodname", "sys.utcnow", "sys.randguid"})


class ExpressionError(BindingError):
    """A binding expression cannot be read, or has no value."""


@dataclass(frozen=True, slots=True)
class Expression:
    """One ``{path}`` or ``{path:format}``."""

    path: tuple[str, ...]
    form: str = ""

    @classmethod
    def parse(cls, text: str) -> Expression:
        """Read what stands between the braces. Raises `ExpressionError`."""
        path, _, form = text.partition(":")
        if not _PATH.fullmatch(path):
            raise ExpressionError(
                f"{{{text}}} is not an expression; write {{name}}, {{a.b}} or {{name:format}}."
            )
        expression = cls(tuple(path.split(".")), form)
        expression._check_form()
        return expression

    @property
    def built_in(self) -> str | None:
        """The built-in that the expression names, in lower case; None for any other."""
        name = ".".join(self.path).lower()
        return name if name in _BUILT_INS else None

    def render(self, metadata: Mapping[str, Any], function: str, clock: Clock) -> str:
        """The expression's text. What the event says goes before a built-in of that name."""
        found, value = _look_up(metadata, self.path[0])
        if not found and self.built_in:
            return self._render_built_in(self.built_in, function, clock)
        for part in self.path[1:]:
            if found:
                found, value = _look_up(value, part)
        if not found:
            raise ExpressionError(
                f"There is no value for {{{'.'.join(self.path)}}} in what triggered the function."
            )
        return value_text(value, self.form)

    def _render_built_in(self, name: str, function: str, clock: Clock) -> str:
        if name == "sys.methodname":
            return function
        if name in ("datetime", "sys.utcnow"):
            return format_date(clock.now(), self.form or DATE_FORMAT)
        return _GUID_FORMS[self.form.upper() or "D"](uuid.uuid4())

    def _check_form(self) -> None:
        """Tell a bad format of a built-in when it is read, not when it first runs."""
        try:
            if self.built_in in ("datetime", "sys.utcnow") and self.form:
                format_date(datetime.now(UTC), self.form)
        except ValueError as error:
            raise ExpressionError(
                f"{{{'.'.join(self.path)}:{self.form}}} has an invalid format: {error}."
            ) from None
        if self.built_in in ("rand-guid", "sys.randguid") and self.form.upper() not in ("", *_GUID_FORMS):
            raise ExpressionError(f"'{self.form}' is not a GUID format; there are N, D, B, P and X.")


@dataclass(frozen=True, slots=True)
class Template:
    """A text with expressions in it, read once and filled for each event."""

    parts: tuple[str | Expression, ...]

    @classmethod
    def parse(cls, text: str) -> Template:
        """Read a text; ``{{`` and ``}}`` stand for braces. Raises `ExpressionError`."""
        return cls(tuple(_parts(text)))

    @property
    def is_literal(self) -> bool:
        """Whether it says the same for every event."""
        return all(isinstance(part, str) for part in self.parts)

    @property
    def names(self) -> frozenset[str]:
        """The first names of all expressions that are not built-in: what the event has to provide."""
        expressions = (part for part in self.parts if isinstance(part, Expression))
        return frozenset(each.path[0] for each in expressions if not each.built_in)

    def render(self, metadata: Mapping[str, Any], *, function: str, clock: Clock) -> str:
        """The text for one event; names are looked up without case. Raises `ExpressionError`."""
        return "".join(
            part if isinstance(part, str) else part.render(metadata, function, clock) for part in self.parts
        )


def _parts(text: str) -> Iterator[str | Expression]:
    for piece in _PIECE.finditer(text):
        if piece["brace"]:
            raise ExpressionError(
                f"There is a single '{piece['brace']}' in '{text}'; write a brace that is meant as text twice."
            )
        if piece["expression"] is not None:
            yield Expression.parse(piece["expression"])
        else:
            yield piece["text"] or piece[0][0]


def _look_up(value: Any, name: str) -> tuple[bool, Any]:
    """Whether `value` has something called `name`, in any case, and what."""
    if not isinstance(value, Mapping):
        return False, None
    if name in value:
        return True, value[name]
    lowered = name.lower()
    for key, entry in value.items():
        if isinstance(key, str) and key.lower() == lowered:
            return True, entry
    return False, None


def value_text(value: Any, form: str = "") -> str:
    """How a value reads inside a text. Objects, arrays, bytes and null read as nothing, as in Azure."""
    match value:
        case str():
            return value
        case bool() | int():
            return str(value)
        case float():
            return repr(value).removesuffix(".0")
        case datetime():
            return format_date(value, form or DATE_FORMAT)
        case uuid.UUID():
            return _GUID_FORMS[form.upper() if form.upper() in _GUID_FORMS else "D"](value)
        case _:
            return ""


def resolve_settings(text: str, lookup: Callable[[str], str | None]) -> str:
    """The text with every ``%SETTING%`` put in, once. Raises `ExpressionError` for one that has no value."""
    if text.count("%") % 2:
        raise ExpressionError(f"There is a single '%' in '{text}'; a setting is written %NAME%.")

    def value(token: re.Match[str]) -> str:
        found = lookup(token[1]) if token[1] else None
        if not found:
            raise ExpressionError(f"%{token[1]}% names a setting that does not exist or is empty.")
        return found

    return _SETTING.sub(value, text)


def payload_metadata(payload: str | bytes) -> dict[str, Any]:
    """What a payload adds to the metadata: the properties of a JSON object, without nulls and arrays.

    Scalars become text; anything that is no JSON object adds nothing.
    """
    trimmed = payload.strip()
    if trimmed[:1] not in ("{", b"{"):
        return {}
    try:
        properties = msgspec.json.decode(trimmed, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return {
        name: value if isinstance(value, dict) else value_text(value)
        for name, value in properties.items()
        if value is not None and not isinstance(value, list)
    }
