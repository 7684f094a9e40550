"""What the host remembers beside queues and blobs: receipts, timer status, keys, files seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .queue import OutgoingMessage


@dataclass(frozen=True, slots=True)
class Sighting:
    """One version of a blob or file that a scanner has seen and now puts on a function's internal queue."""

    #: What the version belongs to, such as ``container/name`` or a file's path.
    path: str
    #: Which version; None forgets the path (it is gone).
    version: str | None
    #: What to send for it; None only remembers (or forgets).
    message: OutgoingMessage | None = None


class StateStore(Protocol):
    """Small durable facts, by scope. A scope is a text such as ``blob:<function>``."""

    async def get(self, scope: str, key: str) -> Any:
        """The JSON value kept there, or None."""

    async def put(self, scope: str, key: str, value: Any) -> None:
        """Keep a JSON value (None removes it)."""

    async def change(self, scope: str, key: str, edit: Callable[[Any], Any]) -> bool:
        """Keep what `edit` makes of the value (None: there is none), with no other change in between.

        Where `edit` gives None the value stays as it is, and the answer is False. It may be called more than once
        and in another thread, so it must depend on nothing but the value.
        """

    async def items(self, scope: str) -> Mapping[str, Any]:
        """All values of a scope."""

    def watch(self, scope: str, callback: Callable[[], None]) -> None:
        """Call `callback` in the loop, for good, whenever anyone has changed a value of the scope."""

    async def seen(self, scope: str) -> dict[str, str]:
        """The version last recorded for each path of a scope."""

    async def record(self, scope: str, sightings: Sequence[Sighting]) -> int:
        """Remember the versions and send the messages of those that are new, in one step.

        A path whose recorded version is already the given one sends nothing, whoever recorded it: so every
        version is queued once, also when several hosts scan. Returns how many were new.
        """
