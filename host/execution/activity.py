"""How much a host has in hand: what a drain waits for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


class Activity:
    """Counts the invocations that run and those that wait for another attempt; each is one or the other."""

    def __init__(self) -> None:
        self.invocations = 0
        self.retries = 0

    @property
    def is_idle(self) -> bool:
        """Whether nothing is in hand."""
        return not self.invocations and not self.retries

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """What ran waits for its next attempt in here."""
        self.invocations -= 1
        self.retries += 1
        try:
            yield
        finally:
            self.retries -= 1
            self.invocations += 1
