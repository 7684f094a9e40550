"""Finds the functions of an app and reads each; a bad one takes only itself out.

An app is written in one of two models, never both (python-model, section 3): v1 has a folder with a function.json
for each function; v2 has one script whose decorators define them, which only a worker can tell (`indexed`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from msgspec import Struct

from ...triggers.descriptor import FunctionDescriptor, Problem
from ..config.host_json import HOST_JSON
from ..config.host_models import HostJson
from ..config.settings import AppSettings
from ..config.vocabulary import nearest
from ..workers.frames import Indexed
from .function_json import FUNCTION_JSON, FunctionReader
from .function_models import TRIGGER_FIELDS
from .source import Decorated, Source

#: The script of an app in the v2 model, unless the setting names another.
DEFAULT_SCRIPT = "function_app.py"
SCRIPT_NAME_SETTING = "PYTHON_SCRIPT_FILE_NAME"

_SCRIPT_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*\.py", re.ASCII)

#: A folder of functions that counts as if they stood in the app root.
FUNCTIONS = "functions"

_NEVER = frozenset({"node_modules", "__pycache__"})


@dataclass(frozen=True, slots=True)
class Discovery:
    """What was found: the functions that can run, by name, and all that should be mended."""

    functions: tuple[FunctionDescriptor, ...]
    problems: tuple[Problem, ...]
    #: The script whose decorators define the functions; they are known once a worker has imported it.
    script: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finder:
    """Finds the functions of one app."""

    root: Path
    settings: AppSettings
    host_json: HostJson
    #: Names of the functions wanted; None for those that `functions` in host.json names, or else all.
    only: Collection[str] | None = None
    #: The fields of every trigger type that is served.
    trigger_fields: Mapping[str, type[Struct]] = field(default_factory=lambda: TRIGGER_FIELDS)

    def find(self) -> Discovery:
        """The functions of the folders, or the script that defines them. Never raises for what the app holds."""
        name, problems = self._script_name()
        folders, unread = _folders(self.root)
        if (self.root / name).is_file():
            problems += [_unused(self.root, folder, name) for folder in folders]
            return Discovery((), tuple(problems), self.root / name)
        sources = [Source.of_folder(folder, _shown(self.root, folder / FUNCTION_JSON)) for folder in folders]
        return self._read(sources, [*problems, *unread])

    def indexed(self, found: Discovery, functions: Iterable[Indexed]) -> Discovery:
        """What `find` gave, completed by what a worker found in the script."""
        assert found.script is not None, "the app is written in the v2 model"
        sources = [self._decorated(function, found.script) for function in functions]
        return replace(self._read(sources, list(found.problems)), script=found.script)

    def _script_name(self) -> tuple[str, list[Problem]]:
        name = self.settings.get(SCRIPT_NAME_SETTING)
        if not name or _SCRIPT_NAME.fullmatch(name):
            return name or DEFAULT_SCRIPT, []
        message = f"'{name}' cannot be the name of the app's script; {DEFAULT_SCRIPT} is looked for."
        fix = "Use letters, digits, '-' and '_', and .py at the end, such as my_app.py."
        return DEFAULT_SCRIPT, [Problem(message, key=SCRIPT_NAME_SETTING, fix=fix)]

    def _decorated(self, function: Indexed, script: Path) -> Source:
        file = Path(function.file) if function.file else script
        # What a package made (durable functions), nobody would look for in there.
        own = file.is_relative_to(self.root) and "site-packages" not in file.parts
        return Source(
            name=function.name,
            directory=Path(function.directory),
            file=_shown(self.root, file if own else script),
            line=function.line if own else None,
            decorated=Decorated(script, function.entryPoint, function.document),
        )

    def _read(self, sources: list[Source], problems: list[Problem]) -> Discovery:
        wanted, said_in = (
            (self.only, None) if self.only is not None else (self.host_json.functions, HOST_JSON)
        )
        if wanted is not None:
            problems += _missing(wanted, sources, said_in)
            sources = [each for each in sources if each.name.lower() in {name.lower() for name in wanted}]
        reader = FunctionReader(self.root, self.settings, self.host_json, self.trigger_fields)
        functions: dict[str, FunctionDescriptor] = {}
        seen: dict[str, str] = {}
        for source in sources:
            if source.name.lower() in seen:
                problems.append(_duplicate(source, seen[source.name.lower()]))
                continue
            seen[source.name.lower()] = source.file
            function, found = reader.read(source)
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
            problems.append(Problem(message, parent.name, fix="Check that it exists and may be read."))
    return found, problems


def _subfolders(parent: Path) -> Iterator[Path]:
    for entry in sorted(os.scandir(parent), key=lambda entry: (entry.name.lower(), entry.name)):
        if not entry.name.startswith(".") and entry.name not in _NEVER and _is_folder(entry):
            yield parent / entry.name


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link that leads to itself: nothing is there


def _missing(wanted: Collection[str], sources: list[Source], said_in: str | None) -> list[Problem]:
    """Names that were asked for and are no function."""
    names = {source.name.lower(): source.name for source in sources}
    problems = []
    for name in sorted(wanted):
        if name.lower() not in names:
            near = nearest(name, names.values())
            fix = f"Did you mean {near}?" if near else f"There are: {', '.join(names.values()) or 'none'}."
            key = "functions" if said_in else None
            problems.append(
                Problem(f"There is no function '{name}'.", said_in, key, fix=fix, severity="warning")
            )
    return problems


def _unused(root: Path, folder: Path, script: str) -> Problem:
    message = f"This function is not served: the app has {script}, and an app is written in one model only."
    fix = f"Define it in {script}, or remove one of the two."
    return Problem(message, _shown(root, folder / FUNCTION_JSON), fix=fix, severity="warning")


def _duplicate(source: Source, first: str) -> Problem:
    message = f"There is already a function '{source.name}', in {first}; this one is left out."
    fix = "Rename one of the two (case does not count)."
    return Problem(message, source.file, source.named(()) or None, source.line, fix)


def _shown(root: Path, file: Path) -> str:
    """The path for people, relative to the root, printable whatever the file system holds."""
    return file.relative_to(root).as_posix().encode("utf-8", "backslashreplace").decode()
