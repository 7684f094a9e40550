"""Frames on their way to the host, from any thread. What is ready by the same turn of the loop leaves in one write."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

#: Threads that print faster than the host reads wait while this many bytes of it are on their way.
_MOST_LOGGED = 8 * 1024 * 1024

#: What the loop's thread, which cannot wait, may leave on the way while the host does not keep up; more is dropped.
_MOST_BEHIND = 64 * 1024 * 1024

#: Frames of the loop's own that are written without waiting for more: the host can begin with them.
_MOST_WAITING = 8

#: For how long they wait at most, in seconds.
_PATIENCE = 30.0


class Outbox:
    """Sends frames in the order of the calls.

    `flushed` is called in the loop after each write, `over` there for each invocation whose last frame leaves.
    """

    def __init__(
        self, transport: asyncio.Transport, over: Callable[[Any], None], flushed: Callable[[], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._transport = transport
        self._over = over
        self._flushed = flushed
        self._frames: deque[tuple[list[bytes], Any]] = deque()
        self._waking = False
        self._room = threading.Condition()
        self._logged = 0
        self._behind = 0
        self._paused = False
        transport.set_write_buffer_limits(_MOST_LOGGED)

    def send(self, frame: list[bytes], ended: Any = None) -> None:
        """Send a frame, the last one of the invocation `ended` if that is given."""
        self._frames.append((frame, ended))
        # One wake-up for all that is ready by the time the loop gets to it.
        if not self._waking:
            self._waking = True
            if threading.get_ident() == self._loop_thread:
                self._loop.call_soon(self.flush)
            else:
                self._loop.call_soon_threadsafe(self.flush)
        elif len(self._frames) >= _MOST_WAITING and threading.get_ident() == self._loop_thread:
            self.flush()

    def send_log(self, frame: list[bytes]) -> bool:
        """Send a frame that more of may come than anybody can read. Other threads than the loop's may wait for
        that; from the loop's thread it is dropped when there is no room, which False tells."""
        size = sum(map(len, frame))
        if threading.get_ident() != self._loop_thread:
            with self._room:
                self._room.wait_for(self._has_room, _PATIENCE)
        elif self._paused:
            self._behind += size
            if self._behind > _MOST_BEHIND:
                return False
        self._logged += size
        self.send(frame)
        return True

    def flush(self) -> None:
        """Write what there is; for the loop's thread alone."""
        self._waking = False
        pieces: list[bytes] = []
        frames = self._frames
        while frames:
            frame, ended = frames.popleft()
            pieces += frame
            if ended is not None:
                self._over(ended)
        if pieces:
            self._transport.writelines(pieces)
        if self._logged:
            self._logged = 0
            self._make_room()
        self._flushed()

    def flush_from_any_thread(self, seconds: float) -> None:
        """Write what there is, and return then or after that time."""
        if threading.get_ident() == self._loop_thread:
            self.flush()
            return
        flushed = threading.Event()
        self._loop.call_soon_threadsafe(self.flush)
        self._loop.call_soon_threadsafe(flushed.set)
        flushed.wait(seconds)

    def pause(self) -> None:
        """The host does not read as fast as this writes."""
        self._paused = True

    def resume(self) -> None:
        """The host has caught up."""
        self._paused = False
        self._behind = 0
        self._make_room()

    def _has_room(self) -> bool:
        return self._logged <= _MOST_LOGGED and not self._paused

    def _make_room(self) -> None:
        if self._has_room():
            with self._room:
                self._room.notify_all()
