"""The four ways in which a background run reports back, of an app in either model. See docs/callers.md."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
from apps.serving import Answer, Host, serve
from e2e.running import DEADLINE, funchost

T = TypeVar("T")

ASYNC = {"Prefer": "respond-async"}
JSON = {"Content-Type": "application/json"}
_RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture(scope="module", params=["v1", "v2"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    yield from serve("callers", request.param, tmp_path_factory.mktemp("app"))


def until(look: Callable[[], T | None]) -> T:
    """What `look` gives as soon as it gives anything."""
    end = time.monotonic() + DEADLINE
    while (found := look()) is None:
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)
    return found


def path_of(answer: Answer) -> str:
    """Where an answer says that its run can be asked for."""
    assert answer.status == 202, answer
    location = answer.header("Location")
    assert location
    return location


def ended(host: Host, path: str) -> Any:
    """The status of a run, as soon as it has ended."""

    def look() -> Any:
        status = host.get(path).json
        return None if status["state"] == "running" else status

    return until(look)


def send(host: Host, queue: str, body: str, *options: str) -> None:
    """Send a message."""
    done = funchost("queues", "send", queue, body, "--root", host.root, *options)
    assert done.returncode == 0, done.stderr


def reply_in(host: Host, queue: str) -> Any:
    """The first message of a queue."""

    def look() -> Any:
        done = funchost("queues", "peek", queue, "--json", "--root", host.root)
        return next(iter(json.loads(done.stdout)), None) if done.returncode == 0 else None

    return until(look)


# -- an asynchronous start


def test_a_caller_who_does_not_want_to_wait_is_told_where_to_ask(host: Host) -> None:
    answer = host.post("/api/work", '{"a": 1}', **ASYNC)

    assert answer.status == 202
    assert answer.header("Preference-Applied") == "respond-async"
    assert answer.header("Retry-After") == "1"
    told = answer.json
    assert (set(told), told["state"]) == ({"id", "state", "statusUrl"}, "running")
    assert _RUN_ID.fullmatch(told["id"])
    assert told["statusUrl"] == f"{host.url}{path_of(answer)}"
    assert path_of(answer).startswith(f"/runs/{told['id']}?sig=")


def test_the_status_ends_with_what_the_function_answered(host: Host) -> None:
    path = path_of(host.post("/api/work", '{"a": 1}', **ASYNC))

    status = ended(host, path)

    assert (status["function"], status["state"], status["attempts"]) == ("work", "succeeded", 1)
    assert (status["progress"], status["customStatus"]) == (1.0, "done")
    assert status["result"]["status"] == 201
    assert status["result"]["body"] == {"got": {"a": 1}, "size": 8}
    assert ["X-Made-By", "work"] in status["result"]["headers"]
    assert "error" not in status
    assert status["started"] <= status["ended"]
    assert status["ended"].endswith("Z")
    assert urlsplit(status["resultUrl"]).path == f"{urlsplit(path).path}/result"


def test_the_result_is_the_response_itself(host: Host) -> None:
    status = ended(host, path_of(host.post("/api/work", '{"a": 1}', **ASYNC)))
    waited = host.post("/api/work", '{"a": 1}')

    answer = host.get(status["resultUrl"].removeprefix(host.url))

    assert (answer.status, answer.body) == (waited.status, waited.body) == (201, answer.body)
    assert answer.header("X-Made-By") == waited.header("X-Made-By")
    assert answer.header("Content-Type") == waited.header("Content-Type")
    assert answer.header("Cache-Control") == "no-store"
    assert (answer.header("Set-Cookie"), waited.header("Set-Cookie") is not None) == (None, True)


def test_while_it_runs_the_status_shows_how_far_it_is(host: Host) -> None:
    path = path_of(host.post("/api/work", '{"until": "go-1"}', **ASYNC))

    def look() -> Any:
        answer = host.get(path)
        return answer if answer.json["progress"] else None

    answer = until(look)
    assert (answer.status, answer.json["state"], answer.header("Retry-After")) == (200, "running", "1")
    assert (answer.json["progress"], answer.json["customStatus"]) == (0.5, {"step": "resize"})
    assert answer.json["ended"] is None
    assert "result" not in answer.json
    early = host.get(path.replace("?", "/result?"))
    assert (early.status, early.json["state"], early.header("Retry-After")) == (202, "running", "1")

    (host.root / "go-1").touch()
    assert ended(host, path)["state"] == "succeeded"


def test_a_coroutine_tells_of_itself_before_and_after_it_waits(host: Host) -> None:
    path = path_of(host.post("/api/work_async?until=go-2", **ASYNC))
    status = until(lambda: found if (found := host.get(path).json)["progress"] == 0.25 else None)
    assert (status["state"], status["customStatus"]) == ("running", "began")
    (host.root / "go-2").touch()
    assert ended(host, path)["result"]["body"] == "ended"


def test_what_ends_within_the_wait_is_answered_as_ever(host: Host) -> None:
    answer = host.post("/api/work", "{}", Prefer="respond-async, wait=20")
    assert (answer.status, answer.json["got"], answer.header("Preference-Applied")) == (201, {}, None)
    failed = host.post("/api/fails", Prefer="respond-async; x=y, wait=20")
    assert (failed.status, failed.body) == (500, b"")


def test_what_does_not_end_within_the_wait_goes_on(host: Host) -> None:
    began = time.monotonic()
    path = path_of(host.post("/api/work", '{"until": "go-3"}', Prefer="respond-async,wait=1"))
    assert time.monotonic() - began >= 1
    (host.root / "go-3").touch()
    assert ended(host, path)["state"] == "succeeded"


@pytest.mark.parametrize("prefer", ["wait=1", "return=minimal", "respond-asynchronously", ""])
def test_without_that_preference_everybody_waits(host: Host, prefer: str) -> None:
    assert host.post("/api/work", "{}", Prefer=prefer).status == 201


def test_a_large_body_is_read_before_the_answer(host: Host) -> None:
    body = json.dumps({"filler": "x" * 300_000})
    status = ended(host, path_of(host.post("/api/work", body, **ASYNC)))
    # What is too large to stand in the status is asked for by itself.
    assert "result" not in status
    answer = host.get(status["resultUrl"].removeprefix(host.url))
    assert answer.json["size"] == len(body)


def test_bytes_stand_in_the_status_in_base64(host: Host) -> None:
    status = ended(host, path_of(host.post("/api/picture", **ASYNC)))
    assert status["result"]["bodyBase64"] == "iVBOR/8="
    answer = host.get(status["resultUrl"].removeprefix(host.url))
    assert (answer.body, answer.header("Content-Type")) == (b"\x89PNG\xff", "image/png")


def test_a_stream_is_collected(host: Host) -> None:
    status = ended(host, path_of(host.post("/api/streamed", **ASYNC)))
    assert status["result"]["body"] == "one two"


def test_a_failure_tells_its_error_and_no_traceback(host: Host) -> None:
    path = path_of(host.post("/api/fails", **ASYNC))
    status = ended(host, path)
    assert status["state"] == "failed"
    assert status["error"] == {"type": "ValueError", "message": "no such picture"}
    assert "Traceback" not in json.dumps(status)
    result = host.get(path.replace("?", "/result?"))
    assert (result.status, result.json["state"]) == (409, "failed")


def test_progress_that_is_none_fails_the_function_that_says_it(host: Host) -> None:
    status = ended(host, path_of(host.post("/api/wrong", **ASYNC)))
    assert (status["state"], status["error"]["type"], status["progress"]) == ("failed", "ValueError", None)


# -- looking and ending


def test_a_run_can_be_cancelled_by_its_caller(host: Host) -> None:
    path = path_of(host.post("/api/work", '{"until": "never"}', **ASYNC))
    assert host.request("DELETE", path).status == 202
    status = ended(host, path)
    assert (status["state"], status["error"]["type"]) == ("failed", "RunCancelled")
    again = host.request("DELETE", path)
    assert (again.status, again.json["state"]) == (409, "failed")


def test_on_a_developers_host_the_signature_is_not_needed(host: Host) -> None:
    path = path_of(host.post("/api/work", "{}", **ASYNC))
    ended(host, path)
    assert host.get(path.partition("?")[0]).json["state"] == "succeeded"


@pytest.mark.parametrize("path", ["/runs/00000000-0000-7000-8000-000000000000", "/runs/x", "/runs/x/result"])
def test_an_unknown_run_is_not_found(host: Host, path: str) -> None:
    answer = host.get(path)
    assert (answer.status, "error" in answer.json) == (404, True)


@pytest.mark.parametrize("path", ["/runs", "/runs/", "/runs/a/b", "/runs/a/result/c"])
def test_other_paths_below_are_not_found(host: Host, path: str) -> None:
    assert host.get(path).status == 404


def test_other_methods_are_refused(host: Host) -> None:
    path = path_of(host.post("/api/work", "{}", **ASYNC))
    answer = host.post(path)
    assert (answer.status, answer.header("Allow")) == (405, "GET, HEAD, DELETE")
    assert host.request("HEAD", path).status == 200


def test_the_beginning_of_an_id_does_not_do(host: Host) -> None:
    path = path_of(host.post("/api/work", "{}", **ASYNC))
    assert host.get(path.partition("?")[0][:-1]).status == 404


# -- by the admin API


def test_a_run_by_hand_is_waited_for_as_long_as_is_said(host: Host) -> None:
    answer = host.post("/admin/functions/by_hand?wait=20", '{"input": ""}', **JSON)
    assert (answer.status, answer.json["status"]) == (200, "succeeded")

    answer = host.post("/admin/functions/by_hand?wait=1", '{"input": "go-4"}', **JSON)
    path = path_of(answer)
    assert (answer.json["statusUrl"], answer.header("Retry-After")) == (f"{host.url}{path}", "1")
    (host.root / "go-4").touch()
    status = ended(host, path)
    assert (status["state"], status["customStatus"], status["result"]) == ("succeeded", "go-4", None)


def test_a_run_by_hand_that_nobody_waits_for_can_be_asked_for_too(host: Host) -> None:
    answer = host.post("/admin/functions/by_hand", '{"input": ""}', **JSON)
    assert answer.body == b""
    assert ended(host, path_of(answer))["function"] == "by_hand"
    at_once = host.post("/admin/functions/by_hand?wait=0", '{"input": ""}', **JSON)
    assert at_once.json["id"] in path_of(at_once)


@pytest.mark.parametrize("query", ["?wait", "?wait=true"])
def test_without_a_number_it_is_waited_for_without_a_limit(host: Host, query: str) -> None:
    answer = host.post(f"/admin/functions/work{query}", '{"input": "{}"}', **JSON)
    assert (answer.status, answer.json["http"]["status"]) == (200, 201)


# -- replies


def test_a_message_is_answered_in_the_queue_that_it_names(host: Host) -> None:
    send(host, "questions", "why", "--reply-to", "replies-1", "--correlation-id", "c-1")
    reply = reply_in(host, "replies-1")
    assert json.loads(reply["body"]) == {"answer": "WHY"}
    assert (reply["runState"], reply["correlationId"], "error" in reply) == ("succeeded", "c-1", False)
    assert ended(host, f"/runs/{reply['parent']}")["function"] == "answer"


def test_what_goes_to_an_output_is_the_reply_too(host: Host) -> None:
    send(host, "passed", "it", "--reply-to", "replies-2")
    reply = reply_in(host, "replies-2")
    assert reply["body"] == reply_in(host, "next")["body"] == "on: it"
    # Without one of its own the correlation is the message's id.
    assert _RUN_ID.fullmatch(reply["correlationId"])


def test_a_message_that_is_given_up_is_answered_with_its_error(host: Host) -> None:
    send(host, "questions", "bad one", "--reply-to", "replies-3", "--correlation-id", "c-3")
    reply = reply_in(host, "replies-3")
    error = {"type": "ValueError", "message": "bad one is no question"}
    assert json.loads(reply["body"]) == {"state": "failed", "error": error}
    assert (reply["runState"], reply["error"], reply["correlationId"]) == (
        "failed",
        "bad one is no question",
        "c-3",
    )
    assert reply_in(host, "questions-poison")["body"] == "bad one"


def test_a_message_without_a_queue_for_replies_may_not_return_a_value(host: Host) -> None:
    send(host, "questions", "and now")
    host.wait_for("it has no output '$return' for it")
