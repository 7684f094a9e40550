"""The wire under the HTTP front: aiohttp's low-level server, and replies written with as little work as can be."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterable, Awaitable, Callable
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpVersion10
from aiohttp.web import BaseRequest, RequestHandler, Server, StreamResponse

from .http_refusals import LONGEST_HEADER, LONGEST_URL, Refusals
from .http_response import FAILED, Headers, Reply, ResponseError

log = logging.getLogger(__name__)

#: A longer body goes out in a write of its own, so that it is not copied.
_ONE_WRITE = 64 * 1024
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class Connection(RequestHandler):
    """One client's connection: tells when it is lost, and never shows or logs a traceback for bad input."""

    __slots__ = ("_head_timer", "_lost", "_patience", "_refusals")

    def __init__(self, *arguments: Any, refusals: Refusals, patience: float, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._refusals = refusals
        self._patience = patience
        #: Runs while a part of a request's head has come.
        self._head_timer: asyncio.TimerHandle | None = None
        self._lost: Callable[[], None] | None = None

    def watch(self, callback: Callable[[], None]) -> None:
        """Have `callback` called when the client goes away (at once if it has)."""
        if self.transport is None:
            callback()
        else:
            self._lost = callback

    def unwatch(self) -> None:
        """The request is over: nobody wants to know any more."""
        self._lost = None

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # There is a waiter while no request is being answered, and a message once a head is whole.
        waits = self._waiter is not None and not self._messages
        if self._head_timer is None:
            if waits and not math.isinf(self._patience):
                self._head_timer = self._loop.call_later(self._patience, self._too_slow)
        elif not waits:
            self._stop_timer()

    def _too_slow(self) -> None:
        """The head has not come in time: nothing will be asked, and the client is told that."""
        self._head_timer = None
        if self.transport is not None and self._waiter is not None:
            self._refusals.tell(408, f"its head did not come within {self._patience:g} s")
            self.transport.write(_TOO_SLOW)
            self.force_close()

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._stop_timer()
        callback, self._lost = self._lost, None
        if callback is not None:
            callback()

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> StreamResponse:
        """The reply where there is no request to hand on, since it cannot be read, or where the front failed."""
        if request.writer.output_size > 0:
            # Too late for a reply: breaking off is the only way to tell the client.
            # A client that has gone broke it off itself, and whoever made the response was told to stop.
            if self.transport is not None and not isinstance(exc, ConnectionResetError):
                log.warning("A response was broken off: %s", exc)
            raise ConnectionResetError("The response was broken off.")
        if status >= 500:
            log.error("A request could not be answered.", exc_info=exc)
            return WholeResponse(FAILED)
        return WholeResponse(Reply(self._refusals.status(exc), close=True))


class HttpServer(Server):
    """aiohttp's server with our connections: bodies as they were sent, no access log."""

    def __init__(
        self,
        handler: Callable[[BaseRequest], Awaitable[StreamResponse]],
        patience: float,
        idle_timeout: float,
    ) -> None:
        """`patience`: seconds that the head of a request may take; `idle_timeout`: those between two requests."""
        super().__init__(handler)
        self._patience = patience
        self._idle_timeout = idle_timeout
        self._refusals = Refusals()

    def __call__(self) -> Connection:
        loop = asyncio.get_running_loop()
        return Connection(
            self,
            loop=loop,
            refusals=self._refusals,
            patience=self._patience,
            keepalive_timeout=self._idle_timeout,
            access_log=None,
            auto_decompress=False,
            max_line_size=LONGEST_URL,
            max_field_size=LONGEST_HEADER,
        )


class WholeResponse(StreamResponse):
    """A response that is known at once: head and body leave in one write."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(status=reply.status)
        self._reply = reply
        self._keep_alive = False

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter:
        writer = request.writer
        reply = self._reply
        body = reply.body
        assert isinstance(body, bytes)
        self._keep_alive = request.keep_alive and not reply.close
        head = _head(reply, request, len(body), self._keep_alive)
        if not may_have_body(request.method, reply.status):
            await writer.write(head)
        elif len(body) <= _ONE_WRITE:
            await writer.write(head + body)
        else:
            await writer.write(head)
            await writer.write(body)
        return writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to write."""


def may_have_body(method: str, status: int) -> bool:
    """Whether a response of that status to such a request has a body at all."""
    return method != "HEAD" and status not in (204, 205, 304)


def _head(reply: Reply, request: BaseRequest, length: int, keep_alive: bool) -> bytes:
    first, given_length, dated = _first_lines(reply.status, reply.headers)
    end = b"" if keep_alive else b"Connection: close\r\n"
    if keep_alive and request.version == HttpVersion10:
        end = b"Connection: keep-alive\r\n"
    date = b"" if dated else _date(int(time.time()))
    if request.method == "HEAD" and not length and given_length:
        # The length of the body that a GET would have had.
        length_line = f"Content-Length: {given_length}\r\n".encode("ascii")
    elif reply.status in (204, 304):
        length_line = b""
    else:
        length_line = b"Content-Length: %d\r\n" % (0 if reply.status == 205 else length)
    return b"%s%s%s%s\r\n" % (first, length_line, end, date)


@lru_cache(maxsize=256)
def _first_lines(status: int, headers: Headers) -> tuple[bytes, str | None, bool]:
    """Status line and headers, which functions repeat from one response to the next.

    And the length that they say, and whether there is a date among them.
    """
    lines = [f"HTTP/1.1 {status} {_PHRASES.get(status, '')}"]
    length = None
    for name, value in headers:
        if name.lower() == "content-length":
            length = value if value.isdecimal() else None
        else:
            lines.append(f"{name}: {value}")
    dated = any(name.lower() == "date" for name, _ in headers)
    return ("\r\n".join(lines) + "\r\n").encode("ascii"), length, dated


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return f"Date: {formatdate(second, usegmt=True)}\r\n".encode("ascii")


async def send_stream(request: BaseRequest, reply: Reply, body: AsyncIterable[bytes]) -> StreamResponse:
    """Write a body as it is produced, never faster than the client takes it.

    A body that breaks off, or is not as long as its Content-Length says, breaks the connection off.
    """
    response = StreamResponse(status=reply.status, headers=reply.headers)
    if reply.close:
        response.force_close()
    await response.prepare(request)
    if may_have_body(request.method, reply.status):
        await _write_all(response, body)
    else:
        await discard(body)
    await response.write_eof()
    return response


async def _write_all(response: StreamResponse, body: AsyncIterable[bytes]) -> None:
    declared = response.content_length
    written = 0
    chunks = aiter(body)
    try:
        async for chunk in chunks:
            if chunk:
                written += len(chunk)
                await response.write(chunk)
    finally:
        await discard(chunks)
    if declared is not None and written != declared:
        raise ResponseError(f"The stream had {written} bytes where its Content-Length says {declared}.")


async def discard(body: bytes | AsyncIterable[bytes]) -> None:
    """Let go of a body that nobody reads any further, so that its producer can stop."""
    close = getattr(body, "aclose", None)
    if close is not None:
        await close()
