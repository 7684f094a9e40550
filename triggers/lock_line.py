"""The runs of one host that want the same lock: one of them at a time asks the store for it, the others wait here.

So a store in the cloud is asked once for all of them, and told once that it cannot be asked now.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Generic, TypeVar

from ..bindings.errors import FunchostError
from .polling import BackOff

T = TypeVar("T")

#: The longest pause between two tries while the store cannot be asked.
LONGEST_PAUSE = timedelta(seconds=15)


class LockUnavailable(FunchostError):
    """The lock cannot be asked for at present."""


class Wish:
    """What one run puts up with for its lock."""

    def __init__(
        self,
        *,
        timeout: timedelta | None,
        interval: timedelta,
        unless: asyncio.Event,
        patience: timedelta | None = None,
    ) -> None:
        #: Seconds that others may hold the lock, and when they are over on the loop's clock.
        self.span = math.inf if timeout is None else timeout.total_seconds()
        self.end = asyncio.get_running_loop().time() + self.span
        #: Between two times that a lock is asked for.
        self.interval = interval
        #: Ends the waiting once it is set.
        self.unless = unless
        #: Seconds for which the store may not be there to be asked.
        self.patience = math.inf if patience is None else patience.total_seconds()


class Line(Generic[T]):
    """The line for one lock; `ask` asks the store for it, `released` waits for any lock to be given back."""

    def __init__(
        self,
        ask: Callable[[], Awaitable[T | None]],
        released: Callable[[timedelta], Awaitable[None]],
    ) -> None:
        #: Why the store cannot be asked now.
        self.trouble: FunchostError | None = None
        self._since = 0.0
        self._ask = ask
        self._released = released
        self._taken = False
        #: Those behind the first, in their order; set when it is their turn.
        self._behind: dict[asyncio.Event, None] = {}

    async def wait(self, wish: Wish) -> T | None:
        """The lock, or None once the wish's time is over. Who gets it calls `leave` when it is given back.

        Time in which the store cannot be asked does not count. Raises `LockUnavailable` when that lasts for longer
        than the wish's patience.
        """
        while not wish.unless.is_set():
            if not self._taken:
                return await self._in_front(wish)
            if self._is_over(wish):
                return None
            await self._wait_behind(wish)
        return None

    def leave(self) -> None:
        """Let the next one ask."""
        self._taken = False
        if self._behind:
            turn = next(iter(self._behind))
            del self._behind[turn]
            turn.set()

    async def _in_front(self, wish: Wish) -> T | None:
        self._taken = True
        lock: T | None = None
        try:
            lock = await self._insist(wish)
            return lock
        finally:
            if lock is None:
                self.leave()

    async def _wait_behind(self, wish: Wish) -> None:
        turn = asyncio.Event()
        self._behind[turn] = None
        goes_on = False
        try:
            await first(self._limit(wish, wish.interval), turn.wait(), wish.unless.wait())
            goes_on = not wish.unless.is_set()
        finally:
            self._behind.pop(turn, None)
            if turn.is_set() and not goes_on and not self._taken:
                self.leave()  # whose turn it was has gone

    async def _insist(self, wish: Wish) -> T | None:
        back_off: BackOff | None = None
        while True:
            lock = await self._try()
            if lock is not None or self._is_over(wish) or wish.unless.is_set():
                return lock
            if self.trouble:
                back_off = back_off or BackOff(LONGEST_PAUSE)
                await first(self._limit(wish, back_off.next()), wish.unless.wait())
            else:
                back_off = None
                limit = self._limit(wish, wish.interval)
                await first(limit, self._released(wish.interval), wish.unless.wait())

    async def _try(self) -> T | None:
        began = asyncio.get_running_loop().time()
        try:
            lock = await self._ask()
        except FunchostError as error:
            if self.trouble is None:
                self._since = began
            self.trouble = error
            return None
        self.trouble = None
        return lock

    def _is_over(self, wish: Wish) -> bool:
        now = asyncio.get_running_loop().time()
        if self.trouble is None:
            return now >= wish.end
        wish.end = now + wish.span
        if now >= self._since + wish.patience:
            raise LockUnavailable(f"Its lock cannot be asked for: {self.trouble}")
        return False

    def _limit(self, wish: Wish, pause: timedelta) -> float:
        """Seconds until there is something to do again."""
        end = wish.end if self.trouble is None else self._since + wish.patience
        return max(0.0, min(pause.total_seconds(), end - asyncio.get_running_loop().time()))


async def first(limit: float, *events: Awaitable[object]) -> None:
    """Return when the first of these has come, or after `limit` seconds."""
    waits = [asyncio.ensure_future(event) for event in events]
    try:
        await asyncio.wait(waits, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
