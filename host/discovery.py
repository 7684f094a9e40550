"""Finds the function folders of an app and reads each; a bad one takes only itself out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from msgspec import Struct

from ..triggers.descriptor import FunctionDescriptor, Problem
from .function_json import FUNCTION_JSON, FunctionReader
from .function_models import TRIGGER_FIELDS
from .host_json import HOST_JSON
from .host_models import HostJson
from .settings import AppSettings
from .vocabulary import nearest

#: A folder of functions that counts as if they stood in the app root.
FUNCTIONS = "functions"

_NEVER = frozenset({"node_modules", "__pycache__"})


@dataclass(frozen=True, slots=True)
class Discovery:
    """What was found: the functions that can run, by name, and all that should be mended."""

    functions: tuple[FunctionDescriptor, ...]
    problems: tuple[Problem, ...]


def discover(
    root: Path,
    settings: AppSettings,
    host_json: HostJson,
    *,
    only: set[str] | None = None,
    trigger_fields: Mapping[str, type[Struct]] = TRIGGER_FIELDS,
) -> Discovery:
    """Read all function folders of the app, or those named by `only`, else by `functions` in host.json.

    `trigger_fields` are the fields of every trigger type that is served. Never raises for what the folders hold.
    """
    root = root.absolute()
    folders, problems = _folders(root)
    wanted, source = (only, None) if only is not None else (host_json.functions, HOST_JSON)
    if wanted is not None:
        problems += _missing(wanted, folders, source)
        folders = [each for each in folders if each.name.lower() in {name.lower() for name in wanted}]
    reader = FunctionReader(root, settings, host_json, trigger_fields)
    functions: dict[str, FunctionDescriptor] = {}
    seen: dict[str, str] = {}
    for folder in folders:
        file = _shown(root, folder / FUNCTION_JSON)
        if folder.name.lower() in seen:
            problems.append(_duplicate(folder, file, seen[folder.name.lower()]))
            continue
        seen[folder.name.lower()] = file
        function, found = reader.read(folder, file)
        problems += found
        if function:
            functions[function.name.lower()] = function
    return Discovery(tuple(functions[name] for name in sorted(functions)), tuple(problems))


def _folders(root: Path) -> tuple[list[Path], list[Problem]]:
    """The folders with a function.json, those of the app root before those of ``functions``, each by name."""
    found: list[Path] = []
    problems: list[Problem] = []
    for parent in (root, root / FUNCTIONS):
        try:
            if parent == root or parent.is_dir():
                found += [each for each in _subfolders(parent) if os.path.lexists(each / FUNCTION_JSON)]
        except OSError as error:
            message = f"The folder {parent.name} cannot be read: {error.strerror}."
            problems.append(Problem(message, parent.name, fix="Check that it exists, and its rights."))
    return found, problems


def _subfolders(parent: Path) -> Iterator[Path]:
    for entry in sorted(os.scandir(parent), key=lambda entry: (entry.name.lower(), entry.name)):
        if not entry.name.startswith(".") and entry.name not in _NEVER and entry.is_dir():
            yield parent / entry.name


def _missing(wanted: set[str] | list[str], folders: list[Path], source: str | None) -> list[Problem]:
    """Names that were asked for and are no function."""
    names = {folder.name.lower(): folder.name for folder in folders}
    problems = []
    for name in sorted(wanted):
        if name.lower() not in names:
            near = nearest(name, names.values())
            fix = f"Did you mean {near}?" if near else "Check the name; it is that of the function's folder."
            key = "functions" if source else None
            problems.append(
                Problem(f"There is no function '{name}'.", source, key, fix=fix, severity="warning")
            )
    return problems


def _duplicate(folder: Path, file: str, first: str) -> Problem:
    message = f"There is a function '{folder.name}' already, in {first}; this one is left out."
    return Problem(message, file, fix="Rename one of the two folders (case does not count).")


def _shown(root: Path, file: Path) -> str:
    """The path for people, relative to the root, printable whatever the file system holds."""
    return file.relative_to(root).as_posix().encode("utf-8", "backslashreplace").decode()
