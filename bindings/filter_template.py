"""A table binding's filter with expressions in it, filled for each event without being changed in its meaning."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from .clock import Clock
from .expressions import Expression, Template
from .odata import FilterError, parse_filter
from .table import Predicate

_BARE = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?|true|false", re.IGNORECASE | re.ASCII)


class FilterTemplate:
    """A filter, read once where it says the same for every event.

    Raises `FilterError` or `ExpressionError` for a text that is no filter.
    """

    def __init__(self, text: str) -> None:
        template = Template.parse(text)
        self._parts = template.parts
        self._fixed = parse_filter("".join(map(str, self._parts))) if template.is_literal else None

    def fill(self, metadata: Mapping[str, Any], *, function: str, clock: Clock) -> Predicate:
        """What the filter wants for one event. Raises `FilterError` or `ExpressionError`."""
        if self._fixed:
            return self._fixed
        values = _with_iso_times(metadata)
        pieces: list[str] = []
        quoted = False
        for part in self._parts:
            if isinstance(part, str):
                quoted ^= part.count("'") % 2 == 1
                pieces.append(part)
                continue
            value = part.render(values, function, clock)
            # A filter that is nothing but one expression is given as a whole, as in Azure.
            pieces.append(value if len(self._parts) == 1 else _literal(part, value, quoted))
        return parse_filter("".join(pieces))


def _literal(expression: Expression, value: str, quoted: bool) -> str:
    """The value so that it stays one literal: it can end neither its quotes nor a number."""
    if quoted:
        return value.replace("'", "''")
    if not _BARE.fullmatch(value):
        name = ".".join(expression.path)
        raise FilterError(
            f"{{{name}}} is used in the filter without quotes and is '{value[:100]}', neither a number nor true or "
            f"false. Write '{{{name}}}' for text."
        )
    return value.lower()


def _with_iso_times(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata with times as datetime'…' takes them."""
    return {
        name: value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
        for name, value in metadata.items()
    }
