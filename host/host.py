"""The host: puts storage, workers, functions and the HTTP front together, and takes them down in reverse."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import ipaddress
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ..bindings.clock import Clock, SystemClock
from ..bindings.errors import ConfigurationError, FunchostError, StoreError
from ..bindings.queue import QueueStore
from ..triggers.base import ErrorInfo, Resources
from ..triggers.descriptor import FunctionDescriptor, Problem
from ..triggers.registry import TRIGGER_TYPES
from ..triggers.wakeups import SchedulerWakeups
from ..triggers.watch import Watch
from .discovery import Discovery, discover
from .executor import Executor
from .functions import Functions
from .keys import Keys
from .log import Log
from .log_levels import LogLevels
from .observers import LogObserver
from .pool import Pool
from .reload import CodeWatch
from .restart import settled_at_start, waiting_for_restart
from .runtime import STORE_FOLDER, Runtime, RuntimeFile
from .settings import Settings, whole_number
from .storage import EmbeddedStorage
from .worker_process import WorkerSettings, default_python

if TYPE_CHECKING:
    from ..triggers.http_front import HttpFront

#: Seconds between two sweeps of messages whose time to live is over.
SWEEP_INTERVAL = 60.0

#: How long what was interrupted by the end of the drain time may take to be given back, in seconds.
SETTLE_TIMEOUT = 5.0

#: The port of Azure's own tools.
DEFAULT_PORT = 7071

#: The most worker processes (Azure's bound).
MOST_WORKERS = 10


class Mode(enum.Enum):
    """How much of a host is wanted."""

    SERVE = "serve"
    #: Functions can be run by hand; nothing listens, and no HTTP is served.
    RUN = "run"
    #: Only to look at functions and storage: no code is loaded.
    INSPECT = "inspect"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostOptions:
    """What the command line says."""

    root: Path
    address: str | None = None
    port: int | None = None
    functions: frozenset[str] | None = None
    watch: bool = True
    workers: int | None = None
    #: None: off on a loopback address, on elsewhere.
    auth: bool | None = None
    cors: str | None = None
    cors_credentials: bool | None = None
    drain_timeout: timedelta = timedelta(seconds=10)
    store: Path | None = None
    python: Path | None = None
    mode: Mode = Mode.SERVE
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


class Host:
    """One host. `prepare` reads, `open` readies, `serve` serves, `stop` ends; `reload` takes a changed app in."""

    def __init__(self, options: HostOptions, log: Log, *, clock: Clock | None = None) -> None:
        self.options = options
        self.root = options.root.resolve()
        self.store_folder = (options.store or self.root / STORE_FOLDER).resolve()
        self.pid = os.getpid()
        self.owner = ""
        self.url = ""
        self.state = "Default"
        self.problems: list[Problem] = []
        #: Told of each further problem that a reload brings.
        self.on_problems: Callable[[list[Problem]], None] = lambda problems: None
        self._clock = clock or SystemClock()
        self._log = log
        self._tasks: set[asyncio.Task[None]] = set()
        self._reloading = asyncio.Lock()
        self._code_watch: CodeWatch | None = None
        self._runtime_file: RuntimeFile | None = None
        self._storage: EmbeddedStorage | None = None
        self._functions: Functions | None = None
        self.front: HttpFront | None = None

    # -- beginning

    def prepare(self) -> list[Problem]:
        """Read settings and functions; returns all that should be mended. Raises for a root that is none."""
        if not self.root.is_dir():
            raise ConfigurationError(f"The app root {self.root} is no folder. Name one with --root.")
        self.settings = Settings.load(self.root, self._environ())
        self._settled = settled_at_start(self.settings)
        self.discovery = self._discover()
        self.problems = [*self.settings.problems, *self.discovery.problems]
        self.auth = self._wants_auth()
        return self.problems

    async def open(self) -> None:
        """Open the store and the port, load the code, make the triggers. Afterwards all problems are known.

        Raises `StoreError`, `OSError` for a port that is taken, `WorkerStartError`.
        """
        self.state = "Starting"
        self._observer = LogObserver(self._log, LogLevels(self.settings.host_json.logging.logLevel))
        settings = self._worker_settings(self.discovery)
        self.pool = Pool(settings, self._worker_count(), self._observer.worker_said, self._report)
        # The workers start and load while the store is opened.
        loading = asyncio.create_task(self._load())
        try:
            await self._open_storage()
            await self._open_front()
            errors = await loading
        except BaseException:
            loading.cancel()
            await asyncio.gather(loading, return_exceptions=True)
            await self.stop(timedelta(0))
            raise
        self.executor = Executor(self.pool, self.resources, self._observer)
        self._functions = Functions(self.executor, self.resources, listen=self.options.mode is Mode.SERVE)
        self.problems += self._arrange(self.discovery, errors)

    async def serve(self) -> None:
        """Start the listeners and answer requests."""
        await self.functions.listen()
        if self.front:
            self.front.set_ready(True)
            self._announce()
        self._spawn(self._sweep())
        if self._should_watch():
            await self._watch_code()
        self.state = "Running"

    async def _load(self) -> dict[str, ErrorInfo]:
        if self.options.mode is Mode.INSPECT:
            return {}
        return await self.pool.load(self.discovery.functions)

    async def _open_storage(self) -> None:
        base64 = self.settings.host_json.extensions.queues.messageEncoding == "base64"
        self._storage = EmbeddedStorage(self.store_folder, self._clock, base64=base64, report=self._report)
        self.owner = self.storage.owner
        await self.storage.presence.start()
        self.keys = Keys(self.storage.state)
        await self.keys.load()
        self.wakeups = SchedulerWakeups(self._clock)
        await self.wakeups.start()
        self.watch = Watch()
        zone = self.settings.app.get("WEBSITE_TIME_ZONE") or self.settings.app.get("TZ") or "UTC"
        storage = self._storage
        from .http_service import make_front  # not before the workers are on their way

        # Also where nothing listens: an HTTP function that is run by hand still has its route.
        self._http = make_front(self)
        self.resources = Resources(
            root=self.root,
            queues=self._queues,
            blobs=lambda connection: storage.blobs,
            locks=storage.locks,
            state=storage.state,
            wakeups=self.wakeups,
            watch=self.watch,
            http=self._http,
            clock=self._clock,
            time_zone=zone.removeprefix(":"),
            report=self._report,
        )

    async def _open_front(self) -> None:
        if self.options.mode is not Mode.SERVE:
            return
        port = await self._http.start(self.address, self.wanted_port)
        self.front = self._http
        self.url = f"http://{_shown(self.address)}:{port}"

    def _arrange(self, discovery: Discovery, errors: Mapping[str, ErrorInfo]) -> list[Problem]:
        """Have the functions served; returns further problems that this brings."""
        found = self.functions.arrange(
            discovery.functions, discovery.problems, errors, still_served=self.pool.serves
        )
        return [*found, *(_load_problem(name, error) for name, error in errors.items())]

    def _announce(self) -> None:
        self._runtime_file = RuntimeFile(self.store_folder, self.owner)
        self._runtime_file.write(
            Runtime(
                pid=self.pid,
                url=self.url,
                version=self.version,
                root=str(self.root),
                functions=[served.descriptor.name for served in self.functions],
                started=self._clock.now().isoformat(),
            )
        )

    # -- reload

    async def reload(self) -> None:
        """Bring the app as it is now into service; what cannot be served goes on as it was."""
        async with self._reloading:
            settings = Settings.load(self.root, self._environ())
            if any(problem.severity == "error" for problem in settings.problems):
                self._tell([*settings.problems, *self.discovery.problems])
                self._report("The settings cannot be used as they are; the host goes on with those before.")
                return
            self.settings = settings
            self._observer.levels = LogLevels(settings.host_json.logging.logLevel)
            before = self.functions.outdated
            found = await self._bring_in(self.functions.without_refused(self._discover()))
            waiting = waiting_for_restart(self._settled, settled_at_start(settings))
            self._tell([*settings.problems, *waiting, *self.discovery.problems, *found])
            kept = [name for name in self.functions.outdated if name not in before]
            if kept:
                self._report(f"The last good version goes on for: {', '.join(kept)}.")
            self._log.say("info", f"Reloaded: {len(self.functions)} functions.")

    async def _bring_in(self, discovery: Discovery) -> list[Problem]:
        broken = {problem.function for problem in discovery.problems if problem.function}
        settings = self._worker_settings(discovery)
        errors = await self.pool.load(discovery.functions, settings, keep=broken)
        self.discovery = discovery
        found = self._arrange(discovery, errors)
        await self.functions.listen()
        self._announce()
        return found

    def _tell(self, problems: list[Problem]) -> None:
        """Take down what is to be mended now, and show what was not shown before."""
        known, self.problems = set(self.problems), problems
        self.on_problems([problem for problem in problems if problem not in known])

    # -- stop

    async def stop(self, drain: timedelta | None = None) -> None:
        """Take nothing new, let what runs finish within the drain time, give the rest back, release leases."""
        self.state = "Stopping"
        grace = (self.options.drain_timeout if drain is None else drain).total_seconds()
        if self._code_watch:
            await self._code_watch.stop()
        for task in self._tasks:
            task.cancel()
        ending = asyncio.create_task(self._take_nothing_new(grace))
        done, _ = await asyncio.wait({ending}, timeout=grace)
        if not done:
            self._log.say("warning", f"What still runs after {grace:g} s is interrupted and given back.")
        # Ends what is in flight; its listeners then give it back without an attempt being used.
        await self.pool.stop()
        await asyncio.wait({ending}, timeout=SETTLE_TIMEOUT)
        if ending.done() and (error := ending.exception()):
            self._report(f"Not everything stopped as it should: {error}")
        await self._close()
        self.state = "Stopped"

    def abandon(self) -> None:
        """End at once: workers are killed, and what was in flight is given back by whoever notices."""
        self.pool.kill()
        if self._runtime_file:
            self._runtime_file.remove()

    async def _take_nothing_new(self, grace: float) -> None:
        await asyncio.gather(self._stop_front(grace), self._stop_listeners())

    async def _stop_listeners(self) -> None:
        if self._functions:
            self.executor.stopping.set()
            await self._functions.stop()

    async def _stop_front(self, grace: float) -> None:
        if self.front:
            await self.front.stop(grace)

    async def _close(self) -> None:
        if self._runtime_file:
            self._runtime_file.remove()
        if self._storage:
            await self.wakeups.stop()
            await self._storage.close()

    # -- what parts of the host ask for

    @property
    def version(self) -> str:
        """The version of this package."""
        from importlib.metadata import version  # 20 ms of import, not needed to answer requests

        return version("funchost")

    @property
    def storage(self) -> EmbeddedStorage:
        """The open storage."""
        assert self._storage is not None, "the host is not open"
        return self._storage

    @property
    def functions(self) -> Functions:
        """The functions in service."""
        assert self._functions is not None, "the host is not open"
        return self._functions

    def authorize(self, key: str | None, level: str, function: str) -> bool:
        """Whether a key (or none) opens what asks for `level`; everything is open where keys are not asked for."""
        return not self.auth or self.keys.authorize(key, level, function)

    def _queues(self, connection: str) -> QueueStore:
        found = self.settings.app.connection(connection)
        if not found.usable:
            raise ConfigurationError(
                found.message or f"The connection '{connection}' cannot be used.", key="connection"
            )
        return self.storage.queues

    def _report(self, message: str) -> None:
        self._log.say("warning", message)

    # -- options

    def _environ(self) -> dict[str, str]:
        defaults = {"AZURE_FUNCTIONS_ENVIRONMENT": "Development", "AzureWebJobsScriptRoot": str(self.root)}
        return {**defaults, **self.options.environ}

    def _discover(self) -> Discovery:
        only = set(self.options.functions) if self.options.functions is not None else None
        return discover(
            self.root, self.settings.app, self.settings.host_json, only=only, trigger_fields=TRIGGER_TYPES
        )

    @property
    def address(self) -> str:
        """The address to listen on."""
        return self.options.address or self.settings.app.host.LocalHttpAddress or "127.0.0.1"

    @property
    def wanted_port(self) -> int:
        """The port to listen on; 0 is any free one."""
        ports = (self.options.port, self.settings.app.host.LocalHttpPort, DEFAULT_PORT)
        return next(port for port in ports if port is not None)

    def _wants_auth(self) -> bool:
        if self.options.auth is not None:
            return self.options.auth
        return not is_loopback(self.address)

    def _worker_settings(self, discovery: Discovery) -> WorkerSettings:
        app = self.settings.app
        return WorkerSettings(
            root=self.root,
            python=self.options.python or default_python(self.root),
            environment=app.environment(),
            threads=whole_number(app.get("PYTHON_THREADPOOL_THREAD_COUNT"), 1, 1024),
            debug=app.get("PYTHON_ENABLE_DEBUG_LOGGING") == "1",
            fresh_code=self._should_watch(),
            watched=_watched(self.root, discovery.functions),
        )

    def _worker_count(self) -> int:
        wanted = self.options.workers or whole_number(
            self.settings.app.get("FUNCTIONS_WORKER_PROCESS_COUNT"), 1, MOST_WORKERS
        )
        return min(wanted or 1, MOST_WORKERS)

    # -- chores

    def _should_watch(self) -> bool:
        serves = self.options.mode is Mode.SERVE
        return serves and self.options.watch and self.settings.host_json.fileWatchingEnabled

    async def _watch_code(self) -> None:
        host_json = self.settings.host_json
        self._code_watch = CodeWatch(
            self.root,
            self.watch,
            self.reload,
            self._report,
            directories=host_json.watchDirectories,
            files=host_json.watchFiles,
        )
        await self._code_watch.start()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_INTERVAL)
            try:
                while await self.storage.queues.sweep():
                    pass
            except StoreError as error:
                self._report(str(error))

    def _spawn(self, work: object) -> None:
        task = asyncio.get_running_loop().create_task(work)  # type: ignore[arg-type,var-annotated]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _load_problem(name: str, error: ErrorInfo) -> Problem:
    return Problem(
        f"The code of {name} does not load: {error.type}: {error.message}\n{error.traceback}".rstrip(),
        fix="Mend the code; it is read again as soon as it changes.",
        function=name,
    )


def _shown(address: str) -> str:
    """An address as it stands in a URL that can be opened on this machine."""
    if address in ("127.0.0.1", "0.0.0.0", "::", "::1"):
        return "localhost"
    return f"[{address}]" if ":" in address else address


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _watched(root: Path, functions: tuple[FunctionDescriptor, ...]) -> tuple[str, ...]:
    """The folders in which writes of functions are to be noticed: those of file triggers."""
    paths = [one.trigger.fields["path"] for one in functions if one.trigger.type == "fileTrigger"]
    if not paths:
        return ()
    from ..triggers.file_place import FilePlace  # only apps with a file trigger need it

    found = []
    for path in paths:
        with contextlib.suppress(FunchostError):
            found.append(FilePlace(path, root).root)
    return tuple(found)
