"""What is told of an event beside its content: trigger details for the log, in Azure's words, and its cause."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..bindings.queue import QueueMessage
from .base import Cause


def message_details(message: QueueMessage) -> dict[str, object]:
    """Of the message that an event came with, be it the function's own queue's or an internal one's."""
    return {
        "MessageId": message.id,
        "DequeueCount": message.dequeue_count,
        "InsertedOn": shown_time(message.inserted_at),
    }


def message_cause(message: QueueMessage, origin: str, properties: Mapping[str, Any] | None = None) -> Cause:
    """Where an event came from that a message brought; `properties` are those of the message, unless given."""
    return Cause(
        origin=origin,
        message=message.id,
        queued=message.inserted_at,
        dequeue_count=message.dequeue_count,
        properties=message.properties if properties is None else {**message.properties, **properties},
    )


def shown_time(moment: datetime) -> str:
    """A moment as details show it, to the millisecond."""
    return moment.isoformat(timespec="milliseconds")
