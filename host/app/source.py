"""Where a function is defined, and what its author calls the things in there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config.jsonc import KeyPath
from ..config.report import path_text


@dataclass(frozen=True, slots=True)
class Decorated:
    """What decorators say of a function."""

    script: Path
    #: The function's name in the script.
    entry_point: str
    #: What a function.json would hold.
    document: dict[str, Any]

    def named(self, function: str, path: KeyPath) -> str:
        """A key path in that document as its author knows it: ``function.parameter.field``."""
        match path:
            case ("bindings", int(index), *field):
                name = self.document["bindings"][index].get("name") or index
                return f"{function}.{name}.{path_text(tuple(field))}".rstrip(".")
            case _:
                return f"{function}.{path_text(path)}".rstrip(".")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a function is defined."""

    name: str
    #: The folder of its code.
    directory: Path
    #: What problems name as the place.
    file: str
    #: The line in the file where no better one is known: that of the `def` below decorators.
    line: int | None = None
    #: None where its folder has a function.json.
    decorated: Decorated | None = None

    def named(self, path: KeyPath) -> str:
        """What problems call a key path of the definition."""
        return self.decorated.named(self.name, path) if self.decorated else path_text(path)

    @staticmethod
    def of_folder(directory: Path, file: str) -> Source:
        """A function folder; `file` is what problems call its function.json."""
        return Source(name=directory.name, directory=directory, file=file)
