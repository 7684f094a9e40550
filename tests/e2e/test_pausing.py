"""Queues and functions that somebody has paused or disabled: for all hosts of the app, over restarts, and at once."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from e2e.apps import App, http_trigger, queue_trigger, request, states, until
from e2e.asked import at_terminal
from e2e.emulated import emulator_of
from e2e.running import DEADLINE, RunningHost, funchost
from faults.clock import HostClock
from faults.constants import with_constants

pytestmark = pytest.mark.e2e

#: Waits for a file, then fails for what is bad.
WORK = """
import os, time
from ledger import note

def main(job: str):
    note("began", job)
    while job.startswith("slow") and not os.path.exists(os.path.join(os.path.dirname(__file__), "..", "gate")):
        time.sleep(0.01)
    if "bad" in job:
        raise ValueError(job)
    note("done", job)
"""

ASK = "def main(req):\n    return 'hello'\n"

TICK = "from ledger import note\ndef main(timer: dict):\n    note('tick', timer['IsPastDue'])\n"


@pytest.fixture
def app(tmp_path: Path) -> App:
    app = App(tmp_path / "app")
    app.add("Work", WORK, queue_trigger(maxDequeueCount=1))
    app.add("Other", WORK, queue_trigger("others"))
    app.add("Ask", ASK, http_trigger("ask"), {"type": "http", "name": "$return", "direction": "out"})
    return app


def told(app: App, *command: str) -> tuple[int, str]:
    done = funchost(*command, "--root", app.root)
    return done.returncode, done.stderr.decode()


def document(app: App, *command: str) -> Any:
    done: subprocess.CompletedProcess[bytes] = funchost(*command, "--json", "--root", app.root)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def wait_for_state(host: RunningHost, function: str, beginning: str) -> str:
    until(lambda: states(host)[function].startswith(beginning), DEADLINE, lambda: states(host)[function])
    return states(host)[function]


# -- queues


def test_nobody_takes_from_a_paused_queue_over_restarts_until_it_is_resumed(app: App) -> None:
    # No host was ever there, and no message.
    assert told(app, "queues", "pause", "jobs")[1].endswith("\nPaused: jobs.\n")
    assert told(app, "queues", "pause", "jobs")[1].endswith("\njobs is paused already.\n")
    app.send("jobs", "1", "2")
    for _ in range(2):
        with RunningHost(app.root) as host, RunningHost(app.root) as second:
            for each in (host, second):
                assert wait_for_state(each, "Work", "paused").startswith("paused: queue jobs (since ")
            app.send("others", "x")
            app.wait_for_lines(1, "done x")
            assert app.ledger("began", "1") == app.ledger("began", "2") == []
    listed = {queue["queue"]: queue for queue in document(app, "queues", "list")}
    assert listed["jobs"]["paused"]["by"].startswith("cli:")
    assert (listed["others"]["paused"], listed["jobs"]["visible"]) == (None, 2)
    assert listed["others"]["receivedPerSecond"] == listed["others"]["completedPerSecond"] > 0
    with RunningHost(app.root):
        assert told(app, "queues", "resume", "jobs") == (0, "Resumed: jobs.\n")
        app.wait_for_lines(1, "done 1")
        app.wait_for_lines(1, "done 2")
    assert told(app, "queues", "resume", "jobs") == (0, "jobs is not paused.\n")


def test_what_is_in_flight_when_its_queue_is_paused_ends_as_it_would(app: App) -> None:
    with RunningHost(app.root) as host:
        app.send("jobs", "slow bad", "slow good")
        app.wait_for_lines(2, "began slow")
        told(app, "queues", "pause", "jobs")
        wait_for_state(host, "Work", "paused")
        app.send("jobs", "next")
        app.write("gate", "")
        app.wait_for_lines(1, "done slow good")
        app.wait_for_poison("jobs")
        assert [message.body for message in app.peek("jobs")] == [b"next"]
        told(app, "queues", "resume", "jobs")
        app.wait_for_lines(1, "done next")


def test_a_queue_is_cleared_but_for_what_is_in_flight(app: App) -> None:
    with RunningHost(app.root) as host:
        app.send("jobs", "slow 1")
        app.wait_for_lines(1, "began slow")
        told(app, "queues", "pause", "jobs")
        wait_for_state(host, "Work", "paused")
        app.send("jobs", "2", "3")
        funchost("queues", "send", "jobs", "4", "--delay", "1h", "--root", app.root)
        code, said = told(app, "queues", "clear", "jobs")
        assert (code, "3 messages of jobs, beside 1 in flight" in said) == (2, True)
        code, said = at_terminal("queues", "clear", "jobs", "--root", app.root, typed="y\n")
        assert (code, "Deleted 3 messages of jobs." in said) == (0, True), said
        app.write("gate", "")
        app.wait_for_lines(1, "done slow 1")
        app.wait_until_empty("jobs")
    assert told(app, "queues", "clear", "jobs") == (0, "Deleted 0 messages of jobs.\n")
    assert told(app, "queues", "clear", "none")[0] == 5


def test_wrong_queues_are_told(app: App) -> None:
    assert told(app, "queues", "pause", "azure-webjobs-blobtrigger-x")[0] == 2
    assert told(app, "queues", "pause", "No Queue")[0] == 2
    assert told(app, "queues", "clear", "jobs", "--yes")[0] == 5
    assert document(app, "queues", "list") == []


# -- functions


def test_paused_functions_take_nothing_and_callers_are_told_but_a_run_by_hand_works(app: App) -> None:
    with RunningHost(app.root) as host:
        assert request(host, "/api/ask") == (200, "hello")
        assert told(app, "functions", "pause", "work", "Ask") == (0, "Paused: Work, Ask.\n")
        wait_for_state(host, "Work", "paused (since ")
        wait_for_state(host, "Ask", "paused (since ")
        assert request(host, "/api/ask") == (503, "This function is paused.")
        app.send("jobs", "waits")
        assert told(app, "run", "Work", "--data", "by hand")[0] == 0
        assert app.ledger("done") == ["by hand"]
        app.write("Ask/__init__.py", ASK.replace("hello", "reloaded"))
        host.wait_for("eloaded")
        assert request(host, "/api/ask")[0] == 503
        assert states(host)["Work"].startswith("paused")
    listed = {one["name"]: one for one in document(app, "functions", "list")}
    assert (listed["Work"]["disabled"], listed["Other"]["paused"]) == (False, None)
    assert listed["Work"]["paused"]["by"].startswith("cli:")
    with RunningHost(app.root) as host:
        assert request(host, "/api/ask")[0] == 503
        assert told(app, "functions", "resume", "--all", "--yes")[0] == 0
        app.wait_for_lines(1, "done waits")
        until(lambda: request(host, "/api/ask")[0] == 200, DEADLINE)


def test_a_pause_outlasts_a_drain_and_being_offline(app: App) -> None:
    with RunningHost(app.root) as host:
        told(app, "functions", "pause", "Work")
        wait_for_state(host, "Work", "paused")
        assert request(host, "/admin/host/drain", method="POST")[0] == 202
        assert request(host, "/admin/host/resume", method="POST")[0] == 200
        app.write("app_offline.htm", "away")
        until(lambda: request(host, "/api/ask")[0] == 503, DEADLINE)
        (app.root / "app_offline.htm").unlink()
        until(lambda: request(host, "/api/ask")[0] == 200, DEADLINE)
        app.send("jobs", "1")
        app.send("others", "x")
        app.wait_for_lines(1, "done x")
        assert states(host)["Work"].startswith("paused")
        assert app.ledger("began", "1") == []


def test_a_function_is_disabled_and_enabled_against_its_definition(app: App) -> None:
    definition = json.loads((app.root / "Other/function.json").read_text())
    app.write("Other/function.json", json.dumps({**definition, "disabled": True}))
    with RunningHost(app.root) as host:
        assert states(host)["Other"] == "disabled"
        assert told(app, "functions", "enable", "Other") == (0, "Enabled: Other.\n")
        assert told(app, "functions", "disable", "Work", "Ask") == (0, "Disabled: Work, Ask.\n")
        assert told(app, "functions", "disable", "Work") == (0, "Nothing to do for: Work.\n")
        wait_for_state(host, "Other", "listening")
        wait_for_state(host, "Work", "disabled (since ")
        until(lambda: request(host, "/api/ask")[0] == 404, DEADLINE)
        app.send("jobs", "1")
        app.send("others", "x")
        app.wait_for_lines(1, "done x")
        assert app.ledger("began", "1") == []
    with RunningHost(app.root) as host:
        assert (states(host)["Other"], request(host, "/api/ask")[0]) == ("listening", 404)
        told(app, "functions", "enable", "Work", "Ask")
        told(app, "functions", "disable", "Other")
        app.wait_for_lines(1, "done 1")
        assert wait_for_state(host, "Other", "disabled") == "disabled"
        until(lambda: request(host, "/api/ask")[0] == 200, DEADLINE)


def test_a_timer_makes_up_once_for_what_fell_due_while_it_was_paused(app: App, tmp_path: Path) -> None:
    clock = HostClock(tmp_path)
    app.add("Tick", TICK, {"type": "timerTrigger", "name": "timer", "schedule": "0 0 0 * * *"})
    with RunningHost(app.root, env=clock.env) as host:
        wait_for_state(host, "Tick", "listening, next run")
        told(app, "functions", "pause", "Tick")
        wait_for_state(host, "Tick", "paused")
        clock.step(days=3)
        app.send("others", "x")
        app.wait_for_lines(1, "done x")
        assert app.ledger("tick") == []
        told(app, "functions", "resume", "Tick")
        app.wait_for_lines(1, "tick")
        wait_for_state(host, "Tick", "listening, next run")
    assert app.ledger("tick") == ["True"]


def test_wrong_names_and_no_names_are_told(app: App) -> None:
    assert told(app, "functions", "pause")[0] == 2
    assert told(app, "functions", "pause", "Work", "--all")[0] == 2
    code, said = told(app, "functions", "pause", "Wrok")
    assert (code, "Did you mean Work?" in said) == (5, True)
    code, said = told(app, "functions", "pause", "--all")
    assert (code, "3 functions to be paused: Ask, Other, Work" in said) == (2, True)
    app.write("function_app.py", "this is no python")
    for name in ("Work", "Other", "Ask"):
        (app.root / name / "function.json").unlink()
    assert told(app, "functions", "pause", "Work")[0] == 3


def test_on_aws_the_switches_are_shared_in_its_storage(app: App, tmp_path: Path) -> None:
    soon = with_constants(tmp_path, {"funchost.bindings.aws.s3_state.WATCH_INTERVAL": "0.2"})
    with RunningHost(app.root, "--emulator", "aws", env=soon) as host:
        aws = emulator_of(host)
        assert told(app, "queues", "pause", "jobs") == (0, "Paused: jobs.\n")
        assert told(app, "functions", "pause", "Ask") == (0, "Paused: Ask.\n")
        wait_for_state(host, "Work", "paused: queue jobs")
        wait_for_state(host, "Ask", "paused")
        aws.send("jobs", "1")
        aws.send("others", "x")
        app.wait_for_lines(1, "done x")
        assert app.ledger("began", "1") == []
        assert request(host, "/api/ask")[0] == 503
        told(app, "queues", "resume", "jobs")
        app.wait_for_lines(1, "done 1")
