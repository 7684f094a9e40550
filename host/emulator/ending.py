"""What ends an emulator that is a process of its own."""

from __future__ import annotations

import os
import signal
import sys
import threading
from queue import SimpleQueue


class Ending:
    """Ctrl+C and SIGTERM, from the moment it is made in the main thread.

    As a `child` it leaves Ctrl+C to its parent, and ends with it: the parent holds the other end of standard input.
    """

    def __init__(self, *, child: bool = False) -> None:
        # A queue that may be put into from a signal handler, whatever that interrupts.
        self._reasons: SimpleQueue[int] = SimpleQueue()
        signal.signal(signal.SIGTERM, self._came)
        if child:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            threading.Thread(target=self._wait_for_parent, name="parent", daemon=True).start()
        else:
            signal.signal(signal.SIGINT, self._came)

    def wait(self) -> int:
        """The number of the signal that came, or 0 for the parent's end."""
        return self._reasons.get()

    def _came(self, number: int, frame: object) -> None:
        self._reasons.put(number)

    def _wait_for_parent(self) -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        self._reasons.put(0)
