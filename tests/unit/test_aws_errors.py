"""What AWS, the network and boto3 refuse, and the sentences that people are told instead."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from botocore import exceptions
from botocore.exceptions import ClientError
from urllib3.exceptions import NameResolutionError

from funchost.bindings.aws.answers import NotAws, check_answer
from funchost.bindings.aws.errors import CredentialsRefused, failure_of, translated
from funchost.bindings.aws.session import AwsSession
from funchost.bindings.aws.settings import AwsSettings
from funchost.bindings.errors import (
    AccessDenied,
    BindingError,
    ConfigurationError,
    FunchostError,
    QueueMissing,
    ReceiptLost,
    StoreError,
)

ORDERS = AwsSettings(name="Orders", region="eu-west-1")
WHERE = "The connection 'Orders' (AWS in eu-west-1)"


def answered(code: str, status: int = 400, message: str = "no") -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, "ReceiveMessage")


@pytest.mark.parametrize(
    ("code", "status", "kind", "said"),
    [
        ("AWS.SimpleQueueService.NonExistentQueue", 400, QueueMissing, "has no such queue"),
        ("QueueDoesNotExist", 400, QueueMissing, "has no such queue"),
        ("AccessDenied", 403, AccessDenied, "refuses this: no. Allow it in a policy"),
        ("AccessDeniedException", 400, AccessDenied, "refuses this: no. Allow it in a policy"),
        ("KmsAccessDenied", 400, AccessDenied, "refuses this: no. Allow it in a policy"),
        ("KMS.AccessDeniedException", 400, AccessDenied, "refuses this: no. Allow it in a policy"),
        ("InvalidSecurity", 403, AccessDenied, "refuses this"),
        ("KMS.DisabledException", 400, AccessDenied, "cannot use the key"),
        ("KmsInvalidState", 400, AccessDenied, "cannot use the key"),
        ("ExpiredToken", 403, CredentialsRefused, "does not accept the credentials (ExpiredToken). Renew"),
        ("ExpiredTokenException", 400, CredentialsRefused, "does not accept the credentials"),
        ("InvalidClientTokenId", 403, CredentialsRefused, "does not accept the credentials"),
        ("InvalidAccessKeyId", 403, CredentialsRefused, "does not accept the credentials"),
        ("UnrecognizedClientException", 400, CredentialsRefused, "does not accept the credentials"),
        ("InvalidSignatureException", 400, CredentialsRefused, "does not accept the credentials"),
        ("SignatureDoesNotMatch", 403, CredentialsRefused, "does not accept the credentials"),
        ("MissingAuthenticationTokenException", 403, CredentialsRefused, "does not accept the credentials"),
        ("IncompleteSignatureException", 400, CredentialsRefused, "does not accept the credentials"),
        ("RequestTimeTooSkewed", 403, StoreError, "the clock of this machine is wrong. Set it."),
        ("RequestExpired", 400, StoreError, "the clock of this machine is wrong. Set it."),
        ("ThrottlingException", 400, StoreError, "takes no more calls for now (ThrottlingException)"),
        ("RequestThrottled", 403, StoreError, "takes no more calls for now"),
        ("KmsThrottled", 400, StoreError, "takes no more calls for now"),
        ("SlowDown", 503, StoreError, "takes no more calls for now"),
        ("TooManyRequestsException", 400, StoreError, "takes no more calls for now"),
        ("RequestLimitExceeded", 503, StoreError, "takes no more calls for now"),
        ("OverLimit", 403, StoreError, "troubles of its own (OverLimit)"),
        ("RequestTimeout", 400, StoreError, "troubles of its own (RequestTimeout)"),
        ("InternalError", 500, StoreError, "troubles of its own (InternalError), which should pass: no."),
        ("ServiceUnavailable", 503, StoreError, "troubles of its own"),
        ("502", 502, StoreError, "troubles of its own (502)"),
        ("407", 407, StoreError, "answers HTTP 407 and does not say why; is there a proxy before it?"),
        ("InvalidParameterValue", 400, BindingError, "refuses this (InvalidParameterValue): no."),
        ("InvalidMessageContents", 400, BindingError, "refuses this (InvalidMessageContents): no."),
    ],
)
def test_each_code_of_a_service_is_told_with_what_to_do(
    code: str, status: int, kind: type[Exception], said: str
) -> None:
    error = translated(answered(code, status), ORDERS)
    assert type(error) is kind
    assert str(error).startswith(f"{WHERE} ")
    assert said in str(error)


def test_a_signature_that_came_too_late_or_too_early_is_the_clocks_fault() -> None:
    for said in (
        "Signature expired: 20261121T100000Z is now earlier than 20261121T110000Z",
        "Signature not yet current: 20261121T120000Z is still later than 20261121T110000Z",
    ):
        error = translated(answered("InvalidSignatureException", 400, said), ORDERS)
        assert (type(error), "clock of this machine is wrong" in str(error)) == (StoreError, True)
        assert "20261121" not in str(error)  # or it would be news with each call


def _unknown_name() -> Exception:
    cause = NameResolutionError("sqs.eu-wst-1.amazonaws.com", None, OSError("unknown"))  # type: ignore[arg-type]
    url = "https://sqs.eu-wst-1.amazonaws.com/"
    error: Exception = exceptions.EndpointConnectionError(endpoint_url=url, error=cause)
    return error


URL = "http://127.0.0.1:1/"


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (exceptions.NoCredentialsError(), CredentialsRefused, "has no credentials: Unable to locate"),
        (
            exceptions.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"),
            CredentialsRefused,
            "missing: AWS_SECRET_ACCESS_KEY",
        ),
        (exceptions.UnauthorizedSSOTokenError(), CredentialsRefused, "Sign in with `aws sso login`."),
        (
            exceptions.TokenRetrievalError(provider="sso", error_msg="it has expired"),
            CredentialsRefused,
            "Sign in with `aws sso login`.",
        ),
        (
            exceptions.CredentialRetrievalError(provider="process", error_msg="exit 1"),
            CredentialsRefused,
            "cannot get its credentials",
        ),
        (exceptions.NoRegionError(), ConfigurationError, "Set Orders__region, or AWS_REGION"),
        (
            exceptions.InvalidRegionError(region_name="eu west"),
            ConfigurationError,
            "Correct Orders__region.",
        ),
        (exceptions.ProfileNotFound(profile="dev"), ConfigurationError, "names the profile"),
        (exceptions.ConfigParseError(path="config"), ConfigurationError, "configuration files"),
        (exceptions.ParamValidationError(report="no"), BindingError, "cannot ask for this"),
        (
            exceptions.EndpointConnectionError(endpoint_url=URL, error=OSError("refused")),
            StoreError,
            "cannot be reached: nothing takes connections at 127.0.0.1:1. Check the network.",
        ),
        (
            _unknown_name(),
            StoreError,
            "there is no 'sqs.eu-wst-1.amazonaws.com' to be found. Check the network (DNS) and the region.",
        ),
        (exceptions.ReadTimeoutError(endpoint_url=URL), StoreError, "gets no answer in time"),
        (exceptions.ConnectTimeoutError(endpoint_url=URL), StoreError, "gets no answer in time"),
        (exceptions.ConnectionClosedError(endpoint_url=URL), StoreError, "broke off"),
        (exceptions.IncompleteReadError(actual_bytes=1, expected_bytes=2), StoreError, "broke off"),
        (
            exceptions.ProxyConnectionError(proxy_url="http://proxy:3128"),
            StoreError,
            'through the proxy: Failed to connect to proxy URL: "http://proxy:3128". Check HTTPS_PROXY.',
        ),
        (exceptions.SSLError(endpoint_url=URL, error="no"), StoreError, "AWS_CA_BUNDLE"),
        (RuntimeError("can't start new thread"), StoreError, "cannot be used: can't start new thread."),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_goes_wrong_on_this_side_is_told_with_what_to_do(
    error: Exception, kind: type[Exception], said: str
) -> None:
    told = translated(error, ORDERS)
    assert type(told) is kind
    assert said in str(told)
    assert "\n" not in str(told)


def test_an_error_that_is_for_people_already_stays_as_it_is() -> None:
    error = StoreError("It is full.")
    assert translated(error, ORDERS) is error


def test_entries_of_a_batch_are_lost_refused_or_to_be_tried_again() -> None:
    def kind(code: str, *, ours: bool) -> type[FunchostError]:
        return type(failure_of({"Code": code, "Message": "no", "SenderFault": ours}, "jobs"))

    assert kind("ReceiptHandleIsInvalid", ours=True) is ReceiptLost
    assert kind("AWS.SimpleQueueService.MessageNotInflight", ours=True) is ReceiptLost
    assert issubclass(kind("InternalError", ours=False), StoreError)
    assert issubclass(kind("RequestThrottled", ours=True), StoreError)
    assert kind("InvalidMessageContents", ours=True) is BindingError


HTML, JSON = {"content-type": "text/html; charset=utf-8"}, {"content-type": "application/x-amz-json-1.0"}
PAGE = b"<html><body>Sign in</body></html>"


@pytest.mark.parametrize(
    ("service", "operation", "status", "headers", "body"),
    [
        ("sqs", "ReceiveMessage", 200, HTML, PAGE),
        ("sqs", "ReceiveMessage", 200, HTML, b"  <!DOCTYPE html><html></html>"),
        ("sqs", "ReceiveMessage", 200, JSON, b"OK"),
        ("sqs", "DeleteMessageBatch", 403, HTML, PAGE),
        ("sqs", "GetQueueUrl", 302, {"location": "http://login.example"}, b""),
        ("s3", "ListObjectsV2", 200, HTML, PAGE),
        ("s3", "ListObjectsV2", 404, HTML, PAGE),
        ("s3", "PutObject", 403, {"content-type": "application/json"}, b'{"message": "Forbidden"}'),
        ("s3", "HeadBucket", 302, {"location": "http://login.example"}, b""),
        ("s3", "GetObject", 200, HTML, object()),
        ("s3", "HeadObject", 200, HTML, b""),
    ],
)
def test_a_page_in_the_place_of_an_answer_is_taken_for_what_it_is(
    service: str, operation: str, status: int, headers: dict[str, str], body: Any
) -> None:
    with pytest.raises(NotAws, match=rf"^The connection 'Orders' .* HTTP {status} with .* Check the network"):
        check_answer(ORDERS, service, operation, status, headers, body)


@pytest.mark.parametrize(
    ("service", "operation", "status", "headers", "body"),
    [
        ("sqs", "ReceiveMessage", 200, JSON, b"{}"),
        ("sqs", "DeleteMessage", 200, JSON, b""),
        ("sqs", "ReceiveMessage", 400, JSON, b'{"__type": "QueueDoesNotExist"}'),
        ("sqs", "ReceiveMessage", 502, HTML, PAGE),
        ("s3", "ListObjectsV2", 200, {}, b'\n<?xml version="1.0"?><ListBucketResult/>'),
        ("s3", "PutObject", 200, {"etag": '"a"'}, b""),
        ("s3", "GetObject", 200, {**HTML, "etag": '"a"'}, object()),
        ("s3", "GetObject", 304, {}, b""),
        ("s3", "HeadObject", 404, HTML, b""),
        ("s3", "HeadObject", 200, {"etag": '"a"', "content-length": "5"}, b""),
        ("sqs", "ReceiveMessage", 200, {**JSON, "content-length": "9", "content-encoding": "gzip"}, b"{}"),
        ("s3", "HeadBucket", 301, {"x-amz-bucket-region": "eu-west-2"}, b""),
        ("s3", "ListObjectsV2", 307, {"x-amz-request-id": "a"}, b"<Error/>"),
        ("sts", "GetCallerIdentity", 200, {}, b"anything"),
    ],
)
def test_answers_of_aws_pass_whatever_they_say(
    service: str, operation: str, status: int, headers: dict[str, str], body: Any
) -> None:
    check_answer(ORDERS, service, operation, status, headers, body)


@pytest.mark.parametrize(
    ("service", "operation", "headers", "body"),
    [
        ("sqs", "ReceiveMessage", {**JSON, "content-length": "20"}, b'{"Messages":'),
        ("sqs", "ReceiveMessage", {**JSON, "content-length": "20"}, b""),
        ("s3", "ListObjectsV2", {"content-length": "20"}, b"<ListBucket"),
    ],
)
def test_half_an_answer_is_none(service: str, operation: str, headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(StoreError, match="broke off before its answer was whole"):
        check_answer(ORDERS, service, operation, 200, headers, body)


@pytest.fixture
def credentials_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where credentials are looked for, and nowhere else; there are none yet."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return tmp_path / "credentials"


def _used(session: AwsSession) -> str:
    """The access key that calls are signed with, seen where they would leave; nothing is sent."""
    used: list[str] = []

    def seen(request: Any, **more: Any) -> Any:
        used.append(request.headers["Authorization"].decode().partition("Credential=")[2].partition("/")[0])
        raise exceptions.ReadTimeoutError(endpoint_url=URL)

    client = session.client("sqs", patient=True)
    client.meta.events.register("before-send", seen)
    with pytest.raises(exceptions.ReadTimeoutError):
        client.list_queues()
    return used[0]


def _answer(client: Any, parsed: dict[str, Any]) -> None:
    client.meta.events.emit("after-call.sqs.ReceiveMessage", parsed=parsed, context={}, http_response=None)


async def test_credentials_that_come_later_are_found_without_a_new_start(credentials_file: Path) -> None:
    session = AwsSession(ORDERS)
    with pytest.raises(AccessDenied, match="has no credentials"):
        await session.call("sqs", "list_queues")
    credentials_file.write_text("[default]\naws_access_key_id=FIRST\naws_secret_access_key=x\n")
    assert await asyncio.to_thread(_used, session) == "FIRST"
    session.close()


async def test_credentials_that_were_refused_are_looked_for_anew(credentials_file: Path) -> None:
    credentials_file.write_text("[default]\naws_access_key_id=FIRST\naws_secret_access_key=x\n")
    session = AwsSession(ORDERS)
    first = await asyncio.to_thread(session.client, "sqs")
    credentials_file.write_text("[default]\naws_access_key_id=SECOND\naws_secret_access_key=x\n")
    parsed: dict[str, Any] = {
        "Error": {"Code": "ThrottlingException"},
        "ResponseMetadata": {"HTTPStatusCode": 400},
    }
    _answer(first, parsed)
    assert session.client("sqs") is first
    parsed["Error"]["Code"] = "ExpiredToken"
    _answer(first, parsed)
    assert await asyncio.to_thread(_used, session) == "SECOND"
    # Calls that were under way with the old ones change nothing any more.
    second = session.client("sqs")
    _answer(first, parsed)
    assert session.client("sqs") is second
    session.close()


@pytest.mark.usefixtures("credentials_file")
async def test_the_libraries_log_nothing_that_comes_as_an_error_anyway() -> None:
    session = AwsSession(ORDERS)
    await asyncio.to_thread(session.client, "sqs")
    for library in ("botocore.credentials", "urllib3.connectionpool", "boto3"):
        assert not logging.getLogger(library).isEnabledFor(logging.WARNING)
    session.close()
