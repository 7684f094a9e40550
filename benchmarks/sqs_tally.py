"""What a server of `benchmarks/sqs.py` counts, the same for all contenders, and the gate that lets them begin."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

#: Where the benchmark asks for the tally; `?shut` and `?open` move the gate.
PATH = "/benchmark"

#: The call that waits at the gate.
RECEIVE = "ReceiveMessage"


class Tally:
    """Calls by their name, messages delivered and deleted, and the time from the first call to the last deletion.

    While the gate is shut nobody receives: contenders get ready, and begin together with the clock.
    """

    def __init__(self) -> None:
        self.shut = False
        #: Calls at the gate.
        self.waiting = 0
        self.forget()

    def forget(self) -> None:
        """Count from nothing."""
        self.calls: Counter[str] = Counter()
        self.delivered = 0
        self.deleted = 0
        self._began = self._ended = 0.0

    def steer(self, query: str) -> dict[str, Any]:
        """Do what the query says, and tell what was counted so far."""
        if query == "shut":
            self.shut = True
        if query == "open":
            self.forget()
            self._began = time.perf_counter()
            self.shut = False
        return {
            "calls": dict(self.calls),
            "delivered": self.delivered,
            "deleted": self.deleted,
            "waiting": self.waiting,
            "seconds": self._ended - self._began,
        }

    def note(self, action: str, delivered: int = 0, deleted: int = 0) -> None:
        """Count one call and what came of it."""
        self.calls[action] += 1
        self.delivered += delivered
        self.deleted += deleted
        if deleted:
            self._ended = time.perf_counter()
