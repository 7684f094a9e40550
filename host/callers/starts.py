"""Runs that are begun for callers who do not wait, and how many of them a host takes at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from ...bindings.clock import Clock, new_run_id
from ...bindings.queue import QueueStore
from ...triggers.base import Deliver, Outcome, TriggerEvent
from ...triggers.http_async import TooManyStarts
from ...triggers.replies import callback_message
from ..history.recorder import Recorder
from .addresses import checked_url
from .signing import Signing

#: Runs that nobody waits for, and bytes of what they were begun with, that may be in hand.
MOST_RUNS = 1000
MOST_BYTES = 512 * 1024 * 1024

#: Whether a caller with these headers, who shows this key, may have the host call a URL for this function.
Trusts = Callable[[Mapping[str, str], str | None, str], bool]


class StartedRun:
    """A run that goes on whether its caller waits or not."""

    def __init__(self, id: str, outcome: asyncio.Task[Outcome], recorder: Recorder, signing: Signing) -> None:
        self.id = id
        self.outcome = outcome
        self._recorder = recorder
        self._signing = signing

    async def status_path(self) -> str:
        """Where the caller may ask for it. From then on it is known for good. Raises `StoreError`."""
        await self._recorder.keep(self.id)
        return await self._signing.status_path(self.id)


class AsyncStarts:
    """Begins such runs."""

    def __init__(
        self, *, recorder: Recorder, signing: Signing, queues: QueueStore, clock: Clock, trusts: Trusts
    ) -> None:
        """`queues` are those of this machine, where calls of URLs wait."""
        self._recorder = recorder
        self._signing = signing
        self._queues = queues
        self._clock = clock
        self.trusts = trusts
        self._sizes: dict[asyncio.Task[Outcome], int] = {}

    async def begin(
        self, function: str, deliver: Deliver, event: TriggerEvent, callback: str | None = None
    ) -> StartedRun:
        """Begin a run; `callback` is called once it has ended. Raises `TooManyStarts`, `StoreError`, and `BindingError`
        for a URL that cannot be called."""
        size = len(event.body) if isinstance(event.body, bytes) else 0
        if len(self._sizes) >= MOST_RUNS or (self._sizes and sum(self._sizes.values()) + size > MOST_BYTES):
            raise TooManyStarts
        # A run of which its caller could not be told is not begun: he would try again.
        await self._recorder.check()
        event.run_id = new_run_id(self._clock.now())
        if callback is not None:
            # Before the run, so that no end of this host can come between: a run that never was is called for in vain.
            await self._queues.send([callback_message(checked_url(callback), event.run_id)])
        outcome = asyncio.ensure_future(deliver(event))
        assert isinstance(outcome, asyncio.Task)
        self._sizes[outcome] = size
        outcome.add_done_callback(self._over)
        await asyncio.sleep(0)  # it is in hand from its first step on
        return StartedRun(event.run_id, outcome, self._recorder, self._signing)

    def _over(self, outcome: asyncio.Task[Outcome]) -> None:
        del self._sizes[outcome]
        if not outcome.cancelled():
            outcome.exception()  # told by whoever waits, if anybody does
