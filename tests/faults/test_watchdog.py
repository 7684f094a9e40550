"""Listeners whose loop hangs, and workers that do not answer: told, shown, and replaced without a person."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest
from e2e.apps import App, http_trigger, queue_trigger, request, states, until, workers
from e2e.running import RunningHost, funchost
from faults.constants import with_constants
from faults.injection import Faults
from faults.ledger import Ledger, add_work

pytestmark = pytest.mark.e2e

#: A poll hangs after two seconds, and it is looked several times in each.
_SOON = {
    "funchost.triggers.queue_listener.LONGEST_POLL": "2.0",
    "funchost.host.watchdog.INTERVAL": "0.3",
    "funchost.host.watchdog.STOP_LIMIT": "0.3",
    "funchost.host.watchdog.PAUSES": "(0.5,)",
}


def test_a_poll_that_hangs_is_told_and_shown_and_its_listener_made_anew(tmp_path: Path) -> None:
    app = App(tmp_path)
    faults = Faults(tmp_path)
    ledger = Ledger(app)
    add_work(app)
    add_work(app, name="other", queue="others")
    app.add("fine", "def main(req: str) -> str:\n    return 'fine'\n", http_trigger("fine"))
    # The first poll takes two messages and does not come back: until it does they are in flight.
    ledger.send("a", "b")
    lost = faults.on("queues.receive", "hang", when="after", times=1, about="'jobs'")
    with RunningHost(app.root, env={**faults.env, **with_constants(tmp_path, _SOON)}) as host:
        lost.wait_until_struck()
        said = host.wait_for(
            re.compile(r"work: (reading the queue 'jobs' hangs; its listener was made anew .*)\.")
        )
        host.wait_for("The listener of work goes on again.")
        until(lambda: states(host)["work"] == "listening", 15, lambda: host.log)
        ledger.send("c")
        until(lambda: ledger.tally().done == 1, 15, lambda: f"{ledger.tally()} {host.log}")
        assert ledger.check().in_flight == 2
        lost.off()
        # What the old one has got in the end it gives back.
        ledger.wait_until_settled()
        assert ledger.check().done == 3
        assert "other: " not in host.log, said
        assert "Traceback" not in host.log


def test_a_queue_whose_polls_all_hang_is_shown_for_as_long_as_they_do_and_holds_up_no_stop(
    tmp_path: Path,
) -> None:
    app = App(tmp_path)
    faults = Faults(tmp_path)
    ledger = Ledger(app)
    add_work(app)
    app.add("fine", "def main(req: str) -> str:\n    return 'fine'\n", http_trigger("fine"))
    with RunningHost(app.root, env={**faults.env, **with_constants(tmp_path, _SOON)}) as host:
        faults.on("queues.receive", "hang")
        ledger.send("a")
        host.wait_for("its listener was made anew (2 times)")
        shown = states(host)["work"]
        assert shown.startswith("failing: reading the queue 'jobs' hangs; its listener was made anew (")
        assert "work" in json.loads(request(host, "/admin/host/status")[1])["waiting"]
        assert b"reading the queue 'jobs' hangs" in funchost("list", "--root", app.root).stdout
        assert request(host, "/api/fine") == (200, "fine")
        began = time.monotonic()
        assert host.stop() == 0
        assert time.monotonic() - began < 8
    faults.off()
    with RunningHost(app.root):
        ledger.wait_until_settled(15)
    assert ledger.check().done == 1


# -- workers

#: A worker is given up after less than a second without an answer.
_QUICK = {"funchost.host.workers.heartbeat.INTERVAL": "0.2"}


def test_a_worker_that_is_stopped_is_replaced_and_what_ran_in_it_is_run_again(tmp_path: Path) -> None:
    app = App(tmp_path)
    ledger = Ledger(app)
    add_work(app, "while not os.path.exists('gate'): time.sleep(0.01)")
    with RunningHost(app.root, env=with_constants(tmp_path, _QUICK)) as host:
        ledger.send("a", "b")
        app.wait_for_lines(2, "start")
        [pid] = workers(host)
        os.kill(pid, signal.SIGSTOP)
        said = host.wait_for(re.compile(r"Worker \d+ is gone: (its process was stopped by a signal, .*)"))
        assert "A new one is being started" in said[1]
        app.write("gate", "")
        ledger.wait_until_settled()
        until(lambda: workers(host) not in ([], [pid]), 15)
    tally = ledger.check()
    assert (tally.done, tally.poison) == (2, 0)
    # Neither is to blame for it: no delivery is used up.
    assert set(app.ledger("start a")) == {"1"}


def test_a_coroutine_that_blocks_its_worker_is_told_of_and_left_alone(tmp_path: Path) -> None:
    app = App(tmp_path)
    code = """
        import os, time
        from ledger import note

        async def main(job: str) -> None:
            note("start", job)
            while not os.path.exists("gate"):
                time.sleep(0.01)
            note("end", job)
    """
    app.add("work", code, queue_trigger())
    with RunningHost(app.root, env=with_constants(tmp_path, _QUICK)) as host:
        [pid] = workers(host)
        app.send("jobs", "a")
        host.wait_for(f"Worker {pid} has not answered for 0.6 s: a function holds it up")
        app.write("gate", "")
        app.wait_for_lines(1, "end")
        app.wait_until_empty("jobs")
        assert workers(host) == [pid]
    assert app.ledger("start") == ["a"]
