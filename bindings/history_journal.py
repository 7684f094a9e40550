"""Runs on their way into the history: those of one commit as one piece, until there is time to make rows of them.

To write a run as a row of its own, with its places in the indexes, takes a tenth of all that a message takes. A piece
takes a fraction of that, and is as durable. Whoever reads the history has the pieces made into rows before.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from .history import RunRecord

#: Runs that are made into rows by one transaction: few enough for others not to notice the wait.
CHUNK = 500

_encode = msgspec.msgpack.Encoder(enc_hook=str).encode
_decode = msgspec.msgpack.Decoder(list[RunRecord]).decode


def add(connection: sqlite3.Connection, runs: Sequence[RunRecord]) -> None:
    """Part of an operation: write the runs down as one piece. Raises `ValueError` and its like for a text, or a value,
    that no file can hold."""
    connection.execute("INSERT INTO run_journal (count, runs) VALUES (?, ?)", (len(runs), _encode(runs)))


def is_empty(connection: sqlite3.Connection) -> bool:
    """Whether all runs are rows."""
    return connection.execute("SELECT 1 FROM run_journal LIMIT 1").fetchone() is None


def length(connection: sqlite3.Connection) -> int:
    """How many runs are not rows yet."""
    count: int = connection.execute("SELECT coalesce(sum(count), 0) FROM run_journal").fetchone()[0]
    return count


def take(connection: sqlite3.Connection, limit: int) -> list[RunRecord]:
    """Part of an operation: the first runs, out of the journal; at least `limit` where there are so many."""
    taken: list[RunRecord] = []
    last = 0
    for number, runs in connection.execute("SELECT number, runs FROM run_journal ORDER BY number"):
        taken += _decoded(runs)
        last = number
        if len(taken) >= limit:
            break
    connection.execute("DELETE FROM run_journal WHERE number <= ?", (last,))
    return taken


def _decoded(piece: bytes) -> list[RunRecord]:
    """The runs of a piece; those left out that cannot be read, so that they do not stand in the way of all others."""
    try:
        return _decode(piece)
    except msgspec.MsgspecError:
        pass
    found = []
    with contextlib.suppress(msgspec.MsgspecError):
        for run in msgspec.msgpack.decode(piece, type=list[Any]):
            with contextlib.suppress(msgspec.MsgspecError):
                found.append(msgspec.convert(run, RunRecord))
    return found
