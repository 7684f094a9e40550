"""Who runs in `benchmarks/sqs.py`: plain boto3, funchost, and celery in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quick import funchost

HERE = Path(__file__).parent

#: The one queue that all contenders take from, each in a round of its own.
QUEUE = "work"

#: What the peers' environment holds.
PEERS = ("celery[sqs]==5.7.0", "kombu==5.7.0")

FUNCTION = """\
import os

RUNS = os.open(os.environ["SQS_RUNS"], os.O_WRONLY | os.O_APPEND)


def main(msg: str) -> None:
    os.write(RUNS, f"{msg}\\n".encode())
"""
FUNCTION_JSON = {
    "bindings": [{"type": "queueTrigger", "name": "msg", "queueName": QUEUE, "connection": "Jobs"}]
}

#: Any will do, at a server of this machine.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "benchmark",
    "AWS_SECRET_ACCESS_KEY": "benchmark",
    "AWS_DEFAULT_REGION": "eu-west-1",
}


def boto_client(url: str) -> Any:
    """A client of the queues at `url`."""
    import boto3

    return boto3.client(
        "sqs",
        endpoint_url=url,
        region_name=CREDENTIALS["AWS_DEFAULT_REGION"],
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )


def fill_plainly(url: str, messages: int) -> None:
    """Send the numbers below `messages`, ten to a call."""
    sqs = boto_client(url)
    address = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    for start in range(0, messages, 10):
        numbers = range(start, min(start + 10, messages))
        entries = [{"Id": str(number), "MessageBody": str(number)} for number in numbers]
        sqs.send_message_batch(QueueUrl=address, Entries=entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One way to work a queue off. All are told of server and queue by their environment."""

    name: str
    #: The command line, given the URL of the server.
    command: Callable[[str], tuple[str, ...]]
    #: Makes so many messages wait.
    fill: Callable[[str, int], None] = fill_plainly
    environment: dict[str, str] = field(default_factory=dict)

    def environment_at(self, url: str) -> dict[str, str]:
        """What its process is started with."""
        return {
            **os.environ,
            **CREDENTIALS,
            "AWS_ENDPOINT_URL": url,
            "SQS_BROKER": f"sqs://benchmark:benchmark@{url.removeprefix('http://')}//",
            "SQS_QUEUE": QUEUE,
            **self.environment,
        }


def contenders(folder: Path) -> Iterator[Contender]:
    """All that can run here; `folder` is for what they need."""
    yield plain_contender("boto3, 1 thread", 1)
    yield plain_contender("boto3, 4 threads", 4)
    yield funchost_contender(folder / "app")
    python = peers_python()
    if python:
        # Both are celery at its best: which is better depends on the machine.
        yield celery_contender(python, "prefork", 2)
        yield celery_contender(python, "threads", 8)


def plain_contender(name: str, threads: int) -> Contender:
    """The shortest loop that there can be."""
    script = str(HERE / "sqs_plain.py")
    return Contender(
        name=name,
        command=lambda url: (sys.executable, script, f"{url}/000000000000/{QUEUE}", str(threads)),
    )


def funchost_contender(root: Path) -> Contender:
    """The host as shipped: batchSize 16 and newBatchThreshold 8, all defaults."""
    (root / "drain").mkdir(parents=True, exist_ok=True)
    (root / "drain" / "function.json").write_text(json.dumps(FUNCTION_JSON))
    (root / "drain" / "__init__.py").write_text(FUNCTION)
    (root / "host.json").write_text('{"version": "2.0"}')
    return Contender(
        name="funchost",
        command=lambda url: funchost(root, "--port", "0"),
        environment={"Jobs__provider": "aws", "Jobs__region": CREDENTIALS["AWS_DEFAULT_REGION"]},
    )


def celery_contender(python: str, pool: str, size: int) -> Contender:
    """A worker with acknowledgement after the run, all that is not needed switched off, and ample prefetch."""
    celery = (python, "-m", "celery", "--workdir", str(HERE), "--app", "sqs_celery", "worker")
    environment = {"SQS_PREFETCH": "16"}

    def fill(url: str, messages: int) -> None:
        command = [python, str(HERE / "sqs_celery.py"), str(messages)]
        subprocess.run(command, env=contender.environment_at(url), check=True)

    contender = Contender(
        name=f"celery, {size} {pool}",
        command=lambda url: (
            *celery,
            *("--pool", pool, "--concurrency", str(size), "--loglevel", "WARNING"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        ),
        fill=fill,
        environment=environment,
    )
    return contender


def peers_python() -> str | None:
    """The interpreter of the peers, in an environment that is made once and kept; None where that fails."""
    version = "-".join(PEERS).replace("[", "-").replace("]", "").replace("==", "-")
    name = f"funchost-benchmark-{sys.version_info.major}.{sys.version_info.minor}-{version}"
    folder = Path(tempfile.gettempdir()) / name
    python, ready = folder / "bin" / "python", folder / "ready"
    if ready.exists():
        return str(python)
    print(f"Making an environment for {', '.join(PEERS)} in {folder}", file=sys.stderr)
    venv.create(folder, with_pip=True, clear=True)
    done = subprocess.run(
        [str(python), "-m", "pip", "install", "-q", *PEERS], capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(f"celery is left out, it cannot be installed: {done.stderr.strip()}", file=sys.stderr)
        return None
    ready.touch()
    return str(python)
