"""Frames: how host and worker cut their stream of bytes. See docs/worker-protocol.md."""

from __future__ import annotations

import struct
from collections.abc import Iterator

VERSION = 1

#: The longest header, in bytes. Content belongs into the body.
MAX_HEADER = 16 * 1024 * 1024

#: Bytes that a sender may have outstanding on one streamed value before it needs credit.
STREAM_WINDOW = 1024 * 1024

#: Streamed values are cut to pieces of at most this many bytes, so that a window holds several.
STREAM_PIECE = 64 * 1024

_LENGTHS = struct.Struct(">II")


class ProtocolError(Exception):
    """The other side sent what is no frame."""


def frame(header: bytes, *body: bytes) -> list[bytes]:
    """The pieces of one frame, ready to be written one after the other."""
    size = len(body[0]) if len(body) == 1 else sum(map(len, body))
    return (
        [_LENGTHS.pack(len(header), size), header, *body] if size else [_LENGTHS.pack(len(header), 0), header]
    )


class FrameParser:
    """Cuts what arrives into frames, however it was split on the way."""

    def __init__(self) -> None:
        self._rest = b""
        #: Pieces of a frame that is still coming in, so that a large one is joined only once.
        self._pieces: list[bytes] = []
        self._missing = 0

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All frames that are complete with `data`, as (header, body)."""
        if self._missing > len(data):
            self._pieces.append(data)
            self._missing -= len(data)
            return
        if self._pieces:
            data = b"".join([*self._pieces, data])
            self._pieces, self._missing = [], 0
        elif self._rest:
            data = self._rest + data
        self._rest = b""
        offset, end = 0, len(data)
        while end - offset >= 8:
            header_size, body_size = _LENGTHS.unpack_from(data, offset)
            if header_size > MAX_HEADER:
                raise ProtocolError(
                    f"A frame header of {header_size} bytes is over the limit of {MAX_HEADER}."
                )
            header_end = offset + 8 + header_size
            body_end = header_end + body_size
            if body_end > end:
                self._pieces = [data[offset:]]
                self._missing = body_end - end
                return
            yield data[offset + 8 : header_end], data[header_end:body_end]
            offset = body_end
        self._rest = data[offset:]


def split(body: bytes, sizes: list[int] | None) -> list[bytes]:
    """The values that one body holds."""
    if sizes is None:
        return [body]
    parts, offset = [], 0
    for size in sizes:
        parts.append(body[offset : offset + size])
        offset += size
    return parts
