"""Messages that were given up: found by a filter, grouped by their errors, and one of them looked at."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from ...bindings.counted import counted
from ...bindings.errors import NotFound
from ...bindings.history import RunRecord
from ...bindings.parked import Parked, parked_messages
from ...bindings.queue import QueueStore
from .poison_message import PoisonMessage, Reason, is_given_up
from .workbench import Workbench

#: Ids that a message which begins like several of them is told of.
_NAMED = 3

#: What differs from message to message in what is one error: words with a digit, such as ids, counts and times.
_VARYING = re.compile(r"[\w.:+-]*\d[\w.:+-]*", re.ASCII)


class PoisonFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages are meant; what is None or empty does not matter. All that is said must hold."""

    #: Ids in the poison queue or before, or the beginnings of such.
    ids: tuple[str, ...] = ()
    #: The queue in which they lie, or that they came from.
    queue: str | None = None
    #: In any case.
    function: str | None = None
    #: A text that stands in the error's type or first line, in any case.
    error: str | None = None
    #: Given up then or later.
    since: datetime | None = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing is said, so that all are meant."""
        return self == ALL

    def matches(self, poison: PoisonMessage) -> bool:
        """Whether a message is meant."""
        reason = poison.reason
        return (
            (not self.ids or any(begins(poison, id_) for id_ in self.ids))
            and (self.queue is None or self.queue in (poison.queue, poison.origin))
            and (self.function is None or (reason.function or "").lower() == self.function.lower())
            and (self.error is None or self.error.lower() in reason.headline.lower())
            and (self.since is None or poison.given_up >= self.since)
        )


ALL = PoisonFilter()


@dataclass(frozen=True, slots=True, kw_only=True)
class PoisonGroup:
    """Messages of one queue that were given up by one function for one error."""

    queue: str
    function: str | None
    error: str
    #: The first line of what the error said; words in which the messages differ are an ellipsis.
    message: str
    count: int
    first: datetime
    last: datetime
    #: The id of the one that was given up last.
    example: str


def begins(poison: PoisonMessage, id_: str) -> bool:
    """Whether an id, here or where it came from, begins so."""
    return poison.id.startswith(id_) or (poison.reason.message_id or "").startswith(id_)


class PoisonQueues:
    """The messages behind one connection that were given up; the empty name is the app's own storage."""

    def __init__(self, workbench: Workbench, connection: str = "") -> None:
        """Raises `ConfigurationError` for a connection that cannot be used."""
        self.workbench = workbench
        self._stores = _stores(workbench, connection)

    async def find(
        self, wanted: PoisonFilter = ALL, *, whole: bool = False
    ) -> AsyncGenerator[PoisonMessage, None]:
        """The messages that are meant, queue by queue; only a `whole` one has body, properties and traceback."""
        looked_into: list[str] = []
        # Two names of one storage may lead to the same queue.
        seen: set[str] = set()
        for shelf in map(parked_messages, self._stores):
            # The hosts' own queues come first. Seen from outside their names are longer.
            found = await shelf.poison_queues(wanted.queue)
            names = [name for name in found if not any(_is_longer(name, own) for own in looked_into)]
            for queue in names:
                async with aclosing(self._in_queue(shelf, queue, wanted, whole)) as messages:
                    async for poison in messages:
                        if poison.id not in seen:
                            seen.add(poison.id)
                            yield poison
            looked_into += names

    async def _in_queue(
        self, shelf: Parked, queue: str, wanted: PoisonFilter, whole: bool
    ) -> AsyncGenerator[PoisonMessage, None]:
        async with aclosing(shelf.look(queue, bodies=whole)) as messages:
            async for message in messages:
                poison = PoisonMessage(message, Reason.read(message.properties.get("poison")), shelf)
                if is_given_up(message) and wanted.matches(poison):
                    yield poison if whole else _brief(poison)

    async def get(self, id_: str, *, whole: bool = True) -> PoisonMessage:
        """The message of that id, or whose id begins so. Raises `NotFound` for none, or several."""
        [found] = await self.these([id_], whole=whole)
        return found

    async def these(self, ids: Collection[str], *, whole: bool = False) -> list[PoisonMessage]:
        """One message for each id. Raises `NotFound` for an id that is that of none, or begins several."""
        wanted = PoisonFilter(ids=tuple(dict.fromkeys(ids)))
        async with aclosing(self.find(wanted, whole=whole)) as messages:
            found = [message async for message in messages]
        chosen = (_only(found, id_) for id_ in wanted.ids)
        return list({poison.id: poison for poison in chosen}.values())

    async def groups(self, wanted: PoisonFilter = ALL) -> list[PoisonGroup]:
        """The messages by queue, function and error, the largest group first.

        Errors are one where they differ in words with a digit only: the same mistake for many orders is one group.
        """
        members: dict[tuple[str, str | None, str, str], list[PoisonMessage]] = {}
        async with aclosing(self.find(wanted)) as messages:
            async for poison in messages:
                reason = poison.reason
                key = poison.queue, reason.function, reason.error, _shape(_first_line(poison))
                members.setdefault(key, []).append(poison)
        groups = [_group(*key, some) for key, some in members.items()]
        return sorted(groups, key=lambda group: (-group.count, group.queue, group.error, group.message))

    async def runs(self, poison: PoisonMessage) -> dict[str, RunRecord | None]:
        """The runs of its deliveries by id, the first one first; None for one that the history does not hold."""
        return {id_: await self._run(id_) for id_ in poison.reason.runs}

    async def _run(self, id_: str) -> RunRecord | None:
        try:
            return await self.workbench.history.get(id_)
        except NotFound:
            return None


def group_document(group: PoisonGroup) -> dict[str, Any]:
    """A group as programs are shown it."""
    return {
        "queue": group.queue,
        "function": group.function,
        "error": group.error or None,
        "message": group.message or None,
        "count": group.count,
        "first": group.first.isoformat(),
        "last": group.last.isoformat(),
        "example": group.example,
    }


def _stores(workbench: Workbench, connection: str) -> list[QueueStore]:
    """Where messages of the connection are given up; those of blobs and files in the hosts' own queues."""
    if connection:
        return [workbench.queues(connection)]
    storage = workbench.storage
    return list(dict.fromkeys((storage.queues, workbench.queues(""), storage.local.queues)))


def _is_longer(name: str, own: str) -> bool:
    return name != own and name.endswith(own)


def _brief(poison: PoisonMessage) -> PoisonMessage:
    """Without what is large: there may be a hundred thousand."""
    message = msgspec.structs.replace(poison.message, body=b"", properties={})
    return PoisonMessage(message, msgspec.structs.replace(poison.reason, traceback=""), poison.shelf)


def _only(found: list[PoisonMessage], id_: str) -> PoisonMessage:
    matching = [poison for poison in found if begins(poison, id_)]
    exact = [poison for poison in matching if id_ in (poison.id, poison.reason.message_id)]
    matching = exact if len(exact) == 1 else matching
    if not matching:
        raise NotFound(
            f"No message with the id '{id_}' was given up. `funchost poison list` shows which were."
        )
    if len(matching) > 1:
        shown = ", ".join(poison.id for poison in matching[:_NAMED])
        more = ", …" if len(matching) > _NAMED else ""
        raise NotFound(f"'{id_}' begins the ids of {counted(len(matching), 'message')}: {shown}{more}.")
    return matching[0]


def _first_line(poison: PoisonMessage) -> str:
    return next(iter(poison.reason.message.splitlines()), "")


def _shape(line: str) -> str:
    return _VARYING.sub("…", line)


def _group(
    queue: str, function: str | None, error: str, shape: str, members: list[PoisonMessage]
) -> PoisonGroup:
    lines = set(map(_first_line, members))
    last = max(members, key=lambda poison: poison.given_up)
    return PoisonGroup(
        queue=queue,
        function=function,
        error=error,
        message=lines.pop() if len(lines) == 1 else shape,
        count=len(members),
        first=min(poison.given_up for poison in members),
        last=last.given_up,
        example=last.id,
    )
