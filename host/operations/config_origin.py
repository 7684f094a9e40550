"""Where a value of the configuration came from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from ..config.host_json import HOST_JSON, HostJsonRead
from ..config.jsonc import KeyPath, fold_path
from ..config.local_settings import LOCAL_SETTINGS, read_local_settings
from ..config.report import Report, path_text
from ..configuration import Configuration
from .doctor.look import Look
from .doctor.named_settings import settings_named

#: Kinds of origins.
FILE, ENVIRONMENT, DEFAULT, COMMAND_LINE = "file", "environment", "default", "command line"

#: Variables of the environment that are shown without being named anywhere: what the host or a service of its reads.
_OURS = re.compile(
    r"(?!azurefunctionsjobhost(__|:))(azure|functions_|website_|funchost_|aws_|python_|pythonpath$|virtual_env$|tz$)",
    re.IGNORECASE,
)
_CONNECTION_STRINGS = "ConnectionStrings:"


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a value was said."""

    #: ``file``, ``environment``, ``default`` or ``command line``.
    kind: str
    #: Relative to the app root.
    file: str | None = None
    line: int | None = None
    #: The key in the file, or what else led to a default.
    key: str | None = None
    #: The variable of the environment, or the option.
    name: str | None = None
    #: What says something else and does not count.
    over: str | None = None

    def __str__(self) -> str:
        """For people, such as ``host.json:3``."""
        match self.kind:
            case "file":
                place = f"{self.file}:{self.line}" if self.line else str(self.file)
            case "environment":
                place = f"environment {self.name}"
            case "command line":
                place = f"command line {self.name}"
            case _:
                place = f"default ({self.key})" if self.key else "default"
        return f"{place}, over {self.over}" if self.over else place


BY_DEFAULT = Origin(kind=DEFAULT)


class Settings:
    """The settings of an app, and where each comes from."""

    def __init__(self, configuration: Configuration) -> None:
        self._app = configuration.settings.app
        self._environ = configuration.options.environ
        self._local, _, _ = read_local_settings(configuration.root)
        self._file = Report(LOCAL_SETTINGS)
        if (configuration.root / LOCAL_SETTINGS).exists():
            self._file.read(configuration.root / LOCAL_SETTINGS)

    def text(self, name: str) -> str:
        """The setting's text; empty where there is none."""
        return self._app.get(name) or ""

    def origin(self, name: str) -> Origin:
        """Where a setting that there is comes from."""
        local = next((each for each in self._local if _fold(each) == _fold(name)), None)
        variable = next((each for each in self._environ if _fold(each) == _fold(name)), None)
        if variable is not None:
            over = str(self._in_file(local)) if local else None
            return Origin(kind=ENVIRONMENT, name=variable, over=over)
        if local is not None and local not in self._app.skipped:
            return self._in_file(local)
        return BY_DEFAULT

    def host_key(self, key: str) -> Origin:
        """A key of `Host` in local.settings.json."""
        return self._place(("Host", key))

    def told(self, look: Look) -> Iterator[str]:
        """The names of all settings that somebody looking for one would look for, by name."""
        named = {
            _fold(one.setting) for report in look.definitions for one in settings_named(report.document.value)
        }
        shown: dict[str, str] = {}
        for name in (*self._local, *self._app.environment()):
            folded = _fold(name)
            wanted = folded in named or any(folded.startswith(f"{each}__") for each in named)
            if name in self._local or wanted or _OURS.match(name):
                shown.setdefault(folded, name)
        yield from (shown[folded] for folded in sorted(shown))

    def _in_file(self, name: str) -> Origin:
        if name.startswith(_CONNECTION_STRINGS):
            return self._place(("ConnectionStrings", name.removeprefix(_CONNECTION_STRINGS)))
        return self._place(("Values", name))

    def _place(self, path: KeyPath) -> Origin:
        return Origin(kind=FILE, file=LOCAL_SETTINGS, line=self._file.line_of(path), key=path_text(path))


def host_json_origin(read: HostJsonRead, settings: Settings, path: KeyPath) -> Origin:
    """Where a value of host.json was said."""
    if not _holds(read.said, path):
        return BY_DEFAULT
    in_file = Origin(kind=FILE, file=HOST_JSON, line=read.document.line_of(path), key=path_text(path))
    is_there = _holds(read.document.value, path)
    variable = read.overrides.get(fold_path(path))
    if variable is None:
        return in_file if is_there else BY_DEFAULT
    origin = settings.origin(variable)
    return msgspec.structs.replace(origin, over=str(in_file)) if is_there else origin


def _holds(value: Any, path: KeyPath) -> bool:
    for key in fold_path(path):
        if not isinstance(value, dict):
            return False
        found = [inner for name, inner in value.items() if name.lower() == key]
        if not found:
            return False
        value = found[-1]
    return True


def _fold(name: str) -> str:
    return name.lower().replace(":", "__")
