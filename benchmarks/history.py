"""How long lists and searches take over many runs: ``python benchmarks/history.py [--rows 1000000] [--store FOLDER]``.

Makes that many runs in a store of its own (in FOLDER, which is kept and used again, or in a temporary one) and
prints the median of some repetitions for each kind of list, in milliseconds, and what a recorded run costs.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from funchost.bindings.clock import new_id, new_run_id
from funchost.bindings.embedded_history import CHUNK, EmbeddedHistory
from funchost.bindings.history import Kept, RunFilter, RunRecord, RunState
from funchost.bindings.store import Store

FUNCTIONS = [f"Function{n}" for n in range(20)]
START = datetime(2026, 1, 1, tzinfo=UTC)
BATCH = 500
REPETITIONS = 9


def runs(count: int) -> Iterator[RunRecord]:
    """Runs a tenth of a second apart: one in a hundred failed, one in ten has a parent."""
    chance = random.Random(6)
    parent = None
    for n in range(count):
        started = START + timedelta(seconds=n / 10)
        failed = chance.random() < 0.01
        body = b'{"order": %d, "customer": "customer%d"}' % (n, chance.randrange(1000))
        yield RunRecord(
            id=new_run_id(started),
            function=chance.choice(FUNCTIONS),
            trigger="queueTrigger",
            state=RunState.FAILED if failed else RunState.SUCCEEDED,
            host="0123abcd-0000-4000-a000-000000000000",
            worker=4711,
            origin="orders",
            message=new_id(),
            queued=started,
            started=started,
            ended=started + timedelta(milliseconds=3),
            dequeue_count=1,
            parent=parent if n % 10 == 0 else None,
            trace_id=f"{chance.getrandbits(128):032x}",
            error_type="ValueError" if failed else None,
            error_message="the price is missing" if failed else None,
            input=Kept("json", body, len(body)),
        )
        if n % 1000 == 0:
            parent = new_run_id(started)


async def fill(store: Store, history: EmbeddedHistory, count: int) -> None:
    """Write the runs, and index them; says what a run cost."""
    spent, batch = 0.0, []
    for number, run in enumerate(runs(count), 1):
        batch.append(run)
        if len(batch) == BATCH or number == count:
            began = time.perf_counter()
            await history.record(batch)
            spent += time.perf_counter() - began
            batch = []
    print(f"recorded: {spent / count * 1e6:.1f} µs a run, in transactions of {BATCH}", flush=True)
    began = time.perf_counter()
    await history.unfold()
    print(f"made into rows: {(time.perf_counter() - began) / count * 1e6:.1f} µs a run", flush=True)
    began = time.perf_counter()
    while await history.index(CHUNK):
        pass
    print(f"indexed: {(time.perf_counter() - began) / count * 1e6:.1f} µs a run", flush=True)
    print(f"store: {store.path.stat().st_size / count:.0f} bytes a run", flush=True)


async def median(step: Callable[[], Awaitable[object]]) -> float:
    """Milliseconds of the step, in the middle of some repetitions."""
    times = []
    for _ in range(REPETITIONS):
        began = time.perf_counter()
        await step()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


async def measure(history: EmbeddedHistory, count: int) -> None:
    """Print a line for each kind of list."""
    middle = START + timedelta(seconds=count / 20)
    (some,) = await history.list(RunFilter(until=middle), 1)
    (child,) = await history.list(RunFilter(parent=await _a_parent(history)), 1)
    failed = (RunState.FAILED,)
    kinds: dict[str, RunFilter] = {
        "all": RunFilter(),
        "function": RunFilter(functions=("function7",)),
        "state": RunFilter(states=failed),
        "state that no run has": RunFilter(states=(RunState.ABANDONED,)),
        "function and state": RunFilter(functions=("Function7",), states=failed),
        "since and until": RunFilter(since=middle, until=middle + timedelta(hours=1)),
        "function, state, until": RunFilter(functions=("Function7",), states=failed, until=middle),
        "parent": RunFilter(parent=child.parent),
        "parent and state": RunFilter(parent=child.parent, states=(RunState.SUCCEEDED,)),
        "message": RunFilter(message=some.message),
        "trace": RunFilter(trace_id=some.trace_id),
        "search, one run": RunFilter(search=f"order {count // 2}"),
        "search, a thousandth": RunFilter(search="customer7"),
        "search, a hundredth": RunFilter(search="price missing"),
        "search, all": RunFilter(search="order"),
        "search, function, state": RunFilter(search="price", functions=("Function7",), states=failed),
    }
    for name, wanted in kinds.items():
        found = len(await history.list(wanted, 50))
        last = await median(lambda wanted=wanted: history.list(wanted, 50))  # type: ignore[misc]
        deep = await median(lambda wanted=wanted: history.list(wanted, 50, some.id))  # type: ignore[misc]
        print(
            f"{name:25} {found:3} runs: first page {last:7.2f} ms, from the middle {deep:7.2f} ms", flush=True
        )
    print(f"count of all: {await median(lambda: history.count(RunFilter())):.1f} ms")
    print(f"count of a function: {await median(lambda: history.count(kinds['function'])):.1f} ms")


async def _a_parent(history: EmbeddedHistory) -> str:
    for run in await history.list(RunFilter(), 200):
        if run.parent:
            return run.parent
    raise SystemExit("Too few runs to measure: make at least 1000.")


async def main(folder: Path, count: int) -> None:
    store = Store(folder)
    history = EmbeddedHistory(store, content_folder=folder / "runs")
    known = await history.count(RunFilter())
    if known == 0:
        await fill(store, history, count)
    print(f"{known or count} runs", flush=True)
    await measure(history, known or count)
    await store.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--store", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        asyncio.run(main(given.store or Path(temporary) / "store", given.rows))
