"""File trigger: runs a function once for each version of each file that matches its path.

A scanner, one for all hosts of a store, puts each change on the function's internal queue; from there it is run,
repeated and given up like any queue message. A message whose file is gone or another by then is dropped: the
scanner has found, or will find, what became of it.
"""

from __future__ import annotations

import asyncio
import os
from functools import partial
from typing import Any

import msgspec

from ..bindings.errors import BindingError, ConfigurationError, NotFound
from ..bindings.file_content import STREAM_FROM, FileContent, read_version
from ..bindings.file_tree import file_status, version_of
from ..bindings.queue import QueueMessage
from .base import CALLED, Deliver, Listener, Outcome, Resources, Trigger, TriggerEvent
from .descriptor import FunctionDescriptor
from .details import message_cause, message_details
from .fields import FileTriggerFields
from .file_place import FilePlace, printable
from .file_source import FileMessage, FileSource, FileWatching
from .own_writes import GENERATIONS, OwnWrites
from .queue_listener import QueueListener
from .scan import ScannedQueue, Scanner, scan_interval
from .singleton import ListenerLease, one_host_only

POISON_QUEUE = "webjobs-filetrigger-poison"

CHANGES = ("created", "changed", "deleted", "renamed")


class FileTrigger(Trigger):
    """``fileTrigger``."""

    type = "fileTrigger"
    Fields = FileTriggerFields

    fields: FileTriggerFields

    def __init__(self, function: FunctionDescriptor, fields: FileTriggerFields, resources: Resources) -> None:
        super().__init__(function, fields, resources)
        try:
            self.place = FilePlace(fields.path, resources.root)
        except BindingError as error:
            raise ConfigurationError(str(error), key="path") from error
        self.changes = _changes(fields)
        self.interval = scan_interval(fields.scanInterval)
        self.queue = f"azure-webjobs-filetrigger-{function.name.lower()}"

    def listener(self, deliver: Deliver) -> Listener:
        return one_host_only(self.function, deliver, self.resources, self._listener)

    def _listener(self, deliver: Deliver) -> Listener:
        name, resources, own = self.function.name, self.resources.on_this_machine(), OwnWrites()
        watching = FileWatching(
            function=name,
            place=self.place,
            changes=self.changes,
            queue=self.queue,
            generation=own.generation,
        )
        source = FileSource(watching, resources.state)
        scanner = Scanner(source, watch=resources.watch, interval=self.interval, report=resources.report)
        runs = FileRuns(self, own)
        queue = QueueListener(
            function=name,
            queue=self.queue,
            store=resources.own_queues,
            policy=self.function.policy.queue,
            deliver=deliver,
            to_event=self.event,
            poison_queue=POISON_QUEUE,
            resources=resources,
            on_outcome=runs.ended,
            concurrency=self.function.policy.concurrency,
        )
        runs.listener = ScannedQueue(ListenerLease(scanner, f"scan:file:{name}", resources), queue)
        return runs.listener

    def describe(self) -> str:
        return self.fields.path

    async def event(self, message: QueueMessage) -> TriggerEvent | None:
        """The event for a message; None when that version of the file is gone. Raises `BindingError`."""
        told = decoded(message)
        relative = self._relative(told) if told else None
        captures = self.place.match(relative) if relative is not None else None
        if told is None or relative is None or captures is None:
            return None  # not one of ours, or the function has another path now
        event = await asyncio.to_thread(self._event, relative, told.change, told.version, told.old_path)
        if event is not None:
            event.details = partial(message_details, message)
            event.cause = message_cause(message, relative)
        return event

    async def manual_event(self, data: bytes | None) -> TriggerEvent:
        """`data` is a path, relative to the app root or absolute. Raises `NotFound` for no such file, and
        `BindingError`."""
        return await asyncio.to_thread(self._manual_event, data)

    def _manual_event(self, data: bytes | None) -> TriggerEvent:
        text = os.fsdecode(data or b"").strip()
        if not text:
            raise BindingError(f"Say which file {self.function.name} is to run for: --data import/file.csv.")
        path = os.path.abspath(self.resources.root / text)  # noqa: PTH100 - links are kept
        relative = self.place.relative(path)
        status = file_status(self.place.root, path) if relative is not None else None
        if relative is None or status is None:
            raise NotFound(f"There is no file {printable(text)} below {self.place.root}.")
        event = self._event(relative, "created", version_of(status), None)
        if event is None:
            raise BindingError(f"The file '{text}' is just being changed; try again.")
        event.reason = CALLED
        return event

    def _event(self, relative: str, change: str, version: str, old: str | None) -> TriggerEvent | None:
        path = self.place.absolute(relative)
        length, body = (0, b"") if change == "deleted" else self._content(path, version)
        if body is None:
            return None
        shown = printable(path)
        data: dict[str, Any] = {"path": shown, "name": os.path.basename(shown), "change": change}  # noqa: PTH119
        metadata = data | {"fileTrigger": shown}
        if old is not None:
            metadata["oldPath"] = printable(self.place.absolute(self.place.relative_of_key(old)))
        captures = self.place.match(relative) or {}
        return TriggerEvent(
            kind="file",
            body=body,
            data=data | {"length": length},
            metadata=metadata | {name: printable(text) for name, text in captures.items()},
            reason=f"File {change}: {shown}",
        )

    def _content(self, path: str, version: str) -> tuple[int, bytes | FileContent | None]:
        """Length and content of that version of a file; no content when it is gone or another now."""
        status = file_status(self.place.root, path)
        if status is None or version_of(status) != version:
            return 0, None
        if status.st_size >= STREAM_FROM:
            return status.st_size, FileContent(path, version)
        try:
            return status.st_size, read_version(path, version)
        except OSError as error:
            raise BindingError(f"{printable(path)} cannot be read ({error.strerror}).") from error

    def _relative(self, told: FileMessage) -> str | None:
        try:
            return self.place.relative_of_key(told.path)
        except ValueError:
            return None


class FileRuns:
    """What is done once a function has run for a file: automatic deletion, and the search for loops."""

    #: Set as soon as it is made.
    listener: ScannedQueue

    def __init__(self, trigger: FileTrigger, own: OwnWrites) -> None:
        self._trigger = trigger
        self._own = own

    async def ended(self, message: QueueMessage, outcome: Outcome) -> None:
        """Called after the message was settled."""
        told = decoded(message)
        if told is None or told.change == "deleted":
            return
        path = self._trigger.place.absolute(self._trigger.place.relative_of_key(told.path))
        version = await asyncio.to_thread(self._version, path)
        same = version == told.version
        if self._loops(message, told, outcome, changed=version is not None and not same):
            self._halt()
        elif same and outcome.succeeded and self._trigger.fields.autoDelete:
            await asyncio.to_thread(self._delete, path)

    def _loops(self, message: QueueMessage, told: FileMessage, outcome: Outcome, *, changed: bool) -> bool:
        wrote = outcome.header.get("wrote")
        if wrote is None:
            return self._own.ran_untold(told.path, changed=changed)
        keys = [key for path in wrote if (key := self._matching(path)) is not None]
        return self._own.ran(told.path, int(message.properties.get("generation", 0)), keys)

    def _matching(self, path: str) -> str | None:
        """The key of a written file that the function's own path matches."""
        place = self._trigger.place
        relative = place.relative(path)
        return place.key(relative) if relative is not None and place.match(relative) is not None else None

    def _halt(self) -> None:
        name, path = self._trigger.function.name, self._trigger.fields.path
        reason = f"stopped: it writes files that its own path {path} matches, and so keeps running itself"
        if self.listener.halt(reason):
            self._trigger.resources.report(
                f"{name} {reason} ({GENERATIONS} times in a row). Let it write to another folder, or narrow "
                "'path' in its function.json; it starts again when the function changes."
            )

    def _version(self, path: str) -> str | None:
        status = file_status(self._trigger.place.root, path)
        return version_of(status) if status is not None else None

    def _delete(self, path: str) -> None:
        try:
            os.unlink(path)  # noqa: PTH108 - the path is text everywhere here
        except FileNotFoundError:
            pass
        except OSError as error:
            self._trigger.resources.report(
                f"{self._trigger.function.name} is done with {printable(path)}, but it cannot be deleted "
                f"({error.strerror}). Make its folder writable, or set autoDelete to false."
            )


def decoded(message: QueueMessage) -> FileMessage | None:
    """What a message of the internal queue says; None for one that is not ours."""
    try:
        return msgspec.json.decode(message.body, type=FileMessage)
    except msgspec.MsgspecError:
        return None


def _changes(fields: FileTriggerFields) -> frozenset[str]:
    listed = fields.changeTypes
    # Decorators can say it in one text: "created, deleted" or Azure's "Created | Deleted".
    words = listed.replace("|", ",").split(",") if isinstance(listed, str) else listed
    changes = frozenset(word.strip().lower() for word in words)
    unknown = sorted(changes.difference(CHANGES))
    if unknown or not changes:
        wrong = f"'{unknown[0]}' is not a type of change" if unknown else "No type of change is given"
        raise ConfigurationError(f"{wrong}; use {', '.join(CHANGES)}.", key="changeTypes")
    if fields.autoDelete and "deleted" in changes:
        raise ConfigurationError(
            "With autoDelete the host's own deletions would run the function again; drop 'deleted'.",
            key="changeTypes",
        )
    return changes
