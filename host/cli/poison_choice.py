"""Which messages that were given up a command is about, and how it does something for each of them."""

from __future__ import annotations

import functools
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import click

from ...bindings.errors import NotFound
from ..operations.poison import PoisonFilter, PoisonQueues
from ..operations.poison_message import PoisonMessage
from ..operations.queues import check_queue
from ..operations.workbench import Workbench
from .access import opened_workbench
from .options import App, Since
from .queues import nothing_stored

Command = TypeVar("Command", bound=Callable[..., Any])


def filter_options(command: Command) -> Command:
    """Give the command what says which messages it is about; it is called with all of that as `wanted`."""

    @click.option("--function", metavar="NAME", help="Only those that this function has failed for.")
    @click.option("--error", metavar="TEXT", help="Only those whose error has this text in its first line.")
    @click.option("--since", type=Since(), help="Only those given up then or later: 1h, 2d, or a time.")
    @functools.wraps(command)
    def wrapped(
        function: str | None, error: str | None, since: datetime | None, queue: str | None, **options: Any
    ) -> Any:
        wanted = PoisonFilter(function=function, error=error, since=since, queue=queue)
        return command(wanted=wanted, **options)

    return wrapped  # type: ignore[return-value]


queue_option = click.option("--queue", help="Only those in this queue, or that came from it.")


def check_choice(ids: Sequence[str], wanted: PoisonFilter, everything: bool) -> None:
    """Raise `UsageError` unless it is said in one way which messages are meant."""
    ways = [bool(ids), not wanted.is_everything, everything]
    if not any(ways):
        raise click.UsageError(
            "Say which messages: ids, a filter (--queue, --function, --error, --since), or --all. "
            "`funchost poison list` shows what there is."
        )
    if sum(ways) > 1:
        raise click.UsageError("Say which messages in one way: ids, a filter, or --all.")
    if not all(ids):
        raise click.UsageError("An ID is an empty text.")


async def _chosen(
    workbench: Workbench, connection: str, ids: Sequence[str], wanted: PoisonFilter
) -> list[PoisonMessage]:
    """Raises `NotFound` for an id or a queue that does not exist."""
    queues = PoisonQueues(workbench, connection)
    if ids:
        return await queues.these(ids)
    async with aclosing(queues.find(wanted)) as messages:
        found = [message async for message in messages]
    if wanted.queue and not found:
        await check_queue(workbench, connection, wanted.queue)
    return found


@dataclass(frozen=True, slots=True)
class Done:
    """The messages that were chosen, and the ids of those for which it was done."""

    chosen: Sequence[PoisonMessage] = ()
    ids: Sequence[str] = ()


async def work_on(
    app: App,
    connection: str | None,
    ids: Sequence[str],
    wanted: PoisonFilter,
    agreed: Callable[[Sequence[PoisonMessage]], bool],
    begin: Callable[[Workbench, Sequence[PoisonMessage]], AsyncGenerator[PoisonMessage, None]],
) -> Done | None:
    """Do it for each message that is meant, if that is `agreed`; None: it is not."""
    if nothing_stored(app, connection):
        if ids:
            raise NotFound(f"No message with the id '{ids[0]}' was given up: there is no store yet.")
        return Done() if agreed(()) else None
    async with opened_workbench(app) as workbench:
        chosen = await _chosen(workbench, connection or "", ids, wanted)
        if not agreed(chosen):
            return None
        if not chosen:
            return Done()
        steps = begin(workbench, chosen)
        hidden = len(chosen) == 1 or not sys.stderr.isatty()
        with click.progressbar(length=len(chosen), file=sys.stderr, hidden=hidden) as bar:
            return Done(chosen, await _drained(steps, lambda: bar.update(1)))


async def _drained(steps: AsyncGenerator[PoisonMessage, None], told: Callable[[], None]) -> list[str]:
    done = []
    async with aclosing(steps):
        async for step in steps:
            done.append(step.id)
            told()
    return done
