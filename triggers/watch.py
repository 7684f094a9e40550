"""Change events of the operating system, as hints: where it may be worth looking before the next scan.

A hint can be late, come twice, or not at all; nothing depends on it but how soon a change is found.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent, FileSystemEventHandler
    from watchdog.observers.api import BaseObserver, ObservedWatch

#: More paths than this at once are told as "look everywhere". That also covers what a kernel queue that
#: overflowed has dropped: it overflows in such bursts only.
BURST = 1000


@dataclass(slots=True)
class Hints:
    """Absolute paths that something happened to since the last look."""

    files: set[str] = field(default_factory=set)
    #: Those of the files that a writer was seen to close (Linux only).
    closed: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    #: So much happened that only a full scan helps.
    everywhere: bool = False
    #: The watched folder itself is gone, and the watch with it: it has to be added again.
    lost: bool = False

    def __bool__(self) -> bool:
        return bool(self.files or self.folders or self.everywhere or self.lost)

    def add(self, other: Hints) -> None:
        """Take in what `other` has."""
        self.files |= other.files
        self.closed |= other.closed
        self.folders |= other.folders
        self.lost |= other.lost
        self.everywhere |= other.everywhere or len(self.files) + len(self.folders) > BURST
        if self.everywhere:
            for paths in (self.files, self.closed, self.folders):
                paths.clear()


Remove = Callable[[], Awaitable[None]]


class Watch:
    """Watches any number of folders with one observer, which runs only while there is something to watch."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._observer: BaseObserver | None = None
        self._folders: dict[tuple[str, bool], _Folder] = {}

    async def add(self, folder: str, callback: Callable[[Hints], None], *, recursive: bool = True) -> Remove:
        """Call `callback` in this event loop with what happens in `folder`, at once and in batches.

        Returns what ends that. After a hint that the watch is `lost`, and when the folder was replaced by
        another, end it and add it again. Raises `OSError` when the folder is missing or the system refuses.
        """
        subscriber = _Subscriber(asyncio.get_running_loop(), callback)

        async def remove() -> None:
            await asyncio.to_thread(self._remove, (folder, recursive), subscriber)

        adding = asyncio.ensure_future(asyncio.to_thread(self._add, (folder, recursive), subscriber))
        try:
            await asyncio.shield(adding)
        except asyncio.CancelledError:
            # The thread goes on; what it adds would never be removed.
            with contextlib.suppress(OSError):
                await adding
                await remove()
            raise
        return remove

    def _add(self, key: tuple[str, bool], subscriber: _Subscriber) -> None:
        with self._lock:
            found = self._folders.get(key)
            if found is None or found.identity != _identity(key[0]) or found.lost:
                self._schedule(key, found.subscribers if found else [])
            self._folders[key].subscribers.append(subscriber)

    def _remove(self, key: tuple[str, bool], subscriber: _Subscriber) -> None:
        with self._lock:
            found = self._folders.get(key)
            if found is None or subscriber not in found.subscribers:
                return
            found.subscribers.remove(subscriber)
            if not found.subscribers:
                self._unschedule(key)
            self._stop_when_idle()

    def _schedule(self, key: tuple[str, bool], subscribers: list[_Subscriber]) -> None:
        self._unschedule(key)
        folder = _Folder(key[0], _identity(key[0]), list(subscribers))
        try:
            # All that the observer asks of a handler is `dispatch`; its base class would cost the import.
            handler = cast("FileSystemEventHandler", folder)
            folder.watch = self._running_observer().schedule(
                handler, key[0], recursive=key[1], event_filter=_wanted_events()
            )
        except BaseException:
            self._stop_when_idle()
            raise
        self._folders[key] = folder

    def _unschedule(self, key: tuple[str, bool]) -> None:
        folder = self._folders.pop(key, None)
        if folder is not None and folder.watch is not None and self._observer is not None:
            with contextlib.suppress(KeyError, OSError):
                self._observer.unschedule(folder.watch)

    def _running_observer(self) -> BaseObserver:
        from watchdog.observers import Observer

        if self._observer is None:
            self._observer = Observer()
            self._observer.start()
        return self._observer

    def _stop_when_idle(self) -> None:
        if self._observer is not None and not self._folders:
            self._observer.stop()
            self._observer.join()
            self._observer = None


class _Subscriber:
    """Gathers hints in the observer's thread and hands them over in the loop, as soon as that comes to it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[Hints], None]) -> None:
        self._loop = loop
        self._callback = callback
        self._lock = threading.Lock()
        self._gathered: Hints | None = None

    def tell(self, hints: Hints) -> None:
        with self._lock:
            if self._gathered is not None:
                self._gathered.add(hints)
                return
            self._gathered = hints
        # The loop may have been closed by an end that did not wait for us.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        with self._lock:
            hints, self._gathered = self._gathered, None
        if hints is not None:
            self._callback(hints)


class _Folder:
    """The handler of one watched folder: turns events into hints for all that asked."""

    def __init__(self, path: str, identity: tuple[int, int], subscribers: list[_Subscriber]) -> None:
        self.identity = identity
        self.subscribers = subscribers
        self.watch: ObservedWatch | None = None
        self.lost = False
        self._path = path

    def dispatch(self, event: FileSystemEvent) -> None:
        source, destination = os.fsdecode(event.src_path), os.fsdecode(event.dest_path)
        if source == self._path and event.event_type in ("deleted", "moved"):
            self.lost = True
        for subscriber in tuple(self.subscribers):
            hints = Hints(lost=self.lost)
            kind = hints.folders if event.is_directory else hints.files
            kind.update(path for path in (source, destination) if path and path != self._path)
            if event.event_type == "closed":
                hints.closed.add(source)
            subscriber.tell(hints)


def _identity(folder: str) -> tuple[int, int]:
    status = os.stat(folder)  # noqa: PTH116 - the path goes to the observer as text too
    return status.st_dev, status.st_ino


def _wanted_events() -> list[type[FileSystemEvent]]:
    """What tells of a change, but not each write where the end of writing is told."""
    from watchdog import events

    wanted: list[type[FileSystemEvent]] = [
        events.FileCreatedEvent,
        events.FileDeletedEvent,
        events.FileMovedEvent,
        events.DirCreatedEvent,
        events.DirDeletedEvent,
        events.DirMovedEvent,
    ]
    return [*wanted, events.FileClosedEvent if sys.platform == "linux" else events.FileModifiedEvent]
