"""How `start` would start a host, and what says so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..configuration import Configuration
from .config_origin import BY_DEFAULT, COMMAND_LINE, DEFAULT, Origin, Settings


def start_values(configuration: Configuration, settings: Settings) -> Iterator[tuple[str, Any, Origin]]:
    """Each with its key, its value and its origin."""
    options, host = configuration.options, configuration.settings.app.host

    def from_(option: str, given: object, otherwise: Origin = BY_DEFAULT) -> Origin:
        return otherwise if given is None else Origin(kind=COMMAND_LINE, name=f"--{option}")

    def in_host(key: str) -> Origin:
        said = getattr(host, key) not in (None, False)
        return settings.host_key(key) if said else BY_DEFAULT

    local = "a loopback address" if configuration.is_local else "an address that others reach"
    yield "root", str(configuration.root), BY_DEFAULT
    yield "store", str(configuration.store_folder), from_("store", options.store)
    yield "address", configuration.address, from_("address", options.address, in_host("LocalHttpAddress"))
    yield "port", configuration.port, from_("port", options.port, in_host("LocalHttpPort"))
    yield "auth", configuration.asks_for_keys, from_("auth", options.auth, Origin(kind=DEFAULT, key=local))
    cors = host.CORS if options.cors is None else options.cors
    yield "cors", cors, from_("cors", options.cors, in_host("CORS"))
    workers = _setting("FUNCTIONS_WORKER_PROCESS_COUNT", settings)
    yield "workers", configuration.worker_count, from_("workers", options.workers, workers)
    yield "python", str(configuration.python), from_("python", options.python, _python(configuration))
    yield "timeZone", configuration.time_zone, _first_setting(settings, "WEBSITE_TIME_ZONE", "TZ")
    emulator = configuration.settings.app.emulator
    if emulator:
        yield "emulator", emulator, from_("emulator", options.emulator)


def _setting(name: str, settings: Settings) -> Origin:
    return settings.origin(name) if settings.text(name) else BY_DEFAULT


def _first_setting(settings: Settings, *names: str) -> Origin:
    return next((settings.origin(name) for name in names if settings.text(name)), BY_DEFAULT)


def _python(configuration: Configuration) -> Origin:
    own = configuration.python.is_relative_to(configuration.root / ".venv")
    active = configuration.options.environ.get("VIRTUAL_ENV")
    why = "the app's .venv" if own else "VIRTUAL_ENV" if active else "the host's own"
    return Origin(kind=DEFAULT, key=why)
