"""Lines of the log as they are written, by all hosts on the store."""

from __future__ import annotations

import asyncio
from pathlib import Path

from ..logs.log_reader import LogReader
from .feed import Feed

#: Seconds between two looks at the files.
_LOOK = 0.1


class LineSource:
    """Tells events `line`."""

    def __init__(self, folder: Path) -> None:
        self._reader = LogReader(folder)

    @staticmethod
    async def begin(folder: Path) -> LineSource:
        """Tell of what is written from now on."""
        return await asyncio.to_thread(LineSource, folder)

    async def changed(self) -> None:
        """Return when it is worth another look."""
        await asyncio.sleep(_LOOK)

    async def tell(self, feed: Feed) -> None:
        """Tell what is new."""
        for line in await asyncio.to_thread(self._reader.new):
            feed.publish("line", line.document, line)
