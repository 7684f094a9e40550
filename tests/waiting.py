"""Waiting for what nobody tells of, with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Return once `condition` holds. Raises `TimeoutError` when it does not in time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - nobody else tells
            await asyncio.sleep(0.001)
