"""Collects what is wrong with one configuration file, each problem with its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...triggers.descriptor import Problem
from .jsonc import Document, JsonSyntaxError, KeyPath, fold_path, loads


def path_text(path: KeyPath) -> str:
    """A key path as people write it: ``bindings[0].queueName``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


@dataclass(slots=True)
class Report:
    """The problems of one file, in the order they were found."""

    #: Relative to the app root.
    file: str
    document: Document = field(default_factory=lambda: Document({}))
    #: The function that an error takes out; None when the file concerns the app.
    function: str | None = None
    #: The line where the document knows no nearer one.
    line: int | None = None
    #: Environment variables that set a value, by its key path in lower case: the place to mend is there.
    overrides: Mapping[KeyPath, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether anything takes the function, or the file, out of service."""
        return any(problem.severity == "error" for problem in self.problems)

    def read(self, path: Path) -> bool:
        """Read the file into `document`; False when that failed, which is then told."""
        try:
            self.document = loads(path.read_bytes())
        except JsonSyntaxError as error:
            self.problems.append(
                Problem(
                    str(error), self.file, line=error.line, fix="Mend the JSON there.", function=self.function
                )
            )
            return False
        except OSError as error:
            self.error(
                (), f"The file cannot be read: {error.strerror}.", "Check that it is a file, and its rights."
            )
            return False
        for key in self.document.duplicates:
            self.warning(key, "The key stands twice; the last one counts.", "Remove one of them.")
        return True

    def error(self, path: KeyPath, message: str, fix: str | None = None) -> None:
        """Add what takes something out of service."""
        self._add(path, message, fix, "error")

    def warning(self, path: KeyPath, message: str, fix: str | None = None) -> None:
        """Add what should be mended but stops nothing."""
        self._add(path, message, fix, "warning")

    def _add(self, path: KeyPath, message: str, fix: str | None, severity: str) -> None:
        variable = self._variable(path)
        self.problems.append(
            Problem(
                message=message,
                file=None if variable else self.file,
                key=variable or path_text(path) or None,
                line=None if variable else self.document.line_of(path) or self.line,
                fix=fix,
                function=self.function,
                severity=severity,
            )
        )

    def _variable(self, path: KeyPath) -> str | None:
        return self.overrides.get(fold_path(path))
