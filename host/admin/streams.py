"""Server-sent events on the wire: sent as they come, to readers who take them, until the host stops."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import cast

from aiohttp.web import BaseRequest, StreamResponse

from ...triggers.http_server import Connection
from .answers import encoded
from .feed import Event, Reading

#: Seconds of silence after which a comment shows that the connection is alive, and tells how far the reader is.
HEARTBEAT = 15.0

#: Seconds that a reader may take to take what is sent; who takes longer is cut off, and can come back.
PATIENCE = 10.0

#: Milliseconds after which a reader who was cut off is to come back.
_RETRY = 2000

_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    # What proxies of the nginx family take for: do not gather this.
    "X-Accel-Buffering": "no",
}


async def send_events(request: BaseRequest, reading: Reading, stopping: asyncio.Event) -> StreamResponse:
    """Send what is read until the reader goes away, is too slow, or the host is `stopping`."""
    response = StreamResponse(headers=_HEADERS)
    pump = asyncio.create_task(_pump(request, response, reading))
    stop = asyncio.create_task(stopping.wait())
    connection = cast(Connection, request.protocol)
    connection.watch(partial(_cancel, pump))
    try:
        await asyncio.wait({pump, stop}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        connection.unwatch()
        for task in (pump, stop):
            task.cancel()
        error, _ = await asyncio.gather(pump, stop, return_exceptions=True)
    if isinstance(error, Exception) and not isinstance(error, OSError):
        raise error  # it has nothing to do with the reader, who was too slow or has gone
    return await _ended(request, response)


async def _pump(request: BaseRequest, response: StreamResponse, reading: Reading) -> None:
    await response.prepare(request)
    await _write(response, b"retry: %d\n" % _RETRY + _position(reading))
    while not reading.overrun:
        events = await reading.next(HEARTBEAT)
        sent = [_event(reading, event) for event in events] or [b": alive\n" + _position(reading)]
        await _write(response, b"".join(sent))


async def _write(response: StreamResponse, content: bytes) -> None:
    async with asyncio.timeout(PATIENCE):
        await response.write(content)


async def _ended(request: BaseRequest, response: StreamResponse) -> StreamResponse:
    """The end as the reader sees it: a proper one, unless he does not take even that."""
    try:
        async with asyncio.timeout(1):
            if not response.prepared:
                await response.prepare(request)
            await response.write_eof()
    except (TimeoutError, ConnectionError):
        with contextlib.suppress(AttributeError):  # it is gone already
            cast(asyncio.Transport, request.transport).abort()
    return response


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()


def _event(reading: Reading, event: Event) -> bytes:
    place = reading.feed.id_of(event.number).encode()
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (place, event.name.encode(), encoded(event.data))


def _position(reading: Reading) -> bytes:
    """An id without an event: where to go on, also when nothing was of interest for long."""
    return b"id: %s\n\n" % reading.feed.last_id.encode()
