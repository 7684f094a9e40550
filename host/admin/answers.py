"""What a call of the admin API is answered with: JSON, content as it is, or events for as long as somebody reads."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import msgspec
from aiohttp.web import BaseRequest, Response, StreamResponse
from multidict import CIMultiDict

from ...triggers.http_response import Headers, Reply
from ...triggers.http_server import send_stream

if TYPE_CHECKING:
    from .feed import Reading


class Raw(NamedTuple):
    """Content as it is, to be kept rather than shown: it may hold anything, and is never run by a browser."""

    content: bytes | AsyncIterable[bytes]
    type: str = "application/octet-stream"
    #: What a browser is to call the file; None: no name.
    file: str | None = None
    headers: Headers = ()


class Events(NamedTuple):
    """Server-sent events, until the reader goes away, is too slow, or the host stops."""

    reading: Reading


#: A status, what is answered as JSON (None: nothing), and further headers.
Plain = tuple[int, Any] | tuple[int, Any, Mapping[str, str]]
Answer = Plain | Raw | Events


def response(status: int, value: object, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON response, or one without a body for None."""
    if value is None:
        return Response(status=status, headers=headers)
    body = encoded(value)
    return Response(
        status=status, body=body, content_type="application/json", charset="utf-8", headers=headers
    )


def encoded(value: object) -> bytes:
    """The value as JSON, in one line."""
    try:
        return msgspec.json.encode(value)
    except (UnicodeEncodeError, OverflowError):
        # Names of files that are no Unicode, and numbers of any length, which stand in what people wrote.
        return json.dumps(value).encode()


async def send_raw(request: BaseRequest, raw: Raw) -> StreamResponse:
    """Send the content, with what keeps a browser from taking it for a page of this host."""
    name = (
        f"; filename*=UTF-8''{quote(raw.file.encode('utf-8', 'surrogateescape'), safe='')}"
        if raw.file
        else ""
    )
    headers = (
        ("Content-Type", raw.type),
        ("Content-Disposition", f"attachment{name}"),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Security-Policy", "sandbox"),
        *raw.headers,
    )
    if isinstance(raw.content, bytes):
        return Response(body=raw.content, headers=CIMultiDict(headers))
    return await send_stream(request, Reply(200, headers), raw.content)
