"""The `funchost` command. Each sub-command is imported only when it is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib import import_module
from typing import Any

import click

from ..bindings.errors import FunchostError
from .cli_output import Exit, fail

#: Name of each command, and the module and object that hold it.
_COMMANDS = {
    "init": "cli_app:init",
    "new": "cli_app:new",
    "start": "cli_start:start",
    "list": "cli_show:list_functions",
    "run": "cli_run:run",
    "queues": "cli_queues:queues",
    "timers": "cli_show:timers",
    "keys": "cli_keys:keys",
    "version": "cli_show:show_version",
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = _COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.partition(":")
        command: click.Command = getattr(import_module(f".{module}", __package__), name)
        return command


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
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
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        return Exit.OK
    except (FunchostError, TimeoutError) as error:
        fail(error)
    return result if isinstance(result, int) else Exit.OK


def run_async(work: Callable[[], Any]) -> Any:
    """Run a coroutine function to its end in an event loop of its own; uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work())
    return uvloop.run(work())
