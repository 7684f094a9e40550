"""The emulator as a child process of a host: it ends when the host does, however that ends, and is started again
when it ends before."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import importlib.util
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from ...bindings.errors import ConfigurationError
from .environment import emulated_environment
from .server import MARK, listening_socket, url_of

#: Seconds until it has to serve, and until it has to have saved and ended.
START_TIMEOUT = 15.0
STOP_TIMEOUT = 15.0

#: Seconds before it is started again: more each time, unless it has served for longer than the most.
_LEAST_PAUSE = 0.2
_MOST_PAUSE = 30.0

#: Of its stderr: lines kept for the reason of its end, and bytes read at a time.
_LINES = 20
_CHUNK = 64 * 1024

#: Seconds in which the child of a host that was just killed frees the port.
_PATIENCE = 2.0


class EmulatorProcess:
    """One emulator on a port of this machine. `url` is good from the beginning: callers wait until it serves.

    The port is held by this process and handed on, so that it stays the same when the child is started again.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        state: Path | None = None,
        environ: Mapping[str, str],
        report: Callable[[str], None] = lambda message: None,
    ) -> None:
        """Takes the port (0: any); `report` is told what people should know.

        Raises `OSError` where the port is taken, `ConfigurationError` where moto is not installed.
        """
        check_installed()
        self._listening = _socket_on(port)
        self.port: int = self._listening.getsockname()[1]
        self.url = url_of("127.0.0.1", self.port)
        #: Awaited when it serves again after it died.
        self.on_restart: Callable[[], Awaitable[None]] | None = None
        self._state = state
        self._environ = emulated_environment(environ, self.url)
        self._report = report
        self._process: asyncio.subprocess.Process | None = None
        self._said: deque[str] = deque(maxlen=_LINES)
        self._reading: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if self._process and running else None

    async def start(self) -> str:
        """Start it; returns its URL once it serves. Raises `ConfigurationError` with the reason when it cannot."""
        try:
            await self._launch()
        except BaseException:
            await self.stop()
            raise
        self._watching = asyncio.create_task(self._watch())
        return self.url

    async def stop(self) -> None:
        """Let it save and end; it is killed when that takes too long. May be called at any time."""
        if self._watching:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        self._listening.close()
        if self._process is not None:
            await self._end(self._process)

    async def _launch(self) -> None:
        number = self._listening.fileno()
        state = ("--state", str(self._state)) if self._state else ()
        self._said.clear()
        process = self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"{__package__}.server", "--child", str(number), *state),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environ,
            pass_fds=(number,),
            # Signals to all processes of a terminal are for the host.
            start_new_session=True,
        )
        assert process.stdout is not None and process.stderr is not None
        self._reading = asyncio.create_task(self._read(process.stderr))
        try:
            line = await asyncio.wait_for(process.stdout.readline(), START_TIMEOUT)
        except TimeoutError:
            process.kill()
            raise ConfigurationError(f"The emulator did not serve within {START_TIMEOUT:g} s.") from None
        if not line:
            raise ConfigurationError(f"The emulator cannot start: {await self._reason(process)}")

    async def _read(self, stderr: asyncio.StreamReader) -> None:
        rest = b""
        while chunk := await stderr.read(_CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._take(line.decode(errors="replace").rstrip())

    def _take(self, line: str) -> None:
        self._said.append(line)
        # Before it serves, what it says is the reason why it cannot.
        if line.startswith(MARK) and self._watching:
            self._report(f"The emulator: {line.removeprefix(MARK)}")

    async def _reason(self, process: asyncio.subprocess.Process) -> str:
        """Why it ended, as far as it said. Waits for its end."""
        code = await process.wait()
        if self._reading:
            await self._reading
        if code < 0:
            with contextlib.suppress(ValueError):
                return f"it was ended by {signal.Signals(-code).name}."
        return self._said[-1].removeprefix(MARK) if self._said else f"it ended with code {code}."

    async def _watch(self) -> None:
        pause = _LEAST_PAUSE
        loop = asyncio.get_running_loop()
        while self._process is not None:
            began = loop.time()
            reason = await self._reason(self._process)
            if loop.time() - began > _MOST_PAUSE:
                pause = _LEAST_PAUSE
            kept = "It goes on from its state file." if self._state else "What it held is lost."
            self._report(f"The emulator is gone, and is started again: {reason} {kept}")
            pause = await self._launch_again(pause)
            if self.on_restart:
                try:
                    await self.on_restart()
                except Exception as error:
                    self._report(f"The emulator serves again, but without all that is needed of it: {error}")

    async def _launch_again(self, pause: float) -> float:
        """Try until it serves, with growing pauses; gives the pause that would come next."""
        told = ""
        while True:
            await asyncio.sleep(pause)
            pause = min(2 * pause, _MOST_PAUSE)
            try:
                await self._launch()
                return pause
            except (ConfigurationError, OSError) as error:
                if str(error) != told:
                    told = str(error)
                    self._report(told)

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT)
        except TimeoutError:
            self._report(f"The emulator did not end within {STOP_TIMEOUT:g} s and was killed.")
            process.kill()
            await process.wait()
        if self._reading:
            await self._reading


def _socket_on(port: int) -> socket.socket:
    """Takes the port, which the emulator of a host before this one may still have for a moment."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            return listening_socket(port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > end:
                raise
            time.sleep(0.05)


async def check_reachable(url: str) -> None:
    """Raise `ConfigurationError` where nobody listens at the URL."""
    place = urlsplit(url)
    try:
        port = place.port or (443 if place.scheme == "https" else 80)
        connecting = asyncio.open_connection(place.hostname, port)
        _, writer = await asyncio.wait_for(connecting, _PATIENCE)
    except (OSError, TimeoutError) as error:
        raise ConfigurationError(
            f"There is no emulator at {url}: {error or 'it does not answer'}. Start one with `funchost emulator aws`, "
            "or have the host start its own with --emulator aws."
        ) from error
    writer.close()


def check_installed() -> None:
    """Raise `ConfigurationError` where what the emulator stands on is missing."""
    if any(importlib.util.find_spec(name) is None for name in ("moto", "flask", "flask_cors", "boto3")):
        raise ConfigurationError(
            "The emulator needs moto. Install it into the host's environment: pip install funchost[emulator]."
        )
