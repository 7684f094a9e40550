"""A backlog on SQS: funchost beside a plain boto3 loop and celery, on the same work in the same run.

    python benchmarks/sqs.py [--messages 2000] [--rounds 3] [--server stub] [--latency 0] [--json FILE]
    python benchmarks/sqs.py --trickle 30

The messages wait before a contender begins, and their function does nothing but note that it ran. Calls are counted
where they arrive. There are two servers, in a process of their own: the emulator that funchost ships, and a light
stub, which takes less time for a call than its callers do. celery comes into an environment of its own, which is made by
the first run. All traffic stays on this machine.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from quick import cpu_seconds
from sqs_contenders import QUEUE, Contender, boto_client, contenders, fill_plainly, funchost_contender
from sqs_tally import PATH

HERE = Path(__file__).parent

#: Seconds after which a contender is given up.
PATIENCE = 120.0

#: Seconds that a contender is given for whatever it still has to do for its start; a host looks for garbage once.
SETTLED = 2.5

YARDSTICK = "boto3, 1 thread"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One contender's round."""

    #: Messages/s, from the opening of the gate to the last deletion.
    rate: float
    #: CPU seconds a message: of all processes of the contender, and of the server.
    cost: float
    server_cost: float
    #: Calls a message, by their name.
    calls: dict[str, float]
    #: Messages that ran twice or more, and those that never did.
    twice: int
    missing: int


class Server:
    """A server with a tally, in a process of its own."""

    def __init__(self, url: str, process: psutil.Process) -> None:
        self.url = url
        self.process = process

    def tally(self, order: str = "") -> dict[str, Any]:
        """What was counted; `order` is ``shut`` or ``open``."""
        with urllib.request.urlopen(f"{self.url}{PATH}?{order}") as answer:
            counted: dict[str, Any] = json.load(answer)
        return counted

    def wait_for(self, name: str, least: int, contender: psutil.Process) -> dict[str, Any]:
        """The tally as soon as the contender has brought it so far."""
        end = time.monotonic() + PATIENCE
        while (tally := self.tally())[name] < least:
            if time.monotonic() > end or contender.status() == psutil.STATUS_ZOMBIE:
                raise SystemExit(f"The contender does not go on, or has ended: {tally}")
            time.sleep(0.02)
        return tally

    def left(self) -> int:
        """Messages that are still in the queue."""
        sqs = boto_client(self.url)
        url = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
        told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return sum(
            int(value) for name, value in told.items() if name.startswith("ApproximateNumberOfMessages")
        )


@contextlib.contextmanager
def serving(kind: str, latency: float = 0.0) -> Iterator[Server]:
    """The server `kind` with an empty queue."""
    command = {"stub": ["sqs_stub.py", str(latency)], "emulator": ["sqs_emulator.py"]}[kind]
    with _process([sys.executable, *command], cwd=HERE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        server = Server(process.stdout.readline().decode().strip(), psutil.Process(process.pid))
        boto_client(server.url).create_queue(QueueName=QUEUE)
        yield server


@contextlib.contextmanager
def at_work(contender: Contender, server: Server, runs: Path) -> Iterator[psutil.Process]:
    """The contender's process, which waits at the gate."""
    environment = contender.environment_at(server.url) | {"SQS_RUNS": str(runs)}
    with tempfile.TemporaryFile() as said:
        how: dict[str, Any] = {"env": environment, "stdout": said, "stderr": subprocess.STDOUT}
        with _process(contender.command(server.url), **how) as started:
            process = psutil.Process(started.pid)
            try:
                server.wait_for("waiting", 1, process)
                time.sleep(SETTLED)
                yield process
            except SystemExit:
                said.seek(0)
                print(contender.name, said.read().decode(errors="replace")[-4000:], file=sys.stderr)
                raise


@contextlib.contextmanager
def _process(command: Any, **how: Any) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, start_new_session=True, **how)
    try:
        yield process
    finally:
        # Its work is done and checked: nobody waits for a long poll to end.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()


def measure(contender: Contender, kind: str, latency: float, messages: int) -> Measured:
    """One round: fill, start, open the gate, wait for the last deletion."""
    with tempfile.NamedTemporaryFile() as file, serving(kind, latency) as server:
        contender.fill(server.url, messages)
        server.tally("shut")
        with at_work(contender, server, Path(file.name)) as process:
            before = cpu_seconds(process), cpu_seconds(server.process)
            server.tally("open")
            tally = server.wait_for("deleted", messages, process)
            after = cpu_seconds(process), cpu_seconds(server.process)
        if left := server.left():
            raise SystemExit(f"{contender.name} left {left} messages behind.")
        runs = Counter(file.read().split())
    return Measured(
        rate=messages / tally["seconds"],
        cost=(after[0] - before[0]) / messages,
        server_cost=(after[1] - before[1]) / messages,
        calls={action: count / messages for action, count in tally["calls"].items()},
        twice=sum(count > 1 for count in runs.values()),
        missing=messages - len(runs),
    )


def compare(kind: str, latency: float, messages: int, rounds: int, folder: Path) -> dict[str, list[Measured]]:
    """All contenders in turn, `rounds` times."""
    all_contenders = list(contenders(folder))
    found: dict[str, list[Measured]] = {contender.name: [] for contender in all_contenders}
    for _ in range(rounds):
        for contender in all_contenders:
            found[contender.name].append(measure(contender, kind, latency, messages))
    return found


def show(found: dict[str, list[Measured]]) -> None:
    """The table: medians, the spread of the rate, and the ratio to the yardstick of the same round."""
    print(f"{'':<20}{'messages/s':>11}{'spread':>14}{'ratio':>7}{'calls':>7}{'CPU µs':>8}{'server µs':>11}")
    for name, measured in found.items():
        rates = [one.rate for one in measured]
        ratio = statistics.median(
            one.rate / other.rate for one, other in zip(measured, found[YARDSTICK], strict=True)
        )
        calls = statistics.median(sum(one.calls.values()) for one in measured)
        costs = [
            statistics.median(getattr(one, which) for one in measured) for which in ("cost", "server_cost")
        ]
        spread = f"{min(rates):,.0f}-{max(rates):,.0f}"
        print(
            f"{name:<20}{statistics.median(rates):>11,.0f}{spread:>14}{ratio:>7.2f}{calls:>7.3f}"
            f"{costs[0] * 1e6:>8.0f}{costs[1] * 1e6:>11.0f}   {_done(measured)}"
        )
        by_action = Counter[str]()
        for one in measured:
            by_action.update(one.calls)
        told = ", ".join(f"{action} {count / len(measured):.3f}" for action, count in by_action.most_common())
        print(f"{'':<20}  {told}")


def show_aims(found: dict[str, list[Measured]]) -> None:
    """What funchost is to reach, and what it does."""
    rates = {name: statistics.median(one.rate for one in measured) for name, measured in found.items()}
    ours = found["funchost"]
    ratio = statistics.median(
        one.rate / other.rate for one, other in zip(ours, found[YARDSTICK], strict=True)
    )
    calls = statistics.median(sum(one.calls.values()) for one in ours)
    print(f"funchost: {ratio:.2f} of {YARDSTICK} (aim 0.60), {calls:.3f} calls a message (aim 0.25)")
    celery = [rate for name, rate in rates.items() if name.startswith("celery")]
    if celery:
        print(f"          {rates['funchost'] / max(celery):.1f} times the better celery (aim 4)")


def _done(measured: list[Measured]) -> str:
    twice, missing = sum(one.twice for one in measured), sum(one.missing for one in measured)
    if not twice and not missing:
        return "each ran once"
    return f"{twice} ran twice, {missing} never"


def trickle(seconds: int, folder: Path) -> dict[str, Any]:
    """A message a second for so long, then as long nothing: calls a message, and calls an hour when idle.

    The latter are for a server of one's own, where a poll lasts 2 s; at AWS it lasts 10 s.
    """
    contender = funchost_contender(folder / "app")
    with tempfile.NamedTemporaryFile() as file, serving("stub") as server:
        server.tally("shut")
        with at_work(contender, server, Path(file.name)) as process:
            server.tally("open")
            for _ in range(seconds):
                fill_plainly(server.url, 1)
                time.sleep(1.0)
            busy = server.wait_for("deleted", seconds, process)
            before, began = cpu_seconds(process), time.monotonic()
            time.sleep(seconds)
            idle = server.tally()
            idle_cpu = (cpu_seconds(process) - before) / (time.monotonic() - began)
    ours = ("ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch")
    calls = {action: busy["calls"].get(action, 0) / seconds for action in ours}
    polls = sum(idle["calls"].get(action, 0) - busy["calls"].get(action, 0) for action in ours)
    return {"calls": calls, "idle_calls_an_hour": polls / seconds * 3600, "idle_cpu": idle_cpu}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="A backlog on SQS, worked off by each contender in turn.")
    parser.add_argument("--messages", type=int, default=2000, help="a multiple of ten")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--server", choices=("stub", "emulator"), help="one of them; both by default")
    parser.add_argument(
        "--latency", type=float, default=0.0, help="milliseconds by which the stub answers late"
    )
    parser.add_argument("--trickle", type=int, metavar="SECONDS", help="a message a second instead")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all figures there")
    options = parser.parse_args()
    if options.messages % 10:
        parser.error("--messages: a multiple of ten")
    # A benchmark that is ended takes its servers along.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    result: dict[str, Any] = {"cores": os.cpu_count(), "messages": options.messages}
    with tempfile.TemporaryDirectory() as folder:
        if options.trickle:
            result = trickle(options.trickle, Path(folder))
            print(json.dumps(result, indent=4))
        for kind in () if options.trickle else [options.server] if options.server else ("stub", "emulator"):
            found = compare(kind, options.latency, options.messages, options.rounds, Path(folder))
            print(
                f"\n{kind}: {options.messages} messages, medians of {options.rounds} rounds, a message each"
            )
            show(found)
            show_aims(found)
            result[kind] = {name: [asdict(one) for one in each] for name, each in found.items()}
    if options.json:
        options.json.write_text(json.dumps(result, indent=4))


if __name__ == "__main__":
    main()
