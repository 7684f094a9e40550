"""The state file: what queues and buckets hold, as a zip file of one document and the objects' contents.

`index.json` is a `State`; each object's content stands beside it under the name that the index gives.
"""

from __future__ import annotations

import itertools
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from filelock import FileLock, Timeout

from ...bindings.errors import ConfigurationError

_INDEX = "index.json"
_FORMAT = "funchost emulator state"

#: Grows when a reader of the version before could no longer read the file.
VERSION = 1

#: Seconds that an emulator is given to end and to save, when another one is started on its file.
_PATIENCE = 5.0


class Attribute(msgspec.Struct, omit_defaults=True):
    """A typed value that travels with a message, as clients give it."""

    DataType: str
    StringValue: str | None = None
    BinaryValue: bytes | None = None


class Message(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A message. All times are milliseconds since 1970."""

    id: str
    body: str
    sent: int
    attributes: dict[str, Attribute] = {}
    #: Such as ``AWSTraceHeader``.
    system_attributes: dict[str, Attribute] = {}
    group: str | None = None
    deduplication: str | None = None
    sequence: str | None = None
    first_received: int | None = None
    receive_count: int = 0
    #: Until when it is delayed; 0 is not at all.
    delayed_until: float = 0


class Queue(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A queue of SQS. What was in flight is as visible as the rest."""

    account: str
    region: str
    name: str
    #: Those that a client sets, redrive policy included.
    attributes: dict[str, str] = {}
    tags: dict[str, str] = {}
    created: float
    messages: list[Message] = []


class Object(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A version of an object of S3, or the mark of its deletion."""

    key: str
    #: The content's name in the file; none is the mark of a deletion.
    content: str | None = None
    modified: datetime
    version: str | None = None
    #: Without quotes.
    etag: str | None = None
    #: Headers, such as ``content-type`` and ``x-amz-meta-…``.
    metadata: dict[str, str] = {}
    storage_class: str | None = None
    checksum_algorithm: str | None = None
    checksum: str | None = None
    tags: dict[str, str] = {}


class Bucket(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A bucket of S3."""

    account: str
    partition: str
    region: str
    name: str
    created: datetime
    #: ``Enabled`` or ``Suspended``; none where it never was on.
    versioning: str | None = None
    tags: dict[str, str] = {}
    #: What is told to whom: lists of rules by kind of target, as S3 names them.
    notifications: dict[str, Any] | None = None
    #: Oldest version first.
    objects: list[Object] = []


class State(msgspec.Struct, kw_only=True):
    """All that is kept."""

    format: str = _FORMAT
    version: int = VERSION
    queues: list[Queue] = []
    buckets: list[Bucket] = []


class StateError(ConfigurationError):
    """The file is not one that this version can read."""


#: Takes a content into the file, and gives its name there.
Keep = Callable[[bytes], str]


class StateFile:
    """Writes and reads one state file, of which this process is the only user from `claim` to `release`."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock = FileLock(f"{self.path}.lock")

    def claim(self) -> None:
        """Keep others from using it; an emulator that is about to end is waited for.

        Raises `ConfigurationError` where another one uses it, or where no such file could be written.
        """
        folder = self.path.parent
        if self.path.is_dir() or not os.access(folder, os.W_OK):
            reason = (
                "it is a folder" if self.path.is_dir() else f"{folder} is not a folder that can be written to"
            )
            raise ConfigurationError(f"The emulator's state cannot be kept in {self.path}: {reason}.")
        try:
            self._lock.acquire(timeout=_PATIENCE)
        except Timeout:
            raise ConfigurationError(
                f"Another emulator keeps its state in {self.path}. End that one, or name another file."
            ) from None

    def release(self) -> None:
        """Let others use it."""
        self._lock.release()

    def write(self, collect: Callable[[Keep], State]) -> None:
        """Write what `collect` gives, in one step: whoever reads sees the file before or after. Raises `OSError`."""
        draft = self.path.with_name(f"{self.path.name}.new")
        # What queues and objects hold may be secret.
        with open(draft, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as stream:
            with zipfile.ZipFile(stream, "w") as archive:
                names = (f"objects/{number}" for number in itertools.count(1))

                def keep(content: bytes) -> str:
                    name = next(names)
                    archive.writestr(name, content)
                    return name

                index = msgspec.json.format(msgspec.json.encode(collect(keep)), indent=1)
                archive.writestr(_INDEX, index, zipfile.ZIP_DEFLATED)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(self.path)

    @contextmanager
    def opened(self) -> Iterator[tuple[State, Callable[[str], bytes]] | None]:
        """The state, and what gives the contents that it names; None where there is no file.

        Raises `StateError` for another file, also from within.
        """
        if not self.path.exists():
            yield None
            return
        try:
            with zipfile.ZipFile(self.path) as archive:
                yield self._state(archive.read(_INDEX)), archive.read
        except (zipfile.BadZipFile, KeyError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise StateError(
                f"{self.path} is not a state file of the emulator, or is damaged ({error}). Name another file, or "
                "remove this one to begin with nothing."
            ) from error

    def _state(self, index: bytes) -> State:
        head = msgspec.json.decode(index, type=_Head)
        if head.format != _FORMAT:
            raise msgspec.ValidationError(f"its format is '{head.format}'")
        if head.version > VERSION:
            raise StateError(
                f"{self.path} was written by a newer funchost (its version is {head.version}, this one reads up "
                f"to {VERSION}). Update funchost, or name another file."
            )
        return msgspec.json.decode(index, type=State)


class _Head(msgspec.Struct):
    """What can be read of a state of any version."""

    format: str
    version: int
