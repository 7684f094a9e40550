"""The commands beside `funchost start`, as they are run at a terminal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from e2e.apps import request, until
from e2e.running import COMMAND, DEADLINE, RunningHost, funchost

pytestmark = pytest.mark.e2e

NOTHING = "def main(data):\n    pass\n"
FAILS = "def main(data):\n    raise ValueError('no luck')\n"


def add(root: Path, name: str, code: str, *bindings: dict[str, Any], **more: Any) -> None:
    """Write a function into the app."""
    definition = {"bindings": bindings or [{"type": "manualTrigger", "name": "data"}], **more}
    (root / name).mkdir(parents=True)
    (root / name / "function.json").write_text(json.dumps(definition))
    (root / name / "__init__.py").write_text(code)


def http(route: str, level: str = "anonymous") -> list[dict[str, Any]]:
    return [
        {"type": "httpTrigger", "name": "data", "route": route, "authLevel": level},
        {"type": "http", "direction": "out", "name": "$return"},
    ]


def queue(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "queueTrigger", "name": "data", "queueName": name, **more}


def said(done: subprocess.CompletedProcess[bytes]) -> str:
    """What a command told people; never a traceback of its own."""
    return done.stderr.decode()


def document(*arguments: str | Path) -> Any:
    done = funchost(*arguments, "--json")
    assert done.returncode == 0, said(done)
    return json.loads(done.stdout)


# -- init, new


def test_an_app_can_be_made_and_each_kind_of_function_runs(tmp_path: Path) -> None:
    app = tmp_path / "app"
    assert funchost("init", app).returncode == 0
    for kind in ("http", "queue", "timer", "blob", "file", "manual"):
        made = funchost("new", f"my-{kind}", "--trigger", kind, "--root", app)
        assert made.returncode == 0
        assert f"my-{kind}/function.json" in made.stdout.decode()
    (app / "import/my-file-items").mkdir(parents=True)
    (app / "import/my-file-items/a.txt").write_text("one\n")

    runs = {
        "my-http": (None, b"Hello, world!\n"),
        "my-queue": ("hello", b""),
        "my-timer": (None, b""),
        "my-file": ("import/my-file-items/a.txt", b""),
        "my-manual": ("hello", b"done with 'hello'\n"),
    }
    for name, (data, result) in runs.items():
        done = funchost("run", name, "--root", app, *(["--data", data] if data else []))
        assert (done.returncode, done.stdout) == (0, result), said(done)


def test_init_says_that_an_app_is_there_already(tmp_path: Path) -> None:
    funchost("init", tmp_path)
    again = funchost("init", tmp_path)
    assert (again.returncode, again.stdout) == (0, b"")
    assert "nothing was changed" in said(again)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["new", "../evil", "--trigger", "http"], 3, "not a valid function name"),
        (["new", "there", "--trigger", "http"], 3, "already there"),
        (["new", "x", "--trigger", "carrier-pigeon"], 2, "'queue'"),
        (["new", "x", "--trigger", "http", "--root", "none"], 3, "not a folder"),
        (["init", "there/function.json"], 3, "is a file"),
        (["init", "there/function.json/app"], 3, "cannot be made"),
        (["strat"], 2, "Did you mean 'start'?"),
        (["queues", "peck"], 2, "Did you mean 'peek'?"),
        (["run", "thare"], 5, "Did you mean there?"),
        (["run", "there", "--timeout", "soon"], 2, "not a duration"),
        (["run", "there", "--data", "@none.txt"], 2, "none.txt"),
        (["list", "--root", "none"], 3, "not a folder"),
        (["timers", "--root", "none"], 3, "not a folder"),
        (["queues", "peek", "or--ders"], 2, "not a queue name"),
        (["queues", "peek", "orders"], 5, "no queue 'orders'"),
        (["queues", "send", "orders", "x", "--delay", "1m", "--at", "2030-01-01"], 2, "not both"),
        (["queues", "send", "orders", "x", "--at", "soon"], 2, "ISO 8601"),
        (["queues", "send", "orders", "x", "--delay", "99999999d"], 2, "calendars"),
        (["queues", "send", "orders", "x", "--ttl", "0s"], 2, "kept for no time"),
        (["keys", "list", "--function", "thare"], 5, "Did you mean there?"),
        (["keys", "rotate", "a/b"], 2, "no slash"),
        (["keys", "rotate", "_master", "--function", "there"], 2, "belongs to no function"),
    ],
)
def test_each_mistake_is_told_in_a_sentence_with_its_exit_code(
    tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    add(tmp_path, "there", "def main(data): return data\n")
    done = funchost(*arguments, cwd=tmp_path)
    assert done.returncode == code
    assert words in said(done)
    assert "Traceback" not in said(done)
    assert done.stdout == b""


# -- list, timers, version


def test_list_shows_what_the_files_hold_where_no_host_runs(tmp_path: Path) -> None:
    add(tmp_path, "hello", NOTHING, *http("hi"))
    add(tmp_path, "bad", NOTHING, {"type": "carrierPigeonTrigger", "name": "x"})

    done = funchost("list", "--root", tmp_path)

    assert done.returncode == 0
    assert "/api/hi" in done.stdout.decode()
    bad = next(line for line in done.stdout.decode().splitlines() if line.startswith("bad"))
    assert "in error" in bad
    assert "carrierPigeonTrigger" in bad
    assert "bad/function.json" in said(done)


def test_list_shows_the_functions_of_all_running_hosts(tmp_path: Path) -> None:
    add(tmp_path, "front", NOTHING, *http("front"))
    add(tmp_path, "back", NOTHING, queue("work"))
    with (
        RunningHost(tmp_path, "--functions", "front", "--auth") as front,
        RunningHost(tmp_path, "--functions", "back") as back,
    ):
        rows = {row["name"]: row for row in document("list", "--root", tmp_path)}
    assert rows["front"]["host"] == front.url
    assert rows["back"]["host"] == back.url
    assert rows["back"]["state"].startswith("listening")


def test_list_falls_back_on_the_files_when_the_host_does_not_answer(tmp_path: Path) -> None:
    add(tmp_path, "hello", NOTHING, *http("hi"))
    with RunningHost(tmp_path) as host:
        name_a_silent_host(tmp_path, "hello")
        host.stop()
        done = funchost("list", "--root", tmp_path)
    assert done.returncode == 0
    assert "hello" in done.stdout.decode()
    assert "No answer" in said(done)


def test_timers_shows_the_next_runs_in_the_zone_and_in_utc(tmp_path: Path) -> None:
    timer = {"type": "timerTrigger", "name": "data", "schedule": "0 30 9 * * *", "timeZone": "Asia/Tokyo"}
    add(tmp_path, "morning", NOTHING, timer)

    (shown,) = document("timers", "--root", tmp_path)

    assert (shown["name"], shown["schedule"], shown["timeZone"]) == ("morning", "0 30 9 * * *", "Asia/Tokyo")
    assert [each["local"][10:] for each in shown["upcoming"]] == ["T09:30:00+09:00"] * 5
    assert [each["utc"][10:] for each in shown["upcoming"]] == ["T00:30:00+00:00"] * 5
    assert (shown["last"], shown["isPastDue"]) == (None, False)
    text = funchost("timers", "--root", tmp_path).stdout.decode()
    assert "09:30:00 JST" in text
    assert "00:30:00 UTC" in text


def test_timers_shows_what_a_host_has_remembered(tmp_path: Path) -> None:
    timer = {"type": "timerTrigger", "name": "data", "schedule": "0 0 0 1 1 *", "runOnStartup": True}
    add(tmp_path, "yearly", "def main(data): print('it ran')\n", timer)
    with RunningHost(tmp_path) as host:
        host.wait_for("it ran")
        assert host.stop() == 0
    (shown,) = document("timers", "--root", tmp_path)
    assert shown["last"] is not None
    assert shown["next"] == shown["upcoming"][0]["local"]


def test_version_names_what_funchost_stands_on() -> None:
    assert set(document("version")) == {"funchost", "python", "sqlite", "platform"}
    assert funchost("version").stdout.startswith(b"funchost ")


# -- run


def test_run_prints_bytes_raw_and_logs_on_stderr(tmp_path: Path) -> None:
    add(tmp_path, "raw", "def main(data: bytes) -> bytes:\n    print('seen')\n    return data + b'\\xff'\n")
    done = funchost("run", "RAW", "--data", "-", "--root", tmp_path, data=b"\x00\xfe")
    assert (done.returncode, done.stdout) == (0, b"\x00\xfe\xff")
    assert "seen" in said(done)


def test_run_takes_data_from_a_file_and_prints_the_outcome_as_json(tmp_path: Path) -> None:
    add(tmp_path, "echo", "def main(data: str) -> str:\n    return data\n")
    (tmp_path / "data.txt").write_text("from a file")
    outcome = document("run", "echo", "--data", f"@{tmp_path / 'data.txt'}", "--root", tmp_path)
    assert (outcome["status"], outcome["result"]) == ("succeeded", "from a file")


def test_run_fails_as_the_function_does(tmp_path: Path) -> None:
    add(tmp_path, "fails", FAILS)
    alone = funchost("run", "fails", "--root", tmp_path)
    with RunningHost(tmp_path):
        hosted = funchost("run", "fails", "--root", tmp_path)
    for done in (alone, hosted):
        assert (done.returncode, done.stdout) == (1, b"")
        assert "raise ValueError('no luck')" in said(done)
        assert said(done).splitlines()[-1] == "Error: fails failed: ValueError: no luck"


def test_run_refuses_a_function_in_error_with_its_reason(tmp_path: Path) -> None:
    add(tmp_path, "typo", "import nonsense_module\n")
    add(tmp_path, "cron", NOTHING, {"type": "timerTrigger", "name": "data", "schedule": "often"})
    typo = funchost("run", "typo", "--root", tmp_path)
    cron = funchost("run", "cron", "--root", tmp_path)
    assert (typo.returncode, cron.returncode) == (3, 3)
    assert "nonsense_module" in said(typo)
    assert "'often' is not a schedule" in said(cron)


def test_run_needs_the_name_of_a_blob_for_a_blob_function(tmp_path: Path) -> None:
    add(tmp_path, "blobs", NOTHING, {"type": "blobTrigger", "name": "data", "path": "inbox/{name}"})
    alone = funchost("run", "blobs", "--root", tmp_path)
    with RunningHost(tmp_path):
        hosted = funchost("run", "blobs", "--root", tmp_path)
    for done in (alone, hosted):
        assert done.returncode == 2
        assert "--data container/blob" in said(done)


def test_a_blob_function_that_is_run_by_hand_gets_the_blob_as_from_its_trigger(tmp_path: Path) -> None:
    code = """
import json
import azure.functions as func

def main(data: func.InputStream) -> None:
    told = [data.name, data.length, data.blob_properties["Length"], data.metadata]
    print("told", json.dumps([*told, data.uri.startswith("file:"), data.read().decode()]))
"""
    add(tmp_path, "blobs", code, {"type": "blobTrigger", "name": "data", "path": "inbox/{name}"})
    file = {"type": "fileTrigger", "name": "data", "path": "drop/*.csv"}
    add(tmp_path, "files", "def main(data: str) -> str:\n    return data\n", file)
    (tmp_path / ".funchost/blobs/inbox").mkdir(parents=True)
    (tmp_path / ".funchost/blobs/inbox/a.txt").write_text("hello")

    told = 'told ["inbox/a.txt", 5, 5, {}, true, "hello"]'

    def runs(log: Callable[[], str]) -> None:
        there = funchost("run", "blobs", "--data", "inbox/a.txt", "--root", tmp_path)
        assert there.returncode == 0
        assert told in said(there) + log()
        for name, missing in (("blobs", "inbox/nope.txt"), ("blobs", "none/a.txt"), ("files", "drop/a.csv")):
            done = funchost("run", name, "--data", missing, "--root", tmp_path)
            assert done.returncode == 5
            assert f"There is no {name.removesuffix('s')} {missing}" in said(done)

    runs(str)
    with RunningHost(tmp_path) as host:
        until(lambda: told in host.log, DEADLINE)  # the trigger itself says the same
        runs(lambda: host.log)
        until(lambda: host.log.count(told) == 2, DEADLINE)
        status, answer = request(host, "/admin/functions/blobs", b'{"input": "inbox/nope.txt"}')
        assert (status, json.loads(answer)) == (404, {"error": "There is no blob inbox/nope.txt."})


def test_run_shows_the_status_of_an_http_function(tmp_path: Path) -> None:
    code = """
import azure.functions as func

def main(data: func.HttpRequest) -> func.HttpResponse:
    status = int(data.get_body())
    return func.HttpResponse("told", status_code=status, headers={"X-A": "1"})
"""
    add(tmp_path, "ask", code, *http("ask"))
    with RunningHost(tmp_path):
        bad = funchost("run", "ask", "--data", "400", "--root", tmp_path)
        good = funchost("run", "ask", "--data", "201", "--root", tmp_path)
        shown = document("run", "ask", "--data", "400", "--root", tmp_path)
    assert (bad.returncode, bad.stdout) == (0, b"told\n")
    assert said(bad).strip() == "HTTP 400"
    assert "HTTP" not in said(good)
    assert (shown["http"]["status"], shown["result"]) == (400, "told")
    assert ["X-A", "1"] in shown["http"]["headers"]


def test_run_stops_waiting_after_the_timeout(tmp_path: Path) -> None:
    add(tmp_path, "slow", "import time\ndef main(data):\n    time.sleep(20)\n")
    alone = funchost("run", "slow", "--timeout", "200ms", "--root", tmp_path)
    with RunningHost(tmp_path, "--drain-timeout", "0s"):
        hosted = funchost("run", "slow", "--timeout", "200ms", "--root", tmp_path)
    assert (alone.returncode, hosted.returncode) == (6, 6)
    assert "was stopped" in said(alone)
    assert "goes on in the host at http://localhost" in said(hosted)


def test_run_uses_the_running_host_that_has_the_function_and_shows_it_the_key(tmp_path: Path) -> None:
    code = "import os\ndef main(data) -> str:\n    return str(os.getppid())\n"
    add(tmp_path, "one", code)
    add(tmp_path, "two", code)
    with (
        RunningHost(tmp_path, "--functions", "one", "--auth") as first,
        RunningHost(tmp_path, "--functions", "two") as second,
    ):
        one = funchost("run", "One", "--root", tmp_path)
        two = funchost("run", "two", "--root", tmp_path)
    assert one.stdout.decode().strip() == str(first.pid), said(one)
    assert two.stdout.decode().strip() == str(second.pid), said(two)


def test_run_leaves_a_host_of_another_app_on_the_same_store_alone(tmp_path: Path) -> None:
    add(tmp_path / "a", "who", "def main(data) -> str: return 'a'\n")
    add(tmp_path / "b", "who", "def main(data) -> str: return 'b'\n")
    store = tmp_path / "store"
    with RunningHost(tmp_path / "b", "--store", store):
        done = funchost("run", "who", "--root", tmp_path / "a", "--store", store)
    assert done.stdout == b"a\n"


def test_run_tells_of_a_host_that_does_not_answer(tmp_path: Path) -> None:
    add(tmp_path, "echo", "def main(data): return 'x'\n")
    funchost("queues", "list", "--root", tmp_path, "--all")
    name_a_silent_host(tmp_path, "echo")
    done = funchost("run", "echo", "--root", tmp_path)
    assert (done.returncode, done.stdout) == (7, b"")
    assert "No answer from the host at http://localhost:9" in said(done)


#: Runs a command that heeds Ctrl+C also where the tests run in the background of a shell, which ignores it.
_HEEDING_CTRL_C = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_run_by_keyboard_interrupt_ends_as_interrupted(tmp_path: Path) -> None:
    code = "import time\ndef main(data):\n    print('begun', flush=True)\n    time.sleep(20)\n"
    add(tmp_path, "slow", code)
    process = subprocess.Popen(
        [sys.executable, "-c", _HEEDING_CTRL_C, COMMAND, "run", "slow", "--root", str(tmp_path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    with process.stderr:
        assert b"begun" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.wait(DEADLINE) == 130
    assert b"Traceback" not in rest


# -- queues


def test_a_message_sent_is_run_by_the_running_host(tmp_path: Path) -> None:
    add(tmp_path, "work", "def main(data: str) -> None:\n    print('got', data)\n", queue("work"))
    with RunningHost(tmp_path) as host:
        sent = funchost("queues", "send", "work", "-", "--root", tmp_path, data=b"a message")
        host.wait_for("got a message")
        assert (sent.returncode, sent.stdout) == (0, b"")
        assert "Sent 9 bytes to work." in said(sent)


def test_messages_are_seen_from_when_they_are_to_be(tmp_path: Path) -> None:
    for arguments in (["now"], ["later", "--delay", "10m"], ["past", "--at", "2020-01-01"]):
        sent = funchost("queues", "send", "work", *arguments, "--root", tmp_path)
        assert sent.returncode == 0
    assert "past" in said(sent)

    shown = document("queues", "peek", "work", "--root", tmp_path)
    assert [(one["body"], one["state"]) for one in shown] == [
        ("now", "visible"),
        ("past", "visible"),
        ("later", "delayed"),
    ]
    (depth,) = document("queues", "list", "--root", tmp_path)
    assert (depth["visible"], depth["delayed"], depth["inFlight"]) == (2, 1, 0)
    assert depth["oldestAgeSeconds"] >= 0


def test_a_message_over_the_limit_is_not_sent(tmp_path: Path) -> None:
    sent = funchost("queues", "send", "work", "-", "--root", tmp_path, data=b"x" * 49_153)
    assert sent.returncode == 2
    assert "over the limit" in said(sent)
    assert document("queues", "list", "--root", tmp_path) == []


def test_peek_shows_why_a_message_was_given_up(tmp_path: Path) -> None:
    add(tmp_path, "work", FAILS, queue("work", maxDequeueCount=1))
    with RunningHost(tmp_path) as host:
        funchost("queues", "send", "work", '{"id": 1}', "--root", tmp_path)
        funchost("queues", "send", "work", "-", "--root", tmp_path, data=b"\xff\x00")
        host.wait_for("no luck")
        shown = wait_for_messages(tmp_path, "work-poison", 2)
    text = funchost("queues", "peek", "work-poison", "--root", tmp_path).stdout.decode()

    assert sorted(one.get("body", one.get("bodyBase64")) for one in shown) == ["/wA=", '{"id": 1}']
    poison = shown[0]["poison"]
    assert (poison["error"], poison["message"], poison["function"]) == ("ValueError", "no luck", "work")
    assert "raise ValueError('no luck')" in poison["traceback"]
    assert (poison["attempts"], len(poison["runs"])) == (1, 1)
    assert "given up: ValueError: no luck" in text
    assert "raise ValueError('no luck')" in text
    assert poison["runs"][0] in text


def test_looking_at_queues_makes_no_store(tmp_path: Path) -> None:
    assert funchost("queues", "list", "--root", tmp_path).returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_queues_that_funchost_keeps_for_itself_are_shown_with_all_only(tmp_path: Path) -> None:
    for name in ("azure-webjobs-inner", "outer"):
        funchost("queues", "send", name, "x", "--root", tmp_path)
    shown = document("queues", "list", "--root", tmp_path)
    everything = document("queues", "list", "--all", "--root", tmp_path)
    assert [one["queue"] for one in shown] == ["outer"]
    assert [one["queue"] for one in everything] == ["azure-webjobs-inner", "outer"]


def test_a_damaged_store_is_told(tmp_path: Path) -> None:
    (tmp_path / ".funchost").mkdir()
    (tmp_path / ".funchost/store.db").write_bytes(b"this is no database" * 1000)
    add(tmp_path, "hello", NOTHING)
    for arguments in (["queues", "list"], ["list"], ["keys", "list"], ["queues", "send", "work", "x"]):
        done = funchost(*arguments, "--root", tmp_path)
        assert done.returncode == 4, (arguments, said(done))
        assert "is damaged" in said(done)
        assert "Traceback" not in said(done)


# -- keys


def test_keys_are_listed_with_their_values_and_renewed(tmp_path: Path) -> None:
    add(tmp_path, "hello", NOTHING, *http("hi", "function"))
    before = {key["name"]: key["value"] for key in document("keys", "list", "--root", tmp_path)}
    rotated = funchost("keys", "rotate", "default", "--root", tmp_path)
    after = {key["name"]: key["value"] for key in document("keys", "list", "--root", tmp_path)}

    assert list(before) == ["_master", "default"]
    assert rotated.stdout.decode().strip() == after["default"] != before["default"]
    assert after["_master"] == before["_master"]
    [row] = document("audit", "--root", tmp_path)
    assert (row["action"], row["target"]) == ("keys.roll", "default")
    assert after["default"] not in json.dumps(row)


def test_a_function_has_keys_of_its_own(tmp_path: Path) -> None:
    add(tmp_path, "hello", NOTHING, *http("hi", "function"))
    made = document("keys", "rotate", "partner", "--function", "hello", "--root", tmp_path)
    (key,) = document("keys", "list", "--function", "Hello", "--root", tmp_path)
    assert (key["name"], key["value"], made["made"]) == ("partner", made["value"], True)


def test_a_key_that_is_renewed_beside_a_running_host_counts_there_at_once(tmp_path: Path) -> None:
    add(tmp_path, "hello", NOTHING, *http("hi", "function"))
    old = {key["name"]: key["value"] for key in document("keys", "list", "--root", tmp_path)}["default"]
    with RunningHost(tmp_path, "--auth") as host:
        assert request(host, f"/api/hi?code={old}")[0] != 401
        rotated = funchost("keys", "rotate", "default", "--root", tmp_path)
        new = rotated.stdout.decode().strip()
        until(lambda: request(host, f"/api/hi?code={old}")[0] == 401, 1.0)
        assert request(host, f"/api/hi?code={new}")[0] != 401
    assert "at once" in said(rotated)


# -- helpers


def name_a_silent_host(root: Path, function: str) -> None:
    """A runtime file as a host leaves it that does not answer: its process is there, its port is closed."""
    entry = {
        "pid": os.getpid(),
        "url": "http://localhost:9",
        "version": "0",
        "root": str(root),
        "functions": [function],
        "started": "2020-01-01",
    }
    hosts = root / ".funchost/hosts"
    hosts.mkdir(parents=True, exist_ok=True)
    (hosts / "silent.json").write_text(json.dumps(entry))
    (hosts / "silent.lock").touch()


def wait_for_messages(root: Path, name: str, count: int) -> Any:
    """The messages of a queue, once there are so many."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        done = funchost("queues", "peek", name, "--root", root, "--json")
        if done.returncode == 0 and len(found := json.loads(done.stdout)) == count:
            return found
    raise AssertionError(f"The queue {name} does not come to hold {count} messages.")
