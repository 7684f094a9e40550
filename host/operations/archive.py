"""A state as one file: a compressed tar of plain files, with a manifest as its last member that vouches for all."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

import msgspec

from ...bindings.errors import ConfigurationError
from ...bindings.private_files import FILE_MODE, private_opener

#: Of the file's form. A newer one is not read.
VERSION = 1

_MANIFEST = "manifest.json"
#: A manifest with more bytes than this is not ours.
_LARGEST_MANIFEST = 2**30
_PIECE = 1024 * 1024


class Member(msgspec.Struct, frozen=True):
    """A file as it was put in."""

    sha256: str
    size: int


class Manifest(msgspec.Struct, kw_only=True, rename="camel"):
    """What stands in the file."""

    version: int
    #: The funchost that wrote it, and the version of its store.
    funchost: str
    store: int
    created: str
    members: dict[str, Member] = msgspec.field(default_factory=dict)
    #: The ETag of each blob as it was there, by the blob's member.
    etags: dict[str, str] = msgspec.field(default_factory=dict)


class Writer:
    """Puts files into an archive."""

    def __init__(self, tar: tarfile.TarFile, manifest: Manifest) -> None:
        self._tar = tar
        self.manifest = manifest

    def add(self, name: str, path: Path) -> os.stat_result | None:
        """Put a file in; returns its status, None where it is gone. Raises `OSError`."""
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return None
        with file:
            status = os.fstat(file.fileno())
            hashed = _Hashed(file)
            self._tar.addfile(_info(name, status.st_size, status.st_mtime), hashed)
        self.manifest.members[name] = Member(hashed.digest(), status.st_size)
        return status

    def finish(self) -> None:
        """Put the manifest in."""
        data = msgspec.json.encode(self.manifest)
        self._tar.addfile(_info(_MANIFEST, len(data), 0), io.BytesIO(data))


class _Hashed:
    """A file that is hashed as it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._hash.update(data)
        return data

    def digest(self) -> str:
        return self._hash.hexdigest()


@contextmanager
def writing(target: Path, manifest: Manifest) -> Iterator[Writer]:
    """An archive that is there as a whole once this ends without an error, for its owner alone."""
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with (
            open(draft, "wb", opener=private_opener) as file,
            tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as tar,
        ):
            writer = Writer(tar, manifest)
            yield writer
            writer.finish()
        with draft.open("rb") as written:
            os.fsync(written.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def unpack(archive: Path, folder: Path, is_known: Callable[[PurePosixPath], bool]) -> Manifest:
    """Put all files of the archive below `folder`. Raises `ConfigurationError` unless it is whole and good.

    Only names that `is_known` says yes to are written, and none that leads out of the folder.
    """
    try:
        with tarfile.open(archive, "r:*") as tar:
            found, manifest = _unpack_all(tar, folder, is_known)
    except (tarfile.TarError, EOFError, ValueError, msgspec.MsgspecError, zlib.error) as error:
        raise _damaged(archive, str(error) or type(error).__name__) from error
    if manifest is None:
        raise _damaged(archive, "its end is missing")
    for name in sorted(found.keys() | manifest.members.keys()):
        if found.get(name) != manifest.members.get(name):
            raise _damaged(archive, f"{name} is not what was put in")
    return manifest


def _unpack_all(
    tar: tarfile.TarFile, folder: Path, is_known: Callable[[PurePosixPath], bool]
) -> tuple[dict[str, Member], Manifest | None]:
    found: dict[str, Member] = {}
    for info in tar:
        content = tar.extractfile(info) if info.isreg() else None
        if content is None:
            raise ValueError(f"{info.name} is no plain file")
        if info.name == _MANIFEST:
            return found, _manifest(content.read(_LARGEST_MANIFEST))
        if info.name in found or not _stays_inside(info.name) or not is_known(PurePosixPath(info.name)):
            raise ValueError(f"{info.name!r} has no place in a store")
        found[info.name] = _write(folder / info.name, content, info.mtime)
    return found, None


def _manifest(data: bytes) -> Manifest:
    version = msgspec.json.decode(data, type=dict[str, Any]).get("version")
    if isinstance(version, int) and version > VERSION:
        raise ConfigurationError(
            f"The file was written by a newer funchost (form {version}, this one knows {VERSION}). "
            "Upgrade funchost to import it."
        )
    return msgspec.json.decode(data, type=Manifest)


def _write(path: Path, content: IO[bytes], modified: float) -> Member:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    hashed, size = _Hashed(content), 0
    with open(path, "xb", opener=private_opener) as file:
        while piece := hashed.read(_PIECE):
            file.write(piece)
            size += len(piece)
    os.utime(path, (modified, modified))
    return Member(hashed.digest(), size)


def _stays_inside(name: str) -> bool:
    parts = name.split("/")
    return "\0" not in name and "\\" not in name and not any(part in ("", ".", "..") for part in parts)


def _info(name: str, size: int, modified: float) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = size, modified, FILE_MODE
    return info


def _damaged(archive: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"{archive} cannot be imported: it is damaged, or no export of funchost ({why}). Nothing was changed."
    )
