"""Blob inputs of the cardinality many: which blobs, in which order, how many, and what travels to the worker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fakes import ManualClock, make_function, memory_resources

from funchost.bindings.blob import BlobInfo, BlobStore, ContainerMissing
from funchost.bindings.errors import BindingError, StoreError
from funchost.bindings.folder_blobs import FolderBlobs
from funchost.bindings.memory_blobs import MemoryBlobs
from funchost.bindings.names import blobs_path
from funchost.host.execution import blob_inputs
from funchost.host.execution.binder import Binder
from funchost.host.execution.blob_inputs import READS, BlobsInput
from funchost.triggers.descriptor import Binding

Told = tuple[list[tuple[str, int]], bytes]


def many(path: str) -> Binding:
    return Binding(type="blob", name="files", direction="in", cardinality="many", fields={"path": path})


async def load(blobs: BlobStore, path: str, **metadata: Any) -> Told:
    """What is told of each blob, and their contents."""
    name, kind, content = await BlobsInput(many(path), blobs, "Work", ManualClock()).load(metadata)
    assert (name, kind) == ("files", "blobs")
    line, _, contents = content.partition(b"\n")
    return [(one["name"], one["length"]) for one in json.loads(line)], contents


async def stored(*names: str) -> MemoryBlobs:
    blobs = MemoryBlobs()
    for name in names:
        await blobs.put("orders", name, name.encode())
    return blobs


# -- which blobs


async def test_a_container_brings_all_its_blobs_in_the_order_of_their_names() -> None:
    blobs = await stored("b", "2026/c", "a", "é", "B")
    await blobs.put("others", "x", b"not this one")
    assert await load(blobs, "orders") == (
        [("orders/2026/c", 6), ("orders/B", 1), ("orders/a", 1), ("orders/b", 1), ("orders/é", 2)],
        "2026/cBabé".encode(),
    )


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("orders/", ["2025/x", "2026/a", "2026/b", "2026x"]),
        ("orders/2026", ["2026/a", "2026/b", "2026x"]),
        ("orders/2026/", ["2026/a", "2026/b"]),
        ("ORDERS/2026/b", ["2026/b"]),
        ("orders/.", []),
        ("orders/x", []),
    ],
)
async def test_a_prefix_is_how_names_begin(path: str, names: list[str]) -> None:
    told, contents = await load(await stored("2026/b", "2025/x", "2026x", "2026/a"), path)
    assert [name for name, _ in told] == [f"orders/{name}" for name in names]
    assert contents == "".join(names).encode()


async def test_expressions_are_filled_in() -> None:
    blobs = await stored("ada/1", "bob/2")
    assert (await load(blobs, "{where}/{customer}/", where="orders", customer="bob"))[1] == b"bob/2"


async def test_an_absent_container_brings_no_blobs() -> None:
    assert await load(MemoryBlobs(), "orders") == ([], b"")


async def test_so_does_one_of_a_store_that_says_it_is_missing() -> None:
    class Strict(MemoryBlobs):
        async def list(self, container: str, prefix: str = "") -> AsyncIterator[BlobInfo]:
            raise ContainerMissing("There is no such bucket.")
            yield

    assert await load(Strict(), "orders") == ([], b"")


async def test_a_blob_that_is_gone_before_it_is_read_is_left_out() -> None:
    class Gone(MemoryBlobs):
        async def get(self, container: str, name: str) -> tuple[BlobInfo, bytes] | None:
            return None if name == "b" else await super().get(container, name)

    blobs = Gone()
    for name in ("a", "b", "c"):
        await blobs.put("orders", name, name.encode())
    assert await load(blobs, "orders") == ([("orders/a", 1), ("orders/c", 1)], b"ac")


async def test_a_blob_that_changed_since_it_was_listed_is_told_as_it_was_read(tmp_path: Path) -> None:
    class Rewritten(FolderBlobs):
        async def get(self, container: str, name: str) -> tuple[BlobInfo, bytes] | None:
            await self.put(container, name, b"longer than before")
            return await super().get(container, name)

    blobs = Rewritten(tmp_path)
    await blobs.put("orders", "a", b"short")
    assert await load(blobs, "orders") == ([("orders/a", 18)], b"longer than before")


async def test_folders_are_read_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "blobs" / "orders"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "b").write_bytes(b"\n\n")
    (folder / "a").write_bytes(b"")
    assert await load(FolderBlobs(tmp_path), "orders") == (
        [("orders/a", 0), ("orders/deep/er/b", 2)],
        b"\n\n",
    )


# -- paths


def test_a_path_is_a_container_and_how_names_begin() -> None:
    assert blobs_path("Orders") == ("orders", "")
    assert blobs_path("orders/2026/") == ("orders", "2026/")
    assert blobs_path("orders/2026.") == ("orders", "2026.")


@pytest.mark.parametrize("prefix", ["/", "a//", "../x", "a/../b", "./a", "a\\b", "a\0", "\ud800", "x" * 1024])
async def test_a_prefix_with_which_no_name_begins_fails_the_run(prefix: str) -> None:
    with pytest.raises(BindingError, match="No blob has a name that begins with "):
        await load(MemoryBlobs(), "orders/{prefix}", prefix=prefix)


async def test_a_container_that_cannot_be_fails_the_run() -> None:
    with pytest.raises(BindingError, match="'a_b' is not a container name"):
        await load(MemoryBlobs(), "{container}", container="a_b")


# -- limits


async def test_more_blobs_than_the_limit_are_refused_before_they_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(blob_inputs, "MOST_BLOBS", 2)
    blobs = await stored("a", "b", "x")
    monkeypatch.setattr(blobs, "get", None)
    with pytest.raises(BindingError, match=r"'files' finds more than 2 blobs at 'orders', .*Narrow its path"):
        await load(blobs, "orders")


async def test_as_many_as_the_limit_are_brought(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blob_inputs, "MOST_BLOBS", 2)
    monkeypatch.setattr(blob_inputs, "MOST_BYTES", 2)
    assert await load(await stored("a", "b"), "orders") == ([("orders/a", 1), ("orders/b", 1)], b"ab")


async def test_more_bytes_than_the_limit_are_refused_before_they_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(blob_inputs, "MOST_BYTES", 1024 * 1024)
    blobs = await stored("a")
    await blobs.put("orders", "b", bytes(1024 * 1024))
    monkeypatch.setattr(blobs, "get", None)
    with pytest.raises(BindingError, match=r"finds more than 1 MiB at 'orders', all of which would be held"):
        await load(blobs, "orders")


async def test_blobs_that_grow_over_the_limit_are_refused_when_they_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Growing(MemoryBlobs):
        async def get(self, container: str, name: str) -> tuple[BlobInfo, bytes] | None:
            await self.put(container, name, bytes(1024 * 1024))
            return await super().get(container, name)

    monkeypatch.setattr(blob_inputs, "MOST_BYTES", 2 * 1024 * 1024)
    blobs = Growing()
    for name in "abc":
        await blobs.put("orders", name, b"")
    with pytest.raises(BindingError, match="finds more than 2 MiB"):
        await load(blobs, "orders")


# -- reading


class Slow(MemoryBlobs):
    """Counts the reads that are under way, which end when it is told so."""

    def __init__(self) -> None:
        super().__init__()
        self.under_way = 0
        self.most = 0
        self.go_on = asyncio.Event()
        self.full = asyncio.Event()

    async def get(self, container: str, name: str) -> tuple[BlobInfo, bytes] | None:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        if self.under_way == READS:
            self.full.set()
        try:
            await self.go_on.wait()
            if name == "bad":
                raise StoreError("The store is away.")
            return await super().get(container, name)
        finally:
            self.under_way -= 1


async def test_a_few_blobs_are_read_at_a_time() -> None:
    blobs = Slow()
    for number in range(3 * READS):
        await blobs.put("orders", f"{number:02}", b"x")
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        loading = group.create_task(load(blobs, "orders"))
        await blobs.full.wait()
        blobs.go_on.set()
    told, contents = loading.result()
    assert [name for name, _ in told] == [f"orders/{number:02}" for number in range(3 * READS)]
    assert (contents, blobs.most) == (b"x" * 3 * READS, READS)


async def test_a_blob_that_cannot_be_read_fails_the_run_and_ends_the_other_reads() -> None:
    blobs = Slow()
    blobs.go_on.set()
    for name in ("a", "bad", *"0123456789"):
        await blobs.put("orders", name, b"")
    with pytest.raises(StoreError, match="The store is away"):
        await load(blobs, "orders")
    assert blobs.under_way == 0


async def test_a_cancelled_run_ends_its_reads() -> None:
    blobs = Slow()
    for number in range(READS):
        await blobs.put("orders", str(number), b"")
    async with asyncio.timeout(10):
        loading = asyncio.create_task(load(blobs, "orders"))
        await blobs.full.wait()
        loading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await loading
    assert blobs.under_way == 0


# -- among the other bindings


@pytest.mark.parametrize("storage", ["embedded", "aws", "somebody-elses"])
async def test_the_binder_brings_lists_from_whatever_store_there_is(storage: str) -> None:
    blobs = await stored("a")
    one = Binding(type="blob", name="one", direction="in", fields={"path": "orders/a"}, storage=storage)
    several = Binding(
        type="blob", name="files", cardinality="many", fields={"path": "orders"}, storage=storage
    )
    binder = Binder(make_function(bindings=(several, one)), memory_resources(blobs=blobs))
    assert await binder.inputs({}) == [
        ("files", "blobs", b'[{"name":"orders/a","length":1}]\na'),
        ("one", "bytes", b"a"),
    ]
