"""Puts a whole state into the place of a store's, all of it or nothing, also when the process dies in between.

What was there goes to a folder ``.replaced`` within the store; once all of that is there, so is a mark, and the
new state follows. Renaming the folder is what settles it. Whoever opens a store and finds ``.replaced`` puts all
back as it was. For as long as it takes, a lock keeps others out.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from .errors import StoreError, StoreInUseError
from .private_files import FILE_MODE, make_private_folder

DATABASE = "store.db"
#: Where the rest of what counts stands: blobs, what is kept beside them, contents of runs.
FOLDERS = ("blobs", "blob-metadata", "runs")

_FILES = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm")
_REPLACED, _SETTLED, _MARK = ".replaced", ".settled", "complete"
_LOCK = "import.lock"

#: Seconds that an opening waits for an import, or for others that open.
_PATIENCE = 2.0


@contextlib.contextmanager
def held(folder: Path, patience: float = 0.0) -> Iterator[None]:
    """Keep hosts and commands out of the store. Raises `StoreInUseError` where another one does for longer than
    `patience` seconds."""
    make_private_folder(folder)
    lock = FileLock(folder / _LOCK, mode=FILE_MODE)
    try:
        lock.acquire(timeout=patience)
    except Timeout:
        raise _in_use(folder) from None
    try:
        _put_back(folder)
        yield
    finally:
        lock.release()


def check_not_held(folder: Path) -> None:
    """Raise `StoreInUseError` while the store is `held`, and mend one whose exchange was broken off."""
    if not (folder / _LOCK).exists():
        return
    # Others may be looking as we do, for a moment.
    with held(folder, _PATIENCE):
        pass


def exchange(folder: Path, new: Path) -> None:
    """Put the state in `new`, a folder within the store's `folder`, into the store. Raises `StoreError`.

    The store is `held`, and open nowhere.
    """
    try:
        _move(folder, folder / _REPLACED)
        (folder / _REPLACED / _MARK).touch()
        _move(new, folder)
        (folder / _REPLACED).rename(folder / _SETTLED)
    except OSError as error:
        _put_back(folder)
        raise StoreError(
            f"The state in {folder} could not be replaced ({error.strerror}); it is as it was."
        ) from error
    shutil.rmtree(folder / _SETTLED, ignore_errors=True)


def _put_back(folder: Path) -> None:
    """Undo an exchange that was not settled, and remove what is left of one that was."""
    shutil.rmtree(folder / _SETTLED, ignore_errors=True)
    old = folder / _REPLACED
    if not old.exists():
        return
    if (old / _MARK).exists():
        for path in _state(folder):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        # Only now: until all that is new has gone, a second try has to know that it may go.
        (old / _MARK).unlink()
    _move(old, folder)
    old.rmdir()


def _move(source: Path, target: Path) -> None:
    make_private_folder(target)
    for path in _state(source):
        path.rename(target / path.name)


def _state(folder: Path) -> list[Path]:
    return [path for name in (*_FILES, *FOLDERS) if (path := folder / name).exists()]


def _in_use(folder: Path) -> StoreInUseError:
    return StoreInUseError(
        f"The store in {folder} is held by a `funchost import`. Wait until that has ended.", folder / _LOCK
    )
