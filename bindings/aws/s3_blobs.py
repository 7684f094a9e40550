"""Blobs on S3: a container is a bucket, a blob an object.

An ETag of S3 tells contents apart, not versions: the same bytes put again have the same one. A blob's ETag is
therefore S3's, without its quotes, and the second of the last change: ``<etag>@<seconds since 1970>``, which
is the same whether the object was listed, asked for or read.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from ..blob import BlobChange, BlobInfo, ContainerMissing, Notification
from ..content_type import content_type_of
from ..errors import BindingError, FunchostError
from ..file_content import STREAM_FROM
from ..names import blob_name, container_name, sqs_queue_name
from .s3_calls import ClientFactory, Fields, S3Calls
from .s3_content import S3Content
from .s3_errors import BucketMissing, ConditionFailed, ObjectMissing, code_of
from .s3_events import told_by
from .s3_upload import upload
from .settings import AwsSettings

_MAX_BUCKET = 63
_MAX_KEY = 1024

#: Seconds between two listings that look for new objects: each costs, but for those of an emulator.
SCAN_INTERVAL = 10.0
EMULATOR_SCAN_INTERVAL = 2.0

#: What a request lists, and what a thousand of them cost in US dollars, as in most regions.
_PAGE = 1000
_LIST_PRICE = 0.005

#: Listing more objects than this again and again costs more than notifications would.
CHEAP_TO_LIST = 10_000

#: Somebody else on this account has made, or is making, the bucket.
_JUST_MADE = ("BucketAlreadyOwnedByYou", "OperationAborted")


class BlobChanged(BindingError):
    """The blob is not, or no longer, the one that was to be written over."""


class S3Blobs:
    """`BlobStore` on S3, and `NotifyingBlobs`. `list` brings neither metadata nor content types; `open`, `get` and
    `info` do.

    Names that an object may have and a blob may not (``a//b``, ``folder/``) are not listed.
    """

    def __init__(
        self,
        client: ClientFactory,
        settings: AwsSettings,
        *,
        bucket_prefix: str = "",
        create_buckets: bool = False,
    ) -> None:
        """`bucket_prefix` stands before each container's name: buckets share their names with all the world.

        With `create_buckets` the bucket of a blob that is put is made when it is missing.
        """
        self._calls = S3Calls(client, settings)
        self._settings = settings
        self._prefix = bucket_prefix
        self._create = create_buckets
        self.scan_interval = EMULATOR_SCAN_INTERVAL if settings.endpoint_url else SCAN_INTERVAL

    def bucket(self, container: str) -> str:
        """The bucket that a container is. Raises `BindingError` when none can be called so."""
        name = self._prefix + container_name(container)
        if len(name) > _MAX_BUCKET or "$" in name:
            raise BindingError(f"'{name}' cannot be the name of a bucket on S3; use another container.")
        return name

    def uri(self, container: str, name: str) -> str:
        """With the bucket as the first part of its path, as Azure's addresses have the container."""
        region = self._settings.region
        cloud = f"https://s3.{region}.amazonaws.com" if region else "https://s3.amazonaws.com"
        if region and region.startswith("cn-"):
            cloud += ".cn"
        base = (self._settings.endpoint_url or cloud).rstrip("/")
        return f"{base}/{self.bucket(container)}/{quote(name)}"

    async def open(self, container: str, name: str) -> tuple[BlobInfo, bytes | AsyncIterable[bytes]] | None:
        place = self._place(container, name)
        try:
            answer, content = await self._calls.read_below(STREAM_FROM, **place)
        except (ObjectMissing, BucketMissing):
            return None
        info = _described(container, name, answer)
        return info, self.content(info) if content is None else content

    async def get(self, container: str, name: str) -> tuple[BlobInfo, bytes] | None:
        place = self._place(container, name)
        try:
            answer, content = await self._calls.read(**place)
        except (ObjectMissing, BucketMissing):
            return None
        return _described(container, name, answer), content

    async def info(self, container: str, name: str) -> BlobInfo | None:
        place = self._place(container, name)
        answer = await self._calls.head(place["Bucket"], place["Key"])
        return _described(container, name, answer) if answer else None

    def content(self, info: BlobInfo) -> S3Content:
        """The content of this version of a blob in pieces, fetched as it is read."""
        place = self._place(info.container, info.name)
        return S3Content(self._calls, place["Bucket"], place["Key"], _own_etag(info.etag), info.length)

    async def put(
        self,
        container: str,
        name: str,
        content: bytes | AsyncIterator[bytes],
        *,
        metadata: dict[str, str] | None = None,
        content_type: str | None = None,
        if_match: str | None = None,
        if_absent: bool = False,
    ) -> BlobInfo:
        """As `BlobStore.put`. With a condition (the ETag of the blob to replace, or that there is none yet)
        raises `BlobChanged` when it is not so. Keys of metadata are in lower case afterwards."""
        place = self._place(container, name)
        target = place | {"ContentType": content_type or content_type_of(name), "Metadata": metadata or {}}
        condition = (
            {"IfMatch": _own_etag(if_match)} if if_match else {"IfNoneMatch": "*"} if if_absent else {}
        )
        try:
            etag, length = await upload(self._write, target, condition, content)
        except (ConditionFailed, ObjectMissing) as error:
            raise BlobChanged(str(error)) from error
        answer = {"ETag": etag, "LastModified": datetime.now(UTC), "ContentLength": length, **target}
        return _described(container, name, await self._as_written(place, etag) or answer)

    async def containers(self) -> Sequence[str]:
        """As `ListedContainers`: the buckets of this account that a container can be."""
        answer = await self._calls.call("list_buckets")
        found = (self._container(bucket["Name"]) for bucket in answer["Buckets"])
        return sorted(container for container in found if container)

    async def delete(self, container: str, name: str) -> bool:
        place = self._place(container, name)
        if await self._calls.head(place["Bucket"], place["Key"]) is None:
            return False
        await self._calls.call("delete_object", **place)
        return True

    async def list(self, container: str, prefix: str = "") -> AsyncIterator[BlobInfo]:
        """All blobs whose name starts with `prefix`, in the order of their bytes."""
        wanted = {"Bucket": self.bucket(container), "Prefix": prefix}
        more: Fields = {}
        while True:
            try:
                page = await self._calls.call("list_objects_v2", **wanted, **more)
            except BucketMissing as error:
                raise ContainerMissing(str(error)) from error
            for entry in page.get("Contents", ()):
                if _is_blob(entry["Key"]):
                    yield _described(container, entry["Key"], entry)
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    # -- notifications

    def notification_queue(self, queue: str) -> str:
        name = sqs_queue_name(self._settings.queue_prefix + queue)
        if name.endswith(".fifo"):
            raise BindingError(
                f"'{queue}' is a FIFO queue, to which S3 sends no notifications; use a standard queue."
            )
        settings = self._settings
        return f"{settings.endpoint_url or ''} {settings.region or ''} {settings.profile or ''} {name}"

    def notification(self, body: bytes) -> Notification:
        """What S3 told, directly or through EventBridge or SNS. Raises `BindingError`."""
        told = told_by(body)
        changes: list[BlobChange] = []
        others = list(told.others)
        for event in told.events:
            container = self._container(event.bucket)
            if container is None:
                others.append(f"events of the bucket '{event.bucket}'")
            elif _is_blob(event.key):
                changes.append(BlobChange(container=container, name=event.key, order=event.sequencer))
        return Notification(tuple(changes), tuple(others))

    def scan_cost(self, blobs: int, interval: float) -> str | None:
        if blobs <= CHEAP_TO_LIST or self._settings.endpoint_url:
            return None
        requests = -(-blobs // _PAGE) * 86_400 / interval
        price = requests / 1000 * _LIST_PRICE
        return (
            f"{blobs:,} objects are listed every {interval:g} s, which is {requests:,.0f} requests and about "
            f"${price:,.2f} a day; with notifications it would cost next to nothing"
        )

    def _container(self, bucket: str) -> str | None:
        """The container that a bucket is; None for one that is none here."""
        with contextlib.suppress(BindingError):
            container = container_name(bucket.removeprefix(self._prefix))
            return container if self._prefix + container == bucket else None
        return None

    def _place(self, container: str, name: str) -> Fields:
        return {"Bucket": self.bucket(container), "Key": _key(name)}

    async def _write(self, operation: str, /, **parameters: Any) -> Fields:
        try:
            return await self._calls.call(operation, **parameters)
        except BucketMissing:
            if not self._create:
                raise
        await self.create_bucket(parameters["Bucket"])
        return await self._calls.call(operation, **parameters)

    async def create_bucket(self, bucket: str) -> None:
        """Make the bucket, in the region of the connection; one that this account has already is left alone."""
        region = await self._calls.region()
        # The oldest region is the one that must not be named.
        place = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        extra = {} if region == "us-east-1" else place
        try:
            await self._calls.call("create_bucket", Bucket=bucket, **extra)
        except FunchostError as error:
            if code_of(error) not in _JUST_MADE:
                raise

    async def _as_written(self, place: Fields, etag: str) -> Fields | None:
        """What S3 knows of the object that was just put, such as when; None where that cannot be learnt."""
        # Who may write need not be allowed to read, and somebody else may have put another one already.
        with contextlib.suppress(FunchostError):
            answer = await self._calls.call("head_object", **place)
            return answer if answer["ETag"] == etag else None
        return None


def _described(container: str, name: str, answer: Fields) -> BlobInfo:
    # A listing tells parts of the second, the headers of an answer do not.
    modified: datetime = answer["LastModified"].replace(microsecond=0)
    own = answer["ETag"].strip('"')
    return BlobInfo(
        container=container_name(container),
        name=name,
        etag=f"{own}@{int(modified.timestamp())}",
        length=answer["ContentLength"] if "ContentLength" in answer else answer["Size"],
        modified_at=modified.astimezone(UTC),
        content_type=answer.get("ContentType") or content_type_of(name),
        metadata=dict(answer.get("Metadata", {})),
    )


def _own_etag(etag: str) -> str:
    """S3's ETag, in quotes, from that of a blob."""
    return f'"{etag.partition("@")[0]}"'


def _key(name: str) -> str:
    try:
        length = len(blob_name(name).encode())
    except UnicodeEncodeError:
        raise BindingError(f"{name!r} is not a blob name: it is not Unicode text.") from None
    if length > _MAX_KEY:
        raise BindingError(f"The blob name '{name}' is too long for S3: it takes {_MAX_KEY} bytes.")
    return name


def _is_blob(key: str) -> bool:
    try:
        _key(key)
    except BindingError:
        return False
    return True
