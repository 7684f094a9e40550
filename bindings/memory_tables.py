"""Tables in memory, for tests and for trying things. They do what `EmbeddedTables` does, and forget it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from .clock import Clock, SystemClock
from .table import ANY_ETAG, Entity, OutgoingEntity, Predicate

_Keys = tuple[str, str, str]


class MemoryTables:
    """`TableStore` that ends with the process. `MemoryQueues` puts entities into it."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._entities: dict[_Keys, Entity] = {}

    async def get(self, table: str, partition_key: str, row_key: str) -> Entity | None:
        return self._entities.get((table, partition_key, row_key))

    async def query(
        self, table: str, partition_key: str | None, wanted: Predicate, limit: int | None
    ) -> list[Entity]:
        found = [
            entity
            for (name, partition, _), entity in sorted(self._entities.items(), key=lambda item: item[0])
            if name == table and partition_key in (None, partition) and wanted(entity.comparable())
        ]
        return found[:limit]

    def put(self, entities: Sequence[OutgoingEntity]) -> None:
        """Store all entities or none. Raises `EntityConflict`."""
        changed = dict(self._entities)
        for entity in entities:
            keys = (entity.table, entity.partition_key, entity.row_key)
            changed[keys] = self._replaced(changed.get(keys), entity)
        self._entities = changed

    def _replaced(self, before: Entity | None, entity: OutgoingEntity) -> Entity:
        """The entity as it is kept, in place of what stood `before` under its keys."""
        if (before and entity.etag is None) or (
            entity.etag not in (None, ANY_ETAG, before.etag if before else None)
        ):
            raise entity.conflict()
        timestamp = self._clock.now()
        if before:
            timestamp = max(timestamp, before.timestamp + timedelta(microseconds=1))
        return Entity(
            partition_key=entity.partition_key,
            row_key=entity.row_key,
            timestamp=timestamp,
            properties=msgspec.json.decode(msgspec.json.encode(entity.properties)),
        )
