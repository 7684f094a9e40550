"""What it costs to record runs: throughput and CPU time with the history on, against the same without, in turn.

    python benchmarks/history_cost.py [--rounds 5] [--seconds 1] [--messages 20000] [--json]

The functions do nothing, so this is the highest price there is. Needs nothing but the package itself.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

import quick

MODES = ("all", "none")


def write_apps(folder: Path) -> dict[str, Path]:
    """The same app twice, with and without a history."""
    roots = {mode: folder / mode for mode in MODES}
    for mode, root in roots.items():
        root.mkdir()
        quick.write_app(root)
        host = {"version": "2.0", "history": {"record": mode}}
        (root / "host.json").write_text(json.dumps(host))
    return roots


def measure_queue(roots: dict[str, Path], rounds: int, messages: int) -> dict[str, dict[str, list[float]]]:
    """Messages/s and CPU microseconds a message of each mode, round by round."""
    found = {mode: quick.Samples([], []) for mode in MODES}
    for _ in range(rounds):
        for mode, root in roots.items():
            quick.drain(root, messages, found[mode])
    return {
        mode: {"rate": one.rates, "cpu": [each * 1e6 for each in one.costs]} for mode, one in found.items()
    }


def measure_http(roots: dict[str, Path], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Requests/s of each mode, round by round."""
    rates: dict[str, list[float]] = {mode: [] for mode in MODES}
    with (
        quick.running(*quick.funchost(roots["all"], "--port", "0")),
        quick.running(*quick.funchost(roots["none"], "--port", "0")),
    ):
        ports = {mode: quick.port_of(root) for mode, root in roots.items()}
        for port in ports.values():
            quick.http_rate(port, "/api/noop", 0.5)
        for _ in range(rounds):
            for mode, port in ports.items():
                rates[mode].append(quick.http_rate(port, "/api/noop", seconds))
    return rates


def ratio(ours: dict[str, list[float]]) -> float:
    """The median of what is left of the rate, round by round."""
    return statistics.median(on / off for on, off in zip(ours["all"], ours["none"], strict=True))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="The cost of recording runs.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of HTTP load for each mode and round")
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        roots = write_apps(Path(folder))
        http = measure_http(roots, options.rounds, options.seconds)
        queue = measure_queue(roots, options.rounds, options.messages)
    if options.json:
        print(json.dumps({"http": http, "queue": queue}))
        return
    queue_rates = {mode: queue[mode]["rate"] for mode in MODES}
    print(f"Python {sys.version.split()[0]}, medians of {options.rounds} rounds: all runs recorded / none")
    for name, rates, unit in (("HTTP ", http, "requests"), ("Queue", queue_rates, "messages")):
        on, off = (statistics.median(rates[mode]) for mode in MODES)
        print(f"{name}  {on:>8,.0f} / {off:>8,.0f} {unit}/s   {ratio(rates):.3f} of the rate (aim 0.90)")
    on, off = (statistics.median(queue[mode]["cpu"]) for mode in MODES)
    print(f"       {on:>8.1f} / {off:>8.1f} µs CPU a message, host and worker")


if __name__ == "__main__":
    main()
