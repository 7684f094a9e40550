"""Messages of queues as programs are shown them, and messages that people send."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from typing import Any

from ...bindings.errors import BindingError
from ...bindings.queue import OutgoingMessage, PeekedMessage
from .workbench import Workbench


def message_document(message: PeekedMessage) -> dict[str, Any]:
    """All of a message; the body as `body` where it is text, else as `bodyBase64`."""
    document: dict[str, Any] = {
        "id": message.id,
        "queue": message.queue,
        "state": message.state,
        "dequeueCount": message.dequeue_count,
        "inserted": message.inserted_at.isoformat(),
        "visible": message.visible_at.isoformat(),
        "expires": message.expires_at.isoformat() if message.expires_at else None,
        "sessionId": message.session_id,
        "priority": message.priority,
        "dedupId": message.dedup_id,
    }
    try:
        document["body"] = message.body.decode()
    except UnicodeDecodeError:
        document["bodyBase64"] = base64.b64encode(message.body).decode()
    # Beside the reason of a message that was given up, the failures of one that is still tried.
    return {**message.properties, **document}


async def send_message(workbench: Workbench, message: OutgoingMessage, connection: str = "") -> None:
    """Put a message into its queue. Raises `MessageTooLarge`, `BindingError`."""
    await workbench.queues(connection).send([message])
    await workbench.note("queues.send", message.queue, connection=connection, bytes=len(message.body))


def check_end(now: datetime, visible_at: datetime | None, ttl: timedelta) -> None:
    """Raise `BindingError` for a time to live that is none, or ends after all calendars."""
    if ttl <= timedelta(0):
        raise BindingError("A message that is kept for no time is never seen.")
    try:
        (visible_at or now) + ttl
    except OverflowError:
        raise BindingError("That is after the end of all calendars.") from None
