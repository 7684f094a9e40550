"""Blob trigger: runs a function once for each version of each blob that matches its path.

A scanner, one for all hosts of a store, puts each new version on the function's internal queue, and so does who
receives notifications; from there it is run, repeated and given up like any queue message.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Sequence
from functools import partial
from typing import Any

import msgspec

from ..bindings.blob import BlobInfo
from ..bindings.errors import BindingError, ConfigurationError, NotFound
from ..bindings.names import blob_path
from ..bindings.patterns import PathPattern
from ..bindings.queue import QueueMessage
from .base import Deliver, Listener, Resources, Trigger, TriggerEvent
from .blob_finding import BlobFinding
from .blob_source import BlobFolder, BlobMessage, BlobSource
from .descriptor import FunctionDescriptor
from .details import message_cause, message_details, shown_time
from .fields import BlobTriggerFields
from .queue_listener import QueueListener
from .scan import ScannedQueue
from .singleton import one_host_only

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
        self.store = resources.blobs(fields.connection or "")
        self.finding = BlobFinding(function, fields, self.store, self._own)
        self.queue = f"azure-webjobs-blobtrigger-{function.name.lower()}"

    def listener(self, deliver: Deliver) -> Listener:
        source = self._source()
        listener = one_host_only(
            self.function, deliver, self.resources, lambda deliver: self._listener(source, deliver)
        )
        return self.finding.notified(source, listener)

    async def again(self, infos: Sequence[BlobInfo]) -> None:
        """Have the function run for those of these versions that it is for, also where it has already."""
        await self._source().again(infos)

    def _source(self) -> BlobSource:
        return BlobSource(
            self.function.name, self.pattern, self.store, self._own.state, self.queue, self.finding.scanned
        )

    def _listener(self, source: BlobSource, deliver: Deliver) -> Listener:
        queue = QueueListener(
            function=self.function.name,
            queue=self.queue,
            store=self._own.own_queues,
            policy=self.function.policy.queue,
            deliver=deliver,
            to_event=self.event,
            poison_queue=POISON_QUEUE,
            resources=self._own,
            concurrency=self.function.policy.concurrency,
        )
        return ScannedQueue(self.finding.scans(source), queue)

    @property
    def _own(self) -> Resources:
        """Where versions are remembered and queued: those of files on this machine are no matter of others."""
        return self.resources.on_this_machine() if isinstance(self.store, BlobFolder) else self.resources

    def describe(self) -> str:
        return self.fields.path + self.resources.at(self.fields.connection)

    async def event(self, message: QueueMessage) -> TriggerEvent | None:
        """The event for a message; None when that version of the blob is gone."""
        try:
            told = msgspec.json.decode(message.body, type=BlobMessage)
        except msgspec.MsgspecError:
            return None  # not one of ours; Azure's host drops it too
        captures = self.pattern.match(told.blob_name)
        if captures is None or told.container_name != self.pattern.container:
            return None  # the function has another path now
        found = await self.store.open(told.container_name, told.blob_name)
        if found is None or found[0].etag != told.e_tag:
            return None
        event = self._event(*found, captures)
        event.reason = f"New blob detected({self.fields.source}): {event.data['name']}"
        event.details = partial(_details, message, found[0])
        event.cause = message_cause(message, found[0].path, _parent(found[0]))
        event.traceparent = _noted(found[0], "Traceparent")
        return event

    async def manual_event(self, data: bytes | None) -> TriggerEvent:
        """`data` is ``container/blob``. Raises `BindingError` for anything else, `NotFound` for no such blob."""
        if not data:
            raise BindingError(f"Say which blob {self.function.name} is to run for: --data container/blob.")
        container, name = blob_path(data.decode(errors="replace").strip())
        found = await self.store.open(container, name)
        if found is None:
            raise NotFound(f"There is no blob {container}/{name}.")
        return self._event(*found, self.pattern.match(name) or {})

    def _event(
        self, info: BlobInfo, body: bytes | AsyncIterable[bytes], captures: dict[str, str]
    ) -> TriggerEvent:
        uri = self.store.uri(info.container, info.name)
        return TriggerEvent(
            kind="blob", body=body, data=_data(info, uri), metadata=_metadata(info, uri) | captures
        )


def _parent(info: BlobInfo) -> dict[str, Any]:
    """The run that wrote the blob, as runs note it in its metadata."""
    parent = _noted(info, "AzureWebJobsParentId")
    return {"parent": parent} if parent else {}


def _noted(info: BlobInfo, name: str) -> str | None:
    """A value of the metadata. Its name comes back in lower case from some storages."""
    return next((value for key, value in info.metadata.items() if key.lower() == name.lower()), None)


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
