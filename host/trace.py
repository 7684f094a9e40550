"""W3C trace context: who caused this run, and what its outputs say of it."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from ..triggers.base import TriggerEvent

_PARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")

_random = random.Random()


@dataclass(frozen=True, slots=True)
class Trace:
    """The trace of one run; `parent` names the run itself, as its callees should see it."""

    parent: str
    state: str | None

    @classmethod
    def of(cls, event: TriggerEvent) -> Trace:
        """The caller's trace with a new span in it, or a new trace when the caller brought none."""
        span = f"{_random.getrandbits(64):016x}"
        found = _PARENT.fullmatch(event.traceparent) if event.traceparent else None
        if found and found[1].strip("0") and found[2].strip("0"):
            return cls(f"00-{found[1]}-{span}-{found[3]}", event.tracestate)
        return cls(f"00-{_random.getrandbits(128):032x}-{span}-01", None)
