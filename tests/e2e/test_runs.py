"""`funchost runs`: list, show, tail, replay and cancel, on the runs of a real host and without one."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e.apps import App, http_trigger, queue_output, queue_trigger, request, until
from e2e.running import COMMAND, DEADLINE, RunningHost, funchost
from e2e.terminal import Terminal

pytestmark = pytest.mark.e2e

WORK = """
import time

def main(job: str) -> str:
    print("working on", job)
    if "bad" in job:
        raise ValueError(f"no luck with {job}")
    while "slow" in job:
        time.sleep(0.1)
    return job
"""
HELLO = """
def main(req):
    return f"hello {req.params.get('name')} {req.get_body().decode()} {req.headers.get('x-key', 'no key')}"
"""
DECORATED = """
import azure.functions as func

app = func.FunctionApp()

@app.queue_trigger(arg_name="job", queue_name="orders", connection="AzureWebJobsStorage")
def take(job: func.QueueMessage):
    raise ValueError("no luck")
"""
NOTE = "def main(job: str):\n    pass\n"
TICK = "def main(job):\n    print('tick')\n"


def write(app: App) -> None:
    app.add("work", WORK, queue_trigger("jobs"), queue_output("done"), maxDequeueCount=1)
    app.add("note", NOTE, queue_trigger("done"))
    app.add("hello", HELLO, http_trigger("hello"), {"type": "http", "direction": "out", "name": "$return"})
    app.add("tick", TICK, {"type": "timerTrigger", "name": "job", "schedule": "0 0 0 1 1 *"})


class Runs:
    """An app, and `funchost runs` on it."""

    def __init__(self, app: App) -> None:
        self.app = app

    def __call__(self, *arguments: str | Path, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return funchost("runs", *arguments, "--root", self.app.root, data=data)

    def documents(self, *arguments: str) -> Any:
        done = self(*arguments, "--json")
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    def wait_for(self, *filters: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until so many runs fit; the last one comes first."""
        found: list[dict[str, Any]] = []

        def is_there() -> bool:
            found[:] = self.documents("list", *filters)
            return len(found) >= count

        until(is_there, DEADLINE)
        return found

    def send(self, body: str, *filters: str) -> dict[str, Any]:
        """Have a message run, and return the run that it was the input of."""
        self.app.send("jobs", body)
        return self.wait_for("--function", "work", "--search", body, *filters)[0]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Runs, RunningHost]]:
    app = App(tmp_path_factory.mktemp("runs"))
    write(app)
    with RunningHost(app.root) as host:
        yield Runs(app), host


@pytest.fixture
def runs(served: tuple[Runs, RunningHost]) -> Runs:
    return served[0]


@pytest.fixture
def host(served: tuple[Runs, RunningHost]) -> RunningHost:
    return served[1]


@pytest.fixture
def idle(tmp_path: Path) -> Runs:
    """An app that no host serves, and that has run nothing."""
    app = App(tmp_path)
    write(app)
    return Runs(app)


def said(done: subprocess.CompletedProcess[bytes]) -> str:
    return done.stderr.decode()


# -- list and show


def test_a_run_is_listed_and_shown_with_all_that_is_kept_of_it(runs: Runs) -> None:
    run = runs.send("badapple", "--state", "failed")
    assert (run["function"], run["origin"], run["dequeueCount"]) == ("work", "jobs", 1)
    assert run["error"] == {"type": "ValueError", "message": "no luck with badapple"}

    shown = runs("show", run["id"][:18]).stdout.decode()
    for words in (
        run["id"],
        "work (queueTrigger)",
        "badapple",
        "info working on",
        "ValueError: no luck",
        "queued",
    ):
        assert words in shown
    document = runs.documents("show", run["id"])
    assert document["input"]["text"] == "badapple"
    assert "raise ValueError" in document["error"]["traceback"]
    assert document["hasLatestCode"] is True


def test_contents_are_printed_as_they_were(runs: Runs, host: RunningHost) -> None:
    body = "höflich\n" + "x" * 30_000
    runs.app.send("jobs", body)
    run = runs.wait_for("--function", "work", "--search", "höflich")[0]
    assert runs("show", run["id"], "--input").stdout == body.encode()
    assert runs("show", run["id"], "--output").stdout == b""
    request(host, "/api/hello?name=Zoe")
    hello = runs.wait_for("--function", "hello")[0]
    assert runs("show", hello["id"], "--output").stdout == b"hello Zoe  no key"
    assert b"working on h" in runs("show", run["id"], "--log").stdout


def test_parents_and_children_are_linked_through_queues(runs: Runs) -> None:
    parent = runs.send("family", "--state", "succeeded")
    [child] = runs.wait_for("--parent", parent["id"])
    assert (child["function"], child["parent"]) == ("note", parent["id"])
    shown = runs.documents("show", parent["id"])
    assert [one["id"] for one in shown["children"]] == [child["id"]]
    assert shown["outputs"] == [{"type": "queue", "where": "done", "size": 6}]
    assert [one["id"] for one in runs.documents("show", child["id"])["parents"]] == [parent["id"]]
    assert f"└─ {child['id']}  note  succeeded" in runs("show", parent["id"]).stdout.decode()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["list", "--function", "wrok"], 5, "Did you mean work?"),
        (["list", "--parent", "0000000"], 5, "no run '0000000'"),
        (["show", "ffffffff"], 5, "no run 'ffffffff'"),
        (["show", "x"], 5, "too short"),
        (["tail", "--function", "wrok"], 5, "Did you mean work?"),
        (["cancel", "ffffffff"], 5, "no run"),
        (["replay", "ffffffff"], 5, "no run"),
        (["replay", "--function", "wrok", "--dry-run"], 5, "Did you mean work?"),
        (["replay", "--resume", "none"], 5, "no batch"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(runs: Runs, arguments: list[str], code: int, words: str) -> None:
    done = runs(*arguments)
    assert (done.returncode, done.stdout) == (code, b""), said(done)
    assert words in said(done)
    assert "Traceback" not in said(done)


def test_where_nothing_was_run_that_is_said_and_no_store_is_made(idle: Runs) -> None:
    done = idle("list")
    assert (done.returncode, done.stdout, said(done)) == (0, b"", "No runs yet.\n")
    assert idle.documents("list") == []
    assert "No such runs." in said(idle("list", "--state", "failed"))
    assert idle("list", "--function", "nobody").returncode == 5
    for arguments in (["show", "0193"], ["cancel", "0193"], ["replay", "0193"], ["replay", "--resume", "x"]):
        assert idle(*arguments).returncode == 5
    assert "0 runs to be replayed" in said(idle("replay", "--since", "1h"))
    assert "No replays of many yet." in said(idle("replay", "--batches"))
    assert not idle.app.store.exists()


@pytest.mark.parametrize("columns", [80, 160])
def test_a_list_fits_the_terminal(runs: Runs, columns: int) -> None:
    runs.send("bad" + "x" * 200)
    with Terminal("runs", "list", "--root", runs.app.root, columns=columns) as terminal:
        assert terminal.end() == 0
        lines = terminal.screen.splitlines()
    assert lines[0].startswith("RUN")
    assert max(map(len, lines)) <= columns


# -- tail


def test_runs_are_followed_until_ctrl_c(runs: Runs) -> None:
    runs.send("before")
    command = [
        COMMAND,
        "runs",
        "tail",
        "--json",
        "-n",
        "1",
        "--function",
        "work",
        "--root",
        str(runs.app.root),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout
    first = json.loads(process.stdout.readline())
    assert first["function"] == "work"
    runs.app.send("jobs", "slow one")
    began = json.loads(process.stdout.readline())
    assert (began["state"], began["ended"]) == ("running", None)
    assert runs("cancel", began["id"]).returncode == 0
    ended = json.loads(process.stdout.readline())
    assert (ended["id"], ended["state"]) == (began["id"], "failed")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=DEADLINE)
    assert (process.returncode, errors.strip()) == (130, b"")


def test_at_a_terminal_each_run_is_a_line(runs: Runs) -> None:
    with Terminal("runs", "tail", "-n", "1", "--root", runs.app.root, columns=160) as terminal:
        terminal.wait_for("\n")
        runs.app.send("jobs", "bad tail")
        terminal.wait_for("no luck with bad tail")
        terminal.signal(signal.SIGINT)
        assert terminal.end() == 130
    assert re.search(r"\d\d:\d\d:\d\d  failed +\S{18}  work", terminal.screen)


def test_tail_needs_no_host(idle: Runs) -> None:
    with Terminal("runs", "tail", "--root", idle.app.root) as terminal:
        until(lambda: (idle.app.store / "store.db").exists(), DEADLINE)
        terminal.signal(signal.SIGINT)
        assert terminal.end() == 130


# -- replay


def test_a_run_of_a_queue_is_a_message_once_more(runs: Runs) -> None:
    old = runs.send("bad luck once", "--state", "failed")
    done = runs("replay", old["id"], "--data", "better luck")
    assert done.returncode == 0, said(done)
    assert "Sent to jobs once more. The new run" in said(done)
    [new] = runs.wait_for("--replay-of", old["id"], "--state", "succeeded")
    assert (new["replayOf"], new["parent"]) == (old["id"], None)
    assert runs("show", new["id"], "--input").stdout == b"better luck"
    shown = runs("show", old["id"]).stdout.decode()
    assert f"{new['id']}  succeeded" in shown
    assert f"replay of  {old['id']}  failed" in runs("show", new["id"]).stdout.decode()


def test_a_request_is_made_once_more_by_the_host_without_its_secrets(runs: Runs, host: RunningHost) -> None:
    request(host, "/api/hello?name=Ann", b"body", "POST", **{"x-key": "open", "Authorization": "Bearer 1"})
    [old, *_] = runs.wait_for("--function", "hello", "--search", "body")
    done = runs("replay", old["id"])
    assert (done.returncode, done.stdout) == (0, b"hello Ann body open\n"), said(done)
    assert "Left out, since secrets are not kept: authorization." in said(done)
    [new] = runs.wait_for("--replay-of", old["id"])
    assert new["id"] in said(done)
    document = json.loads(runs("replay", old["id"], "--data", "other", "--json").stdout)
    assert (document["result"], document["replayOf"]) == ("hello Ann other open", old["id"])


def test_a_timer_runs_once_more(runs: Runs) -> None:
    assert funchost("run", "tick", "--root", runs.app.root).returncode == 0
    old = runs.wait_for("--function", "tick")[0]
    assert runs("replay", old["id"]).returncode == 0
    assert runs.wait_for("--replay-of", old["id"])[0]["function"] == "tick"
    refused = runs("replay", old["id"], "--data", "x")
    assert (refused.returncode, "A timer is given nothing" in said(refused)) == (2, True)


def test_a_run_that_goes_on_is_replayed_only_when_that_is_wanted(runs: Runs) -> None:
    running = runs.send("slow two", "--state", "running")
    refused = runs("replay", running["id"], "--data", "quick two")
    assert refused.returncode == 2
    assert "has not ended yet" in said(refused)
    assert runs("replay", running["id"], "--data", "quick two", "--yes").returncode == 0
    runs.wait_for("--replay-of", running["id"])
    done = runs("cancel", running["id"])
    assert (done.returncode, "was cancelled" in said(done)) == (0, True), said(done)
    over = runs("cancel", running["id"])
    assert (over.returncode, "it ended" in said(over), "failed" in said(over)) == (1, True, True)


def test_a_message_that_comes_again_by_itself_is_replayed_only_when_that_is_wanted(idle: Runs) -> None:
    idle.app.add("work", WORK, queue_trigger("jobs", visibilityTimeout="00:10:00"), maxDequeueCount=2)
    with RunningHost(idle.app.root):
        old = idle.send("bad again", "--state", "failed")
    refused = idle("replay", old["id"])
    assert (refused.returncode, "still in its queue" in said(refused)) == (2, True)
    assert "1 still in their queue" in said(idle("replay", "--since", "1h", "--dry-run"))
    assert idle("replay", old["id"], "--yes").returncode == 0
    assert len(idle.app.peek("jobs")) == 2


def test_without_a_host_a_message_waits_and_a_request_cannot_be_made(idle: Runs) -> None:
    with RunningHost(idle.app.root) as host:
        request(host, "/api/hello?name=Bob")
        hello = idle.wait_for("--function", "hello")[0]
        work = idle.send("bad alone", "--state", "failed")
    done = idle("replay", hello["id"])
    assert done.returncode == 7
    assert "funchost start" in said(done)
    done = idle("replay", work["id"])
    assert done.returncode == 0
    assert "once a host that has this function is started" in said(done)
    [message] = idle.app.peek("jobs")
    assert (message.body, message.properties) == (b"bad alone", {"replayOf": work["id"]})
    bulk = idle("replay", "--function", "hello", "--state", "succeeded", "--since", "1h", "--yes")
    assert (bulk.returncode, "funchost start" in said(bulk)) == (7, True)
    assert idle("cancel", work["id"]).returncode == 1


# -- replay --edit


def editor(folder: Path, code: str) -> dict[str, str]:
    """An editor that does something with the file in `path`."""
    script = folder / "editor.py"
    script.write_text(f"import pathlib, sys\npath = pathlib.Path(sys.argv[1])\n{code}\n")
    return {"EDITOR": f"python3 {script}", "VISUAL": ""}


def test_what_it_was_given_can_be_edited(runs: Runs, tmp_path: Path) -> None:
    old = runs.send('{"name": "bad order"}', "--state", "failed")
    env = editor(tmp_path, "path.write_text(path.read_text().replace('bad', 'good') + '\\n')")
    with Terminal("runs", "replay", old["id"], "--edit", "--root", runs.app.root, env=env) as terminal:
        assert terminal.end() == 0, terminal.screen
    [new] = runs.wait_for("--replay-of", old["id"], "--state", "succeeded")
    assert runs("show", new["id"], "--input").stdout == b'{"name": "good order"}'


@pytest.mark.parametrize("code", ["pass", "path.write_text('')", "path.open('a').write('\\n')"])
def test_what_is_left_as_it_was_or_empty_is_not_sent(runs: Runs, tmp_path: Path, code: str) -> None:
    old = runs.send("bad unchanged", "--state", "failed")
    env = editor(tmp_path, code)
    with Terminal("runs", "replay", old["id"], "--edit", "--root", runs.app.root, env=env) as terminal:
        assert terminal.end() == 0
    assert "nothing is sent" in terminal.screen
    assert runs.documents("list", "--replay-of", old["id"]) == []


def test_what_is_no_longer_json_is_asked_for_again_and_kept(runs: Runs, tmp_path: Path) -> None:
    old = runs.send('{"bad": "json"}', "--state", "failed")
    env = editor(tmp_path, "path.write_text('{broken')")
    with Terminal("runs", "replay", old["id"], "--edit", "--root", runs.app.root, env=env) as terminal:
        terminal.wait_for("no longer JSON")
        terminal.type("y\n")
        terminal.wait_for("Edit it again?")
        terminal.type("n\n")
        assert terminal.end() == 1
    found = re.search(r"What you wrote is in (\S+):", terminal.screen.replace("\n", ""))
    assert found, terminal.screen
    assert Path(found[1]).read_text() == "{broken"
    assert runs.documents("list", "--replay-of", old["id"]) == []


def test_an_editor_that_fails_sends_nothing(runs: Runs, tmp_path: Path) -> None:
    old = runs.send("bad editor", "--state", "failed")
    for env in (editor(tmp_path, "sys.exit(3)"), {"VISUAL": "/no/such/editor"}):
        with Terminal("runs", "replay", old["id"], "--edit", "--root", runs.app.root, env=env) as terminal:
            assert terminal.end() == 1
    assert runs.documents("list", "--replay-of", old["id"]) == []


# -- replay of many


def test_many_are_counted_asked_for_and_done_once(idle: Runs) -> None:
    with RunningHost(idle.app.root):
        for number in range(3):
            idle.app.send("jobs", f"bad{number}")
        idle.wait_for("--state", "failed", count=3)
    choice = idle.documents("replay", "--function", "work", "--since", "1h", "--dry-run")
    assert (choice["total"], choice["leftOut"], len(choice["runs"])) == (3, {}, 3)

    refused = idle("replay", "--function", "work", "--since", "1h")
    assert refused.returncode == 2
    assert "3 runs to be replayed: 3 of work." in said(refused)
    assert "say --yes" in said(refused)
    assert idle.app.peek("jobs") == []

    arguments = ("runs", "replay", "--function", "work", "--since", "1h", "--root", idle.app.root)
    with Terminal(*arguments) as terminal:
        terminal.wait_for("Go on?")
        terminal.type("n\n")
        assert terminal.end() == 130
    assert idle.documents("replay", "--batches") == []
    with Terminal(*arguments) as terminal:
        terminal.wait_for("Go on?")
        terminal.type("y\n")
        assert terminal.end() == 0
    assert "3 of 3 runs replayed." in terminal.screen
    assert sorted(message.body for message in idle.app.peek("jobs")) == [b"bad0", b"bad1", b"bad2"]
    [batch] = idle.documents("replay", "--batches")
    assert (batch["total"], batch["left"]) == (3, 0)
    assert "3 of 3" in idle("replay", "--batches").stdout.decode()


def test_many_requests_are_made_by_the_host(runs: Runs, host: RunningHost) -> None:
    for name in ("Many1", "Many2"):
        request(host, f"/api/hello?name={name}", b"manyrequests", "POST")
    filters = ("--function", "hello", "--state", "succeeded", "--search", "manyrequests")
    runs.wait_for(*filters, count=2)
    done = runs.documents("replay", *filters, "--rate", "50/s", "--yes")
    assert (done["replayed"], done["refused"], done["left"]) == (2, {}, 0)
    runs.wait_for(*filters, count=4)
    again = runs("replay", *filters, "--dry-run")
    assert "2 replayed already" in said(again)


def test_a_run_whose_host_has_died_cannot_be_cancelled(idle: Runs) -> None:
    with RunningHost(idle.app.root) as host:
        run = idle.send("slow death", "--state", "running")
        host.kill()
    done = idle("cancel", run["id"])
    assert (done.returncode, "funchost start" in said(done)) == (7, True)


def test_a_decorated_function_gets_its_message_again_without_a_host(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.write("function_app.py", DECORATED)
    runs = Runs(app)
    with RunningHost(app.root):
        app.send("orders", "bad order")
        old = runs.wait_for("--function", "take", "--state", "failed")[0]
        app.wait_for_poison("orders")
    assert runs("replay", old["id"], "--data", "good order").returncode == 0
    [message] = app.peek("orders")
    assert (message.body, message.properties) == (b"good order", {"replayOf": old["id"]})
