"""Tables as funchost sees them: the records that travel, and the protocol every table store fulfils."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

import msgspec

from .errors import FunchostError

#: Whether an entity is wanted; sees its properties, PartitionKey, RowKey and Timestamp.
Predicate = Callable[[Mapping[str, Any]], bool]

#: Takes the place of whatever stands under the same keys.
ANY_ETAG = "*"


class EntityConflict(FunchostError):
    """What is in the table already does not let the entity in."""


class OutgoingEntity(msgspec.Struct, kw_only=True, frozen=True):
    """An entity on its way into a table."""

    #: In lower case: the names of tables are told apart without case.
    table: str
    partition_key: str
    row_key: str
    #: Text, whole and other numbers, true and false; nothing else.
    properties: dict[str, Any]
    #: None adds a new entity, `ANY_ETAG` adds or replaces, any other replaces the one with this ETag.
    etag: str | None = None

    def conflict(self) -> EntityConflict:
        """Why it cannot be stored, when the table's state does not allow it."""
        where = f"PartitionKey '{self.partition_key}' and RowKey '{self.row_key}' in the table '{self.table}'"
        if self.etag is None:
            return EntityConflict(
                f"There is an entity with {where} already, and a table output only adds. Choose another key, or "
                'give the entity "odata.etag": "*" to replace the one that is there.'
            )
        return EntityConflict(
            f"The entity with {where} was changed or removed since it was read: its ETag is no longer "
            f'{self.etag}. Read it again, or give "odata.etag": "*" to replace it whatever it is.'
        )


class Entity(msgspec.Struct, kw_only=True, frozen=True):
    """An entity as it is kept."""

    partition_key: str
    row_key: str
    #: When it was stored, to the microsecond; grows with each change.
    timestamp: datetime
    properties: dict[str, Any]

    @property
    def etag(self) -> str:
        """Says which state of the entity this is."""
        return etag_of(self.timestamp)

    def comparable(self) -> dict[str, Any]:
        """What a `Predicate` sees."""
        system = {"PartitionKey": self.partition_key, "RowKey": self.row_key, "Timestamp": self.timestamp}
        return {**self.properties, **system}

    def document(self) -> dict[str, Any]:
        """The entity as functions get it, in Azure's order; like there without its ETag and Timestamp."""
        return {"PartitionKey": self.partition_key, "RowKey": self.row_key, **self.properties}


class TableStore(Protocol):
    """Reads tables. What goes into them goes through the `QueueStore` of the same connection, so that all
    that a run puts out is stored in one step. A table comes into being with its first entity.
    """

    async def get(self, table: str, partition_key: str, row_key: str) -> Entity | None:
        """The entity with these keys, or None. `table` is in lower case here and below."""

    async def query(
        self, table: str, partition_key: str | None, wanted: Predicate, limit: int | None
    ) -> list[Entity]:
        """The first `limit` wanted entities (None: all) by PartitionKey and RowKey.

        Without `partition_key` all partitions are looked through.
        """


def etag_of(timestamp: datetime) -> str:
    """The ETag of an entity that was stored then, in the form that Azure's have."""
    return f"W/\"datetime'{timestamp:%Y-%m-%dT%H%%3A%M%%3A%S.%fZ}'\""
