"""Plain parameters: raw content to the text, bytes, JSON value, model or stream that is asked for."""

from __future__ import annotations

import io
import typing
from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Any, get_args, get_origin

from .errors import BindError
from .values_json import is_model, parse, reader, validated

#: Turns content into an argument. Content is bytes; where a stream is asked for it may be a file or an
#: asynchronous iterable, by the annotation.
Decode = Callable[[Any], Any]

#: What to name as possible when an annotation is refused; the streams only where a value stands for itself.
ALLOWED = "str, bytes, dict, list, int, float, bool, a dataclass or a model"
ALLOWED_STREAMS = "BinaryIO or AsyncIterator[bytes]"

_FILES = (typing.BinaryIO, typing.IO[bytes], io.IOBase, io.RawIOBase, io.BufferedIOBase, io.BufferedReader)


def is_file(annotation: Any) -> bool:
    """Whether the annotation asks for a binary file to read from."""
    return annotation in _FILES


def is_chunks(annotation: Any) -> bool:
    """Whether the annotation asks for an asynchronous stream of bytes."""
    return get_origin(annotation) in (AsyncIterator, AsyncIterable) and get_args(annotation) == (bytes,)


def decoder(annotation: Any, where: str, *, optional: bool = False) -> Decode | None:
    """What turns content into a value of that type; None for a type that is not plain.

    `where` names the parameter in errors. `optional`: no content and null give None where JSON is wanted.
    """
    if annotation is bytes:
        return _as_it_is
    if annotation is str:
        return text_decoder(where)
    if is_file(annotation):
        return lambda content: io.BytesIO(content) if isinstance(content, bytes) else content
    if is_chunks(annotation):
        return lambda content: _one_chunk(content) if isinstance(content, bytes) else aiter(content)
    decode = _parsed(annotation, where)
    if decode is None or not optional:
        return decode
    return lambda content: None if content.strip() in (b"", b"null") else decode(content)


def text_decoder(where: str) -> Decode:
    """What turns content into text. Raises `BindError` where it is not UTF-8."""

    def decode(content: bytes) -> str:
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            raise BindError(
                f"{where} is text, but what came is not UTF-8 ({error}). As bytes it takes anything."
            ) from None

    return decode


def _parsed(annotation: Any, where: str) -> Decode | None:
    if is_model(annotation) and hasattr(annotation, "model_validate_json"):
        return _model_from_json(annotation, where)
    read = reader(annotation)
    if read is None:
        return None
    return lambda content: read(parse(content, where), where)


def _model_from_json(model: Any, where: str) -> Decode:
    """Let the model parse for itself: strict ones take dates only from JSON."""
    return lambda content: validated(model.model_validate_json, content, where)


def _as_it_is(content: bytes) -> bytes:
    return content


async def _one_chunk(content: bytes) -> AsyncIterator[bytes]:
    if content:
        yield content
