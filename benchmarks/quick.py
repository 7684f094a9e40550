"""Two figures of this machine, each measured beside its yardstick in the same run.

HTTP: requests/s of a function that does nothing, through host and worker, against bare aiohttp on uvloop.
Queue: messages/s of a function that does nothing, on the durable embedded store, and CPU time per message.

    python benchmarks/quick.py [--rounds 7] [--seconds 1] [--messages 20000] [--json]

Needs nothing but the package itself. All traffic stays on this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

#: Connections that each HTTP contender is called on at a time.
CONNECTIONS = 32

HTTP_JSON = """{"bindings": [
    {"type": "httpTrigger", "name": "req", "authLevel": "anonymous"}, {"type": "http", "direction": "out", "name": "$return"}]}"""
QUEUE_JSON = """{"bindings": [{"type": "queueTrigger", "name": "msg", "queueName": "work",
    "batchSize": 32, "newBatchThreshold": 192}]}"""

BARE = textwrap.dedent(
    """
    import sys
    import uvloop
    from aiohttp import web

    async def handle(request):
        return web.Response(text="ok")

    async def main():
        runner = web.ServerRunner(web.Server(handle))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", int(sys.argv[1]))
        await site.start()
        print("Listening", flush=True)
        import asyncio
        await asyncio.Event().wait()

    uvloop.run(main())
    """
)


def write_app(root: Path) -> None:
    """Two functions that do nothing."""
    for name, config, code in (
        ("noop", HTTP_JSON, "async def main(req: bytes) -> str:\n    return 'ok'\n"),
        ("drain", QUEUE_JSON, "def main(msg: str) -> None:\n    pass\n"),
    ):
        (root / name).mkdir(parents=True)
        (root / name / "function.json").write_text(config)
        (root / name / "__init__.py").write_text(code)
    (root / "host.json").write_text('{"version": "2.0"}')


@contextlib.contextmanager
def running(*command: str) -> Iterator[tuple[psutil.Process, str]]:
    """A server process and the line with which it says that it listens."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if "Listening" in line:
                break
        else:
            raise SystemExit(f"{command[0]} ended before it listened.")
        yield psutil.Process(process.pid), line
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


def funchost(root: Path, *arguments: str) -> tuple[str, ...]:
    """The command that serves `root`."""
    return (sys.executable, "-P", "-m", "funchost", "start", "--root", str(root), "--no-watch", *arguments)


def cpu_seconds(process: psutil.Process) -> float:
    """User and system time of a process and its children so far."""
    family = [process, *process.children(recursive=True)]
    times = [member.cpu_times() for member in family]
    return sum(each.user + each.system for each in times)


# -- HTTP


async def load(port: int, path: str, seconds: float) -> float:
    """Requests/s of `CONNECTIONS` clients, each sending its next request when the last is answered."""
    loop = asyncio.get_running_loop()
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    clients = [
        (await loop.create_connection(lambda: Client(request), "127.0.0.1", port))[1]
        for _ in range(CONNECTIONS)
    ]
    await asyncio.sleep(seconds)
    return sum(client.stop() for client in clients) / seconds


class Client(asyncio.Protocol):
    """One connection. It reads no more of a response than it must, so that the load takes little of the machine."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._answered = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Send the next request; both contenders answer in one piece."""
        if not data.startswith(b"HTTP/1.1 200") or not data.endswith(b"ok"):
            raise SystemExit(f"Not answered as expected: {data!r}")
        self._answered += 1
        self._transport.write(self._request)

    def stop(self) -> int:
        """How many requests were answered."""
        self._transport.abort()
        return self._answered


def http_rate(port: int, path: str, seconds: float) -> float:
    """`load` in a process of its own, so that its work is not counted as the server's loop."""
    script = f"import uvloop, quick; print(uvloop.run(quick.load({port}, {path!r}, {seconds})))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return float(done.stdout)


def measure_http(root: Path, rounds: int, seconds: float) -> dict[str, float]:
    """Both contenders in turn; medians."""
    port = _free_port()
    bare, ours = [], []
    with running(sys.executable, "-c", BARE, str(port)), running(*funchost(root, "--port", "0")):
        our_port = port_of(root)
        for path, at in (("/", port), ("/api/noop", our_port)):
            http_rate(at, path, 0.5)
        for _ in range(rounds):
            bare.append(http_rate(port, "/", seconds))
            ours.append(http_rate(our_port, "/api/noop", seconds))
    return {
        "bare": statistics.median(bare),
        "funchost": statistics.median(ours),
        "ratio": statistics.median(own / other for own, other in zip(ours, bare, strict=True)),
    }


# -- queue


class Samples(NamedTuple):
    """Messages/s and CPU seconds a message, round by round."""

    rates: list[float]
    costs: list[float]


def drain(root: Path, messages: int, samples: Samples) -> None:
    """One round. `messages` wait before the host starts; the clock runs from its first look at them until none is
    left."""
    shutil.rmtree(root / ".funchost", ignore_errors=True)
    asyncio.run(_fill(root, messages))
    with running(*funchost(root, "--port", "0", "--functions", "drain")) as (process, _line):
        # The host and its worker have started: what they use from here on is for the messages.
        before, began = cpu_seconds(process), time.perf_counter()
        left_at_first = left = asyncio.run(_left(root))
        while left:
            time.sleep(0.05)
            left = asyncio.run(_left(root))
        took = time.perf_counter() - began
        samples.costs.append((cpu_seconds(process) - before) / left_at_first)
        samples.rates.append(left_at_first / took)


def measure_queue(root: Path, rounds: int, messages: int) -> dict[str, float]:
    """Medians of several rounds."""
    samples = Samples([], [])
    for _ in range(rounds):
        drain(root, messages, samples)
    return {
        "rate": statistics.median(samples.rates),
        "cpu_microseconds": statistics.median(samples.costs) * 1e6,
    }


async def _fill(root: Path, messages: int) -> None:
    from funchost.bindings.embedded_queue import EmbeddedQueues
    from funchost.bindings.queue import OutgoingMessage
    from funchost.bindings.store import Store

    store = Store(root / ".funchost")
    queues = EmbeddedQueues(store, "benchmark")
    for start in range(0, messages, 1000):
        batch = [OutgoingMessage(queue="work", body=b"%d" % number) for number in range(start, start + 1000)]
        await queues.send(batch)
    await store.close()


async def _left(root: Path) -> int:
    import sqlite3

    with contextlib.closing(sqlite3.connect(root / ".funchost" / "store.db")) as connection:
        count: int = connection.execute("SELECT count(*) FROM messages WHERE queue = 'work'").fetchone()[0]
    return count


def port_of(root: Path) -> int:
    """The port of the host that serves `root`."""
    runtime = json.loads((root / ".funchost" / "runtime.json").read_text())
    return int(runtime["url"].rpartition(":")[2])


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="HTTP and queue, each beside its yardstick.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of load for each contender and round")
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_app(root)
        http = measure_http(root, options.rounds, options.seconds)
        queue = measure_queue(root, options.rounds, options.messages)
    if options.json:
        print(json.dumps({"http": http, "queue": queue, "cores": os.cpu_count()}))
        return
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, medians of {options.rounds} rounds")
    print(f"HTTP    bare aiohttp + uvloop     {http['bare']:>9,.0f} requests/s")
    print(
        f"        no-op function, funchost  {http['funchost']:>9,.0f} requests/s   ratio {http['ratio']:.2f} (aim 0.60)"
    )
    print(f"Queue   no-op function, durable   {queue['rate']:>9,.0f} messages/s   (aim 12,000)")
    print(f"        CPU, host and worker      {queue['cpu_microseconds']:>9.1f} µs a message (aim 100)")


if __name__ == "__main__":
    main()
