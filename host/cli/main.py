"""The `funchost` command. Each sub-command is imported only when it is asked for."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import click

from ...bindings.errors import FunchostError
from .options import Group
from .output import Exit, explained, fail

#: Each command: its name, the module and object that hold it, and its line in the help.
_COMMANDS = {
    "init": ("app:init", "Make a folder an app."),
    "new": ("app:new", "Write a first version of a function."),
    "start": ("start:start", "Serve the functions of an app."),
    "list": ("show:list_functions", "List the functions and how they stand."),
    "run": ("run:run", "Run a function once, now, and print its result."),
    "runs": ("runs:runs", "Look at runs, follow them, replay and cancel them."),
    "poison": ("poison:poison", "Look at messages that were given up, mend and replay them."),
    "queues": ("queues:queues", "Look after queues, and send messages."),
    "functions": ("functions:functions", "Pause, resume, enable and disable functions."),
    "timers": ("timers:timers", "Show each timer with its runs, and run one now."),
    "blobs": ("blobs:blobs", "Look into blobs, and have functions run for them again."),
    "locks": ("locks:locks", "Show who holds which lock, and break one."),
    "logs": ("logs:logs", "Show what hosts and functions have logged, and follow it."),
    "keys": ("keys:keys", "Show and renew the keys that HTTP functions ask for."),
    "audit": ("audit:audit", "Show what was done that changes something."),
    "export": ("transfer:export_command", "Write the whole local state to a file."),
    "import": ("transfer:import_command", "Put an exported state into the place of this app's."),
    "emulator": ("emulator:emulator", "A cloud on this machine, for development."),
    "doctor": ("doctor:doctor", "Look for what keeps an app from working."),
    "config": ("config:config", "Show each value of the configuration and where it came from."),
    "exec": ("exec:execute", "Run a command beside a host of its own."),
    "version": ("show:show_version", "Show the versions of funchost and what it stands on."),
}


class _LazyGroup(Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(f".{module}", __package__), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Whoever read our output has seen enough. What is left of it must not be tried again at the exit.
            _leave_output()
            return Exit.OK

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # Out of the table: the help must not have to import all commands.
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="funchost", prog_name="funchost", message="%(prog)s %(version)s")
def cli() -> None:
    """A self-hosted function host: drop function folders into place, and run them.

    \b
    Exit codes: 0 ok, 1 failed, 2 usage, 3 configuration or code, 4 port or store in use,
    5 not found, 6 time-out, 7 host not reachable, 130 interrupted.
    """


def main() -> int:
    """Run the command line; every end is an exit code, never a traceback for what a user did."""
    try:
        result = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        return Exit.INTERRUPTED
    except click.ClickException as error:
        error.show()
        return Exit.USAGE
    except (KeyboardInterrupt, asyncio.CancelledError):
        return Exit.INTERRUPTED
    except (FunchostError, OSError) as error:
        fail(*explained(error))
    return result if isinstance(result, int) else Exit.OK


def _leave_output() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())


def run_async(work: Callable[[], Any]) -> Any:
    """Run a coroutine function to its end in an event loop of its own; uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work())
    return uvloop.run(work())
