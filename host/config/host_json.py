"""Reads host.json and what the environment says over it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from ...bindings.errors import ConfigurationError
from ...triggers.descriptor import Problem
from .checker import Checker, fields_of_model, known_paths
from .host_models import HostJson
from .jsonc import Document, KeyPath, fold_path
from .report import Report
from .retry import retry_policy
from .vocabulary import Vocabulary

HOST_JSON = "host.json"

_OVERRIDE = re.compile(r"azurefunctionsjobhost(?:__|:)(.+)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class HostJsonRead:
    """host.json as it counts, and where that was said."""

    model: HostJson
    problems: tuple[Problem, ...]
    #: What the file and the environment say and that counts, in the known spelling; all else is a default.
    said: Mapping[str, Any]
    #: The file.
    document: Document
    #: The variables that say something over the file, by the folded key path.
    overrides: Mapping[KeyPath, str]


def read_host_json(root: Path, environ: Mapping[str, str]) -> tuple[HostJson, tuple[Problem, ...]]:
    """``<root>/host.json`` under ``AzureFunctionsJobHost__…`` of the environment, and all its problems.

    A missing file means the defaults. What is wrong is told and left at its default. Never raises for content.
    """
    read = trace_host_json(root, environ)
    return read.model, read.problems


def trace_host_json(root: Path, environ: Mapping[str, str]) -> HostJsonRead:
    """The same, with where each value comes from."""
    report = Report(HOST_JSON)
    value: Any = {"version": "2.0"}
    if (root / HOST_JSON).exists() and report.read(root / HOST_JSON):
        value = report.document.value
        _check_version(value, report)
    report.overrides = {fold_path(path): name for path, _, name in _overrides(environ)}
    for path, text, _ in _overrides(environ):
        value = _merged(value, path, text)
    fields = fields_of_model(HostJson)
    checked = Checker(report, Vocabulary(lambda: known_paths(fields))).check(value, fields)
    model = _converted(checked, report)
    return HostJsonRead(model, tuple(report.problems), checked, report.document, report.overrides)


def _check_version(value: Any, report: Report) -> None:
    """Azure refuses a file without its version, so that is told even where the rest could be read."""
    if isinstance(value, dict) and not any(key.lower() == "version" for key in value):
        report.error(("version",), "'version' is missing.", 'Add "version": "2.0".')


def _converted(checked: dict[str, Any], report: Report) -> HostJson:
    """The model; a retry policy that contradicts itself is told and left out."""
    host_json = msgspec.convert(checked, HostJson)
    try:
        if host_json.retry:
            retry_policy(host_json.retry)
    except ConfigurationError as error:
        report.error(("retry", error.key or ""), str(error))
        host_json = msgspec.structs.replace(host_json, retry=None)
    return host_json


def _overrides(environ: Mapping[str, str]) -> Iterator[tuple[KeyPath, str, str]]:
    """Key path, text and variable of every override, array items in their order."""
    found: list[tuple[KeyPath, str, str]] = []
    for name, text in environ.items():
        override = _OVERRIDE.fullmatch(name)
        if override:
            parts = override[1].replace("__", ":").split(":")
            found.append((tuple(int(part) if part.isdecimal() else part for part in parts), text, name))
    yield from sorted(found, key=lambda each: [(isinstance(part, str), part) for part in fold_path(each[0])])


def _merged(value: Any, path: KeyPath, text: str) -> Any:
    """The value with the text put at the path; a number names an item of a list, one beyond its end is added."""
    if not path:
        return text
    key, *rest = path
    if isinstance(key, int) and not isinstance(value, dict):
        items = list(value) if isinstance(value, list) else []
        inner = items[key] if key < len(items) else None
        return [*items[:key], _merged(inner, tuple(rest), text), *items[key + 1 :]]
    entries = dict(value) if isinstance(value, dict) else {}
    spelled = next((name for name in entries if name.lower() == str(key).lower()), str(key))
    entries[spelled] = _merged(entries.get(spelled), tuple(rest), text)
    return entries
