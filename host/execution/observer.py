"""Who is told of runs: the log, the history, whoever counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...triggers.base import ErrorInfo, Outcome
from .run import Run


class Observer:
    """Is told of each run. Does nothing by itself. What it does must be quick, and must not raise."""

    def started(self, run: Run) -> None:
        """A run's first attempt is about to begin."""

    def retrying(self, run: Run, error: ErrorInfo, delay: float) -> None:
        """An attempt failed and another follows after `delay` seconds."""

    def progressed(self, invocation_id: str, progress: float | None, status: Any) -> None:
        """The function has said how far it is (0 to 1, or None), and a status of its own (JSON)."""

    def settling(self, run: Run, outcome: Outcome) -> None:
        """The run is over, and its event is about to be settled: what is written to the embedded store right now
        is written in the same transaction, if the event is settled there."""

    def ended(self, run: Run, outcome: Outcome) -> None:
        """The run's event has been settled; the outcome is another one where that failed."""


class Observers(Observer):
    """Tells several, in their order."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)

    def started(self, run: Run) -> None:
        for observer in self._observers:
            observer.started(run)

    def retrying(self, run: Run, error: ErrorInfo, delay: float) -> None:
        for observer in self._observers:
            observer.retrying(run, error, delay)

    def progressed(self, invocation_id: str, progress: float | None, status: Any) -> None:
        for observer in self._observers:
            observer.progressed(invocation_id, progress, status)

    def settling(self, run: Run, outcome: Outcome) -> None:
        for observer in self._observers:
            observer.settling(run, outcome)

    def ended(self, run: Run, outcome: Outcome) -> None:
        for observer in self._observers:
            observer.ended(run, outcome)
