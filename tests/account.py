"""A real AWS account for tests, for those who ask for it with FUNCHOST_TEST_AWS=1.

Region and credentials are those that boto3 finds. All that is made bears one random prefix and is deleted again.
FUNCHOST_TEST_AWS_ENDPOINT leads to something that resembles AWS instead, such as the emulator.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any

import pytest
from fakes import ManualClock

from funchost.bindings.aws.session import AwsSession
from funchost.bindings.aws.settings import AwsSettings

ASKED_FOR = os.environ.get("FUNCHOST_TEST_AWS") == "1"
ENDPOINT = os.environ.get("FUNCHOST_TEST_AWS_ENDPOINT") or None

#: Where AWS itself is asked, and nothing that resembles it.
IS_REAL = ASKED_FOR and ENDPOINT is None

#: US dollars for a million calls, as of 2026 in us-east-1; about, for people.
_SQS, _S3_WRITE, _S3_READ = 0.40, 5.0, 0.40

#: Longer than this nobody waits for a message to come again.
_LONGEST_WAIT = timedelta(seconds=75)


class Account:
    """What the tests of one run make and call there."""

    def __init__(self) -> None:
        import boto3

        region = boto3.Session().region_name
        if region is None:
            pytest.exit("FUNCHOST_TEST_AWS needs a region: set AWS_REGION.", 2)
        self.prefix = f"funchost-test-{secrets.token_hex(4)}-"
        self.settings = AwsSettings(
            name="Account", region=region, endpoint_url=ENDPOINT, create_queues=True, create_buckets=True
        )
        self.calls: Counter[tuple[str, str]] = Counter()
        self.made: list[str] = []
        #: What could not be deleted, and why.
        self.left: list[str] = []
        self._numbers = count(1)
        self._lock = threading.Lock()
        self._session = self.session(self.settings)
        self.s3: Any = self._session.client("s3")
        self.sqs: Any = self._session.client("sqs")
        self._bucket = ""

    def session(self, settings: AwsSettings) -> AwsSession:
        """A session whose calls are counted; whoever takes it closes it."""
        session = AwsSession(settings)
        for service, patient in (("s3", False), ("sqs", False), ("sqs", True)):
            session.client(service, patient=patient).meta.events.register("before-call", self._count)
        return session

    def name(self) -> str:
        """A prefix that nothing else bears."""
        return f"{self.prefix}{next(self._numbers)}-"

    @property
    def bucket(self) -> str:
        """One bucket for all tests that only need some place in one."""
        if not self._bucket:
            self._bucket = self.make_bucket(f"{self.prefix}shared")
        return self._bucket

    def make_bucket(self, name: str) -> str:
        """Make a bucket; returns its name."""
        region = self.settings.region
        where = {"CreateBucketConfiguration": {"LocationConstraint": region}} if region != "us-east-1" else {}
        self.s3.create_bucket(Bucket=name, **where)
        return name

    def make_queue(self, name: str, **attributes: str) -> str:
        """Make a queue; returns its URL. AWS asks to wait a second before it is used."""
        url: str = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        if IS_REAL:
            time.sleep(1)
        return url

    def clean(self, prefix: str) -> None:
        """Delete all that bears the prefix; what cannot be deleted is noted in `left`."""
        for url in self.sqs.list_queues(QueueNamePrefix=prefix).get("QueueUrls", []):
            self._delete(f"queue {url}", partial(self.sqs.delete_queue, QueueUrl=url))
        for bucket in [each["Name"] for each in self.s3.list_buckets()["Buckets"]]:
            if bucket.startswith(prefix):
                self._delete(f"bucket {bucket}", partial(self._delete_bucket, bucket))

    def close(self) -> None:
        """Delete everything that is left, and close all connections."""
        try:
            self.clean(self.prefix)
        except Exception as error:
            self.left.append(f"perhaps all that is called {self.prefix}…: {error}")
        self._session.close()

    def summary(self) -> list[str]:
        """What it made, what that costs, and what is still there."""
        sqs = sum(number for (service, _), number in self.calls.items() if service == "sqs")
        reads = sum(number for (service, what), number in self.calls.items() if _reads(service, what))
        writes = sum(number for (service, what), number in self.calls.items() if _writes(service, what))
        dollars = (sqs * _SQS + reads * _S3_READ + writes * _S3_WRITE) / 1_000_000
        lines = [
            f"{len(self.made)} queues and buckets were made as {self.prefix}…, and deleted again.",
            f"{sqs} calls to SQS, {writes} writing and {reads} reading ones to S3: about ${dollars:.4f}.",
        ]
        return lines + [f"NOT DELETED, do it by hand: {what}" for what in self.left]

    def _delete(self, what: str, delete: Callable[[], object]) -> None:
        self.made.append(what)
        try:
            delete()
        except Exception as error:
            self.left.append(f"{what} ({error})")

    def _delete_bucket(self, bucket: str) -> None:
        for upload in self.s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
            self.s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        while keys := self.s3.list_objects_v2(Bucket=bucket).get("Contents"):
            some = [{"Key": each["Key"]} for each in keys]
            self.s3.delete_objects(Bucket=bucket, Delete={"Objects": some, "Quiet": True})
        self.s3.delete_bucket(Bucket=bucket)

    def _count(self, model: Any, **more: Any) -> None:
        with self._lock:
            self.calls[model.service_model.service_name, model.name] += 1


def _reads(service: str, operation: str) -> bool:
    return service == "s3" and operation.startswith(("Get", "Head"))


def _writes(service: str, operation: str) -> bool:
    return service == "s3" and not operation.startswith(("Get", "Head", "Delete", "Abort"))


class _Roughly(datetime):
    """A moment that is equal to those some seconds from it: nobody knows when exactly a call arrived."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, datetime) and abs(self.timestamp() - other.timestamp()) < 10

    __hash__ = datetime.__hash__


class WaitingClock(ManualClock):
    """The real time; to advance it is to wait for it."""

    def now(self) -> datetime:
        return _Roughly.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def advance(self, step: timedelta) -> None:
        if step > _LONGEST_WAIT:
            pytest.skip(f"nobody waits for {step}")
        time.sleep(step.total_seconds() + 1)
