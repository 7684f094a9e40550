"""Blobs as funchost sees them: the records that travel, and the protocol every blob store fulfils."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable

from .errors import FunchostError


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


class ContainerMissing(FunchostError):
    """The container does not exist (yet)."""


class BlobStore(Protocol):
    """Keeps blobs in containers. Names may hold ``/``; a name that leaves its container is refused."""

    @property
    def scan_interval(self) -> float | None:
        """Seconds between two listings of a container that look for what is new; None leaves it to the scanner."""

    async def open(self, container: str, name: str) -> tuple[BlobInfo, bytes | AsyncIterable[bytes]] | None:
        """The blob and its content; None when the blob or its container does not exist.

        Content from `file_content.STREAM_FROM` on is a stream, which starts anew each time it is iterated, and
        raises `BindingError` when the blob gives way to another meanwhile.
        """

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
        content_type: str | None = None,
    ) -> BlobInfo:
        """Write the whole blob in one visible step; creates the container. Its type goes by its name, unless given.

        Raises `BindingError` for a name that no blob can have.
        """

    async def delete(self, container: str, name: str) -> bool:
        """Remove the blob; False when there was none."""

    def list(self, container: str, prefix: str = "") -> AsyncIterator[BlobInfo]:
        """All blobs of the container whose name starts with `prefix`.

        For an absent container nothing, or `ContainerMissing` where containers do not come with their first blob.
        """

    def uri(self, container: str, name: str) -> str:
        """Where the blob is, for functions; it need not exist."""


@runtime_checkable
class ListedContainers(Protocol):
    """A blob store that knows which containers it has."""

    async def containers(self) -> Sequence[str]:
        """The names of all containers, sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobChange:
    """A notification's word that something happened to a blob; what the blob is now, only its store knows."""

    container: str
    name: str
    #: Of two changes of a blob the later one has the greater text, if both are as long; empty where that is not told.
    order: str = ""


@dataclass(frozen=True, slots=True)
class Notification:
    """What one message on a queue of notifications tells."""

    changes: tuple[BlobChange, ...] = ()
    #: What else it tells and is no concern of these blobs, in a few words each.
    others: tuple[str, ...] = ()


@runtime_checkable
class NotifyingBlobs(Protocol):
    """A blob store that tells of changes in messages on a queue of the same connection."""

    def notification_queue(self, queue: str) -> str:
        """Which queue that is: the same text for every connection that leads to it.

        Raises `BindingError` for one that cannot bring notifications.
        """

    def notification(self, body: bytes) -> Notification:
        """What a message tells. Raises `BindingError` for a body that is no notification."""

    def scan_cost(self, blobs: int, interval: float) -> str | None:
        """What it costs to list so many blobs every `interval` seconds, as the rest of a sentence; None where that
        is nothing to speak of."""

    async def info(self, container: str, name: str) -> BlobInfo | None:
        """As `BlobStore.info`."""
