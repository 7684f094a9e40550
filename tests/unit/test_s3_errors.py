"""What S3 refuses, as people read it. The answers come from botocore's own stubs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import (
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ReadTimeoutError,
    TokenRetrievalError,
)
from botocore.stub import Stubber
from fake_s3 import FakeS3, refusal
from s3 import SETTINGS, s3_client_at

from funchost.bindings.aws.s3_blobs import S3Blobs
from funchost.bindings.aws.s3_documents import S3Documents
from funchost.bindings.aws.s3_errors import BucketMissing, ConditionFailed, ObjectMissing, s3_error
from funchost.bindings.errors import AccessDenied, BindingError, ConfigurationError, FunchostError, StoreError


class Stubbed:
    """A real client whose answers are queued up beforehand."""

    def __init__(self) -> None:
        self.raw: Any = s3_client_at()
        self.stub = Stubber(self.raw)
        self.stub.activate()

    @property
    def client(self) -> Callable[[], Any]:
        return lambda: self.raw


@pytest.fixture
def stubbed() -> Stubbed:
    return Stubbed()


def told(code: str, operation: str = "GetObject", **more: Any) -> FunchostError:
    return s3_error(refusal(code, operation, **more), "s3://orders/a.txt", SETTINGS)


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("NoSuchKey", ObjectMissing, "s3://orders/a.txt does not exist"),
        ("NoSuchBucket", BucketMissing, "'Cloud' .* has no bucket for s3://orders/a.txt; create it"),
        ("PreconditionFailed", ConditionFailed, "changed by somebody else"),
        ("ConditionalRequestConflict", ConditionFailed, "changed by somebody else"),
        ("AccessDenied", AccessDenied, r"need s3:GetObject.*Without s3:ListBucket"),
        ("BucketAlreadyExists", AccessDenied, "another account; choose another name"),
        ("PermanentRedirect", StoreError, "another region than .*; set Cloud__region"),
        ("AuthorizationHeaderMalformed", StoreError, "set Cloud__region"),
        ("RequestTimeTooSkewed", StoreError, "the clock of this machine"),
        ("InvalidObjectState", BindingError, "archived; restore it"),
        ("ExpiredToken", AccessDenied, "credentials"),
        ("InvalidAccessKeyId", AccessDenied, "credentials"),
        ("SlowDown", StoreError, "SlowDown"),
        ("SomethingNew", StoreError, r"troubles of its own \(SomethingNew\), which should pass: no"),
    ],
)
def test_each_refusal_says_what_is_wrong(code: str, kind: type[FunchostError], words: str) -> None:
    with pytest.raises(kind, match=words):
        raise told(code)


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("HeadObject", "s3:GetObject"),
        ("ListObjectsV2", "s3:ListBucket"),
        ("UploadPart", "s3:PutObject"),
        ("AbortMultipartUpload", "s3:AbortMultipartUpload"),
        ("DeleteObject", "s3:DeleteObject"),
    ],
)
def test_a_denial_names_the_permission_that_is_needed(operation: str, action: str) -> None:
    assert f"need {action}," in str(told("AccessDenied", operation))


def test_a_wrong_region_names_the_right_one_where_s3_tells() -> None:
    error = told("PermanentRedirect", HTTPHeaders={"x-amz-bucket-region": "us-west-2"})
    assert "another region (us-west-2)" in str(error)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NoCredentialsError(), AccessDenied),
        (TokenRetrievalError(provider="sso", error_msg="expired"), AccessDenied),
        (NoRegionError(), ConfigurationError),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), StoreError),
        (ReadTimeoutError(endpoint_url="http://127.0.0.1:1"), StoreError),
    ],
)
async def test_what_does_not_come_as_far_as_s3_is_told_too(
    error: Exception, kind: type[FunchostError]
) -> None:
    s3 = FakeS3()
    s3.fail("get_object", error)
    with pytest.raises(kind, match="'Cloud'") as told:
        await S3Blobs(lambda: s3, SETTINGS).get("orders", "a.txt")
    assert told.value.__cause__ is error


async def test_a_client_that_cannot_be_made_is_told_like_a_call_that_fails() -> None:
    def client() -> Any:
        raise NoCredentialsError

    with pytest.raises(AccessDenied, match="no credentials"):
        await S3Blobs(client, SETTINGS).get("orders", "a.txt")


async def test_an_error_is_over_when_its_cause_is() -> None:
    s3 = FakeS3()
    blobs = S3Blobs(lambda: s3, SETTINGS)
    await blobs.put("orders", "a.txt", b"1")
    for code in ("ExpiredToken", "AccessDenied", "SlowDown"):
        s3.fail("get_object", refusal(code, "GetObject"))
        with pytest.raises(FunchostError):
            await blobs.get("orders", "a.txt")
        assert await blobs.get("orders", "a.txt") is not None


async def test_a_refused_head_is_asked_again_for_its_reason(stubbed: Stubbed) -> None:
    stubbed.stub.add_client_error("head_object", service_error_code="400", http_status_code=400)
    stubbed.stub.add_client_error("get_object", service_error_code="ExpiredToken", http_status_code=400)
    with pytest.raises(AccessDenied, match="ExpiredToken"):
        await S3Blobs(stubbed.client, SETTINGS).info("orders", "a.txt")
    stubbed.stub.assert_no_pending_responses()


async def test_a_head_that_only_is_refused_says_so() -> None:
    s3 = FakeS3()
    blobs = S3Blobs(lambda: s3, SETTINGS)
    await blobs.put("orders", "a.txt", b"1")
    s3.fail("head_object", refusal("403", "HeadObject"))
    with pytest.raises(AccessDenied, match="s3:GetObject"):
        await blobs.info("orders", "a.txt")


async def test_a_write_to_a_missing_bucket_says_which(stubbed: Stubbed) -> None:
    stubbed.stub.add_client_error("put_object", service_error_code="NoSuchBucket", http_status_code=404)
    with pytest.raises(BucketMissing, match=r"s3://orders/a\.txt"):
        await S3Blobs(stubbed.client, SETTINGS).put("orders", "a.txt", b"1")


async def test_the_hosts_own_bucket_is_not_taken_for_empty_when_it_is_missing() -> None:
    documents = S3Documents(lambda: FakeS3(missing={"storage"}), SETTINGS, "storage", "funchost/")
    for work in (documents.read("a"), documents.list(""), documents.write("a", b"1", None)):
        with pytest.raises(BucketMissing, match="s3://storage"):
            await work
