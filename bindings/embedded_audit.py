"""What was done by people and tools that changes something, one row for each action, in the embedded store."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Any

import msgspec

from .clock import from_milliseconds, milliseconds
from .store import Store


class AuditRow(msgspec.Struct, kw_only=True, frozen=True):
    """One action."""

    id: int
    at: datetime
    #: Who asked for it: ``cli:anna``, ``api:127.0.0.1``.
    who: str
    #: What was done, such as ``queues.clear``.
    action: str
    #: What to: a queue, a function, a run.
    target: str
    detail: dict[str, Any]


class AuditLog:
    """The actions on one embedded store. Rows are never changed, and go with the history's age."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, who: str, action: str, target: str, detail: dict[str, Any]) -> None:
        """Write down an action that was done, or is about to be."""
        at, text = milliseconds(self._store.clock.now()), msgspec.json.encode(detail).decode()

        def operation(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO audit (at, who, action, target, detail) VALUES (?, ?, ?, ?, ?)",
                (at, who, action, target, text),
            )

        await self._store.write(operation)

    async def list(self, limit: int, before: int | None = None) -> list[AuditRow]:
        """The last actions, the latest first; `before` is the id of the last one of the page before."""
        rows = await self._store.read(
            lambda connection: connection.execute(
                "SELECT id, at, who, action, target, detail FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?",
                (2**62 if before is None else before, limit),
            ).fetchall()
        )
        return [_row(row) for row in rows]


def _row(row: tuple[Any, ...]) -> AuditRow:
    id_, at, who, action, target, detail = row
    return AuditRow(
        id=id_,
        at=from_milliseconds(at),
        who=who,
        action=action,
        target=target,
        detail=msgspec.json.decode(detail),
    )
