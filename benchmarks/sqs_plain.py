"""The yardstick of `benchmarks/sqs.py`: receive ten, run each, delete the ten in one call, in one thread or more.

python sqs_plain.py QUEUE_URL THREADS
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

import boto3

RUNS = os.open(os.environ["SQS_RUNS"], os.O_WRONLY | os.O_APPEND)


def work(body: str) -> None:
    """The function of all contenders: it notes that it ran, and does nothing."""
    os.write(RUNS, f"{body}\n".encode())


def consume(sqs: Any, url: str) -> None:
    """For ever."""
    while True:
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=10)
        messages = answer.get("Messages", [])
        for message in messages:
            work(message["Body"])
        if messages:
            entries = [
                {"Id": str(place), "ReceiptHandle": message["ReceiptHandle"]}
                for place, message in enumerate(messages)
            ]
            sqs.delete_message_batch(QueueUrl=url, Entries=entries)


if __name__ == "__main__":
    client = boto3.client("sqs")
    for _ in range(int(sys.argv[2])):
        threading.Thread(target=consume, args=(client, sys.argv[1])).start()
