"""What a connection to AWS leads to: queues on SQS, blobs on S3, and in a bucket what hosts share."""

from __future__ import annotations

import importlib.util
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from ..clock import Clock
from ..errors import ConfigurationError
from ..names import sqs_queue_name
from ..storage import BLOBS, QUEUES, ConnectionSettings, HostState, Storage
from .session import AwsSession
from .settings import aws_settings
from .sqs_queue import LONGEST_NAME, SqsQueues

if TYPE_CHECKING:
    from .s3_blobs import S3Blobs
    from .s3_leases import S3Leases
    from .s3_state import S3State

#: The folder of the bucket with what hosts share.
FOLDER = "funchost"


class AwsStorage(Storage):
    """SQS and S3 behind one connection. boto3 is loaded, and its clients are made, by the first call."""

    provides = frozenset({QUEUES, BLOBS})
    longest_queue_name: ClassVar[int] = LONGEST_NAME

    def __init__(self, settings: ConnectionSettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self.aws = aws_settings(settings)
        if importlib.util.find_spec("boto3") is None:
            raise ConfigurationError(
                f"The connection '{settings.name}' leads to AWS, for which boto3 is missing.",
                fix="Install it into the host's environment: pip install funchost[aws].",
            )
        self._session = AwsSession(self.aws)
        self._queues: SqsQueues | None = None
        self._blobs: S3Blobs | None = None
        self._leases: S3Leases | None = None
        self._state: S3State | None = None

    @classmethod
    def queue_name(cls, text: str) -> str:
        return sqs_queue_name(text)

    @property
    def place(self) -> str:
        return self.aws.place

    @property
    def is_cloud(self) -> bool:
        return self.aws.is_cloud

    def client(self, service: str) -> Any:
        """The boto3 client of a service. The first call takes 0.2 s: not for the event loop."""
        return self._session.client(service)

    def queues(self) -> SqsQueues:
        if self._queues is None:
            self._queues = SqsQueues(self._session, self.clock)
        return self._queues

    def blobs(self) -> S3Blobs:
        from .s3_blobs import S3Blobs  # brings botocore in

        if self._blobs is None:
            self._blobs = S3Blobs(
                partial(self._session.client, "s3"),
                self.aws,
                bucket_prefix=self.aws.bucket_prefix,
                create_buckets=self.aws.create_buckets,
            )
        return self._blobs

    @property
    def why_no_host_state(self) -> str | None:
        return None if self.aws.bucket else f"Set {self.settings.setting}__bucket."

    def host_state(self, app: str) -> HostState:
        """In the bucket that the settings name."""
        from .s3_leases import S3Leases
        from .s3_state import S3State

        bucket = self.aws.bucket
        if bucket is None:
            raise self._refusal("bucket for what hosts share")
        client = partial(self._session.client, "s3")
        folder = f"{FOLDER}/{app}/" if app else f"{FOLDER}/"
        queues = self._host_queues(app)
        self._leases = S3Leases(client, self.aws, bucket, folder, self.clock)
        self._state = S3State(client, self.aws, bucket, queues, folder)
        return HostState(leases=self._leases, state=self._state, queues=queues)

    async def check_host_state(self) -> None:
        """Also makes the bucket, where `createBuckets` says so."""
        if self._leases and self.aws.bucket:
            if self.aws.create_buckets:
                await self.blobs().create_bucket(self.aws.bucket)
            await self._leases.check()

    async def close(self) -> None:
        if self._state:
            await self._state.close()
        self._session.close()

    def _host_queues(self, app: str) -> SqsQueues:
        prefix = f"{self.aws.queue_prefix}{app}-" if app else self.aws.queue_prefix
        return SqsQueues(self._session, self.clock, own_prefix=prefix)
