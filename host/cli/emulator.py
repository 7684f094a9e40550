"""`funchost emulator`: a cloud on this machine, for hosts and programs to develop against."""

from __future__ import annotations

import errno
import signal
from pathlib import Path

import click

from ...bindings.errors import ConfigurationError
from ..emulator.ending import Ending
from ..emulator.environment import command_line, made_up
from ..emulator.process import check_installed
from ..emulator.server import EmulatorServer
from .options import Group, Port
from .output import Exit, talk

#: The port that other emulators of AWS have too.
DEFAULT_PORT = 4566


@click.group(cls=Group)
def emulator() -> None:
    """A cloud on this machine, for development."""


@emulator.command()
@click.option(
    "-p", "--port", type=Port(), default=DEFAULT_PORT, help=f"Port; 0 takes any. Default {DEFAULT_PORT}."
)
@click.option("--address", default="127.0.0.1", help="Address to listen on. Default 127.0.0.1.")
@click.option("--state", type=click.Path(path_type=Path), help="File that queues and buckets are kept in.")
def aws(port: int, address: str, state: Path | None) -> int:
    """Serve the queues of SQS and the buckets of S3 until told to stop.

    The first line on stdout is its URL. Any credentials are accepted.
    """
    check_installed()
    ending = Ending()
    with _server(port, address, state) as server:
        click.echo(server.url)
        for line in how_to_reach(server.url, state):
            talk(line)
        number = ending.wait()
        talk(f"Stopping{f', and saving to {state}' if state else ''}.")
    return Exit.INTERRUPTED if number == signal.SIGINT else Exit.OK


def how_to_reach(url: str, state: Path | None) -> list[str]:
    """What to do at another terminal, in lines."""
    exports = " ".join(f"{name}={text}" for name, text in made_up(url).items())
    kept = (
        f"What it holds is kept in {state}."
        if state
        else "All is forgotten at the end; --state FILE keeps it."
    )
    return [
        "",
        "Programs find it by their environment:",
        f"  export {exports}",
        "The AWS command line, where these are not set:",
        f"  {command_line(url)}",
        "A host, with all its queues and blobs there:",
        f"  funchost start --emulator {url}",
        "",
        f"{kept} Ctrl+C stops.",
    ]


def _server(port: int, address: str, state: Path | None) -> EmulatorServer:
    try:
        return EmulatorServer(port, address, state=state, tell=talk)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            from .holders import port_taken

            raise port_taken(port, "--port") from None
        raise ConfigurationError(f"The emulator cannot listen at {address}: {error.strerror}.") from error
