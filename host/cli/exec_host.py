"""The host of `funchost exec`: a process that ends when its parent does, however that ends.

Its standard input comes from the parent, which writes there the process id of the command that it runs, and 0 once
that has ended. The end of the input is the end of the parent.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable
from io import FileIO

from .main import main

#: Seconds that a command may take to end whose parent is gone, before it is killed.
_PATIENCE = 5.0


class _Parent(threading.Thread):
    """Waits for the parent's end; then it ends this host, and the command that the parent ran."""

    def __init__(self) -> None:
        super().__init__(name="parent", daemon=True)
        self.gone = threading.Event()

    def run(self) -> None:
        # Not `sys.stdin`: who reads there as the interpreter ends, brings it down.
        command = last_number(FileIO(sys.stdin.fileno(), closefd=False))
        self.gone.set()
        # The host drains while the command ends.
        os.kill(os.getpid(), signal.SIGTERM)
        if command:
            end_process(command, _PATIENCE)


def last_number(lines: Iterable[bytes]) -> int:
    """The number in the last line, once there are no more; 0 where there was none."""
    number = 0
    for line in lines:
        number = int(line)
    return number


def end_process(pid: int, patience: float) -> None:
    """Ask a process to end, and kill it when it has not after `patience` seconds."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + patience
        while time.monotonic() < end:
            time.sleep(0.05)
            os.kill(pid, 0)
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    parent = _Parent()
    parent.start()
    code = main()
    if parent.gone.is_set():
        parent.join()
    sys.exit(code)
