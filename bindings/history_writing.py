"""What is done to the history within an operation: runs come into the journal, out of it into rows, and go."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from . import history_journal, history_text
from .clock import from_milliseconds
from .history import RunRecord, RunState
from .history_row import INSERT, WHOLE, row_of, scrubbed, size_of, whole
from .store import signal

#: What a text or a value raises that no file can hold.
_UNFIT = (sqlite3.InterfaceError, ValueError, TypeError, RecursionError, OverflowError)


def journal_within(connection: sqlite3.Connection, records: Sequence[RunRecord]) -> None:
    """Part of an operation: keep the records in the journal, each to take the place of one with the same id."""
    try:
        history_journal.add(connection, records)
    except _UNFIT:
        history_journal.add(connection, [*map(scrubbed, records)])
    signal(connection, "runs")


def write_within(connection: sqlite3.Connection, records: Sequence[RunRecord]) -> None:
    """Part of an operation: keep the records as rows, each in the place of one with the same id."""
    latest = list({record.id: record for record in records}.values())
    if not latest:
        return
    (last,) = connection.execute(
        "UPDATE history SET last = last + ? RETURNING last", (len(latest),)
    ).fetchone()
    first = last - len(latest) + 1
    try:
        # Nearly all runs are told once, when they have ended: to look for each whether it is known would cost them.
        size = _insert(connection, first, latest)
    except sqlite3.IntegrityError:
        connection.execute("DELETE FROM runs WHERE number >= ?", (first,))
        remove_within(connection, [record.id for record in latest])
        size = _insert(connection, first, latest)
    connection.execute("UPDATE history SET bytes = bytes + ?", (size,))
    signal(connection, "runs")


def unfold_within(connection: sqlite3.Connection, limit: int = 2**62) -> None:
    """Part of an operation: make rows of the first runs in the journal, of all unless a limit is given."""
    write_within(connection, history_journal.take(connection, limit))


def abandon_within(connection: sqlite3.Connection, owner: str, now_ms: int) -> None:
    """Part of an operation: end the runs that a host that is gone had begun."""
    unfold_within(connection)
    rows = connection.execute(f"SELECT {WHOLE} FROM runs WHERE running_on = ?", (owner,))
    runs = [whole(row) for row in rows]
    pid = connection.execute("SELECT pid FROM hosts WHERE owner = ?", (owner,)).fetchone()
    for run in runs:
        run.state = RunState.ABANDONED
        run.ended = max(run.started, from_milliseconds(now_ms))
        run.error_message = f"Its host (process {pid[0] if pid else 'unknown'}) ended while it ran."
    write_within(connection, runs)


def _insert(connection: sqlite3.Connection, first: int, records: Sequence[RunRecord]) -> int:
    """Write the rows, numbered from `first` on; returns their size. Raises `IntegrityError` for a run that is known."""
    try:
        rows = [row_of(number, record) for number, record in enumerate(records, first)]
        connection.executemany(INSERT, rows)
    except _UNFIT:
        # What is wrong with one must not cost its neighbours their records.
        connection.execute("DELETE FROM runs WHERE number >= ?", (first,))
        rows = [row_of(number, scrubbed(record)) for number, record in enumerate(records, first)]
        connection.executemany(INSERT, rows)
    return sum(map(size_of, rows))


def remove_within(connection: sqlite3.Connection, ids: Iterable[str]) -> int:
    """Part of an operation: take the rows of these runs out, and their texts out of the index; returns how many there were."""
    known = "SELECT number, size FROM runs WHERE id = ?"
    found = [row for id_ in ids if (row := connection.execute(known, (id_,)).fetchone())]
    if found:
        _remove_texts(connection, [number for number, _ in found])
        connection.executemany("DELETE FROM runs WHERE number = ?", [(number,) for number, _ in found])
        connection.execute("UPDATE history SET bytes = bytes - ?", (sum(size for _, size in found),))
    return len(found)


def _remove_texts(connection: sqlite3.Connection, numbers: Sequence[int]) -> None:
    indexed = connection.execute("SELECT indexed FROM history").fetchone()[0]
    inside = [number for number in numbers if number <= indexed]
    # An SQLite without FTS5 leaves what another one indexed: numbers are not given twice, so it finds nothing.
    if inside and history_text.can_index(connection):
        sources = f"SELECT {history_text.SOURCES} FROM runs WHERE number = ?"
        history_text.remove(connection, [connection.execute(sources, (n,)).fetchone() for n in inside])
