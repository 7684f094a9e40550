"""Blob inputs of the cardinality many on S3, through real requests."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from fakes import ManualClock
from s3 import S3, SETTINGS

from funchost.bindings.aws.s3_blobs import S3Blobs
from funchost.bindings.blob import BlobInfo
from funchost.host.execution.blob_inputs import READS, BlobsInput
from funchost.triggers.descriptor import Binding


@pytest.fixture
def s3(emulator: Any) -> Iterator[S3]:
    with contextlib.closing(S3(emulator.url)) as s3:
        yield s3


async def load(blobs: S3Blobs, path: str) -> tuple[list[str], bytes]:
    """The names that are told, and the contents."""
    binding = Binding(type="blob", name="files", cardinality="many", fields={"path": path}, storage="aws")
    _, _, content = await BlobsInput(binding, blobs, "Work", ManualClock()).load({})
    line, _, contents = content.partition(b"\n")
    return [one["name"] for one in json.loads(line)], contents


async def test_a_bucket_brings_its_objects_and_an_absent_one_none(s3: S3) -> None:
    blobs = S3Blobs(s3.client, SETTINGS, bucket_prefix=s3.prefix, create_buckets=True)
    assert await load(blobs, "orders") == ([], b"")
    names = [f"2026/{number:02}" for number in range(3 * READS)]
    for name in ["é", "b", *reversed(names), "B"]:
        await blobs.put("orders", name, name.encode())
    # What a console makes for a folder is no blob.
    s3.raw.put_object(Bucket=f"{s3.prefix}orders", Key="2026/")
    told, contents = await load(blobs, "orders")
    assert told == [f"orders/{name}" for name in (*names, "B", "b", "é")]
    assert contents == "".join([*names, "Bbé"]).encode()
    assert await load(blobs, "orders/2026/0") == (
        [f"orders/{name}" for name in names[:10]],
        b"".join(name.encode() for name in names[:10]),
    )


async def test_an_object_that_is_deleted_before_it_is_read_is_left_out(s3: S3) -> None:
    class Deleting(S3Blobs):
        async def get(self, container: str, name: str) -> tuple[BlobInfo, bytes] | None:
            if name == "b":
                await self.delete(container, name)
            return await super().get(container, name)

    blobs = Deleting(s3.client, SETTINGS, bucket_prefix=s3.prefix, create_buckets=True)
    for name in "abc":
        await blobs.put("orders", name, name.encode())
    assert await load(blobs, "orders") == (["orders/a", "orders/c"], b"ac")
