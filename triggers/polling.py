"""How long to wait between two polls of something that was empty (functions-semantics 5.2)."""

from __future__ import annotations

import random
from datetime import timedelta

#: The shortest wait.
MINIMUM = timedelta(milliseconds=100)


class BackOff:
    """Randomised exponential waits that start over with each success."""

    def __init__(self, maximum: timedelta, *, choose: random.Random | None = None) -> None:
        self._maximum = max(maximum, MINIMUM)
        self._choose = choose or random.Random()
        self._exponent = 0

    def reset(self) -> None:
        """Something was found."""
        self._exponent = 0

    def next(self) -> timedelta:
        """The wait after one more empty poll."""
        self._exponent += 1
        if self._exponent == 1:
            return MINIMUM
        # The exponent stops growing where the result would be cut anyway.
        factor: int = 2 ** min(self._exponent - 2, 32)
        return min(MINIMUM + MINIMUM * (factor * self._choose.uniform(0.8, 1.2)), self._maximum)
