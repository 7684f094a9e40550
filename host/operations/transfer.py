"""Export and import of a whole local state: the database, blobs, and contents of runs, as one file."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path, PurePosixPath

from ...bindings.clock import new_id
from ...bindings.errors import ConfigurationError, FunchostError, NotFound, StoreInUseError
from ...bindings.file_tree import files_below
from ...bindings.folder_blobs import etag_of_file
from ...bindings.presence import living_hosts
from ...bindings.private_files import make_private_folder
from ...bindings.store_exchange import DATABASE, FOLDERS, exchange, held
from ...bindings.store_schema import SCHEMA_VERSION
from ..switches import Switch
from .archive import VERSION, Manifest, unpack, writing
from .imported import make_fit

_BLOBS = FOLDERS[0]

#: What makes a store one that somebody may miss.
_COUNTED = ("messages", "entities", "runs", "state")
_JOURNAL = "run_journal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transferred:
    """What was put into a file, or taken out of it."""

    file: Path
    #: Of the file itself.
    size: int
    created: str
    counts: dict[str, int]


def transfer_document(transferred: Transferred) -> dict[str, object]:
    """For `--json` and the API."""
    return {
        "file": str(transferred.file),
        "size": transferred.size,
        "created": transferred.created,
        "counts": transferred.counts,
    }


def export_state(folder: Path, target: Path) -> Transferred:
    """Write the state of the store in `folder` to `target`; hosts may go on meanwhile. Blocking.

    The database is as it was at one moment, blobs are as they were then or a little later. Raises `NotFound`
    where there is no store.
    """
    if not (folder / DATABASE).exists():
        raise NotFound(f"There is no store in {folder}, so there is nothing to export.")
    manifest = Manifest(
        version=VERSION,
        funchost=version("funchost"),
        store=SCHEMA_VERSION,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    with tempfile.TemporaryDirectory(prefix=".export-", dir=target.parent) as temporary:
        copy = Path(temporary, DATABASE)
        _back_up(folder / DATABASE, copy)
        # The database first: what a file is newer by is found again after the import, as a new version.
        with writing(target, manifest) as archive:
            archive.add(DATABASE, copy)
            for name, path in _files(folder):
                status = archive.add(name, path)
                if status and name.startswith(f"{_BLOBS}/"):
                    manifest.etags[name] = etag_of_file(status)
        counts = content_of(Path(temporary))
    return Transferred(
        file=target,
        size=target.stat().st_size,
        created=manifest.created,
        counts=counts | {"blobs": len(manifest.etags)},
    )


async def import_state(archive: Path, folder: Path, switches: Sequence[Switch] = ()) -> Transferred:
    """Put the state that `export_state` wrote into the place of the one in `folder`: all of it or nothing.

    What is to be paused from the first moment on is said by `switches`. Raises `ConfigurationError` for a file that is not whole, or newer than this funchost, and `StoreInUseError`
    while a host runs on the store.
    """
    with held(folder):
        check_no_host(folder)
        new = folder / f".import-{new_id()}"
        make_private_folder(new)
        try:
            manifest = await asyncio.to_thread(unpack, archive, new, _is_known)
            if manifest.store > SCHEMA_VERSION:
                raise ConfigurationError(
                    f"{archive} was written by a newer funchost ({manifest.funchost}). Upgrade funchost to import it."
                )
            await make_fit(new, manifest, switches)
            counts = await asyncio.to_thread(content_of, new)
            # Again: a host that had looked for the lock just before it was there has shown itself by now.
            check_no_host(folder)
            exchange(folder, new)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    return Transferred(
        file=archive,
        size=archive.stat().st_size,
        created=manifest.created,
        counts=counts | {"blobs": len(manifest.etags)},
    )


def check_no_host(folder: Path) -> None:
    """Raise `StoreInUseError` while a host runs on the store."""
    if living_hosts(folder):
        raise StoreInUseError(
            f"A host runs on the store in {folder}, so nothing can be imported into it: stop the host, or name "
            "another store with --store.",
            folder / DATABASE,
        )


def content_of(folder: Path) -> dict[str, int]:
    """What the store in `folder` holds that somebody may miss, by what it is; nothing where there is no store."""
    path = folder / DATABASE
    if not path.exists():
        return {}
    with closing(sqlite3.connect(path)) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        found: dict[str, int] = {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in _COUNTED
            if table in tables
        }
        if _JOURNAL in tables:
            # Runs that are not rows yet.
            journal = connection.execute(f"SELECT coalesce(sum(count), 0) FROM {_JOURNAL}").fetchone()[0]
            found["runs"] = found.get("runs", 0) + journal
        return found


def _back_up(source: Path, target: Path) -> None:
    """Copy the database as it is at one moment, beside those that use it."""
    try:
        with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
            old.backup(new)
            # One file, without those that come with a log of changes.
            new.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        raise FunchostError(f"The store {source} cannot be read: {error}.") from error


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for kind in FOLDERS:
        root = folder / kind
        for name, _ in sorted(files_below(str(root))) if root.is_dir() else ():
            yield f"{kind}/{name}", root / name


def _is_known(name: PurePosixPath) -> bool:
    return str(name) == DATABASE or (len(name.parts) > 1 and name.parts[0] in FOLDERS)
