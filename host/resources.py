"""What triggers are handed of a host: stores by connection, locks, wake-ups, its HTTP front."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..bindings.blob import BlobStore
from ..bindings.clock import Clock
from ..bindings.queue import QueueStore
from ..bindings.storage import Storage
from ..bindings.table import TableStore
from ..triggers.base import Resources
from ..triggers.wakeups import SchedulerWakeups
from ..triggers.watch import Watch
from .configuration import Configuration
from .storage import Connected, HostStorage

if TYPE_CHECKING:
    from ..triggers.http_front import HttpFront


def make_resources(
    configuration: Configuration,
    storage: HostStorage,
    connected: Connected,
    wakeups: SchedulerWakeups,
    http: HttpFront,
    clock: Clock,
    report: Callable[[str], None],
) -> Resources:
    """The resources of a host whose storage is open."""
    local = storage.local

    def found(name: str) -> Storage | None:
        return connected.storage(configuration.settings.app.connection(name))

    def found_tables(name: str) -> Storage | None:
        return connected.storage(configuration.settings.app.table_connection(name))

    def place(name: str) -> str | None:
        other = found(name)
        return other.place if other else None

    def queues(name: str) -> QueueStore:
        other = found(name)
        return other.queues() if other else local.queues

    def blobs(name: str) -> BlobStore:
        other = found(name)
        return other.blobs() if other else local.blobs

    def tables(name: str) -> TableStore:
        other = found_tables(name)
        return other.tables() if other else local.tables

    def entities(name: str) -> QueueStore:
        other = found_tables(name)
        return other.queues() if other else local.queues

    return Resources(
        root=configuration.root,
        queues=queues,
        blobs=blobs,
        tables=tables,
        entities=entities,
        locks=storage.locks,
        state=storage.state,
        own_queues=storage.queues,
        wakeups=wakeups,
        watch=Watch(),
        local_locks=local.locks,
        local_state=local.state,
        local_queues=local.queues,
        http=http,
        clock=clock,
        time_zone=configuration.time_zone,
        place=place,
        report=report,
    )
