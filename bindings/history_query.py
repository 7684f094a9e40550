"""Which runs a filter means, found by the indexes: a page of any filter reads about as many entries as it gives.

Ids sort by when runs began, so a span of time is a range of ids. Lists by function and state go by
``(function, state, id)``: for each pair of the two that there is (a few hundred at most, found by as many jumps
in the index) its first ids are read, and the first of all those are the page. The runs of a parent are in order
in an index of their own; those of a message or a trace are few, and the full-text index has their ids.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterator
from typing import Any, NamedTuple

from .clock import first_run_id
from .history import RunFilter
from .history_text import MATCHES, conditions

#: What a run may be linked by: what has an index in order, and what is in the full-text index.
_LINKS = ("parent", "replay_of")
_IDS = ("message", "trace_id")

# Two jumps: for a comparison of both columns at once SQLite would look at all entries of the function.
_NEXT_FUNCTION = "SELECT function FROM runs WHERE function > ? ORDER BY function LIMIT 1"
_NEXT_STATE = "SELECT state FROM runs WHERE function = ? AND state > ? ORDER BY state LIMIT 1"

#: Rows that are looked at in one go for words that many have.
_LOT = 2000
_LARGEST_LOT = 64_000

_Condition = tuple[str, list[Any]]


class _Parts(NamedTuple):
    """Conditions whose rows, put together, are those that are wanted."""

    conditions: list[_Condition]
    #: What to sort by: ``id``, in the order of an index; or ``+id`` where the full-text index names a few rows: SQLite
    #: would rather look at all rows in order than sort those.
    key: str
    #: As of `Conditions`.
    many: str | None


def page(
    connection: sqlite3.Connection,
    wanted: RunFilter,
    limit: int,
    *,
    before: str | None = None,
    after: str | None = None,
    indexed: bool = False,
) -> list[int]:
    """The numbers of the rows of a page: the last runs before the id `before`, or the first after `after`.

    `indexed` tells whether there is a full-text index.
    """
    order = "DESC" if after is None else "ASC"
    found: list[tuple[str, int]] = []
    parts = _parts(connection, wanted, before, after, indexed)
    for where, parameters in parts.conditions:
        if parts.many:
            found += _matching(connection, where, parameters, order, limit, parts.many)
        else:
            query = f"SELECT id, number FROM runs WHERE {where} ORDER BY {parts.key} {order} LIMIT ?"
            found += connection.execute(query, (*parameters, limit)).fetchall()
    chosen = heapq.nlargest(limit, found) if after is None else heapq.nsmallest(limit, found)
    return [number for _, number in chosen]


def count_runs(connection: sqlite3.Connection, wanted: RunFilter, *, indexed: bool = False) -> int:
    """How many runs there are of that kind."""
    parts = _parts(connection, wanted, None, None, indexed)
    matching = f" AND number IN ({MATCHES})" if parts.many else ""
    query = [parts.many] if parts.many else []
    return sum(
        connection.execute(
            f"SELECT count(*) FROM runs WHERE {where}{matching}", [*parameters, *query]
        ).fetchone()[0]
        for where, parameters in parts.conditions
    )


def _matching(
    connection: sqlite3.Connection, where: str, parameters: list[Any], order: str, limit: int, query: str
) -> list[tuple[str, int]]:
    """The first rows in order that match words which many runs have: rows are taken by growing numbers, and of each
    lot the full-text index is asked once."""
    found: list[tuple[str, int]] = []
    size, beyond = _LOT, ""
    last: list[str] = []
    while len(found) < limit:
        rows = connection.execute(
            f"SELECT id, number FROM runs WHERE {where}{beyond} ORDER BY id {order} LIMIT ?",
            [*parameters, *last, size],
        ).fetchall()
        if not rows:
            break
        numbers = [number for _, number in rows]
        bounds = min(numbers), max(numbers)
        matches = connection.execute(f"{MATCHES} AND rowid BETWEEN ? AND ?", (query, *bounds))
        known = {number for (number,) in matches}
        found += [row for row in rows if row[1] in known]
        size, beyond, last = (
            min(size * 2, _LARGEST_LOT),
            f" AND id {'<' if order == 'DESC' else '>'} ?",
            [rows[-1][0]],
        )
    return found[:limit]


def _parts(
    connection: sqlite3.Connection, wanted: RunFilter, before: str | None, after: str | None, indexed: bool
) -> _Parts:
    ids = [id_ for name in _IDS if (id_ := getattr(wanted, name)) is not None]
    text = conditions(connection, wanted.search, ids, indexed=indexed)
    key = "+id" if text.are_few else "id"
    where, parameters = _common(wanted, before, after, key)
    where, parameters = [*where, *text.where], [*parameters, *text.parameters]
    is_linked = bool(ids) or any(getattr(wanted, link) is not None for link in _LINKS)
    if is_linked or text.are_few or not (wanted.functions or wanted.states):
        own, values = _kinds(wanted)
        return _Parts([(" AND ".join([*where, *own]) or "1", [*parameters, *values])], key, text.many)
    both = " AND ".join(["function = ?", "state = ?", *where])
    pairs = _pairs(connection, wanted)
    return _Parts([(both, [*pair, *parameters]) for pair in pairs], key, text.many)


def _common(
    wanted: RunFilter, before: str | None, after: str | None, key: str
) -> tuple[list[str], list[Any]]:
    """What has to hold whatever the function and state: times, links, the page."""
    pairs = [
        (f"{key} < ?", before),
        (f"{key} > ?", after),
        (f"{key} >= ?", wanted.since and first_run_id(wanted.since)),
        (f"{key} < ?", wanted.until and first_run_id(wanted.until)),
        *((f"{link} = ?", getattr(wanted, link)) for link in (*_LINKS, *_IDS)),
    ]
    given = [(text, value) for text, value in pairs if value is not None]
    return [text for text, _ in given], [value for _, value in given]


def _kinds(wanted: RunFilter) -> tuple[list[str], list[Any]]:
    """Function and state as a check of rows that were found by something else. The + keeps their index out of it."""
    names = [("function", list(wanted.functions)), ("state", [state.value for state in wanted.states])]
    texts = [
        f"+{name} COLLATE NOCASE IN ({', '.join('?' * len(values))})" for name, values in names if values
    ]
    return texts, [value for _, values in names for value in values]


def _pairs(connection: sqlite3.Connection, wanted: RunFilter) -> list[tuple[str, str]]:
    """The pairs of function and state that there are runs of, as far as they are wanted."""
    states = {state.value for state in wanted.states}
    named = {name.lower(): name for name in wanted.functions}
    functions = named.values() or _jumps(connection, _NEXT_FUNCTION)
    return [
        (function, state)
        for function in functions
        for state in _jumps(connection, _NEXT_STATE, function)
        if not states or state in states
    ]


def _jumps(connection: sqlite3.Connection, query: str, *given: str) -> Iterator[str]:
    """Each value of an index once, by a jump to the next one."""
    last = ""
    while row := connection.execute(query, (*given, last)).fetchone():
        (last,) = row
        yield last
