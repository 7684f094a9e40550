"""Single requests that come within a few milliseconds, gathered into calls of up to ten."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

#: The most entries of one call, and the most bytes that its messages may have together.
MOST_ENTRIES = 10
MOST_BYTES = 1024 * 1024

#: Seconds for which a request waits for others: about as long as the call itself takes.
LINGER = 0.02

#: Makes one call for all items; gives what went wrong with each, None where nothing did.
Call = Callable[[Sequence[T]], Awaitable[Sequence[Exception | None]]]

_Waiting = tuple[T, "asyncio.Future[None]"]


class Batcher(Generic[T]):
    """Gathers the requests of one kind on one queue. With `in_order` one call follows the other."""

    def __init__(
        self, call: Call[T], *, weigh: Callable[[T], int] = lambda item: 0, in_order: bool = False
    ) -> None:
        self._call = call
        self._weigh = weigh
        self._turn = asyncio.Lock() if in_order else contextlib.nullcontext()
        self._waiting: list[_Waiting[T]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._running: set[asyncio.Task[None]] = set()

    async def put(self, item: T) -> None:
        """Return once it is done; raises what went wrong with this item."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append((item, done))
        if len(self._waiting) >= MOST_ENTRIES:
            self._flush()
        elif self._timer is None:
            self._timer = loop.call_later(LINGER, self._flush)
        await done

    def _flush(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, []
        for batch in self._batches(waiting):
            task = asyncio.get_running_loop().create_task(self._run(batch))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    def _batches(self, waiting: list[_Waiting[T]]) -> Iterator[list[_Waiting[T]]]:
        batch: list[_Waiting[T]] = []
        weight = 0
        for one in waiting:
            weight += self._weigh(one[0])
            if batch and weight > MOST_BYTES:
                yield batch
                batch, weight = [], self._weigh(one[0])
            batch.append(one)
        if batch:
            yield batch

    async def _run(self, batch: list[_Waiting[T]]) -> None:
        try:
            async with self._turn:
                errors = await self._call([item for item, _ in batch])
        except Exception as error:
            errors = [error] * len(batch)
        for (_, done), problem in zip(batch, errors, strict=True):
            if done.done():
                continue  # who asked has gone
            if problem is None:
                done.set_result(None)
            else:
                done.set_exception(problem)
