"""How many requests a host takes at a time, and how many wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class Throttle:
    """Bounds requests: `concurrent` run, the rest of `outstanding` wait, more are turned away. -1 is no bound."""

    def __init__(self, *, outstanding: int, concurrent: int) -> None:
        self._limit = outstanding
        self._outstanding = 0
        self._slots = asyncio.Semaphore(concurrent) if concurrent > 0 else None

    async def run(self, call: Callable[[], Awaitable[T]]) -> T | None:
        """What `call` returns, once it has its turn; None when too many are there already."""
        if 0 <= self._limit <= self._outstanding:
            return None
        self._outstanding += 1
        try:
            if self._slots is None:
                return await call()
            async with self._slots:
                return await call()
        finally:
            self._outstanding -= 1
