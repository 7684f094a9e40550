"""The threads that run plain functions. They share one queue of work and are made as they are needed."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable
from typing import Any


class InvocationCancelled(BaseException):
    """Raised inside a plain function whose time is over, so that it can end without its worker being killed."""


def default_count() -> int:
    """Python's own default for a pool of threads."""
    return min(32, (os.cpu_count() or 1) + 4)


class WorkThreads:
    """At most `limit` threads, each running one piece of work at a time. `submit` and `done` are for the
    loop's thread alone, which is why nothing here needs a lock."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._work: queue.SimpleQueue[tuple[Callable[..., object], tuple[Any, ...]]] = queue.SimpleQueue()
        self._threads = 0
        self._busy = 0

    def submit(self, work: Callable[..., object], *arguments: Any) -> None:
        """Call `work`, which must not raise, as soon as a thread is free."""
        self._busy += 1
        self._work.put((work, arguments))
        if self._threads < self._limit and self._threads < self._busy:
            self._threads += 1
            threading.Thread(target=self._run, name=f"function-{self._threads}", daemon=True).start()

    def done(self) -> None:
        """One piece of work has been finished."""
        self._busy -= 1

    def _run(self) -> None:
        get = self._work.get
        while True:
            work, arguments = get()
            work(*arguments)
            # Not kept until there is other work: it may be large.
            del work, arguments


def interrupt(thread: int) -> None:
    """Raise `InvocationCancelled` in the thread at its next byte code; code that sits in C is not reached."""
    import ctypes  # costs 10 ms, and few workers ever need it

    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(InvocationCancelled))


def take_interruption() -> None:
    """Let an interruption that the current thread was sent strike here, where it harms nobody."""
    with contextlib.suppress(InvocationCancelled):
        # The interpreter looks for one at each turn.
        for _ in range(100):
            pass
