"""Whether a worker still answers. One that is stopped, or hangs with nothing to do, is to be replaced.

Code that holds up the worker's loop or its interpreter is allowed to, for as long as its timeout lets it: a worker
with invocations in flight is told of when it does not answer, and left alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

#: Seconds between two pings, and how many in a row may go without an answer. They are counted here, so that a host
#: that was stopped together with its workers does not hold that against them.
INTERVAL = 10.0
MOST_MISSED = 3


class Heartbeat:
    """Of one worker that serves."""

    def __init__(
        self, pid: int, ping: Callable[[], None], is_busy: Callable[[], bool], tell: Callable[[str], None]
    ) -> None:
        """`is_busy` says whether it has something to do that may keep it from answering; `tell` warns people."""
        self._pid = pid
        self._ping = ping
        self._is_busy = is_busy
        self._tell = tell
        self._has_answered = True

    def answered(self) -> None:
        """The worker has said so."""
        self._has_answered = True

    async def fails(self) -> str:
        """Ping for as long as there are answers; returns why the worker is to be replaced."""
        missed = 0
        while True:
            if self._has_answered:
                self._has_answered = False
                self._ping()
            await asyncio.sleep(INTERVAL)
            missed = 0 if self._has_answered else missed + 1
            silence = f"for {missed * INTERVAL:g} s"
            if missed >= MOST_MISSED and _is_stopped(self._pid):
                return f"its process was stopped by a signal, and did not answer {silence}"
            if missed >= MOST_MISSED and not self._is_busy():
                return f"it had nothing to do, and did not answer {silence}"
            if missed == MOST_MISSED:
                self._tell(
                    f"Worker {self._pid} has not answered {silence}: a function holds it up (a coroutine that blocks, "
                    "or native code), and with it all others that are in it."
                )


def _is_stopped(pid: int) -> bool:
    """Whether the process is stopped as by Ctrl+Z; one that a debugger holds is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except (OSError, IndexError):
        return False
