"""Which runs a filter means, found by the indexes: a page of any filter reads about as many entries as it gives.

Ids sort by when runs began, so a span of time is a range of ids. Lists by function and state go by
``(function, state, id)``: for each pair of the two that there is (a few hundred at most, found by as many jumps
in the index) its first ids are read, and the first of all those are the page. The runs of a parent are in order
in an index of their own; those of a message or a trace are few, and the full-text index has their ids.
"""

from __future__ import annotations

import heapq
import sqlite3
from typing import Any

from .clock import first_run_id
from .history import RunFilter
from .history_text import among_indexed, condition

#: What a run may be linked by: what has an index in order, and what is in the full-text index.
_LINKS = ("parent", "replay_of")
_IDS = ("message", "trace_id")

_NEXT_PAIR = """
SELECT function, state FROM runs WHERE (function, state) > (?, ?) ORDER BY function, state LIMIT 1
"""

_Condition = tuple[str, list[Any]]


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
    for where, parameters in _parts(connection, wanted, before, after, indexed):
        query = f"SELECT id, number FROM runs WHERE {where} ORDER BY id {order} LIMIT ?"
        found += connection.execute(query, (*parameters, limit)).fetchall()
    chosen = heapq.nlargest(limit, found) if after is None else heapq.nsmallest(limit, found)
    return [number for _, number in chosen]


def count_runs(connection: sqlite3.Connection, wanted: RunFilter, *, indexed: bool = False) -> int:
    """How many runs there are of that kind."""
    parts = _parts(connection, wanted, None, None, indexed)
    return sum(
        connection.execute(f"SELECT count(*) FROM runs WHERE {where}", parameters).fetchone()[0]
        for where, parameters in parts
    )


def _parts(
    connection: sqlite3.Connection, wanted: RunFilter, before: str | None, after: str | None, indexed: bool
) -> list[_Condition]:
    """Conditions whose rows, put together, are those that are wanted; each has an index that gives them in order."""
    where, parameters = _common(wanted, before, after)
    if wanted.search is not None:
        text, words = condition(connection, wanted.search, indexed=indexed)
        where, parameters = [*where, *text], [*parameters, *words]
    if indexed:
        ids = [getattr(wanted, name) for name in _IDS]
        text, words = among_indexed([id_ for id_ in ids if id_ is not None])
        where, parameters = [*where, *text], [*parameters, *words]
    is_linked = any(getattr(wanted, link) is not None for link in (*_LINKS, *_IDS))
    if is_linked or not (wanted.functions or wanted.states):
        own, values = _kinds(wanted)
        return [(" AND ".join([*where, *own]) or "1", [*parameters, *values])]
    both = " AND ".join(["function = ?", "state = ?", *where])
    return [(both, [*pair, *parameters]) for pair in _pairs(connection, wanted)]


def _common(wanted: RunFilter, before: str | None, after: str | None) -> tuple[list[str], list[Any]]:
    """What has to hold whatever the function and state: times, links, the page."""
    pairs = [
        ("id < ?", before),
        ("id > ?", after),
        ("id >= ?", wanted.since and first_run_id(wanted.since)),
        ("id < ?", wanted.until and first_run_id(wanted.until)),
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
    functions, states = {name.lower() for name in wanted.functions}, {state.value for state in wanted.states}
    found, last = [], ("", "")
    while row := connection.execute(_NEXT_PAIR, last).fetchone():
        last = row
        if (not functions or row[0].lower() in functions) and (not states or row[1] in states):
            found.append(row)
    return found
