"""A message that was given up, with its reason, read from what travels beside its body whoever wrote that."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec.structs import FieldInfo

from ...bindings.parked import Parked, carries_reason, origin_by_name
from ...bindings.queue import PeekedMessage
from ...triggers.blob import POISON_QUEUE as INTERNAL_POISON_QUEUE

#: One that can be compared with others.
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Reason(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Why a message was given up. What is not known is empty or None."""

    #: The error's type, and what it said.
    error: str = ""
    message: str = ""
    traceback: str = ""
    #: The queue that it came from, and the function that failed for it.
    queue: str | None = None
    function: str | None = None
    #: What its id was there, and its session, in which it does not wait where it lies now.
    message_id: str | None = None
    session_id: str | None = None
    dequeue_count: int | None = None
    attempts: int | None = None
    #: The ids of its runs, the last one last.
    runs: tuple[str, ...] = ()
    first_received: Moment | None = None
    given_up: Moment | None = None
    #: When somebody has changed its body since.
    edited: Moment | None = None

    @classmethod
    def read(cls, value: Any) -> Reason:
        """The reason as far as it can be read: a store with little room shortens it, others may write what they like."""
        known: Mapping[str, Any] = value if isinstance(value, dict) else {}
        try:
            return msgspec.convert(known, cls, strict=False)
        except msgspec.ValidationError:
            return cls(**{field.name: field_value for field, field_value in _readable(cls, known)})

    @property
    def headline(self) -> str:
        """The error in one line."""
        first = next(iter(self.message.strip().splitlines()), "")
        return ": ".join(part for part in (self.error, first) if part)


def _readable(model: type[Reason], known: Mapping[str, Any]) -> Iterator[tuple[FieldInfo, Any]]:
    """Those fields that can be read, of a reason that cannot be read as a whole."""
    for field in msgspec.structs.fields(model):
        try:
            yield field, msgspec.convert(known[field.encode_name], field.type, strict=False)
        except (KeyError, msgspec.ValidationError):
            continue


@dataclass(frozen=True, slots=True)
class PoisonMessage:
    """A message that was given up, and where it lies."""

    message: PeekedMessage
    reason: Reason
    #: Those among which it lies.
    shelf: Parked

    @property
    def id(self) -> str:
        """Its id where it lies now."""
        return self.message.id

    @property
    def queue(self) -> str:
        """The queue in which it lies."""
        return self.message.queue

    @property
    def origin(self) -> str | None:
        """The queue that it came from: as its reason says, else as Azure names poison queues; None: not known."""
        if self.reason.queue:
            return self.reason.queue
        # There messages of many functions are given up, each of which has a queue of its own.
        return None if self.queue == INTERNAL_POISON_QUEUE else origin_by_name(self.queue)

    @property
    def given_up(self) -> datetime:
        """When it was given up; where that is not known, when it came to where it lies."""
        return self.reason.given_up or self.message.inserted_at


def is_given_up(message: PeekedMessage) -> bool:
    """Whether it was given up: it carries a reason, or lies in a queue of the name that such messages go to."""
    return carries_reason(message.properties) or origin_by_name(message.queue) is not None


def poison_document(poison: PoisonMessage) -> dict[str, Any]:
    """All of it; the body as `body` where it is text, else as `bodyBase64`."""
    message, reason = poison.message, poison.reason
    return {
        "id": poison.id,
        "queue": poison.queue,
        "state": message.state,
        "origin": poison.origin,
        "function": reason.function,
        "error": reason.error or None,
        "message": reason.message or None,
        "traceback": reason.traceback or None,
        "attempts": reason.attempts,
        "dequeueCount": reason.dequeue_count,
        "messageId": reason.message_id,
        "runs": list(reason.runs),
        "firstReceived": _moment(reason.first_received),
        "givenUp": _moment(reason.given_up),
        "edited": _moment(reason.edited),
        "inserted": _moment(message.inserted_at),
        "expires": _moment(message.expires_at),
        "sessionId": reason.session_id or message.session_id,
        "priority": message.priority,
        "properties": {key: value for key, value in message.properties.items() if key != "poison"},
        **_body(message.body),
    }


def _body(body: bytes) -> dict[str, str]:
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"bodyBase64": base64.b64encode(body).decode()}


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
