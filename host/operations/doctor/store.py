"""The embedded store as a file: whether it is whole, and whether there is room for it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from ....bindings.filesystem import network_type
from ....bindings.store_schema import SCHEMA_VERSION
from .check import Check, ok, problem, skipped, warning
from .patient import Patient, aside

NAME = "store"

#: Seconds that the check of a large store may take.
LIMIT = 20.0

#: Instructions of SQLite between two looks at the time.
_STEPS = 100_000

_MEGABYTE = 1024 * 1024
#: Free space that is too little to work with, and that will soon be; a log that nobody takes over into the store.
_NO_ROOM, _LITTLE_ROOM = 20 * _MEGABYTE, 500 * _MEGABYTE
_LARGE_WAL = 256 * _MEGABYTE


async def check(patient: Patient) -> Iterable[Check]:
    """The folder, the disk and the file; nothing is made or changed."""
    folder = patient.configuration.store_folder

    def work() -> list[Check]:
        found = [*_place(folder), *_room(folder)]
        if not patient.store.exists():
            return [*found, skipped(NAME, f"There is none yet; a start makes it in {folder}.")]
        return [*found, *_permissions(folder, patient.store), *_file(patient.store)]

    return await aside(work)


def read_only(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing. Raises `sqlite3.Error`."""
    return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5.0, isolation_level=None)


def _place(folder: Path) -> Iterator[Check]:
    kind = network_type(folder)
    if kind:
        yield problem(
            NAME,
            f"{folder} is on a network file system ({kind}), whose locks cannot be relied on.",
            "Put the store on a local disk with --store.",
        )
    there = _existing(folder)
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        yield problem(
            NAME, f"{there} cannot be written to.", "Make it writable, or name another with --store."
        )


def _room(folder: Path) -> Iterator[Check]:
    free = shutil.disk_usage(_existing(folder)).free
    if free < _LITTLE_ROOM:
        tell = problem if free < _NO_ROOM else warning
        yield tell(NAME, f"The disk of {folder} has only {_size(free)} left.", "Make room.")


def _permissions(folder: Path, path: Path) -> Iterator[Check]:
    for each in (folder, path):
        mode = each.stat().st_mode
        if mode & 0o077 and (each == path or (folder / ".gitignore").exists()):
            yield warning(
                NAME,
                f"{each} may be used by others than its owner ({stat.filemode(mode)}); it holds keys and messages.",
                f"chmod go= {each}",
            )
    if not os.access(path, os.R_OK | os.W_OK):
        yield problem(NAME, f"{path} may not be read and written by this user.", "Start hosts as its owner.")


def _file(path: Path) -> Iterator[Check]:
    try:
        with closing(read_only(path)) as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            wrong = _quick_check(connection)
    except sqlite3.Error as error:
        yield problem(NAME, f"{path} cannot be read: {error}.", _saving(path))
        return
    if version > SCHEMA_VERSION:
        yield problem(
            NAME,
            f"{path} is of a newer funchost (version {version}, this one knows {SCHEMA_VERSION}).",
            "Upgrade funchost, or name another store with --store.",
        )
    if wrong is None:
        yield warning(NAME, f"{path} is too large to be checked as a whole in {LIMIT:g} s.")
    elif wrong:
        yield problem(NAME, f"{path} is damaged: {wrong[0]}", _saving(path))
    wal = path.with_name(f"{path.name}-wal")
    log = wal.stat().st_size if wal.exists() else 0
    if log > _LARGE_WAL:
        yield warning(
            NAME,
            f"The log beside {path} has grown to {_size(log)}: something reads the store without an end.",
            "End what holds it open, such as a database browser.",
        )
    whole = " and whole" if wrong == [] else ""
    yield ok(
        NAME, f"{path} can be read{whole}: version {version}, {_size(path.stat().st_size)}, log {_size(log)}."
    )


def _quick_check(connection: sqlite3.Connection) -> list[str] | None:
    """What is damaged; None when that could not be found out in time."""
    end = time.monotonic() + LIMIT
    connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
    try:
        rows = connection.execute("PRAGMA quick_check(3)").fetchall()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return None
    finally:
        connection.set_progress_handler(None, 0)
    return [" ".join(str(text).split()) for (text,) in rows if text != "ok"]


def _existing(folder: Path) -> Path:
    """The folder, or what is nearest above it that exists."""
    return next(each for each in (folder, *folder.parents) if each.exists())


def _saving(path: Path) -> str:
    return (
        f"Move it (and its -wal and -shm files) aside to start with an empty one; `sqlite3 {path} .recover` saves what "
        "can be read."
    )


def _size(count: int) -> str:
    if count >= 1024 * _MEGABYTE:
        return f"{count / (1024 * _MEGABYTE):.1f} GiB"
    return f"{count / _MEGABYTE:.1f} MiB" if count >= _MEGABYTE else f"{count / 1024:.0f} KiB"
