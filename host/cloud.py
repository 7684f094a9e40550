"""Which functions work with services that others use too, for a developer who might not want that.

A host that is started to try something out takes real orders off a real queue when a connection leads there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..bindings.storage import Storage
from ..triggers.descriptor import Binding, FunctionDescriptor

#: Things that are named; more of them are counted.
_NAMED = 6


@dataclass(slots=True)
class CloudUse:
    """What is done at one place: each thing, such as ``queue orders``, with the functions that do it."""

    #: Such as ``AWS in eu-west-1``.
    place: str
    connection: str
    takes: dict[str, list[str]] = field(default_factory=dict)
    reads: dict[str, list[str]] = field(default_factory=dict)
    writes: dict[str, list[str]] = field(default_factory=dict)
    #: Whether the hosts of the app keep their locks, keys and schedules there.
    keeps_state: bool = False

    def __str__(self) -> str:
        return f"{self.place} (connection {self.connection})"

    @property
    def deeds(self) -> Mapping[str, str]:
        """What is done, for people: the verb, and to what."""
        deeds = {"takes": self.takes, "reads": self.reads, "writes": self.writes}
        told = {verb: _listed(things) for verb, things in deeds.items() if things}
        return told | ({"keeps": "locks, keys and schedules of the app's hosts"} if self.keeps_state else {})

    @property
    def document(self) -> dict[str, Any]:
        """All of it, for programs."""
        return {
            "place": self.place,
            "connection": self.connection,
            "takes": self.takes,
            "reads": self.reads,
            "writes": self.writes,
            "keepsState": self.keeps_state,
        }

    @property
    def sentence(self) -> str:
        """All of it, on one line."""
        deeds = "; ".join(f"{verb} {what}" for verb, what in self.deeds.items())
        return f"This host was started on this machine, and does real work at {self}: {deeds}."


def cloud_uses(
    functions: Iterable[FunctionDescriptor],
    storage_of: Callable[[Binding], Storage | None],
    host_storage: Storage | None,
) -> list[CloudUse]:
    """One for each connection that leads to such a place; `host_storage` is where hosts share what they keep."""
    uses: dict[str, CloudUse] = {}

    def use(storage: Storage) -> CloudUse:
        name = storage.settings.name
        return uses.setdefault(name, CloudUse(storage.place, name))

    for function in functions:
        for binding in (function.trigger, *function.bindings):
            storage = storage_of(binding)
            if storage and storage.is_cloud:
                _note(use(storage), function, binding)
    if host_storage and host_storage.is_cloud:
        use(host_storage).keeps_state = True
    return list(uses.values())


def _note(use: CloudUse, function: FunctionDescriptor, binding: Binding) -> None:
    if binding is function.trigger:
        things = use.takes
    else:
        things = use.writes if binding.direction == "out" else use.reads
    names = things.setdefault(_thing(binding), [])
    if function.name not in names:
        names.append(function.name)


def _thing(binding: Binding) -> str:
    fields = binding.fields
    if "queueName" in fields:
        return f"queue {fields['queueName']}"
    return f"table {fields['tableName']}" if "tableName" in fields else f"blobs {fields.get('path', '')}"


def _listed(things: Mapping[str, list[str]]) -> str:
    named = [f"{thing} ({', '.join(names)})" for thing, names in things.items()]
    more = [f"and {len(named) - _NAMED} more"] if len(named) > _NAMED else []
    return ", ".join([*named[:_NAMED], *more])
