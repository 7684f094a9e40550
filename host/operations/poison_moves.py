"""What is done about messages that were given up: replayed, changed, or deleted, one by one and in a way that an end in
the middle loses none; on the embedded store it doubles none either. Whoever begins again does what is left.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import msgspec

from ...bindings.errors import BindingError, NotFound
from ...bindings.parked import Parked, Replacement
from ...bindings.queue import DEFAULT_TTL, OutgoingMessage, PeekedMessage
from .pace import Pace
from .poison_message import PoisonMessage, Reason
from .workbench import Workbench

#: How the names of queues begin that triggers keep for themselves. What is in them has no end.
_INTERNAL = "azure-webjobs-"

#: What a message carries for having failed; the next time it starts over.
_FAILED = ("poison", "failures")


async def replay(
    workbench: Workbench,
    chosen: Sequence[PoisonMessage],
    *,
    to: str | None = None,
    rate: float | None = None,
    wanted: str = "",
) -> AsyncGenerator[PoisonMessage, None]:
    """Move messages back to the queues that they came from, or `to` another, at most `rate` a second; gives each once
    it is moved. Those that are gone or in flight by then are passed over.

    A message starts over, and its runs say which run they repeat. `wanted` says which these are, for the audit. Raises
    `BindingError` before anything is moved, for messages that do not say where they came from.
    """
    check_origins(chosen, to)
    origins = {poison.id: to or poison.origin for poison in chosen}

    def made(message: PeekedMessage) -> OutgoingMessage:
        return replayed(message, origins[message.id] or "")

    await _note(workbench, "poison.replay", chosen, wanted, to=to)
    pace = Pace(rate)
    async with aclosing(_each(chosen, made, singly=rate is not None)) as moved:
        await pace.turns()
        async for poison in moved:
            yield poison
            await pace.turns()


async def delete(
    workbench: Workbench, chosen: Sequence[PoisonMessage], *, wanted: str = ""
) -> AsyncGenerator[PoisonMessage, None]:
    """Remove messages for good; gives each once it is gone. Those in flight are passed over."""
    await _note(workbench, "poison.delete", chosen, wanted)
    async with aclosing(_each(chosen, lambda message: None)) as removed:
        async for poison in removed:
            yield poison


async def edit(workbench: Workbench, poison: PoisonMessage, body: bytes) -> bool:
    """Put another body in the place of a message's, where it lies; False for the same body, which changes nothing.

    Raises `NotFound` where the message is gone or in flight by now, and `MessageTooLarge`.
    """
    message = poison.message
    if body == message.body:
        return False
    properties = dict(message.properties)
    if isinstance(reason := properties.get("poison"), dict):
        properties["poison"] = {**reason, "edited": workbench.clock.now()}
    changed = msgspec.structs.replace(message, body=body, properties=properties)
    if not await poison.shelf.rewrite(message, changed):
        raise NotFound(
            f"The message {poison.id} is no longer in {poison.queue} as it was: somebody has moved it, changed it, "
            "or a function runs for it. Nothing was changed."
        )
    await workbench.note("poison.edit", poison.id, queue=poison.queue, bytes=len(body))
    return True


def replayed(message: PeekedMessage, queue: str) -> OutgoingMessage:
    """A message that was given up, as it goes into a queue once more."""
    properties = {key: value for key, value in message.properties.items() if key not in _FAILED}
    reason = Reason.read(message.properties.get("poison"))
    if reason.runs:
        properties["replayOf"] = reason.runs[-1]
    # Without the id that drops duplicates: it is one, and wanted.
    return OutgoingMessage(
        queue=queue,
        body=message.body,
        ttl=None if queue.startswith(_INTERNAL) else DEFAULT_TTL,
        properties=properties,
        session_id=reason.session_id or message.session_id,
        priority=message.priority,
    )


def check_origins(chosen: Sequence[PoisonMessage], to: str | None) -> None:
    """Raise `BindingError` where a message would have to go `to` somewhere, and does not say where it came from."""
    lost = [poison for poison in chosen if not (to or poison.origin)]
    if lost:
        raise BindingError(
            f"The message {lost[0].id} in {lost[0].queue} does not say which queue it came from. Name the one that it "
            "is to go to (--to QUEUE)."
        )
    if still := [poison for poison in chosen if (to or poison.origin) == poison.queue]:
        raise BindingError(f"The message {still[0].id} is in {still[0].queue} already. Name another queue.")


async def _each(
    chosen: Sequence[PoisonMessage], made: Replacement, *, singly: bool = False
) -> AsyncGenerator[PoisonMessage, None]:
    """Replace messages queue by queue; gives each once it is done."""
    by_queue: dict[tuple[int, str], list[PoisonMessage]] = {}
    for poison in chosen:
        by_queue.setdefault((id(poison.shelf), poison.queue), []).append(poison)
    for (_, queue), some in by_queue.items():
        by_id = {poison.id: poison for poison in some}
        shelf: Parked = some[0].shelf
        async with aclosing(shelf.replace(queue, by_id, made, singly=singly)) as done:
            async for id_ in done:
                yield by_id[id_]


async def _note(
    workbench: Workbench, action: str, chosen: Sequence[PoisonMessage], wanted: str, **detail: Any
) -> None:
    """Before it is done: what an end in the middle leaves behind is to be explained."""
    target = chosen[0].id if len(chosen) == 1 else wanted or "several"
    queues = sorted({poison.queue for poison in chosen})
    told = {key: value for key, value in detail.items() if value is not None}
    await workbench.note(action, target, messages=len(chosen), queues=queues, **told)
