"""AWS for tests: moto's server in this process, a client to look into it, and settings of connections to it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

import boto3
from fakes import ManualClock

from funchost.bindings.aws.settings import AwsSettings
from funchost.host.emulator.moto_queues import mend_queues
from funchost.host.emulator.server import EmulatorServer

REGION = "eu-west-1"

#: Any do at the emulator.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_EC2_METADATA_DISABLED": "true",
}


class Aws:
    """The server. Each prefix of its own makes queues that no other test sees."""

    _numbers = count()

    def __init__(self, server: EmulatorServer) -> None:
        self.url = server.url
        self.prefix = f"aws{next(self._numbers)}-"
        self.sqs: Any = boto3.client(
            "sqs",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def settings(self, **more: Any) -> AwsSettings:
        """A connection called Orders."""
        values = {"region": REGION, "endpoint_url": self.url, "queue_prefix": self.prefix}
        return AwsSettings(name="Orders", **{**values, **more})

    def app_settings(self, **more: str) -> Mapping[str, str]:
        """The same as app settings, with the credentials that the host's process needs."""
        values = {
            "provider": "aws",
            "region": REGION,
            "endpointUrl": self.url,
            "queuePrefix": self.prefix,
            **more,
        }
        return {**CREDENTIALS, **{f"Orders__{key}": value for key, value in values.items()}}

    def create_queue(self, name: str, **attributes: str) -> str:
        """Make a queue; returns its URL."""
        url: str = self.sqs.create_queue(QueueName=self.prefix + name, Attributes=attributes)["QueueUrl"]
        return url

    def url_of(self, name: str) -> str:
        """The URL of a queue."""
        url: str = self.sqs.get_queue_url(QueueName=self.prefix + name)["QueueUrl"]
        return url

    def send(self, name: str, *bodies: str, **more: Any) -> None:
        """Send texts as another program would, ten in a call."""
        url = self.url_of(name)
        for start in range(0, len(bodies), 10):
            entries = [
                {"Id": str(place), "MessageBody": body, **more}
                for place, body in enumerate(bodies[start : start + 10])
            ]
            self.sqs.send_message_batch(QueueUrl=url, Entries=entries)

    def receive(self, name: str, wait: int = 0) -> list[dict[str, Any]]:
        """Up to ten messages with all that they carry."""
        answer = self.sqs.receive_message(
            QueueUrl=self.url_of(name),
            MaxNumberOfMessages=10,
            WaitTimeSeconds=wait,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    def counts(self, name: str) -> tuple[int, int]:
        """How many messages of a queue are visible, and how many in flight."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.url_of(name), AttributeNames=names)["Attributes"]
        return int(found[names[0]]), int(found[names[1]])

    @contextlib.contextmanager
    def at(self, clock: ManualClock) -> Iterator[None]:
        """Have the server's queues go by this clock, for which no two moments are the same."""
        microseconds = count()
        mend_queues(lambda: clock.now().timestamp() + next(microseconds) / 1e6)
        try:
            yield
        finally:
            mend_queues(time.time)
