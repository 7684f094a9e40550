"""A message of ours as an entry for SQS, and what SQS delivers as body and properties again.

What travels beside the body goes into attributes: trace context under its own names, so that other programs find
it, attributes that other programs gave as they were, and all the rest as JSON in one attribute of ours.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from ..clock import from_milliseconds, milliseconds, new_id
from ..ordering import DEFAULT_PRIORITY
from ..queue import DEFAULT_TTL, OutgoingMessage
from .sqs_limits import MOST_ATTRIBUTES, check_order, delay_seconds, is_legal
from .trace_header import from_aws, to_aws

#: The attribute that holds what only funchost understands.
OWN = "funchost"

#: The group of what is sent to a FIFO queue without being told: one for all, so that its order is that of sending.
DEFAULT_GROUP = "funchost"

#: Properties that are attributes of the same name.
_TRACE = ("traceparent", "tracestate")
#: Properties that SQS has a place of its own for.
_GROUP = "messageGroupId"
_FOREIGN = "attributes"

Attributes = dict[str, dict[str, Any]]


class Own(msgspec.Struct, omit_defaults=True):
    """What stands in the attribute of ours."""

    #: ``base64`` where the body is no text that SQS takes.
    encoding: str = ""
    #: Milliseconds since 1970, for a message that is not kept as long as the queue would.
    expires: int | None = None
    #: What the sender gave it. It has no effect on SQS.
    priority: int = DEFAULT_PRIORITY
    properties: dict[str, Any] = {}


class Content(msgspec.Struct, frozen=True):
    """What a delivered message holds."""

    body: bytes
    properties: dict[str, Any]
    expires_at: datetime | None
    #: Of a message on a FIFO queue.
    group: str | None
    dedup_id: str | None = None
    priority: int = DEFAULT_PRIORITY


def entry_of(
    message: OutgoingMessage, now: datetime, *, fifo: bool, deduplication_id: str | None = None
) -> dict[str, Any]:
    """The entry of a batch, but for its Id. `deduplication_id` goes before the message's own. Raises `BindingError`
    for a delay, a session or an id that such a queue does not have."""
    check_order(message, fifo=fifo)
    body, encoding = _encoded(message.body)
    entry: dict[str, Any] = {"MessageBody": body}
    attributes = _attributes(message, Own(encoding, _expires(message, now), message.priority))
    if attributes:
        entry["MessageAttributes"] = attributes
    header = to_aws(str(message.properties.get("traceparent", "")))
    if header:
        entry["MessageSystemAttributes"] = {"AWSTraceHeader": _text(header)}
    delay = message.visible_at - now if message.visible_at else timedelta(0)
    if seconds := delay_seconds(message.queue, delay, fifo=fifo):
        entry["DelaySeconds"] = seconds
    if fifo:
        group = message.session_id or message.properties.get(_GROUP) or DEFAULT_GROUP
        entry["MessageGroupId"] = str(group)
        # Never by content: of two equal messages within five minutes the second would be lost.
        entry["MessageDeduplicationId"] = deduplication_id or message.dedup_id or new_id()
    return entry


def content_of(received: Mapping[str, Any], *, fifo: bool) -> Content:
    """What a message of a ``receive_message`` answer holds, whoever sent it."""
    attributes = dict(received.get("MessageAttributes", {}))
    own = _own(attributes.pop(OWN, {}).get("StringValue"))
    system = received.get("Attributes", {})
    properties = dict(own.properties)
    for name in _TRACE:
        if name in attributes:
            properties[name] = attributes.pop(name).get("StringValue", "")
    if "AWSTraceHeader" in system and (header := from_aws(system["AWSTraceHeader"])):
        properties.setdefault("traceparent", header)
    if attributes:
        properties[_FOREIGN] = {name: _plain(value) for name, value in attributes.items()}
    group = system.get("MessageGroupId") if fifo else None
    if group:
        properties[_GROUP] = group
    return Content(
        _decoded(received["Body"], own.encoding),
        properties,
        from_milliseconds(own.expires) if own.expires is not None else None,
        group,
        system.get("MessageDeduplicationId") if fifo else None,
        own.priority,
    )


def shortened(message: OutgoingMessage) -> Iterator[OutgoingMessage]:
    """The message with ever fewer properties: what was given up has to fit, if need be without its reason."""
    yield message
    poison = message.properties.get("poison", {})
    brief = {key: str(value)[:500] for key, value in poison.items() if key not in ("traceback", "runs")}
    yield msgspec.structs.replace(message, properties={"poison": brief})
    yield msgspec.structs.replace(message, properties={})


def _encoded(body: bytes) -> tuple[str, str]:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = ""
    if is_legal(text):
        return text, ""
    # An empty body is none for SQS; a lone padding reads as nothing again.
    return base64.b64encode(body).decode() or "=", "base64"


def _decoded(body: str, encoding: str) -> bytes:
    try:
        return base64.b64decode(body) if encoding == "base64" else body.encode()
    except ValueError:
        return body.encode()  # somebody has put another body under our attribute


def _expires(message: OutgoingMessage, now: datetime) -> int | None:
    if message.ttl is None or message.ttl == DEFAULT_TTL:
        return None  # the queue's own retention decides
    return milliseconds(max(now, message.visible_at or now) + message.ttl)


def _attributes(message: OutgoingMessage, own: Own) -> Attributes:
    properties = dict(message.properties)
    properties.pop(_GROUP, None)
    attributes: Attributes = {}
    for name in _TRACE:
        value = properties.get(name)
        if isinstance(value, str) and is_legal(value):
            attributes[name] = _text(properties.pop(name))
    foreign = properties.get(_FOREIGN, {})
    if len(foreign) + len(attributes) < MOST_ATTRIBUTES:
        attributes |= {name: _as_sent(value) for name, value in foreign.items()}
        properties.pop(_FOREIGN, None)
    own.properties = properties
    if own != Own():
        # ASCII alone, which is always legal.
        text = json.dumps(msgspec.to_builtins(own), separators=(",", ":"))
        attributes[OWN] = _text(text)
    return attributes


def _own(text: str | None) -> Own:
    try:
        return msgspec.json.decode(text, type=Own) if text else Own()
    except msgspec.MsgspecError:
        return Own()  # somebody else's attribute of that name


def _text(value: str) -> dict[str, Any]:
    return {"DataType": "String", "StringValue": value}


def _plain(attribute: Mapping[str, Any]) -> dict[str, str]:
    """A foreign attribute as JSON can hold it."""
    kind = attribute["DataType"]
    if kind.startswith("Binary"):
        return {"type": kind, "value": base64.b64encode(attribute["BinaryValue"]).decode()}
    return {"type": kind, "value": attribute.get("StringValue", "")}


def _as_sent(plain: Mapping[str, str]) -> dict[str, Any]:
    kind, value = plain["type"], plain["value"]
    if kind.startswith("Binary"):
        return {"DataType": kind, "BinaryValue": base64.b64decode(value)}
    return {"DataType": kind, "StringValue": value}
