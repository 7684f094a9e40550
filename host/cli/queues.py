"""`funchost queues`: send messages, and look into queues. Works on the store itself, beside running hosts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from ...bindings.counted import counted
from ...bindings.errors import BindingError, MessageTooLarge, NotFound
from ...bindings.queue import DEFAULT_TTL, OutgoingMessage, PeekedMessage, QueueDepth
from ...bindings.storages import storage_type
from ..config.vocabulary import nearest
from .access import opened_queues, settings_of
from .main import run_async
from .message import message_document, message_text, moment_text
from .options import App, Content, Duration, Group, Moment, app_options, json_option
from .output import Exit, emit_json, emit_table, fail, talk

#: How the names of queues begin that funchost keeps for itself.
_INTERNAL = "azure-webjobs-"


connection_option = click.option(
    "--connection",
    help="Where a connection of this name leads. Default: the app's own storage.",
)


@click.group(cls=Group)
def queues() -> None:
    """Send messages, and look into queues."""


@queues.command()
@click.argument("queue")
@click.argument("body", type=Content(), default="-", metavar="[TEXT|@FILE|-]")
@click.option("--delay", type=Duration(), help="Let it be seen only after this time, such as 10m.")
@click.option("--at", type=Moment(), help="Let it be seen only from this moment, such as 2030-01-31T18:00.")
@click.option("--ttl", type=Duration(), default=DEFAULT_TTL, help="How long it is kept unread. Default 7d.")
@connection_option
@app_options
def send(
    app: App,
    queue: str,
    body: bytes,
    delay: timedelta | None,
    at: datetime | None,
    ttl: timedelta,
    connection: str | None,
) -> None:
    """Send a message.

    It is a text, the content of a FILE, or (- or nothing) what comes in on standard input. It is stored
    durably, and running hosts see it at once.
    """
    queue = _named(app, connection, queue)
    visible_at = visible_from(datetime.now(UTC), delay, at)
    message = OutgoingMessage(
        queue=queue, body=body, visible_at=visible_at, ttl=_checked_ttl(visible_at, ttl)
    )
    try:
        run_async(lambda: _send(app, connection, message))
    except MessageTooLarge as error:
        fail(error, Exit.USAGE)
    when = f", to be seen from {moment_text(visible_at)}" if visible_at else ""
    talk(f"Sent {counted(len(body), 'byte')} to {queue}{when}.")


@queues.command()
@click.argument("queue")
@click.option("-n", "count", type=click.IntRange(1, 10_000), default=10, help="How many. Default 10.")
@json_option
@connection_option
@app_options
def peek(app: App, queue: str, count: int, as_json: bool, connection: str | None) -> None:
    """Look at the messages of a queue.

    None is received by that, except on SQS, where a look counts as a delivery. The next one comes first. For messages that were given up (those in poison queues) the reason is shown.
    """
    queue = _named(app, connection, queue)
    messages = run_async(lambda: _peek(app, connection, queue, count))
    if as_json:
        emit_json([message_document(message) for message in messages])
    elif messages:
        click.echo("\n\n".join(map(message_text, messages)))
    else:
        talk(f"The queue {queue} is empty.")


@queues.command("list")
@click.option("--all", "show_all", is_flag=True, help="Also those that funchost keeps for itself.")
@json_option
@connection_option
@app_options
def list_queues(app: App, show_all: bool, as_json: bool, connection: str | None) -> None:
    """List the queues with what they hold."""
    depths = [
        depth
        for depth in run_async(lambda: _depths(app, connection))
        if show_all or not depth.queue.startswith(_INTERNAL)
    ]
    now = datetime.now(UTC)
    if as_json:
        emit_json([_depth_document(depth, now) for depth in depths])
    elif depths:
        columns = ("QUEUE", "VISIBLE", "DELAYED", "IN FLIGHT", "OLDEST")
        emit_table(columns, [_depth_row(depth, now) for depth in depths])
    else:
        talk("No queues yet: a queue is there once a message was sent to it.")


def visible_from(now: datetime, delay: timedelta | None, at: datetime | None) -> datetime | None:
    """From when the message is to be seen; None is at once. Raises `UsageError`."""
    if delay is not None and at is not None:
        raise click.UsageError("Give either --delay or --at, not both.")
    if at is not None and at <= now:
        talk("The time of --at is past: the message is to be seen at once.")
        return None
    try:
        return now + delay if delay else at
    except OverflowError:
        raise click.BadParameter("That is after the end of all calendars.", param_hint="--delay") from None


def age_text(age: timedelta) -> str:
    """An age as people say it, in its two largest units."""
    seconds = max(0, int(age.total_seconds()))
    days, seconds = divmod(seconds, 86_400)
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    parts = [f"{days}d", f"{hours}h", f"{minutes}m", f"{seconds}s"]
    first = next((place for place, part in enumerate(parts) if not part.startswith("0")), 3)
    return " ".join(parts[first : first + 2])


def _checked_ttl(visible_at: datetime | None, ttl: timedelta) -> timedelta:
    if not ttl:
        raise click.BadParameter("A message that is kept for no time is never seen.", param_hint="--ttl")
    try:
        (visible_at or datetime.now(UTC)) + ttl
    except OverflowError:
        raise click.BadParameter("That is after the end of all calendars.", param_hint="--ttl") from None
    return ttl


def _named(app: App, connection: str | None, queue: str) -> str:
    """The queue's name, by the rules of the storage that the connection leads to."""
    app.check()
    kind = settings_of(app).app.connection(connection or "").kind
    try:
        return storage_type(kind if connection else "embedded").queue_name(queue)
    except BindingError as error:
        raise click.BadParameter(str(error), param_hint="QUEUE") from None


async def _send(app: App, connection: str | None, message: OutgoingMessage) -> None:
    async with opened_queues(app, connection) as store:
        await store.send([message])


async def _peek(app: App, connection: str | None, queue: str, count: int) -> list[PeekedMessage]:
    known = [depth.queue for depth in await _depths(app, connection)]
    if queue not in known:
        near = nearest(queue, known)
        shown = [name for name in known if not name.startswith(_INTERNAL)]
        hint = f"Did you mean {near}?" if near else f"There are: {', '.join(shown)}." if shown else ""
        raise NotFound(f"There is no queue '{queue}': no message was ever sent to it. {hint}".rstrip())
    async with opened_queues(app, connection) as store:
        return await store.peek(queue, count)


async def _depths(app: App, connection: str | None) -> list[QueueDepth]:
    async with opened_queues(app, connection, make=False) as store:
        return await store.depths()


def _depth_row(depth: QueueDepth, now: datetime) -> tuple[str, ...]:
    oldest = age_text(now - depth.oldest) if depth.oldest else ""
    return depth.queue, str(depth.visible), str(depth.delayed), str(depth.in_flight), oldest


def _depth_document(depth: QueueDepth, now: datetime) -> dict[str, Any]:
    age = max(0.0, (now - depth.oldest).total_seconds()) if depth.oldest else None
    return {
        "queue": depth.queue,
        "visible": depth.visible,
        "delayed": depth.delayed,
        "inFlight": depth.in_flight,
        "oldest": depth.oldest.isoformat() if depth.oldest else None,
        "oldestAgeSeconds": age,
    }
