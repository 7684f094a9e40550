"""How a host ends: what runs may finish, what does not finish goes back unharmed, and nothing stays behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from e2e.apps import App, http_trigger, is_running, queue_trigger, request, until, workers
from e2e.running import DEADLINE, RunningHost

pytestmark = pytest.mark.e2e

#: Waits in the middle of each run until the gate file exists.
_GATED_JOB = """
    import time
    from pathlib import Path
    from ledger import note

    def main(job: str, context) -> None:
        note("start", job, context.metadata["dequeueCount"])
        while not Path("gate").exists():
            time.sleep(0.005)
        note("end", job)
"""
_GATED_REQUEST = """
    import time
    from pathlib import Path
    from ledger import note

    def main(req: str) -> str:
        note("asked")
        while not Path("gate").exists():
            time.sleep(0.005)
        return "answer"
"""


def gated(root: Path) -> App:
    """An app with a queue function and an HTTP function that wait for the gate."""
    app = App(root)
    app.add("work", _GATED_JOB, queue_trigger())
    app.add("ask", _GATED_REQUEST, http_trigger("ask"))
    return app


def assert_quiet(host: RunningHost) -> None:
    """Nothing that looks as if something had gone wrong was said."""
    assert not re.search(
        r"error|traceback|exception|never retrieved|was destroyed", host.log, re.IGNORECASE
    ), host.log


def ask(host: RunningHost) -> tuple[threading.Thread, list[tuple[int, str]]]:
    """Ask the gated function in the background."""
    answers: list[tuple[int, str]] = []

    def go() -> None:
        try:
            answers.append(request(host, "/api/ask"))
        except OSError as error:
            answers.append((0, str(error)))

    caller = threading.Thread(target=go)
    caller.start()
    return caller, answers


def test_what_runs_finishes_within_the_drain_time(tmp_path: Path) -> None:
    app = gated(tmp_path)
    with RunningHost(app.root, "--drain-timeout", "20s") as host:
        pids = workers(host)
        app.send("jobs", "one")
        caller, answers = ask(host)
        app.wait_for_lines(1, "start")
        app.wait_for_lines(1, "asked")
        for pid in pids:
            # As Ctrl+C at a terminal does: when workers end is the host's decision.
            os.kill(pid, signal.SIGINT)
        host.signal(signal.SIGTERM)
        until(lambda: refuses(host), 5)
        app.send("jobs", "too late")
        app.write("gate", "")
        began = time.monotonic()
        assert host.wait() == 0
        assert time.monotonic() - began < 3
        caller.join(DEADLINE)
    assert answers == [(200, "answer")]
    assert app.ledger("end") == ["one"]
    assert [message.body for message in app.peek("jobs")] == [b"too late"]
    assert not any(map(is_running, pids))
    assert_quiet(host)


def refuses(host: RunningHost) -> bool:
    """Whether new connections are refused."""
    try:
        socket.create_connection(("127.0.0.1", int(host.url.rpartition(":")[2])), 1).close()
    except OSError:
        return True
    return False


def test_what_runs_past_the_drain_time_goes_back_without_using_an_attempt(tmp_path: Path) -> None:
    app = gated(tmp_path)
    with RunningHost(app.root, "--drain-timeout", "0.3s") as host:
        app.send("jobs", "one", "two")
        caller, answers = ask(host)
        app.wait_for_lines(2, "start")
        app.wait_for_lines(1, "asked")
        began = time.monotonic()
        assert host.stop() == 0
        assert time.monotonic() - began < 5
        caller.join(DEADLINE)
    assert answers
    assert answers[0][0] in (0, 500, 503), "it was not answered as if it had been done"
    assert [(message.state, message.dequeue_count) for message in app.peek("jobs")] == [("visible", 0)] * 2
    app.write("gate", "")
    with RunningHost(app.root) as second:
        app.wait_until_empty("jobs")
        assert "given back" not in second.log
    assert sorted(app.ledger("start")) == ["one 1", "one 1", "two 1", "two 1"]
    assert app.peek("jobs-poison") == []


def test_an_interrupted_retry_goes_back_without_using_a_delivery(tmp_path: Path) -> None:
    app = App(tmp_path)
    code = """
        from ledger import note

        def main(job: str, context) -> None:
            note("try", context.metadata["dequeueCount"])
            raise ValueError("no")
    """
    retry = {"strategy": "fixedDelay", "maxRetryCount": 5, "delayInterval": "00:10:00"}
    app.add("work", code, queue_trigger(), retry=retry)
    with RunningHost(app.root) as host:
        app.send("jobs", "one")
        app.wait_for_lines(1, "try")
        began = time.monotonic()
        assert host.stop() == 0
        assert time.monotonic() - began < 3
    assert [(message.state, message.dequeue_count) for message in app.peek("jobs")] == [("visible", 0)]


def test_a_second_signal_stops_at_once_and_another_host_takes_over(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.add("work", _GATED_JOB, queue_trigger(), singleton=True)
    with RunningHost(app.root, "--drain-timeout", "60s") as first:
        app.send("jobs", "one")
        app.wait_for_lines(1, "start")
        with RunningHost(app.root) as second:
            pids = workers(first)
            first.signal(signal.SIGTERM)
            first.wait_for("Stopping")
            began = time.monotonic()
            first.signal(signal.SIGTERM)
            assert first.wait() == 130
            ended = time.monotonic()
            assert ended - began < 2
            assert app.wait_for_lines(2, "start") == ["one 1", "one 1"]
            assert time.monotonic() - ended < 3
            assert not any(map(is_running, pids))
            app.write("gate", "")
            app.wait_until_empty("jobs")
            assert second.stop() == 0
    assert not (app.store / "runtime.json").exists()
    assert_quiet(first)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_the_exit_code_says_who_stopped_it(tmp_path: Path, number: int, code: int) -> None:
    with RunningHost(App(tmp_path).root) as host:
        host.signal(number)
        assert host.wait() == code
        assert_quiet(host)


def test_a_stop_in_the_middle_of_a_reload_is_clean(tmp_path: Path) -> None:
    app = App(tmp_path)
    slow = "import time\nfrom ledger import note\nnote('loading')\ntime.sleep({})\ndef main(req: str) -> str:\n    return ''\n"
    app.add("slow", slow.format(0), http_trigger("slow"))
    with RunningHost(app.root) as host:
        pids = workers(host)
        app.write("slow/__init__.py", slow.format(60))
        app.wait_for_lines(2, "loading")
        began = time.monotonic()
        assert host.stop() == 0
        assert time.monotonic() - began < 5
        assert not any(map(is_running, pids))
    assert_quiet(host)


def test_the_runtime_file_names_the_host_while_it_runs(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.add("hello", "def main(req: str) -> str:\n    return 'hello'\n", http_trigger("hello"))
    file = app.store / "runtime.json"
    with RunningHost(app.root) as one:
        first = json.loads(file.read_text())
        assert (first["pid"], first["url"], first["functions"]) == (one.pid, one.url, ["hello"])
        with urllib.request.urlopen(first["url"] + "/api/hello") as answer:
            assert answer.read() == b"hello"
        with RunningHost(app.root) as two:
            assert json.loads(file.read_text())["pid"] == two.pid
        assert json.loads(file.read_text())["pid"] == one.pid
    assert not file.exists()


def test_the_runtime_file_of_a_host_that_was_killed_is_replaced(tmp_path: Path) -> None:
    app = App(tmp_path)
    with RunningHost(app.root) as one:
        one.kill()
        with RunningHost(app.root) as two:
            assert json.loads((app.store / "runtime.json").read_text())["pid"] == two.pid
    assert not (app.store / "runtime.json").exists()
    assert list((app.store / "hosts").iterdir()) == [], "what the dead left was removed"


def test_a_host_whose_store_is_removed_says_so_and_still_ends_well(tmp_path: Path) -> None:
    app = App(tmp_path)
    with RunningHost(app.root) as host:
        shutil.rmtree(app.store)
        host.wait_for("was removed or replaced", 5)
        assert host.stop() == 0
        assert "Traceback" not in host.log
