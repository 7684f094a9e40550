"""What is told while it happens: one look at it serves all who read along, and nobody looks while nobody reads."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from ...bindings.clock import new_id
from ...bindings.errors import FunchostError
from .feed import Feed, Reading, Wants

log = logging.getLogger("funchost.host.admin")

#: Seconds between two looks while much happens, and after a look that failed.
PAUSE = 0.1
AFTER_FAILURE = 1.0

#: Seconds for which what happens is still noted when the last reader has gone: he may come back.
LINGER = 120.0


Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[Any]]


class Source(Protocol):
    """Where it is seen what happens."""

    async def changed(self) -> None:
        """Return when there may be something new."""

    async def tell(self, feed: Feed) -> None:
        """Publish what is new since the last time."""


class Live:
    """The feed of one source, for as long as somebody reads it."""

    def __init__(self, begin: Callable[[], Awaitable[Source]], spawn: Spawn = asyncio.create_task) -> None:
        """`begin` gives a source that tells of what happens from then on; `spawn` begins a task."""
        self._begin = begin
        self._spawn = spawn
        self._beginning = asyncio.Lock()
        self._feed: Feed | None = None

    async def read(self, wants: Wants, after: str | None = None) -> Reading:
        """Read what happens from now on, or what has happened `after` the event of that id."""
        async with self._beginning:
            if self._feed is None:
                source = await self._begin()
                self._feed = Feed(new_id().replace("-", ""))
                self._spawn(self._follow(self._feed, source))
            return self._feed.read(wants, after)

    async def _follow(self, feed: Feed, source: Source) -> None:
        loop = asyncio.get_running_loop()
        read_last = loop.time()
        try:
            while feed.is_read or loop.time() < read_last + LINGER:
                read_last = loop.time() if feed.is_read else read_last
                try:
                    async with asyncio.timeout(1):
                        await source.changed()
                except TimeoutError:
                    continue
                await asyncio.sleep(await _told(feed, source))
        finally:
            self._feed = None


async def _told(feed: Feed, source: Source) -> float:
    """Have it told what is new; returns how long to wait until the next time."""
    try:
        await source.tell(feed)
    except (FunchostError, OSError) as error:
        log.warning("What happens cannot be told to those who read along, which is tried again: %s", error)
        return AFTER_FAILURE
    return PAUSE
