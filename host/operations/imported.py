"""Makes a state that was unpacked one that a host can begin with: nothing is in flight, and each blob is known.

A blob's ETag is made of its file, and which versions of it were seen is remembered by that. The files are others
now, so what is remembered is told their ETags: else every blob would be new, and run its functions again.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from ...bindings.clock import new_id
from ...bindings.embedded_queue import EmbeddedQueues
from ...bindings.embedded_state import EmbeddedState
from ...bindings.errors import ConfigurationError
from ...bindings.file_tree import files_below
from ...bindings.folder_blobs import etag_of_file
from ...bindings.history_writing import unfold_within
from ...bindings.presence import Presence
from ...bindings.store import Store
from ...bindings.store_exchange import DATABASE, FOLDERS
from ..switches import SCOPE, Switch
from .archive import Manifest

_BLOBS, _METADATA, _ = FOLDERS

#: What tells one blob's ETag from another's, without the quotes, which stand escaped in JSON.
_TOKEN = re.compile(rb"0x[0-9A-F]{33,64}")


async def make_fit(folder: Path, manifest: Manifest, switches: Sequence[Switch]) -> None:
    """`switches` are kept with it. Raises `ConfigurationError` for a state that no host can begin with."""
    if not (folder / DATABASE).exists():
        raise ConfigurationError("The file holds no database. Nothing was changed.")
    await asyncio.to_thread(_check_database, folder / DATABASE)
    changed = await asyncio.to_thread(_changed_etags, folder, manifest)
    tokens = {_token(old): _token(new) for old, new in changed.values()}
    await asyncio.to_thread(_change_metadata, folder / _METADATA, tokens)
    store = Store(folder)
    try:
        await store.write(lambda connection: _change_versions(connection, changed))
        await store.write(lambda connection: _change_messages(connection, tokens))
        state = EmbeddedState(store, EmbeddedQueues(store, ""))
        for switch in switches:
            await state.put(SCOPE, switch.key, switch)
        await store.write(unfold_within)
        # None of the hosts that are listed there lives here: what they held is given back.
        presence = Presence(store, new_id())
        await presence.start()
        await presence.stop()
    finally:
        await store.close()
    shutil.rmtree(folder / "hosts", ignore_errors=True)


def _check_database(path: Path) -> None:
    try:
        with closing(sqlite3.connect(path)) as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        found = str(error)
    if found != "ok":
        raise ConfigurationError(f"The database in the file is damaged ({found}). Nothing was changed.")


def _changed_etags(folder: Path, manifest: Manifest) -> dict[str, tuple[str, str]]:
    """By ``container/name`` of a blob: the ETag that it had, and the one that it has."""
    return {
        member.removeprefix(f"{_BLOBS}/"): (etag, etag_of_file((folder / member).stat()))
        for member, etag in manifest.etags.items()
        if member in manifest.members and _TOKEN.search(etag.encode())
    }


def _change_versions(connection: sqlite3.Connection, changed: Mapping[str, tuple[str, str]]) -> None:
    connection.executemany(
        "UPDATE versions SET version = ? WHERE scope LIKE 'blob:%' AND path = ? AND version = ?",
        [(new, path, old) for path, (old, new) in changed.items()],
    )


def _change_messages(connection: sqlite3.Connection, tokens: Mapping[bytes, bytes]) -> None:
    """Blobs that wait for their function, or were given up, stand in queues of funchost's own, each with its ETag."""
    rows = connection.execute("SELECT id, body FROM messages WHERE queue LIKE '%webjobs-%'").fetchall()
    for number, body in rows:
        new = _replaced(bytes(body), tokens) if isinstance(body, bytes) else body
        if new != body:
            connection.execute("UPDATE messages SET body = ? WHERE id = ?", (new, number))


def _change_metadata(folder: Path, tokens: Mapping[bytes, bytes]) -> None:
    """What is kept beside a blob counts only with the blob's ETag."""
    for name, status in list(files_below(str(folder))):
        path = folder / name
        text = path.read_bytes()
        path.write_bytes(_replaced(text, tokens))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _replaced(text: bytes, tokens: Mapping[bytes, bytes]) -> bytes:
    return _TOKEN.sub(lambda match: tokens.get(match.group(), match.group()), text)


def _token(etag: str) -> bytes:
    match = _TOKEN.search(etag.encode())
    return match.group() if match else b""
