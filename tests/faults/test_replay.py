"""Replays of many runs that are killed in the middle: each run is made once more, and only once."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from e2e.apps import App, until
from e2e.running import COMMAND, DEADLINE, RunningHost, funchost
from faults.ledger import Ledger, add_work
from memory_history import failed, text

from funchost.host.cli.access import opened_workbench
from funchost.host.cli.options import App as Root

pytestmark = pytest.mark.e2e

COUNT = 400


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(tmp_path)


def failed_before(app: App) -> list[str]:
    """Have runs in the history that failed an hour ago; returns the ids of what they were run for."""
    began = datetime.now(UTC) - timedelta(hours=1)
    ids = [f"job{number}" for number in range(COUNT)]
    runs = [
        failed("work", started=began + timedelta(seconds=n), message=f"m{n}", input=text(id_))
        for n, id_ in enumerate(ids)
    ]

    async def record() -> None:
        async with opened_workbench(Root(app.root, None)) as bench:
            await bench.history.record(runs)

    asyncio.run(record())
    return ids


def begun(app: App, *arguments: str) -> subprocess.Popen[bytes]:
    """A replay that is under way, with some of it done."""
    before = _sent(app)
    command = [COMMAND, "runs", "replay", "--root", str(app.root), *arguments]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    until(lambda: _sent(app) >= before + 20 or process.poll() is not None, DEADLINE)
    assert process.poll() is None, process.communicate()
    return process


def _sent(app: App) -> int:
    """Messages that wait, and those whose runs are done."""
    return len(app.peek("jobs")) + len(app.peek("done"))


def batch_of(app: App) -> str:
    [batch] = json.loads(funchost("runs", "replay", "--batches", "--json", "--root", app.root).stdout)
    return str(batch["id"])


def test_a_replay_that_is_killed_again_and_again_loses_nothing_and_repeats_nothing(app: App) -> None:
    add_work(app)
    ids = failed_before(app)
    process = begun(app, "--function", "work", "--since", "2h", "--rate", "300/s", "--yes")
    process.kill()
    process.communicate()
    batch = batch_of(app)
    for _ in range(3):
        process = begun(app, "--resume", batch, "--rate", "300/s")
        process.kill()
        process.communicate()
    done = funchost("runs", "replay", "--resume", batch, "--rate", "100000", "--root", app.root)
    assert done.returncode == 0, done.stderr.decode()

    ledger = Ledger(app)
    with RunningHost(app.root):
        ledger.sent = ids
        ledger.wait_until_settled()
    tally = ledger.check(ids)
    assert (tally.done, tally.repeated) == (COUNT, 0)


def test_a_replay_that_is_interrupted_says_how_to_go_on(app: App) -> None:
    add_work(app)
    ids = failed_before(app)
    process = begun(app, "--since", "2h", "--rate", "100/s", "--yes")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=DEADLINE)
    assert process.returncode == 130
    batch = batch_of(app)
    assert f"--resume {batch}" in said.decode()
    assert funchost("runs", "replay", "--resume", batch, "--rate", "9999", "--root", app.root).returncode == 0
    assert sorted(message.body.decode() for message in app.peek("jobs")) == sorted(ids)


def test_a_host_that_is_killed_while_it_works_off_a_replay_completes_each_run_once(app: App) -> None:
    add_work(app, "time.sleep(0.01)")
    ids = failed_before(app)
    ledger = Ledger(app)
    with RunningHost(app.root) as host:
        process = begun(app, "--since", "2h", "--yes", "--rate", "200")
        host.kill()
        process.kill()
        process.communicate()
    resumed = funchost("runs", "replay", "--resume", batch_of(app), "--rate", "9999", "--root", app.root)
    assert resumed.returncode == 0, resumed.stderr.decode()
    with RunningHost(app.root):
        ledger.sent = ids
        ledger.wait_until_settled()
    assert ledger.check(ids).done == COUNT
