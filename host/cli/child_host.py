"""A host as a child process of `funchost exec`: started on a free port, followed, and stopped."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from typing import IO

from ...bindings.counted import counted
from ...bindings.errors import FunchostError
from ..offline import OFFLINE_FILE
from ..runtime import Runtime, running_hosts
from .access import master_key
from .client import HostClient
from .options import App
from .output import Exit, Failure

#: Seconds between two looks whether it serves.
_LOOK = 0.02

#: Seconds that its end may take: longer than what it gives itself.
_STOP_TIMEOUT = 40.0

#: Lines of its log that are shown when it does not serve and the log goes into a file.
_LINES = 40


class ChildHost:
    """One host. `log` is the file that takes what it says; None is our stderr."""

    def __init__(self, app: App, arguments: Sequence[str], log: IO[bytes] | None) -> None:
        self._app = app
        self._arguments = [
            *("start", "--root", str(app.root), "--store", str(app.store_folder), "--port", "0"),
            *arguments,
        ]
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it. It has a session of its own: what a terminal sends is for the command."""
        said = self._log or sys.stderr
        self._process = await asyncio.create_subprocess_exec(
            # -P: nothing in the working directory is a module of the host.
            *(sys.executable, "-P", "-m", f"{__package__}.exec_host", *self._arguments),
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )

    async def serving(self) -> Runtime:
        """Wait until all its listeners are up. Raises `Failure` when it ends before, and where the app has errors."""
        while not (runtime := self._runtime()):
            if self._running.returncode is not None:
                self._show_log()
                raise Failure("The host did not start, so the command was not run.", self._exit)
            await asyncio.sleep(_LOOK)
        await self._check_app(runtime)
        return runtime

    async def _check_app(self, runtime: Runtime) -> None:
        """Raise `Failure` where the app is not in service as a whole."""
        if (self._app.root / OFFLINE_FILE).exists():
            text = f"The app is offline for as long as {OFFLINE_FILE} is there, so the command was not run."
            raise Failure(text, Exit.CONFIGURATION)
        client = HostClient(runtime, partial(master_key, self._app))
        wrong = [status.name for status in await asyncio.to_thread(client.functions) if status.errors]
        if wrong or await asyncio.to_thread(client.errors):
            self._show_log()
            what = f"{counted(len(wrong), 'function')} in error ({', '.join(wrong)})" if wrong else "errors"
            raise Failure(f"The app has {what}, so the command was not run.", Exit.CONFIGURATION)

    def tell(self, command: int) -> None:
        """Have it end the process of that id should we be killed; 0 for none any more."""
        assert self._running.stdin is not None
        self._running.stdin.write(f"{command}\n".encode())

    async def ended(self) -> str:
        """Wait for its end; how that was, such as ``with code 1``."""
        code = await self._running.wait()
        return f"by {_signal_name(-code)}" if code < 0 else f"with code {code}"

    async def stop(self) -> None:
        """Let it drain and end; it is killed when that takes too long."""
        if self._process is None:
            return
        self.hurry()
        try:
            await asyncio.wait_for(self._process.wait(), _STOP_TIMEOUT)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()

    def hurry(self) -> None:
        """Ask it to stop; a second time, to do so at once."""
        with contextlib.suppress(ProcessLookupError):
            self._running.send_signal(signal.SIGTERM)

    @property
    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise FunchostError("The host was not started.")
        return self._process

    @property
    def _exit(self) -> Exit:
        """Our own exit code for its end before it served."""
        code = self._running.returncode
        return Exit(code) if code in (Exit.USAGE, Exit.CONFIGURATION, Exit.IN_USE) else Exit.FAILED

    def _runtime(self) -> Runtime | None:
        hosts = running_hosts(self._app.store_folder)
        return next((one for one in hosts if one.pid == self._running.pid), None)

    def _show_log(self) -> None:
        """What it said last, where that went into a file."""
        if self._log:
            self._log.seek(0)
            for line in self._log.readlines()[-_LINES:]:
                sys.stderr.buffer.write(line)
            sys.stderr.flush()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
