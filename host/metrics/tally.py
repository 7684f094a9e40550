"""What a host counts of its runs. Plain numbers: a run costs two additions, whoever reads them does the rest."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

from ...triggers.base import ErrorInfo, Outcome, Status
from ..execution.observer import Observer
from ..execution.run import Run

#: Upper ends of classes, in seconds: runs take from milliseconds to hours, timers are late by little or by much.
DURATIONS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
LATENESS = (0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 3600.0)


class Histogram:
    """How many values were in each class, and their sum."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    def cumulative(self) -> list[tuple[str, float]]:
        """How many values were at most each bound, as Prometheus writes it."""
        found, so_far = [], 0
        for bound, count in zip((*self._bounds, None), self._counts, strict=True):
            so_far += count
            found.append(("+Inf" if bound is None else str(bound), float(so_far)))
        return found


class FunctionTally:
    """The runs of one function."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.retries = 0
        self.ended: Counter[Status] = Counter()
        self.durations = Histogram(DURATIONS)
        #: Of a timer: how long after its moment each run began.
        self.lateness = Histogram(LATENESS)
        self.is_timer = False


class Tally(Observer):
    """The runs of a host since it began."""

    def __init__(self) -> None:
        self.functions: dict[str, FunctionTally] = {}

    def started(self, run: Run) -> None:
        tally = self._of(run.function)
        tally.in_flight += 1
        due = run.event.cause.queued
        if run.event.kind == "timer" and due is not None:
            tally.is_timer = True
            tally.lateness.add(max(0.0, (run.started - due).total_seconds()))

    def retrying(self, run: Run, error: ErrorInfo, delay: float) -> None:
        self._of(run.function).retries += 1

    def ended(self, run: Run, outcome: Outcome) -> None:
        tally = self._of(run.function)
        tally.in_flight -= 1
        tally.ended[outcome.status] += 1
        tally.durations.add(max(0.0, (outcome.ended - outcome.started).total_seconds()))

    def _of(self, function: str) -> FunctionTally:
        tally = self.functions.get(function)
        if tally is None:
            tally = self.functions[function] = FunctionTally()
        return tally
