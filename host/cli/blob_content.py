"""Content of blobs on its way in and out of the command line, in pieces however large it is."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import click

from ...bindings.blob import BlobInfo
from ...bindings.errors import NotFound
from ...bindings.file_content import PIECE
from ...bindings.names import blob_path
from ..operations.blobs import put_blob
from .access import opened_workbench
from .options import App

_METADATA_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_HEADER_TEXT = re.compile(r"[\x20-\x7e]*")
_CONTENT_TYPE = re.compile(r"[!-~]+/[!-~][ -~]*")


@dataclass(frozen=True, slots=True)
class About:
    """What is said of a blob beside its content."""

    #: None goes by its name.
    content_type: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)


async def write_blob(app: App, connection: str | None, path: str, file: str, about: About) -> BlobInfo:
    """Put the content of `file` (``-``: of standard input) into the blob."""
    source = sys.stdin.buffer if file == "-" else await asyncio.to_thread(Path(file).open, "rb")
    try:
        async with opened_workbench(app) as workbench:
            return await put_blob(
                workbench,
                connection or "",
                path,
                _pieces(source),
                content_type=about.content_type,
                metadata=about.metadata,
            )
    finally:
        if file != "-":
            source.close()


async def read_blob(app: App, connection: str | None, path: str, target: Path | None) -> int:
    """Write the blob's content to `target` (None: to standard output), where it shows when it is whole.

    Returns its bytes. Raises `NotFound`.
    """
    async with opened_workbench(app) as workbench:
        found = await workbench.blobs(connection or "").open(*blob_path(path))
        if found is None:
            raise NotFound(f"There is no blob {path}.")
        if target is None:
            return await _copy(found[1], sys.stdout.buffer)
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            with await asyncio.to_thread(draft.open, "xb") as file:
                length = await _copy(found[1], file)
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
        return length


def checked_type(text: str | None) -> str | None:
    """The content type. Raises `BadParameter` for what is none."""
    if text is not None and not _CONTENT_TYPE.fullmatch(text):
        raise click.BadParameter(f"'{text}' is no type: write it as text/csv.", param_hint="--content-type")
    return text


def metadata_pair(text: str) -> tuple[str, str]:
    name, is_pair, value = text.partition("=")
    if not is_pair or not _METADATA_NAME.fullmatch(name):
        raise click.BadParameter(
            f"'{text}' is no metadata: write it as NAME=VALUE, the name of letters, digits, - and _.",
            param_hint="--metadata",
        )
    if not _HEADER_TEXT.fullmatch(value):
        raise click.BadParameter(
            f"The value of '{name}' has a character that no header takes: write it in ASCII.",
            param_hint="--metadata",
        )
    return name, value


async def _pieces(source: BinaryIO) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(source.read, PIECE):
        yield piece


async def _copy(content: bytes | AsyncIterable[bytes], target: BinaryIO) -> int:
    """Write the content; returns its length."""
    if isinstance(content, bytes):
        target.write(content)
        target.flush()
        return len(content)
    length = 0
    async for piece in content:
        await asyncio.to_thread(target.write, piece)
        length += len(piece)
    target.flush()
    return length
