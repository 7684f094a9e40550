"""Blocking iteration beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

#: Large enough that hopping between threads costs nothing, small enough that nobody waits for a batch.
BATCH = 500


async def in_batches(items: Iterator[T], size: int = BATCH) -> AsyncIterator[list[T]]:
    """Everything that `items` brings, in lists of up to `size`; each list is gathered in a thread."""
    while batch := await asyncio.to_thread(list, islice(items, size)):
        yield batch
