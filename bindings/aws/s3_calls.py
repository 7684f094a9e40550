"""Calls to S3 beside the event loop, all through one client; what fails is told for people."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from botocore.exceptions import IncompleteReadError, ReadTimeoutError, ResponseStreamingError

from ..errors import FunchostError
from .s3_errors import BucketMissing, ObjectMissing, code_of, s3_error
from .session import CALLS, in_thread
from .settings import AwsSettings

T = TypeVar("T")

#: Gives the S3 client. Asked in a thread, and for each call, so that the client may be made late or anew.
ClientFactory = Callable[[], Any]

#: Parameters or answer of an operation, as S3 names them.
Fields = dict[str, Any]

#: A client asks again when a request fails, but not when the content of its answer breaks off.
_CONTENT_ATTEMPTS = 3
_BROKEN_OFF = (IncompleteReadError, ReadTimeoutError, ResponseStreamingError)

#: HEAD tells these without a reason, since its answer has no body.
_WITHOUT_REASON = ("301", "400", "403")


class S3Calls:
    """Asks S3. Whatever it does may raise `ObjectMissing`, `BucketMissing`, or other errors of `s3_error`."""

    def __init__(self, client: ClientFactory, settings: AwsSettings) -> None:
        self._client = client
        self._settings = settings
        self._calls = asyncio.Semaphore(CALLS)

    async def call(self, operation: str, **parameters: Any) -> Fields:
        """What the client's method `operation` answers."""
        return await self._in_thread(partial(self._ask, operation, parameters))

    async def read(self, **parameters: Any) -> tuple[Fields, bytes]:
        """The answer to ``get_object``, and the content that comes with it."""
        answer, content = await self._in_thread(partial(self._read, parameters))
        assert content is not None, "there is no limit"
        return answer, content

    async def read_below(self, limit: int, **parameters: Any) -> tuple[Fields, bytes | None]:
        """As `read`; no content where that has `limit` bytes or more."""
        return await self._in_thread(partial(self._read, parameters, limit))

    async def head(self, bucket: str, key: str) -> Fields | None:
        """What is known of an object; None when it, or its bucket, does not exist."""
        try:
            return await self.call("head_object", Bucket=bucket, Key=key)
        except (ObjectMissing, BucketMissing):
            return None
        except FunchostError as error:
            if code_of(error) in _WITHOUT_REASON:
                await self.read(Bucket=bucket, Key=key, Range="bytes=0-0")  # fails likewise, and says why
            raise

    async def region(self) -> str:
        """The region of the client."""
        return await self._in_thread(lambda: str(self._client().meta.region_name))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        async with self._calls:
            return await in_thread(work)

    def _ask(self, operation: str, parameters: Fields) -> Fields:
        try:
            answer: Fields = getattr(self._client(), operation)(**parameters)
        except Exception as error:
            raise self._told(error, parameters) from error
        return answer

    def _read(self, parameters: Fields, limit: int | None = None) -> tuple[Fields, bytes | None]:
        attempt = 0
        while True:
            attempt += 1
            answer = self._ask("get_object", parameters)
            try:
                large = limit is not None and answer["ContentLength"] >= limit
                return answer, None if large else answer["Body"].read()
            except _BROKEN_OFF as error:
                if attempt == _CONTENT_ATTEMPTS:
                    raise self._told(error, parameters) from error
            finally:
                answer["Body"].close()

    def _told(self, error: Exception, parameters: Fields) -> FunchostError:
        bucket, key = parameters.get("Bucket"), parameters.get("Key", "")
        place = f"s3://{bucket}/{key}".rstrip("/") if bucket else "S3"
        return s3_error(error, place, self._settings)


async def together(work: Iterable[Awaitable[T]]) -> list[T]:
    """The results of all of it, done at the same time. Raises an error once all have come to an end."""
    done: list[T] = []
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
        done.append(outcome)
    return done
