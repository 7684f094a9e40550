"""How commands come at an app: its store, its functions without serving them, or a running host.

The store and the functions may be looked at beside running hosts; so are messages sent.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from ...bindings.aws.stores import AwsStores
from ...bindings.clock import SystemClock
from ...bindings.errors import ConfigurationError
from ...bindings.memory_queues import MemoryQueues
from ..config.settings import Settings
from ..keys import MASTER, MASTER_RING, Keys
from ..logs.log import Log
from ..runtime import running_hosts
from ..storage import EmbeddedStorage
from .main import run_async
from .options import App

if TYPE_CHECKING:
    from ...bindings.queue import QueueStore
    from ..host import Host
    from .client import HostClient


@asynccontextmanager
async def opened_store(app: App) -> AsyncIterator[EmbeddedStorage]:
    """The app's store. Nothing is received through it, so that this process need not count as a host."""
    app.check()
    queues = Settings.load(app.root, os.environ).host_json.extensions.queues
    storage = EmbeddedStorage(app.store_folder, SystemClock(), base64=queues.messageEncoding == "base64")
    try:
        yield storage
    finally:
        await storage.close()


@asynccontextmanager
async def opened_queues(app: App, connection: str | None, *, make: bool = True) -> AsyncIterator[QueueStore]:
    """The queues that functions with this connection have; None is the app's own storage. Unless it is to `make`
    the store, one that is not there is empty. Raises `ConfigurationError` for a connection that cannot be used."""
    app.check()
    found = Settings.load(app.root, os.environ).app.connection(connection or "")
    if connection and not found.usable:
        raise ConfigurationError(found.message or f"The connection '{connection}' cannot be used.")
    if found.aws is None and not make and not app.store_folder.exists():
        yield MemoryQueues()
        return
    if found.aws is None:
        async with opened_store(app) as storage:
            yield storage.queues
        return
    stores = AwsStores(SystemClock())
    try:
        yield stores.queues(found.aws)
    finally:
        stores.close()


@asynccontextmanager
async def inspected(app: App) -> AsyncIterator[Host]:
    """The app's functions as a host would find them; no code is loaded."""
    from ..configuration import HostOptions, Mode
    from ..host import Host  # half a second that other commands need not wait

    log = Log(sys.stderr, "plain", "warning")
    host = Host(HostOptions(root=app.root, store=app.store, mode=Mode.INSPECT), log)
    try:
        host.prepare()
        await host.open()
        try:
            yield host
        finally:
            await host.stop(timedelta(seconds=1))
    finally:
        log.close()


async def function_names(app: App) -> list[str]:
    """The names of all functions of the app, those in error included."""
    from ..configuration import Configuration, HostOptions

    found = Configuration(HostOptions(root=app.root, store=app.store)).finder.find()
    if found.script is not None:
        async with inspected(app) as host:
            return [status.name for status in host.functions.status()]
    broken = {problem.function for problem in found.problems if problem.function}
    return sorted(broken | {function.name for function in found.functions})


def hosts_of(app: App) -> list[HostClient]:
    """The hosts that serve this app from this store, the one that started last first."""
    app.check()
    root = str(app.root.resolve())
    runtimes = [runtime for runtime in running_hosts(app.store_folder) if runtime.root == root]
    if not runtimes:
        return []
    from .client import HostClient

    return [HostClient(runtime, lambda: master_key(app)) for runtime in reversed(runtimes)]


def master_key(app: App) -> str | None:
    """The key that opens everything, as the store has it."""

    async def read() -> str | None:
        async with opened_store(app) as storage:
            keys = Keys(storage.state)
            await keys.load()
            key = keys.get(MASTER_RING, MASTER)
            return key.value if key else None

    found: str | None = run_async(read)
    return found
