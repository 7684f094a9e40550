"""The machine's clock: whether it goes on evenly, and whether the store has seen a later one."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ....bindings.clock import SET_BACK, from_milliseconds
from .check import Check, ok, problem, warning
from .patient import Patient, aside
from .store import read_only

NAME = "clock"

#: Seconds for which both clocks are watched, and by how much they may differ.
_WATCHED, _STEP = 0.3, 0.05

#: No clock that is right shows less: funchost is younger.
_EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)

#: When things were written down last, by table; those that a store does not have are left out.
_NEWEST = ("SELECT max(inserted_at) FROM messages", "SELECT max(at) FROM audit")


async def check(patient: Patient) -> Iterable[Check]:
    """What is wrong with the time."""
    wall, even = time.time(), time.monotonic()
    await asyncio.sleep(_WATCHED)
    stepped = (time.time() - wall) - (time.monotonic() - even)
    newest = await aside(lambda: _newest(patient.store)) if patient.store.exists() else None
    now = datetime.now(UTC)
    found = list(judged(now, timedelta(seconds=stepped), newest))
    return found or [ok(NAME, f"It is {now:%Y-%m-%d %H:%M:%S} UTC, and the clock goes evenly.")]


def judged(now: datetime, stepped: timedelta, newest: datetime | None) -> Iterator[Check]:
    """What is to be said of a clock that shows `now`, has `stepped` while it was watched, and of the `newest` row."""
    if now < _EARLIEST:
        yield problem(NAME, f"The clock of this machine shows {now:%Y-%m-%d}, which is past.", "Set it.")
    if abs(stepped) > timedelta(seconds=_STEP):
        yield warning(
            NAME,
            f"The clock was set by {stepped.total_seconds():+.2f} s while it was looked at.",
            "Let one program alone set it (such as chrony), and not in steps.",
        )
    if newest and newest - now > SET_BACK:
        yield warning(
            NAME,
            f"The newest row of the store is of {newest:%Y-%m-%d %H:%M:%S} UTC, {_length(newest - now)} after now: the clock "
            "was set back, or had been ahead.",
            "Set it right. Messages are delivered all the same; timers go by the clock as it is.",
        )


def _newest(path: Path) -> datetime | None:
    """When the last row was written; None where that cannot be told."""
    found = []
    try:
        with closing(read_only(path)) as connection:
            for query in _NEWEST:
                found += [value for (value,) in connection.execute(query) if value is not None]
    except sqlite3.Error:
        pass  # the check of the store tells it
    return from_milliseconds(max(found)) if found else None


def _length(span: timedelta) -> str:
    hours, rest = divmod(int(span.total_seconds()), 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min"
