"""The content of a file, in pieces, for values too large to be held."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import BinaryIO, Self

from .errors import BindingError
from .file_tree import version_of

PIECE = 256 * 1024

#: Content from this size on is streamed instead of held.
STREAM_FROM = 8 * 1024 * 1024


class FileContent(AsyncIterator[bytes]):
    """One version of a file in pieces; each new ``async for`` starts again, so that an attempt can be repeated.

    Raises `BindingError` when that version is gone or gives way to another while it is read.
    """

    def __init__(self, path: str, version: str) -> None:
        self._path = path
        self._version = version
        self._file: BinaryIO | None = None

    def __aiter__(self) -> Self:
        self._close()
        return self

    async def __anext__(self) -> bytes:
        piece = await asyncio.to_thread(self._next)
        if not piece:
            raise StopAsyncIteration
        return piece

    def _next(self) -> bytes:
        try:
            if self._file is None:
                self._file = open(self._path, "rb")  # noqa: SIM115 - it stays open between two pieces
            piece = self._file.read(PIECE)
            unchanged = version_of(os.fstat(self._file.fileno())) == self._version
        except OSError as error:
            self._close()
            raise BindingError(f"{self._path} cannot be read ({error.strerror}).") from error
        if not unchanged:
            self._close()
            raise BindingError(
                f"{self._path} changed while it was being read; its new version runs by itself."
            )
        if not piece:
            self._close()
        return piece

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def __del__(self) -> None:
        self._close()


def read_version(path: str, version: str) -> bytes | None:
    """The whole content of that version of a file; None when it is gone or another now. Raises `OSError`."""
    try:
        with open(path, "rb") as file:
            content = file.read()
            return content if version_of(os.fstat(file.fileno())) == version else None
    except FileNotFoundError:
        return None
