"""What stands in a query, read into the model of its route."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from ...bindings.errors import BindingError
from ..config.vocabulary import nearest

#: The key may stand in any query.
_KEY = "code"


class _Query(Protocol):
    """A query string as aiohttp gives it."""

    def keys(self) -> Any: ...
    def getall(self, key: str) -> list[str]: ...


def read_query(query: _Query, model: type[msgspec.Struct], *, lenient: bool = False) -> msgspec.Struct:
    """The parameters of a query. Raises `BindingError` for one whose value is wrong, or that is unknown, unless that
    does not matter."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(model)}
    values: dict[str, Any] = {}
    for name in dict.fromkeys(query.keys()):
        if name == _KEY:
            continue
        if name not in fields:
            if lenient:
                continue
            raise BindingError(_unknown(name, list(fields)))
        values[name] = _value(name, query.getall(name), fields[name].type)
    try:
        return msgspec.convert(values, model, strict=False)
    except msgspec.ValidationError as error:
        raise BindingError(_told(str(error), values)) from None


def _value(name: str, given: list[str], kind: Any) -> Any:
    if typing.get_origin(kind) is typing.Annotated:
        kind = typing.get_args(kind)[0]
    if typing.get_origin(kind) is tuple:
        return given
    if len(given) > 1:
        raise BindingError(f"The parameter '{name}' may be given once.")
    # A flag that is only named is set.
    return "true" if kind is bool and not given[0] else given[0]


def _unknown(name: str, known: list[str]) -> str:
    near = nearest(name, known)
    hint = (
        f"Did you mean '{near}'?"
        if near
        else f"There are: {', '.join(known)}."
        if known
        else "There are none."
    )
    return f"There is no parameter '{name}' here. {hint}"


def _told(error: str, values: Mapping[str, Any]) -> str:
    """msgspec's words, about a parameter."""
    problem, _, place = error.partition(" - at `$.")
    name = place.rstrip("`").partition("[")[0]
    if not name:
        return f"The parameters do not do: {problem}."
    return f"The parameter '{name}' cannot be {_quoted(values.get(name))}: {problem[0].lower()}{problem[1:]}."


def _quoted(value: Any) -> str:
    text = value if isinstance(value, str) else ", ".join(value or ())
    return f"'{text[:60]}…'" if len(text) > 60 else f"'{text}'"
