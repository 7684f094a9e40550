"""moto's server under our launcher: safe for many callers at once, and quick with a backlog."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aws import Aws

from funchost.host.emulator.moto_queues import mend_queues

DEADLINE = 30.0


def test_many_consumers_get_every_message_once(aws: Aws) -> None:
    url = aws.create_queue("jobs")
    got: list[str] = []
    sent = threading.Event()

    def send(numbers: range) -> None:
        for start in range(numbers.start, numbers.stop, 10):
            aws.send("jobs", *map(str, range(start, start + 10)))

    def consume() -> None:
        while True:
            ended = sent.is_set()
            messages = aws.receive("jobs")
            got.extend(message["Body"] for message in messages)
            if messages:
                _delete(aws, url, messages)
            elif ended:
                return

    with ThreadPoolExecutor(8) as pool:
        senders = [pool.submit(send, range(start, start + 200)) for start in (0, 200)]
        consumers = [pool.submit(consume) for _ in range(6)]
        for sender in senders:
            sender.result(DEADLINE)
        sent.set()
        for consumer in consumers:
            consumer.result(DEADLINE)
    assert sorted(got, key=int) == [str(number) for number in range(400)]
    assert aws.counts("jobs") == (0, 0)


def _delete(aws: Aws, url: str, messages: list[dict[str, Any]]) -> None:
    entries = [
        {"Id": str(place), "ReceiptHandle": message["ReceiptHandle"]}
        for place, message in enumerate(messages)
    ]
    aws.sqs.delete_message_batch(QueueUrl=url, Entries=entries)


def test_a_long_poll_ends_with_the_message_that_is_sent_meanwhile(aws: Aws) -> None:
    aws.create_queue("jobs")
    with ThreadPoolExecutor(1) as pool:
        polling = pool.submit(aws.receive, "jobs", wait=20)
        aws.send("jobs", "a")
        assert [message["Body"] for message in polling.result(5)] == ["a"]


def test_attributes_are_as_moto_has_them(aws: Aws) -> None:
    url = aws.create_queue("jobs.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    aws.send("jobs.fifo", "a", "a", "b", MessageGroupId="g")
    told = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (told["FifoQueue"], told["ContentBasedDeduplication"]) == ("true", "true")
    # Of two equal messages the second was taken for the first.
    assert told["ApproximateNumberOfMessages"] == "2"


def test_a_trace_header_that_is_sent_in_a_batch_arrives(aws: Aws) -> None:
    url = aws.create_queue("jobs")
    header = {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}
    entries = [
        {"Id": "a", "MessageBody": "a", "MessageSystemAttributes": {"AWSTraceHeader": header}},
        {"Id": "b", "MessageBody": "b"},
    ]
    aws.sqs.send_message_batch(QueueUrl=url, Entries=entries)
    got = {message["Body"]: message["Attributes"].get("AWSTraceHeader") for message in aws.receive("jobs")}
    assert got == {"a": header["StringValue"], "b": None}


def test_a_message_whose_retention_is_over_is_not_delivered(aws: Aws) -> None:
    aws.create_queue("jobs", MessageRetentionPeriod="60")
    aws.send("jobs", "old")
    try:
        mend_queues(lambda: time.time() + 120)
        assert aws.receive("jobs") == []
    finally:
        mend_queues()


def test_it_runs_alone_and_ends_when_it_is_asked_to() -> None:
    command = [sys.executable, "-m", "funchost.host.emulator.server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None and server.stderr is not None
        url = server.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:")
        server.send_signal(signal.SIGTERM)
        assert server.wait(DEADLINE) == 0
        assert server.stderr.read() == ""
