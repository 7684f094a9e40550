"""Values of types whose service is not spoken here: made, for runs by hand, by the converters of azure.functions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from .converters import converter_of
from .errors import BindError, describe
from .values_azure import Build
from .values_json import dump
from .values_output import Encode, Encoded, to_any, utf8

#: Properties that converters ask for, or without which they give nothing.
_PROPERTIES = ("UserProperties", "ApplicationProperties", "SystemProperties", "Properties")


def builder(binding_type: str, where: str, *, binary: bool, many: bool) -> Build:
    """What makes the value of such a trigger or input from the data given.

    `many`: a list, with one value for each element of a JSON array; other data is the only element.
    """
    converter = converter_of(binding_type)

    def decode(header: Mapping[str, Any], content: bytes) -> Any:
        try:
            return converter.decode(_datum(content, binary), trigger_metadata=_metadata(header))
        except Exception as error:
            raise BindError(
                f"{where} cannot be made of the data that was given: {describe(error)}"
            ) from error

    def decode_many(header: Mapping[str, Any], content: bytes) -> list[Any]:
        return [decode(header, item) for item in _items(content)]

    return decode_many if many else decode


def encoder(binding_type: str) -> Encode:
    """What encodes values for an output of such a type; beyond its converter it takes what has a plain form."""
    encode: Callable[..., Any] | None = getattr(converter_of(binding_type), "encode", None)
    if encode is None:
        return to_any

    def encode_any(value: Any, where: str) -> Encoded:
        try:
            return _encoded(encode(value, expected_type=None), where) or to_any(value, where)
        except (NotImplementedError, AttributeError):
            return to_any(value, where)
        except (TypeError, ValueError) as error:
            raise BindError(f"{where} does not take this value: {describe(error)}") from error

    return encode_any


def _datum(content: bytes, binary: bool) -> Any:
    """The content as Azure's host would hand it over: an object or array is JSON."""
    from azure.functions.meta import Datum

    try:
        text = content.decode()
    except UnicodeDecodeError:
        return Datum(content, "bytes")
    if binary:
        return Datum(content, "bytes")
    return Datum(text, "json" if isinstance(_parsed(text), (dict, list)) else "string")


def _metadata(header: Mapping[str, Any]) -> dict[str, Any]:
    """What an event of these services says of itself at the least; it came by hand, just now."""
    from azure.functions.meta import Datum

    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        **{name: Datum("{}", "json") for name in _PROPERTIES},
        "MessageId": Datum(header.get("invocation", ""), "string"),
        "DeliveryCount": Datum(1, "int"),
        "SequenceNumber": Datum(1, "int"),
        "EnqueuedTimeUtc": Datum(now, "string"),
    }


def _items(content: bytes) -> list[bytes]:
    value = _parsed(content)
    if not isinstance(value, list):
        return [content]
    return [item.encode() if isinstance(item, str) else json.dumps(item).encode() for item in value]


def _parsed(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _encoded(datum: Any, where: str) -> Encoded | None:
    """What a converter gave; None where it had nothing to say about the value."""
    if datum is None or datum.type is None or datum.value is None:
        return None
    if datum.type == "bytes":
        return "bytes", datum.value
    if datum.type in ("string", "json"):
        return ("text" if datum.type == "string" else "json"), utf8(datum.value, where)
    return "json", dump(datum.value, where)
