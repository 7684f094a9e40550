"""The messages of the embedded store as rows: how they are put in, and in which order they are taken out.

All of it is part of an operation on the store. Of what is due the highest priority comes first, and of one priority
what became due first. The messages of a session stand in line: triggers of the schema see to that.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from .clock import SET_BACK, from_milliseconds, milliseconds, new_id
from .ordering import HIGHEST_PRIORITY, session_before
from .queue import OutgoingMessage, PeekedMessage, QueueDepth, QueueMessage

_MILLISECOND = timedelta(milliseconds=1)
_SET_BACK = SET_BACK // _MILLISECOND

#: Messages that expire are removed so many at a time.
_LAPSED = 5000

_INSERT = """
INSERT INTO messages (queue, message_id, body, inserted_at, visible_at, expires_at, properties, session_id, priority,
    dedup_id)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

# An id that ends later than one that begins now was kept before the clock was set back.
_KEEP_ID = """
INSERT INTO dedup_ids VALUES (:queue, :id, :ends)
ON CONFLICT DO UPDATE SET ends = :ends WHERE ends <= :now OR ends > :ends
"""

_NEXT_LEVEL = "SELECT max(priority) FROM messages WHERE queue = ? AND priority < ?"

# Also what has expired in a session, where it is in the way of others.
_CLAIM = """
UPDATE messages
SET visible_at = ?, fence = fence + 1, dequeue_count = dequeue_count + 1, owner = ?,
    first_received_at = coalesce(first_received_at, ?)
WHERE id IN (
    SELECT id FROM messages
    WHERE queue = ? AND priority = ? AND visible_at <= ?
        AND (expires_at IS NULL OR expires_at > ? OR session_id IS NOT NULL)
    ORDER BY visible_at, id LIMIT ?)
RETURNING id, fence, message_id, body, dequeue_count, inserted_at, expires_at, visible_at,
    first_received_at, properties, session_id, priority, dedup_id
"""
_EXPIRES, _SESSION, _PRIORITY = 6, 10, 11

# No longer hidden than it is kept: those behind it in a session have not to wait longer.
RELEASE = """
UPDATE messages
SET visible_at = min(:until, coalesce(expires_at, :until)), dequeue_count = dequeue_count - :uncounted, owner = NULL,
    fence = fence + 1, properties = coalesce(:properties, properties)
WHERE id = :id AND fence = :fence
"""

DELETE = "DELETE FROM messages WHERE id = ? AND fence = ?"

_NEXT_DUE = """
SELECT visible_at, inserted_at FROM messages
WHERE queue = ? AND priority = ? AND (expires_at IS NULL OR expires_at > ?) ORDER BY visible_at LIMIT 1
"""

# What was sent later than now: the clock was set back. It is due as long after now as it was due after it was sent.
_SEND_NOW = """
UPDATE messages
SET visible_at = CASE WHEN due_at IS NULL THEN visible_at - inserted_at + :now ELSE visible_at END,
    due_at = due_at - inserted_at + :now, expires_at = expires_at - inserted_at + :now, inserted_at = :now
WHERE queue = :queue AND owner IS NULL AND inserted_at > :now
"""

# What has expired in a session whose first message has.
_END_SESSION = """
DELETE FROM messages WHERE id IN (
    SELECT id FROM messages WHERE queue = ? AND session_id = ? AND expires_at <= ? ORDER BY id LIMIT ?)
"""

_LOOKED_AT = """
SELECT message_id, body, owner, dequeue_count, inserted_at, expires_at, visible_at, properties, session_id, priority,
    dedup_id, due_at
FROM messages WHERE queue = ? AND (expires_at IS NULL OR expires_at > ?)
"""
_LOOK_AT_DUE = f"{_LOOKED_AT} AND priority = ? AND visible_at <= ? ORDER BY visible_at, id LIMIT ?"
_LOOK_AT_OTHERS = f"{_LOOKED_AT} AND visible_at > ? ORDER BY visible_at, id LIMIT ?"

_DEPTHS = """
SELECT queue, sum(visible_at <= :now), sum(visible_at > :now AND owner IS NULL AND due_at IS NULL),
    sum(visible_at > :now AND owner IS NOT NULL), sum(due_at IS NOT NULL), min(inserted_at)
FROM messages WHERE expires_at IS NULL OR expires_at > :now GROUP BY queue
"""

_SWEEP = """
DELETE FROM messages WHERE id IN (SELECT id FROM messages WHERE expires_at <= ? AND owner IS NULL LIMIT ?)
"""
_FORGET_IDS = """
DELETE FROM dedup_ids
WHERE (queue, dedup_id) IN (SELECT queue, dedup_id FROM dedup_ids WHERE ends <= ? LIMIT ?)
"""


class Receipt(NamedTuple):
    """Which row, and which delivery of it."""

    id: int
    fence: int

    def __str__(self) -> str:
        return f"{self.id}.{self.fence}"


def insert(
    connection: sqlite3.Connection, messages: Sequence[OutgoingMessage], now: datetime, window: timedelta
) -> list[OutgoingMessage]:
    """Put messages into their queues. Returns those that were dropped: their ids were sent within the `window`."""
    kept: list[OutgoingMessage] = []
    dropped: list[OutgoingMessage] = []
    for message in messages:
        is_new = message.dedup_id is None or _keep_id(connection, message, now, window)
        (kept if is_new else dropped).append(message)
    moment = milliseconds(now)
    connection.executemany(_INSERT, [_row(message, moment) for message in kept])
    return dropped


def claim(
    connection: sqlite3.Connection, queue: str, owner: str, now: int, until: int, limit: int
) -> list[tuple[Any, ...]]:
    """Take the next `limit` messages for `owner`, and hide them `until` then; `message_of` makes messages of them."""
    rows: list[tuple[Any, ...]] = []
    while True:
        found = _claim(connection, queue, owner, now, until, limit - len(rows))
        over = [row for row in found if row[_EXPIRES] is not None and row[_EXPIRES] <= now]
        if not over:
            return sorted(rows + found, key=_rank) if rows else found
        # They expired at the heads of their sessions: with them gone, others come.
        for row in over:
            connection.execute(_END_SESSION, (queue, row[_SESSION], now, _LAPSED))
        rows += [row for row in found if row not in over]


def _claim(
    connection: sqlite3.Connection, queue: str, owner: str, now: int, until: int, limit: int
) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for level in _levels(connection, queue):
        claim = (until, owner, now, queue, level, now, now, limit - len(rows))
        rows += sorted(connection.execute(_CLAIM, claim))
        if len(rows) == limit:
            break
    return rows


def _rank(row: tuple[Any, ...]) -> tuple[int, int]:
    return -row[_PRIORITY], row[0]


def next_due(connection: sqlite3.Connection, queue: str, now: int) -> int | None:
    """When there may be something to take, where there is nothing now."""
    found = [
        row
        for level in _levels(connection, queue)
        if (row := connection.execute(_NEXT_DUE, (queue, level, now)).fetchone())
    ]
    if not found:
        return None
    due, sent = min(found)
    if sent - now > _SET_BACK and connection.execute(_SEND_NOW, {"queue": queue, "now": now}).rowcount:
        return now
    return int(due)


def look(connection: sqlite3.Connection, queue: str, now: int, limit: int) -> list[PeekedMessage]:
    """The next `limit` messages: those that are due in the order of their delivery, then the others."""
    rows: list[tuple[Any, ...]] = []
    for level in _levels(connection, queue):
        rows += connection.execute(_LOOK_AT_DUE, (queue, now, level, now, limit - len(rows)))
        if len(rows) == limit:
            break
    rows += connection.execute(_LOOK_AT_OTHERS, (queue, now, now, limit - len(rows)))
    return [peeked(queue, row, now) for row in rows]


def depths(connection: sqlite3.Connection, now: int) -> list[QueueDepth]:
    """What all queues hold, also those that are empty now."""
    found = {
        queue: QueueDepth(
            queue=queue,
            visible=visible,
            delayed=delayed,
            in_flight=in_flight,
            waiting=waiting,
            oldest=from_milliseconds(oldest),
        )
        for queue, visible, delayed, in_flight, waiting, oldest in connection.execute(_DEPTHS, {"now": now})
    }
    for (queue,) in connection.execute("SELECT substr(topic, 7) FROM signals WHERE topic LIKE 'queue:%'"):
        found.setdefault(queue, QueueDepth(queue=queue, visible=0, delayed=0, in_flight=0, oldest=None))
    return [found[queue] for queue in sorted(found)]


def sweep(connection: sqlite3.Connection, now: int) -> int:
    """Remove the messages whose time to live is over, and ids whose window is, a few thousand at a time; returns how
    many rows that were."""
    removed = (connection.execute(statement, (now, _LAPSED)).rowcount for statement in (_SWEEP, _FORGET_IDS))
    return sum(removed)


def _levels(connection: sqlite3.Connection, queue: str) -> Iterator[int]:
    """The priorities that messages of the queue have, the highest first."""
    level: int | None = HIGHEST_PRIORITY + 1
    while True:
        [level] = connection.execute(_NEXT_LEVEL, (queue, level)).fetchone()
        if level is None:
            return
        yield level


def _keep_id(
    connection: sqlite3.Connection, message: OutgoingMessage, now: datetime, window: timedelta
) -> bool:
    """Whether its id is a new one; it is kept then."""
    row = {
        "queue": message.queue,
        "id": message.dedup_id,
        "now": milliseconds(now),
        "ends": milliseconds(now + window),
    }
    return connection.execute(_KEEP_ID, row).rowcount == 1


def _row(message: OutgoingMessage, now: int) -> tuple[Any, ...]:
    visible_at = now if message.visible_at is None else milliseconds(message.visible_at)
    return (
        message.queue,
        new_id(),
        message.body,
        now,
        visible_at,
        None if message.ttl is None else max(now, visible_at) + message.ttl // _MILLISECOND,
        msgspec.json.encode(message.properties).decode() if message.properties else None,
        message.session_id,
        message.priority,
        message.dedup_id,
    )


def message_of(queue: str, row: tuple[Any, ...]) -> QueueMessage:
    """The delivery that a claimed row is."""
    (
        id_,
        fence,
        message_id,
        body,
        count,
        inserted,
        expires,
        visible,
        first,
        properties,
        session,
        level,
        dedup,
    ) = row
    return QueueMessage(
        queue=queue,
        id=message_id,
        body=_bytes(body),
        receipt=Receipt(id_, fence),
        dequeue_count=count,
        inserted_at=from_milliseconds(inserted),
        expires_at=from_milliseconds(expires) if expires is not None else None,
        next_visible_at=from_milliseconds(visible),
        first_received_at=from_milliseconds(first) if first is not None else None,
        properties=_properties(properties),
        group=session,
        priority=level,
        dedup_id=dedup,
    )


def peeked(queue: str, row: tuple[Any, ...], now: int) -> PeekedMessage:
    """A row of the columns that `_LOOKED_AT` selects."""
    message_id, body, owner, count, inserted, expires, visible, properties, session, level, dedup, due = row
    state = "visible" if visible <= now else "in flight" if owner else "delayed" if due is None else "waiting"
    beside = _properties(properties)
    return PeekedMessage(
        queue=queue,
        id=message_id,
        body=_bytes(body),
        state=state,
        dequeue_count=count,
        inserted_at=from_milliseconds(inserted),
        expires_at=from_milliseconds(expires) if expires is not None else None,
        visible_at=from_milliseconds(visible if due is None else due),
        properties=beside,
        session_id=session or session_before(beside),
        priority=level,
        dedup_id=dedup,
    )


def _bytes(body: bytes | str) -> bytes:
    # Another program that writes into the table may have put a text there.
    return body.encode() if isinstance(body, str) else body


def _properties(text: str | None) -> dict[str, Any]:
    """What travels beside the body; nothing where that cannot be read: its neighbours must not suffer for it."""
    if not text:
        return {}
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {}
