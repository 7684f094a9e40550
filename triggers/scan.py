"""What blob and file scanners share: scan everything at the start and now and then, and look at once where an
event hints that something changed. The scan is the truth; the hints only make it soon.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from ..bindings.blob import ContainerMissing
from ..bindings.errors import FunchostError
from ..bindings.filesystem import mount_type, network_type
from ..bindings.time_span import parse_time_span
from .base import Listener
from .pulse import Pulse, pulses_of
from .watch import Hints, Remove, Watch

log = logging.getLogger("funchost.triggers.blob")

#: Seconds between two full scans where events come, and where they do not.
INTERVAL = 10.0
INTERVAL_WITHOUT_EVENTS = 1.0

#: A full scan is not repeated before this many times the duration of its looking has passed: looking at a huge
#: or slow folder never takes more than a quarter of the time.
REST = 3.0

#: Seconds that a scan takes at most, of however many files; one that takes longer hangs.
LONGEST_SCAN = 1800.0

#: The longest pause, in seconds, after scans of something elsewhere that failed; each is twice as long as the last.
LONGEST_PAUSE = 60.0

#: File systems whose files other machines change without an event here, beside those on a network.
_SHARED_TYPES = ("9p", "virtiofs", "vboxsf", "prl_fs", "drvfs", "fakeowner", "fuse.")


class Source(Protocol):
    """What is scanned. Only one of its methods runs at a time."""

    #: The folder whose events are hints; None where there are none to be had.
    folder: str | None
    #: Whether what is below its folders counts too.
    recursive: bool
    #: How many seconds of the last scan went by with recording what was new; the others were for looking.
    recorded: float

    async def load(self) -> None:
        """Learn what was recorded by earlier scans."""

    async def scan(self) -> str:
        """Look at everything; returns the state in words for people."""

    async def look(self, hints: Hints) -> None:
        """Look where the hints point, and at what has become due."""

    def next_look(self) -> float | None:
        """Seconds until something is due, or None."""


class Scanner:
    """The listener that keeps scanning one source."""

    def __init__(
        self, source: Source, *, watch: Watch, interval: float | None, report: Callable[[str], None]
    ) -> None:
        self._source = source
        self._watch = watch
        self._interval = interval
        self._report = report
        self._hints = Hints()
        self._wake = asyncio.Event()
        self._pulse = Pulse("scanning")
        self._task: asyncio.Task[None] | None = None
        self._remove: Remove | None = None
        #: The folder that is watched: the source's own or, while that is missing, the nearest above it.
        self._watched: tuple[str, tuple[int, int]] | None = None
        self._told: set[str] = set()
        self._state = "not started"
        #: How many scans have failed since one did not.
        self._failures = 0

    @property
    def state(self) -> str:
        return self._state

    @property
    def pulses(self) -> tuple[Pulse, ...]:
        """Of its loop."""
        return (self._pulse,)

    @property
    def trouble(self) -> str | None:
        """What keeps it from scanning, for people; None when nothing does."""
        return self._state if self._failures else None

    async def start(self) -> None:
        if self._task is None:
            await self._source.load()
            self._state = "listening"
            await self._guarded(self._watch_folder())
            self._task = asyncio.create_task(self._run(), name="scanner")
            self._pulse.follow(self._task)

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            self._pulse.leave()
            task.cancel()
            await asyncio.wait([task])
            await self._unwatch()
            self._state = "stopped"
            self._failures = 0

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        next_scan = loop.time()
        while True:
            hints, self._hints = self._hints, Hints()
            self._wake.clear()
            started = loop.time()
            self._pulse.step(LONGEST_SCAN)
            if hints.everywhere or hints.lost or started >= next_scan:
                done = await self._guarded(self._scan(lost=hints.lost))
                self._failures = 0 if done else self._failures + 1
                looked = loop.time() - started - self._source.recorded
                next_scan = loop.time() + max(self._pause(), REST * looked)
            else:
                await self._guarded(self._source.look(hints))
            self._pulse.step()
            await self._sleep(next_scan - loop.time())

    async def _sleep(self, seconds: float) -> None:
        due = self._source.next_look()
        with contextlib.suppress(TimeoutError):
            # Not wait_for: on Python 3.11 it loses a cancellation that comes together with the wake-up.
            async with asyncio.timeout(max(0.0, seconds if due is None else min(seconds, due))):
                await self._wake.wait()

    async def _scan(self, *, lost: bool) -> None:
        if lost:
            await self._unwatch()
        # First the watch: what changes from now on is either seen by the scan or hinted at.
        await self._watch_folder()
        self._state = await self._source.scan()

    async def _guarded(self, work: Awaitable[None]) -> bool:
        """A scan that fails is told once and repeated at its time; it never ends the listener. Whether it did not."""
        try:
            await work
        except ContainerMissing as error:
            if not self._state.startswith("waiting"):
                log.info("A scan waits for its container. %s", error)
            self._state = f"waiting: {error}"
            return False
        except Exception as error:
            known = isinstance(error, OSError | FunchostError)
            self._state = f"scanning failed: {error if known else repr(error)}"
            self._tell(f"{self._state} It is tried again.")
            return False
        return True

    def _pause(self) -> float:
        """Seconds until the next scan."""
        usual = self._usual_pause()
        if not self._failures or self._source.folder is not None:
            return usual
        # However long it rests after a scan: one that failed is soon made up for.
        first = min(usual, INTERVAL)
        return max(first, min(first * 2.0 ** min(self._failures - 1, 10), LONGEST_PAUSE))

    def _usual_pause(self) -> float:
        if self._interval is not None:
            return self._interval
        folder = self._source.folder
        if folder is not None and (self._watched is None or not has_events(folder)):
            return INTERVAL_WITHOUT_EVENTS
        return INTERVAL

    def _tell(self, message: str) -> None:
        if message not in self._told:
            self._told.add(message)
            self._report(message)

    def _on_hints(self, hints: Hints) -> None:
        folder, watched = self._source.folder, self._watched
        if watched is not None and folder is not None and watched[0] != folder:
            # Above a missing folder only what stands on the way to it matters.
            way = hints.folders | hints.files
            if not (hints.lost or any(folder == path or folder.startswith(path + os.sep) for path in way)):
                return
            hints = Hints(everywhere=True, lost=hints.lost)
        self._hints.add(hints)
        self._wake.set()

    # -- the watch

    async def _watch_folder(self) -> None:
        """Watch the folder, or the nearest one above it while it is missing; again when it was replaced."""
        while self._source.folder is not None:
            target = await asyncio.to_thread(_nearest_folder, self._source.folder)
            if target == self._watched:
                return
            await self._unwatch()
            recursive = target[0] == self._source.folder and self._source.recursive
            self._watched = target
            try:
                self._remove = await self._watch.add(target[0], self._on_hints, recursive=recursive)
            except FileNotFoundError:
                self._watched = None
            except OSError as error:
                self._watched = None
                self._tell(_watch_refused(target[0], error, self._pause()))
                return

    async def _unwatch(self) -> None:
        remove, self._remove, self._watched = self._remove, None, None
        if remove is not None:
            await remove()


class ScannedQueue:
    """A scanner that fills a function's internal queue, and the listener that empties it, as one listener."""

    def __init__(self, scanner: Listener, queue: Listener) -> None:
        self._scanner = scanner
        self._queue = queue
        self._stopping = asyncio.Lock()
        self._halting: asyncio.Task[None] | None = None
        self._reason: str | None = None

    @property
    def state(self) -> str:
        if self._reason is not None:
            return self._reason
        return self._queue.state if self._queue.state != "listening" else self._scanner.state

    @property
    def pulses(self) -> tuple[Pulse, ...]:
        """Of both."""
        return (*pulses_of(self._scanner), *pulses_of(self._queue))

    async def start(self) -> None:
        if self._reason is None:
            await self._queue.start()
            await self._scanner.start()

    async def stop(self) -> None:
        async with self._stopping:
            await self._scanner.stop()
            await self._queue.stop()

    def halt(self, reason: str) -> bool:
        """Stop for good, for a reason that only a person can mend; what is on the queue stays there.

        False when that was done before.
        """
        if self._reason is not None:
            return False
        self._reason = reason
        # Not awaited: whoever calls may be what stopping waits for.
        self._halting = asyncio.create_task(self.stop(), name="halt")
        return True


def scan_interval(text: str | None) -> float | None:
    """The seconds of a ``scanInterval``; None when nobody says. Raises `ConfigurationError`."""
    if text is None:
        return None
    return max(parse_time_span(text), timedelta(milliseconds=10)).total_seconds()


def has_events(folder: str) -> bool:
    """Whether whoever changes files in this folder makes an event here: not so on shared and network mounts."""
    if network_type(Path(folder)) is not None:
        return False
    kind = mount_type(Path(folder))
    return kind is None or not kind.startswith(_SHARED_TYPES)


def _nearest_folder(folder: str) -> tuple[str, tuple[int, int]]:
    """The folder, or the first above it that exists, and which one it is."""
    path = Path(folder)
    while not path.is_dir() and path != path.parent:
        path = path.parent
    status = path.stat()
    return str(path), (status.st_dev, status.st_ino)


def _watch_refused(folder: str, error: OSError, pause: float) -> str:
    sentence = (
        f"{folder} cannot be watched ({error.strerror or error}); it is scanned every {pause:g} s instead."
    )
    if "inotify" in str(error):
        sentence += " Raise fs.inotify.max_user_watches or max_user_instances (sysctl) to get events."
    return sentence
