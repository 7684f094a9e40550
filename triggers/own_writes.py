"""Finds a function that keeps itself running: it writes files that its own path matches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

#: How many times a function's own writes may run it again, one out of the other.
GENERATIONS = 3

#: How long it is remembered that the function wrote a file, in seconds: its new version is found well before.
MEMORY = 60.0


class OwnWrites:
    """Remembers which files a function wrote, and how many of its own writes led up to each.

    A run that nobody else's file caused has the generation 0, a run for a file that such a run wrote has 1, and
    so on. A function that marks its files, or writes a summary beside them, stays below the limit for ever.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._written: dict[str, tuple[int, float]] = {}
        self._rewritten: dict[str, int] = {}

    def generation(self, key: str) -> int:
        """The generation of a new version of this file, as far as is known now."""
        generation, until = self._written.get(key, (0, 0.0))
        return generation if until > self._monotonic() else 0

    def ran(self, key: str, generation: int, wrote: Iterable[str]) -> bool:
        """Take note of what the run for a file wrote; whether that is a loop.

        `generation` is what the message said; what was learnt since counts too.
        """
        self._expire()
        caused = max(generation, self.generation(key)) + 1
        until = self._monotonic() + MEMORY
        written = {path: max(caused, self.generation(path)) for path in wrote}
        self._written.update((path, (value, until)) for path, value in written.items())
        return any(value > GENERATIONS for value in written.values())

    def ran_untold(self, key: str, *, changed: bool) -> bool:
        """As `ran`, where the worker does not tell what it wrote: whether the file itself changed during the run.

        A loop is taken for sure once that happened to the same file in three runs one after the other.
        """
        if not changed:
            self._rewritten.pop(key, None)
            return False
        self._rewritten[key] = self._rewritten.get(key, 0) + 1
        return self._rewritten[key] >= GENERATIONS

    def _expire(self) -> None:
        now = self._monotonic()
        self._written = {path: entry for path, entry in self._written.items() if entry[1] > now}
