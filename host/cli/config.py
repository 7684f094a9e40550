"""`funchost config`: each value of the configuration and where it came from."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from .main import run_async
from .options import App, Port, app_options, json_option
from .output import Exit, emit_json, emit_table, show_problems, talk

if TYPE_CHECKING:
    from ..operations.config_view import ConfigView


@click.command()
@json_option
@app_options
@click.option("--effective", is_flag=True, help="Also the defaults of what is said nowhere.")
@click.option("--show-secrets", is_flag=True, help="Keys, passwords and connection strings as they are.")
@click.option("-p", "--port", type=Port(), help="As `start` is given it, like all below.")
@click.option("--address", help="Address to listen on.")
@click.option("--workers", type=click.IntRange(1, 10), help="Worker processes.")
@click.option("--auth/--no-auth", default=None, help="Ask for keys.")
@click.option("--cors", help="Origins that browsers may call from.")
@click.option("--python", type=click.Path(path_type=Path), help="Interpreter of the workers.")
@click.option("--emulator", help="The URL of an emulator.")
def config(app: App, as_json: bool, effective: bool, show_secrets: bool, **options: Any) -> int:
    """Show each value of the configuration and where it came from.

    That is what `start` would go by with the same options. Secrets are masked. The exit code is 3 where something is
    wrong with it.
    """
    app.check()
    view = run_async(lambda: _view(app, options, effective=effective))
    shown = view if show_secrets else _masked(view)
    if as_json:
        from ..operations.config_view import config_document

        emit_json(config_document(shown))
    else:
        _print(shown)
        if shown.problems:
            talk("")
        show_problems(shown.problems)
    return Exit.CONFIGURATION if view.failed else Exit.OK


async def _view(app: App, options: dict[str, Any], *, effective: bool) -> ConfigView:
    from ..configuration import Configuration, HostOptions  # half a second that the help need not wait
    from ..operations.config_view import config_view
    from ..operations.doctor.look import look_at

    configuration = Configuration(HostOptions(root=app.root, store=app.store, **options))
    look = await look_at(configuration, load=False)
    return config_view(configuration, look, effective=effective)


def _masked(view: ConfigView) -> ConfigView:
    from dataclasses import replace

    return replace(view, values=tuple(value.masked for value in view.values))


def _print(view: ConfigView) -> None:
    if not view.values:
        talk("Nothing is said anywhere: all is as by default. --effective shows that.")
    for number, (section, values) in enumerate(groupby(view.values, key=lambda value: value.section)):
        if number:
            click.echo()
        rows = [(value.key, _text(value.value), str(value.origin)) for value in values]
        emit_table((section.upper() if " " not in section else section, "VALUE", "FROM"), rows)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(inner)}" for key, inner in value.items() if inner is not None)
    return "not set" if value is None else msgspec.json.encode(value).decode()
