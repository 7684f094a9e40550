"""What `func.HttpRequest` and `func.HttpResponse` cost the worker, beside the same function with plain types.

Three functions that do nothing are called in turn, over 32 connections: `req: bytes` that returns text,
`req: func.HttpRequest` that returns text, and `req: func.HttpRequest` that returns a `func.HttpResponse` with a
header. The figure is the CPU time (user and system) of the worker process for one request.

    python benchmarks/azure_request.py [--rounds 7] [--seconds 1]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

import psutil
from quick import HTTP_JSON, funchost, http_rate, port_of, running

PLAIN = "async def main(req: bytes) -> str:\n    return 'ok'\n"
REQUEST = (
    "import azure.functions as func\n\n\nasync def main(req: func.HttpRequest) -> str:\n    return 'ok'\n"
)
RESPONSE = """\
import azure.functions as func


async def main(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse('ok', headers={'x-name': req.params.get('name', '')})
"""
FUNCTIONS = {"plain": PLAIN, "request": REQUEST, "response": RESPONSE}


def write_app(root: Path) -> None:
    """The three functions."""
    for name, code in FUNCTIONS.items():
        (root / name).mkdir(parents=True)
        (root / name / "function.json").write_text(HTTP_JSON)
        (root / name / "__init__.py").write_text(code)
    (root / "host.json").write_text('{"version": "2.0"}')


def measure(root: Path, rounds: int, seconds: float) -> dict[str, float]:
    """Microseconds of the worker for a request of each function; medians."""
    costs: dict[str, list[float]] = {name: [] for name in FUNCTIONS}
    with running(*funchost(root, "--port", "0")) as (host, _):
        port = port_of(root)
        [worker] = host.children()
        for name in FUNCTIONS:
            http_rate(port, f"/api/{name}", 0.5)
        for _ in range(rounds):
            for name, cost in costs.items():
                before = _cpu(worker)
                rate = http_rate(port, f"/api/{name}", seconds)
                cost.append((_cpu(worker) - before) / (rate * seconds) * 1e6)
    return {name: statistics.median(cost) for name, cost in costs.items()}


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What azure.functions costs for one HTTP request.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of load for each function and round")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_app(root)
        costs = measure(root, options.rounds, options.seconds)
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, medians of {options.rounds} rounds")
    for name, cost in costs.items():
        more = f"   {cost - costs['plain']:+6.1f} µs (aim: at most 60)" if name != "plain" else ""
        print(f"{name:<9} {cost:>6.1f} µs of the worker a request{more}")


if __name__ == "__main__":
    main()
