"""What triggers are handed of a host: stores by connection, locks, wake-ups, its HTTP front."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..bindings.clock import Clock
from ..bindings.errors import ConfigurationError
from ..bindings.queue import QueueStore
from ..triggers.base import Resources
from ..triggers.wakeups import SchedulerWakeups
from ..triggers.watch import Watch
from .configuration import Configuration
from .storage import EmbeddedStorage

if TYPE_CHECKING:
    from ..triggers.http_front import HttpFront


def make_resources(
    configuration: Configuration,
    storage: EmbeddedStorage,
    wakeups: SchedulerWakeups,
    http: HttpFront,
    clock: Clock,
    report: Callable[[str], None],
) -> Resources:
    """The resources of a host whose storage is open."""
    return Resources(
        root=configuration.root,
        queues=lambda connection: _queues(configuration, storage, connection),
        blobs=lambda connection: storage.blobs,
        tables=lambda connection: storage.tables,
        locks=storage.locks,
        state=storage.state,
        own_queues=storage.queues,
        wakeups=wakeups,
        watch=Watch(),
        http=http,
        clock=clock,
        time_zone=configuration.time_zone,
        report=report,
    )


def _queues(configuration: Configuration, storage: EmbeddedStorage, connection: str) -> QueueStore:
    found = configuration.settings.app.connection(connection)
    if not found.usable:
        message = found.message or f"The connection '{connection}' cannot be used."
        raise ConfigurationError(message, key="connection")
    return storage.aws.queues(found.aws) if found.aws else storage.queues
