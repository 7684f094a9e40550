"""Timers, blobs, locks and logs from the command line, beside a running host and without one."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from e2e.apps import App, queue_trigger, until
from e2e.running import COMMAND, DEADLINE, RunningHost, funchost

pytestmark = pytest.mark.e2e

TICK = {
    "type": "timerTrigger",
    "name": "t",
    "direction": "in",
    "schedule": "0 0 9 1 1 *",
    "timeZone": "Europe/Berlin",
}
TELL = """
import json, logging
from ledger import note

def main(t):
    note("tick", json.dumps(t.schedule_status), t.past_due)
    logging.warning("ticked")
"""
PICTURE = {"type": "blobTrigger", "name": "blob", "direction": "in", "path": "pics/{name}.png"}
LOOK = """
from ledger import note

def main(blob):
    note("saw", blob.name, blob.read().decode())
"""
WORK = """
import logging, time
from ledger import note

def main(job):
    logging.info("working on %s", job.get_body().decode())
    note("began")
    time.sleep(1.5)
    logging.info("done")
"""


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(tmp_path / "app")


def document(app: App, *arguments: str, data: bytes = b"") -> Any:
    """What a command answers with --json."""
    done = funchost(*arguments, "--json", "--root", app.root, data=data)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def refused(app: App, code: int, *arguments: str) -> str:
    """What a command says that ends with this code."""
    done = funchost(*arguments, "--root", app.root)
    said = done.stdout.decode() + done.stderr.decode()
    assert done.returncode == code, said
    assert "Traceback" not in said
    return said


def audited(app: App, action: str) -> list[tuple[str, dict[str, Any]]]:
    """Target and detail of each such action that was noted."""
    with contextlib.closing(sqlite3.connect(app.store / "store.db")) as store:
        rows = store.execute("SELECT target, detail FROM audit WHERE action = ? ORDER BY id", (action,))
        return [(target, json.loads(detail)) for target, detail in rows]


class Follower:
    """`funchost logs -f`, and what it has printed."""

    def __init__(self, app: App, *arguments: str) -> None:
        command = [COMMAND, "logs", "-f", "--json", "--root", str(app.root), *arguments]
        self._out = (app.root / "followed").open("w+")
        self._process = subprocess.Popen(command, stdout=self._out, stderr=subprocess.STDOUT)

    @property
    def text(self) -> str:
        return (Path(self._out.name)).read_text()

    def wait_for(self, *texts: str) -> None:
        until(lambda: all(text in self.text for text in texts), DEADLINE, lambda: self.text)

    def wait(self) -> int:
        return self._process.wait(DEADLINE)

    def close(self) -> None:
        self._process.kill()
        self._process.wait(DEADLINE)
        self._out.close()


# -- on an empty store


@pytest.mark.parametrize("command", [["timers"], ["timers", "list"], ["blobs", "list"], ["locks", "list"]])
def test_an_empty_store_has_an_empty_list(app: App, command: list[str]) -> None:
    assert document(app, *command) == []
    assert refused(app, 0, *command).startswith("No ")


def test_an_empty_store_has_no_log(app: App) -> None:
    assert "no host has run here" in refused(app, 0, "logs")
    assert not app.store.exists()


# -- timers


def test_a_timer_is_shown_with_its_runs_beside_a_host_and_without(app: App) -> None:
    app.add("tick", TELL, TICK)
    timer = document(app, "timers", "show", "TICK")
    assert (timer["meaning"], timer["lastRun"]) == ("at 09:00, on day 1 of the month, in January", None)
    assert timer["why"] == ["no host runs it now"]
    assert timer["upcoming"][0]["local"].endswith("-01-01T09:00:00+01:00")
    with RunningHost(app.root):
        assert funchost("timers", "run", "tick", "--root", app.root).returncode == 0
        until(lambda: document(app, "timers", "show", "tick")["lastRun"], DEADLINE)
        timer = document(app, "timers", "show", "tick")
        assert (timer["lastRun"]["state"], timer["lastRun"]["lateSeconds"]) == ("succeeded", None)
        assert timer["why"] == []
        assert timer["host"]["alive"] is True
        text = funchost("timers", "show", "tick", "--root", app.root).stdout.decode()
        assert re.search(r"on record succeeded in [\d.]+ m?s, by hand", text)


def test_a_timer_is_run_as_of_another_time_with_a_host_and_without(app: App) -> None:
    app.add("tick", TELL, TICK)
    run = ["timers", "run", "tick", "--at", "2026-01-01T09:00:00+01:00", "--root", str(app.root)]
    assert funchost(*run).returncode == 0
    with RunningHost(app.root):
        assert funchost(*run).returncode == 0
    status = {
        "Last": "2025-01-01T09:00:00+01:00",
        "Next": "2026-01-01T09:00:00+01:00",
        "LastUpdated": "2025-01-01T09:00:00+01:00",
    }
    assert app.wait_for_lines(2, "tick") == 2 * [f"{json.dumps(status)} False"]
    assert audited(app, "timers.run") == 2 * [("tick", {"at": "2026-01-01T08:00:00+00:00"})]


def test_what_a_timer_missed_is_shown(app: App) -> None:
    app.add("tick", TELL, {**TICK, "schedule": "0 * * * * *", "misfire": "skip"})
    with RunningHost(app.root):
        until(lambda: document(app, "timers", "show", "tick")["host"], DEADLINE)
    old = {"Last": "2026-01-01T00:00:00+00:00", "Next": "2026-01-01T00:01:00+00:00"}
    put_state(app, "timer", "tick", {**old, "LastUpdated": old["Last"]})
    with RunningHost(app.root):
        until(lambda: document(app, "timers", "show", "tick")["missed"], DEADLINE)
        missed = document(app, "timers", "show", "tick")["missed"]
        assert (missed["count"], missed["done"]) == (1000, "they were left out")
        text = funchost("timers", "--root", app.root).stdout.decode()
        assert "missed    more than 1000 ticks, 2026-01-01 01:01:00 CET to" in text


def put_state(app: App, scope: str, key: str, value: Any) -> None:
    """Write a value into the app's store, as a process of its own."""
    code = (
        "import asyncio, json, sys\n"
        "from pathlib import Path\n"
        "from funchost.bindings.embedded_queue import EmbeddedQueues\n"
        "from funchost.bindings.embedded_state import EmbeddedState\n"
        "from funchost.bindings.store import Store\n"
        "async def main():\n"
        "    store = Store(Path(sys.argv[1]))\n"
        "    await EmbeddedState(store, EmbeddedQueues(store, 'test')).put(sys.argv[2], sys.argv[3], "
        "json.loads(sys.argv[4]))\n"
        "    await store.close()\n"
        "asyncio.run(main())\n"
    )
    arguments = [sys.executable, "-c", code, str(app.store), scope, key, json.dumps(value)]
    subprocess.run(arguments, check=True, timeout=DEADLINE)


def test_a_timer_that_is_switched_says_so(app: App) -> None:
    app.add("tick", TELL, TICK)
    with RunningHost(app.root):
        assert funchost("functions", "pause", "tick", "--root", app.root).returncode == 0
        assert re.match(r"it is paused \(", document(app, "timers", "show", "tick")["why"][0])
    assert funchost("functions", "disable", "tick", "--root", app.root).returncode == 0
    timer = document(app, "timers", "show", "tick")
    assert timer["disabled"] is True
    assert re.match(r"it is disabled \(", timer["why"][0])


def test_a_timer_that_there_is_not_is_not_found(app: App) -> None:
    app.add("tick", TELL, TICK)
    app.add("work", WORK, queue_trigger())
    for command in ("show", "run"):
        assert "Did you mean tick?" in refused(app, 5, "timers", command, "tock")
        refused(app, 5, "timers", command, "work")
    assert "is no time" in refused(app, 2, "timers", "run", "tick", "--at", "soon")
    app.add("late", TELL, {**TICK, "schedule": "often"})
    assert "'often' is not a schedule" in refused(app, 3, "timers", "show", "late")


# -- blobs


def test_blobs_go_in_and_out_and_functions_run_for_them_again(app: App, tmp_path: Path) -> None:
    app.add("look", LOOK, PICTURE)
    big = bytes(range(256)) * 16 * 1024
    (tmp_path / "big").write_bytes(big)
    with RunningHost(app.root):
        put = document(app, "blobs", "put", "pics/2026/a.png", "--metadata", "who=me", data=b"one")
        assert (put["bytes"], put["contentType"], put["metadata"]) == (3, "image/png", {"who": "me"})
        document(app, "blobs", "put", "pics/big.bin", str(tmp_path / "big"), "--content-type", "x/y")
        assert app.wait_for_lines(1, "saw") == ["pics/2026/a.png one"]

        assert "--yes" in refused(app, 2, "blobs", "reprocess", "pics")
        again = document(app, "blobs", "reprocess", "pics", "--yes")
        assert again == {"functions": [{"function": "look", "blobs": 1, "disabled": False}], "runs": 1}
        app.wait_for_lines(2, "saw")
    said = refused(app, 0, "blobs", "reprocess", "pics/2026", "--function", "look", "-y")
    assert "No host runs here now" in said
    with RunningHost(app.root):
        assert app.wait_for_lines(3, "saw") == 3 * ["pics/2026/a.png one"]

    [container] = document(app, "blobs", "list")
    assert (container["container"], container["blobs"]) == ("pics", 2)
    assert [blob["name"] for blob in document(app, "blobs", "list", "pics/2026/")] == ["2026/a.png"]
    target = tmp_path / "copy"
    for _ in range(2):
        assert funchost("blobs", "get", "pics/big.bin", target, "-y", "--root", app.root).returncode == 0
    assert target.read_bytes() == big
    assert funchost("blobs", "get", "pics/2026/a.png", "--root", app.root).stdout == b"one"
    assert document(app, "blobs", "show", "pics/big.bin")["contentType"] == "x/y"
    refused(app, 0, "blobs", "delete", "pics/big.bin", "--yes")
    refused(app, 5, "blobs", "show", "pics/big.bin")


def test_what_cannot_be_done_with_blobs_is_told(app: App, tmp_path: Path) -> None:
    document(app, "blobs", "put", "pics/a", data=b"1")
    there = tmp_path / "there"
    there.write_text("mine")
    for code, arguments in [
        (2, ["put", "pics/../x"]),
        (2, ["put", "pics"]),
        (2, ["put", "P/x"]),
        (2, ["put", "pics/x", "--metadata", "novalue"]),
        (2, ["put", "pics/x", "--metadata", "a b=c"]),
        (2, ["put", "pics/x", "--content-type", "text"]),
        (1, ["put", "pics/x", str(tmp_path / "missing")]),
        (2, ["get", "pics/a", str(there)]),
        (1, ["get", "pics/a", str(tmp_path / "no" / "folder")]),
        (5, ["get", "pics/b"]),
        (2, ["delete", "pics/a"]),
        (5, ["delete", "pics/b", "--yes"]),
        (5, ["list", "picz"]),
        (2, ["list", "pics", "--limit", "0"]),
        (5, ["reprocess", "pics", "--yes"]),
    ]:
        refused(app, code, "blobs", *arguments)
    assert there.read_text() == "mine"
    assert document(app, "blobs", "show", "pics/a")["bytes"] == 1


def test_blobs_timers_and_locks_where_hosts_share_their_state_on_s3(app: App) -> None:
    app.add("look", LOOK, PICTURE)
    app.add("tick", TELL, TICK)
    shared = {"provider": "aws", "bucket": "acme-hosts", "createBuckets": "true"}
    values = {f"AzureWebJobsStorage__{key}": value for key, value in shared.items()}
    app.write("local.settings.json", json.dumps({"Values": values}))
    with RunningHost(app.root, "--emulator", "aws") as host:
        document(app, "blobs", "put", "pics/a.png", data=b"one")
        assert app.wait_for_lines(1, "saw") == ["pics/a.png one"]
        assert document(app, "blobs", "reprocess", "pics", "--yes")["runs"] == 1
        app.wait_for_lines(2, "saw")
        assert {"acme-hosts", "pics"} <= {each["container"] for each in document(app, "blobs", "list")}
        assert document(app, "timers", "show", "tick")["host"]["pid"] == host.pid
        locks = {lock["name"]: lock for lock in document(app, "locks", "list")}
        assert {"tick.Listener", "scan:blob:look"} <= set(locks)
        assert locks["tick.Listener"]["shared"] is True
        broken = document(app, "locks", "break", "tick.Listener", "--yes")
        assert broken["host"]["pid"] == host.pid
        host.wait_for("The lease 'tick.Listener' was lost")


# -- locks


def test_a_lock_is_listed_and_broken_beside_the_host_that_holds_it(app: App) -> None:
    app.add("tick", TELL, TICK)
    with RunningHost(app.root) as host:
        until(lambda: document(app, "locks", "list"), DEADLINE)
        [lock] = document(app, "locks", "list")
        assert (lock["name"], lock["serves"]) == ("tick.Listener", "timer tick")
        assert lock["host"] == {"pid": host.pid, "url": host.url, "alive": True}
        said = refused(app, 2, "locks", "break", "tick.Listener")
        assert f"held by process {host.pid}" in said
        assert document(app, "locks", "break", "tick.Listener", "--yes")["fence"] == lock["fence"]
        host.wait_for("The lease 'tick.Listener' was lost")
        until(lambda: document(app, "locks", "list"), DEADLINE)
        assert document(app, "locks", "list")[0]["fence"] > lock["fence"]
    assert "Did you mean" not in refused(app, 5, "locks", "break", "tick.Listener", "--yes")
    assert [target for target, _ in audited(app, "locks.break")] == ["tick.Listener"]


# -- logs


def test_the_log_is_followed_over_a_restart_of_the_host(app: App) -> None:
    app.add("tick", TELL, TICK)
    app.add("work", WORK, queue_trigger())
    follower = None
    try:
        with RunningHost(app.root):
            assert funchost("timers", "run", "tick", "--root", app.root).returncode == 0
            until(lambda: b"ticked" in funchost("logs", "--root", app.root).stdout, DEADLINE)
            follower = Follower(app, "--function", "work", "--level", "info")
            app.send("jobs", "first")
            follower.wait_for("working on first", "done")
        with RunningHost(app.root):
            app.send("jobs", "second")
            follower.wait_for("working on second")
        lines = [json.loads(line) for line in follower.text.splitlines()]
    finally:
        if follower:
            follower.close()
    assert {line["function"] for line in lines} == {"work"}
    assert all(line["invocation"] and line["level"] == "info" for line in lines)


def test_the_log_of_a_run_is_followed_until_its_end(app: App) -> None:
    app.add("work", WORK, queue_trigger())
    with RunningHost(app.root):
        app.send("jobs", "it")
        app.wait_for_lines(1, "began")
        until(lambda: document(app, "runs", "list"), DEADLINE)
        [run] = document(app, "runs", "list")
        follower = Follower(app, "--run", run["id"])
        try:
            assert follower.wait() == 0
            follower.wait_for("working on it", "done")
        finally:
            follower.close()
    text = funchost("logs", "--run", run["id"], "--root", app.root).stdout.decode()
    assert re.findall(r"\] (.*)", text) == ["working on it", "done"]


def test_the_log_is_filtered_and_what_there_is_not_is_told(app: App) -> None:
    app.add("tick", TELL, TICK)
    with RunningHost(app.root):
        assert funchost("timers", "run", "tick", "--root", app.root).returncode == 0
        until(lambda: b"ticked" in funchost("logs", "--root", app.root).stdout, DEADLINE)
    for arguments, is_shown in [
        (["--level", "WARNING"], True),
        (["--level", "error"], False),
        (["--function", "TICK"], True),
        (["--since", "1h"], True),
        (["--since", "2099-01-01"], False),
        (["-n", "0"], False),
    ]:
        done = funchost("logs", *arguments, "--root", app.root)
        assert (done.returncode, "ticked" in done.stdout.decode()) == (0, is_shown), arguments
    assert "Did you mean tick?" in refused(app, 5, "logs", "--function", "tock")
    refused(app, 5, "logs", "--run", "01a1ff88-dead")
    refused(app, 2, "logs", "--run", "")
    refused(app, 2, "logs", "--since", "whenever")
    refused(app, 2, "logs", "--level", "loud")


def test_the_log_can_be_kept_out_of_files(tmp_path: Path) -> None:
    app = App(tmp_path / "app", logging={"fileLoggingMode": "never"})
    app.add("tick", TELL, TICK)
    with RunningHost(app.root):
        assert funchost("timers", "run", "tick", "--root", app.root).returncode == 0
        assert not (app.store / "logs").exists()
    # The history has it all the same.
    assert "ticked" in funchost("logs", "--root", app.root).stdout.decode()
