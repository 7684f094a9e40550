"""The runs in the embedded store: written with what they settle, listed, searched, and removed when they are old.

A run is recorded on the way of every message, so that way is short: the runs of a commit are one piece in a journal.
`keep` makes rows of them, indexes the rows, and removes what is old, in small steps when the store has nothing better to
do; and whoever asks for runs has those in the journal made into rows before.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from . import history_journal, history_text
from .clock import first_run_id, milliseconds
from .errors import NotFound
from .history import RunFilter, RunRecord
from .history_files import RunFiles
from .history_query import count_runs, page
from .history_row import LISTED, WHOLE, listed, whole
from .history_writing import journal_within, remove_within, unfold_within
from .store import Store, signal

#: Rows that are indexed, or removed, in one transaction: few enough for others not to notice the wait.
CHUNK = 200

#: Runs of a page of `all`.
_PAGE = 500

#: Seconds between two looks of `keep`; and how many runs in that time mean that the store is busy.
LOOK_INTERVAL = 1.0
_BUSY = 100

#: Runs in the journal from which on rows are made of them however busy the store is.
_LONGEST = 100_000

#: Chunks that are made into rows, or indexed, between two looks, and seconds between two of them, which are everybody else's.
_CHUNKS = 40
_PAUSE = 0.02

#: Runs that come between two of them and mean that the store has other things to do.
_COMING = 10

#: Seconds between two looks for what is too old or too much.
SWEEP_INTERVAL = 60.0

#: Characters of an id that are enough to look for the run.
_SHORTEST = 4

#: How a run's short id looks, which is found by looking at the ids of all runs.
_SHORT = re.compile(r"[0-9a-f]{4}-7[0-9a-f]{3}")

_OLDEST = "SELECT id, size FROM runs WHERE running_on IS NULL {} ORDER BY id LIMIT ?"


class EmbeddedHistory:
    """`HistoryStore` on the embedded store. What is too large for a row stands in files in `content_folder`."""

    def __init__(self, store: Store, *, content_folder: Path) -> None:
        self._store = store
        self._files = RunFiles(content_folder)

    # -- written

    async def record(self, records: Sequence[RunRecord]) -> None:
        await self._store.write(lambda connection: self.within(connection, records))
        self._store.announce("runs")

    def within(self, connection: sqlite3.Connection, records: Sequence[RunRecord]) -> None:
        """Part of an operation: keep the records, each in the place of one with the same id."""
        journal_within(connection, records)

    def drop_within(self, connection: sqlite3.Connection, ids: Iterable[str]) -> None:
        """Part of an operation: forget runs. Their files go with the sweep."""
        unfold_within(connection)
        if remove_within(connection, ids):
            signal(connection, "runs")

    def write_content(self, run_id: str, part: str, data: bytes) -> None:
        """Keep the whole ``input``, ``output`` or ``log`` of a run whose record has only its beginning. Blocking."""
        self._files.write(run_id, part, data)

    # -- read

    async def list(self, wanted: RunFilter, limit: int, before: str | None = None) -> list[RunRecord]:
        await self.unfold()
        indexed = await self._has_index(wanted)

        def operation(connection: sqlite3.Connection) -> list[RunRecord]:
            numbers = page(connection, wanted, limit, before=before, indexed=indexed)
            return sorted(_runs(connection, numbers), key=lambda run: run.id, reverse=True)

        return await self._store.read(operation)

    async def all(self, wanted: RunFilter) -> AsyncIterator[RunRecord]:
        await self.unfold()
        indexed = await self._has_index(wanted)
        after = ""

        def operation(connection: sqlite3.Connection) -> list[RunRecord]:
            numbers = page(connection, wanted, _PAGE, after=after, indexed=indexed)
            return sorted(_runs(connection, numbers), key=lambda run: run.id)

        while runs := await self._store.read(operation):
            for run in runs:
                yield run
            after = runs[-1].id

    async def count(self, wanted: RunFilter) -> int:
        await self.unfold()
        indexed = await self._has_index(wanted)
        return await self._store.read(lambda c: count_runs(c, wanted, indexed=indexed))

    async def get(self, id: str) -> RunRecord:
        start = id.strip().lower().encode("utf-8", "replace").decode()
        if len(start) < _SHORTEST:
            raise NotFound(f"'{id}' is too short for a run: give at least {_SHORTEST} characters of its id.")
        if _SHORT.fullmatch(start):
            condition, values = "substr(id, 10, 9) = ?", [start]
        else:
            condition, values = "id >= ? AND id < ?", [start, f"{start}~"]
        await self.unfold()
        rows = await self._store.read(
            lambda connection: connection.execute(
                f"SELECT {WHOLE} FROM runs WHERE {condition} ORDER BY id LIMIT 2", values
            ).fetchall()
        )
        if not rows:
            raise NotFound(f"There is no run '{id}': it was never recorded, or is no longer kept.")
        if len(rows) > 1 and rows[0][0] != start:
            raise NotFound(f"Several runs are '{id}' for short: give the whole id.")
        return whole(rows[0])

    async def content(self, run: RunRecord, part: str) -> bytes:
        kept = {"input": run.input, "output": run.output, "log": run.log}.get(part)
        if kept is None or kept.kind == "stream":
            raise NotFound(f"Run {run.id} has no {part} that was kept.")
        if len(kept.data) >= kept.size:
            return kept.data
        return await asyncio.to_thread(self._files.read, run.id, part)

    # -- kept in order

    async def keep(self, max_age: timedelta, max_bytes: int) -> None:
        """Index and remove for as long as this runs, while the store has nothing better to do.

        Raises `StoreError` where the store fails; call it again then.
        """
        looks = length = 0
        while True:
            if looks % int(SWEEP_INTERVAL / LOOK_INTERVAL) == 0:
                await self.sweep(self._store.clock.now() - max_age, max_bytes)
            await asyncio.sleep(LOOK_INTERVAL)
            looks, before, length = looks + 1, length, await self._store.read(history_journal.length)
            if length - before < _BUSY or length > _LONGEST:
                await self._tidy_for_a_while()
                length = await self._store.read(history_journal.length)

    async def _tidy_for_a_while(self) -> None:
        """Make rows of what is in the journal, then index rows; a little at a time, and no more once runs come again."""
        left = await self._store.read(history_journal.length)
        for _ in range(_CHUNKS):
            if left:
                await self._store.write(lambda connection: unfold_within(connection, CHUNK))
            elif not await self.index(CHUNK):
                return
            await asyncio.sleep(_PAUSE)
            expected, left = max(0, left - CHUNK), await self._store.read(history_journal.length)
            if expected + _COMING < left <= _LONGEST:
                return

    async def unfold(self) -> None:
        """Have all runs that were recorded so far as rows."""
        # Nothing is written where there is nothing to do: a store that rests stays at rest.
        while not await self._store.read(history_journal.is_empty):
            await self._store.write(lambda connection: unfold_within(connection, history_journal.CHUNK))

    async def index(self, limit: int) -> int:
        """Bring up to `limit` runs that are new into the full-text index; returns how many there were."""

        def operation(connection: sqlite3.Connection) -> int:
            history_text.make_index(connection)
            rows = connection.execute(
                f"SELECT {history_text.SOURCES} FROM runs WHERE number > (SELECT indexed FROM history)"
                " ORDER BY number LIMIT ?",
                (limit,),
            ).fetchall()
            if rows:
                history_text.add(connection, rows)
                connection.execute("UPDATE history SET indexed = ?", (rows[-1][0],))
            return len(rows)

        # Nothing is written where there is nothing to do: a store that rests stays at rest.
        return await self._store.write(operation) if await self._store.read(_has_new_texts) else 0

    async def sweep(self, older_than: datetime, max_bytes: int) -> int:
        """Remove runs that began earlier, and the oldest of those that take more than `max_bytes` together.

        Those that still run stay. Audit rows go by the same age. Returns how many runs went.
        """
        await self.unfold()
        end, gone = first_run_id(older_than), 0
        files = await asyncio.to_thread(self._files.sizes)
        while ids := await self._store.read(lambda c: _old(c, end) or _surplus(c, max_bytes, files)):
            await self._store.write(lambda connection, ids=ids: self.drop_within(connection, ids))  # type: ignore[misc]
            await asyncio.to_thread(self._files.remove, ids)
            for id_ in ids:
                files.pop(id_, None)
            gone += len(ids)
        for kept in await asyncio.to_thread(lambda: list(self._files.ids_before(end))):
            await self._remove_strays(kept)
        at = milliseconds(older_than)
        if await self._store.read(lambda c: c.execute("SELECT 1 FROM audit WHERE at < ?", (at,)).fetchone()):
            await self._store.write(lambda c: c.execute("DELETE FROM audit WHERE at < ?", (at,)).rowcount)
        return gone

    async def _remove_strays(self, ids: Sequence[str]) -> None:
        """Remove the files among these that no run has: their host died before it recorded the run."""
        marks = ", ".join("?" * len(ids))
        rows = await self._store.read(
            lambda connection: connection.execute(
                f"SELECT id FROM runs WHERE id BETWEEN ? AND ? AND id IN ({marks})", (ids[0], ids[-1], *ids)
            ).fetchall()
        )
        await asyncio.to_thread(self._files.remove, set(ids) - {row[0] for row in rows})

    async def _has_index(self, wanted: RunFilter) -> bool:
        """Whether there is a full-text index; for a search it is brought up to date."""
        while wanted.search is not None and await self.index(CHUNK):
            pass
        return await self._store.read(history_text.is_there)


def _old(connection: sqlite3.Connection, end: str) -> list[str]:
    """The next runs that began before the id `end` could be given."""
    return [row[0] for row in connection.execute(_OLDEST.format("AND id < ?"), (end, CHUNK))]


def _surplus(connection: sqlite3.Connection, max_bytes: int, files: Mapping[str, int]) -> list[str]:
    """The oldest runs: as many of the next ones as have to go for the others to take at most `max_bytes`, with the
    bytes of their `files`."""
    rows = connection.execute("SELECT bytes FROM history").fetchone()[0]
    surplus = rows + sum(files.values()) - max_bytes
    ids = []
    for id_, size in connection.execute(_OLDEST.format(""), (CHUNK,)).fetchall() if surplus > 0 else ():
        if surplus > 0:
            ids.append(id_)
            surplus -= size + files.get(id_, 0)
    return ids


def _runs(connection: sqlite3.Connection, numbers: Sequence[int]) -> list[RunRecord]:
    query = f"SELECT {LISTED} FROM runs WHERE number = ?"
    rows: list[Any] = [connection.execute(query, (number,)).fetchone() for number in numbers]
    return [listed(row) for row in rows if row is not None]


def _has_new_texts(connection: sqlite3.Connection) -> bool:
    row = connection.execute(
        "SELECT 1 FROM runs WHERE number > (SELECT indexed FROM history) LIMIT 1"
    ).fetchone()
    return row is not None and history_text.can_index(connection)
