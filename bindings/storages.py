"""Which provider is which class: our own, then those that other packages bring.

A class is imported when a connection first names its provider, so that an app pays only for what it uses.
"""

from __future__ import annotations

import difflib
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from .errors import ConfigurationError
from .storage import Storage

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

#: Third parties name their class under the ``provider`` that a connection uses.
ENTRY_POINTS = "funchost.storage"

_BUILT_IN = {"aws": ("aws.storage", "AwsStorage")}

#: Kinds of connections that no class stands for: their names are by the rules of `Storage` itself.
_OTHERS = ("embedded", "azure")


def storage_type(provider: str) -> type[Storage]:
    """The class for a provider. Raises `ConfigurationError` naming those that there are."""
    if provider in _OTHERS:
        return Storage
    if provider in _BUILT_IN:
        module, name = _BUILT_IN[provider]
        found: type[Storage] = getattr(import_module(f".{module}", __package__), name)
        return found
    entry = _third_party().get(provider)
    if entry is None:
        known = sorted({*_BUILT_IN, *_third_party()})
        near = difflib.get_close_matches(provider, known, 1)
        fix = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(known)}."
        raise ConfigurationError(f"'{provider}' is not a known provider of storage.", fix=fix)
    return _loaded(entry)


@cache
def _third_party() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points  # 20 ms of import, for the few apps that need it

    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=ENTRY_POINTS):
        name = entry.name.lower()
        if name in (*_BUILT_IN, *_OTHERS) or name in found:
            raise ConfigurationError(
                f"Two packages provide the storage '{name}'; one is {entry.value}. Uninstall one of them."
            )
        found[name] = entry
    return found


def _loaded(entry: EntryPoint) -> type[Storage]:
    try:
        found = entry.load()
    except Exception as error:
        message = f"The storage '{entry.name}' ({entry.value}) cannot be imported: {error}"
        raise ConfigurationError(message) from error
    if not (isinstance(found, type) and issubclass(found, Storage)):
        raise ConfigurationError(
            f"The storage '{entry.name}' ({entry.value}) is not a subclass of funchost.bindings.storage.Storage."
        )
    return found
