"""One queue output of a function: which messages a value stands for, and what goes with each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import msgspec

from ...bindings.clock import Clock
from ...bindings.errors import BindingError, ConfigurationError
from ...bindings.expressions import Template
from ...bindings.ordering import DEFAULT_PRIORITY, checked_id, checked_priority
from ...bindings.queue import DEFAULT_TTL, HOST_PROPERTIES, OutgoingMessage
from ...bindings.storages import storage_type
from ...bindings.time_span import parse_time_span
from ...triggers.descriptor import Binding

#: What the binding may say of all its messages, filled in for each event.
_FILLED_IN = ("sessionId", "priority", "dedupId", "replyTo", "correlationId")

#: What a message of its own may say.
_SAID = (*_FILLED_IN, "delay", "ttl", "properties")

#: What the worker says of a message beside that.
_OF_THE_WIRE = ("size", "kind")

#: A body, and what its function said of it alone.
Said = tuple[bytes, Mapping[str, Any]]


class QueueOutput:
    """Makes messages of what a function gives to a queue output. Its expressions are compiled."""

    def __init__(self, binding: Binding, function: str, clock: Clock) -> None:
        self._name = binding.name
        self._function = function
        self._clock = clock
        fields = binding.fields
        self._queue = Template.parse(fields["queueName"])
        self._checked = storage_type(binding.storage).queue_name
        delay = fields.get("visibilityDelay")
        self._delay = parse_time_span(delay) if delay else timedelta(0)
        self._ttl = _time_to_live(fields.get("timeToLive"))
        self._filled_in = {
            key: Template.parse(str(fields[key])) for key in _FILLED_IN if fields.get(key) is not None
        }

    def messages(
        self, kind: str, content: bytes, metadata: Mapping[str, Any], properties: dict[str, Any]
    ) -> list[OutgoingMessage]:
        """The messages of one value, for an event with this metadata. Raises `BindingError`."""
        queue = self._checked(self._render(self._queue, metadata))
        of_all = {
            key: text
            for key, template in self._filled_in.items()
            if (text := self._render(template, metadata))
        }
        return [
            self._message(queue, body, {**_apart(of_all, place), **said}, properties)
            for place, (body, said) in enumerate(said_messages(kind, content, self._name))
        ]

    def _render(self, template: Template, metadata: Mapping[str, Any]) -> str:
        return template.render(metadata, function=self._function, clock=self._clock)

    def _message(
        self, queue: str, body: bytes, said: Mapping[str, Any], properties: dict[str, Any]
    ) -> OutgoingMessage:
        delay = self._duration(said, "delay") if "delay" in said else self._delay
        visible_at = self._clock.now() + delay if delay else None
        ttl = self._life(said) if "ttl" in said else self._ttl
        if not said:
            return OutgoingMessage(
                queue=queue, body=body, visible_at=visible_at, ttl=ttl, properties=properties
            )
        session, dedup_id = said.get("sessionId"), said.get("dedupId")
        level = said.get("priority")
        return OutgoingMessage(
            queue=queue,
            body=body,
            visible_at=visible_at,
            ttl=ttl,
            properties={**properties, **self._properties(said)},
            session_id=None if session is None else checked_id(str(session), self._what("sessionId")),
            priority=DEFAULT_PRIORITY if level is None else checked_priority(level, f"output '{self._name}'"),
            dedup_id=None if dedup_id is None else checked_id(str(dedup_id), self._what("dedupId")),
        )

    def _properties(self, said: Mapping[str, Any]) -> dict[str, Any]:
        own = said.get("properties", {})
        if not isinstance(own, dict):
            raise BindingError(f"The {self._what('properties')} are no object with names and values.")
        if taken := sorted(HOST_PROPERTIES & own.keys()):
            raise BindingError(
                f"The {self._what('properties')} have '{taken[0]}', which is a name that the host uses itself. Choose "
                "another one."
            )
        return own | {key: str(said[key]) for key in ("replyTo", "correlationId") if key in said}

    def _life(self, said: Mapping[str, Any]) -> timedelta | None:
        return None if str(said["ttl"]).strip() == "-1" else self._duration(said, "ttl")

    def _duration(self, said: Mapping[str, Any], key: str) -> timedelta:
        """Seconds, or a TimeSpan text."""
        value = said[key]
        try:
            if isinstance(value, bool) or not isinstance(value, (int, float, str)):
                raise TypeError
            span = parse_time_span(value) if isinstance(value, str) else timedelta(seconds=value)
            self._clock.now() + span
        except (TypeError, ValueError, OverflowError, ConfigurationError):
            span = timedelta(-1)
        if span < timedelta(0):
            raise BindingError(
                f"The {self._what(key)} is {value!r}. Write seconds, or a duration such as '00:10:00'."
            )
        return span

    def _what(self, key: str) -> str:
        return f"{key} of a message for the output '{self._name}'"


def said_messages(kind: str, content: bytes, name: str) -> Iterator[Said]:
    """The messages that one output value stands for, with what is said of each. Raises `BindingError`."""
    if kind != "messages":
        for body in message_bodies(kind, content, name):
            yield body, {}
        return
    line, _, bodies = content.partition(b"\n")
    start = 0
    for head in _heads(line, name):
        said = {key: value for key, value in head.items() if key not in _OF_THE_WIRE}
        if unknown := sorted(said.keys() - set(_SAID)):
            raise BindingError(
                f"A message for the output '{name}' has '{unknown[0]}' beside its body. There are: {', '.join(_SAID)}."
            )
        end = start + head["size"]
        yield bodies[start:end], said
        start = end


def _heads(line: bytes, name: str) -> list[dict[str, Any]]:
    try:
        heads = msgspec.json.decode(line, type=list[dict[str, Any]])
    except msgspec.MsgspecError as error:
        raise BindingError(
            f"The worker's messages for the output '{name}' cannot be read: {error}."
        ) from error
    if not all(isinstance(head.get("size"), int) for head in heads):
        raise BindingError(f"The worker's messages for the output '{name}' cannot be read: they lack sizes.")
    return heads


def message_bodies(kind: str, content: bytes, name: str) -> list[bytes]:
    """The messages that one plain output value stands for (functions-semantics 1.8).

    A JSON array, or text that is one, is one message for each element. Unlike Azure's host, a JSON object goes
    out as it was written, not indented anew.
    """
    if kind == "bytes":
        return [content]
    text = content.strip()
    looks_like_array = text.startswith(b"[") and text.endswith(b"]")
    looks_like_object = text.startswith(b"{") and text.endswith(b"}")
    if not looks_like_array and not looks_like_object:
        return [content]
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise BindingError(
            f"The output '{name}' looks like JSON but is none ({error}). Give it as bytes to send it as it is."
        ) from error
    return [_element(element) for element in value] if isinstance(value, list) else [content]


def _element(element: Any) -> bytes:
    if isinstance(element, str):
        return element.encode()
    if isinstance(element, bool):
        return b"True" if element else b"False"
    return b"" if element is None else msgspec.json.encode(element)


def _apart(said: dict[str, str], place: int) -> dict[str, str]:
    """What the binding says of the message at that place of a list: one id would drop all but the first."""
    if place and "dedupId" in said:
        return {**said, "dedupId": f"{said['dedupId']}.{place + 1}"}
    return said


def _time_to_live(value: str | int | None) -> timedelta | None:
    if value is None:
        return DEFAULT_TTL
    if str(value) == "-1":
        return None
    return parse_time_span(str(value))
