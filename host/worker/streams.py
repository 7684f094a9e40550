"""Streamed values in the worker: what arrives in chunks, read by a thread or by a task."""

from __future__ import annotations

import asyncio
import io
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable


class StreamBroken(ConnectionError):
    """The sender of a streamed value went away before its end."""


class IncomingStream:
    """Chunks of one trigger value, put in by the loop and taken out by whoever consumes it.

    `consumed` is called with a number of bytes as they are taken: the sender may then send as many more.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, consumed: Callable[[int], None]) -> None:
        self._loop = loop
        self._consumed = consumed
        self._chunks: deque[bytes] = deque()
        self._ended = False
        self._error: Exception | None = None
        self._changed = threading.Condition()
        self._waiter: asyncio.Future[None] | None = None

    def feed(self, chunk: bytes, *, end: bool) -> None:
        """Take in one more chunk."""
        with self._changed:
            if chunk:
                self._chunks.append(chunk)
            self._ended = self._ended or end
            self._changed.notify_all()
        self._wake()

    def abort(self) -> None:
        """End the stream with an error for its reader."""
        with self._changed:
            self._error = StreamBroken("The sender of this content went away before its end.")
            self._changed.notify_all()
        self._wake()

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def _take(self) -> bytes | None:
        """The next chunk, empty at the end, None when there is none yet."""
        if self._chunks:
            chunk = self._chunks.popleft()
            self._consumed(len(chunk))
            return chunk
        if self._error:
            raise self._error
        return b"" if self._ended else None

    def read_chunk(self) -> bytes:
        """The next chunk, empty at the end; blocks. Not for the loop's thread."""
        with self._changed:
            while (chunk := self._take()) is None:
                self._changed.wait()
            return chunk

    async def next_chunk(self) -> bytes:
        """The next chunk, empty at the end. A wait that is cancelled loses nothing."""
        while True:
            with self._changed:
                chunk = self._take()
                if chunk is not None:
                    return chunk
                self._waiter = self._loop.create_future()
            await self._waiter

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while chunk := await self.next_chunk():
            yield chunk

    async def collect(self) -> bytes:
        """All of it."""
        return b"".join([chunk async for chunk in self])

    def reader(self) -> io.BufferedReader:
        """The stream as a binary file, for functions that run in a thread."""
        return io.BufferedReader(_RawReader(self), 64 * 1024)


class _RawReader(io.RawIOBase):
    def __init__(self, stream: IncomingStream) -> None:
        self._stream = stream
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._rest:
            self._rest = memoryview(self._stream.read_chunk())
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


class Credit:
    """How much more of a streamed result may be sent; a sender waits here."""

    def __init__(self, window: int) -> None:
        self._left = window
        self._changed = asyncio.Event()
        self._gone = False

    def give(self, size: int) -> None:
        """The receiver consumed `size` bytes."""
        self._left += size
        self._changed.set()

    def abort(self) -> None:
        """Nobody receives any more."""
        self._gone = True
        self._changed.set()

    async def spend(self, size: int) -> None:
        """Wait until there is room, then use it. Raises `StreamBroken` when nobody receives any more."""
        while self._left < size and not self._gone:
            self._changed.clear()
            await self._changed.wait()
        if self._gone:
            raise StreamBroken("The receiver of this content has gone away.")
        self._left -= size
