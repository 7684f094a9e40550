"""How slowly a request may come in: who goes silent, or sends a byte now and then, is not waited for."""

from __future__ import annotations

import asyncio
import math

from aiohttp import StreamReader

from ..bindings.errors import FunchostError

#: Bytes of a body that are worth a second of waiting, as for Azure's host.
LEAST_RATE = 240


class TooSlow(FunchostError):
    """The body came too slowly, or not at all."""


class Pace:
    """The time that one body may still be waited for: used up by waiting, and earned back by what comes."""

    def __init__(self, patience: float) -> None:
        """Never more than `patience` seconds at a time; infinity waits for ever."""
        self._patience = self._left = patience

    async def read(self, content: StreamReader) -> bytes:
        """What has come, waiting for more if need be; empty at the end. Raises `TooSlow`."""
        chunk = content.read_nowait()
        if not chunk and not content.at_eof():
            chunk = await self._wait(content)
        self._left = min(self._patience, self._left + len(chunk) / LEAST_RATE)
        return chunk

    async def _wait(self, content: StreamReader) -> bytes:
        loop = asyncio.get_running_loop()
        began = loop.time()
        limit = asyncio.timeout(None if math.isinf(self._left) else self._left)
        try:
            async with limit:
                return await content.readany()
        except TimeoutError:
            if limit.expired():
                raise TooSlow from None
            raise
        finally:
            self._left -= loop.time() - began
