"""Blobs in memory, for tests and for trying things."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from dataclasses import replace
from itertools import count

from .blob import BlobInfo
from .clock import Clock, SystemClock
from .content_type import content_type_of
from .errors import BindingError
from .file_content import PIECE, STREAM_FROM
from .names import blob_name, container_name


class MemoryBlobs:
    """`BlobStore` that forgets everything with the process. Containers come with their first blob."""

    scan_interval = 10.0

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._blobs: dict[tuple[str, str], tuple[BlobInfo, bytes]] = {}
        self._versions = count(1)

    def uri(self, container: str, name: str) -> str:
        return f"{container}/{name}"

    async def open(self, container: str, name: str) -> tuple[BlobInfo, bytes | AsyncIterable[bytes]] | None:
        found = await self.get(container, name)
        if found is None or found[0].length < STREAM_FROM:
            return found
        return found[0], _Content(self, *found)

    async def get(self, container: str, name: str) -> tuple[BlobInfo, bytes] | None:
        return self._blobs.get((container_name(container), blob_name(name)))

    async def info(self, container: str, name: str) -> BlobInfo | None:
        found = await self.get(container, name)
        return found[0] if found else None

    async def put(
        self,
        container: str,
        name: str,
        content: bytes | AsyncIterator[bytes],
        *,
        metadata: dict[str, str] | None = None,
        content_type: str | None = None,
    ) -> BlobInfo:
        key = container_name(container), blob_name(name)
        if not isinstance(content, bytes):
            content = b"".join([piece async for piece in content])
        info = BlobInfo(
            container=key[0],
            name=name,
            etag=f'"0x{next(self._versions):016X}"',
            length=len(content),
            modified_at=self._clock.now(),
            content_type=content_type or content_type_of(name),
            metadata=dict(metadata or {}),
        )
        self._blobs[key] = info, content
        return info

    async def containers(self) -> Sequence[str]:
        """As `ListedContainers`: those that hold a blob."""
        return sorted({container for container, _ in self._blobs})

    async def delete(self, container: str, name: str) -> bool:
        return self._blobs.pop((container_name(container), blob_name(name)), None) is not None

    async def list(self, container: str, prefix: str = "") -> AsyncIterator[BlobInfo]:
        container = container_name(container)
        for info, _ in list(self._blobs.values()):
            if info.container == container and info.name.startswith(prefix):
                yield replace(info, metadata={})


class _Content(AsyncIterable[bytes]):
    """One version of a blob in pieces."""

    def __init__(self, blobs: MemoryBlobs, info: BlobInfo, content: bytes) -> None:
        self._blobs = blobs
        self._info = info
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._content), PIECE):
            if await self._blobs.info(self._info.container, self._info.name) != self._info:
                raise BindingError(f"{self._info.path} changed while it was being read.")
            yield self._content[start : start + PIECE]
