"""When invocations run out of time. Nearly all end long before: so setting and clearing a deadline is cheap."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

#: Takes a deadline back.
Cancel = Callable[[], object]

#: Deadlines further away than this, in seconds, are looked through once a tick instead of having a timer each.
_FAR = 5.0
_TICK = 1.0


class Deadlines:
    """Calls `expired` with the number of each deadline that passed. Must be made in the event loop."""

    def __init__(self, expired: Callable[[int], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._expired = expired
        #: Number and loop time of the far ones.
        self._far: dict[int, float] = {}
        self._ticking = False

    def add(self, seconds: float, number: int) -> Cancel:
        """Set a deadline; returns what takes it back, which may be called at any time."""
        if seconds < _FAR:
            return self._loop.call_later(seconds, self._expired, number).cancel
        far = self._far
        far[number] = self._loop.time() + seconds
        if not self._ticking:
            self._ticking = True
            self._loop.call_later(_TICK, self._tick)
        return lambda: far.pop(number, None)

    def _tick(self) -> None:
        # What falls due before the next tick gets a timer of its own, so that it is not late.
        soon = self._loop.time() + _TICK
        for number, moment in self._far.items():
            if moment < soon:
                self._loop.call_at(moment, self._due, number, moment)
        self._ticking = bool(self._far)
        if self._ticking:
            self._loop.call_later(_TICK, self._tick)

    def _due(self, number: int, moment: float) -> None:
        # It may have been taken back since, or set anew. Timers may come a little early: so the clock is not asked.
        if self._far.get(number) == moment:
            del self._far[number]
            self._expired(number)
