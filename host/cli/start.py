"""`funchost start`: serve the functions of an app until told to stop."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import signal
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from ...bindings.counted import counted
from ...bindings.errors import ConfigurationError, FunchostError
from ..configuration import OWN_EMULATOR, HostOptions
from ..host import Host
from ..logs.log import FORMATS, Log, LogHandler
from .access import hiding
from .main import run_async
from .options import App, Duration, Port, app_options
from .output import Exit, Failure
from .screen import JsonScreen, Screen, unlike_an_app


class EmulatorPlace(click.ParamType[str]):
    """``aws``, or the URL of an emulator that runs already."""

    name = "aws|url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if text.lower() == OWN_EMULATOR:
            return OWN_EMULATOR
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            self.fail(
                f"'{text}' is neither {OWN_EMULATOR} nor a URL such as http://127.0.0.1:4566.", param, ctx
            )
        return text.rstrip("/")


@click.command()
@app_options
@click.option("-p", "--port", type=Port(), help="Port; 0 takes any free one. Default 7071.")
@click.option("--address", help="Address to listen on. Default 127.0.0.1.")
@click.option("--functions", multiple=True, help="Serve only these; repeat, or separate with commas.")
@click.option("--watch/--no-watch", default=True, help="Bring changed code into service. Default on.")
@click.option("--workers", type=click.IntRange(1, 10), help="Worker processes. Default 1.")
@click.option("--auth/--no-auth", default=None, help="Ask for keys. Default: only beyond this machine.")
@click.option("--cors", help="Origins that browsers may call from, separated by commas, or *.")
@click.option("--cors-credentials", is_flag=True, default=None, help="Let those origins send credentials.")
@click.option("--drain-timeout", type=Duration(), default="10s", help="How long a stop waits. Default 10s.")
@click.option("--python", type=click.Path(path_type=Path), help="Interpreter of the workers.")
@click.option("--emulator", type=EmulatorPlace(), help="aws: with an emulator of AWS; or the URL of one.")
@click.option("--emulator-port", type=Port(), help="Port of the host's own emulator. Default: any.")
@click.option("--emulator-state", type=click.Path(path_type=Path), help="File that the emulator keeps.")
@click.option("--strict", is_flag=True, help="Do not start while there is any problem.")
@click.option("--log-format", type=click.Choice(FORMATS), help="Default: pretty on a terminal, else plain.")
@click.option("-q", "--quiet", is_flag=True, help="Only warnings and errors.")
@click.option("-v", "--verbose", is_flag=True, help="Also each run's beginning and end.")
def start(
    app: App,
    functions: tuple[str, ...],
    strict: bool,
    log_format: str | None,
    quiet: bool,
    verbose: bool,
    **options: Any,
) -> int:
    """Serve the functions of an app."""
    _check_emulator(**options)
    names = frozenset(name.strip() for each in functions for name in each.split(",") if name.strip())
    host_options = HostOptions(root=app.root, store=app.store, functions=names or None, **options)
    level = "warning" if quiet else "debug" if verbose else "info"
    log = Log(sys.stderr, log_format or ("pretty" if sys.stderr.isatty() else "plain"), level)
    screen = (JsonScreen if log_format == "json" else Screen)(log, quiet=quiet)
    _bring_in_logging(log, debug=verbose)
    try:
        return int(run_async(lambda: _serve(_host(host_options, log), log, screen, strict=strict)))
    except (FunchostError, OSError) as error:
        return screen.failed(error)
    finally:
        log.close()


def _check_emulator(
    *, emulator: str | None, emulator_port: int | None, emulator_state: Path | None, **others: Any
) -> None:
    if emulator != OWN_EMULATOR and (emulator_port is not None or emulator_state):
        raise click.UsageError("--emulator-port and --emulator-state are for --emulator aws.")


def _host(options: HostOptions, log: Log) -> Host:
    try:
        return Host(options, log)
    except OSError as error:
        if error.errno == errno.EADDRINUSE and options.emulator_port:
            from .holders import port_taken

            raise port_taken(options.emulator_port, "--emulator-port") from None
        raise


async def _serve(host: Host, log: Log, screen: Screen, *, strict: bool) -> int:
    _calm_collector()
    asked = _StopSignals()
    host.prepare()
    host.on_problems = screen.problems
    await _open(host)
    unlike = unlike_an_app(host)
    problems = [*host.problems, *unlike]
    screen.problems(problems)
    if strict and problems:
        await host.stop()
        raise Failure(f"{counted(len(problems), 'problem')}, and --strict asks for none.", Exit.CONFIGURATION)
    # The table and the URL come first; what functions say from here on waits for that.
    log.hold()
    await host.serve()
    # Drawing the table takes longer than answering the first requests, which are let by.
    await asyncio.to_thread(screen.serving, host, told=bool(hiding(host) or unlike))
    log.release()
    await asked.first.wait()
    log.say("info", "Stopping: what runs may finish. A second signal stops at once.")
    stopping = asyncio.create_task(host.stop())
    await asyncio.wait(
        {stopping, asyncio.create_task(asked.second.wait())}, return_when=asyncio.FIRST_COMPLETED
    )
    if not stopping.done():
        host.abandon()
        return Exit.INTERRUPTED
    await stopping
    return Exit.INTERRUPTED if asked.by_keyboard else Exit.OK


async def _open(host: Host) -> None:
    try:
        await host.open()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            from .holders import port_taken

            raise port_taken(host.configuration.port, "--port") from None
        raise ConfigurationError(
            f"The host cannot listen at {host.configuration.address}: {error.strerror}."
        ) from error


#: Seconds after which a host is no longer busy with its start.
_SETTLED = 2.0


def _calm_collector() -> None:
    """Keep the garbage collector from looking at the whole host again and again: what start makes stays, and what
    a request or message leaves behind is freed without it. That is 7 % of the host's work under load."""
    gc.set_threshold(20_000, 20, 20)
    asyncio.get_running_loop().call_later(_SETTLED, _forget_start)


def _forget_start() -> None:
    gc.collect()
    gc.freeze()


class _StopSignals:
    """Ctrl+C and SIGTERM, the first and the second time."""

    def __init__(self) -> None:
        self.first, self.second = asyncio.Event(), asyncio.Event()
        self.by_keyboard = False
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                loop.add_signal_handler(number, self._came, number)
            except NotImplementedError:
                signal.signal(number, lambda number, frame: loop.call_soon_threadsafe(self._came, number))

    def _came(self, number: int) -> None:
        if self.first.is_set():
            self.second.set()
        self.by_keyboard = number == signal.SIGINT
        self.first.set()


def _bring_in_logging(log: Log, *, debug: bool) -> None:
    """The host's own modules log through the standard library; libraries only when something is wrong."""
    root = logging.getLogger()
    root.handlers = [LogHandler(log)]
    root.setLevel(logging.WARNING)
    logging.getLogger("funchost").setLevel(logging.DEBUG if debug else logging.INFO)
    # A function that takes long to load is no news.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
