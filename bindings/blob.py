"""Blobs as funchost sees them: the records that travel, and the protocol every blob store fulfils."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobInfo:
    """What is known of one version of a blob without reading it."""

    container: str
    name: str
    etag: str
    length: int
    modified_at: datetime
    content_type: str = "application/octet-stream"
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """``container/name``."""
        return f"{self.container}/{self.name}"


class BlobStore(Protocol):
    """Keeps blobs in containers. Names may hold ``/``; a name that leaves its container is refused."""

    async def get(self, container: str, name: str) -> tuple[BlobInfo, bytes] | None:
        """The blob and its content, or None when the blob or its container does not exist."""

    async def info(self, container: str, name: str) -> BlobInfo | None:
        """What is known of the blob, or None when it does not exist."""

    async def put(
        self,
        container: str,
        name: str,
        content: bytes | AsyncIterator[bytes],
        *,
        metadata: dict[str, str] | None = None,
    ) -> BlobInfo:
        """Write the whole blob in one visible step; creates the container.

        Raises `BindingError` for a name that no blob can have.
        """

    async def delete(self, container: str, name: str) -> bool:
        """Remove the blob; False when there was none."""

    def list(self, container: str, prefix: str = "") -> AsyncIterator[BlobInfo]:
        """All blobs of the container whose name starts with `prefix`; nothing for an absent container."""
