"""What a host is to be: the command line over local.settings.json over the defaults, and what follows from them."""

from __future__ import annotations

import enum
import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from ..bindings.errors import ConfigurationError
from ..triggers.registry import TRIGGER_TYPES
from .app.discovery import Finder
from .config.settings import Settings, is_on, whole_number
from .emulator.environment import emulated_environment
from .runtime import STORE_FOLDER
from .workers.worker_settings import WorkerSettings, default_python, own_packages, passed_over

#: The port of Azure's own tools.
DEFAULT_PORT = 7071

#: What is said instead of a URL for an emulator that the host starts and ends.
OWN_EMULATOR = "aws"

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
    #: The emulator that connections lead to: `OWN_EMULATOR` for one of the host's own, or the URL of one that runs.
    emulator: str | None = None
    #: The port of the host's own emulator; None is any free one.
    emulator_port: int | None = None
    #: The file that the host's own emulator keeps what it holds in.
    emulator_state: Path | None = None
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


class Configuration:
    """The options, with the settings of the app as they were last read."""

    def __init__(self, options: HostOptions) -> None:
        """Reads the settings. Raises `ConfigurationError` for a root that is none."""
        self.options = options
        self.root = options.root.resolve()
        self.store_folder = (options.store or self.root / STORE_FOLDER).resolve()
        if not self.root.is_dir():
            raise ConfigurationError(f"The app root {self.root} is not a folder. Name one with --root.")
        self.settings = self.read()

    def read(self) -> Settings:
        """The settings as they are now; their problems include those of the app's environment."""
        defaults = {"AZURE_FUNCTIONS_ENVIRONMENT": "Development", "AzureWebJobsScriptRoot": str(self.root)}
        settings = Settings.load(
            self.root, {**defaults, **self.options.environ}, emulator=self.options.emulator
        )
        passed = [] if self.options.python else passed_over(self.root, self.options.environ)
        return replace(settings, problems=(*settings.problems, *passed))

    @property
    def finder(self) -> Finder:
        """What finds the functions, as they are now."""
        return Finder(
            root=self.root,
            settings=self.settings.app,
            host_json=self.settings.host_json,
            only=self.options.functions,
            trigger_fields=TRIGGER_TYPES,
        )

    @property
    def address(self) -> str:
        """The address to listen on."""
        return self.options.address or self.settings.app.host.LocalHttpAddress or "127.0.0.1"

    @property
    def is_local(self) -> bool:
        """Whether only this machine can call: a developer's host, as far as can be told."""
        return _is_loopback(self.address)

    @property
    def port(self) -> int:
        """The port to listen on; 0 is any free one."""
        ports = (self.options.port, self.settings.app.host.LocalHttpPort, DEFAULT_PORT)
        return next(port for port in ports if port is not None)

    def url(self, port: int) -> str:
        """The URL by which a listening host is reached from this machine."""
        address = self.address
        if address in ("127.0.0.1", "0.0.0.0", "::", "::1"):
            return f"http://localhost:{port}"
        return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"

    @property
    def asks_for_keys(self) -> bool:
        """Whether HTTP callers need keys: where others than this machine can call, unless it was said."""
        return not self.is_local if self.options.auth is None else self.options.auth

    @property
    def watches_code(self) -> bool:
        """Whether changed code is brought into service."""
        serves = self.options.mode is Mode.SERVE
        return serves and self.options.watch and self.settings.host_json.fileWatchingEnabled

    @property
    def time_zone(self) -> str:
        """The zone of schedules that name none."""
        app = self.settings.app
        return (app.get("WEBSITE_TIME_ZONE") or app.get("TZ") or "UTC").removeprefix(":")

    @property
    def worker_count(self) -> int:
        """Worker processes of a generation."""
        setting = self.settings.app.get("FUNCTIONS_WORKER_PROCESS_COUNT")
        return min(self.options.workers or whole_number(setting, 1, MOST_WORKERS) or 1, MOST_WORKERS)

    @property
    def _hostname(self) -> dict[str, str]:
        """What `func start` tells functions of where they are reached; with a port of chance nothing is known yet."""
        return {"WEBSITE_HOSTNAME": f"localhost:{self.port}"} if self.port else {}

    @property
    def python(self) -> Path:
        """The interpreter that runs the app."""
        return self.options.python or default_python(self.root, self.options.environ)

    @property
    def worker_settings(self) -> WorkerSettings:
        """How workers are started."""
        app = self.settings.app
        environment = {**self._hostname, **app.environment()}
        if app.emulator:
            environment = emulated_environment(environment, app.emulator)
        return WorkerSettings(
            root=self.root,
            python=self.python,
            fallback=own_packages(self.python),
            environment=environment,
            threads=whole_number(app.get("PYTHON_THREADPOOL_THREAD_COUNT"), 1, 1024),
            debug=is_on(app.get("PYTHON_ENABLE_DEBUG_LOGGING")),
            fresh_code=self.watches_code,
        )


def _is_loopback(address: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
