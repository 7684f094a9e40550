"""The content of a blob on S3, in pieces, for values too large to be held."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Self

from ..errors import BindingError
from ..file_content import PIECE
from .s3_calls import S3Calls
from .s3_errors import BucketMissing, ConditionFailed, ObjectMissing

#: How much is fetched with one request, and held, in bytes.
CHUNK = 8 * 1024 * 1024


class S3Content(AsyncIterator[bytes]):
    """One version of an object in pieces; each new ``async for`` starts again, so an attempt can be repeated.

    Each chunk is a request of its own: nothing stays open while the reader takes his time, or leaves.
    Raises `BindingError` when that version is gone or gives way to another while it is read.
    """

    def __init__(self, calls: S3Calls, bucket: str, key: str, etag: str, length: int) -> None:
        """`etag` is S3's own, in quotes."""
        self._calls = calls
        self._bucket = bucket
        self._key = key
        self._etag = etag
        self._length = length
        self._pieces = self._read()

    def __aiter__(self) -> Self:
        self._pieces = self._read()
        return self

    async def __anext__(self) -> bytes:
        return await anext(self._pieces)

    async def _read(self) -> AsyncIterator[bytes]:
        for start in range(0, self._length, CHUNK):
            chunk = await self._fetch(start)
            for at in range(0, len(chunk), PIECE):
                yield chunk[at : at + PIECE]

    async def _fetch(self, start: int) -> bytes:
        wanted = f"bytes={start}-{start + CHUNK - 1}"
        try:
            _, chunk = await self._calls.read(
                Bucket=self._bucket, Key=self._key, Range=wanted, IfMatch=self._etag
            )
        except (ObjectMissing, BucketMissing, ConditionFailed) as error:
            place = f"s3://{self._bucket}/{self._key}"
            raise BindingError(
                f"{place} changed while it was being read; its new version runs by itself."
            ) from error
        return chunk
