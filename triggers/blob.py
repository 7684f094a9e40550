"""Blob trigger: runs a function once for each version of each blob that matches its path.

A scanner, one for all hosts of a store, puts each new version on the function's internal queue; from there it is
run, repeated and given up like any queue message.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, Self

import msgspec

from ..bindings.blob import BlobInfo, BlobStore
from ..bindings.errors import BindingError, ConfigurationError, NotFound
from ..bindings.file_content import STREAM_FROM, FileContent
from ..bindings.file_tree import file_status, version_of
from ..bindings.names import blob_path
from ..bindings.patterns import PathPattern
from ..bindings.queue import QueueMessage
from .base import Deliver, Listener, Resources, Trigger, TriggerEvent
from .blob_source import BlobFolder, BlobMessage, BlobSource
from .descriptor import FunctionDescriptor
from .details import message_details, shown_time
from .fields import BlobTriggerFields
from .queue_listener import QueueListener
from .scan import ScannedQueue, Scanner, scan_interval
from .singleton import ListenerLease, one_host_only

POISON_QUEUE = "webjobs-blobtrigger-poison"


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
        return one_host_only(self.function, deliver, self.resources, self._listener)

    def _listener(self, deliver: Deliver) -> Listener:
        name = self.function.name
        source = BlobSource(name, self.pattern, self.store, self.resources.state, self.queue)
        scanner = Scanner(
            source, watch=self.resources.watch, interval=self.interval, report=self.resources.report
        )
        queue = QueueListener(
            function=name,
            queue=self.queue,
            store=self.resources.own_queues,
            policy=self.function.policy.queue,
            deliver=deliver,
            to_event=self.event,
            poison_queue=POISON_QUEUE,
            resources=self.resources,
            concurrency=self.function.policy.concurrency,
        )
        return ScannedQueue(ListenerLease(scanner, f"scan:blob:{name}", self.resources), queue)

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
            details=partial(_details, message, info),
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


def _details(message: QueueMessage, info: BlobInfo) -> dict[str, object]:
    # A blob is always replaced as a whole, so each version of it was created when it was last modified.
    modified = shown_time(info.modified_at)
    return message_details(message) | {"BlobCreated": modified, "BlobLastModified": modified}


def _properties(info: BlobInfo) -> dict[str, Any]:
    """Named as in `InputStream.blob_properties`; expressions find them in any case."""
    return {
        "Length": info.length,
        "ContentLength": info.length,
        "ContentType": info.content_type,
        "ETag": info.etag,
        "LastModified": info.modified_at.isoformat(),
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
