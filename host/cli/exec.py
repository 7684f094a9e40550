"""`funchost exec`: a command beside a host of its own, such as the tests of an app."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Self, TypeVar

import click

from ...bindings.errors import ConfigurationError
from ..emulator.environment import emulated_environment
from ..runtime import Runtime
from .child_host import ChildHost
from .options import App, app_options
from .output import Exit, fail, talk

T = TypeVar("T")

#: As shells have it: what could not be started, what is not there, and what a signal has ended (added to its number).
_NOT_EXECUTABLE, _NOT_FOUND, _SIGNALLED = 126, 127, 128

#: What a terminal sends to the command as well, when it is in front.
_OF_TERMINAL = frozenset({signal.SIGINT, signal.SIGQUIT})
_CAUGHT = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP)


@click.command("exec", context_settings={"allow_interspersed_args": False})
@app_options
@click.option("--fresh", is_flag=True, help="With an empty store, which is removed at the end.")
@click.option("--log", type=click.Path(path_type=Path), help="File for the host's log. Default: stderr.")
@click.option("--functions", multiple=True, help="Serve only these; repeat, or separate with commas.")
@click.option("--emulator", metavar="AWS|URL", help="aws: with an emulator of AWS; or the URL of one.")
@click.option("--python", type=click.Path(path_type=Path), help="Interpreter of the workers.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def execute(app: App, fresh: bool, log: Path | None, command: tuple[str, ...], **options: object) -> int:
    """Run a command beside a host of its own.

    Starts the app on a free port and waits until it is ready. COMMAND finds it by FUNCHOST_URL, and its store by
    FUNCHOST_STORE. When COMMAND ends the host is stopped, and the exit code is that of COMMAND (128 and the number
    of the signal that ended it). Where the app has an error COMMAND is not run, and the exit code is 3.
    """
    app.check()
    if fresh and app.store:
        raise click.UsageError("--fresh has a store of its own: leave out --store.")
    _check_command(command[0])
    with _store(app, fresh=fresh) as own, _opened(log) as file:
        host = ChildHost(own, _arguments(options), file)
        return asyncio.run(_beside(host, command, own))


def _arguments(options: dict[str, object]) -> list[str]:
    """The options of `start` that were given."""
    given = []
    for name, value in options.items():
        for each in value if isinstance(value, tuple) else (value,):
            given += [f"--{name}", str(each)] if each is not None else []
    return given


@contextlib.contextmanager
def _store(app: App, *, fresh: bool) -> Iterator[App]:
    if not fresh:
        yield app
        return
    with tempfile.TemporaryDirectory(prefix="funchost-", ignore_cleanup_errors=True) as folder:
        yield replace(app, store=Path(folder) / "store")


@contextlib.contextmanager
def _opened(log: Path | None) -> Iterator[IO[bytes] | None]:
    if log is None:
        yield None
        return
    try:
        # The host writes at its end, wherever we read.
        file = log.open("a+b", buffering=0)
        file.truncate(0)
    except OSError as error:
        raise ConfigurationError(f"The log cannot be written to {log}: {error.strerror}.") from error
    with file:
        yield file


def _check_command(name: str) -> None:
    if shutil.which(name) is not None:
        return
    path = Path(name)
    if os.sep in name and path.exists():
        what = "is a folder" if path.is_dir() else "may not be executed"
        fail(f"'{name}' {what}, so no host was started.", _NOT_EXECUTABLE)
    fail(f"There is no command '{name}', so no host was started.", _NOT_FOUND)


async def _beside(host: ChildHost, command: Sequence[str], app: App) -> int:
    with _Signals() as signals:
        await host.start()
        try:
            runtime = await _unless(signals, host.serving())
            if runtime is None:
                return _SIGNALLED + signals.last
            return await _run(command, _environment(runtime, app), host, signals)
        finally:
            signals.forward = lambda number: host.hurry()
            await host.stop()


def _environment(runtime: Runtime, app: App) -> dict[str, str]:
    """The command's: it finds the host, its store, and the emulator that the host works with."""
    environ = dict(os.environ)
    if runtime.emulator:
        environ = emulated_environment(environ, runtime.emulator)
    return environ | {"FUNCHOST_URL": runtime.url, "FUNCHOST_STORE": str(app.store_folder)}


async def _run(command: Sequence[str], environ: dict[str, str], host: ChildHost, signals: _Signals) -> int:
    """Run the command to its end; its exit code, or `Exit.FAILED` where all was well but the host ended before."""
    try:
        process = await asyncio.create_subprocess_exec(*command, env=environ)
    except OSError as error:
        fail(f"'{command[0]}' cannot be run: {error.strerror}.", _NOT_EXECUTABLE)
    signals.forward = lambda number: _pass_on(number, process)
    host.tell(process.pid)
    ending, gone = asyncio.create_task(process.wait()), asyncio.create_task(host.ended())
    await asyncio.wait({ending, gone}, return_when=asyncio.FIRST_COMPLETED)
    died = gone.done()
    if died:
        talk(f"The host ended {gone.result()} while the command was running.")
    code = await ending
    if not died:
        gone.cancel()
        host.tell(0)
    if code < 0:
        return _SIGNALLED - code
    return code or (Exit.FAILED if died else Exit.OK)


def _pass_on(number: int, process: asyncio.subprocess.Process) -> None:
    if number not in _OF_TERMINAL or not _is_in_front():
        process.send_signal(number)


def _is_in_front() -> bool:
    """Whether Ctrl+C at our terminal is sent to us and to all that we started."""
    try:
        with Path("/dev/tty").open() as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False


async def _unless(signals: _Signals, work: Awaitable[T]) -> T | None:
    """What the work gives; None when a signal comes first, which ends it."""
    working = asyncio.ensure_future(work)

    def stop(number: int) -> None:
        working.cancel()

    signals.forward = stop
    try:
        return await working
    except asyncio.CancelledError:
        return None


class _Signals:
    """What we are sent to make us end, handed to whoever it is for now."""

    def __init__(self) -> None:
        #: Takes the number of each signal that does not reach the command by itself.
        self.forward: Callable[[int], None] = lambda number: None
        self.last = 0

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for number in _CAUGHT:
            # What was ignored when we were started, as with nohup, stays so.
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self._came, number)
        return self

    def __exit__(self, *error: object) -> None:
        loop = asyncio.get_running_loop()
        for number in _CAUGHT:
            loop.remove_signal_handler(number)

    def _came(self, number: int) -> None:
        self.last = number
        with contextlib.suppress(ProcessLookupError):
            self.forward(number)
