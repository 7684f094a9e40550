"""Bindings of one function: inputs brought before the call, outputs taken from what came of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ...bindings.blob import BlobStore
from ...bindings.clock import Clock
from ...bindings.expressions import Template
from ...bindings.history import OutputRef
from ...bindings.names import blob_path
from ...bindings.queue import OutgoingMessage, QueueStore
from ...bindings.table import OutgoingEntity
from ...triggers.base import Resources, Unsent
from ...triggers.descriptor import Binding, FunctionDescriptor
from ..config.connection import HOST_STORAGE
from .blob_inputs import BlobsInput
from .queue_output import QueueOutput
from .table_bindings import TableInput, TableOutput

#: Name, kind and content of a value on its way to or from a worker.
Value = tuple[str, str, bytes]


@dataclass(slots=True)
class Outputs:
    """What a run put out: blobs to be written, messages and entities to be stored when its event is settled."""

    blobs: list[tuple[BlobStore, str, str, bytes]]
    messages: list[tuple[QueueStore, OutgoingMessage]]
    entities: list[tuple[QueueStore, OutgoingEntity]] = field(default_factory=list)
    unsent: list[Unsent] = field(default_factory=list)

    @property
    def refs(self) -> list[OutputRef]:
        """Where everything goes, for the run's record."""
        return [
            *(OutputRef("blob", f"{container}/{name}", len(body)) for _, container, name, body in self.blobs),
            *(OutputRef("queue", message.queue, len(message.body)) for _, message in self.messages),
            *(OutputRef("table", entity.table) for _, entity in self.entities),
        ]


#: Brings an input for an event with this metadata.
Load = Callable[[Mapping[str, Any]], Awaitable[Value]]

#: Adds to the outputs of a run what was given to one of them: its kind and content, for an event with this
#: metadata; the last argument are the properties of messages.
Put = Callable[[Outputs, str, bytes, Mapping[str, Any], dict[str, Any]], None]


class Binder:
    """Knows the inputs and outputs of one function, with their expressions compiled."""

    def __init__(self, function: FunctionDescriptor, resources: Resources) -> None:
        self._function = function.name
        self._clock: Clock = resources.clock
        self._inputs: list[Load] = []
        for binding in function.inputs:
            if binding.type == "blob" and binding.cardinality == "many":
                blobs = resources.blobs(binding.fields.get("connection") or "")
                self._inputs.append(BlobsInput(binding, blobs, function.name, resources.clock).load)
            elif binding.type == "blob":
                load = self._blob_place if binding.storage == "azure" else self._blob_input
                self._inputs.append(load(binding, resources))
            elif binding.type == "table":
                tables = resources.tables(binding.fields.get("connection") or "")
                self._inputs.append(TableInput(binding, tables, function.name, resources.clock).load)
        self._unserved = {one.name: one.type for one in function.outputs if one.type in function.unserved}
        puts = {"queue": self._queue_output, "blob": self._blob_output, "table": self._table_output}
        self._outputs: dict[str, Put] = {
            one.name: puts[one.type](one, resources) for one in function.outputs if one.type in puts
        }
        self.has_inputs = bool(self._inputs)

    async def inputs(self, metadata: Mapping[str, Any]) -> list[Value]:
        """The value of each input. Raises `BindingError` for one that cannot be found by its binding."""
        return [await load(metadata) for load in self._inputs]

    def outputs(
        self, values: Sequence[Value], metadata: Mapping[str, Any], properties: dict[str, Any]
    ) -> Outputs:
        """Where each value goes; `properties` travel with every message. Raises `BindingError`."""
        outputs = Outputs([], [])
        for name, kind, content in values:
            if name in self._unserved:
                outputs.unsent.append(Unsent(name, self._unserved[name], kind, content))
            elif kind != "none":
                self._outputs[name](outputs, kind, content, metadata, properties)
        return outputs

    def _queue_output(self, binding: Binding, resources: Resources) -> Put:
        store = resources.queues(binding.fields.get("connection") or "")
        output = QueueOutput(binding, self._function, self._clock)

        def put(
            outputs: Outputs,
            kind: str,
            content: bytes,
            metadata: Mapping[str, Any],
            properties: dict[str, Any],
        ) -> None:
            messages = output.messages(kind, content, metadata, properties)
            outputs.messages += [(store, message) for message in messages]

        return put

    def _blob_input(self, binding: Binding, resources: Resources) -> Load:
        store, template = _blob(binding, resources)

        async def load(metadata: Mapping[str, Any]) -> Value:
            path = template.render(metadata, function=self._function, clock=self._clock)
            found = await store.get(*blob_path(path))
            return (binding.name, "none", b"") if found is None else (binding.name, "bytes", found[1])

        return load

    def _blob_place(self, binding: Binding, resources: Resources) -> Load:
        """Where a blob is that its function fetches itself, with a client of the storage SDK."""
        # Its store is not ours to open.
        template = Template.parse(binding.fields["path"])
        connection = binding.fields.get("connection") or HOST_STORAGE

        async def load(metadata: Mapping[str, Any]) -> Value:
            path = template.render(metadata, function=self._function, clock=self._clock)
            container, name = blob_path(path)
            place = {"Connection": connection, "ContainerName": container, "BlobName": name}
            return binding.name, "json", msgspec.json.encode(place)

        return load

    def _blob_output(self, binding: Binding, resources: Resources) -> Put:
        store, template = _blob(binding, resources)

        def put(
            outputs: Outputs,
            kind: str,
            content: bytes,
            metadata: Mapping[str, Any],
            properties: dict[str, Any],
        ) -> None:
            path = template.render(metadata, function=self._function, clock=self._clock)
            outputs.blobs.append((store, *blob_path(path), content))

        return put

    def _table_output(self, binding: Binding, resources: Resources) -> Put:
        # Not the tables themselves: the queues beside them store messages and entities in one step.
        store = resources.entities(binding.fields.get("connection") or "")
        output = TableOutput(binding, self._function, self._clock)

        def put(
            outputs: Outputs,
            kind: str,
            content: bytes,
            metadata: Mapping[str, Any],
            properties: dict[str, Any],
        ) -> None:
            outputs.entities += [(store, entity) for entity in output.entities(content, metadata)]

        return put


def _blob(binding: Binding, resources: Resources) -> tuple[BlobStore, Template]:
    return resources.blobs(binding.fields.get("connection") or ""), Template.parse(binding.fields["path"])
