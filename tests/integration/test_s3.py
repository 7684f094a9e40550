"""S3 through real requests: races for leases, large blobs, a server that comes and goes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from moto.s3.models import S3Backend
from s3 import S3, SETTINGS, s3_client_at

from funchost.bindings.aws import s3_leases
from funchost.bindings.aws.s3_blobs import BlobChanged, S3Blobs
from funchost.bindings.aws.s3_leases import S3Leases
from funchost.bindings.aws.s3_state import S3State
from funchost.bindings.aws.s3_upload import PART
from funchost.bindings.errors import StoreError
from funchost.bindings.lease import Lease
from funchost.bindings.memory_queues import MemoryQueues
from funchost.bindings.patterns import PathPattern
from funchost.host.emulator.server import EmulatorServer
from funchost.triggers.blob_source import BlobSource

MEBIBYTE = 1024 * 1024
DEADLINE = 10.0


@pytest.fixture
def s3(emulator: Any) -> Iterator[S3]:
    with contextlib.closing(S3(emulator.url)) as s3:
        yield s3


@pytest.fixture
def blobs(s3: S3) -> S3Blobs:
    return S3Blobs(s3.client, SETTINGS, bucket_prefix=s3.prefix, create_buckets=True)


# -- leases


@pytest.fixture
def inviting_races(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let time pass in the server between looking at an object and doing something about it."""
    look = S3Backend.get_object

    def look_slowly(*arguments: Any, **more: Any) -> Any:
        found = look(*arguments, **more)
        time.sleep(0.005)
        return found

    monkeypatch.setattr(S3Backend, "get_object", look_slowly)


@pytest.mark.usefixtures("inviting_races")
def test_of_hosts_that_race_for_a_lease_one_has_it(s3: S3) -> None:
    hosts, rounds = 8, 10
    together = threading.Barrier(hosts, timeout=60)
    won: list[list[Lease]] = [[] for _ in range(rounds)]
    # As a host's own client does, it asks again when a connection breaks: that is no race.
    client = s3_client_at(s3.raw.meta.endpoint_url, attempts=3)

    async def compete(number: int) -> None:
        store = S3Leases(lambda: client, SETTINGS, s3.bucket)
        for winners in won:
            together.wait()
            lease = await store.acquire("totals", f"host-{number}")
            if lease:
                winners.append(lease)
            together.wait()
            if lease:
                await store.release(lease)
            together.wait()

    def run(number: int) -> str:
        try:
            asyncio.run(compete(number))
        except threading.BrokenBarrierError:
            pass  # another one says why, or rounds without a winner do
        except Exception as error:
            together.abort()  # nobody waits for one that failed
            return repr(error)
        return ""

    with contextlib.closing(client), ThreadPoolExecutor(hosts) as threads:
        assert set(threads.map(run, range(hosts))) == {""}
    assert [len(winners) for winners in won] == [1] * rounds
    fences = [winners[0].fence for winners in won]
    assert fences == list(range(fences[0], fences[0] + rounds))


async def test_the_lease_of_a_host_that_died_is_taken_over(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_leases, "LOOK_INTERVAL", 0.05)
    period = timedelta(seconds=0.5)
    dead, living = (S3Leases(s3.client, SETTINGS, s3.bucket) for _ in range(2))
    lost = await dead.acquire("totals", "host-1", period)
    assert lost is not None
    began = time.monotonic()
    async with asyncio.timeout(DEADLINE):
        while (taken := await living.acquire("totals", "host-2", period)) is None:
            await living.wait(timedelta(seconds=DEADLINE))
    assert time.monotonic() - began >= period.total_seconds()
    assert taken.fence > lost.fence
    assert not await dead.renew(lost, period)


# -- large blobs


async def test_a_large_blob_comes_back_as_it_was_put(blobs: S3Blobs) -> None:
    content = bytes(range(251)) * (PART // 100)
    put = await blobs.put("large", "a.csv", content, metadata={"by": "me"})
    assert (put.length, put.content_type, put.metadata) == (len(content), "text/csv", {"by": "me"})
    assert put.etag.partition("@")[0].endswith("-3"), "three parts"
    assert await blobs.info("large", "a.csv") == put
    assert b"".join([piece async for piece in blobs.content(put)]) == content
    assert [info.etag async for info in blobs.list("large")] == [put.etag]


async def test_a_large_blob_that_breaks_off_leaves_no_parts_behind(s3: S3, blobs: S3Blobs) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield bytes(PART)
        raise RuntimeError("broken off")

    await blobs.put("large", "a", b"before")
    with pytest.raises(RuntimeError, match="broken off"):
        await blobs.put("large", "a", broken())
    with pytest.raises(BlobChanged):
        await blobs.put("large", "a", bytes(PART), if_absent=True)
    assert "Uploads" not in s3.raw.list_multipart_uploads(Bucket=blobs.bucket("large"))
    found = await blobs.get("large", "a")
    assert found is not None and found[1] == b"before"


@pytest.fixture
def server_elsewhere() -> Iterator[str]:
    """The URL of a server that does not share the memory of this process."""
    command = [sys.executable, "-m", "funchost.host.emulator.server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.terminate()


async def test_fifty_megabytes_pass_through_little_memory(server_elsewhere: str) -> None:
    size = 50 * MEBIBYTE
    sent = sha256()

    async def pieces() -> AsyncIterator[bytes]:
        for number in range(size // MEBIBYTE):
            piece = bytes([number]) * MEBIBYTE
            sent.update(piece)
            yield piece

    with contextlib.closing(s3_client_at(server_elsewhere)) as client:
        blobs = S3Blobs(lambda: client, SETTINGS, create_buckets=True)
        await blobs.put("large", "warm", b"up")
        tracemalloc.start()
        try:
            put = await blobs.put("large", "a", pieces())
            up = tracemalloc.get_traced_memory()[1]
            tracemalloc.reset_peak()
            received = sha256()
            async for piece in blobs.content(put):
                received.update(piece)
            down = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert received.digest() == sent.digest()
    assert up < size * 0.8
    assert down < size * 0.8


# -- trouble


async def test_a_server_that_was_away_is_used_again_when_it_is_back() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with contextlib.closing(s3_client_at(f"http://127.0.0.1:{port}")) as client:
        blobs = S3Blobs(lambda: client, SETTINGS, create_buckets=True)
        with pytest.raises(StoreError, match="'Cloud'"):
            await blobs.put("comes-and-goes", "a", b"1")
        with EmulatorServer(port):
            await blobs.put("comes-and-goes", "a", b"1")


# -- a scanner


async def test_a_scanner_queues_each_version_once_on_whichever_host(s3: S3, blobs: S3Blobs) -> None:
    queues = MemoryQueues()

    async def scan() -> int:
        """A host begins, scans once and ends; how many messages there are by now."""
        state = S3State(s3.client, SETTINGS, s3.bucket, queues)
        source = BlobSource("F", PathPattern.parse("orders/in/{name}"), blobs, state, "internal")
        await source.load()
        await source.scan()
        await source.scan()
        return len(await queues.peek("internal", 100))

    first = await blobs.put("orders", "in/a", b"1")
    await blobs.put("orders", "out/a", b"1")
    assert await scan() == 1
    await blobs.put("orders", "in/b", b"1")
    assert await scan() == 2
    for _ in range(100):
        if (await blobs.put("orders", "in/a", b"1")).etag != first.etag:
            break
        await asyncio.sleep(0.1)
    assert await scan() == 3, "the same bytes put again are a new version"
