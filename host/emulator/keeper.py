"""Keeps what the emulator holds in its state file: now and then while it changes, and at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from .bucket_state import restore_buckets, saved_buckets
from .queue_state import restore_queues, saved_queues
from .state import Keep, State, StateFile
from .traffic import Traffic

#: Seconds between two savings; and the least part of the time in which nothing is saved, since all of it is written
#: each time.
_PAUSE = 5.0
_SHARE = 50

#: The services that are kept, and those that hold nothing of their own.
_KEPT = frozenset({"sqs", "s3"})
_EMPTY = frozenset({"sts"})


class StateKeeper:
    """Restores, then saves between `start` and `stop`. `tell` is given what people should know."""

    def __init__(self, file: StateFile, traffic: Traffic, tell: Callable[[str], None]) -> None:
        self._file = file
        self._traffic = traffic
        self._tell = tell
        self._saved = 0
        self._failed = False
        self._told: frozenset[str] = frozenset()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep_saving, name="state", daemon=True)

    def restore(self) -> None:
        """Take in what the file holds, which is nothing where there is none. Raises `ConfigurationError`."""
        self._file.claim()
        with self._file.opened() as found:
            if found:
                state, content = found
                restore_queues(state.queues)
                restore_buckets(state.buckets, content)

    def start(self) -> None:
        """Save from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Save what is not saved yet, and no more after that."""
        self._ended.set()
        self._thread.join()
        self._save()
        self._file.release()

    def _keep_saving(self) -> None:
        pause = _PAUSE
        while not self._ended.wait(pause):
            began = time.monotonic()
            self._save()
            pause = max(_PAUSE, _SHARE * (time.monotonic() - began))

    def _save(self) -> None:
        changes = self._traffic.changes
        if changes == self._saved:
            return
        try:
            self._file.write(_collected)
        except OSError as error:
            if not self._failed:
                self._tell(f"The state cannot be saved to {self._file.path}: {error.strerror}.")
            self._failed = True
            return
        self._saved, self._failed = changes, False
        self._tell_what_is_lost()

    def _tell_what_is_lost(self) -> None:
        lost = self._traffic.services - _KEPT - _EMPTY - self._told
        if lost:
            self._told |= lost
            self._tell(
                f"The state file keeps queues and buckets; what is in {', '.join(sorted(lost))} is not kept."
            )


def _collected(keep: Keep) -> State:
    # Queues first: what a message tells of was there before, and so is in the file.
    queues = saved_queues()
    return State(queues=queues, buckets=saved_buckets(keep))
