"""What `funchost queues send` may say of a message beside its body: order, rank, identity, who is to be answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from ...bindings.errors import BindingError
from ...bindings.ordering import DEFAULT_PRIORITY, HIGHEST_PRIORITY, LOWEST_PRIORITY, checked_id
from ...bindings.queue import HOST_PROPERTIES


class MessageId(click.ParamType[str]):
    """A session id, or an id that drops duplicates."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return checked_id(str(value), "id")
        except BindingError as error:
            self.fail(str(error), param, ctx)


class Property(click.ParamType[tuple[str, str]]):
    """A name and a text."""

    name = "name=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        name, equals, text = str(value).partition("=")
        if not name or not equals:
            self.fail(f"'{value}' is no property: write NAME=VALUE.", param, ctx)
        if name in HOST_PROPERTIES:
            self.fail(f"'{name}' is a name that hosts use themselves. Choose another one.", param, ctx)
        return name, text


_OPTIONS = (
    click.option(
        "--session", type=MessageId(), help="Run it in its turn among the messages of this session."
    ),
    click.option(
        "--priority",
        type=click.IntRange(LOWEST_PRIORITY, HIGHEST_PRIORITY),
        default=DEFAULT_PRIORITY,
        help=f"{LOWEST_PRIORITY} to {HIGHEST_PRIORITY}, the higher goes first. Default {DEFAULT_PRIORITY}.",
    ),
    click.option("--dedup-id", type=MessageId(), help="Drop it if this id was sent a short time ago."),
    click.option("--reply-to", metavar="QUEUE", help="Queue that the result is to go to."),
    click.option("--correlation-id", metavar="TEXT", help="What the result is to be known by."),
    click.option(
        "--property", "properties", type=Property(), multiple=True, help="What else is to go with it."
    ),
)


def message_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options, for `message_fields`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def message_fields(
    session: str | None,
    priority: int,
    dedup_id: str | None,
    reply_to: str | None,
    correlation_id: str | None,
    properties: Sequence[tuple[str, str]],
) -> dict[str, Any]:
    """The options as fields of an `OutgoingMessage`."""
    named = {"replyTo": reply_to, "correlationId": correlation_id}
    beside = dict(properties) | {key: text for key, text in named.items() if text}
    return {"session_id": session, "priority": priority, "dedup_id": dedup_id, "properties": beside}
