"""JSON to and from values: plain containers, dataclasses, and models that validate themselves (pydantic)."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Union, get_args, get_origin, get_type_hints

from .errors import BindError, LoadError, describe

#: Turns one parsed JSON value into the wanted one; the second argument says where it stands, for errors.
Read = Callable[[Any, str], Any]

_SCALARS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def parse(content: bytes, where: str) -> Any:
    """The JSON value in `content`. Raises `BindError`."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        reason = f"is not: {error}" if content else "is empty"
        raise BindError(f"{where} must be JSON, but what came {reason}.") from None


def dump(value: Any, where: str) -> bytes:
    """`value` as compact JSON in UTF-8. Raises `BindError`."""
    try:
        return _encode(value).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise BindError(f"{where} cannot be written as JSON: {error}.") from None


def is_json_type(kind: type) -> bool:
    """Whether instances of `kind` are written as a JSON object or array."""
    return issubclass(kind, (dict, list, Mapping)) or dataclasses.is_dataclass(kind) or is_model(kind)


def is_model(kind: Any) -> bool:
    """Whether `kind` is a class that validates itself, as pydantic's do."""
    return isinstance(kind, type) and callable(getattr(kind, "model_validate", None))


def split_optional(annotation: Any) -> tuple[Any, bool]:
    """(X, True) for `X | None`, else the annotation as it is and False."""
    if get_origin(annotation) in (Union, types.UnionType):
        members = [member for member in get_args(annotation) if member is not types.NoneType]
        if len(members) == 1:
            return members[0], True
    return annotation, False


def reader(annotation: Any) -> Read | None:
    """What reads a value of that type from parsed JSON; None for a type that JSON cannot give."""
    return _reader(annotation, {})


def _reader(annotation: Any, known: dict[type, Read]) -> Read | None:
    annotation, optional = split_optional(annotation)
    origin = get_origin(annotation) or annotation
    read: Read | None = None
    if not isinstance(origin, type):
        return None
    if origin in _SCALARS:
        read = _scalar(origin)
    elif origin in (dict, Mapping):
        read = _container(dict, "an object", _item_reader(annotation, known))
    elif origin is list:
        read = _container(list, "an array", _item_reader(annotation, known))
    elif is_model(origin):
        read = _model(annotation)
    elif dataclasses.is_dataclass(origin):
        read = _record(origin, _dataclass_fields(origin), known)
    elif typing.is_typeddict(origin):
        read = _record(origin, _typed_dict_fields(origin), known)
    return _or_none(read) if read and optional else read


def _item_reader(annotation: Any, known: dict[type, Read]) -> Read | None:
    arguments = get_args(annotation)
    return _reader(arguments[-1], known) if arguments else None


def _or_none(read: Read) -> Read:
    return lambda value, where: None if value is None else read(value, where)


def _scalar(kind: type) -> Read:
    allowed = (int, float) if kind is float else (kind,)

    def read(value: Any, where: str) -> Any:
        if type(value) not in allowed:
            raise BindError(f"{where} must be {_SCALARS[kind]}, not {_name(value)}.")
        return float(value) if kind is float else value

    return read


def _container(kind: type[Any], wanted: str, item: Read | None) -> Read:
    def read(value: Any, where: str) -> Any:
        if not isinstance(value, kind):
            raise BindError(f"{where} must be {wanted}, not {_name(value)}.")
        if item is None:
            return value
        if kind is dict:
            return {key: item(entry, f"{where}.{key}") for key, entry in value.items()}
        return [item(entry, f"{where}[{index}]") for index, entry in enumerate(value)]

    return read


def validated(validate: Callable[[Any], Any], value: Any, where: str) -> Any:
    """What a model makes of a value. Raises `BindError` with its reasons."""
    try:
        return validate(value)
    except ValueError as error:
        raise BindError(f"{where}: {_reasons(error)}") from error


def _reasons(error: ValueError) -> str:
    """What pydantic has to say, without its links; the error as it is from others."""
    try:
        found = [(".".join(map(str, each["loc"])), each["msg"]) for each in error.errors()]  # type: ignore[attr-defined]
    except (AttributeError, TypeError, KeyError):
        return str(error)
    return "; ".join(f"{place}: {reason}" if place else reason for place, reason in found)


def _model(kind: Any) -> Read:
    from_json = getattr(kind, "model_validate_json", None)
    if from_json is None:
        return lambda value, where: validated(kind.model_validate, value, where)
    # As JSON once more: a strict model takes dates and the like from nothing else.
    return lambda value, where: validated(from_json, dump(value, where), where)


def _dataclass_fields(kind: type[Any]) -> dict[str, bool]:
    """The fields that can be given, and whether they have to be."""
    missing = dataclasses.MISSING
    return {
        field.name: field.default is missing and field.default_factory is missing
        for field in dataclasses.fields(kind)
        if field.init
    }


def _typed_dict_fields(kind: Any) -> dict[str, bool]:
    """As of a dataclass. The class itself misjudges marks in annotations that are texts."""
    marks = {typing.Required: True, typing.NotRequired: False}
    hints = _hints(kind, include_extras=True)
    return {name: marks.get(get_origin(hints[name]), name in kind.__required_keys__) for name in hints}


def _hints(kind: type, *, include_extras: bool = False) -> dict[str, Any]:
    try:
        return get_type_hints(kind, include_extras=include_extras)
    except Exception as error:
        raise LoadError(f"The annotations of {kind.__name__} cannot be read: {describe(error)}.") from None


def _record(kind: type, names: Mapping[str, bool], known: dict[type, Read]) -> Read:
    """Reads a dataclass or TypedDict with fields of these names, some of them required."""
    if kind in known:
        return known[kind]
    fields: dict[str, Read | None] = {}
    required = [name for name, needed in names.items() if needed]
    # A TypedDict is a dict, and keeps what else it is given.
    extra = typing.is_typeddict(kind)

    def read(value: Any, where: str) -> Any:
        if not isinstance(value, dict):
            raise BindError(f"{where} must be an object, not {_name(value)}.")
        missing = [name for name in required if name not in value]
        if missing:
            raise BindError(f"{where} lacks {', '.join(map(repr, missing))}.")
        given = {
            name: item(value[name], f"{where}.{name}") if item else value[name]
            for name, item in fields.items()
            if name in value
        }
        try:
            return {**value, **given} if extra else kind(**given)
        except (TypeError, ValueError) as error:
            raise BindError(f"{where}: {error}") from error

    # Known before its fields are looked at: they may hold the class itself.
    known[kind] = read
    hints = _hints(kind)
    fields.update({name: _reader(hints[name], known) for name in names})
    return read


def _name(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _other(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if is_model(type(value)):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a value of type {type(value).__name__} has no JSON form")


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_other).encode
