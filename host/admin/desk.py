"""What the calls of the admin API share: the host, what goes on after an answer, and who reads along."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..logs.log_files import LOGS
from ..operations.workbench import Workbench
from .live import Live
from .live_logs import LineSource
from .live_runs import RunSource

if TYPE_CHECKING:
    from ..host import Host


class Desk:
    """One for each host."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._tasks: set[asyncio.Task[Any]] = set()
        #: Those of them that end when the host begins to stop, and who sees to that.
        self._mortal: set[asyncio.Task[Any]] = set()
        self._watching: asyncio.Task[None] | None = None
        #: How many answers are streams that have not ended.
        self.streams = 0
        #: Held while the app is examined.
        self.examining = asyncio.Lock()
        #: Bulk replays that this host is at, by their ids.
        self.replays: dict[str, asyncio.Task[Any]] = {}

    @property
    def body_limit(self) -> int:
        """Bytes that a body may have which is content, as for functions."""
        front = self.host.resources.http
        assert front is not None, "who is asked over HTTP serves it"
        return front.options.body_limit

    @functools.cached_property
    def live_runs(self) -> Live:
        """What becomes of runs, told while it happens."""
        local = self.host.storage.local
        changed = asyncio.Event()
        local.store.subscribe("runs", changed.set)
        return Live(lambda: RunSource(local.history, local.store, changed).begin(), self.begin_until_stop)

    @functools.cached_property
    def live_logs(self) -> Live:
        """Lines of the log, told as they are written."""
        return Live(lambda: LineSource.begin(self.logs_folder), self.begin_until_stop)

    @property
    def logs_folder(self) -> Path:
        """Where the hosts of the store keep their logs."""
        return self.host.storage.local.store.folder / LOGS

    def begin(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Have something done that no caller has to stay for."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def begin_until_stop(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """As `begin`, for what is broken off when the host begins to stop."""
        task = self.begin(work)
        self._mortal.add(task)
        task.add_done_callback(self._mortal.discard)
        if self._watching is None:
            self._watching = self.begin(self._end_with_host())
        return task

    async def _end_with_host(self) -> None:
        await self.host.resources.stopping.wait()
        for task in self._mortal:
            task.cancel()

    def workbench(self, who: str) -> Workbench:
        """The stores of the open host, for operations that `who` asks for."""
        resources = self.host.resources
        return Workbench(
            storage=self.host.storage,
            queues=resources.queues,
            blobs=resources.blobs,
            clock=resources.clock,
            who=who,
        )
