"""Time and identities, injected so that tests can drive them."""

from __future__ import annotations

import itertools
import random
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol

#: A wall clock that shows so much less than before was set back. Less may be the difference between two machines'.
SET_BACK = timedelta(minutes=1)


class Clock(Protocol):
    """Where the host reads the time."""

    def now(self) -> datetime:
        """The wall clock, in UTC and aware."""

    def monotonic(self) -> float:
        """Seconds on a clock that never steps and that all processes of this machine share."""


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


def milliseconds(moment: datetime) -> int:
    """A moment as whole milliseconds since 1970, the form the store keeps."""
    return int(moment.timestamp() * 1000)


@lru_cache(maxsize=4096)
def from_milliseconds(value: int) -> datetime:
    """The moment that `milliseconds` made a number of."""
    return datetime.fromtimestamp(value / 1000, UTC)


_random = random.Random()
_counter = itertools.count(_random.getrandbits(32))
_rest = f"{_random.getrandbits(16):04x}-4{_random.getrandbits(12):03x}-a{_random.getrandbits(12):03x}-{_random.getrandbits(48):012x}"


def new_id() -> str:
    """A new identity, in the 8-4-4-4-12 form that Azure uses everywhere. It is unique, and no secret.

    A random number for the process and a count within it: a fully random one costs six times as much, and
    each message and each run needs one.
    """
    return f"{next(_counter) & 0xFFFFFFFF:08x}-{_rest}"


_run_count = itertools.count(_random.getrandbits(24))
_run_rest = f"a{_random.getrandbits(12):03x}-{_random.getrandbits(24):06x}"


def new_run_id(began: datetime) -> str:
    """A new identity for a run, in the same form as `new_id`. Ids sort as text by when their runs began, to the
    millisecond (a UUID of version 7)."""
    count = next(_run_count)
    beginning = _beginning(int(began.timestamp() * 1000))
    return f"{beginning}7{count & 0xFFF:03x}-{_run_rest}{count >> 12 & 0xFFFFFF:06x}"


def short_run_id(run_id: str) -> str:
    """What tells a run from others of its time, for people: an id begins with the time, which all of a minute share."""
    return run_id[9:18]


def first_run_id(began: datetime) -> str:
    """The least id that `new_run_id` can give a run that began then or later."""
    return _beginning(max(0, int(began.timestamp() * 1000)))


@lru_cache(maxsize=64)
def _beginning(moment: int) -> str:
    """What the ids of all runs of a millisecond begin with."""
    return f"{moment >> 16 & 0xFFFFFFFF:08x}-{moment & 0xFFFF:04x}-"
