"""What the admin API has a host do: drain, resume, restart, go offline and come back; and who may ask for it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from e2e.apps import App, http_trigger, queue_trigger, request, states, until, workers
from e2e.running import DEADLINE, RunningHost, funchost

pytestmark = pytest.mark.e2e

_JOB = """
    import time
    from pathlib import Path
    from ledger import note

    def main(job: str) -> None:
        note("start", job)
        while job == "gated" and not Path("gate").exists():
            time.sleep(0.005)
        note("end", job)
"""
_ASK = """
    import os, time
    from pathlib import Path
    from ledger import note

    MADE = os.urandom(8).hex()

    def main(req: str) -> str:
        note("asked")
        while req == "gated" and not Path("gate").exists():
            time.sleep(0.005)
        return MADE
"""
_FAIL = """
    from ledger import note

    def main(job: str) -> None:
        note("failed", job)
        raise ValueError("no")
"""


def made(root: Path) -> App:
    """An app with a queue function and an HTTP function, which wait for the gate where they are told so."""
    app = App(root)
    app.add("work", _JOB, queue_trigger())
    app.add("ask", _ASK, http_trigger("ask"))
    return app


@contextmanager
def served(app: App, *arguments: str) -> Iterator[RunningHost]:
    """The app's host; what waits for the gate goes on before the host is stopped."""
    with RunningHost(app.root, *arguments) as host:
        try:
            yield host
        finally:
            app.write("gate", "")


def call(
    host: RunningHost, method: str, path: str, body: str | None = None, **headers: str
) -> tuple[int, Any]:
    """One call of the admin API: status, and the value in its answer."""
    data = None if body is None else body.encode()
    status, text = request(host, f"/admin/{path}", data, method, **headers)
    return status, json.loads(text) if text else None


def drain_state(host: RunningHost) -> dict[str, Any]:
    status, value = call(host, "GET", "host/drain/status")
    assert status == 200
    found: dict[str, Any] = value
    return found


def wait_for_state(host: RunningHost, wanted: str) -> None:
    until(
        lambda: call(host, "GET", "host/state") == (200, {"state": wanted}),
        DEADLINE,
        lambda: f"{call(host, 'GET', 'host/state')}",
    )


# -- drain and resume


def test_a_drain_takes_nothing_more_and_lets_what_runs_finish(tmp_path: Path) -> None:
    app = made(tmp_path)
    with served(app) as host:
        assert drain_state(host) == {
            "state": "Disabled",
            "outstandingInvocations": 0,
            "outstandingRetries": 0,
        }
        app.send("jobs", "gated")
        app.wait_for_lines(1, "start")

        assert call(host, "POST", "host/drain") == (202, None)
        app.send("jobs", "later")
        assert drain_state(host) == {
            "state": "InProgress",
            "outstandingInvocations": 1,
            "outstandingRetries": 0,
        }
        assert states(host) == {"ask": "listening", "work": "draining"}
        assert request(host, "/api/ask")[0] == 200
        assert "Draining" in request(host, "/")[1]

        app.write("gate", "")
        app.wait_for_lines(1, "end gated")
        until(lambda: drain_state(host)["state"] == "Completed", DEADLINE)
        assert app.ledger("start") == ["gated"]
        assert states(host) == {"ask": "listening", "work": "drained"}
        assert call(host, "GET", "host/status")[1]["state"] == "Running"

        assert call(host, "POST", "host/resume") == (200, {"State": "Running"})
        app.wait_for_lines(1, "end later")
        assert drain_state(host)["state"] == "Disabled"


def test_listeners_start_again_while_something_of_before_the_drain_still_runs(tmp_path: Path) -> None:
    app = made(tmp_path)
    with served(app) as host:
        app.send("jobs", "gated")
        app.wait_for_lines(1, "start")
        for _ in range(3):
            assert call(host, "POST", "host/drain")[0] == 202
            assert call(host, "POST", "host/resume")[0] == 200
        app.send("jobs", "next")
        app.wait_for_lines(1, "end next")
        assert app.ledger("end gated") == []


def test_what_waits_for_another_attempt_is_outstanding(tmp_path: Path) -> None:
    app = App(tmp_path)
    retry = {"strategy": "fixedDelay", "maxRetryCount": 1, "delayInterval": "00:10:00"}
    app.add("fail", _FAIL, queue_trigger(), retry=retry)
    with served(app, "--drain-timeout", "1s") as host:
        app.send("jobs", "a")
        app.wait_for_lines(1, "failed")
        assert call(host, "POST", "host/drain")[0] == 202
        until(lambda: drain_state(host)["outstandingRetries"] == 1, DEADLINE)
        assert drain_state(host) == {
            "state": "InProgress",
            "outstandingInvocations": 0,
            "outstandingRetries": 1,
        }


def test_code_that_changes_during_a_drain_is_served_but_nothing_listens(tmp_path: Path) -> None:
    app = made(tmp_path)
    with served(app) as host:
        assert call(host, "POST", "host/drain")[0] == 202
        app.add("more", _JOB, queue_trigger("more"))
        until(lambda: "more" in states(host), DEADLINE)
        assert states(host)["more"] == "drained"
        assert call(host, "POST", "host/resume")[0] == 200
        assert states(host) == {"ask": "listening", "more": "listening", "work": "listening"}


def test_a_resume_without_a_drain_is_fine(tmp_path: Path) -> None:
    app = made(tmp_path)
    with served(app) as host:
        assert call(host, "POST", "host/resume") == (200, {"State": "Running"})
        app.send("jobs", "a")
        app.wait_for_lines(1, "end a")


# -- restart


def test_a_restart_brings_new_workers_and_what_runs_finishes(tmp_path: Path) -> None:
    app = made(tmp_path)
    with served(app, "--no-watch") as host:
        old, first = workers(host), request(host, "/api/ask")[1]
        answers: list[tuple[int, str]] = []
        caller = threading.Thread(target=lambda: answers.append(request(host, "/api/ask", b"gated")))
        caller.start()
        app.wait_for_lines(2, "asked")
        app.add("more", _JOB, queue_trigger("more"))

        assert call(host, "POST", "host/restart") == (200, None)
        assert set(workers(host)).isdisjoint(old)
        status, second = request(host, "/api/ask")
        assert (status, second != first) == (200, True)
        app.write("gate", "")
        caller.join(DEADLINE)
        assert answers == [(200, first)]
        for queue in ("jobs", "more"):
            app.send(queue, f"to {queue}")
            app.wait_for_lines(1, f"end to {queue}")
        assert host.pid == call(host, "GET", "host/status")[1]["pid"]


def test_a_restart_ends_a_drain_also_when_the_settings_are_broken(tmp_path: Path) -> None:
    app = made(tmp_path)
    with served(app, "--no-watch") as host:
        assert call(host, "POST", "host/drain")[0] == 202
        app.write("host.json", "{")
        assert call(host, "POST", "host/restart")[0] == 200
        host.wait_for("The settings cannot be used as they are")
        app.send("jobs", "a")
        app.wait_for_lines(1, "end a")
        assert drain_state(host)["state"] == "Disabled"


# -- offline


def test_a_host_goes_offline_and_comes_back_by_the_api(tmp_path: Path) -> None:
    app = made(tmp_path)
    app.add("off", _JOB, queue_trigger(), disabled=True)
    with served(app, "--no-watch") as host:
        app.send("jobs", "gated")
        app.wait_for_lines(1, "start")
        assert call(host, "PUT", "host/state", '"offline"') == (202, None)
        assert call(host, "PUT", "host/state", '"Offline"') == (200, None)
        assert (tmp_path / "app_offline.htm").exists()
        offline = dict.fromkeys(("ask", "work"), "offline (app_offline.htm)")
        assert states(host) == {**offline, "off": "disabled"}
        for path in ("/api/ask", "/", "/api/nothing"):
            status, body = request(host, path)
            assert (status, "This app is offline" in body) == (503, True), path
        assert call(host, "GET", "host/status")[1]["state"] == "Offline"
        status, refusal = call(host, "POST", "host/resume")
        assert (status, "Offline" in refusal["error"]) == (409, True)
        status, refusal = call(host, "POST", "functions/work", '{"input": "x"}')
        assert (status, "app_offline.htm" in refusal["error"]) == (503, True)
        assert call(host, "POST", "host/restart")[0] == 200
        app.send("jobs", "later")
        app.write("gate", "")
        app.wait_for_lines(1, "end gated")
        app.add("more", _ASK, http_trigger("more"))
        assert app.ledger("start") == ["gated"]

        assert call(host, "PUT", "host/state", '"running"') == (202, None)
        assert not (tmp_path / "app_offline.htm").exists()
        assert call(host, "GET", "host/state") == (200, {"state": "Running"})
        app.wait_for_lines(1, "end later")
        assert request(host, "/api/more")[0] == 200


def test_a_file_put_there_by_hand_takes_the_app_offline_and_is_shown(tmp_path: Path) -> None:
    app = made(tmp_path)
    with served(app) as host:
        app.write("app_offline.htm", "<p>Back at noon</p>")
        wait_for_state(host, "Offline")
        assert request(host, "/api/ask") == (503, "<p>Back at noon</p>")
        app.send("jobs", "a")
        (tmp_path / "app_offline.htm").unlink()
        wait_for_state(host, "Running")
        app.wait_for_lines(1, "end a")
        assert request(host, "/api/ask")[0] == 200


def test_a_host_that_finds_the_file_at_its_start_serves_nothing_until_it_is_gone(tmp_path: Path) -> None:
    app = made(tmp_path)
    app.write("app_offline.htm", "<p>Not yet</p>")
    app.send("jobs", "a")
    with served(app) as host:
        assert request(host, "/api/ask") == (503, "<p>Not yet</p>")
        assert states(host) == dict.fromkeys(("ask", "work"), "offline (app_offline.htm)")
        assert call(host, "PUT", "host/state", '"running"') == (202, None)
        assert states(host) == dict.fromkeys(("ask", "work"), "listening")
        app.wait_for_lines(1, "end a")
        assert host.stop() == 0


def test_code_that_changes_while_offline_is_read_when_the_app_comes_back(tmp_path: Path) -> None:
    app = made(tmp_path)
    with served(app) as host:
        assert call(host, "PUT", "host/state", '"offline"')[0] == 202
        app.write("half/function.json", "{")
        app.write("half/__init__.py", "")
        app.write("half/function.json", json.dumps({"bindings": [http_trigger("half")]}))
        app.write("half/__init__.py", "def main(req: str) -> str:\n    return 'whole'\n")
        assert call(host, "PUT", "host/state", '"running"')[0] == 202
        assert request(host, "/api/half") == (200, "whole")
        assert "error:" not in host.log


# -- the warm-up


def test_the_warm_up_function_runs_once_in_the_life_of_a_host(tmp_path: Path) -> None:
    app = App(tmp_path)
    code = "from ledger import note\n\ndef main(context) -> None:\n    note('warm')\n"
    app.add("WARMUP", code, {"type": "warmupTrigger", "name": "context"})
    with served(app) as host:
        for method in ("GET", "POST", "GET"):
            assert call(host, method, "warmup") == (200, None)
        assert app.ledger() == ["warm"]


# -- who may ask


def test_where_keys_are_asked_for_only_the_master_key_opens_the_admin_api(tmp_path: Path) -> None:
    app = made(tmp_path)
    with served(app, "--auth") as host:
        listed = json.loads(funchost("keys", "list", "--json", "--root", app.root).stdout)
        keys = {key["name"]: key["value"] for key in listed}
        closed = [
            ("GET", "host/status"),
            ("GET", "functions"),
            ("POST", "functions/work"),
            ("POST", "host/drain"),
            ("POST", "host/restart"),
            ("PUT", "host/state"),
            ("GET", "host/keys"),
            ("GET", "warmup"),
            ("GET", "nothing"),
        ]
        for method, path in closed:
            for headers in ({}, {"x-functions-key": keys["default"]}):
                assert call(host, method, path, **headers) == (401, None), path
        assert call(host, "GET", "host/ping")[0] == 200
        assert call(host, "GET", f"host/status?code={keys['_master']}")[0] == 200
        assert call(host, "GET", "functions", **{"x-functions-key": keys["_master"]})[0] == 200
        assert drain_state_with(host, keys["_master"]) == "Disabled"


def drain_state_with(host: RunningHost, key: str) -> str:
    _, value = call(host, "GET", "host/drain/status", **{"x-functions-key": key})
    return str(value["state"])


def test_the_home_page_tells_nothing_where_keys_are_asked_for(tmp_path: Path) -> None:
    app = made(tmp_path)
    with served(app, "--auth") as host:
        status, body = request(host, "/")
        assert (status, "funchost is running" in body) == (200, True)
        assert not re.search(r"api/ask|queue jobs|admin|listening", body)


def test_a_setting_takes_the_home_page_away(tmp_path: Path) -> None:
    app = made(tmp_path)
    with RunningHost(app.root, env={"AzureWebJobsDisableHomepage": "True"}) as host:
        assert request(host, "/") == (204, "")


def test_a_function_at_the_root_stands_in_the_place_of_the_home_page(tmp_path: Path) -> None:
    app = App(tmp_path, extensions={"http": {"routePrefix": ""}})
    app.add("root", "def main(req: str) -> str:\n    return 'mine'\n", http_trigger("{*rest}"))
    with RunningHost(app.root) as host:
        assert request(host, "/") == (200, "mine")
