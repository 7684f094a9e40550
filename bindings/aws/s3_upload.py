"""An object's content on its way to S3: at once when it is small, in parts when it is large."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Protocol

from ..errors import FunchostError
from .s3_calls import Fields

#: Content from this size on goes in parts of this size, in bytes; few are held at a time. S3 takes 10,000.
PART = 8 * 1024 * 1024

#: Seconds that an upload which is broken off waits for the part that is on its way.
_GRACE = 5.0


class Write(Protocol):
    """Calls an operation of S3 that writes."""

    def __call__(self, operation: str, /, **parameters: Any) -> Coroutine[Any, Any, Fields]: ...


async def upload(
    write: Write, target: Fields, condition: Fields, content: bytes | AsyncIterator[bytes]
) -> tuple[str, int]:
    """Write the whole object in one visible step; returns its ETag and its length.

    `condition` is checked at that step. Content that breaks off leaves nothing behind.
    """
    parts = _bytes_in_parts(content) if isinstance(content, bytes) else _stream_in_parts(content)
    first = await anext(parts, b"")
    if len(first) < PART:
        answer = await write("put_object", **target, **condition, Body=first)
        return answer["ETag"], len(first)
    return await _in_parts(write, target, condition, first, parts)


async def _in_parts(
    write: Write, target: Fields, condition: Fields, first: bytes, rest: AsyncIterator[bytes]
) -> tuple[str, int]:
    begun = await write("create_multipart_upload", **target)
    place = {"Bucket": target["Bucket"], "Key": target["Key"], "UploadId": begun["UploadId"]}
    done: list[Fields] = []
    length = 0
    try:
        part = first
        while part:
            number = len(done) + 1
            answer = await _to_its_end(write("upload_part", **place, PartNumber=number, Body=part))
            done.append({"PartNumber": number, "ETag": answer["ETag"]})
            length += len(part)
            part = await anext(rest, b"")
        answer = await write(
            "complete_multipart_upload", **place, **condition, MultipartUpload={"Parts": done}
        )
    except BaseException:
        # Parts that nobody completes are kept, and paid for.
        with contextlib.suppress(FunchostError):
            await asyncio.shield(asyncio.ensure_future(write("abort_multipart_upload", **place)))
        raise
    return answer["ETag"], length


async def _to_its_end(call: Coroutine[Any, Any, Fields]) -> Fields:
    """Await the call, also when cancelled: a part that arrives after the abort would be kept."""
    running = asyncio.ensure_future(call)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running], timeout=_GRACE)
        raise


async def _bytes_in_parts(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), PART):
        yield content[start : start + PART]


async def _stream_in_parts(content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    gathered = bytearray()
    async for piece in content:
        gathered += piece
        while len(gathered) >= PART:
            part = bytes(memoryview(gathered)[:PART])
            del gathered[:PART]
            yield part
    if gathered:
        yield bytes(gathered)
