"""Streamed values: credit, breaking off, and giving up, at the host's end and in the worker."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from typing import Any, cast

import pytest

from funchost.host.worker.protocol import STREAM_PIECE, STREAM_WINDOW
from funchost.host.worker.streams import Credit, IncomingStream, StreamBroken
from funchost.host.workers.channel import Channel
from funchost.host.workers.streams import OutgoingStream, ResultStream


class SentFrames:
    """Stands for the channel to a worker."""

    def __init__(self) -> None:
        self.frames: list[tuple[dict[str, Any], bytes]] = []

    def send(self, header: dict[str, Any], *body: bytes) -> None:
        self.frames.append((header, b"".join(body)))

    @property
    def content(self) -> bytes:
        return b"".join(body for _, body in self.frames)

    @property
    def last(self) -> dict[str, Any]:
        return self.frames[-1][0]


class Source:
    """Yields its chunks and knows what became of it."""

    def __init__(self, *chunks: bytes, error: Exception | None = None, endless: bool = False) -> None:
        self._chunks = chunks
        self._error = error
        self._endless = endless
        self.closed = False

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        try:
            for chunk in self._chunks:
                yield chunk
            if self._endless:
                await asyncio.Event().wait()
            if self._error:
                raise self._error
        finally:
            self.closed = True


@pytest.fixture
def sent() -> SentFrames:
    return SentFrames()


def upload(sent: SentFrames, source: Source) -> OutgoingStream:
    return OutgoingStream(cast(Channel, sent), 5, source)


async def settle() -> None:
    """Let all that can run run."""
    for _ in range(200):
        await asyncio.sleep(0)


# -- the host sends


async def test_all_chunks_are_sent_and_then_the_end(sent: SentFrames) -> None:
    upload(sent, Source(b"one", b"two"))
    await settle()
    assert sent.content == b"onetwo"
    assert sent.last == {"type": "chunk", "id": 5, "end": True}


async def test_a_source_without_chunks_has_an_end_alone(sent: SentFrames) -> None:
    upload(sent, Source())
    await settle()
    assert sent.frames == [({"type": "chunk", "id": 5, "end": True}, b"")]


async def test_large_chunks_are_cut(sent: SentFrames) -> None:
    upload(sent, Source(b"x" * (3 * STREAM_PIECE + 1)))
    await settle()
    assert [len(body) for _, body in sent.frames] == [STREAM_PIECE, STREAM_PIECE, STREAM_PIECE, 1, 0]


async def test_never_more_than_the_window_is_outstanding(sent: SentFrames) -> None:
    stream = upload(sent, Source(b"x" * (3 * STREAM_WINDOW)))
    await settle()
    assert len(sent.content) == STREAM_WINDOW
    stream.give(STREAM_PIECE)
    await settle()
    assert len(sent.content) == STREAM_WINDOW + STREAM_PIECE
    stream.give(3 * STREAM_WINDOW)
    await settle()
    assert len(sent.content) == 3 * STREAM_WINDOW
    assert sent.last["end"]


async def test_credit_for_less_than_a_piece_is_kept(sent: SentFrames) -> None:
    stream = upload(sent, Source(b"x" * (2 * STREAM_WINDOW)))
    await settle()
    stream.give(STREAM_PIECE - 1)
    await settle()
    assert len(sent.content) == STREAM_WINDOW
    stream.give(1)
    await settle()
    assert len(sent.content) == STREAM_WINDOW + STREAM_PIECE


async def test_a_source_that_breaks_off_is_told(sent: SentFrames) -> None:
    upload(sent, Source(b"one", error=OSError("gone")))
    await settle()
    assert sent.content == b"one"
    assert sent.last == {"type": "abort", "id": 5}


@pytest.mark.parametrize(
    "source", [Source(endless=True), Source(b"x" * (2 * STREAM_WINDOW))], ids=["waits", "is waited for"]
)
async def test_a_stopped_stream_closes_its_source_and_says_no_more(sent: SentFrames, source: Source) -> None:
    stream = upload(sent, source)
    await settle()
    before = len(sent.frames)
    stream.stop()
    await settle()
    assert source.closed
    assert len(sent.frames) == before


# -- the host receives


async def test_a_result_is_read_to_its_end_and_credit_given_for_each_chunk() -> None:
    credit: list[int] = []
    stream = ResultStream(credit.append)
    stream.feed(b"one", end=False, error=None)
    stream.feed(b"three", end=True, error=None)
    assert [chunk async for chunk in stream] == [b"one", b"three"]
    assert credit == [3, 5]


async def test_no_credit_is_given_for_what_was_not_taken() -> None:
    credit: list[int] = []
    stream = ResultStream(credit.append)
    stream.feed(b"one", end=False, error=None)
    stream.feed(b"two", end=False, error=None)
    chunks = aiter(stream)
    assert await anext(chunks) == b"one"
    assert credit == []
    assert await anext(chunks) == b"two"
    assert credit == [3]


async def test_a_reader_waits_for_more() -> None:
    stream = ResultStream(lambda size: None)
    chunks = aiter(stream)
    reading = asyncio.ensure_future(anext(chunks))
    await settle()
    assert not reading.done()
    stream.feed(b"late", end=False, error=None)
    assert await reading == b"late"


async def test_a_reader_that_gives_up_says_so() -> None:
    credit: list[int] = []
    stream = ResultStream(credit.append)
    stream.feed(b"one", end=False, error=None)
    chunks = cast(AsyncGenerator[bytes, None], aiter(stream))
    await anext(chunks)
    await chunks.aclose()
    assert credit == [-1]


async def test_an_error_comes_after_the_chunks_before_it() -> None:
    stream = ResultStream(lambda size: None)
    stream.feed(b"one", end=False, error=None)
    stream.feed(b"", end=True, error="it broke")
    seen = []
    with pytest.raises(ConnectionError, match="it broke"):
        async for chunk in stream:
            seen.append(chunk)
    assert seen == [b"one"]


@pytest.mark.parametrize(("ended", "credit"), [(False, [-1]), (True, [])])
async def test_giving_up_a_stream_that_was_never_read(ended: bool, credit: list[int]) -> None:
    given: list[int] = []
    stream = ResultStream(given.append)
    stream.feed(b"one", end=ended, error=None)
    await stream.aclose()
    assert given == credit


# -- the worker receives


async def incoming(consumed: list[int] | None = None) -> IncomingStream:
    told = [] if consumed is None else consumed
    return IncomingStream(asyncio.get_running_loop(), told.append)


async def test_a_task_reads_what_comes_and_gives_credit() -> None:
    consumed: list[int] = []
    stream = await incoming(consumed)
    reading = asyncio.ensure_future(stream.collect())
    for chunk in (b"one", b"", b"three"):
        stream.feed(chunk, end=False)
        await settle()
    stream.feed(b"!", end=True)
    assert await reading == b"onethree!"
    assert consumed == [3, 5, 1]


async def test_no_credit_is_given_before_somebody_reads() -> None:
    consumed: list[int] = []
    stream = await incoming(consumed)
    stream.feed(b"one", end=True)
    await settle()
    assert consumed == []


async def test_a_thread_reads_it_as_a_file() -> None:
    stream = await incoming()
    file = stream.reader()
    reading = asyncio.create_task(asyncio.to_thread(lambda: (file.readline(), file.read(4), file.read())))
    stream.feed(b"first li", end=False)
    await settle()
    stream.feed(b"ne\nsecond", end=False)
    stream.feed(b"", end=True)
    assert await reading == (b"first line\n", b"seco", b"nd")


async def test_a_broken_stream_raises_after_what_had_come() -> None:
    stream = await incoming()
    stream.feed(b"one", end=False)
    stream.abort()
    chunks = aiter(stream)
    assert await anext(chunks) == b"one"
    with pytest.raises(StreamBroken):
        await anext(chunks)


async def test_a_break_wakes_whoever_waits() -> None:
    task_stream, thread_stream = await incoming(), await incoming()
    waiting = threading.Event()

    def read() -> bytes:
        waiting.set()
        return thread_stream.read_chunk()

    by_task = asyncio.ensure_future(task_stream.collect())
    by_thread = asyncio.create_task(asyncio.to_thread(read))
    await asyncio.to_thread(waiting.wait, 5)
    task_stream.abort()
    thread_stream.abort()
    for reading in (by_task, by_thread):
        with pytest.raises(StreamBroken):
            await reading


# -- the worker sends


async def test_sending_waits_for_room() -> None:
    credit = Credit(10)
    await credit.spend(8)
    spending = asyncio.create_task(credit.spend(3))
    await settle()
    assert not spending.done()
    credit.give(1)
    await spending


async def test_sending_ends_when_the_receiver_is_gone() -> None:
    credit = Credit(1)
    spending = asyncio.create_task(credit.spend(2))
    await settle()
    credit.abort()
    with pytest.raises(StreamBroken):
        await spending
    with pytest.raises(StreamBroken):
        await credit.spend(1)
