"""What a blob scanner looks at: the blobs of one container, and which version of each was queued."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec

from ..bindings.blob import BlobInfo, BlobStore
from ..bindings.errors import BindingError, FunchostError
from ..bindings.patterns import PathPattern
from ..bindings.private_files import make_private_folder
from ..bindings.queue import OutgoingMessage
from ..bindings.state import Sighting, StateStore
from .file_stability import Settling
from .watch import Hints

#: Versions recorded in one step: so many that they share the requests which a step costs on a store elsewhere.
BATCH = 2000


class BlobMessage(msgspec.Struct, rename="pascal", tag_field="Type", tag="BlobTrigger", kw_only=True):
    """What stands on the internal queue, and on the poison queue: one version of one blob."""

    function_id: str
    blob_type: str = "BlockBlob"
    container_name: str
    blob_name: str
    e_tag: str


@runtime_checkable
class BlobFolder(Protocol):
    """A blob store whose blobs are files: their changes make events, and other programs write them."""

    folder: Path

    def path(self, container: str, name: str) -> Path:
        """Where the blob's file is."""


class BlobSource:
    """The blobs of one container that one function is for, and which versions of them were queued."""

    recursive = True

    def __init__(
        self,
        function: str,
        pattern: PathPattern,
        store: BlobStore,
        state: StateStore,
        queue: str,
        scanned: Callable[[int], str] = lambda blobs: "listening",
    ) -> None:
        """`queue` is the function's internal queue; `scanned` gives the state after a scan that found so many blobs."""
        self._function = function
        self._pattern = pattern
        self._store = store
        self._state = state
        self._queue = queue
        self._scanned = scanned
        self._scope = f"blob:{function}"
        self._seen: dict[str, str] = {}
        self._settling = Settling()
        self.recorded = 0.0
        folder = store.folder / pattern.container if isinstance(store, BlobFolder) else None
        self.folder: str | None = str(folder.absolute()) if folder else None

    async def load(self) -> None:
        if self.folder is not None:
            # So that people can drop files there. Where it cannot be made, the first blob says why.
            with contextlib.suppress(OSError):
                await asyncio.to_thread(_make_folder, Path(self.folder))
        self._seen = await self._state.seen(self._scope)

    async def scan(self) -> str:
        self.recorded = 0.0
        # What is recorded meanwhile may have come too late for the listing, and is not gone.
        known = set(self._seen)
        found: set[str] = set()
        batch: list[BlobInfo] = []
        try:
            async for info in self._store.list(self._pattern.container, self._pattern.prefix):
                found.add(info.path)
                batch.append(info)
                if len(batch) == BATCH:
                    await self._sight(batch)
                    batch = []
        except FunchostError:
            await self._sight(batch)  # what could be listed does not wait for what could not
            raise
        await self._sight(batch)
        # Nothing at all is more likely a folder that was taken away for a while than so many deleted blobs.
        if found:
            await self.forget(known - found)
        return self._scanned(len(found))

    async def look(self, hints: Hints) -> None:
        folders = [name + "/" for name in self._names(hints.folders)]
        names = {*self._names(hints.files), *self._names(self._settling.due())}
        infos = [info for name in names if (info := await self._info(name))]
        await self._sight(infos, closed=set(self._names(hints.closed)))
        for folder in folders:
            await self._sight([info async for info in self._store.list(self._pattern.container, folder)])

    def next_look(self) -> float | None:
        return self._settling.next_look()

    def wants(self, container: str, name: str) -> bool:
        """Whether the function is for that blob."""
        return container == self._pattern.container and self._pattern.match(name) is not None

    async def sight(self, infos: Sequence[BlobInfo]) -> None:
        """Queue those of these versions that nobody has queued yet; some may not be wanted."""
        await self._sight(infos)

    async def again(self, infos: Sequence[BlobInfo]) -> None:
        """Queue those of these versions that are wanted, whether they were queued before or not."""
        wanted = [info for info in infos if self._pattern.match(info.name) is not None]
        for start in range(0, len(wanted), BATCH):
            batch = wanted[start : start + BATCH]
            # Forgotten first, each is news; whoever comes in between has queued it instead.
            await self._state.record(self._scope, [Sighting(info.path, None) for info in batch])
            await self._state.record(
                self._scope, [Sighting(info.path, info.etag, self._message(info)) for info in batch]
            )

    async def forget(self, paths: Iterable[str]) -> None:
        """The blobs of these paths are gone; whoever puts one there again puts a new one."""
        gone = [Sighting(path, None) for path in paths]
        for start in range(0, len(gone), BATCH):
            await self._state.record(self._scope, gone[start : start + BATCH])
        for sighting in gone:
            self._seen.pop(sighting.path, None)

    async def _sight(self, infos: Sequence[BlobInfo], closed: set[str] | None = None) -> None:
        """Queue the versions that are new, complete and wanted."""
        fresh = [
            info
            for info in infos
            if self._seen.get(info.path) != info.etag and self._pattern.match(info.name) is not None
        ]
        whole = await asyncio.to_thread(self._settled, fresh, closed or set())
        if whole:
            began = time.monotonic()
            sightings = [Sighting(info.path, info.etag, self._message(info)) for info in whole]
            await self._state.record(self._scope, sightings)
            self._seen.update((info.path, info.etag) for info in whole)
            self.recorded += time.monotonic() - began

    async def _info(self, name: str) -> BlobInfo | None:
        try:
            info = await self._store.info(self._pattern.container, name)
        except BindingError:
            info = None  # a file with a name that no blob can have, or a link that leads out
        if info is None and self.folder is not None:
            self._settling.forget(self._file(name))
        return info

    def _settled(self, infos: list[BlobInfo], closed: set[str]) -> list[BlobInfo]:
        if self.folder is None:
            return infos
        return [
            info
            for info in infos
            if self._settling.settled(self._file(info.name), info.etag, closed=info.name in closed)
        ]

    def _file(self, name: str) -> str:
        return f"{self.folder}{os.sep}{name.replace('/', os.sep)}"

    def _names(self, paths: Iterable[str]) -> list[str]:
        below = f"{self.folder}{os.sep}"
        return [path[len(below) :].replace(os.sep, "/") for path in paths if path.startswith(below)]

    def _message(self, info: BlobInfo) -> OutgoingMessage:
        message = BlobMessage(
            function_id=f"Host.Functions.{self._function}",
            container_name=info.container,
            blob_name=info.name,
            e_tag=info.etag,
        )
        # Without an end: each version runs once, however long the function was switched off.
        return OutgoingMessage(queue=self._queue, body=msgspec.json.encode(message), ttl=None)


def _make_folder(container: Path) -> None:
    make_private_folder(container.parent)
    make_private_folder(container)
