"""A function that is told of changed blobs by notifications, as listeners."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .base import Listener
from .notifications import Receiver, Remove
from .pulse import Pulse, pulses_of
from .scan import Scanner


class Notified:
    """Wraps the listener of a function and subscribes to its notifications for as long as that runs.

    Outside of every lease: whichever host receives a notification records it for all of them, so also one that
    stands by must know what the function wants.
    """

    def __init__(self, inner: Listener, subscribe: Callable[[], tuple[Receiver, Remove]]) -> None:
        self._inner = inner
        self._subscribe = subscribe
        self._subscription: tuple[Receiver, Remove] | None = None

    @property
    def state(self) -> str:
        state = self._inner.state
        trouble = self._subscription[0].trouble if self._subscription else None
        return trouble if trouble and state.startswith("listening") else state

    @property
    def pulses(self) -> tuple[Pulse, ...]:
        """Of the inner one, and of what receives."""
        receiving = (self._subscription[0].pulse,) if self._subscription else ()
        return (*pulses_of(self._inner), *receiving)

    async def start(self) -> None:
        if self._subscription is None:
            self._subscription = self._subscribe()
        await self._inner.start()

    async def stop(self) -> None:
        subscription, self._subscription = self._subscription, None
        ending = [subscription[1]()] if subscription else []
        await asyncio.gather(*ending, self._inner.stop())


class Sweep:
    """The scans beside notifications, which one of the hosts makes; without a scanner there are none."""

    def __init__(self, told: str, scanner: Scanner | None, lease: Listener | None) -> None:
        """`told` is its state while all is well; `lease` runs the scanner on one host."""
        self._told = told
        self._scanner = scanner
        self._lease = lease

    @property
    def state(self) -> str:
        trouble = self._scanner.trouble if self._scanner else None
        return trouble or self._told

    @property
    def pulses(self) -> tuple[Pulse, ...]:
        """Of the scans that this host makes."""
        return pulses_of(self._lease)

    async def start(self) -> None:
        if self._lease:
            await self._lease.start()

    async def stop(self) -> None:
        if self._lease:
            await self._lease.stop()
