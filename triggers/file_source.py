"""What a file scanner looks at: which files there are, which version of each was queued, and what that means.

A version that is new is ``created``, ``changed`` or, when the same file stood under a name that is gone,
``renamed``; a file that is gone from a folder that is still the same one was ``deleted``. A folder that is missing, or was replaced by
another, does not mean that its files were deleted.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from ..bindings.batches import in_batches
from ..bindings.file_tree import file_status, files_below, is_gone, version_of
from ..bindings.queue import OutgoingMessage
from ..bindings.state import Sighting, StateStore
from .file_place import FilePlace
from .file_stability import Settling
from .watch import Hints

#: Versions recorded in one step.
BATCH = 500

#: Where the identity of each function's folder is kept: by it a replaced folder is known.
_ROOTS = "file-root"

File = tuple[str, os.stat_result]


class FileMessage(
    msgspec.Struct, rename="pascal", tag_field="Type", tag="FileTrigger", omit_defaults=True, kw_only=True
):
    """What stands on the internal queue, and on the poison queue: one change of one file."""

    function_id: str
    path: str
    change: str
    version: str
    old_path: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileWatching:
    """What one function wants to know, and where it is told."""

    function: str
    place: FilePlace
    changes: frozenset[str]
    queue: str
    #: How often the function's own writes led to a new version of this file (by its key).
    generation: Callable[[str], int]


class FileSource:
    """The files of one function's path."""

    def __init__(self, watching: FileWatching, state: StateStore, settling: Settling | None = None) -> None:
        self._watching = watching
        self._place = watching.place
        self._state = state
        self._scope = f"file:{watching.function}"
        self._settling = settling or Settling()
        self._seen: dict[str, str] = {}
        #: The keys by version, to know a renamed file by.
        self._keys: dict[str, str] = {}
        #: The keys that were found in the folder as it is now, and so can be deleted from it.
        self._present: set[str] = set()
        self._root: str | None = None
        self.folder: str | None = self._place.root
        self.recursive = self._place.recursive
        self.recorded = 0.0  # the embedded store is quick

    async def load(self) -> None:
        self._seen = await self._state.seen(self._scope)
        self._keys = {version: key for key, version in self._seen.items()}
        self._root = await self._state.get(_ROOTS, self._watching.function)
        self._present = set(self._seen) if self._root == self._identity() else set()

    async def scan(self) -> str:
        identity = await asyncio.to_thread(self._identity)
        if identity is None:
            return f"waiting for the folder {self._place.root}"
        await self._adopt(identity)
        found: set[str] = set()
        unreadable: list[str] = []
        files = files_below(self._place.root, descend=self._place.enters, unreadable=unreadable)
        async for batch in in_batches(files, BATCH):
            found.update(self._place.key(relative) for relative, _ in batch)
            await self._sight(batch)
        await self._miss(self._present - found)
        if unreadable:
            return f"listening; the folder {self._place.absolute(unreadable[0])} cannot be read"
        return "listening"

    async def look(self, hints: Hints) -> None:
        if await asyncio.to_thread(self._identity) != self._root:
            return  # the next scan finds out what became of the folder
        paths = {*self._relatives(hints.files), *self._relatives(self._settling.due())}
        folders = [
            f"{folder}/" for folder in self._relatives(hints.folders) if self._place.enters(f"{folder}/")
        ]
        await self._sight(await asyncio.to_thread(self._files, paths), set(self._relatives(hints.closed)))
        for folder in folders:
            async for batch in in_batches(
                files_below(self._place.root, start=folder, descend=self._place.enters, unreadable=[]), BATCH
            ):
                await self._sight(batch)
        # Last, so that a renamed file is met under its new name before its old one is missed.
        gone = {self._place.key(path) for path in paths} & self._present
        starts = tuple(self._place.key(folder) for folder in folders)
        await self._miss(gone.union(key for key in self._present if starts and key.startswith(starts)))

    def next_look(self) -> float | None:
        return self._settling.next_look()

    async def _adopt(self, identity: str) -> None:
        if identity != self._root:
            self._present.clear()
            await self._state.put(_ROOTS, self._watching.function, identity)
            self._root = identity

    async def _sight(self, files: list[File], closed: set[str] | None = None) -> None:
        """Queue the versions that are new, complete and wanted, and remember the others that are new."""
        sightings = await asyncio.to_thread(lambda: list(self._judge(files, closed or set())))
        await self._record(sightings)

    def _judge(self, files: list[File], closed: set[str]) -> Iterable[Sighting]:
        for relative, status in files:
            if self._place.match(relative) is None:
                continue
            key, version = self._place.key(relative), version_of(status)
            if self._seen.get(key) == version:
                self._present.add(key)
            elif self._settling.settled(self._place.absolute(relative), version, closed=relative in closed):
                yield from self._news(key, version)

    def _news(self, key: str, version: str) -> Iterable[Sighting]:
        old = self._old_name(key, version)
        change = "changed" if key in self._seen else "created" if old is None else "renamed"
        if old is not None:
            yield Sighting(old, None)
        yield Sighting(key, version, self._message(key, change, version, old))

    def _old_name(self, key: str, version: str) -> str | None:
        """The name that this very version had, if that is gone and the function wants to know."""
        old = self._keys.get(version)
        if key in self._seen or old is None or "renamed" not in self._watching.changes:
            return None
        try:
            path = self._place.absolute(self._place.relative_of_key(old))
        except ValueError:
            return None
        return old if is_gone(path) else None

    async def _miss(self, keys: set[str]) -> None:
        """Those of `keys` whose files are surely gone were deleted, if this is still the same folder."""
        gone = await asyncio.to_thread(self._gone, keys)
        if gone and await asyncio.to_thread(self._identity) == self._root:
            await self._record(
                [Sighting(key, None, self._message(key, "deleted", self._seen[key])) for key in gone]
            )

    def _gone(self, keys: set[str]) -> list[str]:
        gone = []
        for key in sorted(keys):
            path = self._place.absolute(self._place.relative_of_key(key))
            if is_gone(path):
                self._settling.forget(path)
                gone.append(key)
        return gone

    async def _record(self, sightings: list[Sighting]) -> None:
        for start in range(0, len(sightings), BATCH):
            part = sightings[start : start + BATCH]
            await self._state.record(self._scope, part)
            for sighting in part:
                self._remember(sighting.path, sighting.version)

    def _remember(self, key: str, version: str | None) -> None:
        old = self._seen.pop(key, None)
        if old is not None and self._keys.get(old) == key:
            del self._keys[old]
        if version is None:
            self._present.discard(key)
        else:
            self._seen[key] = version
            self._keys[version] = key
            self._present.add(key)

    def _message(self, key: str, change: str, version: str, old: str | None = None) -> OutgoingMessage | None:
        watching = self._watching
        if change not in watching.changes:
            return None
        message = FileMessage(
            function_id=f"Host.Functions.{watching.function}",
            path=key,
            change=change,
            version=version,
            old_path=old,
        )
        generation = watching.generation(key)
        # Without an end: each version runs once, however long the function was switched off.
        return OutgoingMessage(
            queue=watching.queue,
            body=msgspec.json.encode(message),
            ttl=None,
            properties={"generation": generation} if generation else {},
        )

    def _files(self, paths: set[str]) -> list[File]:
        files = []
        for relative in paths:
            path = self._place.absolute(relative)
            status = file_status(self._place.root, path)
            if status is None:
                self._settling.forget(path)
            elif self._place.recursive or "/" not in relative:
                files.append((relative, status))
        return files

    def _relatives(self, paths: Iterable[str]) -> list[str]:
        return [relative for path in paths if (relative := self._place.relative(path)) is not None]

    def _identity(self) -> str | None:
        """Which folder it is, or None while there is none."""
        try:
            status = os.stat(self._place.root)  # noqa: PTH116 - before each look
        except OSError:
            return None
        return f"{self._place.root}|{status.st_dev:x}-{status.st_ino:x}"
