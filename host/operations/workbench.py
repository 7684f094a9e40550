"""What operations work on: the stores of an app, opened by a running host or by a command beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...bindings.blob import BlobStore
from ...bindings.clock import Clock
from ...bindings.history import HistoryStore
from ...bindings.queue import QueueStore
from ..storage import HostStorage


@dataclass(frozen=True, slots=True, kw_only=True)
class Workbench:
    """The stores of an app, and who is at work on them. Nothing here needs a host that runs."""

    storage: HostStorage
    #: By the name of a connection; the empty name is the app's own storage. Raise `ConfigurationError`.
    queues: Callable[[str], QueueStore]
    blobs: Callable[[str], BlobStore]
    clock: Clock
    #: Who acts, as the audit names him: ``cli:anna``, ``api:127.0.0.1``.
    who: str

    @property
    def history(self) -> HistoryStore:
        """The runs of this machine's hosts."""
        return self.storage.local.history

    async def note(self, action: str, target: str, **detail: Any) -> None:
        """Write down an action that changes something, such as ``queues.clear``."""
        await self.storage.local.audit.add(self.who, action, target, detail)
