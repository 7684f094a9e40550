"""Small durable facts in the embedded store: receipts, timer status, keys."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from .embedded_queue import EmbeddedQueues
from .state import Sighting
from .store import Store, signal


class EmbeddedState:
    """`StateStore` on the embedded store; what `record` sends goes through `queues`, in the same transaction."""

    def __init__(self, store: Store, queues: EmbeddedQueues) -> None:
        self._store = store
        self._queues = queues

    async def get(self, scope: str, key: str) -> Any:
        return await self._store.read(lambda connection: _value(connection, scope, key))

    async def put(self, scope: str, key: str, value: Any) -> None:
        def operation(connection: sqlite3.Connection) -> None:
            if value is None:
                connection.execute("DELETE FROM state WHERE scope = ? AND key = ?", (scope, key))
                signal(connection, _topic(scope))
            else:
                _keep(connection, scope, key, value)

        await self._store.write(operation)
        self._store.announce(_topic(scope))

    async def change(self, scope: str, key: str, edit: Callable[[Any], Any]) -> bool:
        def operation(connection: sqlite3.Connection) -> bool:
            value = edit(_value(connection, scope, key))
            if value is not None:
                _keep(connection, scope, key, value)
            return value is not None

        changed = await self._store.write(operation)
        if changed:
            self._store.announce(_topic(scope))
        return changed

    async def items(self, scope: str) -> Mapping[str, Any]:
        rows = await self._store.read(
            lambda c: c.execute(
                "SELECT key, value FROM state WHERE scope = ? ORDER BY key", (scope,)
            ).fetchall()
        )
        return {key: msgspec.json.decode(value) for key, value in rows}

    def watch(self, scope: str, callback: Callable[[], None]) -> None:
        self._store.subscribe(_topic(scope), callback)

    async def seen(self, scope: str) -> dict[str, str]:
        return dict(
            await self._store.read(
                lambda c: c.execute("SELECT path, version FROM versions WHERE scope = ?", (scope,)).fetchall()
            )
        )

    async def record(self, scope: str, sightings: Sequence[Sighting]) -> int:
        def operation(connection: sqlite3.Connection) -> list[Sighting]:
            fresh = [sighting for sighting in sightings if _remember(connection, scope, sighting)]
            messages = [sighting.message for sighting in fresh if sighting.message]
            self._queues.send_within(connection, messages)
            return fresh

        fresh = await self._store.write(operation)
        self._queues.tell({sighting.message.queue for sighting in fresh if sighting.message})
        return len(fresh)


def _topic(scope: str) -> str:
    return f"state:{scope}"


def _value(connection: sqlite3.Connection, scope: str, key: str) -> Any:
    found = connection.execute("SELECT value FROM state WHERE scope = ? AND key = ?", (scope, key)).fetchone()
    return msgspec.json.decode(found[0]) if found else None


def _keep(connection: sqlite3.Connection, scope: str, key: str, value: Any) -> None:
    text = msgspec.json.encode(value).decode()
    connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", (scope, key, text))
    signal(connection, _topic(scope))


def _remember(connection: sqlite3.Connection, scope: str, sighting: Sighting) -> bool:
    """Whether this version is news; from now on it is not."""
    if sighting.version is None:
        change = connection.execute(
            "DELETE FROM versions WHERE scope = ? AND path = ?", (scope, sighting.path)
        )
    else:
        change = connection.execute(
            "INSERT INTO versions VALUES (?1, ?2, ?3) ON CONFLICT (scope, path) DO UPDATE SET version = ?3"
            " WHERE version <> ?3",
            (scope, sighting.path, sighting.version),
        )
    return change.rowcount == 1
