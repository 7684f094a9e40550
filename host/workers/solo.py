"""The worker for suspects: invocations that may have ended another worker, one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from .call import Call, Result, WorkerLost
from .worker_process import WorkerProcess

#: How long it is kept without work, in seconds.
SOLO_IDLE = 10.0


class Solo:
    """A worker with never more than one invocation in it; made when it is needed."""

    def __init__(self, make: Callable[[], Awaitable[WorkerProcess]]) -> None:
        self._make = make
        self._turn = asyncio.Lock()
        self._worker: WorkerProcess | None = None
        self._closing: asyncio.TimerHandle | None = None
        self._stopped = False

    async def invoke(self, call: Call) -> Result:
        """Run an invocation when its turn comes."""
        async with self._turn:
            if self._stopped:
                raise WorkerLost("the host is stopping", guilty=False, stopped=True)
            if self._closing:
                self._closing.cancel()
            if self._worker is None or not self._worker.alive:
                self._worker = await self._make()
            try:
                return await self._worker.invoke(call)
            except asyncio.CancelledError:
                # It may go on in there, and the next must be alone.
                self._worker.kill()
                raise
            finally:
                self._closing = asyncio.get_running_loop().call_later(SOLO_IDLE, self._worker.kill)

    async def drain(self) -> None:
        """Let those that wait have their turn, then end the worker."""
        async with self._turn:
            await self.stop()

    async def stop(self) -> None:
        """End the worker now."""
        self._stopped = True
        if self._closing:
            self._closing.cancel()
        if self._worker:
            await self._worker.stop()
