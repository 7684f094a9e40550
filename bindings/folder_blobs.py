"""Blobs as files: ``<store folder>/blobs/<container>/<name>``, which other programs may read and drop files into.

A blob is written to ``<store folder>/tmp`` and renamed into its place, so that nobody sees half of it. Its ETag
comes from the file (time of change, size, inode) and is new whoever changes it. What a file cannot tell, the
metadata and a type that its name does not say, stands in ``<store folder>/blob-metadata`` beside the ETag it belongs to, and counts only while that is
the blob's. A name is a file or a folder, not both; where the file system folds case, names that differ in case
only are one blob.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections.abc import AsyncIterable, AsyncIterator, Iterator, MutableSequence, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import msgspec

from .batches import in_batches
from .blob import BlobInfo
from .content_type import content_type_of
from .errors import BindingError
from .file_content import STREAM_FROM, FileContent
from .file_draft import FileDraft
from .file_tree import file_status, files_below, is_inside, version_of
from .names import blob_name, container_name

_ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_FULL = (errno.ENOSPC, errno.EDQUOT)


class _Kept(msgspec.Struct, omit_defaults=True):
    """What is kept beside a blob's file."""

    etag: str
    values: dict[str, str] = {}
    content_type: str | None = None


class FolderBlobs:
    """`BlobStore` in a folder. `list` does not bring the metadata; `open`, `get` and `info` do."""

    #: Change events decide how often it is worth while.
    scan_interval = None

    def __init__(self, store_folder: Path) -> None:
        #: Where the containers are.
        self.folder = store_folder / "blobs"
        self._drafts = store_folder / "tmp"
        self._metadata = store_folder / "blob-metadata"

    def path(self, container: str, name: str) -> Path:
        """Where the blob's file is, or would be. Raises `BindingError` for a name that leaves the container."""
        base = self.folder / container_name(container)
        path = base / _checked(name)
        if not is_inside(str(base), str(path)):
            raise BindingError(
                f"'{container}/{name}' leads out of its container through a link; remove the link."
            )
        return path

    def uri(self, container: str, name: str) -> str:
        return self.path(container, name).absolute().as_uri()

    async def open(self, container: str, name: str) -> tuple[BlobInfo, bytes | AsyncIterable[bytes]] | None:
        return await asyncio.to_thread(self._open, container_name(container), name)

    async def get(self, container: str, name: str) -> tuple[BlobInfo, bytes] | None:
        return await asyncio.to_thread(self._get, container_name(container), name)

    async def info(self, container: str, name: str) -> BlobInfo | None:
        return await asyncio.to_thread(self._info, container_name(container), name)

    async def put(
        self,
        container: str,
        name: str,
        content: bytes | AsyncIterator[bytes],
        *,
        metadata: dict[str, str] | None = None,
        content_type: str | None = None,
    ) -> BlobInfo:
        container = container_name(container)
        target = await asyncio.to_thread(self.path, container, name)
        draft = FileDraft(self._drafts)
        try:
            await asyncio.to_thread(draft.open)
            async for piece in _pieces(content):
                await asyncio.to_thread(draft.write, piece)
            kept = _Kept("", metadata or {}, content_type)
            return await asyncio.to_thread(self._publish, draft, target, container, name, kept)
        except OSError as error:
            raise _refused(error, f"{container}/{name}", target) from error
        finally:
            draft.discard()

    async def delete(self, container: str, name: str) -> bool:
        return await asyncio.to_thread(self._delete, container_name(container), name)

    async def list(self, container: str, prefix: str = "") -> AsyncIterator[BlobInfo]:
        """All blobs whose name starts with `prefix`; raises `BindingError` last if a folder could not be read."""
        container = container_name(container)
        unreadable: list[str] = []
        async for batch in in_batches(self._walk(container, prefix, unreadable)):
            for info in batch:
                yield info
        if unreadable:
            raise BindingError(
                f"The folder {self.folder / container / unreadable[0]} cannot be read; make it readable."
            )

    def _open(self, container: str, name: str) -> tuple[BlobInfo, bytes | AsyncIterable[bytes]] | None:
        path = str(self.path(container, name))
        status = file_status(str(self.folder / container), path)
        if status is None or status.st_size < STREAM_FROM:
            return self._get(container, name) if status else None
        return self._described(container, name, status), FileContent(path, version_of(status))

    def _get(self, container: str, name: str) -> tuple[BlobInfo, bytes] | None:
        path = self.path(container, name)
        try:
            with path.open("rb") as file:
                content = file.read()
                status = os.fstat(file.fileno())
        except _ABSENT:
            return None
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                return None
            raise BindingError(
                f"Blob '{container}/{name}' cannot be read ({error.strerror}): {path}."
            ) from error
        return self._described(container, name, status), content

    def _info(self, container: str, name: str) -> BlobInfo | None:
        status = file_status(str(self.folder / container), str(self.path(container, name)))
        return self._described(container, name, status) if status else None

    async def containers(self) -> Sequence[str]:
        """As `ListedContainers`: the folders with such a name."""
        return await asyncio.to_thread(self._containers)

    def _containers(self) -> Sequence[str]:
        try:
            return sorted(
                entry.name
                for entry in os.scandir(self.folder)
                if entry.is_dir() and _is_container(entry.name)
            )
        except FileNotFoundError:
            return []

    def _publish(self, draft: FileDraft, target: Path, container: str, name: str, kept: _Kept) -> BlobInfo:
        status = draft.finish()
        kept.etag = etag_of_file(status)
        # First, so that the blob never shows without its metadata: the ETag survives the renaming.
        self._keep(container, name, kept)
        draft.rename(target)
        return _described(container, name, status, kept)

    def _delete(self, container: str, name: str) -> bool:
        path = self.path(container, name)
        if file_status(str(self.folder / container), str(path)) is None:
            return False
        try:
            path.unlink()
        except _ABSENT:
            return False
        except OSError as error:
            raise BindingError(
                f"Blob '{container}/{name}' cannot be deleted ({error.strerror}): {path}."
            ) from error
        self._metadata_file(container, name).unlink(missing_ok=True)
        # A folder left empty would keep its name from becoming a blob.
        with contextlib.suppress(OSError):
            for folder in path.parents[: name.count("/")]:
                folder.rmdir()
        return True

    def _walk(self, container: str, prefix: str, unreadable: MutableSequence[str]) -> Iterator[BlobInfo]:
        def leads_there(folder: str) -> bool:
            return folder.startswith(prefix) or prefix.startswith(folder)

        root = str(self.folder / container)
        for name, status in files_below(root, descend=leads_there, unreadable=unreadable):
            # Other programs may use names that no blob can have.
            if name.startswith(prefix) and _is_name(name):
                yield _described(container, name, status)

    def _described(self, container: str, name: str, status: os.stat_result) -> BlobInfo:
        return _described(container, name, status, self._kept(container, name, etag_of_file(status)))

    def _metadata_file(self, container: str, name: str) -> Path:
        # A hash, because a blob's name with an extension could be another blob's folder.
        return self._metadata / container / f"{sha256(name.encode()).hexdigest()}.json"

    def _keep(self, container: str, name: str, kept: _Kept) -> None:
        if not kept.values and kept.content_type is None:
            return
        draft = FileDraft(self._drafts)
        try:
            draft.open()
            draft.write(msgspec.json.encode(kept))
            draft.finish()
            draft.rename(self._metadata_file(container, name))
        finally:
            draft.discard()

    def _kept(self, container: str, name: str, etag: str) -> _Kept | None:
        try:
            kept = msgspec.json.decode(self._metadata_file(container, name).read_bytes(), type=_Kept)
        except (OSError, msgspec.MsgspecError):
            return None
        return kept if kept.etag == etag else None


def _described(container: str, name: str, status: os.stat_result, kept: _Kept | None = None) -> BlobInfo:
    return BlobInfo(
        container=container,
        name=name,
        etag=etag_of_file(status),
        length=status.st_size,
        modified_at=datetime.fromtimestamp(status.st_mtime, UTC),
        content_type=(kept and kept.content_type) or content_type_of(name),
        metadata=kept.values if kept else {},
    )


def etag_of_file(status: os.stat_result) -> str:
    """The ETag of a blob whose file has this status."""
    return f'"0x{status.st_mtime_ns:016X}{status.st_size:X}{status.st_ino:016X}"'


def _checked(name: str) -> str:
    blob_name(name)
    try:
        name.encode()
    except UnicodeEncodeError:
        raise BindingError(f"{name!r} is not a blob name: it is not Unicode text.") from None
    return name


def _is_container(name: str) -> bool:
    try:
        return container_name(name) == name
    except BindingError:
        return False


def _is_name(name: str) -> bool:
    try:
        _checked(name)
    except BindingError:
        return False
    return True


async def _pieces(content: bytes | AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if isinstance(content, bytes):
        yield content
    else:
        async for piece in content:
            yield piece


def _refused(error: OSError, blob: str, target: Path) -> BindingError:
    """Why a blob could not be written, in words that say what to do."""
    if error.errno in _FULL:
        return BindingError(
            f"The disk that holds {target.parent} is full; nothing of blob '{blob}' was kept."
        )
    if error.errno == errno.ENAMETOOLONG:
        return BindingError(
            f"Blob name '{blob}' is too long: between two slashes there is room for 255 bytes."
        )
    if error.errno == errno.EXDEV:
        return BindingError(
            f"Blob '{blob}' cannot be written: {target.parent} is on another file system than the store, "
            "and a blob is renamed into its place. Keep the whole store folder on one file system."
        )
    if isinstance(error, IsADirectoryError) or target.is_dir():
        return BindingError(f"Blob '{blob}' cannot be written: there are blobs below that name ('{blob}/…').")
    if isinstance(error, NotADirectoryError | FileExistsError):
        return BindingError(f"Blob '{blob}' cannot be written: the beginning of its name is a blob itself.")
    return BindingError(f"Blob '{blob}' cannot be written ({error.strerror}): {target}.")
