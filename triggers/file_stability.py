"""Whether a file is complete, or somebody is still writing it.

Linux knows: it refuses a read lease while anybody has the file open for writing. Where it does not tell (another
system, a file system without leases, somebody else's file), a file counts as complete once a writer was seen
to close it, or when its version has stayed the same for a second.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

#: How long a file has to stay the same where nobody tells that it is complete, in seconds.
QUIET = 1.0

#: The first and the longest wait before a file that is being written is looked at again, in seconds. An event
#: usually comes first; the first wait is short because it can come just before the file is really closed.
FIRST_LOOK = 0.02
LONGEST_WAIT = 1.0

if sys.platform == "linux":
    import fcntl

    def being_written(path: str) -> bool | None:
        """Whether any process has the file open for writing; None when the kernel does not tell."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            # A writer that opens the file just now makes the kernel signal us. Its usual signal, SIGIO,
            # would end the process; SIGURG is ignored.
            fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
            return False
        except OSError as error:
            return True if error.errno == errno.EAGAIN else None
        finally:
            os.close(descriptor)

else:

    def being_written(path: str) -> bool | None:
        """Whether any process has the file open for writing; None when the kernel does not tell."""
        return None


@dataclass(slots=True)
class _Wait:
    version: str
    since: float
    due: float
    pause: float = FIRST_LOOK


class Settling:
    """Which files are still being written, and when to look at them again."""

    def __init__(
        self,
        asked: Callable[[str], bool | None] = being_written,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._asked = asked
        self._monotonic = monotonic
        self._waits: dict[str, _Wait] = {}

    def settled(self, path: str, version: str, *, closed: bool = False) -> bool:
        """Whether this version of the file is complete; `closed` when a writer was just seen to close it.

        A file that is not is remembered until it is, or until `forget`.
        """
        writing = self._asked(path)
        if writing is False or (writing is None and (closed or self._quiet(path, version))):
            self._waits.pop(path, None)
            return True
        self._wait(path, version, told=writing is not None)
        return False

    def forget(self, path: str) -> None:
        """The file is gone."""
        self._waits.pop(path, None)

    def due(self) -> list[str]:
        """The files to look at now."""
        now = self._monotonic()
        return [path for path, wait in self._waits.items() if wait.due <= now]

    def next_look(self) -> float | None:
        """Seconds until a file is worth another look; None when none is being written."""
        if not self._waits:
            return None
        return max(0.0, min(wait.due for wait in self._waits.values()) - self._monotonic())

    def _quiet(self, path: str, version: str) -> bool:
        wait = self._waits.get(path)
        return wait is not None and wait.version == version and self._monotonic() - wait.since >= QUIET

    def _wait(self, path: str, version: str, *, told: bool) -> None:
        now = self._monotonic()
        wait = self._waits.setdefault(path, _Wait(version, since=now, due=now))
        if wait.version != version:
            wait.version, wait.since = version, now
        if told:
            wait.due = now + wait.pause
            wait.pause = min(wait.pause * 2, LONGEST_WAIT)
        else:
            wait.due = wait.since + QUIET
