"""S3 for tests: a client of the emulator, and names that no other test of a run uses."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import boto3
from botocore.config import Config

from funchost.bindings.aws.settings import AwsSettings

REGION = "eu-west-1"

#: A connection, for what the stores tell of it.
SETTINGS = AwsSettings(name="Cloud", region=REGION)


class S3:
    """A client of the server at `url`, with a bucket of its own for what a host keeps."""

    _numbers = count(1)

    def __init__(self, url: str) -> None:
        # Imported late: unit tests need no server.
        from funchost.host.emulator.moto_objects import mend_objects

        mend_objects()
        self.raw: Any = s3_client_at(url)
        #: Stands before the names of this test's buckets.
        self.prefix = f"t{next(self._numbers)}-"
        self.bucket = f"{self.prefix}storage"
        self.raw.create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": REGION})

    @property
    def client(self) -> Callable[[], Any]:
        """The client factory that the stores take."""
        return lambda: self.raw

    def close(self) -> None:
        """Close its connections."""
        self.raw.close()


def s3_client_at(url: str | None = None, attempts: int = 1) -> Any:
    """A client that has credentials whatever the environment says, and by default does not try again by itself."""
    config = Config(max_pool_connections=32, connect_timeout=5, retries={"total_max_attempts": attempts})
    session = boto3.Session("test", "test", region_name=REGION)
    return session.client("s3", endpoint_url=url, config=config)
