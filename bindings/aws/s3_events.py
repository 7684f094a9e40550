"""What S3 tells of its objects in a message on a queue, whichever way the message came: from S3 itself, through
EventBridge, or through SNS around either of them.

Such events come late, twice and out of order. So all that is taken from one is which object to look at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

import msgspec

from ..errors import BindingError

#: Records that say the same under a higher minor version have more fields, which do not matter here.
_VERSION = "2"

#: The kinds of events after which an object's content is another, or gone.
_FAMILIES = ("ObjectCreated", "ObjectRemoved", "LifecycleExpiration")
_DETAIL_TYPES = ("Object Created", "Object Deleted")

#: How deep a message may be wrapped.
_WRAPPINGS = 3


class ObjectEvent(NamedTuple):
    """Something happened to an object."""

    bucket: str
    key: str
    #: In capitals; of two events of one object the later has the greater one if both are as long. Empty if not told.
    sequencer: str


@dataclass(frozen=True, slots=True)
class Told:
    """What one message tells."""

    events: list[ObjectEvent] = field(default_factory=list)
    #: What else there is in it, each in a few words.
    others: list[str] = field(default_factory=list)


def told_by(body: bytes) -> Told:
    """Read a message. Raises `BindingError` for one that is no notification of S3."""
    told = Told()
    _read(body, told, _WRAPPINGS)
    return told


def _read(body: bytes | str, told: Told, wrappings: int) -> None:
    message = _decoded(body)
    if "Records" in message:
        for record in _typed(message, "Records", list):
            _read_record(record, told)
    elif "detail-type" in message:
        _read_event_bridge(message, told)
    elif "TopicArn" in message and "Type" in message:
        _read_sns(message, told, wrappings)
    elif message.get("Event") != "s3:TestEvent":
        raise BindingError("It is JSON, but nothing that S3, EventBridge or SNS sends.")


def _read_record(record: Any, told: Told) -> None:
    if not isinstance(record, Mapping):
        raise BindingError("One of its Records is no object.")
    name = str(record.get("eventName", "")).removeprefix("s3:")
    version = str(record.get("eventVersion", _VERSION))
    if "s3" not in record:
        told.others.append(f"events of {record.get('eventSource', 'another service')}")
    elif version.partition(".")[0] != _VERSION:
        told.others.append(f"records of version {version}, which is not known here")
    elif name.partition(":")[0] not in _FAMILIES:
        told.others.append(f"{name} events, which change no content")
    else:
        about = _typed(record, "s3", Mapping)
        key = _unquoted(_text(_typed(about, "object", Mapping), "key"))
        _add(told, about, key)


def _read_event_bridge(message: Mapping[str, Any], told: Told) -> None:
    source, kind = message.get("source"), message["detail-type"]
    if source != "aws.s3" or kind not in _DETAIL_TYPES:
        told.others.append(f"'{kind}' events of {source}")
        return
    about = _typed(message, "detail", Mapping)
    # Unlike those that S3 itself sends, the key is as it is.
    _add(told, about, _text(_typed(about, "object", Mapping), "key"))


def _read_sns(message: Mapping[str, Any], told: Told, wrappings: int) -> None:
    if message["Type"] != "Notification":
        told.others.append(
            f"a {message['Type']} of SNS for {message['TopicArn']}, which has to be confirmed there"
        )
    elif wrappings == 0:
        raise BindingError("It is wrapped too often.")
    else:
        _read(_text(message, "Message"), told, wrappings - 1)


def _add(told: Told, about: Mapping[str, Any], key: str) -> None:
    sequencer = _typed(about, "object", Mapping).get("sequencer")
    bucket = _text(_typed(about, "bucket", Mapping), "name")
    told.events.append(ObjectEvent(bucket, key, sequencer.upper() if isinstance(sequencer, str) else ""))


def _decoded(body: bytes | str) -> Mapping[str, Any]:
    try:
        message = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise BindingError("It is not JSON.") from None
    if not isinstance(message, Mapping):
        raise BindingError("It is JSON, but no object.")
    return message


def _unquoted(key: str) -> str:
    try:
        return unquote_plus(key, errors="strict")
    except UnicodeDecodeError:
        raise BindingError(f"The key '{key}' is not encoded as S3 does it.") from None


def _typed(fields: Mapping[str, Any], name: str, kind: type) -> Any:
    value = fields.get(name)
    if not isinstance(value, kind):
        raise BindingError(f"Its '{name}' is missing, or not what S3 sends.")
    return value


def _text(fields: Mapping[str, Any], name: str) -> str:
    text: str = _typed(fields, name, str)
    if not text:
        raise BindingError(f"Its '{name}' is empty.")
    return text
