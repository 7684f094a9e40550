"""How commands come at an app: its store, its functions without serving them, or a running host.

The store and the functions may be looked at beside running hosts; so are messages sent.
"""

from __future__ import annotations

import getpass
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ...bindings.clock import SystemClock
from ...bindings.errors import ConfigurationError, NotFound
from ...bindings.memory_queues import MemoryQueues
from ...triggers.descriptor import Problem
from ..config.host_id import shared_name
from ..config.settings import Settings
from ..config.vocabulary import nearest
from ..keys import MASTER, MASTER_RING, Keys
from ..logs.log import Log
from ..operations.workbench import Workbench
from ..runtime import running_hosts
from ..storage import Connected, EmbeddedStorage, HostStorage
from .main import run_async
from .options import App
from .output import show_problems, talk

if TYPE_CHECKING:
    from ...bindings.blob import BlobStore
    from ...bindings.queue import QueueStore
    from ..host import Host
    from .client import HostClient


def settings_of(app: App) -> Settings:
    """The settings of the app; connections lead to the emulator where a host that runs has one."""
    return Settings.load(app.root, os.environ, _emulator_of(app))


def _emulator_of(app: App) -> str | None:
    """The emulator of the host that runs, if it has one."""
    hosts = running_hosts(app.store_folder)
    return hosts[-1].emulator if hosts else None


@asynccontextmanager
async def opened_store(app: App) -> AsyncIterator[HostStorage]:
    """The storage of the app's hosts. Nothing is received through it, so that this process need not count as one."""
    app.check()
    settings = settings_of(app)
    queues = settings.host_json.extensions.queues
    local = EmbeddedStorage(
        app.store_folder,
        SystemClock(),
        base64=queues.messageEncoding == "base64",
        dedup_window=queues.dedupWindow,
    )
    connected = Connected(SystemClock())
    shared = connected.host_storage(settings.app.connection(""))
    storage = HostStorage(local, shared, shared_name(settings.app), report=talk)
    try:
        yield storage
    finally:
        await storage.close()
        await connected.close()


@asynccontextmanager
async def opened_queues(app: App, connection: str | None, *, make: bool = True) -> AsyncIterator[QueueStore]:
    """The queues that functions with this connection have; None is the app's own storage. Unless it is to `make`
    the store, one that is not there is empty. Raises `ConfigurationError` for a connection that cannot be used."""
    app.check()
    connected = Connected(SystemClock())
    try:
        found = settings_of(app).app.connection(connection or "")
        other = connected.storage(found) if connection or found.usable else None
        if other:
            yield other.queues()
        elif make or app.store_folder.exists():
            async with opened_store(app) as storage:
                yield storage.local.queues
        else:
            yield MemoryQueues()
    finally:
        await connected.close()


@asynccontextmanager
async def opened_workbench(app: App) -> AsyncIterator[Workbench]:
    """The stores of the app, for operations beside running hosts. Makes the store where there is none."""
    settings = settings_of(app).app
    connected = Connected(SystemClock())

    async with opened_store(app) as storage:

        def queues(connection: str) -> QueueStore:
            other = connected.storage(settings.connection(connection))
            return other.queues() if other else storage.local.queues

        def blobs(connection: str) -> BlobStore:
            other = connected.storage(settings.connection(connection))
            return other.blobs() if other else storage.local.blobs

        try:
            yield Workbench(
                storage=storage,
                queues=queues,
                blobs=blobs,
                clock=SystemClock(),
                who=f"cli:{_user_name()}",
            )
        finally:
            await connected.close()


def workbench_of(host: Host) -> Workbench:
    """The stores of a host that this command has opened for itself."""
    resources = host.resources
    return Workbench(
        storage=host.storage,
        queues=resources.queues,
        blobs=resources.blobs,
        clock=resources.clock,
        who=f"cli:{_user_name()}",
    )


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "?"  # a container may know no name for its user


@asynccontextmanager
async def inspected(app: App) -> AsyncIterator[Host]:
    """The app's functions as a host would find them; none is loaded. No store is made where there is none."""
    from ..configuration import HostOptions, Mode
    from ..host import Host  # half a second that other commands need not wait

    log = Log(sys.stderr, "plain", "warning")
    try:
        with _store_to_look_at(app) as store:
            options = HostOptions(root=app.root, store=store, mode=Mode.INSPECT, emulator=_emulator_of(app))
            host = Host(options, log)
            host.prepare()
            await host.open()
            try:
                yield host
            finally:
                await host.stop(timedelta(seconds=1))
    finally:
        log.close()


@contextmanager
def _store_to_look_at(app: App) -> Iterator[Path]:
    if app.store_folder.exists():
        yield app.store_folder
        return
    with tempfile.TemporaryDirectory(prefix="funchost-") as folder:
        yield Path(folder)


def hiding(host: Host) -> list[Problem]:
    """The problems for which the app may have more functions than are known."""
    settings = host.configuration.settings.problems
    return [problem for problem in app_errors(host.problems) if problem not in settings]


def app_errors(problems: Iterable[Problem]) -> list[Problem]:
    """Those that take more out of service than one function."""
    return [problem for problem in problems if problem.function is None and problem.severity == "error"]


async def check_function(app: App, name: str) -> None:
    """Raise `NotFound` unless the app has that function; it may be in error.

    Where the app cannot be read that is shown, and `ConfigurationError` is raised.
    """
    known, hidden = await _known(app)
    if name.lower() in (each.lower() for each in known):
        return
    if hidden:
        show_problems(hidden)
        raise ConfigurationError(f"Whether there is a function '{name}' shows once the app can be read.")
    near = nearest(name, known)
    hint = f" Did you mean {near}?" if near else f" There are: {', '.join(known)}." if known else ""
    raise NotFound(f"There is no function '{name}' in {app.root.resolve()}.{hint}")


async def _known(app: App) -> tuple[list[str], list[Problem]]:
    """The names of all functions of the app, those in error included, and what may hide others."""
    from ..configuration import Configuration, HostOptions

    found = Configuration(HostOptions(root=app.root, store=app.store)).finder.find()
    if found.script is not None:
        async with inspected(app) as host:
            return [status.name for status in host.functions.status()], hiding(host)
    broken = {problem.function for problem in found.problems if problem.function}
    names = sorted(broken | {function.name for function in found.functions})
    return names, app_errors(found.problems)


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
