"""What keeps a store from being used: told when it comes and when it has passed, not with each try in between."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ..bindings.clock import Clock

log = logging.getLogger("funchost.triggers.queue")

#: Seconds for which the same sentence is not told again, however often the trouble comes and goes.
QUIET = 60.0


class Trouble:
    """One kind of trouble that a listener may have. `report` tells people of it."""

    def __init__(self, report: Callable[[str], None], clock: Clock) -> None:
        self._report = report
        self._clock = clock
        #: What is wrong now, in a sentence; None when nothing is.
        self.reason: str | None = None
        #: When each sentence was last told.
        self._told: dict[str, float] = {}
        self._is_told = False

    def came(self, reason: str, tell: Callable[[str], None] | None = None) -> None:
        """It is there, or still there. `tell` is used in the place of `report`."""
        if reason == self.reason:
            return
        self.reason = reason
        now = self._clock.monotonic()
        self._told = {said: at for said, at in self._told.items() if now - at < QUIET}
        if reason not in self._told:
            self._told[reason] = now
            self._is_told = True
            (tell or self._report)(reason)

    def passed(self, what: str) -> None:
        """It is over, if it was there; `what` is told then to whoever was told of it."""
        if self.reason is None:
            return
        self.reason = None
        if self._is_told:
            self._is_told = False
            log.info("%s", what)
