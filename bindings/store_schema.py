"""The tables of the embedded store: made where there are none, and brought up to date where an older store has them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from importlib.resources import files

#: What a store of ours says it is. One that says more has rules that this funchost does not know.
SCHEMA_VERSION = 2

#: Columns that tables gained after their first version, as schema.sql has them.
_GAINED = {
    "messages": {
        "session_id": "TEXT",
        "due_at": "INTEGER",
        "priority": "INTEGER NOT NULL DEFAULT 4",
        "dedup_id": "TEXT",
    },
}

#: Indexes that others have taken the place of.
_LEFT = ("messages_due",)


def bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Part of a transaction: give the store whatever it was made without. What it holds stays."""
    for table, columns in _GAINED.items():
        present = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        for name, kind in columns.items():
            if present and name not in present:
                connection.execute(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")
    for index in _LEFT:
        connection.execute(f"DROP INDEX IF EXISTS {index}")
    for statement in _statements(files(__package__).joinpath("schema.sql").read_text()):
        connection.execute(statement)


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if line.rstrip().endswith(";") and sqlite3.complete_statement(statement):
            yield statement
            statement = ""
