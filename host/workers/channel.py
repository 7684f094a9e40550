"""The host's end of the stream to a worker: frames in, frames out, many in one write."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import msgspec

from ..worker.protocol import FrameParser, ProtocolError, frame
from .frames import Header, decode_header

_encode = msgspec.json.Encoder().encode

#: Frames that are written without waiting for more.
_MOST_WAITING = 16

#: Called with the header and the body of each frame that came in.
OnFrame = Callable[[Header, bytes], None]


class Channel(asyncio.Protocol):
    """Frames to and from one worker, once it is open. `lost` is done when the stream has ended."""

    def __init__(self, on_frame: OnFrame) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_frame = on_frame
        self._parser = FrameParser()
        self._transport: asyncio.Transport | None = None
        self._outgoing: list[list[bytes]] = []
        #: What the worker sent that it should not have; None as long as it keeps to the protocol.
        self.offence: str | None = None
        #: The header that was sent last; pings do not count.
        self.last_sent: dict[str, Any] = {}
        #: Whether the stream ended before all that was sent had been read.
        self.unread = False
        self.lost: asyncio.Future[None] = self._loop.create_future()

    async def open(self, stream: socket.socket) -> None:
        """Begin on a connected socket."""
        await self._loop.create_connection(lambda: self, sock=stream)

    def send(self, header: dict[str, Any], *body: bytes) -> None:
        """Send a frame. Frames of one turn of the loop share a write, a few at a time so that the worker can
        begin. Does nothing before `open` and once lost."""
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(frame(_encode(header), *body))
        if header["type"] != "ping":
            self.last_sent = header
        if len(self._outgoing) >= _MOST_WAITING:
            self._flush()

    def close(self) -> None:
        """End the stream."""
        if self._transport:
            self._transport.close()

    def _flush(self) -> None:
        frames, self._outgoing = self._outgoing, []
        if frames and self._transport and not self._transport.is_closing():
            self._transport.writelines([piece for each in frames for piece in each])

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        # Where the other side has read everything, its end is an orderly one, however it came about.
        self.unread = error is not None
        if not self.lost.done():
            self.lost.set_result(None)

    def data_received(self, data: bytes) -> None:
        try:
            for header, body in self._parser.feed(data):
                self._on_frame(decode_header(header), body)
        except (ProtocolError, KeyError, ValueError, RecursionError) as error:
            # A worker that does not keep to the protocol is as good as dead.
            self.offence = f"{type(error).__name__}: {error}"
            self.close()
