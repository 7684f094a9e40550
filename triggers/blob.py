"""Blob trigger: runs a function once for each version of each blob that matches its path.

A scanner, one for all hosts of a store, puts each new version on the function's internal queue; from there it is
run, repeated and given up like any queue message.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

import msgspec

from ..bindings.blob import BlobInfo, BlobStore
from ..bindings.errors import BindingError, ConfigurationError, NotFound
from ..bindings.file_content import STREAM_FROM, FileContent
from ..bindings.file_tree import file_status, version_of
from ..bindings.names import blob_path
from ..bindings.patterns import PathPattern
from ..bindings.queue import OutgoingMessage, QueueMessage
from ..bindings.state import Sighting, StateStore
from .base import Deliver, Listener, Resources, Trigger, TriggerEvent
from .descriptor import FunctionDescriptor
from .fields import BlobTriggerFields
from .file_stability import Settling
from .queue import QueueListener, one_host_only
from .scan import ScannedQueue, Scanner, scan_interval
from .singleton import ListenerLease
from .watch import Hints, Watch

POISON_QUEUE = "webjobs-blobtrigger-poison"

#: Versions recorded in one step.
BATCH = 500


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


class BlobTrigger(Trigger):
    """``blobTrigger``."""

    type = "blobTrigger"
    Fields = BlobTriggerFields

    fields: BlobTriggerFields

    def __init__(self, function: FunctionDescriptor, fields: BlobTriggerFields, resources: Resources) -> None:
        super().__init__(function, fields, resources)
        try:
            self.pattern = PathPattern.parse(fields.path)
        except BindingError as error:
            raise ConfigurationError(str(error), key="path") from error
        self.interval = scan_interval(fields.scanInterval)
        self.store = resources.blobs(fields.connection or "")
        self.queue = f"azure-webjobs-blobtrigger-{function.name.lower()}"

    def listener(self, deliver: Deliver) -> Listener:
        name = self.function.name
        source = BlobSource(name, self.pattern, self.store, self.resources.state, self.queue)
        scanner = Scanner(source, watch=Watch(), interval=self.interval, report=self.resources.report)
        queue = QueueListener(
            function=name,
            queue=self.queue,
            store=self.resources.queues(""),
            policy=self.function.policy.queue,
            deliver=deliver,
            to_event=self.event,
            poison_queue=POISON_QUEUE,
            resources=self.resources,
            concurrency=self.function.policy.concurrency,
        )
        both = ScannedQueue(ListenerLease(scanner, f"scan:blob:{name}", self.resources), queue)
        return one_host_only(both, self.function, self.resources)

    def describe(self) -> str:
        return self.fields.path

    async def event(self, message: QueueMessage) -> TriggerEvent | None:
        """The event for a message; None when that version of the blob is gone."""
        try:
            told = msgspec.json.decode(message.body, type=BlobMessage)
        except msgspec.MsgspecError:
            return None  # not one of ours; Azure's host drops it too
        captures = self.pattern.match(told.blob_name)
        if captures is None or told.container_name != self.pattern.container:
            return None  # the function has another path now
        found = await self._content(told)
        if found is None:
            return None
        info, body = found
        return TriggerEvent(
            kind="blob",
            body=body,
            data=_data(info, self._uri(info)),
            metadata=_metadata(info, self._uri(info)) | captures,
            reason=f"New blob detected({self.fields.source}): {info.path}",
        )

    def manual_event(self, data: bytes | None) -> TriggerEvent:
        """`data` is ``container/blob``. Raises `BindingError` for anything else."""
        if not data:
            raise BindingError(f"Say which blob {self.function.name} is to run for: --data container/blob.")
        container, name = blob_path(data.decode(errors="replace").strip())
        path = f"{container}/{name}"
        return TriggerEvent(
            kind="blob",
            body=BlobLater(self.store, container, name),
            data={"name": path, "uri": path, "properties": {}, "metadata": {}},
            metadata={"blobTrigger": path, "uri": path, "properties": {}, "metadata": {}}
            | (self.pattern.match(name) or {}),
            reason=f"Run by hand for {path}",
        )

    async def _content(self, told: BlobMessage) -> tuple[BlobInfo, bytes | AsyncIterator[bytes]] | None:
        container, name = told.container_name, told.blob_name
        info = await self.store.info(container, name)
        if info is None or info.etag != told.e_tag:
            return None
        if info.length >= STREAM_FROM and isinstance(self.store, BlobFolder):
            path = str(self.store.path(container, name))
            status = await asyncio.to_thread(file_status, str(self.store.folder / container), path)
            return (info, FileContent(path, version_of(status))) if status else None
        found = await self.store.get(container, name)
        return found if found and found[0].etag == told.e_tag else None

    def _uri(self, info: BlobInfo) -> str:
        if isinstance(self.store, BlobFolder):
            return self.store.path(info.container, info.name).absolute().as_uri()
        return info.path


class BlobLater(AsyncIterator[bytes]):
    """A blob's content, fetched when it is asked for; each new ``async for`` fetches it again."""

    def __init__(self, store: BlobStore, container: str, name: str) -> None:
        self._store = store
        self._container = container
        self._name = name
        self._fetched = False

    def __aiter__(self) -> Self:
        self._fetched = False
        return self

    async def __anext__(self) -> bytes:
        if self._fetched:
            raise StopAsyncIteration
        self._fetched = True
        found = await self._store.get(self._container, self._name)
        if found is None:
            raise NotFound(f"There is no blob '{self._container}/{self._name}'.")
        return found[1]


class BlobSource:
    """The blobs of one container that one function is for, and which versions of them were queued."""

    recursive = True

    def __init__(
        self, function: str, pattern: PathPattern, store: BlobStore, state: StateStore, queue: str
    ) -> None:
        self._function = function
        self._pattern = pattern
        self._store = store
        self._state = state
        self._queue = queue
        self._scope = f"blob:{function}"
        self._seen: dict[str, str] = {}
        self._settling = Settling()
        folder = store.folder / pattern.container if isinstance(store, BlobFolder) else None
        self.folder: str | None = str(folder.absolute()) if folder else None

    async def load(self) -> None:
        self._seen = await self._state.seen(self._scope)

    async def scan(self) -> str:
        found: set[str] = set()
        batch: list[BlobInfo] = []
        async for info in self._store.list(self._pattern.container, self._pattern.prefix):
            found.add(info.path)
            batch.append(info)
            if len(batch) == BATCH:
                await self._sight(batch)
                batch = []
        await self._sight(batch)
        # Nothing at all is more likely a folder that was taken away for a while than so many deleted blobs.
        if found:
            await self._forget(path for path in self._seen if path not in found)
        return "listening"

    async def look(self, hints: Hints) -> None:
        folders = [name + "/" for name in self._names(hints.folders)]
        names = {*self._names(hints.files), *self._names(self._settling.due())}
        infos = [info for name in names if (info := await self._info(name))]
        await self._sight(infos, closed=set(self._names(hints.closed)))
        for folder in folders:
            await self._sight([info async for info in self._store.list(self._pattern.container, folder)])

    def next_look(self) -> float | None:
        return self._settling.next_look()

    async def _sight(self, infos: list[BlobInfo], closed: set[str] | None = None) -> None:
        """Queue the versions that are new, complete and wanted."""
        fresh = [
            info
            for info in infos
            if self._seen.get(info.path) != info.etag and self._pattern.match(info.name) is not None
        ]
        whole = await asyncio.to_thread(self._settled, fresh, closed or set())
        if whole:
            sightings = [Sighting(info.path, info.etag, self._message(info)) for info in whole]
            await self._state.record(self._scope, sightings)
            self._seen.update((info.path, info.etag) for info in whole)

    async def _forget(self, paths: Iterable[str]) -> None:
        gone = [Sighting(path, None) for path in paths]
        for start in range(0, len(gone), BATCH):
            await self._state.record(self._scope, gone[start : start + BATCH])
        for sighting in gone:
            del self._seen[sighting.path]

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


def _properties(info: BlobInfo) -> dict[str, Any]:
    return {
        "length": info.length,
        "contentType": info.content_type,
        "eTag": info.etag,
        "lastModified": info.modified_at.isoformat(),
    }


def _data(info: BlobInfo, uri: str) -> dict[str, Any]:
    return {
        "name": info.path,
        "uri": uri,
        "length": info.length,
        "properties": _properties(info),
        "metadata": info.metadata,
    }


def _metadata(info: BlobInfo, uri: str) -> dict[str, Any]:
    return {
        "blobTrigger": info.path,
        "uri": uri,
        "properties": _properties(info),
        "metadata": info.metadata,
    }
