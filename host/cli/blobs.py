"""`funchost blobs`: what containers hold, and functions run again for it. Works beside running hosts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from ...bindings.blob import BlobInfo
from ...bindings.counted import counted
from ...bindings.errors import BindingError, ConfigurationError
from ...bindings.names import blob_path, blobs_path
from ..operations.blobs import (
    Again,
    ContainerInfo,
    again_document,
    blob_details,
    blob_document,
    blob_info,
    blobs_of,
    container_document,
    containers,
    delete_blob,
    run_again,
    to_run_again,
)
from ..runtime import running_hosts
from .access import app_errors, inspected, opened_workbench, workbench_of
from .blob_content import About, checked_type, metadata_pair, read_blob, write_blob
from .consent import consent, yes_option
from .main import run_async
from .message import moment_text, printable
from .options import App, Group, app_options, json_option
from .output import Exit, Failure, emit_json, emit_table, show_problems, talk
from .queues import connection_option
from .queues_text import age_text


class BlobPath(click.ParamType[str]):
    """``container/name``, by the rules for both."""

    name = "container/name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            container, name = blob_path(str(value))
        except BindingError as error:
            self.fail(str(error), param, ctx)
        return f"{container}/{name}"


class BlobsPath(click.ParamType[tuple[str, str]]):
    """``container`` or ``container/prefix``."""

    name = "container[/prefix]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        try:
            return blobs_path(str(value))
        except BindingError as error:
            self.fail(str(error), param, ctx)


@click.group(cls=Group)
def blobs() -> None:
    """Look into blobs, and have functions run for them again."""


@blobs.command("list")
@click.argument("place", type=BlobsPath(), required=False, metavar="[CONTAINER[/PREFIX]]")
@click.option("-n", "--limit", type=click.IntRange(1), default=100, help="How many blobs. Default 100.")
@json_option
@connection_option
@app_options
def list_blobs(
    app: App, place: tuple[str, str] | None, limit: int, as_json: bool, connection: str | None
) -> None:
    """List the containers with what they hold, or the blobs of one."""
    if place is None:
        _show_containers(run_async(lambda: _containers(app, connection)), as_json=as_json)
        return
    found, has_more = run_async(lambda: _blobs(app, connection, place, limit))
    if as_json:
        emit_json([blob_document(info) for info in found])
    elif found:
        emit_table(("BLOB", "SIZE", "AGE", "ETAG"), [_row(info) for info in found])
    else:
        talk(f"No blobs in {place[0]}" + (f" whose names begin with {place[1]}." if place[1] else "."))
    if has_more:
        talk(f"There are more than these {limit}: --limit shows them.")


@blobs.command()
@click.argument("path", type=BlobPath(), metavar="CONTAINER/NAME")
@json_option
@connection_option
@app_options
def show(app: App, path: str, as_json: bool, connection: str | None) -> None:
    """Show what is known of a blob, beside its content."""
    info = run_async(lambda: _info(app, connection, path))
    if as_json:
        emit_json(blob_details(info))
        return
    for name, value in _details(info):
        click.echo(f"{name:<12} {printable(value)}")


@blobs.command()
@click.argument("path", type=BlobPath(), metavar="CONTAINER/NAME")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True), default="-", metavar="[FILE|-]")
@click.option("--content-type", help="Its type. Default: what its name says.")
@click.option("--metadata", multiple=True, metavar="NAME=VALUE", help="What is known of it; repeat.")
@json_option
@connection_option
@app_options
def put(
    app: App,
    path: str,
    file: str,
    content_type: str | None,
    metadata: tuple[str, ...],
    as_json: bool,
    connection: str | None,
) -> None:
    """Write a blob, in the place of one that is there.

    Its content is that of FILE or (- or nothing) what comes in on standard input. It becomes visible in one step, and
    functions that watch it run.
    """
    about = About(checked_type(content_type), dict(map(metadata_pair, metadata)))
    info = run_async(lambda: write_blob(app, connection, path, file, about))
    if as_json:
        emit_json(blob_details(info))
    else:
        talk(f"Wrote {counted(info.length, 'byte')} to {info.path} (ETag {info.etag}).")


@blobs.command()
@click.argument("path", type=BlobPath(), metavar="CONTAINER/NAME")
@click.argument("file", type=click.Path(allow_dash=True), default="-", metavar="[FILE|-]")
@yes_option
@connection_option
@app_options
def get(app: App, path: str, file: str, yes: bool, connection: str | None) -> None:
    """Read a blob, into FILE or (- or nothing) to standard output."""
    target = None if file == "-" else Path(file)
    if target and target.is_dir():
        target /= path.rpartition("/")[2]
    if target and target.exists():
        consent(f"{target} is there already and would be overwritten", yes=yes)
    length = run_async(lambda: read_blob(app, connection, path, target))
    if target:
        talk(f"Wrote {counted(length, 'byte')} to {target}.")


@blobs.command()
@click.argument("path", type=BlobPath(), metavar="CONTAINER/NAME")
@yes_option
@connection_option
@app_options
def delete(app: App, path: str, yes: bool, connection: str | None) -> None:
    """Delete a blob."""
    info = run_async(lambda: _info(app, connection, path))
    consent(f"{path} ({counted(info.length, 'byte')}) would be deleted for good", yes=yes)
    run_async(lambda: _delete(app, connection, path))
    talk(f"Deleted {path}.")


@blobs.command()
@click.argument("place", type=BlobsPath(), metavar="CONTAINER[/PREFIX]")
@click.option("--function", "functions", multiple=True, help="Only this one; repeat for more.")
@yes_option
@json_option
@connection_option
@app_options
def reprocess(
    app: App,
    place: tuple[str, str],
    functions: tuple[str, ...],
    yes: bool,
    as_json: bool,
    connection: str | None,
) -> None:
    """Have the functions that watch a container run again for its blobs.

    For those whose names begin with PREFIX. They run in the hosts that run now, or in the next one that is started.
    With --connection only functions that have this connection.
    """
    run_async(lambda: _reprocess(app, place, functions, connection, yes=yes, as_json=as_json))


async def _containers(app: App, connection: str | None) -> list[ContainerInfo]:
    async with opened_workbench(app) as workbench:
        return await containers(workbench.blobs(connection or ""))


async def _blobs(
    app: App, connection: str | None, place: tuple[str, str], limit: int
) -> tuple[list[BlobInfo], bool]:
    async with opened_workbench(app) as workbench:
        return await blobs_of(workbench.blobs(connection or ""), *place, limit)


async def _info(app: App, connection: str | None, path: str) -> BlobInfo:
    async with opened_workbench(app) as workbench:
        return await blob_info(workbench.blobs(connection or ""), path)


async def _delete(app: App, connection: str | None, path: str) -> None:
    async with opened_workbench(app) as workbench:
        await delete_blob(workbench, connection or "", path)


async def _reprocess(
    app: App,
    place: tuple[str, str],
    functions: Sequence[str],
    connection: str | None,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    from ...triggers.blob import BlobTrigger

    async with inspected(app) as host:
        if broken := app_errors(host.problems):
            show_problems(broken)
            raise ConfigurationError("Which functions watch it shows once the app can be read.")
        triggers = [one.trigger for one in host.functions if isinstance(one.trigger, BlobTrigger)]
        plan = await to_run_again(triggers, *place, functions=functions, connection=connection)
        runs = sum(len(again.blobs) for again in plan)
        if not runs:
            raise Failure(
                f"There are no blobs in {'/'.join(filter(None, place))} to run for.", Exit.NOT_FOUND
            )
        consent(f"This asks for {counted(runs, 'run')} ({_shown(plan)})", yes=yes)
        await run_again(workbench_of(host), plan)
    if as_json:
        emit_json(again_document(plan))
        return
    talk(f"{_shown(plan)}: {counted(runs, 'run')} asked for.")
    for again in plan:
        if again.trigger.function.disabled:
            talk(f"{again.function} is disabled: it runs for them once it is enabled.")
    if not running_hosts(app.store_folder):
        talk("No host runs here now: they run when one is started.")


def _shown(plan: Sequence[Again]) -> str:
    return ", ".join(f"{again.function} for {counted(len(again.blobs), 'blob')}" for again in plan)


def _show_containers(found: Sequence[ContainerInfo], *, as_json: bool) -> None:
    if as_json:
        emit_json([container_document(container) for container in found])
    elif found:
        emit_table(("CONTAINER", "BLOBS", "SIZE", "NEWEST"), list(map(_container_row, found)))
    else:
        talk("No containers yet: a container is there once a blob was put into it.")


def _container_row(container: ContainerInfo) -> tuple[str, ...]:
    more = "" if container.is_whole else "+"
    newest = age_text(datetime.now(UTC) - container.newest) if container.newest else ""
    return container.name, f"{container.blobs}{more}", f"{_size(container.size)}{more}", newest


def _row(info: BlobInfo) -> tuple[str, ...]:
    age = age_text(datetime.now(UTC) - info.modified_at)
    return printable(info.name), _size(info.length), age, info.etag.strip('"')


def _details(info: BlobInfo) -> list[tuple[str, str]]:
    return [
        ("blob", info.path),
        ("size", counted(info.length, "byte")),
        ("modified", moment_text(info.modified_at)),
        ("type", info.content_type),
        ("etag", info.etag),
        *(("metadata", f"{name}={value}") for name, value in info.metadata.items()),
    ]


def _size(length: int) -> str:
    """Bytes as people read them, in powers of 1024."""
    size = float(length)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
