"""Blobs on S3 beyond what every blob store promises: parts, conditions, versions, buckets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fake_s3 import FakeS3, refusal
from s3 import SETTINGS

from funchost.bindings.aws.s3_blobs import BlobChanged, S3Blobs
from funchost.bindings.aws.s3_content import CHUNK
from funchost.bindings.aws.s3_errors import BucketMissing
from funchost.bindings.aws.s3_upload import PART
from funchost.bindings.aws.settings import AwsSettings
from funchost.bindings.errors import AccessDenied, BindingError, StoreError


@pytest.fixture
def s3() -> FakeS3:
    return FakeS3()


@pytest.fixture
def blobs(s3: FakeS3) -> S3Blobs:
    return S3Blobs(lambda: s3, SETTINGS)


async def stream(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


# -- versions


async def test_an_etag_is_s3s_own_without_quotes_and_the_second_of_the_change(
    s3: FakeS3, blobs: S3Blobs
) -> None:
    put = await blobs.put("orders", "a", b"1")
    seconds = int(put.modified_at.timestamp())
    assert put.etag == f"c4ca4238a0b923820dcc509a6f75849b@{seconds}"


async def test_the_same_bytes_put_again_later_are_another_version(s3: FakeS3, blobs: S3Blobs) -> None:
    first = await blobs.put("orders", "a", b"1")
    s3.objects["orders/a"].headers["LastModified"] += timedelta(seconds=1)
    again = await blobs.info("orders", "a")
    assert again is not None and again.etag != first.etag


async def test_an_object_has_one_etag_however_it_is_asked_for(s3: FakeS3, blobs: S3Blobs) -> None:
    put = await blobs.put("orders", "a", b"1")
    # A listing tells the time more exactly than the headers of an answer.
    s3.objects["orders/a"].headers["LastModified"] = put.modified_at + timedelta(milliseconds=400)
    [listed] = [info async for info in blobs.list("orders")]
    assert (listed.etag, listed.modified_at) == (put.etag, put.modified_at)


async def test_a_blob_that_was_replaced_at_once_is_told_as_it_was_put(s3: FakeS3, blobs: S3Blobs) -> None:
    def replace(operation: str) -> None:
        if operation == "head_object":
            s3.objects["orders/a"].body = b"somebody else's"

    s3.meanwhile = replace
    put = await blobs.put("orders", "a.json", b"1", metadata={"by": "me"})
    s3.meanwhile = lambda operation: None
    assert (put.length, put.content_type, put.metadata) == (1, "application/json", {"by": "me"})
    assert datetime.now(UTC) - put.modified_at < timedelta(minutes=1)


async def test_who_may_write_need_not_be_allowed_to_read(s3: FakeS3, blobs: S3Blobs) -> None:
    s3.fail("head_object", refusal("403", "HeadObject"))
    put = await blobs.put("orders", "a", b"12")
    assert put.length == 2
    assert s3.objects["orders/a"].body == b"12"


# -- conditions


async def test_a_blob_is_written_only_where_there_is_none(s3: FakeS3, blobs: S3Blobs) -> None:
    await blobs.put("orders", "a", b"1", if_absent=True)
    with pytest.raises(BlobChanged):
        await blobs.put("orders", "a", b"2", if_absent=True)
    assert s3.objects["orders/a"].body == b"1"


async def test_a_blob_is_written_only_over_the_one_that_was_read(s3: FakeS3, blobs: S3Blobs) -> None:
    read = await blobs.put("orders", "a", b"1")
    await blobs.put("orders", "a", b"2", if_match=read.etag)
    with pytest.raises(BlobChanged):
        await blobs.put("orders", "a", b"3", if_match=read.etag)
    with pytest.raises(BlobChanged):
        await blobs.put("orders", "gone", b"3", if_match=read.etag)
    assert s3.objects["orders/a"].body == b"2"


async def test_a_large_blob_is_written_on_a_condition_too(s3: FakeS3, blobs: S3Blobs) -> None:
    await blobs.put("orders", "a", b"1")
    with pytest.raises(BlobChanged):
        await blobs.put("orders", "a", b"x" * PART, if_absent=True)
    assert s3.objects["orders/a"].body == b"1"
    assert len(s3.asked("abort_multipart_upload")) == 1


# -- parts


@pytest.mark.parametrize(
    ("size", "parts"),
    [(0, []), (PART - 1, []), (PART, [PART]), (PART + 1, [PART, 1]), (2 * PART, [PART, PART])],
)
async def test_content_goes_in_parts_from_eight_mebibytes_on(
    s3: FakeS3, blobs: S3Blobs, size: int, parts: list[int]
) -> None:
    content = bytes(size)
    for whole in (content, stream(content), stream(content[:10], content[10:])):
        s3.calls.clear()
        put = await blobs.put("orders", "a", whole)
        assert put.length == size
        assert s3.objects["orders/a"].body == content
        assert [len(call["Body"]) for call in s3.asked("upload_part")] == parts
        assert len(s3.asked("put_object")) == (0 if parts else 1)


async def test_a_large_blob_keeps_its_type_and_metadata(blobs: S3Blobs) -> None:
    put = await blobs.put("orders", "a.csv", b"x" * PART, metadata={"by": "me"})
    assert (put.content_type, put.metadata) == ("text/csv", {"by": "me"})


async def test_an_upload_whose_content_breaks_off_is_aborted(s3: FakeS3, blobs: S3Blobs) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * PART
        yield b"x" * PART
        raise RuntimeError("broken off")

    with pytest.raises(RuntimeError, match="broken off"):
        await blobs.put("orders", "a", broken())
    assert s3.asked("abort_multipart_upload") == [{"Bucket": "orders", "Key": "a", "UploadId": "u"}]
    assert s3.objects == {}


async def test_an_upload_with_a_part_that_is_refused_is_aborted(s3: FakeS3, blobs: S3Blobs) -> None:
    s3.fail("upload_part", refusal("SlowDown", "UploadPart"))
    with pytest.raises(StoreError, match="SlowDown"):
        await blobs.put("orders", "a", b"x" * PART)
    assert len(s3.asked("abort_multipart_upload")) == 1


async def test_an_abort_that_fails_does_not_hide_why_it_came_to_it(s3: FakeS3, blobs: S3Blobs) -> None:
    s3.fail("upload_part", refusal("SlowDown", "UploadPart"))
    s3.fail("abort_multipart_upload", refusal("AccessDenied", "AbortMultipartUpload"))
    with pytest.raises(StoreError, match="SlowDown"):
        await blobs.put("orders", "a", b"x" * PART)


async def test_a_cancelled_upload_is_aborted_after_the_part_on_its_way(s3: FakeS3, blobs: S3Blobs) -> None:
    loop = asyncio.get_running_loop()
    begun = asyncio.Event()
    ended: list[str] = []

    def slowly(operation: str) -> None:
        if operation == "upload_part":
            loop.call_soon_threadsafe(begun.set)
            asyncio.run_coroutine_threadsafe(cancelled.wait(), loop).result(5)
        ended.append(operation)

    cancelled = asyncio.Event()
    s3.meanwhile = slowly
    putting = asyncio.ensure_future(blobs.put("orders", "a", b"x" * PART))
    await asyncio.wait_for(begun.wait(), 5)
    putting.cancel()
    await asyncio.sleep(0)
    cancelled.set()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(putting, 5)
    assert ended[-2:] == ["upload_part", "abort_multipart_upload"]


# -- reading in pieces


async def test_content_comes_in_pieces_a_chunk_to_a_request(s3: FakeS3, blobs: S3Blobs) -> None:
    content = bytes(range(256)) * (CHUNK // 128) + b"end"
    info = await blobs.put("orders", "a", content)
    pieces = [piece async for piece in blobs.content(info)]
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) <= 256 * 1024
    assert len(s3.asked("get_object")) == 3


async def test_content_can_be_read_again_from_its_beginning(blobs: S3Blobs) -> None:
    content = blobs.content(await blobs.put("orders", "a", b"x" * 300_000))
    await anext(content)
    assert b"".join([piece async for piece in content]) == b"x" * 300_000
    assert b"".join([piece async for piece in content]) == b"x" * 300_000


async def test_nothing_is_asked_for_when_there_is_no_content(s3: FakeS3, blobs: S3Blobs) -> None:
    content = blobs.content(await blobs.put("orders", "a", b""))
    assert [piece async for piece in content] == []
    assert s3.asked("get_object") == []


@pytest.mark.parametrize("gone", [True, False])
async def test_content_that_changes_while_it_is_read_is_an_error(
    s3: FakeS3, blobs: S3Blobs, gone: bool
) -> None:
    content = blobs.content(await blobs.put("orders", "a", bytes(2 * CHUNK)))
    read = len(await anext(content))
    if gone:
        del s3.objects["orders/a"]
    else:
        s3.objects["orders/a"].body = b"new"
    with pytest.raises(BindingError, match="changed while it was being read"):
        while True:
            read += len(await anext(content))
    assert read == CHUNK


async def test_content_that_breaks_off_is_asked_for_again(s3: FakeS3, blobs: S3Blobs) -> None:
    await blobs.put("orders", "a", b"12")
    s3.breaking_off = 2
    found = await blobs.get("orders", "a")
    assert found is not None and found[1] == b"12"


async def test_content_that_keeps_breaking_off_is_an_error(s3: FakeS3, blobs: S3Blobs) -> None:
    await blobs.put("orders", "a", b"12")
    s3.breaking_off = 3
    with pytest.raises(StoreError, match="broke off before its answer was whole"):
        await blobs.get("orders", "a")
    assert len(s3.asked("get_object")) == 3


# -- names and buckets


async def test_a_listing_goes_on_over_all_its_pages(blobs: S3Blobs) -> None:
    for name in "edcba":
        await blobs.put("orders", name, b"1")
    assert [info.name async for info in blobs.list("orders")] == list("abcde")


async def test_objects_that_no_blob_can_be_are_not_listed(s3: FakeS3, blobs: S3Blobs) -> None:
    await blobs.put("orders", "in/a", b"1")
    for key in ("in/", "in//a", "in/../a", "in\\a"):
        s3.put_object(Bucket="orders", Key=key, Body=b"")
    assert [info.name async for info in blobs.list("orders")] == ["in/a"]


async def test_a_prefix_stands_before_every_container(s3: FakeS3) -> None:
    blobs = S3Blobs(lambda: s3, SETTINGS, bucket_prefix="acme-")
    put = await blobs.put("Orders", "a", b"1")
    assert list(s3.objects) == ["acme-orders/a"]
    assert put.path == "orders/a"
    assert [info.path async for info in blobs.list("orders")] == ["orders/a"]


@pytest.mark.parametrize("container", ["$web", "$root", "x" * 60])
async def test_a_container_that_no_bucket_can_be_is_refused(s3: FakeS3, container: str) -> None:
    with pytest.raises(BindingError, match="cannot be the name of a bucket"):
        await S3Blobs(lambda: s3, SETTINGS, bucket_prefix="acme-").put(container, "a", b"1")


@pytest.mark.parametrize("name", ["ü" * 600, "a\ud800"])
async def test_a_name_that_no_key_can_be_is_refused(blobs: S3Blobs, name: str) -> None:
    with pytest.raises(BindingError):
        await blobs.put("orders", name, b"1")


async def test_a_bucket_is_made_only_where_that_is_wanted(s3: FakeS3, blobs: S3Blobs) -> None:
    s3.missing.add("orders")
    with pytest.raises(BucketMissing, match="create it"):
        await blobs.put("orders", "a", b"1")
    assert s3.asked("create_bucket") == []


@pytest.mark.parametrize(
    ("region", "named"),
    [("us-east-1", {}), ("eu-west-1", {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}})],
)
async def test_a_bucket_is_made_in_the_region_of_the_client(
    s3: FakeS3, region: str, named: dict[str, Any]
) -> None:
    s3.missing.add("orders")
    s3.meta.region_name = region
    blobs = S3Blobs(lambda: s3, SETTINGS, create_buckets=True)
    await blobs.put("orders", "large", b"x" * PART)
    assert s3.asked("create_bucket") == [{"Bucket": "orders", **named}]
    assert len(s3.objects["orders/large"].body) == PART


async def test_two_may_make_a_bucket_at_once(s3: FakeS3) -> None:
    s3.missing.add("orders")
    s3.fail("create_bucket", refusal("BucketAlreadyOwnedByYou", "CreateBucket"), late=True)
    await S3Blobs(lambda: s3, SETTINGS, create_buckets=True).put("orders", "a", b"1")
    assert list(s3.objects) == ["orders/a"]


async def test_a_bucket_of_somebody_else_is_not_written_to(s3: FakeS3) -> None:
    s3.missing.add("orders")
    s3.fail("create_bucket", refusal("BucketAlreadyExists", "CreateBucket"))
    with pytest.raises(AccessDenied, match="another account"):
        await S3Blobs(lambda: s3, SETTINGS, create_buckets=True).put("orders", "a", b"1")


# -- what is told of it


@pytest.mark.parametrize(
    ("settings", "uri"),
    [
        ({"region": "eu-west-1"}, "https://s3.eu-west-1.amazonaws.com/orders/in/a%20b%3F.txt"),
        ({"region": "cn-north-1"}, "https://s3.cn-north-1.amazonaws.com.cn/orders/in/a%20b%3F.txt"),
        ({}, "https://s3.amazonaws.com/orders/in/a%20b%3F.txt"),
        ({"endpoint_url": "http://127.0.0.1:4566/"}, "http://127.0.0.1:4566/orders/in/a%20b%3F.txt"),
    ],
)
def test_an_address_has_the_bucket_where_azures_has_the_container(
    s3: FakeS3, settings: dict[str, Any], uri: str
) -> None:
    blobs = S3Blobs(lambda: s3, AwsSettings(**{"name": "Cloud", **settings}))
    assert blobs.uri("orders", "in/a b?.txt") == uri


def test_what_listing_costs_is_told_where_it_is_much(blobs: S3Blobs) -> None:
    assert blobs.scan_cost(10_000, 10) is None
    cost = blobs.scan_cost(25_400, 10)
    assert cost is not None
    assert cost.startswith(
        "25,400 objects are listed every 10 s, which is 224,640 requests and about $1.12 a day"
    )


def test_an_emulator_is_listed_more_often_and_costs_nothing(s3: FakeS3, blobs: S3Blobs) -> None:
    local = S3Blobs(lambda: s3, AwsSettings(name="Cloud", endpoint_url="http://127.0.0.1:4566"))
    assert (blobs.scan_interval, local.scan_interval) == (10.0, 2.0)
    assert local.scan_cost(1_000_000, 2) is None


async def test_a_small_blob_is_opened_with_one_request(s3: FakeS3, blobs: S3Blobs) -> None:
    await blobs.put("orders", "a", b"12")
    s3.calls.clear()
    found = await blobs.open("orders", "a")
    assert found is not None and found[1] == b"12"
    assert [operation for operation, _ in s3.calls] == ["get_object"]


async def test_who_may_not_list_is_told_that_an_absent_blob_cannot_be_told_from_a_denied_one(
    s3: FakeS3, blobs: S3Blobs
) -> None:
    for ask, operation in [
        (blobs.get, "get_object"),
        (blobs.open, "get_object"),
        (blobs.info, "head_object"),
    ]:
        s3.fail(operation, refusal("AccessDenied", "GetObject"))
        with pytest.raises(AccessDenied, match=r"s3:GetObject.*s3:ListBucket"):
            await ask("orders", "a")
