"""Blob inputs of the cardinality many: all blobs of a container, or those whose names begin alike, as one value."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ...bindings.blob import BlobInfo, BlobStore, ContainerMissing
from ...bindings.clock import Clock
from ...bindings.errors import BindingError
from ...bindings.expressions import Template
from ...bindings.names import blobs_path
from ...triggers.descriptor import Binding

#: What one input brings at most: each run holds all of it in memory.
MOST_BLOBS = 10_000
MOST_BYTES = 256 * 1024 * 1024

#: Blobs that one input reads at a time.
READS = 8

#: A blob and its content.
_Blob = tuple[BlobInfo, bytes]


class BlobsInput:
    """Brings the blobs that are there, in the order of their names. A blob that is gone before it is read is left
    out, and an absent container has none."""

    def __init__(self, binding: Binding, store: BlobStore, function: str, clock: Clock) -> None:
        self._name = binding.name
        self._store = store
        self._path = Template.parse(binding.fields["path"])
        self._function = function
        self._clock = clock

    async def load(self, metadata: Mapping[str, Any]) -> tuple[str, str, bytes]:
        """Name, kind and content of the value. Raises `BindingError`, also for more than an input brings."""
        path = self._path.render(metadata, function=self._function, clock=self._clock)
        blobs = await self._read(await self._list(path), path)
        told = msgspec.json.encode([{"name": info.path, "length": len(content)} for info, content in blobs])
        return self._name, "blobs", b"".join([told, b"\n", *(content for _, content in blobs)])

    async def _list(self, path: str) -> list[BlobInfo]:
        found: list[BlobInfo] = []
        length = 0
        try:
            async for info in self._store.list(*blobs_path(path)):
                found.append(info)
                length += info.length
                self._check(len(found), length, path)
        except ContainerMissing:
            return []
        return sorted(found, key=lambda info: info.name)

    async def _read(self, found: Iterable[BlobInfo], path: str) -> list[_Blob]:
        slots = asyncio.Semaphore(READS)
        held = 0

        async def read(info: BlobInfo) -> _Blob | None:
            nonlocal held
            async with slots:
                blob = await self._store.get(info.container, info.name)
            # It may have grown since it was listed.
            held += len(blob[1]) if blob else 0
            self._check(0, held, path)
            return blob

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(read(info)) for info in found]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return [blob for task in tasks if (blob := task.result())]

    def _check(self, count: int, length: int, path: str) -> None:
        """Raises `BindingError` for more than an input brings."""
        if count > MOST_BLOBS or length > MOST_BYTES:
            limit = f"{MOST_BLOBS:,} blobs" if count > MOST_BLOBS else f"{MOST_BYTES // 1024 // 1024} MiB"
            raise BindingError(
                f"The input '{self._name}' finds more than {limit} at '{path}', all of which would be held in memory. "
                "Narrow its path with a prefix, such as container/2026/."
            )
