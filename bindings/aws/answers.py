"""Whether an answer is whole, and AWS's: not that of a sign-in page, a proxy or some other web server.

boto3 takes much of that for an answer: half a list of messages or a page with status 200 for an empty list, a redirect
for a bucket in another region, which it then asks for again and again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import StoreError
from .errors import broken_off
from .settings import AwsSettings

#: How an answer with content begins, by service.
_BEGINNINGS = {"sqs": b"{", "s3": b"<"}

#: What an answer with an object's content, or about it, always has.
_DESCRIBED = {"GetObject": "etag", "HeadObject": "etag"}


class NotAws(StoreError):
    """It is not AWS that answered."""


def check_answer(
    settings: AwsSettings, service: str, operation: str, status: int, headers: Mapping[str, str], body: Any
) -> None:
    """Raise `NotAws` for what cannot be an answer of the service, and `StoreError` for one that is not whole.

    `body` is bytes, or a stream that is not looked at. What a server says of its own troubles (5xx) may be in any form.
    """
    if isinstance(body, bytes) and _is_cut(operation, headers, body):
        raise StoreError(broken_off(settings))
    if status < 500 and not _is_possible(service, operation, status, headers, body):
        raise NotAws(
            f"{settings.named} leads to what is not AWS, or something stands between: HTTP {status} with "
            f"{_described(headers, body)}. Check the network (a proxy, a page to sign in) and {settings.name}__endpointUrl."
        )


def _is_cut(operation: str, headers: Mapping[str, str], body: bytes) -> bool:
    length = headers.get("content-length", "")
    if operation.startswith("Head") or "content-encoding" in headers or not length.isdecimal():
        return False
    return len(body) < int(length)


def _is_possible(service: str, operation: str, status: int, headers: Mapping[str, str], body: Any) -> bool:
    if status < 300 and operation in _DESCRIBED:
        return _DESCRIBED[operation] in headers
    if 300 <= status < 400 and status != 304 and not any(name.startswith("x-amz") for name in headers):
        return False
    beginning = body.lstrip()[:5].lower() if isinstance(body, bytes) else b""
    right = beginning.startswith(_BEGINNINGS.get(service, b"")) and beginning not in (b"<html", b"<!doc")
    return not beginning or right


def _described(headers: Mapping[str, str], body: Any) -> str:
    kind = headers.get("content-type", "").partition(";")[0]
    if kind == "text/html":
        return "a web page"
    return f"content of the type {kind}" if kind and body else "nothing that AWS would say"
