"""A message as a file: its content is the body, its time of change is when it may be seen, its name says the rest.

So each step that only one may take is the renaming of one file, which the file system grants to one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec
from funchost.bindings.clock import new_id

_SUFFIX = ".message"


class Ticket(NamedTuple):
    """What the name says of one state of one message. Moments are milliseconds since 1970, 0 for never."""

    inserted: int
    id: str
    expires: int
    first_received: int = 0
    deliveries: int = 0
    #: Grows with each delivery and each release: a late finisher's file is not called so any more.
    fence: int = 0
    #: 1 from a delivery until the message is released.
    taken: int = 0

    def __str__(self) -> str:
        return "_".join(map(str, self)) + _SUFFIX

    @classmethod
    def of(cls, file: str) -> Self | None:
        """The ticket that a file's name is; None where it is another name."""
        try:
            inserted, id_, *numbers = file.removesuffix(_SUFFIX).split("_")
            ticket = cls(int(inserted), id_, *map(int, numbers))
        except (TypeError, ValueError):
            return None
        return ticket if str(ticket) == file else None


class MessageFile(NamedTuple):
    """One message in the folder of its queue. All methods may raise `OSError`."""

    folder: Path
    name: str
    ticket: Ticket
    #: When it may be seen, in milliseconds.
    due: int

    @classmethod
    def held(cls, folder: Path, ticket: Ticket) -> Self:
        """The file of a message that was delivered under this ticket."""
        return cls(folder, str(ticket), ticket, 0)

    @property
    def path(self) -> Path:
        return self.folder / self.name

    @property
    def order(self) -> tuple[int, Ticket]:
        """By this messages are delivered."""
        return self.due, self.ticket

    def state(self, now: int) -> str:
        """As `PeekedMessage` has it."""
        if self.due <= now:
            return "visible"
        return "in flight" if self.ticket.taken else "delayed"

    def has_expired(self, now: int) -> bool:
        """Whether its time to live is over."""
        return 0 < self.ticket.expires <= now

    def become(self, ticket: Ticket, due: int) -> Self | None:
        """The message in another state, due then; None where somebody else was faster."""
        # The time comes first: under its new name the message is never seen before it is due.
        if not set_due(self.path, due):
            return None
        try:
            self.path.rename(self.folder / str(ticket))
        except FileNotFoundError:
            return None
        return self._replace(name=str(ticket), ticket=ticket, due=due)

    def remove(self) -> None:
        """Take it away; one that is somebody else's by now stays."""
        try:
            self.path.unlink()
        except FileNotFoundError:
            return
        _properties_of(self.folder, self.ticket).unlink(missing_ok=True)

    def properties(self) -> dict[str, Any]:
        """What travels beside the body."""
        try:
            kept: dict[str, Any] = msgspec.json.decode(_properties_of(self.folder, self.ticket).read_bytes())
        except FileNotFoundError:
            return {}
        return kept

    def keep_properties(self, properties: dict[str, Any]) -> None:
        """Let these travel from now on."""
        path = _properties_of(self.folder, self.ticket)
        draft = path.with_suffix(".draft")
        draft.unlink(missing_ok=True)
        _write(draft, msgspec.json.encode(properties))
        draft.replace(path)


def message_files(folder: Path) -> Iterator[MessageFile]:
    """All messages of a queue. Files whose names begin with a dot are not yet, or no message."""
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return
    for entry in entries:
        try:
            status = entry.stat()
        except FileNotFoundError:
            continue  # taken meanwhile
        if entry.is_file() and not entry.name.startswith("."):
            due = status.st_mtime_ns // 1_000_000
            # Another program may have put it there, under any name.
            ticket = Ticket.of(entry.name) or Ticket(due, new_id(), 0)
            yield MessageFile(folder, entry.name, ticket, due)


def write_draft(folder: Path, ticket: Ticket, body: bytes, properties: dict[str, Any], due: int) -> Path:
    """A new message that nobody sees until it is renamed to `str(ticket)`; it survives a loss of power."""
    if properties:
        _write(_properties_of(folder, ticket), msgspec.json.encode(properties))
    draft = folder / f".{ticket.id}.draft"
    _write(draft, body)
    set_due(draft, due)
    return draft


def set_due(path: Path, due: int) -> bool:
    """Have the message be seen then; False where there is no such file any more."""
    try:
        os.utime(path, ns=(due * 1_000_000, due * 1_000_000))
    except FileNotFoundError:
        return False
    return True


def sync_folder(folder: Path) -> None:
    """Have the names in it survive a loss of power; Windows has no way to say so."""
    if os.name != "nt":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _properties_of(folder: Path, ticket: Ticket) -> Path:
    return folder / f".{ticket.id}.json"


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
