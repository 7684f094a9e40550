"""The wall clock of hosts that run, set by a test (`funchost.host.settable_clock`).

    clock = HostClock(tmp_path)
    clock.set("2026-06-01T11:59:59Z")
    with RunningHost(app.root, env=clock.env) as host:
        clock.step(hours=-2)

It goes on by itself. Workers, and what does not step (leases, timeouts), keep the machine's clock.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path


class HostClock:
    """The clock of the hosts that are started with `env`; the machine's at first."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock.txt"
        self._ahead = timedelta(0)

    @property
    def env(self) -> dict[str, str]:
        """What a host's environment has to have."""
        return {"FUNCHOST_TEST_CLOCK": str(self._file)}

    def set(self, moment: str) -> None:
        """Have it show this ISO time now."""
        self._put(datetime.fromisoformat(moment) - datetime.now(UTC))

    def step(self, **by: float) -> None:
        """Set it forward, or back: hours, minutes, seconds."""
        self._put(self._ahead + timedelta(**by))

    def _put(self, ahead: timedelta) -> None:
        self._ahead = ahead
        # Renamed into its place: a host reads it at any time.
        draft = self._file.with_suffix(".draft")
        draft.write_text(str(ahead.total_seconds()))
        draft.replace(self._file)
