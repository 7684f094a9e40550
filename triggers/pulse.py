"""Whether the loop of a listener goes on, for whoever watches over it (`host/watchdog.py`)."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ..bindings.queue import QueueStore

if TYPE_CHECKING:
    from .base import Listener


class Demand(NamedTuple):
    """A queue from which a loop would take messages now, and how many it has taken so far."""

    store: QueueStore
    queue: str
    taken: int


class Pulse:
    """Of one loop, which says before each of its steps how long that may take.

    `demand` tells which messages it has room for; it gives None while it has none, or while what keeps it from
    reading is known.
    """

    def __init__(
        self,
        loop: str,
        monotonic: Callable[[], float] = time.monotonic,
        demand: Callable[[], Demand | None] = lambda: None,
    ) -> None:
        """`loop` is what it does, for people, such as ``reading the queue 'orders'``."""
        self._loop = loop
        self._monotonic = monotonic
        self.demand = demand
        self._task: asyncio.Task[Any] | None = None
        self._steps = 0
        self._due = math.inf

    def follow(self, task: asyncio.Task[Any]) -> None:
        """That is the loop."""
        self._task, self._steps, self._due = task, 0, math.inf

    def leave(self) -> None:
        """The loop is to end now."""
        self._task = None

    def step(self, limit: float = math.inf) -> None:
        """The loop begins a step that takes `limit` seconds at most. Without a limit it may take for ever."""
        self._steps += 1
        self._due = self._monotonic() + limit

    @property
    def left(self) -> float:
        """The seconds that the step may still take; none when it is overdue."""
        return max(0.0, self._due - self._monotonic())

    @property
    def is_proven(self) -> bool:
        """Whether the loop has been seen to go on: it came back from a step, or is in one without a limit."""
        return self.trouble is None and (self._steps > 1 or self._due == math.inf)

    @property
    def trouble(self) -> str | None:
        """Why the loop does not go on, in a sentence without its full stop; None while it does."""
        if self._task is None:
            return None
        if self._task.cancelled():
            return f"{self._loop} was broken off"
        if self._task.done():
            # One that has returned was done with its work.
            error = self._task.exception()
            return f"{self._loop} has ended with {error!r}" if error else None
        return None if self.left else f"{self._loop} hangs"


def pulses_of(listener: Listener | None) -> tuple[Pulse, ...]:
    """Of all loops of a listener. One of another package may have none (no ``pulses``): it is not watched over."""
    found: tuple[Pulse, ...] = getattr(listener, "pulses", ())
    return found
