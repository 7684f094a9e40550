"""The host: puts storage, workers, functions and the HTTP front together, and takes them down in reverse."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Hashable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..bindings.clock import Clock, SystemClock
from ..bindings.errors import StoreError
from ..bindings.storage import TABLES, Storage
from ..triggers.descriptor import Binding, Problem
from ..triggers.wakeups import SchedulerWakeups
from .app.binding_checks import STORED
from .availability import OFFLINE, Availability
from .cloud import CloudUse, cloud_uses
from .code import Code
from .code_watch import CodeWatch
from .config.host_id import shared_name
from .config.restart import settled_at_start, waiting_for_restart
from .configuration import Configuration, HostOptions, Mode
from .emulation import Emulation
from .execution.executor import Executor
from .execution.observer import Observer, Observers
from .functions import Functions
from .history.recorder import Recorder, history_limits
from .keys import Keys
from .logs.log import Log
from .logs.log_files import LOGS, LogFiles
from .logs.log_levels import LogLevels
from .logs.observers import LogObserver
from .logs.reloaded import reloaded_text
from .metrics.tally import Tally
from .resources import make_resources
from .runtime import Runtime, RuntimeFile, running_hosts
from .served_function import ServedFunction
from .storage import Connected, EmbeddedStorage, HostStorage
from .switches import Switches
from .telemetry.setup import make_telemetry
from .watchdog import Watchdog
from .workers.pool import Pool

if TYPE_CHECKING:
    from ..triggers.http_front import HttpFront
    from .callers.service import Callers
    from .telemetry.telemetry import Telemetry

#: How long what was interrupted by the end of the drain time may take to be given back, in seconds; also how long a
#: poll may go on, whose messages have to be given back as well.
SETTLE_TIMEOUT = 12.0

#: Seconds until the history is looked after again when its store had failed.
KEEP_AGAIN = 60.0

#: How long what a start had begun may take to end when it fails: nothing runs yet.
_ABORT = timedelta(seconds=1)


class Host:
    """One host. `prepare` reads, `open` readies, `serve` serves, `stop` ends; `reload` takes a changed app in."""

    def __init__(self, options: HostOptions, log: Log, *, clock: Clock | None = None) -> None:
        """Raises `ConfigurationError`, and `OSError` for the port of an emulator that is taken."""
        self._log = log
        self._emulation = Emulation(options, self._report)
        self.configuration = Configuration(self._emulation.options)
        self.pid = os.getpid()
        self.tally = Tally()
        self._telemetry: Telemetry | None = None
        self.owner = ""
        self.url = ""
        self.state = "Default"
        self.problems: list[Problem] = []
        #: Told of each further problem that a reload brings.
        self.on_problems: Callable[[list[Problem]], None] = lambda problems: None
        self._clock = clock or self._system_clock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._reloading = asyncio.Lock()
        self._code_watch: CodeWatch | None = None
        self._runtime_file: RuntimeFile | None = None
        self._storage: HostStorage | None = None
        self._connected = Connected(self._clock)
        self._functions: Functions | None = None
        self._callers: Callers | None = None
        self.front: HttpFront | None = None
        self.availability = Availability(self, log)
        self._warmed_up = False

    # -- beginning

    def prepare(self) -> list[Problem]:
        """Read the function folders; returns all that should be mended in them and in the settings. Functions
        that decorators define, and what is wrong with them, are known after `open`."""
        self._began = self._clock.monotonic()
        settings = self.configuration.settings
        self._settled = settled_at_start(settings)
        self._found = self.configuration.finder.find()
        self.problems = [*settings.problems, *self._found.problems]
        return self.problems

    async def open(self) -> None:
        """Open the store and the port, load the code, make the triggers. Afterwards all problems are known.

        Raises `StoreError`, `OSError` for a port that is taken, `WorkerStartError`.
        """
        self.state = "Starting"
        self._log.levels = LogLevels(self.configuration.settings.host_json.logging.logLevel)
        self._observer = LogObserver(self._log)
        self._recorder: Recorder | None = None
        settings = self.configuration.worker_settings
        self.pool = Pool(settings, self.configuration.worker_count, self._worker_said, self._report)
        self._code = Code(self.configuration, self.pool, self._found)
        # The workers start and load while the store is opened.
        loading = asyncio.create_task(self._code.load())
        try:
            await self._emulation.start(self._supply_emulator)
            await self._open_storage()
            self._keep_log()
            await self._open_front()
            self._switches = Switches(self.storage.state, self._leads, self._report)
            await self._switches.begin()
            errors = await loading
        except BaseException:
            loading.cancel()
            await asyncio.gather(loading, return_exceptions=True)
            await self.stop(_ABORT)
            raise
        self.executor = Executor(self.pool, self.resources, Observers(self._observers()))
        self._functions = Functions(
            self.executor,
            self.resources,
            listen=self.configuration.options.mode is Mode.SERVE,
            switches=self._switches,
        )
        found = self._code.arrange(self.functions, errors)
        self.problems = [*self.configuration.settings.problems, *self._code.discovery.problems, *found]
        names = [served.descriptor.name for served in self.functions if not served.error]
        await self._provision()
        self._observer.initialized(names, self._clock.monotonic() - self._began)

    async def serve(self) -> None:
        """Start the listeners and answer requests, unless the app is offline."""
        await self.availability.begin()
        if self.front:
            self._tell_of_others()
            self._announce()
        self._spawn(self.storage.local.sweep())
        self._spawn(self._keep_history())
        self.callers.start()
        self._spawn(self.availability.watch())
        self._spawn(self._switches.follow(self.functions.switch))
        watchdog = Watchdog(self.functions, self.storage.local.queues, self._clock, self._report)
        self._spawn(watchdog.run())
        if self.configuration.watches_code:
            await self._watch_code()
        self._observer.serving(self._clock.monotonic() - self._began)

    async def _open_storage(self) -> None:
        queues = self.configuration.settings.host_json.extensions.queues
        local = EmbeddedStorage(
            self.configuration.store_folder,
            self._clock,
            base64=queues.messageEncoding == "base64",
            dedup_window=queues.dedupWindow,
            report=self._report,
        )
        app = self.configuration.settings.app
        shared = self._connected.host_storage(app.connection(""))
        self._storage = HostStorage(local, shared, shared_name(app), self._report)
        self.owner = self._storage.owner
        self._recorder = Recorder(
            local.history,
            local.store,
            self.owner,
            limits=history_limits(self.configuration.settings.host_json.history),
            report=self._report,
        )
        # Both are there before anything can fail: the end closes them.
        self.wakeups = SchedulerWakeups(self._clock)
        self.keys = Keys(self._storage.state)
        await self.wakeups.start()
        if self.configuration.options.mode is not Mode.INSPECT:
            await local.presence.start()
            await self._storage.begin()
            await self.keys.begin()
        from .http_service import make_callers, make_front  # not before the workers are on their way

        self._callers = make_callers(self, self._clock, self._report)
        # Also where nothing listens: an HTTP function that is run by hand still has its route.
        self._http = make_front(self)
        self.resources = make_resources(
            self.configuration,
            self._storage,
            self._connected,
            self.wakeups,
            self._http,
            self._clock,
            self._report,
        )

    def _keep_log(self) -> None:
        """Have the log written into files too, where other processes can follow it."""
        options = self.configuration.settings.host_json.logging
        if self.configuration.options.mode is Mode.SERVE and options.fileLoggingMode != "never":
            folder = self.configuration.store_folder / LOGS
            limit = options.file.maxSizeInMB * 1024 * 1024
            self._log.keep(LogFiles(folder, self._clock.now(), limit=limit, report=self._report))

    async def _provision(self) -> None:
        """Make at the emulator, if there is one, what the functions name."""
        app = self.configuration.settings.app
        await self._emulation.provision(
            self.functions, lambda name: self._connected.storage(app.connection(name))
        )

    async def _supply_emulator(self) -> None:
        """Give an emulator that has lost everything what this host needs of it."""
        await self.storage.check()
        await self._provision()

    async def _open_front(self) -> None:
        if self.configuration.options.mode is not Mode.SERVE:
            return
        port = await self._http.start(self.configuration.address, self.configuration.port)
        self.front = self._http
        self.url = self.configuration.url(port)

    def _announce(self) -> None:
        runtime = Runtime(
            pid=self.pid,
            url=self.url,
            version=self.version,
            root=str(self.configuration.root),
            functions=[served.descriptor.name for served in self.functions],
            started=self._clock.now().isoformat(),
            emulator=self.configuration.settings.app.emulator,
        )
        self._runtime_file = RuntimeFile(self.configuration.store_folder, self.owner)
        try:
            self._runtime_file.write(runtime)
        except OSError as error:
            self._report(
                f"Commands do not find this host, since its address could not be written down: {error}"
            )

    def _tell_of_others(self) -> None:
        for other in running_hosts(self.configuration.store_folder):
            app = "" if other.root == str(self.configuration.root) else f" for the app {other.root}"
            text = f"Another host serves this store too: process {other.pid}, {other.url}{app}."
            self._log.say("info", text, pid=other.pid, url=other.url)

    # -- reload

    async def reload(self) -> None:
        """Bring the app as it is now into service; what cannot be served goes on as it was."""
        async with self._reloading:
            settings = self.configuration.read()
            if any(problem.severity == "error" for problem in settings.problems):
                self._tell([*settings.problems, *self._code.discovery.problems])
                self._report("The settings cannot be used as they are; the host goes on with those before.")
                return
            self.configuration.settings = settings
            self._log.levels = LogLevels(settings.host_json.logging.logLevel)
            before = self.functions.outdated
            urls, uses = self._urls(self.functions), self.cloud_uses
            found = await self._code.reload(self.functions, self._provision)
            self._announce()
            waiting = waiting_for_restart(self._settled, settled_at_start(settings))
            self._tell([*settings.problems, *waiting, *self._code.discovery.problems, *found])
            self._tell_of_real_work(uses)
            kept = [name for name in self.functions.outdated if name not in before]
            if kept:
                self._report(f"The last good version goes on for: {', '.join(kept)}.")
            if self._code.failure is None and (self.functions.current or not self.functions.status()):
                self._log.say("info", reloaded_text(urls, self._urls(self.functions.current)))
            elif not kept:
                self._report("Nothing could be reloaded: problems that were told are still there.")

    def _tell_of_real_work(self, known: list[CloudUse]) -> None:
        """Tell a developer what a reload has added to what was told at the start."""
        if self.configuration.is_local:
            for use in self.cloud_uses:
                if use not in known:
                    self._report(use.sentence)

    def _urls(self, functions: Iterable[ServedFunction]) -> dict[str, str]:
        """The URL of each function, empty for what HTTP does not call."""
        return {served.descriptor.name: served.status.url(self.url) for served in functions}

    def _tell(self, problems: list[Problem]) -> None:
        """Take down what is to be mended now, and show what was not shown before."""
        known, self.problems = set(self.problems), problems
        self.on_problems([problem for problem in problems if problem not in known])

    # -- stop

    async def stop(self, drain: timedelta | None = None) -> None:
        """Take nothing new, let what runs finish within the drain time, give the rest back, release leases."""
        self.state = "Stopping"
        grace = (self.configuration.options.drain_timeout if drain is None else drain).total_seconds()
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
        if self._telemetry:
            await self._telemetry.close()
        if self._storage:
            if self._callers:
                await self._callers.stop()
            if self._recorder:
                await self._recorder.close()
            self.keys.close()
            await self.wakeups.stop()
            await self._storage.close()
        await self._connected.close()
        await self._emulation.stop()

    # -- what parts of the host ask for

    @property
    def version(self) -> str:
        """The version of this package."""
        from importlib.metadata import version  # 20 ms of import, not needed to answer requests

        return version("funchost")

    @property
    def storage(self) -> HostStorage:
        """The open storage."""
        assert self._storage is not None, "the host is not open"
        return self._storage

    @property
    def functions(self) -> Functions:
        """The functions in service."""
        assert self._functions is not None, "the host is not open"
        return self._functions

    @property
    def cloud_uses(self) -> list[CloudUse]:
        """What the functions do with services that others use too."""
        host_storage = self._connected.host_storage(self.configuration.settings.app.connection(""))
        enabled = [served.descriptor for served in self.functions if not served.descriptor.disabled]
        return cloud_uses(enabled, self._storage_of, host_storage)

    def _storage_of(self, binding: Binding) -> Storage | None:
        """Where its connection leads, if it has one; None is the embedded store."""
        if binding.type not in STORED:
            return None
        app = self.configuration.settings.app
        find = app.table_connection if STORED[binding.type] == TABLES else app.connection
        connection = find(binding.fields.get("connection") or "")
        return self._connected.storage(connection) if connection.usable else None

    def _leads(self, connection: str) -> Hashable:
        """Where the queues of a connection are: the same for two that lead to one place."""
        found = self.configuration.settings.app.connection(connection)
        return found.settings and (found.kind, frozenset(found.settings.values.items()))

    def authorize(self, key: str | None, level: str, function: str) -> bool:
        """Whether a key (or none) opens what asks for `level`; everything is open where keys are not asked for."""
        return not self.configuration.asks_for_keys or self.keys.authorize(key, level, function)

    @property
    def is_open(self) -> bool:
        """Whether functions, storage and workers can be asked for."""
        return self._functions is not None and self.state not in ("Stopping", "Stopped")

    async def warm_up(self) -> None:
        """Run the function that warms the app up, once in the life of this host."""
        if self._warmed_up:
            return
        self._warmed_up = True
        for served in self.functions:
            if served.descriptor.trigger.type == "warmupTrigger":
                await served.run(None)

    @property
    def recorder(self) -> Recorder:
        """What records the runs of this host."""
        assert self._recorder is not None, "the host is not open"
        return self._recorder

    @property
    def callers(self) -> Callers:
        """What there is for callers who do not wait."""
        assert self._callers is not None, "the host is not open"
        return self._callers

    def cancel_run(self, invocation_id: str, reason: str) -> bool:
        """End a run that is in hand, as a failure for this reason; False when it is not in hand here."""
        return self.executor.cancel(invocation_id, reason)

    def _observers(self) -> list[Observer]:
        """Who is told of runs."""
        always: list[Observer] = [self.recorder, self._observer, self.tally]
        if self.configuration.options.mode is Mode.INSPECT:
            return always
        self._telemetry = make_telemetry(
            self.configuration.settings.app.environment(),
            self.configuration.root.name,
            lambda: self.version,
            self._clock,
            self._report,
        )
        return [*always, self._telemetry] if self._telemetry else always

    def _worker_said(self, header: dict[str, Any], text: str) -> None:
        if self._recorder:
            self._recorder.said(header, text)
        self._observer.worker_said(header, text)
        if self._telemetry:
            self._telemetry.worker_said(header, text)

    async def _keep_history(self) -> None:
        """Have the history in order for as long as this runs."""
        while True:
            options = self.configuration.settings.host_json.history
            try:
                await self.storage.local.history.keep(options.maxAge, options.maxSizeInMB * 1024 * 1024)
            except (StoreError, OSError) as error:
                self._report(f"The history of runs cannot be kept in order, which is tried again: {error}")
            await asyncio.sleep(KEEP_AGAIN)

    def _system_clock(self) -> Clock:
        """The machine's, unless the environment names another that a test sets (`settable_clock`)."""
        file = os.environ.get("FUNCHOST_TEST_CLOCK")
        if not file:
            return SystemClock()
        from .settable_clock import SettableClock

        self._report(f"FUNCHOST_TEST_CLOCK is set: the clock is as far ahead as {file} says.")
        return SettableClock(Path(file))

    def _report(self, message: str) -> None:
        self._log.say("warning", message, category="Host.General")

    # -- chores

    async def _watch_code(self) -> None:
        host_json = self.configuration.settings.host_json
        self._code_watch = CodeWatch(
            self.configuration.root,
            self.resources.watch,
            self._code_changed,
            self._report,
            directories=host_json.watchDirectories,
            files=host_json.watchFiles,
        )
        await self._code_watch.start()

    async def _code_changed(self) -> None:
        # An app that is offline may be half written; it is read when it comes back.
        if self.state != OFFLINE:
            await self.reload()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
