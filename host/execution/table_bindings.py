"""The table bindings of a function: entities brought before the call, entities taken from what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ...bindings.clock import Clock
from ...bindings.entity import is_key, read_entities, table_name
from ...bindings.expressions import Template
from ...bindings.filter_template import FilterTemplate
from ...bindings.table import Entity, OutgoingEntity, Predicate, TableStore
from ...triggers.descriptor import Binding


class TablePlace:
    """The table and the keys that a binding names, with their expressions compiled."""

    def __init__(self, binding: Binding, function: str, clock: Clock) -> None:
        self._function = function
        self._clock = clock
        self._table = Template.parse(binding.fields["tableName"])
        self._partition_key = _template(binding.fields.get("partitionKey"))
        self._row_key = _template(binding.fields.get("rowKey"))

    def fill(self, metadata: Mapping[str, Any]) -> tuple[str, str | None, str | None]:
        """Table, PartitionKey and RowKey for one event. Raises `BindingError`."""
        return (
            table_name(self._text(self._table, metadata)),
            self._text(self._partition_key, metadata) if self._partition_key else None,
            self._text(self._row_key, metadata) if self._row_key else None,
        )

    def _text(self, template: Template, metadata: Mapping[str, Any]) -> str:
        return template.render(metadata, function=self._function, clock=self._clock)


class TableInput:
    """Brings the entities that the binding does not rule out, as Azure does always as a list: with both keys it
    holds one entity or none."""

    def __init__(self, binding: Binding, store: TableStore, function: str, clock: Clock) -> None:
        self._name = binding.name
        self._store = store
        self._place = TablePlace(binding, function, clock)
        self._function = function
        self._clock = clock
        text = binding.fields.get("filter")
        self._filter = FilterTemplate(text) if text else None
        #: As in Azure 0 is no limit.
        self._take: int | None = binding.fields.get("take") or None

    async def load(self, metadata: Mapping[str, Any]) -> tuple[str, str, bytes]:
        """Name, kind and content of the value. Raises `BindingError`."""
        table, partition_key, row_key = self._place.fill(metadata)
        if partition_key is not None and row_key is not None:
            found = await self._one(table, partition_key, row_key)
        else:
            wanted = self._wanted(row_key, metadata)
            found = await self._store.query(table, partition_key, wanted, self._take)
        return self._name, "json", msgspec.json.encode([entity.document() for entity in found])

    async def _one(self, table: str, partition_key: str, row_key: str) -> list[Entity]:
        # Keys come from outside: one that no entity can have finds nothing.
        possible = is_key(partition_key) and is_key(row_key)
        entity = await self._store.get(table, partition_key, row_key) if possible else None
        return [] if entity is None else [entity]

    def _wanted(self, row_key: str | None, metadata: Mapping[str, Any]) -> Predicate:
        wanted = (
            self._filter.fill(metadata, function=self._function, clock=self._clock) if self._filter else _all
        )
        if row_key is None:
            return wanted
        return lambda entity: entity["RowKey"] == row_key and wanted(entity)


class TableOutput:
    """Makes entities of what a function gave to the output."""

    def __init__(self, binding: Binding, function: str, clock: Clock) -> None:
        self._name = binding.name
        self._place = TablePlace(binding, function, clock)

    def entities(self, content: bytes, metadata: Mapping[str, Any]) -> list[OutgoingEntity]:
        """The entities, checked. Raises `BindingError`."""
        return read_entities(content, *self._place.fill(metadata), self._name)


def _template(key: str | None) -> Template | None:
    """An empty key in the binding is as good as none."""
    return Template.parse(key) if key else None


def _all(entity: Mapping[str, Any]) -> bool:
    return True
