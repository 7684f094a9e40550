"""Callers who do not wait, beyond the life of a host: what they are told after stops and kills, and who is told it."""

from __future__ import annotations

import hashlib
import hmac
import http.server
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from e2e.apps import App, http_trigger, queue_trigger, request, until
from e2e.running import DEADLINE, RunningHost, funchost

pytestmark = pytest.mark.e2e

_WORK = """
    import os, time
    from ledger import note

    def main(req: str, context) -> str:
        context.set_progress(0.5, "half")
        note("began", context.invocation_id)
        while req and not os.path.exists(req):
            time.sleep(0.01)
        return "done"
"""
_JOB = """
    def main(job: str) -> None:
        if job == "bad":
            raise ValueError("no such order")
"""

_RESPONSE = {"type": "http", "direction": "out", "name": "$return"}


def made(root: Path) -> App:
    app = App(root / "app")
    app.add("work", _WORK, http_trigger(), _RESPONSE)
    app.add("quiet", _WORK, http_trigger(), _RESPONSE, history="none")
    app.add("keyed", _WORK, http_trigger(authLevel="function"), _RESPONSE)
    app.add("job", _JOB, queue_trigger(maxDequeueCount=1))
    return app


@pytest.fixture
def app(tmp_path: Path) -> App:
    return made(tmp_path)


class Receiver:
    """Listens on loopback; answers what it is told to, in order, and then 200."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((dict(self.headers), body))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/done"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def documents(self, count: int) -> list[Any]:
        """What was sent, once that is so much."""
        until(lambda: len(self.got) >= count, DEADLINE, lambda: f"{len(self.got)} of {count} calls")
        return [json.loads(body) for _, body in self.got]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


def ask(
    host: RunningHost, path: str, headers: Mapping[str, str] | None = None, method: str = "GET"
) -> tuple[int, str]:
    """Status and body of the answer to a request without a body."""
    return request(host, path, None, method, **(headers or {}))


def begin(host: RunningHost, body: str = "", function: str = "work", **headers: str) -> str:
    """Begin a run that nobody waits for; returns the path of its status."""
    given = {"Prefer": "respond-async", **{name.replace("_", "-"): value for name, value in headers.items()}}
    status, answer = request(host, f"/api/{function}", body.encode(), "POST", **given)
    assert status == 202, answer
    parts = urlsplit(json.loads(answer)["statusUrl"])
    return f"{parts.path}?{parts.query}"


def ended(host: RunningHost, path: str) -> Any:
    """The status of a run once it has ended."""
    found: dict[str, Any] = {}

    def look() -> bool:
        status, body = request(host, path)
        assert status == 200, body
        found.update(json.loads(body))
        return str(found["state"]) != "running"

    until(look, DEADLINE, lambda: str(found))
    return found


# -- hosts that end


def test_the_result_is_there_for_the_next_host(app: App) -> None:
    with RunningHost(app.root) as host:
        path = begin(host)
        assert ended(host, path)["state"] == "succeeded"
    with RunningHost(app.root) as host:
        status = ended(host, path)
        assert (status["state"], status["result"]["body"]) == ("succeeded", "done")
        assert (status["progress"], status["customStatus"]) == (0.5, "half")
        assert request(host, path.replace("?", "/result?")) == (200, "done")


def test_a_run_whose_host_was_killed_is_abandoned_and_its_caller_is_told(
    app: App, receiver: Receiver
) -> None:
    with RunningHost(app.root) as host:
        path = begin(host, "never", Callback_Url=receiver.url)
        app.wait_for_lines(1, "began")
        host.kill()
    assert receiver.got == []
    with RunningHost(app.root) as host:
        status = ended(host, path)
        assert status["state"] == "abandoned"
        assert "ended while it ran" in status["error"]["message"]
        [told] = receiver.documents(1)
        assert (told["id"], told["state"]) == (status["id"], "abandoned")


def test_a_run_is_known_as_soon_as_its_caller_is(app: App) -> None:
    host = RunningHost(app.root).start()
    path = begin(host, "never", "quiet")
    host.kill()
    with RunningHost(app.root) as host:
        assert ended(host, path)["state"] == "abandoned"


def test_a_run_that_outlasts_the_stop_is_interrupted(app: App) -> None:
    with RunningHost(app.root, "--drain-timeout", "1s") as host:
        path = begin(host, "never")
        app.wait_for_lines(1, "began")
    with RunningHost(app.root) as host:
        assert ended(host, path)["state"] == "interrupted"


def test_a_stop_waits_for_runs_that_nobody_waits_for(app: App) -> None:
    with RunningHost(app.root) as host:
        path = begin(host, "go")
        app.wait_for_lines(1, "began")
        timer = threading.Timer(0.5, (app.root / "go").touch)
        timer.start()
    timer.join()
    with RunningHost(app.root) as host:
        assert ended(host, path)["state"] == "succeeded"


def test_a_function_without_history_has_one_for_those_who_ask(app: App) -> None:
    with RunningHost(app.root) as host:
        path = begin(host, function="quiet")
        assert ended(host, path)["result"]["body"] == "done"


# -- calls back


def test_a_receiver_that_failed_is_called_by_the_next_host_with_a_good_signature(
    app: App, receiver: Receiver
) -> None:
    receiver.answers = [500]
    with RunningHost(app.root) as host:
        path = begin(host, Callback_Url=receiver.url)
        receiver.documents(1)
        host.kill()
    with RunningHost(app.root) as host:
        first, second = receiver.documents(2)
        assert first["id"] == second["id"] == ended(host, path)["id"]
        until(lambda: not app.peek("azure-webjobs-callbacks"), DEADLINE)
    listed = json.loads(funchost("keys", "list", "--json", "--root", app.root).stdout)
    key = next(key["value"] for key in listed if key["name"] == "callbacks")
    for headers, body in receiver.got:
        signed = f"{headers['Funchost-Timestamp']}.".encode() + body
        wanted = hmac.new(key.encode(), signed, hashlib.sha256).hexdigest()
        assert headers["Funchost-Signature"] == f"sha256={wanted}"


def test_a_run_by_hand_calls_back(app: App, receiver: Receiver) -> None:
    with RunningHost(app.root) as host:
        asked = json.dumps({"input": "bad", "callbackUrl": receiver.url}).encode()
        status, _ = request(host, "/admin/functions/job", asked, "POST")
        assert status == 202
        [told] = receiver.documents(1)
        assert (told["function"], told["state"]) == ("job", "failed")
        assert told["error"] == {"type": "ValueError", "message": "no such order"}
        for wrong in (5, "ftp://example.com/"):
            asked = json.dumps({"input": "x", "callbackUrl": wrong}).encode()
            assert request(host, "/admin/functions/job", asked, "POST")[0] == 400


@pytest.mark.parametrize(("body", "state"), [("good", "succeeded"), ("bad", "failed")])
def test_a_message_calls_back(app: App, receiver: Receiver, body: str, state: str) -> None:
    options = (
        "--property",
        f"callbackUrl={receiver.url}",
        "--correlation-id",
        "c-1",
        "--reply-to",
        "replies",
    )
    with RunningHost(app.root) as host:
        sent = funchost("queues", "send", "jobs", body, "--root", app.root, *options)
        assert sent.returncode == 0, sent.stderr
        [told] = receiver.documents(1)
        assert (told["state"], told["correlationId"]) == (state, "c-1")
        assert request(host, told["statusUrl"].removeprefix(host.url))[0] == 200
        [reply] = app.peek("replies")
        assert (reply.properties["runState"], reply.properties["parent"]) == (state, told["id"])


# -- who is told


@contextmanager
def guarded(app: App, **env: str) -> Iterator[tuple[RunningHost, dict[str, str]]]:
    """A host that asks for keys, and the keys by their names."""
    with RunningHost(app.root, "--auth", env=env) as host:
        listed = json.loads(funchost("keys", "list", "--json", "--root", app.root).stdout)
        yield host, {key["name"]: key["value"] for key in listed}


def test_a_run_is_shown_and_ended_with_its_signature_or_a_key_and_not_without(app: App) -> None:
    with guarded(app) as (host, keys):
        path = begin(host, "never")
        place, _, signature = path.partition("?sig=")
        other = begin(host).partition("?sig=")[2]
        for wrong in (
            "",
            "?sig=",
            f"?sig={signature}A",
            f"?sig={other}",
            "?code=wrong",
            f"?code={signature}",
        ):
            for method in ("GET", "DELETE"):
                assert request(host, place + wrong, method=method)[0] == 401, wrong
            assert request(host, f"{place}/result{wrong}")[0] == 401
        for right in (f"?sig={signature}", f"?code={keys['default']}", f"?code={keys['_master']}"):
            assert request(host, place + right)[0] == 200
        assert ask(host, place, {"x-functions-key": keys["default"]})[0] == 200
        own = {"x-functions-key": keys["_master"]}
        [key] = json.loads(ask(host, "/admin/host/systemkeys", own)[1])["keys"]
        assert request(host, place + f"?code={key['value']}")[0] == 401
        assert request(host, path, method="DELETE")[0] == 202
        assert ended(host, path)["error"]["type"] == "RunCancelled"


def test_the_key_of_one_function_does_not_show_the_runs_of_another(app: App) -> None:
    with guarded(app) as (host, keys):
        own = {"x-functions-key": keys["_master"]}
        place = begin(host).partition("?")[0]
        made = request(host, "/admin/functions/keyed/keys/mine", b"", "POST", **own)
        key = json.loads(made[1])["value"]
        assert request(host, f"{place}?code={key}")[0] == 401
        mine = begin(host, "", "keyed", x_functions_key=key).partition("?")[0]
        assert request(host, f"{mine}?code={key}")[0] == 200


def test_whether_there_is_a_run_is_told_to_those_who_may_know_it(app: App) -> None:
    with guarded(app) as (host, keys):
        place = "/runs/00000000-0000-7000-8000-000000000000"
        assert request(host, place)[0] == 401
        assert request(host, f"{place}?code={keys['_master']}")[0] == 404


def test_a_stranger_cannot_have_a_url_called(app: App, receiver: Receiver) -> None:
    with guarded(app) as (host, _):
        headers = {"Prefer": "respond-async", "Callback-Url": receiver.url}
        status, reason = request(host, "/api/work", b"", "POST", **headers)
        assert (status, "Callback-Url is taken only from" in reason) == (403, True)
        assert app.ledger("began") == []


def test_a_caller_with_a_key_cannot_have_this_machine_called(app: App, receiver: Receiver) -> None:
    with guarded(app) as (host, keys):
        named = receiver.url.replace("127.0.0.1", "localhost")
        for url in (receiver.url, named):
            begin(host, Callback_Url=url, x_functions_key=keys["default"])
        for poison in app.wait_for_poison("azure-webjobs-callbacks", 2):
            assert "not of the internet" in poison["message"]
        host.wait_for("could not be called back")
    assert receiver.got == []


def test_hosts_that_the_settings_name_are_called(app: App, receiver: Receiver) -> None:
    with guarded(app, FUNCHOST_CALLBACK_HOSTS="127.0.0.1") as (host, keys):
        begin(host, Callback_Url=receiver.url, x_functions_key=keys["default"])
        assert receiver.documents(1)[0]["state"] == "succeeded"


def test_a_page_of_another_site_sees_a_run_by_its_signature_alone(app: App) -> None:
    with RunningHost(app.root, "--cors", "*") as host:
        path = begin(host)
        place = path.partition("?")[0]
        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            assert ask(host, place, headers)[0] == 401
            assert ask(host, place, headers, "DELETE")[0] == 401
            assert ask(host, path, headers)[0] == 200
        assert request(host, place, Host="evil.example")[0] == 401
        evil = {
            "Origin": "https://evil.example",
            "Prefer": "respond-async",
            "Callback-Url": "http://127.0.0.1:1/",
        }
        assert request(host, "/api/work", b"", "POST", **evil)[0] == 403


def test_all_of_it_can_be_turned_off(app: App) -> None:
    with RunningHost(app.root, env={"FUNCHOST_RESPOND_ASYNC": "false"}) as host:
        assert request(host, "/api/work", b"", "POST", Prefer="respond-async") == (200, "done")
        assert request(host, "/runs/00000000-0000-7000-8000-000000000000")[0] == 404
        for query in ("", "?wait=0"):
            assert request(host, f"/admin/functions/job{query}", b'{"input": "x"}', "POST") == (202, "")
