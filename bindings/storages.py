"""Which provider is which class: our own, then those that other packages bring.

A class is imported when a connection first names its provider, so that an app pays only for what it uses. A provider
that cannot be used concerns the connections that lead to it, and nobody else.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from .clock import Clock
from .errors import ConfigurationError
from .packages import contenders, entry_points_of, load_class, mending
from .storage import ConnectionSettings, Storage

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

#: Third parties name their class under the ``provider`` that a connection uses.
ENTRY_POINTS = "funchost.storage"

_BUILT_IN = {"aws": ("aws.storage", "AwsStorage")}

#: Kinds of connections that no class stands for: their names are by the rules of `Storage` itself.
_OTHERS = ("embedded", "azure")


def storage_type(provider: str) -> type[Storage]:
    """The class for a provider, by its name in lower case. Never raises.

    Where there is none that can be used it is a class of which nothing can be made: that raises
    `ConfigurationError`, which says why and what to do.
    """
    if provider in _OTHERS:
        return Storage
    if provider in _BUILT_IN:
        module, name = _BUILT_IN[provider]
        found: type[Storage] = getattr(import_module(f".{module}", __package__), name)
        return found
    entries = _third_party().get(provider, ())
    if not entries:
        return _unusable(lambda settings: _unknown(provider, settings))
    if len(entries) > 1:
        return _unusable(lambda settings: _ambiguous(provider, entries, settings))
    return _loaded(provider, entries[0])


def make_storage(provider: str, settings: ConnectionSettings, clock: Clock) -> Storage:
    """What a connection with these settings leads to. Raises `ConfigurationError`, whatever its class raises."""
    try:
        return storage_type(provider)(settings, clock)
    except ConfigurationError:
        raise
    except Exception as error:
        raise ConfigurationError(
            f"The storage '{provider}' fails with the settings of the connection '{settings.name}': {error!r}.",
            fix=f"Check {settings.setting}__… against its documentation.",
        ) from error


def _third_party() -> Mapping[str, tuple[EntryPoint, ...]]:
    return entry_points_of(ENTRY_POINTS, str.lower)


def _loaded(provider: str, entry: EntryPoint) -> type[Storage]:
    found = load_class(entry, Storage)
    if isinstance(found, str):
        return _unusable(lambda settings: _broken(provider, entry, found, settings))
    return found


def _unusable(why: Callable[[ConnectionSettings], ConfigurationError]) -> type[Storage]:
    class Unusable(Storage):
        """A storage that cannot be made."""

        def __init__(self, settings: ConnectionSettings, clock: Clock) -> None:
            raise why(settings)

    return Unusable


def _unknown(provider: str, settings: ConnectionSettings) -> ConfigurationError:
    known = sorted({*_BUILT_IN, *_third_party()})
    near = difflib.get_close_matches(provider, known, 1)
    hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(known)}."
    return ConfigurationError(
        f"{_leads(provider, settings)}, which no installed package provides.",
        fix=f"{hint} A package that brings another one is installed into the host's environment.",
    )


def _ambiguous(
    provider: str, entries: tuple[EntryPoint, ...], settings: ConnectionSettings
) -> ConfigurationError:
    return ConfigurationError(
        f"{_leads(provider, settings)}, which several packages provide: {contenders(entries)}.",
        fix="Uninstall all but one of them.",
    )


def _broken(
    provider: str, entry: EntryPoint, reason: str, settings: ConnectionSettings
) -> ConfigurationError:
    return ConfigurationError(
        f"{_leads(provider, settings)} ({entry.value}), which {reason}.",
        fix=mending(entry),
    )


def _leads(provider: str, settings: ConnectionSettings) -> str:
    return f"The connection '{settings.name}' leads to the storage '{provider}'"
