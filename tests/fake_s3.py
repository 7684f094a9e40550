"""An S3 client in memory that can be told to fail, for tests of what S3 and networks do only now and then."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import md5
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError, ResponseStreamingError


def refusal(code: str, operation: str = "PutObject", **more: Any) -> ClientError:
    """What botocore raises when S3 answers with this code."""
    return ClientError({"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": more}, operation)


class _BreaksOff(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        raise ResponseStreamingError(error="connection reset")


@dataclass
class _Object:
    body: bytes
    headers: dict[str, Any]

    @property
    def etag(self) -> str:
        return f'"{md5(self.body).hexdigest()}"'


@dataclass
class _Fault:
    operation: str
    error: Exception
    #: Whether the request has its effect all the same, and only the answer is lost.
    late: bool


@dataclass
class FakeS3:
    """Objects of any buckets; those of `missing` do not exist."""

    objects: dict[str, _Object] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    #: How many answers to come have a content that ends before it is whole.
    breaking_off: int = 0
    #: What was asked, in order.
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    #: Called before each request has its effect.
    meanwhile: Callable[[str], None] = lambda operation: None
    meta: Any = field(default_factory=lambda: SimpleNamespace(region_name="eu-west-1"))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _faults: list[_Fault] = field(default_factory=list)
    _headers: dict[str, Any] = field(default_factory=dict)
    _parts: dict[int, bytes] = field(default_factory=dict)

    def fail(self, operation: str, error: Exception, *, late: bool = False) -> None:
        """Raise this error at the next call of the operation."""
        self._faults.append(_Fault(operation, error, late))

    def asked(self, operation: str) -> list[dict[str, Any]]:
        """The parameters of each call of the operation."""
        return [parameters for name, parameters in self.calls if name == operation]

    def __getattr__(self, operation: str) -> Callable[..., dict[str, Any]]:
        effect = getattr(type(self), f"_{operation}", None)
        if effect is None:
            raise AttributeError(operation)

        def call(**parameters: Any) -> dict[str, Any]:
            self.calls.append((operation, parameters))
            self.meanwhile(operation)
            fault = next((each for each in self._faults if each.operation == operation), None)
            if fault:
                self._faults.remove(fault)
                if not fault.late:
                    raise fault.error
            if parameters["Bucket"] in self.missing and operation != "create_bucket":
                raise refusal("NoSuchBucket")
            with self._lock:
                answer: dict[str, Any] = effect(self, **parameters)
            if fault:
                raise fault.error
            return answer

        return call

    def _put_object(self, Bucket: str, Key: str, Body: bytes, **more: Any) -> dict[str, Any]:
        name = f"{Bucket}/{Key}"
        found = self.objects.get(name)
        if more.pop("IfNoneMatch", None) and found:
            raise refusal("PreconditionFailed")
        wanted = more.pop("IfMatch", None)
        if wanted and not found:
            raise refusal("NoSuchKey")
        if wanted and found and wanted != found.etag:
            raise refusal("PreconditionFailed")
        self.objects[name] = _Object(Body, {"LastModified": datetime.now(UTC), **more})
        return {"ETag": self.objects[name].etag}

    def _head_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        found = self.objects.get(f"{Bucket}/{Key}")
        if not found:
            raise refusal("404", "HeadObject")
        return {"ETag": found.etag, "ContentLength": len(found.body), **found.headers}

    def _get_object(self, Bucket: str, Key: str, Range: str = "", IfMatch: str = "") -> dict[str, Any]:
        found = self.objects.get(f"{Bucket}/{Key}")
        if not found:
            raise refusal("NoSuchKey", "GetObject")
        if IfMatch and IfMatch != found.etag:
            raise refusal("PreconditionFailed", "GetObject")
        first, _, last = Range.removeprefix("bytes=").partition("-")
        body = found.body[int(first or 0) : int(last or len(found.body)) + 1]
        stream = _BreaksOff() if self.breaking_off else io.BytesIO(body)
        self.breaking_off = max(0, self.breaking_off - 1)
        return {"ETag": found.etag, "ContentLength": len(body), **found.headers, "Body": stream}

    def _list_objects_v2(self, Bucket: str, Prefix: str, ContinuationToken: str = "") -> dict[str, Any]:
        names = sorted(name for name in self.objects if name.startswith(f"{Bucket}/{Prefix}"))
        start = int(ContinuationToken or 0)
        contents = [
            {
                "Key": name.removeprefix(f"{Bucket}/"),
                "ETag": self.objects[name].etag,
                "Size": len(self.objects[name].body),
                "LastModified": self.objects[name].headers["LastModified"],
            }
            for name in names[start : start + 2]
        ]
        more = start + 2 < len(names)
        page = {"IsTruncated": more, **({"NextContinuationToken": str(start + 2)} if more else {})}
        return page | ({"Contents": contents} if contents else {})

    def _delete_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        self.objects.pop(f"{Bucket}/{Key}", None)
        return {}

    def _create_bucket(self, Bucket: str, **more: Any) -> dict[str, Any]:
        self.missing.discard(Bucket)
        return {}

    def _create_multipart_upload(self, Bucket: str, Key: str, **headers: Any) -> dict[str, Any]:
        self._headers = headers
        return {"UploadId": "u"}

    def _upload_part(self, PartNumber: int, Body: bytes, **more: Any) -> dict[str, Any]:
        self._parts[PartNumber] = Body
        return {"ETag": f'"{PartNumber}"'}

    def _complete_multipart_upload(
        self, UploadId: str, MultipartUpload: dict[str, Any], **more: Any
    ) -> dict[str, Any]:
        parts = [self._parts[part["PartNumber"]] for part in MultipartUpload["Parts"]]
        return self._put_object(Body=b"".join(parts), **self._headers, **more)

    def _abort_multipart_upload(self, **more: Any) -> dict[str, Any]:
        self._parts.clear()
        return {}
