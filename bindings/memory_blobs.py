"""Blobs in memory, for tests and for trying things."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import count

from .blob import BlobInfo
from .clock import Clock, SystemClock
from .content_type import content_type_of
from .names import blob_name, container_name


class MemoryBlobs:
    """`BlobStore` that forgets everything with the process. Containers come with their first blob."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._blobs: dict[tuple[str, str], tuple[BlobInfo, bytes]] = {}
        self._versions = count(1)

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
            content_type=content_type_of(name),
            metadata=dict(metadata or {}),
        )
        self._blobs[key] = info, content
        return info

    async def delete(self, container: str, name: str) -> bool:
        return self._blobs.pop((container_name(container), blob_name(name)), None) is not None

    async def list(self, container: str, prefix: str = "") -> AsyncIterator[BlobInfo]:
        container = container_name(container)
        for info, _ in list(self._blobs.values()):
            if info.container == container and info.name.startswith(prefix):
                yield replace(info, metadata={})
