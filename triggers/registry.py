"""Which trigger type is which class: the built-in ones, then those that other packages bring.

A class is imported when a function first names its type, so that an app pays only for what it uses.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

import msgspec

from ..bindings.errors import ConfigurationError
from ..bindings.packages import contenders, entry_points_of, load_class, mending
from . import fields
from .base import FieldsModel, Resources, Trigger

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from .descriptor import FunctionDescriptor

#: Third parties name their class under the `type` that a function.json uses.
ENTRY_POINTS = "funchost.triggers"

_BUILT_IN: Mapping[str, tuple[str, type[msgspec.Struct]]] = {
    "httpTrigger": ("http:HttpTrigger", fields.HttpTriggerFields),
    "queueTrigger": ("queue:QueueTrigger", fields.QueueTriggerFields),
    "blobTrigger": ("blob:BlobTrigger", fields.BlobTriggerFields),
    "fileTrigger": ("file:FileTrigger", fields.FileTriggerFields),
    "timerTrigger": ("timer:TimerTrigger", fields.TimerTriggerFields),
    "manualTrigger": ("manual:ManualTrigger", fields.ManualTriggerFields),
    "warmupTrigger": ("warmup:WarmupTrigger", fields.WarmupTriggerFields),
}


def trigger_class(type_: str) -> type[Trigger]:
    """The class for a type in its known spelling. Raises `ConfigurationError` naming those that there are."""
    if type_ in _BUILT_IN:
        module, _, name = _BUILT_IN[type_][0].partition(":")
        found: type[Trigger] = getattr(import_module(f".{module}", __package__), name)
        return found
    if type_ not in _third_party():
        known = [*_BUILT_IN, *_third_party()]
        near = difflib.get_close_matches(type_, known, 1)
        hint = f" Did you mean '{near[0]}'?" if near else f" There are: {', '.join(known)}."
        raise ConfigurationError(f"'{type_}' is not a known trigger type.{hint}", key="type")
    return _brought(type_)


class TriggerTypes(Mapping[str, FieldsModel]):
    """The model of the fields of every known trigger type, by the type's known spelling.

    Other packages are looked at only when a type that is not built in is asked for.
    """

    def __getitem__(self, type_: str) -> FieldsModel:
        if type_ in _BUILT_IN:
            return _BUILT_IN[type_][1]
        return _brought(type_).Fields

    def __iter__(self) -> Iterator[str]:
        yield from _BUILT_IN
        yield from _third_party()

    def __len__(self) -> int:
        return len(_BUILT_IN) + len(_third_party())


TRIGGER_TYPES = TriggerTypes()


def _third_party() -> Mapping[str, tuple[EntryPoint, ...]]:
    return entry_points_of(ENTRY_POINTS)


def _brought(type_: str) -> type[Trigger]:
    """The class that another package brings, or one that says why it cannot be used. Raises `KeyError`."""
    entries = _third_party()[type_]
    if len(entries) > 1:
        why = f"Several packages provide {type_}: {contenders(entries)}."
        return _unusable(why, "Uninstall all but one of them.")
    [entry] = entries
    found = load_class(entry, Trigger, needs=("Fields",))
    if isinstance(found, str):
        return _unusable(f"{type_} ({entry.value}) {found}.", mending(entry))
    return found


def _unusable(why: str, fix: str) -> type[Trigger]:
    class Unusable(Trigger):
        """A trigger that no function can have; what else its entry holds is not looked at."""

        Fields = fields.UnservedFields

        def __init__(self, function: FunctionDescriptor, fields: Any, resources: Resources) -> None:
            raise ConfigurationError(why, key="type", fix=fix)

    return Unusable
