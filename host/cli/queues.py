"""`funchost queues`: look after queues, and send messages. Works on the store itself, beside running hosts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from ...bindings.counted import counted
from ...bindings.errors import BindingError, MessageTooLarge, NotFound
from ...bindings.queue import DEFAULT_TTL, OutgoingMessage, PeekedMessage
from ...bindings.storages import storage_type
from ..operations import queues as operations
from ..operations.messages import message_document, send_message
from ..operations.queues import (
    QueueInfo,
    Rate,
    check_known,
    check_queue,
    clear_queue,
    pause_queue,
    queue_document,
    resume_queue,
)
from ..operations.workbench import Workbench
from .access import opened_queues, opened_workbench, settings_of
from .consent import consent, yes_option
from .main import run_async
from .message import message_text, moment_text
from .options import App, Content, Duration, Group, Moment, app_options, json_option
from .output import Exit, emit_json, emit_table, fail, talk
from .queues_text import queues_table
from .sending import message_fields, message_options

connection_option = click.option(
    "--connection",
    help="Where a connection of this name leads. Default: the app's own storage.",
)


@click.group(cls=Group)
def queues() -> None:
    """Look after queues, and send messages."""


@queues.command()
@click.argument("queue")
@click.argument("body", type=Content(), default="-", metavar="[TEXT|@FILE|-]")
@click.option("--delay", type=Duration(), help="Let it be seen only after this time, such as 10m.")
@click.option("--at", type=Moment(), help="Let it be seen only from this moment, such as 2030-01-31T18:00.")
@click.option("--ttl", type=Duration(), default=DEFAULT_TTL, help="How long it is kept unread. Default 7d.")
@message_options
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
    **said: Any,
) -> None:
    """Send a message.

    It is a text, the content of a FILE, or (- or nothing) what comes in on standard input. It is stored
    durably, and running hosts see it at once.
    """
    queue = named_queue(app, connection, queue)
    visible_at = visible_from(datetime.now(UTC), delay, at)
    message = OutgoingMessage(
        queue=queue,
        body=body,
        visible_at=visible_at,
        ttl=_checked_ttl(visible_at, ttl),
        **message_fields(**said),
    )
    try:
        run_async(lambda: _send(app, connection, message))
    except (MessageTooLarge, BindingError) as error:
        fail(error, Exit.USAGE)
    when = f", to be seen from {moment_text(visible_at)}" if visible_at else ""
    unless = f", unless '{message.dedup_id}' was sent there a short time ago" if message.dedup_id else ""
    talk(f"Sent {counted(len(body), 'byte')} to {queue}{when}{unless}.")


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
    queue = named_queue(app, connection, queue)
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
    """List the queues with what they hold.

    IN/S and DONE/S are the runs that began for messages of a queue and those of them that have succeeded, a second,
    over the last minute and on this machine, as the history has them.
    """
    app.check()
    found = run_async(lambda: _list(app, connection))
    shown = [queue for queue in found if show_all or not queue.is_internal]
    now = datetime.now(UTC)
    if as_json:
        emit_json([queue_document(queue, now) for queue in shown])
    elif shown:
        emit_table(*queues_table(shown, now), one_line=True)
    else:
        talk("No queues yet: a queue is there once a message was sent to it.")


@queues.command()
@click.argument("queue")
@yes_option
@json_option
@connection_option
@app_options
def clear(app: App, queue: str, yes: bool, as_json: bool, connection: str | None) -> None:
    """Delete all messages of a queue.

    Delayed ones go too. Those in flight stay, and end as they would; on SQS they go as well, within a minute.
    """
    queue = named_queue(app, connection, queue)
    if nothing_stored(app, connection):
        raise NotFound(f"There is no queue '{queue}': there is no store yet.")
    count = run_async(lambda: _clear(app, connection, queue, yes))
    if as_json:
        emit_json({"queue": queue, "deleted": count})
    else:
        talk(f"Deleted {counted(count, 'message')} of {queue}.")


@queues.command()
@click.argument("queue")
@json_option
@connection_option
@app_options
def pause(app: App, queue: str, as_json: bool, connection: str | None) -> None:
    """Have nobody take messages from a queue until `resume`.

    That goes for all hosts of the app, also for those that are started later. What runs goes on.
    """
    queue = named_queue(app, connection, queue)
    try:
        changed = run_async(lambda: _switch(app, connection, queue, _pause))
    except BindingError as error:
        raise click.BadParameter(str(error), param_hint="QUEUE") from None
    _tell_switched(queue, changed, as_json, paused=True)


@queues.command()
@click.argument("queue")
@json_option
@connection_option
@app_options
def resume(app: App, queue: str, as_json: bool, connection: str | None) -> None:
    """Have messages taken from a queue again."""
    queue = named_queue(app, connection, queue)
    changed = run_async(lambda: _switch(app, connection, queue, resume_queue))
    _tell_switched(queue, changed, as_json, paused=False)


def nothing_stored(app: App, connection: str | None) -> bool:
    """Whether the queues would be in a store that is not there yet; none has to be made to find nothing in it."""
    app.check()
    own = settings_of(app).app.connection(connection or "")
    return own.kind == "embedded" and not (app.store_folder / "store.db").exists()


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


def _checked_ttl(visible_at: datetime | None, ttl: timedelta) -> timedelta:
    if not ttl:
        raise click.BadParameter("A message that is kept for no time is never seen.", param_hint="--ttl")
    try:
        (visible_at or datetime.now(UTC)) + ttl
    except OverflowError:
        raise click.BadParameter("That is after the end of all calendars.", param_hint="--ttl") from None
    return ttl


def named_queue(app: App, connection: str | None, queue: str) -> str:
    """The queue's name, by the rules of the storage that the connection leads to."""
    app.check()
    kind = settings_of(app).app.connection(connection or "").kind
    try:
        return storage_type(kind if connection else "embedded").queue_name(queue)
    except BindingError as error:
        raise click.BadParameter(str(error), param_hint="QUEUE") from None


async def _send(app: App, connection: str | None, message: OutgoingMessage) -> None:
    async with opened_workbench(app) as workbench:
        await send_message(workbench, message, connection or "")


async def _peek(app: App, connection: str | None, queue: str, count: int) -> list[PeekedMessage]:
    async with opened_queues(app, connection, make=False) as store:
        check_known(queue, [depth.queue for depth in await store.depths()])
        return await store.peek(queue, count)


async def _list(app: App, connection: str | None) -> list[QueueInfo]:
    if nothing_stored(app, None):
        # Nothing was paused and no run was recorded; no store has to be made to say so.
        async with opened_queues(app, connection, make=False) as store:
            return [QueueInfo(depth=depth, rate=Rate(), paused=None) for depth in await store.depths()]
    async with opened_workbench(app) as workbench:
        return await operations.list_queues(workbench, connection or "")


async def _clear(app: App, connection: str | None, queue: str, yes: bool) -> int:
    async with opened_workbench(app) as workbench:
        known = {depth.queue: depth for depth in await workbench.queues(connection or "").depths()}
        check_known(queue, known)
        depth = known[queue]
        count = depth.visible + depth.delayed + depth.waiting
        if count:
            flying = f", beside {depth.in_flight} in flight" if depth.in_flight else ""
            consent(f"{counted(count, 'message')} of {queue}{flying} to be deleted for good", yes=yes)
        return await clear_queue(workbench, queue, connection or "")


async def _switch(
    app: App,
    connection: str | None,
    queue: str,
    operation: Callable[[Workbench, str, str], Awaitable[bool]],
) -> bool:
    async with opened_workbench(app) as workbench:
        return await operation(workbench, queue, connection or "")


async def _pause(workbench: Workbench, queue: str, connection: str) -> bool:
    """Pause the queue; where there is none of that name, which may be a slip, say so."""
    changed = await pause_queue(workbench, queue, connection)
    try:
        await check_queue(workbench, connection, queue)
    except NotFound as error:
        talk(str(error))
    return changed


def _tell_switched(queue: str, changed: bool, as_json: bool, *, paused: bool) -> None:
    if as_json:
        emit_json({"queue": queue, "paused": paused, "changed": changed})
    elif paused:
        talk(f"Paused: {queue}." if changed else f"{queue} is paused already.")
    else:
        talk(f"Resumed: {queue}." if changed else f"{queue} is not paused.")
