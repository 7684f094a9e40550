"""The hosts of a store, by the mark that leases and runs bear of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...bindings.lease import LEASE_PERIOD
from ..runtime import process_exists, runtime_of
from .workbench import Workbench


@dataclass(frozen=True, slots=True)
class KnownHost:
    """A host that has its mark on this machine's store."""

    owner: str
    pid: int
    #: Whether its heart beats.
    alive: bool
    #: None: it serves no HTTP, as a command does that runs a function.
    url: str | None

    def __str__(self) -> str:
        return f"process {self.pid}{'' if self.alive else ', which does not answer'}"


async def known_hosts(workbench: Workbench) -> dict[str, KnownHost]:
    """The hosts of this machine's store by their owner marks."""
    store = workbench.storage.local.store
    rows = await store.read(lambda c: c.execute("SELECT owner, pid, heartbeat FROM hosts").fetchall())
    oldest = store.clock.monotonic() - LEASE_PERIOD.total_seconds()
    found = {}
    for owner, pid, heartbeat in rows:
        runtime = runtime_of(store.folder, owner)
        found[owner] = KnownHost(
            owner, pid, heartbeat >= oldest and process_exists(pid), runtime.url if runtime else None
        )
    return found


def host_document(host: KnownHost | None) -> dict[str, Any] | None:
    """A host as `--json` and the API give it; None for one that is not of this machine's store."""
    return None if host is None else {"pid": host.pid, "url": host.url, "alive": host.alive}
