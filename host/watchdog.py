"""Watches over the loops of all listeners, and has those made anew that died, hang, or leave messages waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

from ..bindings.clock import Clock
from ..bindings.counted import counted
from ..bindings.queue import QueueStore
from ..triggers.pulse import Demand, Pulse
from .functions import Functions
from .served_function import ServedFunction

#: Seconds between two looks. What is wrong at two of them in a row is acted upon: a machine that stood still is not
#: to be taken for a loop that does.
INTERVAL = 5.0

#: How long a message may wait while there is room for it.
AGE = timedelta(seconds=30)

#: Seconds that a listener is given to stop, and a store to be looked into.
STOP_LIMIT = 5.0
LOOK_LIMIT = 3.0

#: Seconds from one renewal of a listener to the next, if that does not help; the last one repeats.
PAUSES = (30.0, 60.0, 120.0, 300.0, 600.0)

#: Seconds for which a listener has to go on before it counts as mended.
CALM = 600.0


class Watchdog:
    """Over the listeners of `functions`. Of the embedded store's `queues` the oldest message is looked at, too; those
    elsewhere do not tell how long one has waited."""

    def __init__(
        self, functions: Functions, queues: QueueStore, clock: Clock, report: Callable[[str], None]
    ) -> None:
        self._functions = functions
        self._queues = queues
        self._clock = clock
        self._report = report
        #: By function, for as long as there is something to remember of it.
        self._cases: dict[str, _Case] = {}

    async def run(self) -> None:
        """Watch for as long as this runs."""
        while True:
            await asyncio.sleep(INTERVAL)
            try:
                await self.look()
            except Exception as error:
                self._report(f"The watchdog could not look at the listeners: {error!r}")

    async def look(self) -> None:
        """Look at every listener once."""
        served = list(self._functions)
        self._cases = {
            one.descriptor.name: self._cases.get(one.descriptor.name) or _Case(one) for one in served
        }
        await asyncio.gather(*map(self._look_at, served))

    async def _look_at(self, served: ServedFunction) -> None:
        name, now = served.descriptor.name, self._clock.monotonic()
        case = self._cases[name]
        if case.served is not served:
            case = self._cases[name] = _Case(served)
        trouble = await self._trouble(served, case)
        if trouble is None:
            self._is_fine(served, case, now)
        elif case.is_due(now):
            text = f"{trouble}; its listener was made anew ({counted(case.times, 'time')})"
            self._report(f"{name}: {text}.")
            await self._functions.revive(served, text, STOP_LIMIT)

    def _is_fine(self, served: ServedFunction, case: _Case, now: float) -> None:
        case.suspected = False
        if served.ailment and served.pulses and all(pulse.is_proven for pulse in served.pulses):
            served.ailment = None
            self._report(f"The listener of {served.descriptor.name} goes on again.")
        if case.times and now - case.last > CALM:
            case.times = 0

    async def _trouble(self, served: ServedFunction, case: _Case) -> str | None:
        """Why its listener does not go on."""
        if found := next((pulse.trouble for pulse in served.pulses if pulse.trouble), None):
            return found
        for pulse in served.pulses:
            if demand := pulse.demand():
                return await self._overlooked(case, pulse, demand)
        case.watched = None
        return None

    async def _overlooked(self, case: _Case, pulse: Pulse, demand: Demand) -> str | None:
        """Whether a message waits although its listener has had room, and has taken none, for as long as that."""
        now = self._clock.monotonic()
        if case.watched != (pulse, demand):
            case.watched, case.since = (pulse, demand), now
        if now - case.since < AGE.total_seconds() or demand.store is not self._queues:
            return None
        try:
            async with asyncio.timeout(LOOK_LIMIT):
                first = await self._queues.peek(demand.queue, 1)
        except Exception:
            return None  # that the store fails is told by whoever works with it
        ages = [self._clock.now() - one.visible_at for one in first if one.state == "visible"]
        if not ages or ages[0] < AGE:
            return None
        waited = f"{ages[0].total_seconds():.0f} s"
        return f"a message of '{demand.queue}' has waited for {waited}, with room for it"


class _Case:
    """What the watchdog remembers of one function."""

    def __init__(self, served: ServedFunction) -> None:
        self.served = served
        #: Whether something was wrong at the last look.
        self.suspected = False
        #: How often its listener was made anew, and when it was last.
        self.times = 0
        self.last = 0.0
        #: What its listener has had room for, without taking a message, since when.
        self.watched: tuple[Pulse, Demand] | None = None
        self.since = 0.0

    def is_due(self, now: float) -> bool:
        """Whether something is to be done, now that there is trouble; counts that as done."""
        if not self.suspected:
            self.suspected = True
            return False
        if self.times and now < self.last + PAUSES[min(self.times, len(PAUSES)) - 1]:
            return False
        self.suspected = False
        self.times += 1
        self.last = now
        return True
