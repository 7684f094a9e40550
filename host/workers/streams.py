"""Streamed values at the host's end: neither side ever holds more than a window of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable

from ..worker.protocol import STREAM_PIECE, STREAM_WINDOW, ProtocolError
from .channel import Channel


class OutgoingStream:
    """A trigger value on its way to a worker, as fast as the worker takes it.

    A source that breaks off is told to the worker.
    """

    def __init__(self, channel: Channel, id_: int, source: AsyncIterable[bytes]) -> None:
        self._channel = channel
        self._id = id_
        self._left = STREAM_WINDOW
        self._room = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._send(source))

    def give(self, size: int) -> None:
        """The worker consumed `size` bytes."""
        self._left += size
        self._room.set()

    def stop(self) -> None:
        """Nobody wants the rest: the source is closed."""
        self._task.cancel()

    async def _send(self, source: AsyncIterable[bytes]) -> None:
        chunks = aiter(source)
        try:
            async for chunk in chunks:
                for start in range(0, len(chunk), STREAM_PIECE):
                    await self._send_piece(chunk[start : start + STREAM_PIECE])
            self._channel.send({"type": "chunk", "id": self._id, "end": True})
        except Exception:
            self._channel.send({"type": "abort", "id": self._id})
        finally:
            close = getattr(chunks, "aclose", None)
            if close:
                await close()

    async def _send_piece(self, piece: bytes) -> None:
        while self._left < len(piece):
            self._room.clear()
            await self._room.wait()
        self._left -= len(piece)
        self._channel.send({"type": "chunk", "id": self._id}, piece)


class ResultStream:
    """A streamed result as it comes in from a worker; iterate over it once.

    `consumed` is called with the number of bytes taken, or with -1 when the reader gives up before the end.
    """

    def __init__(self, consumed: Callable[[int], None]) -> None:
        self._consumed = consumed
        self._chunks: deque[bytes] = deque()
        #: Bytes that were not taken yet.
        self._held = 0
        self._ended = False
        self._error: str | None = None
        self._changed = asyncio.Event()

    def feed(self, chunk: bytes, *, end: bool, error: str | None) -> None:
        """Take in one more chunk. Raises `ProtocolError` when more came than there was room for."""
        if chunk:
            self._held += len(chunk)
            if self._held > STREAM_WINDOW:
                raise ProtocolError("It sent more of a stream than it had credit for.")
            self._chunks.append(chunk)
        self._ended = self._ended or end
        self._error = error or self._error
        self._changed.set()

    async def aclose(self) -> None:
        """Give up a stream that was never read."""
        if not self._ended:
            self._consumed(-1)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while True:
                while self._chunks:
                    chunk = self._chunks.popleft()
                    self._held -= len(chunk)
                    yield chunk
                    self._consumed(len(chunk))
                if self._ended:
                    break
                self._changed.clear()
                await self._changed.wait()
        finally:
            if not self._ended:
                self._consumed(-1)
        if self._error:
            raise ConnectionError(self._error)
