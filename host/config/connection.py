"""What the name of a connection stands for (functions-semantics, section 3.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from ...bindings.clock import SystemClock
from ...bindings.errors import ConfigurationError
from ...bindings.storage import ConnectionSettings
from ...bindings.storages import make_storage

#: The setting of the host's own storage.
HOST_STORAGE = "AzureWebJobsStorage"

#: What to do about most connections that lead elsewhere.
_FIX = "Set it to UseDevelopmentStorage=true for the embedded store."


@dataclass(frozen=True, slots=True)
class Connection:
    """Where a connection leads."""

    name: str
    #: ``embedded``, ``azure``, or the provider of another storage, such as ``aws``.
    kind: str = "embedded"
    #: The setting that says so; None when there is none.
    setting: str | None = None
    #: The setting's text, which may hold a secret.
    value: str = field(default="", repr=False)
    #: What a person should know: it cannot be used, or nothing is set and the embedded store stands in.
    message: str | None = None
    #: What to do about the message.
    fix: str | None = _FIX
    #: What its provider is given, where it leads to one and can be used.
    settings: ConnectionSettings | None = None

    @property
    def usable(self) -> bool:
        """Whether this version can use it."""
        return self.kind == "embedded" or self.settings is not None


def connection_of(name: str, get: Callable[[str], str | None], index: Mapping[str, str]) -> Connection:
    """Look a connection up; `index` holds all settings by their folded names."""
    for setting in _settings(name.strip()):
        text = get(setting)
        if text is not None:
            return _plain(name, setting, text)
        prefix = f"{setting.lower().replace(':', '__')}__"
        children = {key.removeprefix(prefix): value for key, value in index.items() if key.startswith(prefix)}
        if children:
            return _with_children(name, setting, children)
    if name.strip() in ("", HOST_STORAGE):
        return Connection(name)
    message = f"The setting '{name}' does not exist; the embedded store is used."
    return Connection(name, message=message)


def provided(connection: Connection, provider: str, settings: ConnectionSettings) -> Connection:
    """The connection, led to a provider of storage; with a message when that cannot use the settings."""
    setting, value = connection.setting, connection.value
    try:
        make_storage(provider, settings, SystemClock())
    except ConfigurationError as error:
        return Connection(connection.name, provider, setting, value, str(error), error.fix)
    return Connection(connection.name, provider, setting, value, settings=settings)


def _settings(name: str) -> Iterator[str]:
    for setting in (f"AzureWebJobs{name or 'Storage'}", name):
        if setting:
            yield f"ConnectionStrings:{setting}"
            yield setting


def _plain(name: str, setting: str, text: str) -> Connection:
    parts = dict(_pairs(text))
    if not text.strip() or parts.get("usedevelopmentstorage", "").lower() == "true":
        return Connection(name, setting=setting, value=text)
    if "provider" in parts:
        return _of_provider(name, setting, text, parts)
    kind = "an Azure Storage connection" if parts else "no connection that funchost knows"
    return _azure(name, setting, text, kind)


def _with_children(name: str, setting: str, children: Mapping[str, str]) -> Connection:
    value = ";".join(f"{key}={children[key]}" for key in sorted(children))
    if "provider" in children:
        return _of_provider(name, setting, value, children)
    return _azure(name, setting, value, "an Azure connection by identity")


def _of_provider(name: str, setting: str, value: str, parts: Mapping[str, str]) -> Connection:
    provider = parts["provider"].strip().lower()
    values = {key: text.strip() for key, text in parts.items() if key != "provider"}
    shown = setting.removeprefix("ConnectionStrings:")
    settings = ConnectionSettings(name=name.strip() or shown, setting=shown, values=values)
    return provided(Connection(name, provider, setting, value), provider, settings)


def _azure(name: str, setting: str, value: str, what: str) -> Connection:
    message = f"The setting '{setting}' holds {what}; this version knows only the embedded store and AWS."
    return Connection(name, "azure", setting, value, message)


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for part in text.split(";"):
        key, equals, value = part.partition("=")
        if equals:
            yield key.strip().lower(), value.strip()
