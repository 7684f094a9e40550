"""What a queue output takes: messages as text, bytes or JSON, and messages that say more than their body.

Such a one is a dict with the body under ``$message`` and the rest beside it, or an object with the attributes that
messages of azure.servicebus have.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from .errors import BindError
from .values_azure import is_instance
from .values_json import dump, is_json_type, parse
from .values_output import Encoded, content, looks_like_message, refuse

#: The key of a dict that is a message, not the body of one.
MESSAGE = "$message"

#: What may stand beside it, in Python's spelling; all else is for the host to judge.
_SPELLINGS: Final[Mapping[str, str]] = {
    "session_id": "sessionId",
    "dedup_id": "dedupId",
    "reply_to": "replyTo",
    "correlation_id": "correlationId",
}

#: The attributes of an object that is a message, and what they are called here.
_ATTRIBUTES: Final[Mapping[str, str]] = {
    **_SPELLINGS,
    "message_id": "dedupId",
    "priority": "priority",
    "time_to_live": "ttl",
    "application_properties": "properties",
}


def to_queue(value: Any, where: str) -> Encoded:
    """One message, or several: a JSON array, or the kind ``messages`` where one of them says more than its body."""
    if isinstance(value, list):
        if any(map(_says_more, value)):
            return "messages", _messages(value, where)
        return "json", dump([_item(item, where) for item in value], where)
    if _says_more(value):
        return "messages", _messages([value], where)
    encoded = content(value, where)
    if encoded is not None:
        return encoded
    if is_instance(value, "QueueMessage"):
        # As bytes it is one message, whatever its text looks like.
        return "bytes", value.get_body()
    if isinstance(value, Iterable):
        return to_queue(list(value), where)
    return refuse(value, where, "text, bytes, func.QueueMessage, a dict, or a list of them")


def answer(kind: str, body: bytes) -> tuple[str, None, bytes]:
    """What the caller of a function gets for messages that it returned: the body, or a list of the bodies."""
    if kind != "messages":
        return kind, None, body
    items = list(_items(body))
    if len(items) == 1:
        return items[0][0], None, items[0][1]
    values = [parse(item, "") if kind == "json" else item.decode(errors="replace") for kind, item in items]
    return "json", None, dump(values, "The result")


def _item(item: Any, where: str) -> Any:
    if is_instance(item, "QueueMessage"):
        try:
            return item.get_body().decode()
        except UnicodeDecodeError:
            raise BindError(
                f"{where} was given a list with a binary message; only a single message can be binary."
            ) from None
    if isinstance(item, str) or is_json_type(type(item)):
        return item
    return refuse(item, f"{where}, in a list of messages,", "text, func.QueueMessage or a dict")


def _says_more(value: Any) -> bool:
    if isinstance(value, Mapping):
        return MESSAGE in value
    return not isinstance(value, str) and looks_like_message(value) and not is_json_type(type(value))


def _messages(values: Iterable[Any], where: str) -> bytes:
    """A line of JSON with the size of each body and what is said beside it, and then the bodies."""
    said: list[dict[str, Any]] = []
    bodies: list[bytes] = []
    for value in values:
        beside = _beside(value)
        kind, body = _body(beside.pop(MESSAGE), where)
        said.append({**_plain(beside), "size": len(body), "kind": kind})
        bodies.append(body)
    return b"".join([dump(said, f"{where}: what stands beside a message"), b"\n", *bodies])


def _beside(value: Any) -> dict[str, Any]:
    """What is said of a message, its body among it."""
    if not _says_more(value):
        return {MESSAGE: value}
    if isinstance(value, Mapping):
        said = {_SPELLINGS.get(key, key): given for key, given in value.items()}
    else:
        given = ((key, getattr(value, name, None)) for name, key in _ATTRIBUTES.items())
        said = {
            MESSAGE: value.body,
            "delay": _wait(value),
            **dict(pair for pair in given if pair[1] is not None),
        }
    return {key: given for key, given in said.items() if given is not None or key == MESSAGE}


def _wait(value: Any) -> float | None:
    """The seconds until the moment that a message of azure.servicebus is scheduled for."""
    at = getattr(value, "scheduled_enqueue_time_utc", None)
    if not isinstance(at, datetime):
        return None
    return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds())


def _plain(value: Any) -> Any:
    """A value as JSON has it; a duration in seconds."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, Mapping):
        return {_plain(key): _plain(given) for key, given in value.items()}
    return value if isinstance(value, (str, int, float, list)) or value is None else str(value)


def _body(value: Any, where: str) -> Encoded:
    """One message, whatever it looks like."""
    if value is None:
        return "text", b""
    if is_instance(value, "QueueMessage"):
        return "bytes", value.get_body()
    if isinstance(value, Iterator):
        value = list(value)
    if isinstance(value, list) and value and all(isinstance(piece, (bytes, bytearray)) for piece in value):
        # Messages of azure.servicebus have theirs in pieces.
        value = b"".join(value)
    encoded = content(value, where)
    if encoded is None and isinstance(value, (int, float)):
        encoded = "json", dump(value, where)
    return encoded or refuse(value, f"{where}, as a body,", "text, bytes, a dict or a list")


def _items(messages: bytes) -> Iterator[tuple[str, bytes]]:
    line, _, bodies = messages.partition(b"\n")
    start = 0
    for each in parse(line, "What stands beside messages"):
        yield each["kind"], bodies[start : start + each["size"]]
        start += each["size"]
