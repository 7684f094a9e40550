"""Which trigger type is which class: the built-in ones, then those that other packages bring.

A class is imported when a function first names its type, so that an app pays only for what it uses.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

import msgspec

from ..bindings.errors import ConfigurationError
from . import fields
from .base import FieldsModel, Trigger

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

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
    entry = _third_party().get(type_)
    if entry is None:
        known = [*_BUILT_IN, *_third_party()]
        near = difflib.get_close_matches(type_, known, 1)
        hint = f" Did you mean '{near[0]}'?" if near else f" There are: {', '.join(known)}."
        raise ConfigurationError(f"'{type_}' is not a known trigger type.{hint}", key="type")
    return _loaded(entry)


class TriggerTypes(Mapping[str, FieldsModel]):
    """The model of the fields of every known trigger type, by the type's known spelling.

    Other packages are looked at only when a type that is not built in is asked for.
    """

    def __getitem__(self, type_: str) -> FieldsModel:
        if type_ in _BUILT_IN:
            return _BUILT_IN[type_][1]
        return _loaded(_third_party()[type_]).Fields

    def __iter__(self) -> Iterator[str]:
        yield from _BUILT_IN
        yield from _third_party()

    def __len__(self) -> int:
        return len(_BUILT_IN) + len(_third_party())


TRIGGER_TYPES = TriggerTypes()


@cache
def _third_party() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points  # 20 ms of import, for the few apps that need it

    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=ENTRY_POINTS):
        if entry.name in _BUILT_IN or entry.name in found:
            raise ConfigurationError(
                f"Two packages provide the trigger type '{entry.name}'; one is {entry.value}. Uninstall one of them."
            )
        found[entry.name] = entry
    return found


def _loaded(entry: EntryPoint) -> type[Trigger]:
    try:
        found = entry.load()
    except Exception as error:
        raise ConfigurationError(
            f"The trigger type '{entry.name}' ({entry.value}) cannot be imported: {error}"
        ) from error
    if not (isinstance(found, type) and issubclass(found, Trigger)):
        raise ConfigurationError(
            f"The trigger type '{entry.name}' ({entry.value}) is not a subclass of Trigger."
        )
    return found
