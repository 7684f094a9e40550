"""`funchost init` and `funchost new`: an empty app, and a first version of a function."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from ...bindings.errors import ConfigurationError
from ..configuration import DEFAULT_PORT
from .access import hosts_of, settings_of
from .options import App, app_options
from .output import talk
from .scaffold import init_app, new_function
from .templates import FUNCTIONS, slug


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), default=".", metavar="[DIR]")
@click.option(
    "--model",
    type=click.Choice(["v1", "v2"]),
    default="v1",
    help="v1: a folder with a function.json for each function. v2: decorators in function_app.py. Default v1.",
)
def init(directory: Path, model: str) -> None:
    """Make a folder an app.

    Files that are already there stay as they are. Prints the files made.
    """
    with _told():
        made = init_app(directory, decorated=model == "v2")
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

    It is added to function_app.py where the app has one, and goes into the folder `functions` where it has that.
    Prints the files written.
    """
    app.check()
    with _told():
        made = new_function(app.root, name, trigger)
    _print(made)
    if not (app.root / "host.json").exists():
        talk(
            f"There is no host.json in {app.root}: `funchost init` makes one, and what else belongs to an app."
        )
    hosts = hosts_of(app)
    embedded = settings_of(app).app.connection("").kind == "embedded"
    url = hosts[0].runtime.url if hosts else None
    talk(f"Next: {next_step(name, trigger, url, embedded=embedded)}")


def next_step(name: str, trigger: str, url: str | None = None, *, embedded: bool = True) -> str:
    """What makes the function that was just written run, by its kind of trigger; `url` is that of a running host,
    and blobs are files where they are `embedded`."""
    step = _step(name, trigger, url or f"http://localhost:{DEFAULT_PORT}", embedded)
    return step if url or trigger == "manual" else f"funchost start, then {step}"


def _step(name: str, trigger: str, url: str, embedded: bool) -> str:
    match trigger:
        case "http":
            return f"curl {url}/api/{name}"
        case "queue":
            return f"funchost queues send {slug(name)} hello"
        case "timer":
            return "funchost timers shows when it runs"
        case "blob" if not embedded:
            return f"put a blob into the container {slug(name)}"
        case "blob":
            return f"put a file into .funchost/blobs/{slug(name)}/"
        case "file":
            return f"put a file into import/{slug(name)}/"
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
