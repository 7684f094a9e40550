"""Settings that definitions name: each ``%SETTING%`` and each connection, and whether there is such a setting."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ...app.binding_checks import STORED
from ...config.jsonc import KeyPath
from ...config.report import Report
from ...config.settings import AppSettings
from ...config.vocabulary import nearest
from .check import Check, Outcome, ok, skipped
from .patient import Patient

NAME = "settings"

_SETTING = re.compile(r"%([^%]+)%")
#: Keys that name a connection, of whatever type their binding is.
_CONNECTIONS = frozenset({"connection", "connectionstringsetting"})
#: Keys whose texts are never filled in.
_PLAIN = frozenset({"name", "type", "direction", "datatype", "cardinality"})
#: The host's own storage is there without being named.
_ALWAYS = frozenset({"", "azurewebjobsstorage", "storage"})


@dataclass(frozen=True, slots=True)
class Named:
    """A setting where a definition names it."""

    setting: str
    is_connection: bool
    path: KeyPath
    #: The type of the binding that it stands in, in lower case; empty outside of bindings.
    binding: str = ""

    @property
    def is_storage(self) -> bool:
        """Whether it is the connection of a binding for which the embedded store can stand in."""
        return self.is_connection and self.binding in {kind.lower() for kind in STORED}


async def check(patient: Patient) -> Iterable[Check]:
    """Each setting that is named and is nowhere."""
    look = await patient.look()
    if not look.definitions:
        return [skipped(NAME, "No definition of a function can be read.")]
    app = patient.configuration.settings.app
    named = [(report, one) for report in look.definitions for one in settings_named(report.document.value)]
    missing = [(report, one) for report, one in named if not _is_there(one, app)]
    if not missing:
        names = {one.setting.lower() for _, one in named}
        return [ok(NAME, f"All {len(names)} that functions name are there." if names else "None is named.")]
    return [_missing(report, one, app) for report, one in missing]


def settings_named(document: object) -> Iterator[Named]:
    """What a definition names, as far as it is one."""
    return _named(document, (), "")


def _named(value: object, path: KeyPath, binding: str) -> Iterator[Named]:
    if isinstance(value, dict):
        kind = next((each for key, each in value.items() if key.lower() == "type"), None)
        for key, inner in value.items():
            yield from _named(inner, (*path, key), kind.lower() if isinstance(kind, str) else binding)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _named(inner, (*path, index), binding)
    elif isinstance(value, str) and path:
        key = str(path[-1]).lower()
        if key not in _PLAIN:
            yield from (Named(each, False, path, binding) for each in _SETTING.findall(value))
        if key in _CONNECTIONS and "%" not in value and value.strip().lower() not in _ALWAYS:
            yield Named(value.strip(), True, path, binding)


def _is_there(named: Named, app: AppSettings) -> bool:
    if named.is_connection:
        return app.connection(named.setting).setting is not None
    return bool(app.get(named.setting))


def _missing(report: Report, named: Named, app: AppSettings) -> Check:
    near = nearest(named.setting, _known(named, app))
    hint = f"Did you mean {near}? Else add" if near else "Add"
    found = f"The setting '{named.setting}' does not exist or is empty, so the function is not served."
    fix = f"{hint} it to local.settings.json or the environment."
    if named.is_connection:
        here = "the embedded store stands in, and " if named.is_storage else ""
        found = f"The connection '{named.setting}' is set nowhere: {here}Azure would refuse it."
        such = ", such as UseDevelopmentStorage=true" if named.is_storage else ""
        fix = f"{hint} {named.setting} to local.settings.json or the environment{such}."
    return Check(
        name=NAME,
        outcome=Outcome.WARNING if named.is_connection else Outcome.PROBLEM,
        found=found,
        fix=fix,
        file=report.file,
        key=report.named(named.path),
        line=report.line_of(named.path),
        function=report.function,
    )


def _known(named: Named, app: AppSettings) -> Iterable[str]:
    """The settings that there are; of one for a connection what a function would call it."""
    names = list(app.environment())
    if not named.is_connection:
        return names
    return [name.partition("__")[0].removeprefix("ConnectionStrings:") for name in names]
