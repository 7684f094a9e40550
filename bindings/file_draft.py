"""A file that nobody sees until it is whole and on the disk."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import BinaryIO

from .private_files import FOLDER_MODE, make_private_folder, private_opener

#: How often a folder may be taken away between making it and renaming into it.
_TRIES = 3


class FileDraft:
    """Written in `folder`, then renamed into its place. All methods may raise `OSError`; `discard` does not."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"{os.getpid()}-{secrets.token_hex(8)}"
        self._file: BinaryIO | None = None

    def open(self) -> None:
        """Make the file."""
        make_private_folder(self._path.parent)
        self._file = open(self._path, "xb", opener=private_opener)  # noqa: SIM115 - open until `finish`

    def write(self, content: bytes) -> None:
        """Add to the file."""
        assert self._file is not None
        self._file.write(content)

    def finish(self) -> os.stat_result:
        """Bring the content to the disk; the status stays the file's own when it is renamed."""
        assert self._file is not None
        self._file.flush()
        os.fsync(self._file.fileno())
        status = os.fstat(self._file.fileno())
        self._file.close()
        return status

    def rename(self, target: Path) -> None:
        """Show the file as `target` in one step, and bring that to the disk; makes the folders it needs."""
        for remaining in reversed(range(_TRIES)):
            _make_folder(target.parent)
            try:
                self._path.replace(target)
                break
            except FileNotFoundError:
                # Whoever deleted the last file of the folder removed the folder too.
                if not remaining:
                    raise
        _sync_folder(target.parent)

    def discard(self) -> None:
        """Take away what was not renamed."""
        try:
            if self._file is not None:
                self._file.close()
            self._path.unlink(missing_ok=True)
        except OSError:
            pass  # a disk so full that closing fails; the file stays in the folder of drafts


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    # A rename is durable once the folder is; Windows has no way to say so.
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
