"""Time and identities, injected so that tests can drive them."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from typing import Protocol


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


def from_milliseconds(value: int) -> datetime:
    """The moment that `milliseconds` made a number of."""
    return datetime.fromtimestamp(value / 1000, UTC)


_random = random.Random()


def new_id() -> str:
    """A new random identity, in the 8-4-4-4-12 form that Azure uses everywhere. It is no secret."""
    # A version 4 UUID; the standard library's own asks the kernel for each, at four times the cost.
    digits = f"{_random.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
