"""Threads for blocking calls: kept for the next call, and gone with the process."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

#: Seconds after which a thread that nobody needed ends.
IDLE = 30.0


class CallThreads:
    """As many threads as there are calls at a time. May be used from any thread.

    Unlike those of an executor they hold up nobody's end, in whatever call they are. To keep them saves a fifth of
    what a call costs.
    """

    def __init__(self, idle: float = IDLE) -> None:
        self._idle = idle
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        #: As many permits as there are threads that wait and are not counted upon yet.
        self._waiting = threading.Semaphore(0)

    def submit(self, work: Callable[[], None]) -> None:
        """Call `work`, which must not raise, at once."""
        self._work.put(work)
        if not self._waiting.acquire(blocking=False):
            threading.Thread(target=self._serve, name="aws", daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                work = self._work.get(timeout=self._idle)
            except queue.Empty:
                # Without a permit somebody counts on this thread: there is work by now.
                if self._waiting.acquire(blocking=False):
                    return
                continue
            work()
            # Not kept until there is other work: what it holds may be large.
            del work
            self._waiting.release()
