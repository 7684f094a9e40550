"""Small documents in one bucket, changed by compare and set: what leases and state on S3 are made of."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from hashlib import sha256
from urllib.parse import quote

from ..errors import StoreError
from .s3_calls import ClientFactory, Fields, S3Calls
from .s3_errors import ConditionFailed, ObjectMissing
from .settings import AwsSettings

#: How often a change is tried before it is given up, and the longest pause before the next try, in seconds.
_TRIES = 20
_PAUSE = 0.2

#: What `check` writes.
PROBE = "probe.json"

#: Longer names are cut, and told apart by a hash: an object's key takes 1024 bytes.
_MAX_NAME = 200


@dataclass(frozen=True, slots=True)
class Document:
    """One version of a document."""

    body: bytes
    #: S3's own, as it came.
    etag: str
    #: Seconds since it was written, by S3's clock; None where that was not told.
    age: float | None = None


class S3Documents:
    """Documents by key in `bucket`, below `prefix`. The bucket has to exist; keys are made of `key_part`."""

    def __init__(self, client: ClientFactory, settings: AwsSettings, bucket: str, prefix: str) -> None:
        self._calls = S3Calls(client, settings)
        self._bucket = bucket
        self._prefix = prefix

    async def check(self) -> None:
        """Raises what reads and writes would raise, and `StoreError` where conditions are not heeded."""
        await self._put(PROBE, b"{}")
        await self.read(PROBE)
        if await self.write(PROBE, b"[]", None) is not None:
            raise StoreError(
                f"s3://{self._bucket} does not heed conditions (If-None-Match), so hosts cannot agree in it; "
                "use S3 itself, or a service that has conditional writes."
            )

    async def read(self, key: str) -> Document | None:
        """The document, or None when there is none."""
        try:
            answer, body = await self._calls.read(**self._place(key))
        except ObjectMissing:
            return None
        return Document(body, answer["ETag"], _age(answer))

    async def write(self, key: str, body: bytes, etag: str | None) -> str | None:
        """Replace the version `etag` (None: there is no document yet); returns the new ETag.

        None when it is another version by now. No two writers may write the same body: by it a write whose
        answer was lost, and which was repeated, is known for one's own.
        """
        condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        try:
            return await self._put(key, body, **condition)
        except (ConditionFailed, ObjectMissing):
            found = await self.read(key)
            return found.etag if found and found.body == body else None

    async def change(self, key: str, edit: Callable[[bytes | None], bytes | None]) -> None:
        """Make of the document what `edit` makes of it (None: leave it), again until nobody came in between.

        Raises `StoreError` when others keep coming in between.
        """
        for _ in range(_TRIES):
            found = await self.read(key)
            body = edit(found.body if found else None)
            if body is None or await self.write(key, body, found.etag if found else None):
                return
            await asyncio.sleep(random.uniform(0, _PAUSE))
        raise StoreError(f"s3://{self._bucket}/{self._prefix}{key} is changed by too many at once.")

    async def delete(self, key: str) -> None:
        """Remove the document if there is one."""
        await self._calls.call("delete_object", **self._place(key))

    async def list(self, start: str) -> dict[str, str]:
        """Key and ETag of all documents whose key begins with `start`."""
        found: dict[str, str] = {}
        more: Fields = {}
        while True:
            page = await self._calls.call(
                "list_objects_v2", Bucket=self._bucket, Prefix=self._prefix + start, **more
            )
            for entry in page.get("Contents", ()):
                found[entry["Key"].removeprefix(self._prefix)] = entry["ETag"]
            if not page.get("IsTruncated"):
                return found
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def spoilt(self, key: str) -> StoreError:
        """The error for a document that cannot be read as what it should be."""
        return StoreError(
            f"s3://{self._bucket}/{self._prefix}{key} is not what funchost wrote there; remove it, or use "
            "another bucket."
        )

    async def _put(self, key: str, body: bytes, **condition: str) -> str:
        place = self._place(key)
        answer = await self._calls.call(
            "put_object", **place, **condition, Body=body, ContentType="application/json"
        )
        etag: str = answer["ETag"]
        return etag

    def _place(self, key: str) -> Fields:
        return {"Bucket": self._bucket, "Key": self._prefix + key}


def _age(answer: Fields) -> float | None:
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    if date is None or "LastModified" not in answer:
        return None
    try:
        age = parsedate_to_datetime(date) - answer["LastModified"]
    except (ValueError, TypeError):
        return None  # a service that only resembles S3
    return max(0.0, float(age.total_seconds()))


def key_part(text: str) -> str:
    """`text` as a part of a key: without slashes, legible, and another one for any other text."""
    part = quote(text, safe="")
    if len(part) <= _MAX_NAME:
        return part
    return f"{part[:_MAX_NAME]}~{sha256(text.encode()).hexdigest()}"
