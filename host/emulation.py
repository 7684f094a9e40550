"""The emulator that a host's connections lead to: the host's own, or one that runs already."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

from ..bindings.storage import Storage
from .configuration import OWN_EMULATOR, HostOptions, Mode
from .emulator.process import EmulatorProcess, check_reachable
from .served_function import ServedFunction


class Emulation:
    """Does nothing where the options name no emulator."""

    def __init__(self, options: HostOptions, report: Callable[[str], None]) -> None:
        """Raises `ConfigurationError` where moto is missing, and `OSError` where the port is taken."""
        self._report = report
        self._own: EmulatorProcess | None = None
        if options.emulator == OWN_EMULATOR:
            self._own = EmulatorProcess(
                options.emulator_port or 0,
                state=options.emulator_state,
                environ=options.environ,
                report=report,
            )
            options = replace(options, emulator=self._own.url)
        #: With the emulator's URL.
        self.options = options
        self._wanted = options.emulator is not None and options.mode is not Mode.INSPECT

    async def start(self, on_restart: Callable[[], Awaitable[None]]) -> None:
        """Start it, or see that it runs; `on_restart` is awaited when it has lost everything meanwhile.

        Raises `ConfigurationError` where there is none.
        """
        if self._own:
            self._own.on_restart = on_restart
            await self._own.start()
        elif self._wanted and self.options.emulator:
            await check_reachable(self.options.emulator)

    async def provision(
        self, functions: Iterable[ServedFunction], storage_of: Callable[[str], Storage | None]
    ) -> None:
        """Make there what the functions name, before anybody looks for it."""
        if self._wanted:
            from .emulator.provision import provision  # brings boto3 in

            await provision([served.descriptor for served in functions], storage_of, self._report)

    async def stop(self) -> None:
        """End the host's own emulator, which saves what it holds."""
        if self._own:
            await self._own.stop()
