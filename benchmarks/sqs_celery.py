"""The task of celery for `benchmarks/sqs.py`; run under the peers' interpreter.

As a script it fills the queue: `python sqs_celery.py MESSAGES`. Messages are made by celery itself; they are only
sent ten at a time.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from celery import Celery  # type: ignore[import-not-found]

app = Celery("sqs_celery", broker=os.environ["SQS_BROKER"])
app.conf.update(
    task_acks_late=True,  # as funchost: a message is deleted when its run has ended
    task_ignore_result=True,
    task_default_queue=os.environ["SQS_QUEUE"],
    worker_prefetch_multiplier=int(os.environ["SQS_PREFETCH"]),
    worker_enable_remote_control=False,
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "region": os.environ["AWS_DEFAULT_REGION"],
        "is_secure": False,
        "visibility_timeout": 60,
        "wait_time_seconds": 10,
        "polling_interval": 0,
    },
)

_runs: list[int] = []


@app.task  # type: ignore[untyped-decorator]
def work(body: str) -> None:
    """The function of all contenders: it notes that it ran, and does nothing."""
    if not _runs:
        _runs.append(os.open(os.environ["SQS_RUNS"], os.O_WRONLY | os.O_APPEND))
    os.write(_runs[0], f"{body}\n".encode())


class Gathering:
    """A client of SQS that sends ten messages in one call."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._entries: list[dict[str, Any]] = []

    def send_message(self, *, QueueUrl: str, **entry: Any) -> None:
        """Keep it until there are ten."""
        self._entries.append({"Id": str(len(self._entries)), **entry})
        if len(self._entries) == 10:
            self._client.send_message_batch(QueueUrl=QueueUrl, Entries=self._entries)
            self._entries = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def fill(messages: int) -> None:
    """Send as many tasks, a multiple of ten."""
    from kombu.transport.SQS import Channel  # type: ignore[import-not-found]

    with app.connection_for_write() as connection:
        gathering = Gathering(connection.default_channel.sqs())
        Channel.sqs = lambda channel, queue=None: gathering
        producer = app.amqp.Producer(connection)
        for number in range(messages):
            work.apply_async((str(number),), producer=producer)


if __name__ == "__main__":
    # Under the name by which the worker knows it.
    import sqs_celery

    sqs_celery.fill(int(sys.argv[1]))
