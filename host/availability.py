"""Whether a host takes work: all of it, none because the app is offline, or only HTTP requests while it drains.

Nothing here breaks off what runs. `app_offline.htm` decides over being offline, whoever put it there.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from .offline import LOOK_INTERVAL, OFFLINE_FILE, OfflineFile
from .served_function import FunctionStatus

if TYPE_CHECKING:
    from .host import Host
    from .logs.log import Log

#: States of a host that serves (functions-semantics 12.3).
RUNNING, OFFLINE = "Running", "Offline"


class Availability:
    """The availability of one host, from `begin` on."""

    def __init__(self, host: Host, log: Log) -> None:
        self.draining = False
        self._host = host
        self._log = log
        self._file = OfflineFile(host.configuration.root)
        self._turning = asyncio.Lock()

    def explained(self, status: FunctionStatus) -> FunctionStatus:
        """How a function stands, with the reason where it is the host that keeps it from work."""
        # What is disabled, in error or not served would not work in any case.
        reason = self._reason(status) if status.state.startswith(("listening", "not listening")) else None
        return replace(status, state=reason) if reason else status

    def _reason(self, status: FunctionStatus) -> str | None:
        if self._host.state == OFFLINE:
            return f"offline ({OFFLINE_FILE})"
        if not self.draining or status.trigger == "httpTrigger":
            return None
        return "drained" if self._host.executor.activity.is_idle else "draining"

    async def begin(self) -> None:
        """Take work, unless the app is offline."""
        page = self._file.page()
        if page is None:
            await self._host.functions.listen()
            self._open()
        else:
            self._go_offline(page)
            # Only those of HTTP, which the front keeps requests from.
            await self._host.functions.listen()

    async def watch(self) -> None:
        """Follow the file for as long as this runs."""
        while True:
            await asyncio.sleep(LOOK_INTERVAL)
            try:
                await self.look()
            except Exception as error:
                self._log.say("warning", f"The app is in service again, but not as it is now: {error}")

    async def look(self) -> None:
        """Go offline when the file is there, and come back when it is not."""
        async with self._turning:
            page = self._file.page()
            if page is not None and self._host.state in (RUNNING, OFFLINE):
                self._go_offline(page)
            elif page is None and self._host.state == OFFLINE:
                await self._come_back()

    async def turn(self, state: str) -> bool:
        """Bring the host to `RUNNING` or `OFFLINE`; False when it was so before.

        Raises `ConfigurationError` where the file cannot be written or removed.
        """
        if self._host.state == state:
            return False
        if state == OFFLINE:
            self._file.put()
        else:
            self._file.remove()
        await self.look()
        return True

    def drain(self) -> None:
        """Have all listeners take nothing more; HTTP functions go on answering."""
        self.draining = True
        self._host.functions.pause()

    async def resume(self) -> None:
        """End a drain."""
        if self.draining:
            self.draining = False
            await self._host.functions.resume()

    async def restart(self) -> None:
        """Read everything again as a reload does, and serve it with new workers and listeners; a drain ends.

        An app that is offline is read again when it comes back. Raises `WorkerStartError`: then the workers stay.
        """
        if self._host.state == RUNNING:
            await self._renew()

    async def _renew(self) -> None:
        self.draining = False
        self._host.functions.renew()
        try:
            await self._host.reload()
        finally:
            await self._host.functions.resume()

    async def _come_back(self) -> None:
        try:
            await self._renew()
        finally:
            # Unless it was stopped meanwhile.
            if self._host.state == OFFLINE:
                self._open()
                self._log.say("info", f"The app is in service again: {OFFLINE_FILE} is gone.")

    def _open(self) -> None:
        self._host.state = RUNNING
        if self._host.front:
            self._host.front.set_ready(True)

    def _go_offline(self, page: bytes) -> None:
        if self._host.front:
            self._host.front.set_offline(page)
        if self._host.state != OFFLINE:
            self._host.state = OFFLINE
            self._host.functions.pause()
            self._log.say("info", f"The app is offline for as long as {OFFLINE_FILE} is there.")
