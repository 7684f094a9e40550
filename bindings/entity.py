"""What a table and an entity may be (Azure's rules, so that an app can move), and entities from what functions write."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from .errors import BindingError
from .table import OutgoingEntity

_TABLE = re.compile(r"[A-Za-z][A-Za-z0-9]{2,62}")
_NOT_IN_KEYS = re.compile(r"[/\\#?\x00-\x1f\x7f-\x9f]")
_PROPERTY = re.compile(r"[^\W\d]\w{0,254}")

#: Bytes of a key, bytes of a text property (as UTF-16), bytes of an entity, properties beside the system's own.
MAX_KEY = 1024
MAX_TEXT = 64 * 1024
MAX_ENTITY = 1024 * 1024
MAX_PROPERTIES = 252

_KEYS = ("PartitionKey", "RowKey")
#: What an entity that was read carries: as property names these say nothing new.
_ETAGS = ("odata.etag", "etag")


def table_name(text: str) -> str:
    """The name in lower case. Raises `BindingError` when no table can be called so."""
    if not _TABLE.fullmatch(text) or text.lower() == "tables":
        raise BindingError(
            f"'{text}' is not a table name: it takes 3 to 63 letters and digits (A-Z, 0-9), a letter first, "
            "and is not 'tables'."
        )
    return text.lower()


def is_key(text: str) -> bool:
    """Whether an entity can have this PartitionKey or RowKey."""
    return not _NOT_IN_KEYS.search(text) and 0 <= _size(text, "utf-8") <= MAX_KEY


def read_entities(
    content: bytes, table: str, partition_key: str | None, row_key: str | None, output: str
) -> list[OutgoingEntity]:
    """The entities that one output value stands for: a JSON object is one, an array as many as it holds.

    Keys that an entity does not bring are `partition_key` and `row_key`. Raises `BindingError`, which names
    the `output`.
    """
    reader = _Reader(table, {"PartitionKey": partition_key, "RowKey": row_key}, output)
    return list(reader.read(_parsed(content, output)))


class _Reader:
    """Makes entities of the values of one output."""

    def __init__(self, table: str, keys: Mapping[str, str | None], output: str) -> None:
        self._table = table
        self._keys = keys
        self._output = output

    def read(self, value: Any) -> Iterator[OutgoingEntity]:
        for each in value if isinstance(value, list) else [value]:
            # An element may be the text of an entity: `Out[List[str]]` is filled that way.
            yield self._entity(_parsed(each, self._output) if isinstance(each, str) else each)

    def _entity(self, value: Any) -> OutgoingEntity:
        if not isinstance(value, dict):
            raise self._error(f"takes JSON objects, not {_kind(value)}")
        keys, etag, properties = dict(self._keys), None, {}
        for name, each in value.items():
            if key := _spelled(name, _KEYS):
                keys[key] = each
            elif name.lower() in _ETAGS:
                etag = each
            elif each is not None and not _is_metadata(name):
                properties[name] = self._property(name, each)
        self._check_size(properties)
        return OutgoingEntity(
            table=self._table,
            partition_key=self._key("PartitionKey", keys),
            row_key=self._key("RowKey", keys),
            properties=properties,
            etag=etag if etag is None else str(etag),
        )

    def _key(self, name: str, keys: Mapping[str, Any]) -> str:
        value = keys[name]
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if value is None:
            raise self._error(f"needs a {name}: give it in the entity or in the binding")
        if not isinstance(value, str):
            raise self._error(f"takes text as {name}, not {_kind(value)}")
        if not is_key(value):
            raise self._error(
                f"cannot use '{value[:100]}' as {name}: a key has at most {MAX_KEY} bytes and holds none of "
                r"/ \ # ? and no control characters"
            )
        return value

    def _property(self, name: str, value: Any) -> Any:
        if not _PROPERTY.fullmatch(name):
            raise self._error(
                f"cannot store the property '{name[:100]}': its name takes letters, digits and _, no digit "
                "first, at most 255"
            )
        if isinstance(value, dict | list):
            raise self._error(
                f"cannot store the property '{name}': a table holds text, numbers, true and false, not "
                f"{_kind(value)}. Write it as text, for example with json.dumps"
            )
        if isinstance(value, str) and not 0 <= _size(value, "utf-16-le") <= MAX_TEXT:
            raise self._error(
                f"cannot store the property '{name}': a text has at most {MAX_TEXT // 2} characters, all of "
                "them whole"
            )
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise self._error(f"cannot store the property '{name}': {value} does not fit into 64 bits")
        return value

    def _check_size(self, properties: Mapping[str, Any]) -> None:
        if len(properties) > MAX_PROPERTIES:
            raise self._error(f"cannot store {len(properties)} properties; {MAX_PROPERTIES} is the most")
        if len(msgspec.json.encode(properties)) > MAX_ENTITY:
            raise self._error("cannot store an entity over 1 MiB. Put the content into a blob")

    def _error(self, what: str) -> BindingError:
        return BindingError(f"The output '{self._output}' (table) {what}.")


def _parsed(content: bytes | str, output: str) -> Any:
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BindingError(
            f"The output '{output}' (table) takes JSON, and this is not JSON ({error}). "
            "Give it a dict, a list of them, or their JSON text."
        ) from error


def _spelled(name: str, known: tuple[str, ...]) -> str | None:
    return next((each for each in known if each.lower() == name.lower()), None)


def _is_metadata(name: str) -> bool:
    """Whether the service fills it in itself, and passes over what is given."""
    return name == "Timestamp" or name.startswith("odata.") or name.endswith("@odata.type")


def _size(text: str, encoding: str) -> int:
    """Bytes of the text, -1 for one that has half a character in it and cannot be written."""
    try:
        return len(text.encode(encoding))
    except UnicodeEncodeError:
        return -1


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
