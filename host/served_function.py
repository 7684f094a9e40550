"""One function in service: its trigger, its listener, what stands in its way, and how people are shown it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..bindings.errors import FunchostError
from ..triggers.base import Deliver, Listener, Outcome, Trigger
from ..triggers.descriptor import FunctionDescriptor
from ..triggers.pulse import Pulse, pulses_of

#: Pauses between two tries to start a listener, in seconds; the last one repeats.
START_PAUSES = (2.0, 4.0, 8.0, 16.0, 32.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionStatus:
    """One function as people and tools are shown it."""

    name: str
    trigger: str
    #: Its URL, queue, path or next run.
    where: str
    state: str
    disabled: bool = False
    errors: tuple[str, ...] = ()

    @property
    def waits(self) -> bool:
        """Whether something is in its way that may pass; its state says what."""
        return self.state.startswith(("waiting: ", "failing: ", "scanning failed: "))

    def url(self, host: str) -> str:
        """Where it is called on the host of that URL; empty for what HTTP does not call."""
        return host + self.where.rpartition(" ")[2] if self.trigger == "httpTrigger" and self.where else ""


class ServedFunction:
    """A function in service: its listener runs from `start` to `stop`, and is tried again when it fails."""

    def __init__(
        self,
        descriptor: FunctionDescriptor,
        trigger: Trigger,
        deliver: Deliver,
        report: Callable[[str], None],
        waits: Callable[[], str | None] = lambda: None,
        switched: Callable[[], str | None] = lambda: None,
    ) -> None:
        """`waits` tells why events that were taken do not run; None: they do. `switched` tells how people have paused
        or disabled it."""
        self.descriptor = descriptor
        self.trigger = trigger
        self.deliver = deliver
        #: Why the current code or configuration is not (or not newly) in service.
        self.error: str | None = None
        #: With an error: whether an older version, which was good, goes on instead.
        self.outdated = False
        #: Whether the next `Functions.arrange` is to make it anew, even if nothing about it has changed.
        self.stale = False
        #: Why its listener had to be made anew, until that has been seen to go on.
        self.ailment: str | None = None
        self._report = report
        self._waits = waits
        self._switched = switched
        self._listener: Listener | None = None
        self._starting: asyncio.Task[None] | None = None
        self._failure: str | None = None

    def start(self) -> Coroutine[Any, Any, None]:
        """Start listening. A listener that does not start is tried again until it does."""
        self._listener = _LateListener(partial(self.trigger.listener, self.deliver))
        return self._begin(self._listener)

    async def _begin(self, listener: Listener) -> None:
        if not await self._try_start(listener) and self._listener is listener:
            trying = self._keep_trying(listener)
            self._starting = asyncio.create_task(trying, name=f"start {self.descriptor.name}")

    def stop(self) -> Coroutine[Any, Any, None]:
        """Listen no longer, from now on (it may be started again); what this gives ends when nothing is in
        flight any more."""
        starting, listener = self._starting, self._listener
        self._starting = self._listener = self._failure = self.ailment = None
        if starting:
            starting.cancel()
        return _stopped(starting, listener)

    async def run(self, data: bytes | None) -> Outcome:
        """Run it once by hand."""
        return await self.deliver(await self.trigger.manual_event(data))

    @property
    def is_http(self) -> bool:
        """Whether an HTTP request runs it."""
        return self.descriptor.trigger.type == "httpTrigger"

    @property
    def is_started(self) -> bool:
        """Whether it listens, or is tried again until it does."""
        return self._listener is not None

    @property
    def pulses(self) -> tuple[Pulse, ...]:
        """Of the loops of its listener."""
        return pulses_of(self._listener)

    @property
    def status(self) -> FunctionStatus:
        """How it stands now."""
        errors = tuple(text for text in (self.error, self._failure) if text)
        return FunctionStatus(
            name=self.descriptor.name,
            trigger=self.descriptor.trigger.type,
            where=self.trigger.describe(),
            state=self._state(),
            disabled=self.descriptor.disabled,
            errors=errors,
        )

    def _state(self) -> str:
        if self.descriptor.disabled:
            return self._switched() or "disabled"
        if self._failure:
            return f"failing: {self._failure}"
        if self.error and not self.outdated:
            return "in error"
        if self.descriptor.unserved:
            return f"not served here: {', '.join(self.descriptor.unserved)}"
        if switched := self._switched():
            return switched
        if self.ailment:
            return f"failing: {self.ailment}"
        if self._listener is None:
            return "not listening"
        if waits := self._waits():
            return f"waiting: {waits}"
        return f"{self._listener.state}, with its last good version" if self.error else self._listener.state

    def keep(self, error: str) -> None:
        """Go on as before, since what it is now cannot be served."""
        self.outdated = self.outdated or self.error is None
        self.error = error

    async def _try_start(self, listener: Listener) -> bool:
        try:
            await listener.start()
        except Exception as error:
            reason = str(error) if isinstance(error, OSError | FunchostError) else repr(error)
            if reason != self._failure:
                self._report(f"The listener of {self.descriptor.name} does not start: {reason}")
            self._failure = reason
            return False
        self._failure = None
        return True

    async def _keep_trying(self, listener: Listener) -> None:
        for attempt in range(1_000_000):
            await asyncio.sleep(START_PAUSES[min(attempt, len(START_PAUSES) - 1)])
            if await self._try_start(listener):
                return


class _LateListener:
    """A listener that is made when it is to start: what goes wrong with that is told, and tried again, as what goes
    wrong with the start itself."""

    def __init__(self, make: Callable[[], Listener]) -> None:
        self._make = make
        self._made: Listener | None = None

    async def start(self) -> None:
        if self._made is None:
            self._made = self._make()
        await self._made.start()

    async def stop(self) -> None:
        if self._made:
            await self._made.stop()

    @property
    def state(self) -> str:
        return self._made.state if self._made else "not listening"

    @property
    def pulses(self) -> tuple[Pulse, ...]:
        """Of the listener that was made."""
        return pulses_of(self._made)


async def _stopped(starting: asyncio.Task[None] | None, listener: Listener | None) -> None:
    if starting:
        with contextlib.suppress(asyncio.CancelledError):
            await starting
    if listener:
        await listener.stop()
