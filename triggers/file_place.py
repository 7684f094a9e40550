"""Where a file trigger looks, and how the files there are named in messages and receipts."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path

from ..bindings.patterns import FilePattern

#: Names that editors, browsers and copying programs give to what is not ready yet.
_UNFINISHED = ("~", ".tmp", ".part", ".partial", ".crdownload", ".swp")

#: Begins the name of a file that is not Unicode text; no other name begins so.
_BYTES = "//"


class FilePlace:
    """The folder and the pattern of one ``path``.

    Hidden files and folders (``.x``) and names of what is not ready (``x~``, ``x.tmp``, ``x.part`` …) count only
    where the pattern itself says so: ``import/.{name}``, ``import/{name}.tmp``.
    """

    def __init__(self, path: str, app_root: Path) -> None:
        """Raises `BindingError` for a path that cannot be read."""
        self._pattern = FilePattern.parse(path)
        #: The folder that is looked in, absolute.
        self.root = os.path.abspath(app_root / self._pattern.root)  # noqa: PTH100 - links are kept
        self.recursive = self._pattern.recursive
        segments = path.replace("\\", "/").split("/")
        fixed = 0 if self._pattern.root == "." else len(self._pattern.root.rstrip("/").split("/"))
        self._hidden_too = any(segment.startswith(".") for segment in segments[fixed:])
        self._unfinished = tuple(ending for ending in _UNFINISHED if not path.endswith(ending))

    def match(self, relative: str) -> dict[str, str] | None:
        """What the pattern takes from a path relative to the folder; None when the file does not count."""
        if relative.endswith(self._unfinished) or not (self._hidden_too or _is_shown(relative)):
            return None
        return self._pattern.match(relative)

    def enters(self, folder: str) -> bool:
        """Whether to look for files in this folder (relative, with a slash at the end)."""
        return self.recursive and (self._hidden_too or _is_shown(folder))

    def absolute(self, relative: str) -> str:
        """The file's path in the file system."""
        return os.path.join(self.root, relative)  # noqa: PTH118 - called for each file of each scan

    def relative(self, absolute: str) -> str | None:
        """What `absolute` makes a path of; None for what is not below the folder."""
        below = self.root.rstrip(os.sep) + os.sep
        return absolute[len(below) :].replace(os.sep, "/") if absolute.startswith(below) else None

    def key(self, relative: str) -> str:
        """The file's name in messages and receipts: its path as the pattern writes it, always Unicode text."""
        try:
            relative.encode()
        except UnicodeEncodeError:
            return _BYTES + os.fsencode(relative).hex()
        return relative if self._pattern.root == "." else posixpath.join(self._pattern.root, relative)

    def relative_of_key(self, key: str) -> str:
        """What `key` made a name of. Raises `ValueError` for a name from another pattern."""
        if key.startswith(_BYTES):
            return os.fsdecode(bytes.fromhex(key[len(_BYTES) :]))
        start = "" if self._pattern.root == "." else self._pattern.root.rstrip("/") + "/"
        if not key.startswith(start):
            raise ValueError(f"{key} is not below {self._pattern.root}")
        return key[len(start) :]


def printable(path: str) -> str:
    """The path as Unicode text; bytes that are none are shown as ``\\xff``."""
    return os.fsencode(path).decode(errors="backslashreplace")


def _is_shown(relative: str) -> bool:
    return not (relative.startswith((".", "~$")) or "/." in relative or "/~$" in relative)
