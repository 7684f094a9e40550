"""What people have switched: functions that are paused, disabled or enabled, and queues that nobody takes from.

It is kept in the state that all hosts of an app share, so it outlasts them; each host goes by it at once.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Awaitable, Callable, Hashable, Iterable
from dataclasses import replace
from datetime import datetime

import msgspec

from ..bindings.state import StateStore
from ..triggers.descriptor import FunctionDescriptor
from .config.connection import HOST_STORAGE

log = logging.getLogger(__name__)

SCOPE = "switches"

#: Seconds that a start waits for them, and between two tries while they cannot be read.
START_LIMIT = 3.0
AGAIN = 5.0

_QUEUE_TRIGGER = "queueTrigger"


class SwitchKind(enum.StrEnum):
    """What is switched."""

    #: A function whose listener takes nothing new.
    PAUSED = "paused"
    #: A function that is as with ``disabled`` in its definition, or as without it.
    DISABLED = "disabled"
    #: A queue that no listener takes from.
    QUEUE = "queue"


class Switch(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that somebody has switched."""

    kind: SwitchKind
    #: The function, or the queue.
    name: str
    since: datetime
    #: As the audit names him.
    by: str
    #: False where a function that its definition disables is enabled all the same.
    on: bool = True
    #: Through which connection the queue is reached; empty: the app's own storage.
    connection: str = ""

    @property
    def key(self) -> str:
        """Where it is kept in its scope."""
        return switch_key(self.kind, self.name, self.connection)

    @property
    def told(self) -> str:
        """Since when, and by whom, for people."""
        return f"since {self.since.astimezone():%Y-%m-%d %H:%M:%S %Z}, by {self.by}"


def switch_key(kind: SwitchKind, name: str, connection: str = "") -> str:
    """Where a switch is kept. Names of functions and connections are the same in any case, those of queues are not."""
    if kind is SwitchKind.QUEUE:
        return f"{kind}:{own_storage_or(connection).lower()}:{name}"
    return f"{kind}:{name.lower()}"


def own_storage_or(connection: str) -> str:
    """The name of a connection; the app's own storage has the empty one, also where it is called by its setting."""
    return "" if connection.strip().lower() == HOST_STORAGE.lower() else connection.strip()


def read_switches(values: Iterable[object]) -> list[Switch]:
    """What is kept in the scope, as far as it can be read."""
    found = []
    for value in values:
        try:
            found.append(msgspec.convert(value, Switch, strict=False))
        except msgspec.ValidationError:
            continue  # of a newer version, or by another hand
    return found


class Switches:
    """What is switched, as one host knows it. Until it was read, nothing is."""

    def __init__(
        self,
        state: StateStore,
        leads: Callable[[str], Hashable] = lambda connection: connection,
        report: Callable[[str], None] = lambda message: None,
    ) -> None:
        """`leads` gives the same for connections that lead to the same queues."""
        self._state = state
        self._leads = leads
        self._report = report
        #: Why they could not be read at last.
        self._trouble: str | None = None
        self._found: dict[str, Switch] = {}

    async def begin(self) -> None:
        """Read them, if that can be done now; where not, `follow` goes on trying."""
        try:
            async with asyncio.timeout(START_LIMIT):
                await self._read()
        except Exception as error:
            self._failed(error)

    async def follow(self, apply: Callable[[], Awaitable[None]]) -> None:
        """Read them whenever somebody has switched, and call `apply` then, for as long as this runs."""
        changed = asyncio.Event()
        self._state.watch(SCOPE, changed.set)
        # What was switched since `begin` nobody tells of.
        changed.set()
        while True:
            await changed.wait()
            changed.clear()
            try:
                await self._read()
                await apply()
            except Exception as error:
                self._failed(error)
                changed.set()
                await asyncio.sleep(AGAIN)

    async def _read(self) -> None:
        values = await self._state.items(SCOPE)
        self._found = {switch.key: switch for switch in read_switches(values.values())}
        if self._trouble:
            log.info("What is paused or disabled can be read again.")
        self._trouble = None

    def _failed(self, error: Exception) -> None:
        """Tell of it, once for as long as nothing else is wrong."""
        reason = "there is no answer" if isinstance(error, TimeoutError) else str(error)
        if reason != self._trouble:
            self._report(f"What is paused or disabled cannot be read, which is tried again: {reason}")
        self._trouble = reason

    def applied(self, function: FunctionDescriptor) -> FunctionDescriptor:
        """The function, disabled or not as somebody has switched it; as its definition says where nobody has."""
        switch = self._found.get(switch_key(SwitchKind.DISABLED, function.name))
        return function if switch is None else replace(function, disabled=switch.on)

    def pause_of(self, function: FunctionDescriptor) -> Switch | None:
        """Why its listener takes nothing: it is paused itself, or the queue that it listens to."""
        own = self._found.get(switch_key(SwitchKind.PAUSED, function.name))
        return own or self._pause_of_queue(function)

    def _pause_of_queue(self, function: FunctionDescriptor) -> Switch | None:
        trigger = function.trigger
        if trigger.type != _QUEUE_TRIGGER:
            return None
        queue, connection = trigger.fields.get("queueName"), trigger.fields.get("connection") or ""
        for switch in self._found.values():
            is_named = switch.kind is SwitchKind.QUEUE and switch.name == queue
            if is_named and self._leads(switch.connection) == self._leads(connection):
                return switch
        return None

    def told(self, function: FunctionDescriptor) -> str | None:
        """How a function stands by what is switched, for people; None: as it would without."""
        disabled = self._found.get(switch_key(SwitchKind.DISABLED, function.name))
        if function.disabled:
            return f"disabled ({disabled.told})" if disabled and disabled.on else None
        pause = self.pause_of(function)
        if pause is None:
            return None
        what = f"paused: queue {pause.name}" if pause.kind is SwitchKind.QUEUE else "paused"
        return f"{what} ({pause.told})"
