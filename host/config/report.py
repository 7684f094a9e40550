"""Collects what is wrong with one configuration file, each problem with its place."""

from __future__ import annotations

import errno
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...triggers.descriptor import Problem
from .jsonc import Document, JsonSyntaxError, KeyPath, fold_path, loads


def path_text(path: KeyPath) -> str:
    """A key path as people write it: ``bindings[0].queueName``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _content(path: Path) -> bytes:
    """What the file holds. Raises `OSError`, also for a pipe or a device, which might never end."""
    status = path.stat()
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise OSError(errno.EINVAL, "It is not a file")
    return path.read_bytes()


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
    #: How a key path is called; in what decorators say, no author sees it as it is.
    named: Callable[[KeyPath], str] = path_text
    #: Environment variables that set a value, by its key path in lower case: the place to correct is there.
    overrides: Mapping[KeyPath, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether anything takes the function, or the file, out of service."""
        return any(problem.severity == "error" for problem in self.problems)

    def read(self, path: Path) -> bool:
        """Read the file into `document`; False when that failed, which is then told."""
        try:
            self.document = loads(_content(path))
        except JsonSyntaxError as error:
            self.problems.append(
                Problem(
                    str(error),
                    self.file,
                    line=error.line,
                    fix="Correct the JSON there.",
                    function=self.function,
                )
            )
            return False
        except OSError as error:
            self.error(
                (), f"The file cannot be read: {error.strerror}.", "Check that it is a file and may be read."
            )
            return False
        for key in self.document.duplicates:
            self.warning(key, "The key is given twice; the last one counts.", "Remove one of them.")
        return True

    def error(self, path: KeyPath, message: str, fix: str | None = None) -> None:
        """Add what takes something out of service."""
        self._add(path, message, fix, "error")

    def warning(self, path: KeyPath, message: str, fix: str | None = None) -> None:
        """Add what should be corrected but stops nothing."""
        self._add(path, message, fix, "warning")

    def _add(self, path: KeyPath, message: str, fix: str | None, severity: str) -> None:
        variable = self._variable(path)
        self.problems.append(
            Problem(
                message=message,
                file=None if variable else self.file,
                key=variable or self.named(path) or None,
                line=None if variable else self.line_of(path),
                fix=fix,
                function=self.function,
                severity=severity,
            )
        )

    def line_of(self, path: KeyPath) -> int | None:
        """The line of a key, or of what is nearest to it."""
        return self.document.line_of(path) or self.line

    def _variable(self, path: KeyPath) -> str | None:
        return self.overrides.get(fold_path(path))
