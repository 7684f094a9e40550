"""`funchost init` and `funchost new`: an empty app, and a first version of a function."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from ..bindings.errors import ConfigurationError
from .cli_options import App, app_options
from .cli_output import talk
from .scaffold import init_app, new_function
from .templates import FUNCTIONS


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), default=".", metavar="[DIR]")
def init(directory: Path) -> None:
    """Make a folder an app.

    Files that are already there stay as they are. Prints the files made.
    """
    with _told():
        made = init_app(directory)
    _print(made)
    if not made:
        talk(f"{directory} is an app already: nothing was changed.")
    entered = "" if directory.resolve() == Path.cwd() else f"cd {directory}, then "
    talk(f"Next: {entered}funchost new hello --trigger http, and funchost start")


@click.command()
@click.argument("name")
@click.option(
    "--trigger", type=click.Choice(list(FUNCTIONS)), required=True, help="What is to make the function run."
)
@app_options
def new(app: App, name: str, trigger: str) -> None:
    """Write a first version of a function.

    It goes into the folder `functions` where the app has one. Prints the files made.
    """
    app.check()
    with _told():
        made = new_function(app.root, name, trigger)
    _print(made)
    if not (app.root / "host.json").exists():
        talk(
            f"There is no host.json in {app.root}: `funchost init` makes one, and what else belongs to an app."
        )
    talk(f"Next: {next_step(name, made)}")


def next_step(name: str, made: list[Path]) -> str:
    """What makes the function that was just written run, by its trigger binding."""
    definition = next(path for path in made if path.name == "function.json")
    trigger: dict[str, Any] = json.loads(definition.read_text(encoding="utf-8"))["bindings"][0]
    match trigger["type"]:
        case "httpTrigger":
            return f"funchost start, then curl http://localhost:7071/api/{trigger['route']}"
        case "queueTrigger":
            return f"funchost start, then funchost queues send {trigger['queueName']} hello"
        case "timerTrigger":
            return "funchost start; funchost timers shows when it runs"
        case "blobTrigger":
            return f"funchost start, then put a file into .funchost/blobs/{Path(trigger['path']).parent.as_posix()}/"
        case "fileTrigger":
            return f"funchost start, then put a file into {Path(trigger['path']).parent.as_posix()}/"
        case _:
            return f"funchost run {name} --data hello"


@contextmanager
def _told() -> Iterator[None]:
    """Turn what the file system refuses into a sentence."""
    try:
        yield
    except OSError as error:
        raise ConfigurationError(f"{error.filename} cannot be made: {error.strerror}.") from error


def _print(made: list[Path]) -> None:
    for path in made:
        click.echo(path)
