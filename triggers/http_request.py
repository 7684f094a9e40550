"""A request as an event: what the function is told, and its body, whole or as a stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from aiohttp import StreamReader
from multidict import istr

from ..bindings.expressions import payload_metadata
from .base import TriggerEvent
from .http_pace import Pace, TooSlow

if TYPE_CHECKING:
    from aiohttp.web import BaseRequest

#: Bodies up to this many bytes are read before the function starts.
SMALL_BODY = 64 * 1024
#: Ready for lookup, since every request asks for them.
_TRACEPARENT, _TRACESTATE = istr("traceparent"), istr("tracestate")


class BodyError(Exception):
    """The body of a request for a function cannot be taken; `status` tells the caller why, the message the log."""

    def __init__(self, function: str, status: int, reason: str) -> None:
        super().__init__(f"A request to {function} was refused: its body {reason}.")
        self.status = status


def too_large(function: str, limit: int) -> BodyError:
    """For a body of more than `limit` bytes."""
    return BodyError(function, 413, f"is over {limit:,} bytes (FUNCTIONS_REQUEST_BODY_SIZE_LIMIT)")


class RequestBody:
    """A large body, piece by piece as it is asked for: what is not read yet waits in the caller's socket."""

    def __init__(self, content: StreamReader, function: str, limit: int, pace: Pace) -> None:
        self._content = content
        self._pace = pace
        self._function = function
        self._limit = limit
        self._size = 0
        #: What went wrong while it was read, if anything.
        self.error: BodyError | None = None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self.error is not None:
            raise self.error
        try:
            chunk = await read_some(self._content, self._function, self._pace)
            self._size += len(chunk)
            if self._size > self._limit:
                raise too_large(self._function, self._limit)
        except BodyError as error:
            self.error = error
            raise
        if not chunk:
            raise StopAsyncIteration
        return chunk


async def read_some(content: StreamReader, function: str, pace: Pace) -> bytes:
    """What has come of a body, waiting for more if need be; empty at its end. Raises `BodyError`."""
    try:
        return await pace.read(content)
    except TooSlow as error:
        raise BodyError(function, 408, "came too slowly (FUNCHOST_REQUEST_TIMEOUT)") from error
    except Exception as error:
        raise BodyError(function, 400, "is malformed, or ended too early") from error


async def read_small(content: StreamReader, function: str, pace: Pace) -> bytes:
    """A whole body. Raises `BodyError` when it breaks off."""
    body = await read_some(content, function, pace)
    while not content.at_eof():
        body += await read_some(content, function, pace)
    return body


def printable(text: str) -> str:
    """The text with bytes that are no UTF-8 replaced, so that it can be passed on as JSON."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def parse_query(query: str) -> dict[str, str]:
    """Query parameters: a repeated one, in whatever case, is joined with commas, an empty one left out."""
    if not query:
        return {}
    values: dict[str, str] = {}
    spellings: dict[str, str] = {}
    for key, value in parse_qsl(query):
        name = spellings.setdefault(key.lower(), key)
        values[name] = f"{values[name]},{value}" if name in values else value
    return values


def origin_form(target: str) -> str:
    """Path and query of a request target, also of one that is a whole URL, as proxies get it."""
    if target.startswith("/"):
        return target
    scheme, _, rest = target.partition("://")
    return rest[rest.find("/") :] if scheme.isalpha() and "/" in rest else target


def http_event(
    request: BaseRequest,
    *,
    url: str,
    query: dict[str, str],
    params: dict[str, str],
    body: bytes | RequestBody,
    with_metadata: bool,
) -> TriggerEvent:
    """The event for a request; metadata is only worked out for functions whose bindings use it."""
    headers = [
        [name.lower(), value if value.isascii() else printable(value)]
        for name, value in request.headers.items()
    ]
    data = {"method": request.method, "url": url, "headers": headers, "query": query, "params": params}
    return TriggerEvent(
        kind="http",
        body=body,
        data=data,
        metadata=_metadata(headers, query, params, body) if with_metadata else {},
        traceparent=request.headers.get(_TRACEPARENT),
        tracestate=request.headers.get(_TRACESTATE),
        repeatable=False,
    )


def _metadata(
    headers: list[list[str]], query: dict[str, str], params: dict[str, str], body: bytes | RequestBody
) -> dict[str, Any]:
    """What expressions see: the body's properties, over them the query's, over them the route's."""
    visible = {name: value for name, value in query.items() if name.lower() != "code"}
    found: dict[str, Any] = payload_metadata(body) if isinstance(body, bytes) else {}
    for layer in (visible, params):
        _override(found, layer)
    found["query"] = visible
    found["headers"] = dict(headers)
    return found


def _override(found: dict[str, Any], layer: dict[str, str]) -> None:
    """Put a layer over what is there; names are compared without case, as expressions look them up."""
    taken = {name.lower() for name in layer}
    for name in [name for name in found if name.lower() in taken]:
        del found[name]
    found.update(layer)
