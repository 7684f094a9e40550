"""Tables in the embedded store. What a run puts into them is one transaction with the rest of its outputs."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from .store import Store
from .table import ANY_ETAG, Entity, EntityConflict, OutgoingEntity, Predicate, etag_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_ADD = """
INSERT INTO entities VALUES (?, ?, ?, ?, ?) ON CONFLICT (table_name, partition_key, row_key)
"""
_REPLACE = """
DO UPDATE SET changed_at = max(excluded.changed_at, changed_at + 1), properties = excluded.properties
"""

_COLUMNS = "SELECT partition_key, row_key, changed_at, properties FROM entities"
_ONE = f"{_COLUMNS} WHERE table_name = ? AND partition_key = ? AND row_key = ?"
_ALL = f"{_COLUMNS} WHERE table_name = ? ORDER BY partition_key, row_key"
_PARTITION = f"{_COLUMNS} WHERE table_name = ? AND partition_key = ? ORDER BY row_key"


class EmbeddedTables:
    """`TableStore` on the embedded store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, table: str, partition_key: str, row_key: str) -> Entity | None:
        keys = (table, partition_key, row_key)
        row = await self._store.read(lambda connection: connection.execute(_ONE, keys).fetchone())
        return None if row is None else _entity(row)

    async def query(
        self, table: str, partition_key: str | None, wanted: Predicate, limit: int | None
    ) -> list[Entity]:
        def operation(connection: sqlite3.Connection) -> list[Entity]:
            found: list[Entity] = []
            if partition_key is None:
                rows = connection.execute(_ALL, (table,))
            else:
                rows = connection.execute(_PARTITION, (table, partition_key))
            for entity in map(_entity, rows):
                if wanted(entity.comparable()):
                    found.append(entity)
                    if len(found) == limit:
                        rows.close()
                        break
            return found

        return await self._store.read(operation)


async def write_with(
    store: Store, entities: Sequence[OutgoingEntity], operation: Callable[[sqlite3.Connection], bool]
) -> bool:
    """Run `operation` and, if it answers True, store the entities: all of it or nothing; returns its answer.

    Raises `EntityConflict`. What others write in the same transaction is not disturbed by that.
    """
    now = (store.clock.now() - _EPOCH) // timedelta(microseconds=1)

    def together(connection: sqlite3.Connection) -> bool | EntityConflict:
        connection.execute("SAVEPOINT entities")
        answer: bool | EntityConflict = operation(connection)
        try:
            for entity in entities if answer else ():
                _put(connection, entity, now)
        except EntityConflict as conflict:
            # Given back, not raised: that would spoil the transaction for all who share it.
            connection.execute("ROLLBACK TO entities")
            answer = conflict
        connection.execute("RELEASE entities")
        return answer

    result = await store.write(together)
    if isinstance(result, EntityConflict):
        raise result
    return result


def _put(connection: sqlite3.Connection, entity: OutgoingEntity, now: int) -> None:
    keys = (entity.table, entity.partition_key, entity.row_key)
    if entity.etag not in (None, ANY_ETAG):
        row = connection.execute(_ONE, keys).fetchone()
        if row is None or etag_of(_moment(row[2])) != entity.etag:
            raise entity.conflict()
    then = "DO NOTHING" if entity.etag is None else _REPLACE
    properties = msgspec.json.encode(entity.properties).decode()
    if not connection.execute(_ADD + then, (*keys, now, properties)).rowcount:
        raise entity.conflict()


def _entity(row: tuple[Any, ...]) -> Entity:
    partition_key, row_key, changed_at, properties = row
    return Entity(
        partition_key=partition_key,
        row_key=row_key,
        timestamp=_moment(changed_at),
        properties=msgspec.json.decode(properties),
    )


def _moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)
