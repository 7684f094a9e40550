"""A clock that a test sets while the host runs.

Nothing here is imported unless the environment (never a settings file) names a file with ``FUNCHOST_TEST_CLOCK``. It
holds the seconds by which the host's wall clock is ahead of the machine's, and is looked at with each reading; no file
is no difference. What never steps, such as the time of leases, stays as it is.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from ..bindings.clock import SystemClock


class SettableClock(SystemClock):
    """The machine's clock, as far ahead as the file says."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def now(self) -> datetime:
        return super().now() + self._ahead()

    def _ahead(self) -> timedelta:
        try:
            return timedelta(seconds=float(self._file.read_text()))
        except FileNotFoundError:
            return timedelta(0)
