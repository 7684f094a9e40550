"""What happens, told to everybody who reads along: each has a place in it, and may come back to where he was."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

#: Events that are kept for readers who were cut off, and at most wait for one who reads slowly.
KEPT = 2000


class Event(NamedTuple):
    """One event. `data` is a JSON value."""

    number: int
    name: str
    data: Any
    #: What the data was made of, for whoever chooses by it.
    source: Any = None


#: Whether a reader is to be told of an event.
Wants = Callable[[Event], bool]


class Feed:
    """Events in their order. `mark` tells this feed's event ids from those of any other, such as a host's of before."""

    def __init__(self, mark: str) -> None:
        self._mark = mark
        self._last = 0
        self._kept: deque[Event] = deque(maxlen=KEPT)
        self._readings: set[Reading] = set()

    @property
    def is_read(self) -> bool:
        """Whether anybody reads along."""
        return bool(self._readings)

    def publish(self, name: str, data: Any, source: Any = None) -> None:
        """Tell of something."""
        self._last += 1
        event = Event(self._last, name, data, source)
        self._kept.append(event)
        for reading in tuple(self._readings):
            reading.offer(event)

    def read(self, wants: Wants, after: str | None = None) -> Reading:
        """Begin to read with what comes next, or with what came `after` the event of that id.

        Where that is no longer known an event `gap` comes first: what happened since must be asked for otherwise.
        """
        reading = Reading(self, wants)
        if after is not None:
            self._catch_up(reading, after)
        self._readings.add(reading)
        return reading

    def close(self, reading: Reading) -> None:
        """The reader has gone."""
        self._readings.discard(reading)

    def id_of(self, number: int) -> str:
        """The id by which a reader names an event."""
        return f"{self._mark}-{number}"

    @property
    def last_id(self) -> str:
        """The id of the last event, whoever was told of it."""
        return self.id_of(self._last)

    def _catch_up(self, reading: Reading, after: str) -> None:
        mark, _, number = after.rpartition("-")
        known = mark == self._mark and number.isascii() and number.isdecimal() and len(number) < 19
        position = int(number) if known else -1
        first = self._kept[0].number if self._kept else self._last + 1
        if not first - 1 <= position <= self._last:
            reading.offer_always(Event(self._last, "gap", {"after": after[:100]}))
            return
        for event in self._kept:
            if event.number > position:
                reading.offer(event)


class Reading:
    """One reader's place in a feed."""

    def __init__(self, feed: Feed, wants: Wants) -> None:
        self.feed = feed
        self._wants = wants
        self._waiting: deque[Event] = deque()
        self._woken = asyncio.Event()
        #: Whether more came than the reader took: what he has not had he can come back for.
        self.overrun = False

    def offer(self, event: Event) -> None:
        """Have the reader told, if he wants that."""
        if self._wants(event):
            self.offer_always(event)

    def offer_always(self, event: Event) -> None:
        """Have the reader told."""
        if len(self._waiting) >= KEPT:
            self.overrun = True
        else:
            self._waiting.append(event)
        self._woken.set()

    async def next(self, patience: float) -> list[Event]:
        """What has come, waiting for so many seconds; empty where nothing did."""
        if not self._waiting:
            self._woken.clear()
            try:
                async with asyncio.timeout(patience):
                    await self._woken.wait()
            except TimeoutError:
                return []
        found = list(self._waiting)
        self._waiting.clear()
        return found

    def close(self) -> None:
        """Read no more."""
        self.feed.close(self)
