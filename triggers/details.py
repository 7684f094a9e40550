"""Trigger details: what the log shows of an event beside its reason, in Azure's words."""

from __future__ import annotations

from datetime import datetime

from ..bindings.queue import QueueMessage


def message_details(message: QueueMessage) -> dict[str, object]:
    """Of the message that an event came with, be it the function's own queue's or an internal one's."""
    return {
        "MessageId": message.id,
        "DequeueCount": message.dequeue_count,
        "InsertedOn": shown_time(message.inserted_at),
    }


def shown_time(moment: datetime) -> str:
    """A moment as details show it, to the millisecond."""
    return moment.isoformat(timespec="milliseconds")
