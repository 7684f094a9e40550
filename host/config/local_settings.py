"""Reads local.settings.json: a developer's settings, and how the command line starts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, field

from ...triggers.descriptor import Problem
from .checker import Checker, fields_of_model, known_paths
from .report import Report
from .vocabulary import Vocabulary

LOCAL_SETTINGS = "local.settings.json"


class LocalHost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`Host` in local.settings.json: what the command line may override."""

    LocalHttpPort: Annotated[int, Meta(ge=0, le=65535)] | None = None
    LocalHttpAddress: str | None = None
    CORS: Annotated[str | None, Meta(description="Comma-separated origins, or *.")] = None
    CORSCredentials: bool = False


class _File(Struct, kw_only=True, forbid_unknown_fields=True):
    """local.settings.json as a whole."""

    #: Azure takes an absent key for true; nobody who writes the file by hand means that.
    IsEncrypted: bool = False
    Values: dict[str, Any] = field(default_factory=dict)
    ConnectionStrings: dict[str, Any] = field(default_factory=dict)
    Host: LocalHost = field(default_factory=LocalHost)


def read_local_settings(root: Path) -> tuple[dict[str, str], LocalHost, tuple[Problem, ...]]:
    """What the file adds to the environment, its `Host` part and its problems; without a file nothing.

    A file that cannot be read counts as empty. Never raises for what it holds.
    """
    report = Report(LOCAL_SETTINGS)
    file = _read(root / LOCAL_SETTINGS, report)
    exported = _exported(file, report)
    return exported, file.Host, tuple(report.problems)


def _read(path: Path, report: Report) -> _File:
    if not path.exists() or not report.read(path):
        return _File()
    fields = fields_of_model(_File)
    checked = Checker(report, Vocabulary(lambda: known_paths(fields))).check(report.document.value, fields)
    file = msgspec.convert(checked, _File)
    if not file.IsEncrypted:
        return file
    report.error(
        ("IsEncrypted",),
        "The settings are encrypted with a key of another tool, so none of them is used.",
        "Run 'func settings decrypt' in the app's folder, or write the values unencrypted and set IsEncrypted to false.",
    )
    return _File(Host=file.Host)


def _exported(file: _File, report: Report) -> dict[str, str]:
    """What the file adds to the environment."""
    exported: dict[str, str] = {}
    for name, value in file.Values.items():
        _export(exported, name, value, ("Values", name), report)
    for name, value in file.ConnectionStrings.items():
        if isinstance(value, dict):
            value = {key.lower(): text for key, text in value.items()}.get("connectionstring")
        _export(exported, f"ConnectionStrings:{name}", value, ("ConnectionStrings", name), report)
    return exported


def _export(exported: dict[str, str], name: str, value: Any, path: tuple[str, str], report: Report) -> None:
    if not path[1] or value is None:
        return
    if isinstance(value, dict | list):
        report.warning(
            path, "A setting is a string, not an object or a list; it is left out.", f"Write {name}__<key>."
        )
        return
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if "\0" in name + text or "=" in name:
        report.warning(
            path,
            "An environment variable cannot hold this setting; it is left out.",
            "Remove '=' or NUL from it.",
        )
        return
    exported[name] = text
