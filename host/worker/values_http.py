"""HTTP responses: what a function's returned value, or its http output, answers the caller."""

from __future__ import annotations

import io
from collections.abc import AsyncIterable, AsyncIterator, Generator, Iterator
from typing import Any, get_args

from .values_azure import is_instance
from .values_output import NOTHING, Result, content, refuse, utf8


def respond(value: Any, where: str, media_type: str) -> Result:
    """The HTTP response that a function's value stands for; `media_type` is that of a streamed body."""
    if value is None:
        return NOTHING
    if is_instance(value, "HttpResponse"):
        return _from_response(value)
    encoded = content(value, where)
    if encoded is not None:
        return Result(encoded[0], None, encoded[1])
    if isinstance(value, (Iterator, AsyncIterable)):
        head = {"status": 200, "headers": [["content-type", media_type]]}
        return Result("stream", head, stream=_chunks(value, where))
    wanted = "func.HttpResponse, text, bytes, a dict or a list, or an iterator of text or bytes"
    if isinstance(value, tuple):
        wanted += " (for a status of your own return func.HttpResponse(body, status_code=...))"
    return refuse(value, where, wanted)


def media_type(returns: Any) -> str:
    """The content type of a streamed body: text when the annotation says that its chunks are."""
    return "text/plain; charset=utf-8" if get_args(returns)[:1] == (str,) else "application/octet-stream"


def _from_response(response: Any) -> Result:
    """What the converter of azure.functions makes of a `func.HttpResponse`, which itself stays as it is.

    Of repeated headers the last one counts. Cookies are apart, so that there can be several.
    """
    headers: dict[str, list[str]] = {}
    cookies: list[str] = []
    for name, value in response.headers.items():
        key = name.lower()
        if key == "set-cookie":
            cookies.append(value)
        else:
            headers[key] = [name, value]
    if "content-type" not in headers:
        mime = response.mimetype
        full = f"{mime}; charset={response.charset}" if mime.startswith("text/") else mime
        headers["content-type"] = ["content-type", full]
    status = response.status_code
    data: dict[str, Any] = {
        "status": int(status) if isinstance(status, int) else str(status),
        "headers": [*headers.values()],
    }
    if cookies:
        data["cookies"] = _read_all(cookies)
    return Result("http", data, response.get_body())


def _read_all(cookies: list[str]) -> list[dict[str, Any]]:
    from .values_cookies import read_cookies  # few functions set cookies

    return [cookie for header in cookies for cookie in read_cookies(header)]


def _chunks(value: Any, where: str) -> Iterator[bytes] | AsyncIterator[bytes]:
    return _each(value, where) if isinstance(value, Iterator) else _each_async(value, where)


def _each(chunks: Iterator[Any], where: str) -> Generator[bytes, None, None]:
    try:
        for chunk in chunks:
            yield _chunk(chunk, where)
    finally:
        # The user's own `finally` must run when the caller goes away, not some day.
        if isinstance(chunks, (Generator, io.IOBase)):
            chunks.close()


async def _each_async(chunks: AsyncIterable[Any], where: str) -> AsyncIterator[bytes]:
    try:
        async for chunk in chunks:
            yield _chunk(chunk, where)
    finally:
        close = getattr(chunks, "aclose", None)
        if close:
            await close()


def _chunk(chunk: Any, where: str) -> bytes:
    if isinstance(chunk, str):
        return utf8(chunk, where)
    if isinstance(chunk, (bytes, bytearray, memoryview)):
        return bytes(chunk)
    return refuse(chunk, f"{where}, as a stream,", "chunks of text or bytes")
