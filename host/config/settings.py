"""App settings: the environment over local.settings.json, and the connections that they name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...bindings.clock import SystemClock
from ...bindings.storages import storage_type
from ...triggers.descriptor import Problem
from .connection import Connection, connection_of
from .emulated import emulated
from .host_json import read_host_json
from .host_models import HostJson
from .local_settings import LocalHost, read_local_settings


@dataclass(frozen=True, slots=True)
class AppSettings:
    """All settings of the app, and what stood in the way of reading them."""

    _values: Mapping[str, str] = field(repr=False)
    host: LocalHost = field(default_factory=LocalHost)
    #: Keys of local.settings.json that do not count because the environment has them.
    skipped: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    _index: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: The URL of the emulator that connections lead to; None without one.
    emulator: str | None = None

    @classmethod
    def load(cls, root: Path, environ: Mapping[str, str], emulator: str | None = None) -> AppSettings:
        """Read ``<root>/local.settings.json`` beneath the environment. Never raises for what the file holds."""
        exported, host, problems = read_local_settings(root)
        taken = {_fold(name) for name in environ}
        skipped = tuple(name for name in exported if _fold(name) in taken)
        values = {name: text for name, text in exported.items() if name not in skipped} | dict(environ)
        index = {_fold(name): text for name, text in values.items()}
        return cls(values, host, skipped, problems, index, emulator)

    def get(self, name: str) -> str | None:
        """The setting's text, or None; in any case, ``:`` and ``__`` being the same."""
        return self._values.get(name, self._index.get(_fold(name)))

    def environment(self) -> dict[str, str]:
        """The environment for worker processes."""
        return dict(self._values)

    def connection(self, name: str) -> Connection:
        """Where the connection of this name leads; the empty name is the host's own storage."""
        found = connection_of(name, self.get, self._index)
        return emulated(found, self.emulator) if self.emulator else found

    def table_connection(self, name: str) -> Connection:
        """The same for tables, which an emulator does not have: they stay in the embedded store."""
        found = connection_of(name, self.get, self._index)
        return found if found.kind == "embedded" else self.connection(name)

    def disabled(self, function: str) -> bool:
        """Whether a setting turns the function off."""
        names = (f"AzureWebJobs.{function}.Disabled", f"AzureWebJobs_{function}_Disabled")
        return any(is_on(self.get(name)) for name in names)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that is configured for the app as a whole."""

    root: Path
    app: AppSettings
    host_json: HostJson
    problems: tuple[Problem, ...]

    @classmethod
    def load(cls, root: Path, environ: Mapping[str, str], emulator: str | None = None) -> Settings:
        """Read local.settings.json and host.json. Never raises for what they hold."""
        app = AppSettings.load(root, environ, emulator)
        host_json, problems = read_host_json(root, app.environment())
        return cls(
            root, app, host_json, (*app.problems, *problems, *_storage_problems(app), *_count_problems(app))
        )


def is_on(text: str | None) -> bool:
    """Whether a setting's text means yes, as Azure reads it: ``1`` or ``true``."""
    return (text or "").strip().lower() in ("1", "true")


def whole_number(text: str | None, least: int, most: int) -> int | None:
    """A setting's whole number, at most `most`; None when it is absent, no number, or under `least`."""
    try:
        value = int(text or "")
    except ValueError:
        return None
    return min(value, most) if value >= least else None


def _storage_problems(app: AppSettings) -> list[Problem]:
    """What keeps the host's own storage from being the one that hosts share."""
    connection = app.connection("")
    if connection.kind == "embedded":
        return []
    fix = connection.fix
    if connection.settings:
        fix = storage_type(connection.kind)(connection.settings, SystemClock()).why_no_host_state
        if fix is None:
            return []
    message = "AzureWebJobsStorage leads elsewhere, but locks, schedules and receipts stay in the embedded store of this host."
    if connection.message:
        message = f"{connection.message} {message}"
    return [Problem(message, key="AzureWebJobsStorage", fix=fix, severity="warning")]


def _count_problems(app: AppSettings) -> list[Problem]:
    """Numbers of threads and processes that are none: their defaults count."""
    texts = {
        name: app.get(name) for name in ("PYTHON_THREADPOOL_THREAD_COUNT", "FUNCTIONS_WORKER_PROCESS_COUNT")
    }
    return [
        Problem(
            f"'{text}' is not a whole number of at least 1; the default is used.",
            key=name,
            fix="Correct it, or remove it.",
            severity="warning",
        )
        for name, text in texts.items()
        if text is not None and whole_number(text, 1, 1024) is None
    ]


def _fold(name: str) -> str:
    return name.lower().replace(":", "__")
