"""The admin API of queues: what they hold, messages sent and looked at, queues emptied, paused and taken up again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from ...bindings.errors import BindingError, FunchostError
from ...bindings.ordering import checked_id
from ...bindings.queue import HOST_PROPERTIES, OutgoingMessage
from ...bindings.storages import storage_type
from ...bindings.time_span import parse_duration
from ..operations.messages import check_end, message_document, send_message
from ..operations.queues import (
    check_queue,
    clear_queue,
    list_queues,
    pause_queue,
    queue_document,
    resume_queue,
)
from ..operations.workbench import Workbench
from .answers import Answer
from .call import AdminCall
from .moments import parse_moment
from .paging import Page, page_of_all
from .queue_models import (
    Accepted,
    ByConnection,
    Cleared,
    Messages,
    Paused,
    PeekQuery,
    Queue,
    QueuesQuery,
    Sent,
)
from .routes import Route

#: Pauses or resumes a queue; False where it is so already.
_Switch = Callable[[Workbench, str, str], Awaitable[bool]]


async def get_queues(call: AdminCall) -> Answer:
    """The queues with what they hold, by name."""
    query, bench = call.query(QueuesQuery), call.workbench
    found = await list_queues(bench, query.connection)
    shown = [queue for queue in found if query.all or not queue.is_internal]
    document = partial(queue_document, now=bench.clock.now())
    return 200, page_of_all(shown, query, lambda queue: queue.name, document)


async def get_messages(call: AdminCall) -> Answer:
    """The next messages of a queue; none is received by that, except on SQS."""
    query, bench = call.query(PeekQuery), call.workbench
    queue = queue_named(call, query.connection)
    await check_queue(bench, query.connection, queue)
    found = await bench.queues(query.connection).peek(queue, query.limit)
    return 200, {"items": [message_document(message) for message in found]}


async def post_message(call: AdminCall) -> Answer:
    """Send a message: a document, or a raw body."""
    connection = call.query(ByConnection).connection
    queue = queue_named(call, connection)
    if call.is_raw:
        message = OutgoingMessage(queue=queue, body=await call.body())
    else:
        message = _message(queue, await call.document(Sent), call.workbench.clock.now())
    await send_message(call.workbench, message, connection)
    visible = message.visible_at.isoformat() if message.visible_at else None
    return 202, {"queue": queue, "bytes": len(message.body), "visible": visible}


async def delete_messages(call: AdminCall) -> Answer:
    """Remove all messages of a queue that are not in flight."""
    connection = call.query(ByConnection).connection
    queue = queue_named(call, connection)
    await check_queue(call.workbench, connection, queue)
    return 200, {"queue": queue, "deleted": await clear_queue(call.workbench, queue, connection)}


async def switch_queue(switch: _Switch, paused: bool, call: AdminCall) -> Answer:
    """Have listeners of all hosts take from a queue, or not."""
    connection = call.query(ByConnection).connection
    queue = queue_named(call, connection)
    changed = await switch(call.workbench, queue, connection)
    return 200, {"queue": queue, "paused": paused, "changed": changed}


def queue_named(call: AdminCall, connection: str, name: str | None = None) -> str:
    """The queue's name, by the rules of where the connection leads. Raises `BindingError`."""
    text = call.names["queue"] if name is None else name
    kind = call.host.configuration.settings.app.connection(connection).kind
    return storage_type(kind if connection else "embedded").queue_name(text)


def _message(queue: str, sent: Sent, now: datetime) -> OutgoingMessage:
    """Raises `BindingError` for what cannot be."""
    visible_at = _visible_at(sent, now)
    ttl = _length(sent.ttl, "ttl")
    check_end(now, visible_at, ttl)
    named = {"replyTo": sent.replyTo, "correlationId": sent.correlationId}
    return OutgoingMessage(
        queue=queue,
        body=sent.content,
        visible_at=visible_at,
        ttl=ttl,
        session_id=_id(sent.session, "session"),
        priority=sent.priority,
        dedup_id=_id(sent.dedupId, "dedupId"),
        properties=_own(sent.properties) | {key: text for key, text in named.items() if text},
    )


def _visible_at(sent: Sent, now: datetime) -> datetime | None:
    if sent.delay is not None and sent.at is not None:
        raise BindingError("Give either 'delay' or 'at', not both.")
    at = parse_moment(sent.at, "at")
    if sent.delay is None:
        return at if at and at > now else None
    try:
        return now + _length(sent.delay, "delay")
    except OverflowError:
        raise BindingError("That is after the end of all calendars.") from None


def _length(text: str, name: str) -> timedelta:
    try:
        length = parse_duration(text)
    except (FunchostError, ValueError, OverflowError):
        raise BindingError(
            f"'{name}' is no length of time: '{text[:60]}'. Write it as 10m or 00:10:00."
        ) from None
    if length < timedelta(0):
        raise BindingError(f"'{name}' is less than nothing.")
    return length


def _id(text: str | None, name: str) -> str | None:
    return None if text is None else checked_id(text, name)


def _own(properties: dict[str, str]) -> dict[str, Any]:
    for name in properties:
        if name in HOST_PROPERTIES:
            raise BindingError(f"'{name}' is a name that hosts use themselves. Choose another one.")
    return dict(properties)


ROUTES = (
    Route(
        method="GET",
        path="queues",
        handler=get_queues,
        summary="The queues with what they hold.",
        query=QueuesQuery,
        answers={200: Page[Queue]},
    ),
    Route(
        method="GET",
        path="queues/{queue}/messages",
        handler=get_messages,
        summary="The next messages of a queue.",
        query=PeekQuery,
        answers={200: Messages},
    ),
    Route(
        method="POST",
        path="queues/{queue}/messages",
        handler=post_message,
        summary="Send a message.",
        query=ByConnection,
        body=Sent,
        answers={202: Accepted},
    ),
    Route(
        method="DELETE",
        path="queues/{queue}/messages",
        handler=delete_messages,
        summary="Remove all messages of a queue that are not in flight.",
        query=ByConnection,
        answers={200: Cleared},
    ),
    Route(
        method="POST",
        path="queues/{queue}/pause",
        handler=partial(switch_queue, pause_queue, True),
        summary="Have no listener of any host take from a queue.",
        query=ByConnection,
        answers={200: Paused},
    ),
    Route(
        method="POST",
        path="queues/{queue}/resume",
        handler=partial(switch_queue, resume_queue, False),
        summary="Have listeners take from a queue again.",
        query=ByConnection,
        answers={200: Paused},
    ),
)
