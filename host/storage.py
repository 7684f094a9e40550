"""The host's storage, put together: the embedded store, what connections lead to, and what hosts share."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from ..bindings.clock import Clock, new_id
from ..bindings.embedded_audit import AuditLog
from ..bindings.embedded_history import EmbeddedHistory
from ..bindings.embedded_lease import EmbeddedLeases
from ..bindings.embedded_queue import MAX_BODY, MAX_BODY_BASE64, EmbeddedQueues
from ..bindings.embedded_state import EmbeddedState
from ..bindings.embedded_table import EmbeddedTables
from ..bindings.errors import ConfigurationError, FunchostError, StoreError
from ..bindings.folder_blobs import FolderBlobs
from ..bindings.ordering import DEDUP_WINDOW
from ..bindings.presence import Presence
from ..bindings.queue import QueueStore
from ..bindings.state import StateStore
from ..bindings.storage import ConnectionSettings, Storage
from ..bindings.storages import make_storage
from ..bindings.store import Store
from ..bindings.store_exchange import check_not_held
from ..triggers.locks import Locks
from .config.connection import Connection

S = TypeVar("S")

log = logging.getLogger("funchost.host.storage")

#: Seconds that a start waits for what hosts share, and between two checks of it while it cannot be used.
CHECK_LIMIT = 5.0
CHECK_PAUSE = 10.0

#: Seconds between two sweeps of messages whose time to live is over.
SWEEP_INTERVAL = 60.0


class EmbeddedStorage:
    """Everything on one embedded store. Open it in the event loop; `close` gives back what this host held."""

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        *,
        base64: bool = True,
        dedup_window: timedelta = DEDUP_WINDOW,
        report: Callable[[str], None] = lambda message: None,
    ) -> None:
        check_not_held(folder)
        self._report = report
        #: This process on the store, in leases and in flight.
        self.owner = new_id()
        self.store = Store(folder, clock=clock)
        limit = MAX_BODY_BASE64 if base64 else MAX_BODY
        tested = _faults(report)
        queues = EmbeddedQueues(self.store, self.owner, max_body=limit, dedup_window=dedup_window)
        self.queues = tested("queues", queues)
        self.blobs = tested("blobs", FolderBlobs(folder))
        self.tables = tested("tables", EmbeddedTables(self.store))
        self.state = tested("state", EmbeddedState(self.store, queues))
        self.locks = Locks(tested("leases", EmbeddedLeases(self.store)), self.owner, report=report)
        self.audit = AuditLog(self.store)
        self.history = EmbeddedHistory(self.store, content_folder=folder / "runs")
        self.presence = Presence(self.store, self.owner, report=report)

    async def sweep(self) -> None:
        """Remove messages whose time to live is over, for as long as this runs."""
        while True:
            await asyncio.sleep(SWEEP_INTERVAL)
            try:
                while await self.queues.sweep():
                    pass
            except StoreError as error:
                self._report(str(error))

    async def close(self) -> None:
        """Give back leases and messages, and close the store."""
        await self.locks.stop()
        await self.presence.stop()
        await self.store.close()


def _faults(report: Callable[[str], None]) -> Callable[[str, S], S]:
    """What every store goes through: nothing, unless the environment names faults that a test wants (`faults`)."""
    plan = os.environ.get("FUNCHOST_TEST_FAULTS")
    if not plan:
        return lambda name, store: store
    from .faults import faulty

    report(f"FUNCHOST_TEST_FAULTS is set: the store fails as {plan} says.")
    return partial(faulty, Path(plan))


class Connected:
    """The storages that connections lead to beside the embedded one: one for each that says the same."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._storages: dict[ConnectionSettings, Storage] = {}

    def storage(self, connection: Connection) -> Storage | None:
        """Where the connection leads; None is the embedded store. Raises `ConfigurationError` where it leads nowhere."""
        if not connection.usable:
            message = connection.message or f"The connection '{connection.name}' cannot be used."
            raise ConfigurationError(message, key="connection", fix=connection.fix)
        if connection.settings is None:
            return None
        if connection.settings not in self._storages:
            made = make_storage(connection.kind, connection.settings, self._clock)
            self._storages[connection.settings] = made
        return self._storages[connection.settings]

    def host_storage(self, connection: Connection) -> Storage | None:
        """Where hosts share what they keep, by the host's own connection; None: they do not."""
        storage = self.storage(connection) if connection.usable else None
        return storage if storage and storage.why_no_host_state is None else None

    async def close(self) -> None:
        """Close all of them, as far as each lets itself be closed."""
        await asyncio.gather(
            *(storage.close() for storage in self._storages.values()), return_exceptions=True
        )


class HostStorage:
    """Where a host keeps its own things: what it shares with the other hosts of its app, and what is this machine's.

    They are the same unless the host's own connection leads to a storage that several machines reach.
    """

    def __init__(
        self, local: EmbeddedStorage, shared: Storage | None, app: str, report: Callable[[str], None]
    ) -> None:
        """`app` tells the hosts of one app from those of another, in what is `shared` (None: nothing is)."""
        self.local = local
        self.owner = local.owner
        self._shared = shared
        self._report = report
        self._checking: asyncio.Task[None] | None = None
        #: Why what is shared could not be used at the last check.
        self.trouble: str | None = None
        if shared is None:
            self.state: StateStore = local.state
            self.queues: QueueStore = local.queues
            self.locks = local.locks
        else:
            kept = shared.host_state(app)
            self.state, self.queues = kept.state, kept.queues
            self.locks = Locks(kept.leases, local.owner, report=report)

    async def begin(self) -> None:
        """Check what is shared, and again until it can be used; returns after the first check, or `CHECK_LIMIT`."""
        first = asyncio.create_task(self.check(), name="check what hosts share")
        await asyncio.wait({first}, timeout=CHECK_LIMIT)
        if not first.done() or not first.result():
            self._checking = asyncio.create_task(self._check_until_usable(first))

    async def _check_until_usable(self, first: asyncio.Task[bool]) -> None:
        usable = await first
        while not usable:
            await asyncio.sleep(CHECK_PAUSE)
            usable = await self.check()
        log.info("What hosts share can be used now.")

    async def check(self) -> bool:
        """Whether what is shared can be used now; each reason why not is told once in a row."""
        trouble = None
        if self._shared is not None:
            try:
                await self._shared.check_host_state()
            except Exception as error:
                trouble = str(error) if isinstance(error, FunchostError) else repr(error)
        if trouble and trouble != self.trouble:
            self._report(f"What hosts share cannot be used, which is tried again: {trouble}")
        self.trouble = trouble
        return trouble is None

    async def close(self) -> None:
        """Give back leases and messages, and close the store."""
        if self._checking:
            self._checking.cancel()
        if self.locks is not self.local.locks:
            await self.locks.stop()
        await self.local.close()
