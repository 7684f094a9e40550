"""Every value of the configuration, with where it came from: what `start` would go by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import msgspec

from ...bindings.time_span import format_time_span
from ...triggers.descriptor import Problem
from ..config.host_json import HostJsonRead, trace_host_json
from ..config.jsonc import KeyPath
from ..config.report import path_text
from ..configuration import Configuration
from .config_functions import function_values
from .config_origin import DEFAULT, Origin, Settings, host_json_origin
from .config_secrets import looks_secret
from .config_start import start_values
from .doctor.look import Look

HOST_JSON_SECTION, SETTINGS_SECTION, START_SECTION = "host.json", "settings", "start"

#: What stands in the place of a secret.
MASK = "***"


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One value."""

    #: ``start``, ``settings``, ``host.json``, or the name of a function after ``function``.
    section: str
    key: str
    #: As JSON; durations are TimeSpan texts.
    value: Any
    origin: Origin
    #: Whether it looks like a key, a password or a connection string.
    secret: bool = False

    @property
    def masked(self) -> Value:
        """Without what nobody else should see."""
        return replace(self, value=MASK) if self.secret else self


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigView:
    """The configuration of an app."""

    values: tuple[Value, ...]
    problems: tuple[Problem, ...]

    @property
    def failed(self) -> bool:
        """Whether anything keeps a function, or the app, from being served."""
        return any(problem.severity == "error" for problem in self.problems)


def config_view(configuration: Configuration, look: Look, *, effective: bool) -> ConfigView:
    """All that was said somewhere, and with `effective` the defaults of all else.

    `look` is the app as it was read; its code need not have been loaded.
    """
    settings = Settings(configuration)
    read = trace_host_json(configuration.root, configuration.settings.app.environment())
    values = [
        *_section(START_SECTION, start_values(configuration, settings)),
        *_settings(settings, look),
        *_section(HOST_JSON_SECTION, _host_json(read, settings)),
    ]
    for function in look.functions:
        values += _section(f"function {function.name}", function_values(function, look, read, settings))
    failure = (look.failure,) if look.failure else ()
    return ConfigView(
        values=tuple(value for value in values if effective or value.origin.kind != DEFAULT),
        problems=(*configuration.settings.problems, *look.problems, *failure),
    )


def config_document(view: ConfigView) -> dict[str, Any]:
    """The configuration as JSON."""
    return {
        "values": [
            {
                "section": value.section,
                "key": value.key,
                "value": value.value,
                "secret": value.secret,
                "origin": msgspec.to_builtins(value.origin),
            }
            for value in view.values
        ],
        "problems": [msgspec.to_builtins(problem) for problem in view.problems],
    }


def _section(name: str, values: Iterator[tuple[str, Any, Origin]]) -> Iterator[Value]:
    for key, value, origin in values:
        secret = isinstance(value, str) and looks_secret(key, value)
        yield Value(section=name, key=key, value=value, origin=origin, secret=secret)


def _settings(settings: Settings, look: Look) -> Iterator[Value]:
    for name in settings.told(look):
        text = settings.text(name)
        yield Value(
            section=SETTINGS_SECTION,
            key=name,
            value=text,
            origin=settings.origin(name),
            secret=looks_secret(name, text),
        )


def _host_json(read: HostJsonRead, settings: Settings) -> Iterator[tuple[str, Any, Origin]]:
    for path, value in _leaves(read.model, ()):
        origin = host_json_origin(read, settings, path)
        yield path_text(path), _plain(value, said=origin.kind != DEFAULT), origin


def _leaves(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    """Each value that is no object. Objects that hold nothing are left out."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if not isinstance(value, Mapping):
        yield path, value
        return
    for key, inner in value.items():
        yield from _leaves(inner, (*path, key))


def _plain(value: Any, *, said: bool) -> Any:
    if isinstance(value, timedelta):
        return format_time_span(value)
    # Where it was said that there is no limit, that is written so.
    return "-1" if value is None and said else value
