"""So many things a second, evenly."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class Pace:
    """Gives turns at a rate. What is late is made up for, so that the rate is kept on the whole."""

    def __init__(
        self,
        rate: float | None,
        *,
        now: Callable[[], float] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`rate` is turns a second; None: as many as are wanted."""
        self._rate = rate
        self._now = now or asyncio.get_running_loop().time
        self._sleep = sleep
        self._began = self._now()
        self._given = 0

    async def turns(self, most: int = 1) -> int:
        """Return once it is somebody's turn, and how many have theirs: 1 to `most`."""
        if self._rate is None:
            return most
        await self._sleep(max(0.0, self._began + self._given / self._rate - self._now()))
        due = int((self._now() - self._began) * self._rate) + 1 - self._given
        count = max(1, min(most, due))
        self._given += count
        return count
