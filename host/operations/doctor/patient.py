"""The app that is examined, and what several checks want to know of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from typing import TypeVar

from ....bindings.aws.session import in_thread
from ...configuration import Configuration
from .look import Look, look_at
from .probe import Environment, environment_of

T = TypeVar("T")


class Patient:
    """One app. Made in the event loop that the checks run in."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self._looking: asyncio.Task[Look] | None = None
        self._asking: asyncio.Task[Environment] | None = None

    @cached_property
    def root(self) -> Path:
        """The app root."""
        return self.configuration.root

    @cached_property
    def store(self) -> Path:
        """The file of its store, which need not exist."""
        return self.configuration.store_folder / "store.db"

    async def look(self) -> Look:
        """What the app holds; the worker that finds that out is started once for all checks."""
        if self._looking is None:
            self._looking = asyncio.create_task(look_at(self.configuration), name="look at the app")
        return await asyncio.shield(self._looking)

    async def environment(self) -> Environment:
        """What the app's interpreter says, asked once. Raises `FunchostError` where it says nothing."""
        if self._asking is None:
            ask = partial(environment_of, self.configuration)
            self._asking = asyncio.create_task(aside(ask), name="ask the interpreter")
        return await asyncio.shield(self._asking)

    async def close(self) -> None:
        """End the worker, if it is still at it."""
        begun = [task for task in (self._looking, self._asking) if task]
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)


async def aside(work: Callable[[], T]) -> T:
    """What `work` gives, done in a thread that holds up nobody's end, however long it takes."""
    return await in_thread(work)
