"""Blob trigger: runs a function once for each version of each blob that matches its path.

A scanner, one for all hosts of a store, puts each new version on the function's internal queue; from there it is
run, repeated and given up like any queue message.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import msgspec

from ..bindings.blob import BlobInfo
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
        found = await self._found(told.container_name, told.blob_name)
        if found is None or found[0].etag != told.e_tag:
            return None
        event = self._event(*found, captures)
        event.reason = f"New blob detected({self.fields.source}): {event.data['name']}"
        event.details = partial(_details, message, found[0])
        return event

    async def manual_event(self, data: bytes | None) -> TriggerEvent:
        """`data` is ``container/blob``. Raises `BindingError` for anything else, `NotFound` for no such blob."""
        if not data:
            raise BindingError(f"Say which blob {self.function.name} is to run for: --data container/blob.")
        container, name = blob_path(data.decode(errors="replace").strip())
        found = await self._found(container, name)
        if found is None:
            raise NotFound(f"There is no blob {container}/{name}.")
        return self._event(*found, self.pattern.match(name) or {})

    def _event(
        self, info: BlobInfo, body: bytes | AsyncIterator[bytes], captures: dict[str, str]
    ) -> TriggerEvent:
        uri = self._uri(info)
        return TriggerEvent(
            kind="blob", body=body, data=_data(info, uri), metadata=_metadata(info, uri) | captures
        )

    async def _found(self, container: str, name: str) -> tuple[BlobInfo, bytes | AsyncIterator[bytes]] | None:
        """The blob as it is now, and its content; None when it does not exist."""
        info = await self.store.info(container, name)
        if info is None:
            return None
        if info.length < STREAM_FROM or not isinstance(self.store, BlobFolder):
            return await self.store.get(container, name)
        path = str(self.store.path(container, name))
        status = await asyncio.to_thread(file_status, str(self.store.folder / container), path)
        return (info, FileContent(path, version_of(status))) if status else None

    def _uri(self, info: BlobInfo) -> str:
        if isinstance(self.store, BlobFolder):
            return self.store.path(info.container, info.name).absolute().as_uri()
        return info.path


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
