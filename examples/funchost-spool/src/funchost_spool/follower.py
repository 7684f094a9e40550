"""Follows a growing file, and puts each of its lines on a queue."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import BinaryIO

from funchost.bindings.queue import OutgoingMessage
from funchost.bindings.state import Sighting
from funchost.triggers.base import Resources

#: Seconds between two looks at the file.
POLL = 0.5

#: The longest line in bytes, as a message may be; one that is longer comes in pieces.
LONGEST = 48 * 1024

#: Lines recorded in one step.
BATCH = 500


class Follower:
    """A `Listener` that fills a queue. Assumes that nobody else follows the file: see `ListenerLease`."""

    def __init__(self, path: Path, function: str, queue: str, lease: str, resources: Resources) -> None:
        self._path = path
        self._queue = queue
        self._lease = lease
        self._resources = resources
        self._scope = f"line:{function}"
        self._file: BinaryIO | None = None
        #: In which file reading goes on, and how far of it was recorded.
        self._inode = 0
        self._offset = 0
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._state = "stopped"

    @property
    def state(self) -> str:
        return self._state

    async def start(self) -> None:
        """Raises `StoreError`: the host then tries again."""
        if self._task is None:
            recorded = (await self._resources.state.seen(self._scope)).get(str(self._path), "0:0")
            self._inode, self._offset = map(int, recorded.split(":"))
            self._stopping.clear()
            self._state = "listening"
            self._task = asyncio.create_task(self._follow(), name=f"follow {self._path}")

    async def stop(self) -> None:
        # Not cancelled: what is being recorded is, before another host may begin.
        self._stopping.set()
        if self._task is not None:
            await asyncio.wait([self._task])
            self._task = None
            self._close()
            self._state = "stopped"

    async def _follow(self) -> None:
        while not self._stopping.is_set():
            try:
                found = await self._look()
            except Exception as error:
                self._tell(f"waiting: {error}")
                found = False
            if not found:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL):
                        await self._stopping.wait()

    async def _look(self) -> bool:
        """Queue the lines that are new; whether there were some. Raises `OSError` and `StoreError`."""
        lines = await asyncio.to_thread(self._next)
        self._state = f"waiting: there is no file {self._path}" if self._file is None else "listening"
        # A host that stood still for a while finds that another one may have gone on meanwhile.
        if not lines or not self._resources.locks.surely_held(self._lease):
            return False
        await self._resources.state.record(self._scope, self._sightings(lines))
        self._offset += sum(map(len, lines))
        return True

    def _sightings(self, lines: list[bytes]) -> list[Sighting]:
        path, end = str(self._path), self._offset
        # A file that begins anew may come to an end that was recorded before.
        sightings = [Sighting(path, f"{self._inode}:0")] if end == 0 else []
        for line in lines:
            end += len(line)
            # Without a time to live: each line runs once, however long the function was switched off.
            message = OutgoingMessage(queue=self._queue, body=line.rstrip(b"\r\n"), ttl=None)
            sightings.append(Sighting(path, f"{self._inode}:{end}", message))
        return sightings

    # -- the file

    def _next(self) -> list[bytes]:
        """The next whole lines, with their ends. A file that was renamed is read to its end before its successor."""
        lines = self._read()
        if not lines and self._was_replaced():
            self._close()
            self._open()
            lines = self._read()
        return lines

    def _open(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._file = self._path.open("rb")
            inode = os.fstat(self._file.fileno()).st_ino
            if inode != self._inode:
                self._inode, self._offset = inode, 0

    def _was_replaced(self) -> bool:
        if self._file is None:
            return True
        try:
            return self._path.stat().st_ino != self._inode
        except FileNotFoundError:
            return False  # between a renaming and its successor

    def _read(self) -> list[bytes]:
        if self._file is None:
            return []
        if os.fstat(self._file.fileno()).st_size < self._offset:
            self._offset = 0  # it was emptied
        self._file.seek(self._offset)
        lines: list[bytes] = []
        while len(lines) < BATCH and (line := self._file.readline(LONGEST)):
            if not line.endswith(b"\n") and len(line) < LONGEST:
                break  # somebody is still writing it
            lines.append(line)
        return lines

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _tell(self, state: str) -> None:
        if state != self._state:
            self._resources.report(f"The lines of {self._path} cannot be followed: {state}")
        self._state = state
