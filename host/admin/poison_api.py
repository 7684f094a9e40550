"""The admin API of messages that were given up: grouped by error, shown, changed, replayed, deleted, exported."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

import msgspec

from ...bindings.errors import BindingError, FunchostError, NotFound
from ..operations.poison import PoisonFilter, PoisonQueues, group_document
from ..operations.poison_message import PoisonMessage as Given
from ..operations.poison_message import poison_document
from ..operations.poison_moves import check_origins, delete, edit, replay
from ..operations.queues import check_queue
from .answers import Answer, Raw
from .call import AdminCall
from .moments import parse_since
from .paging import Page, page_of_all
from .poison_models import (
    ExportQuery,
    NewBody,
    PoisonBegun,
    PoisonChoice,
    PoisonEdited,
    PoisonGroup,
    PoisonMessage,
    PoisonMoved,
    PoisonQuery,
    PoisonSummary,
    PoisonTo,
    Several,
    SeveralReplayed,
)
from .queue_models import ByConnection
from .queues_api import queue_named
from .routes import Media, Route

log = logging.getLogger("funchost.host.admin")

#: Messages that a dry run names.
_NAMED = 100

_LINES = "application/x-ndjson"

#: Which messages are meant, as queries and bodies say it.
_Asked = PoisonQuery | ExportQuery | Several

#: Does something for each message, and gives it once that is done.
_Steps = AsyncGenerator[Given, None]


# -- what there is


async def get_messages(call: AdminCall) -> Answer:
    """The messages that were given up, those given up last first."""
    query = call.query(PoisonQuery)
    found = await _found(call, query)
    return 200, page_of_all(found, query, _when, _summary, backwards=True)


async def get_groups(call: AdminCall) -> Answer:
    """The messages by queue, function and error, the largest group first."""
    query = call.query(ExportQuery)
    groups = await PoisonQueues(call.workbench, query.connection).groups(_filter(call, query))
    return 200, [group_document(group) for group in groups]


async def get_message(call: AdminCall) -> Answer:
    """One message: why, its runs, its body."""
    return 200, poison_document(await _named(call))


async def export(call: AdminCall) -> Answer:
    """The messages, one JSON object a line. They stay where they are."""
    query = call.query(ExportQuery)
    found = PoisonQueues(call.workbench, query.connection).find(_filter(call, query), whole=True)
    return Raw(_lines(found), _LINES, "poison.jsonl")


# -- one of them


async def put_message(call: AdminCall) -> Answer:
    """Put another body in the place of a message's."""
    body = await call.body() if call.is_raw else (await call.document(NewBody)).content
    if body is None:
        raise BindingError("Give the new body, as 'body' or 'bodyBase64', or as application/octet-stream.")
    message = await _named(call)
    return 200, {"id": message.id, "changed": await edit(call.workbench, message, body)}


async def replay_message(call: AdminCall) -> Answer:
    """Move a message back to the queue that it came from, or to another one."""
    to = _queue(call, (await call.document(PoisonTo)).to, call.query(ByConnection).connection)
    message = await _named(call)
    await _done_for(message, replay(call.workbench, [message], to=to))
    return 202, {"id": message.id, "to": to or message.origin}


async def delete_message(call: AdminCall) -> Answer:
    """Remove a message for good."""
    message = await _named(call)
    await _done_for(message, delete(call.workbench, [message]))
    return 204, None


# -- several of them


async def replay_several(call: AdminCall) -> Answer:
    """Move messages back to work: the answer tells how many, the work goes on behind it."""
    asked = await call.document(SeveralReplayed)
    chosen = await _chosen(call, asked)
    to = _queue(call, asked.to, asked.connection)
    check_origins(chosen, to)
    if asked.dryRun:
        return _choice(chosen)
    steps = replay(call.workbench, chosen, to=to, rate=asked.rate, wanted=_words(asked))
    return _begun(call, chosen, steps)


async def delete_several(call: AdminCall) -> Answer:
    """Remove messages for good: the answer tells how many, the work goes on behind it."""
    asked = await call.document(Several)
    chosen = await _chosen(call, asked)
    if asked.dryRun:
        return _choice(chosen)
    return _begun(call, chosen, delete(call.workbench, chosen, wanted=_words(asked)))


def _choice(chosen: Sequence[Given]) -> Answer:
    return 200, {"total": len(chosen), "items": [_summary(one) for one in chosen[:_NAMED]]}


def _begun(call: AdminCall, chosen: Sequence[Given], steps: _Steps) -> Answer:
    if chosen:
        call.desk.begin_until_stop(_worked_off(steps, len(chosen)))
    return 202, {"total": len(chosen)}


async def _worked_off(steps: _Steps, count: int) -> None:
    done = 0
    try:
        async with aclosing(steps):
            async for _ in steps:
                done += 1
    except Exception as error:
        reason = error if isinstance(error, FunchostError) else repr(error)
        log.warning("Only %d of %d messages that were given up are done: %s", done, count, reason)


# -- which ones


async def _named(call: AdminCall) -> Given:
    connection = call.query(ByConnection).connection
    return await PoisonQueues(call.workbench, connection).get(call.names["message"])


async def _found(call: AdminCall, asked: _Asked) -> list[Given]:
    """Raises `NotFound` for a queue that does not exist."""
    async with aclosing(
        PoisonQueues(call.workbench, asked.connection).find(_filter(call, asked))
    ) as messages:
        found = [message async for message in messages]
    if asked.queue and not found:
        await check_queue(call.workbench, asked.connection, asked.queue)
    return found


async def _chosen(call: AdminCall, asked: Several) -> list[Given]:
    """Raises `BindingError` unless it is said in one way which messages are meant."""
    ways = [bool(asked.ids), not _filter(call, asked).is_everything, asked.all]
    if sum(ways) != 1 or not all(asked.ids):
        raise BindingError(
            "Say which messages in one way: by 'ids', by a filter ('queue', 'function', 'error', 'since'), or 'all'."
        )
    if asked.ids:
        return await PoisonQueues(call.workbench, asked.connection).these(asked.ids)
    return await _found(call, asked)


def _filter(call: AdminCall, asked: _Asked) -> PoisonFilter:
    since = parse_since(asked.since, "since", call.workbench.clock.now())
    return PoisonFilter(queue=asked.queue, function=asked.function, error=asked.error, since=since)


def _words(asked: Several) -> str:
    """The filter for people, such as ``queue=orders error=ValueError``."""
    names = ("queue", "function", "error", "since")
    return " ".join(f"{name}={getattr(asked, name)}" for name in names if getattr(asked, name)) or "all"


def _queue(call: AdminCall, name: str | None, connection: str) -> str | None:
    return None if name is None else queue_named(call, connection, name)


async def _done_for(message: Given, steps: _Steps) -> None:
    """Raises `NotFound` where it was not done."""
    async with aclosing(steps):
        done = [step async for step in steps]
    if not done:
        raise NotFound(f"The message {message.id} is gone from {message.queue}, or a function runs for it.")


async def _lines(found: _Steps) -> AsyncIterator[bytes]:
    async with aclosing(found):
        async for message in found:
            yield msgspec.json.encode(poison_document(message)) + b"\n"


def _summary(message: Given) -> dict[str, Any]:
    """As in a list: without what may be large."""
    left_out = ("traceback", "properties", "body", "bodyBase64")
    return {key: value for key, value in poison_document(message).items() if key not in left_out}


def _when(message: Given) -> str:
    return f"{message.given_up.isoformat()} {message.queue} {message.id}"


def _of_one(method: str, word: str, handler: Any, summary: str, **more: Any) -> Route:
    path = f"poison/{{message}}{word}"
    return Route(method=method, path=path, handler=handler, summary=summary, query=ByConnection, **more)


ROUTES = (
    Route(
        method="GET",
        path="poison",
        handler=get_messages,
        summary="Messages that were given up, the last first.",
        query=PoisonQuery,
        answers={200: Page[PoisonSummary]},
    ),
    Route(
        method="GET",
        path="poison/groups",
        handler=get_groups,
        summary="The same by queue, function and error, the largest group first.",
        query=ExportQuery,
        answers={200: list[PoisonGroup]},
    ),
    Route(
        method="GET",
        path="poison/export",
        handler=export,
        summary="The same with all that is known of each, one JSON object a line.",
        query=ExportQuery,
        answers={200: Media(_LINES)},
    ),
    Route(
        method="POST",
        path="poison/replay",
        handler=replay_several,
        summary="Move messages back to the queues that they came from.",
        body=SeveralReplayed,
        answers={200: PoisonChoice, 202: PoisonBegun},
    ),
    Route(
        method="POST",
        path="poison/delete",
        handler=delete_several,
        summary="Remove messages for good.",
        body=Several,
        answers={200: PoisonChoice, 202: PoisonBegun},
    ),
    _of_one("GET", "", get_message, "One message: why, its runs, its body.", answers={200: PoisonMessage}),
    _of_one("PUT", "", put_message, "Change a body.", body=NewBody, answers={200: PoisonEdited}),
    _of_one("DELETE", "", delete_message, "Remove a message for good.", answers={204: None}),
    _of_one(
        "POST",
        "/replay",
        replay_message,
        "Move a message back to work.",
        body=PoisonTo,
        body_optional=True,
        answers={202: PoisonMoved},
    ),
)
