"""A run as its caller sees it, and its result as a response."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

import msgspec
import pytest
from fakes import ManualClock

from funchost.bindings.errors import NotFound
from funchost.bindings.history import NOTHING, HistoryStore, Kept, RunRecord, RunState
from funchost.host.callers.status import INLINE_RESULT, result_reply, retry_after, status_document

NOW = ManualClock().now()
URL = "http://localhost/runs/r-1?sig=s"


def record(state: RunState = RunState.SUCCEEDED, **more: Any) -> RunRecord:
    given = {"function": "work", "trigger": "httpTrigger", "host": "h", "started": NOW, **more}
    ended = None if state is RunState.RUNNING else NOW + timedelta(seconds=2)
    return RunRecord(id="r-1", state=state, ended=ended, **given)


def kept(kind: str, data: bytes) -> Kept:
    return Kept(kind, data, len(data))


def document(run: RunRecord) -> Any:
    """What a reader gets of it."""
    return msgspec.json.decode(msgspec.json.encode(status_document(run, URL)))


class History:
    """Keeps the whole of one output."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def content(self, run: RunRecord, part: str) -> bytes:
        assert part == "output"
        return self._content


def test_a_run_that_goes_on_shows_no_result() -> None:
    told = document(record(RunState.RUNNING, progress=0.5, status=["a"]))
    assert told == {
        "id": "r-1",
        "function": "work",
        "state": "running",
        "progress": 0.5,
        "customStatus": ["a"],
        "queued": None,
        "started": "2026-03-01T12:00:00Z",
        "ended": None,
        "attempts": 1,
        "statusUrl": URL,
    }


@pytest.mark.parametrize("state", [RunState.ABANDONED, RunState.TIMED_OUT, RunState.FAILED])
def test_a_run_that_failed_tells_why_and_shows_no_traceback(state: RunState) -> None:
    told = document(record(state, error_type="ValueError", error_message="no", error_traceback="Traceback"))
    assert (told["state"], told["error"]) == (state.value, {"type": "ValueError", "message": "no"})
    assert "Traceback" not in str(told)
    assert "resultUrl" not in told


@pytest.mark.parametrize(
    ("answer", "output", "result"),
    [
        ({}, NOTHING, {"status": 204, "headers": [], "body": None}),
        (
            {},
            kept("text", b"hi"),
            {"status": 200, "headers": [["Content-Type", "text/plain; charset=utf-8"]], "body": "hi"},
        ),
        (
            {"status": 201, "headers": [["content-type", "application/problem+json"], ["set-cookie", "***"]]},
            kept("bytes", b'{ "a" : [1] }'),
            {"status": 201, "headers": [["content-type", "application/problem+json"]], "body": {"a": [1]}},
        ),
        (
            {"status": 200, "headers": [["Content-Type", "application/json"]]},
            kept("bytes", b"{no"),
            {"status": 200, "headers": [["Content-Type", "application/json"]], "body": "{no"},
        ),
        (
            {"status": None, "headers": []},
            kept("bytes", b"\xff"),
            {"status": 200, "headers": [], "bodyBase64": "/w=="},
        ),
        (
            {},
            kept("json", b'{"status": 418, "body": "tea"}'),
            {"status": 418, "headers": [["Content-Type", "text/plain; charset=utf-8"]], "body": "tea"},
        ),
    ],
)
def test_the_result_of_an_http_function_is_what_it_answered(
    answer: dict[str, Any], output: Kept, result: Any
) -> None:
    told = document(record(answer=answer, output=output))
    assert told["result"] == result
    assert told["resultUrl"] == "http://localhost/runs/r-1/result?sig=s"


@pytest.mark.parametrize(
    ("output", "told"),
    [
        (NOTHING, {"result": None}),
        (kept("text", b"hi"), {"result": "hi"}),
        (kept("json", b'{"body": 1}'), {"result": {"body": 1}}),
        (kept("bytes", b"\xff"), {"resultBase64": "/w=="}),
    ],
)
def test_the_result_of_any_other_function_is_its_value(output: Kept, told: dict[str, Any]) -> None:
    found = document(record(trigger="queueTrigger", output=output))
    assert {key: found[key] for key in found if key.startswith("result") and key != "resultUrl"} == told


@pytest.mark.parametrize(
    "output",
    [
        Kept("text", b"a" * 10, 20),
        kept("text", b"a" * (INLINE_RESULT + 1)),
        Kept("stream"),
        kept("weird", b""),
    ],
)
def test_what_is_too_large_or_not_kept_does_not_stand_in_the_status(output: Kept) -> None:
    assert "result" not in document(record(output=output))


async def test_the_result_by_itself_is_the_whole_response() -> None:
    run = record(
        answer={"status": 201, "headers": [["X-A", "b"], ["Set-Cookie", "***"]]},
        output=Kept("bytes", b"a", 3),
    )
    reply = await result_reply(run, cast(HistoryStore, History(b"abc")))
    assert (reply.status, reply.headers, reply.body) == (201, (("X-A", "b"),), b"abc")


async def test_a_result_that_was_not_kept_is_not_found() -> None:
    for output in (Kept("stream"), kept("weird", b"")):
        with pytest.raises(NotFound):
            await result_reply(record(output=output), cast(HistoryStore, History(b"")))


@pytest.mark.parametrize(("age", "seconds"), [(0, 1), (5, 1), (40, 4), (3600, 10), (-60, 1)])
def test_the_longer_it_runs_the_less_often_it_is_worth_asking(age: int, seconds: int) -> None:
    assert retry_after(record(RunState.RUNNING), NOW + timedelta(seconds=age)) == seconds
