"""AWS on this machine, as end-to-end tests use it: an emulator of its own process, and clients that look into one."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import boto3
from e2e.running import COMMAND, DEADLINE, RunningHost

_EMULATED = re.compile(r"^AWS is emulated at (\S+)\.", re.MULTILINE)


class EmulatedAws:
    """Clients of an emulator."""

    def __init__(self, url: str) -> None:
        self.url = url
        place = {
            "endpoint_url": url,
            "region_name": "us-east-1",
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
        }
        self.sqs: Any = boto3.client("sqs", **place)
        self.s3: Any = boto3.client("s3", **place)

    def send(self, queue: str, *bodies: str) -> None:
        """Send texts as another program would, ten in a call."""
        url = self.sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        for start in range(0, len(bodies), 10):
            batch = enumerate(bodies[start : start + 10])
            entries = [{"Id": str(place), "MessageBody": body} for place, body in batch]
            self.sqs.send_message_batch(QueueUrl=url, Entries=entries)

    def counts(self, queue: str) -> tuple[int, int]:
        """How many messages of a queue are visible, and how many in flight."""
        url = self.sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return int(found[names[0]]), int(found[names[1]])

    def queues(self) -> set[str]:
        """The names of all queues."""
        return {url.rpartition("/")[2] for url in self.sqs.list_queues().get("QueueUrls", ())}

    def objects(self, bucket: str) -> dict[str, bytes]:
        """What the objects of a bucket hold, by key; nothing where there is no bucket."""
        if bucket not in {each["Name"] for each in self.s3.list_buckets()["Buckets"]}:
            return {}
        keys = [each["Key"] for each in self.s3.list_objects_v2(Bucket=bucket).get("Contents", ())]
        return {key: self.s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}

    def documents(self, bucket: str) -> dict[str, Any]:
        """The same of a bucket whose objects are JSON."""
        return {key: json.loads(content) for key, content in self.objects(bucket).items()}


def emulator_of(host: RunningHost) -> EmulatedAws:
    """The emulator that a host has said it runs on."""
    return EmulatedAws(host.wait_for(_EMULATED)[1])


@contextlib.contextmanager
def running_emulator() -> Iterator[EmulatedAws]:
    """`funchost emulator aws` on a free port, until the end of the block."""
    command = [COMMAND, "emulator", "aws", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield EmulatedAws(process.stdout.readline().strip())
        finally:
            process.terminate()
            process.wait(DEADLINE)
