"""The host's storage, put together: the embedded store with its queues, blobs, tables, leases and state, and what
connections to AWS lead to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from ..bindings.aws.stores import AwsStores
from ..bindings.clock import Clock, new_id
from ..bindings.embedded_lease import EmbeddedLeases
from ..bindings.embedded_queue import MAX_BODY, MAX_BODY_BASE64, EmbeddedQueues
from ..bindings.embedded_state import EmbeddedState
from ..bindings.embedded_table import EmbeddedTables
from ..bindings.errors import StoreError
from ..bindings.folder_blobs import FolderBlobs
from ..bindings.presence import Presence
from ..bindings.store import Store
from ..triggers.locks import Locks

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
        report: Callable[[str], None] = lambda message: None,
    ) -> None:
        self._report = report
        #: This process on the store, in leases and in flight.
        self.owner = new_id()
        self.store = Store(folder, clock=clock)
        limit = MAX_BODY_BASE64 if base64 else MAX_BODY
        self.queues = EmbeddedQueues(self.store, self.owner, max_body=limit)
        self.blobs = FolderBlobs(folder)
        self.tables = EmbeddedTables(self.store)
        self.state = EmbeddedState(self.store, self.queues)
        self.locks = Locks(EmbeddedLeases(self.store), self.owner, report=report)
        #: What named connections lead to beside it.
        self.aws = AwsStores(clock)
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
        """Give back leases and messages, and close the store and all connections."""
        self.aws.close()
        await self.locks.stop()
        await self.presence.stop()
        await self.store.close()
