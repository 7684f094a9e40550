"""Full-text search over runs: which words a run holds, and SQLite's index (FTS5) of them.

The index keeps no texts of its own: what a run is taken out of it by is read from its row again, so `texts` must
not come to give another text for the same row. Without FTS5 each row is looked through.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from .history_row import unpack

#: What an entry of the index is made of.
SOURCES = "number, message, trace_id, summary, contents"


class Conditions(NamedTuple):
    """Conditions in SQL that all have to hold."""

    where: list[str]
    parameters: list[str]
    #: Whether they name the rows, which are few.
    are_few: bool
    #: What the rows have to match besides, where many do: it is no condition, since it would be asked for each row.
    many: str | None = None


class _Errors(msgspec.Struct):
    """What is read of a summary."""

    error_type: str | None = None
    error_message: str | None = None
    error_traceback: str | None = None


_errors = msgspec.json.Decoder(_Errors).decode

_TABLE = "CREATE VIRTUAL TABLE IF NOT EXISTS run_texts USING fts5 (input, error, log, ids, content='', tokenize='unicode61')"
_ADD = "INSERT INTO run_texts (rowid, input, error, log, ids) VALUES (?, ?, ?, ?, ?)"
_REMOVE = "INSERT INTO run_texts (run_texts, rowid, input, error, log, ids) VALUES ('delete', ?, ?, ?, ?, ?)"

#: The numbers of the rows that match a query.
MATCHES = "SELECT rowid FROM run_texts WHERE run_texts MATCH ?"

#: More runs than this are many.
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


def conditions(
    connection: sqlite3.Connection, search: str | None, ids: Sequence[str], *, indexed: bool
) -> Conditions:
    """What holds for the rows of `runs` that have all the words of `search`, and these ids of messages and traces."""
    where: list[str] = []
    parameters: list[str] = []
    if search is not None and not indexed:
        _look_for(connection, _words(search))
        where.append("holds_words(summary, contents)")
    query = _query(search) if search is not None and indexed else None
    if query == "":
        return Conditions(["0"], [], are_few=True)
    are_few = query is not None and _has_few(connection, query)
    if query and are_few:
        where.append(f"number IN ({MATCHES})")
        parameters.append(query)
    for id_ in ids if indexed else ():
        # What is newer than the index is looked at one by one.
        where.append(f"(number IN ({MATCHES}) OR number > (SELECT indexed FROM history))")
        parameters.append(f'ids : "{_one_word(id_)}"')
    many = None if are_few else query
    return Conditions(where, parameters, are_few=are_few or bool(ids), many=many)


def _has_few(connection: sqlite3.Connection, query: str) -> bool:
    found = connection.execute(f"SELECT count(*) FROM ({MATCHES} LIMIT {_MANY + 1})", (query,)).fetchone()
    return bool(found[0] <= _MANY)


def _query(search: str) -> str:
    """All words, each as a phrase in quotes: nothing in them is an operator."""
    phrases = (word.replace('"', " ") for word in _words(search))
    wanted = " AND ".join(f'"{phrase}"' for phrase in phrases if any(map(str.isalnum, phrase)))
    return wanted and f"{{input error log}} : ({wanted})"


def _words(search: str) -> list[str]:
    clean = search.encode("utf-8", "replace").decode().replace("\0", " ")
    return [_separate(word) for word in clean.split()]


def _look_for(connection: sqlite3.Connection, words: list[str]) -> None:
    """Have SQL know of ``holds_words``."""
    wanted = [word.casefold() for word in words]

    def holds_words(summary: bytes, contents: bytes) -> bool:
        text = "\n".join(texts((0, None, None, summary, contents))[1:]).casefold()
        return bool(wanted) and all(word in text for word in wanted)

    connection.create_function("holds_words", 2, holds_words)


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
