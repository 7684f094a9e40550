"""Server-sent events on the wire, with readers who are slow, gone, or there when everything ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from aiohttp.web import BaseRequest, StreamResponse

from funchost.host.admin import streams
from funchost.host.admin.feed import Event, Feed
from funchost.host.admin.streams import send_events
from funchost.triggers.http_server import HttpServer

_REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def everything(event: Event) -> bool:
    return True


class Site:
    """A server that tells of one feed."""

    def __init__(self) -> None:
        self.feed = Feed("f")
        self.stopping = asyncio.Event()
        self.open = 0
        self.changed = asyncio.Event()

    async def answer(self, request: BaseRequest) -> StreamResponse:
        self._count(1)
        reading = self.feed.read(everything)
        try:
            return await send_events(request, reading, self.stopping)
        finally:
            reading.close()
            self._count(-1)

    async def is_read_by(self, count: int) -> None:
        async with asyncio.timeout(10):
            while self.open != count:
                self.changed.clear()
                await self.changed.wait()

    def _count(self, more: int) -> None:
        self.open += more
        self.changed.set()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    server = HttpServer(made.answer, patience=5, idle_timeout=5)
    sockets = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    made.port = sockets.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    yield made
    sockets.close()
    await server.shutdown(0.1)


@contextlib.asynccontextmanager
async def connected(site: Site) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)  # type: ignore[attr-defined]
    writer.write(_REQUEST)
    await reader.readuntil(b"id: f-")
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_an_event_is_sent_with_its_id_and_data_in_one_line(site: Site) -> None:
    async with connected(site) as (reader, _):
        site.feed.publish("said", {"text": "two\nlines", "odd": "\udcff"})
        head = await reader.readuntil(b"event: said\n")
        assert b"id: f-1\n" in head
        assert await reader.readline() == b'data: {"text": "two\\nlines", "odd": "\\udcff"}\n'


async def test_in_silence_a_comment_tells_that_it_goes_on_and_where(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT", 0.01)
    async with connected(site) as (reader, _):
        await reader.readuntil(b": alive\nid: f-0\n\n")


async def test_a_reader_who_goes_away_is_not_kept(site: Site) -> None:
    async with connected(site):
        await site.is_read_by(1)
    await site.is_read_by(0)
    assert not site.feed.is_read


async def test_a_reader_who_takes_nothing_is_cut_off(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "PATIENCE", 0.05)
    async with connected(site) as (_, writer):
        await site.is_read_by(1)
        # More than the system keeps for a reader who does not take it.
        for _number in range(100):
            site.feed.publish("large", "x" * 1_000_000)
        await site.is_read_by(0)
        assert not site.feed.is_read
        writer.transport.abort()


async def test_the_end_of_the_host_is_the_end_of_the_stream(site: Site) -> None:
    async with connected(site) as (reader, _):
        site.feed.publish("last", 1)
        await reader.readuntil(b"data: 1\n\n")
        site.stopping.set()
        await reader.readuntil(b"0\r\n\r\n")
        await site.is_read_by(0)


async def test_a_fault_of_ours_breaks_the_stream_off_and_is_logged(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(site) as (reader, _):
        site.feed.publish("odd", object())
        assert b"event: odd" not in await reader.read()
    assert "broken off" in caplog.text
