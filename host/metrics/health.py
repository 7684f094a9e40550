"""Whether a host is ready: that it takes work, that its storage answers, that each listener is up; and why not."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...bindings.errors import FunchostError

if TYPE_CHECKING:
    from ..host import Host

#: Seconds that a storage has to answer, and for which the answer of one elsewhere holds.
LIMIT = 3.0
FRESH = 5.0

_RUNNING = "Running"
_NOT_LISTENING = "not listening"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that has to be so, for the host to be ready."""

    #: ``host``, ``workers``, ``storage``, ``shared storage``, ``function:Name``.
    name: str
    #: Why it is not so; None: it is.
    trouble: str | None = None


class Health:
    """The health of one host. Asked often, so what costs requests elsewhere is remembered for a while."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._shared: Check | None = None
        self._asked = 0.0

    async def checks(self) -> list[Check]:
        """All of them, whichever way they go."""
        host = self._host
        if not host.is_open:
            return [Check("host", _unready(host.state))]
        drains = "it drains: nothing new is taken but HTTP requests" if host.availability.draining else None
        state = None if host.state == _RUNNING else _unready(host.state)
        found = [Check("host", state or drains), Check("workers", self._workers())]
        found += await asyncio.gather(self._local_storage(), self._shared_storage())
        return found if state or drains else [*found, *self._functions()]

    def _workers(self) -> str | None:
        if len(self._host.functions) and not self._host.pool.pids:
            return "no worker is alive; one is being started"
        return None

    async def _local_storage(self) -> Check:
        store = self._host.storage.local.store
        # A transaction that changes nothing: the disk has no work with it, and it waits for its turn as any other.
        return Check("storage", await _trouble(lambda: store.write(_look)))

    async def _shared_storage(self) -> Check:
        storage = self._host.storage
        now = asyncio.get_running_loop().time()
        if self._shared is None or now - self._asked >= FRESH:
            trouble = await _trouble(storage.check)
            self._shared, self._asked = Check("shared storage", trouble or storage.trouble), now
        return self._shared

    def _functions(self) -> list[Check]:
        """The listeners that ought to be up. What is disabled, paused or in error is not waited for: what is
        wrong with one function must not take the others out of service."""
        found = []
        for status in (served.status for served in self._host.functions):
            is_down = status.waits or status.state.startswith(_NOT_LISTENING)
            if is_down or status.state.startswith("listening"):
                found.append(Check(f"function:{status.name}", status.state if is_down else None))
        return found


def _look(connection: sqlite3.Connection) -> object:
    return connection.execute("SELECT bytes FROM history").fetchone()


async def _trouble(ask: Callable[[], Awaitable[object]]) -> str | None:
    try:
        async with asyncio.timeout(LIMIT):
            await ask()
    except TimeoutError:
        return f"there was no answer in {LIMIT:g} s"
    except FunchostError as error:
        return str(error)
    return None


def _unready(state: str) -> str:
    return f"it is {state.lower() if state != 'Default' else 'starting'}"
