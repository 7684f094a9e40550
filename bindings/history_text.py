"""Full-text search over runs: which words a run holds, and SQLite's index (FTS5) of them.

The index keeps no texts of its own: what a run is taken out of it by is read from its row again, so `texts` must
not come to give another text for the same row. Without FTS5 each row is looked through.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from .history_row import unpack

#: Conditions in SQL that all have to hold, and their parameters.
_Condition = tuple[list[str], list[Any]]

#: What an entry of the index is made of.
SOURCES = "number, message, trace_id, summary, contents"


class _Errors(msgspec.Struct):
    """What is read of a summary."""

    error_type: str | None = None
    error_message: str | None = None
    error_traceback: str | None = None


_errors = msgspec.json.Decoder(_Errors).decode

_TABLE = "CREATE VIRTUAL TABLE IF NOT EXISTS run_texts USING fts5 (input, error, log, ids, content='', tokenize='unicode61')"
_ADD = "INSERT INTO run_texts (rowid, input, error, log, ids) VALUES (?, ?, ?, ?, ?)"
_REMOVE = "INSERT INTO run_texts (run_texts, rowid, input, error, log, ids) VALUES ('delete', ?, ?, ?, ?, ?)"

#: More runs than this hold the words: then runs are looked through in order, which soon finds enough.
_MANY = 2000

#: Scripts that are written without spaces. Each character counts as a word, and a word as a phrase of them.
_UNSPACED = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])"
)

#: What JSON writers make of such characters, unless they are told otherwise.
_ESCAPED = re.compile(r"(?:\\u[0-9a-fA-F]{4})+")


def can_index(connection: sqlite3.Connection) -> bool:
    """Whether this SQLite knows FTS5."""
    found = connection.execute("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'").fetchone()
    return found is not None


def is_there(connection: sqlite3.Connection) -> bool:
    """Whether there is an index that can be used."""
    made = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'run_texts'").fetchone()
    return made is not None and can_index(connection)


def make_index(connection: sqlite3.Connection) -> None:
    """Part of an operation: see that there is an index."""
    connection.execute(_TABLE)


def add(connection: sqlite3.Connection, rows: list[tuple[Any, ...]]) -> None:
    """Part of an operation: put rows of `SOURCES` into the index."""
    connection.executemany(_ADD, map(texts, rows))


def remove(connection: sqlite3.Connection, rows: list[tuple[Any, ...]]) -> None:
    """Part of an operation: take rows of `SOURCES` out that had been put in."""
    connection.executemany(_REMOVE, map(texts, rows))


def texts(row: tuple[Any, ...]) -> tuple[int, str, str, str, str]:
    """What the index holds of a row: its number, its input, error and log, and the ids it may be found by."""
    number, message, trace_id, summary, contents = row
    run, kept = _errors(summary), unpack(contents)
    error = " ".join(part for part in (run.error_type, run.error_message, run.error_traceback) if part)
    ids = " ".join(_one_word(id_) for id_ in (message, trace_id) if id_)
    return number, _text(kept.input), _separate(error), _text(kept.log), ids


def condition(connection: sqlite3.Connection, search: str, *, indexed: bool) -> _Condition:
    """SQL that holds for the rows of `runs` that have all the words, and its parameters."""
    if not indexed:
        return _by_looking(connection, _words(search))
    query = _query(search)
    if not query:
        return ["0"], []
    few = "SELECT rowid FROM run_texts WHERE run_texts MATCH ?"
    found = connection.execute(f"SELECT count(*) FROM ({few} LIMIT {_MANY + 1})", (query,)).fetchone()[0]
    if found <= _MANY:
        return [f"number IN ({few})"], [query]
    return [f"EXISTS ({few} AND rowid = number)"], [query]


def among_indexed(ids: Sequence[str]) -> _Condition:
    """SQL that holds for the rows that have these ids, as far as the index goes, and for all that are newer."""
    found = "number IN (SELECT rowid FROM run_texts WHERE run_texts MATCH ?)"
    newer = "number > (SELECT indexed FROM history)"
    return [f"({found} OR {newer})" for _ in ids], [f'ids : "{_one_word(id_)}"' for id_ in ids]


def _query(search: str) -> str:
    """All words, each as a phrase in quotes: nothing in them is an operator."""
    phrases = (word.replace('"', " ") for word in _words(search))
    wanted = " AND ".join(f'"{phrase}"' for phrase in phrases if any(map(str.isalnum, phrase)))
    return wanted and f"{{input error log}} : ({wanted})"


def _words(search: str) -> list[str]:
    clean = search.encode("utf-8", "replace").decode().replace("\0", " ")
    return [_separate(word) for word in clean.split()]


def _by_looking(connection: sqlite3.Connection, words: list[str]) -> _Condition:
    wanted = [word.casefold() for word in words]

    def holds_words(summary: bytes, contents: bytes) -> bool:
        text = "\n".join(texts((0, None, None, summary, contents))[1:]).casefold()
        return bool(wanted) and all(word in text for word in wanted)

    connection.create_function("holds_words", 2, holds_words)
    return ["holds_words(summary, contents)"], []


def _text(data: bytes) -> str:
    if b"\0" in data:
        return ""  # no text
    text = data.decode("utf-8", "replace")
    return _separate(_ESCAPED.sub(_unescaped, text) if "\\u" in text else text)


def _unescaped(match: re.Match[str]) -> str:
    units = bytes.fromhex(match.group().replace("\\u", ""))
    return units.decode("utf-16-be", "replace").replace("\0", " ")


def _one_word(id_: str) -> str:
    return "".join(filter(str.isalnum, id_))


def _separate(text: str) -> str:
    return text if text.isascii() else _UNSPACED.sub(r" \1 ", text)
