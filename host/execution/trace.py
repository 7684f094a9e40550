"""W3C trace context: who caused this run, and what its outputs say of it."""

from __future__ import annotations

import re
from typing import NamedTuple

from ...triggers.base import TriggerEvent

_PARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


class Trace(NamedTuple):
    """The trace of one run; `parent` names the run itself, as its callees should see it."""

    parent: str
    state: str | None

    @classmethod
    def of(cls, event: TriggerEvent, invocation_id: str) -> Trace:
        """The caller's trace with this run as a new span in it, or a new trace when the caller brought none."""
        digits = invocation_id.replace("-", "")
        # The first digits of an id are the time, which is the same for a while.
        span = digits[4:20]
        if event.traceparent:
            found = _PARENT.fullmatch(event.traceparent)
            if found and found[1].strip("0") and found[2].strip("0"):
                return cls(f"00-{found[1]}-{span}-{found[3]}", event.tracestate)
        return cls(f"00-{digits}-{span}-01", None)
