"""Outcomes as HTTP responses: functions-semantics 8.7."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from funchost.bindings.errors import ConfigurationError
from funchost.triggers.base import ErrorInfo, Outcome, Status
from funchost.triggers.common_headers import with_headers
from funchost.triggers.cors import Cors
from funchost.triggers.http_request import origin_form, parse_query
from funchost.triggers.http_response import Reply, ResponseError, render

NOW = datetime(2025, 1, 1, tzinfo=UTC)
TEXT = ("Content-Type", "text/plain; charset=utf-8")


def outcome(kind: str, body: Any = b"", header: Any = None, status: Status = Status.SUCCEEDED) -> Outcome:
    return Outcome(
        status=status,
        function="F",
        invocation_id="1",
        started=NOW,
        ended=NOW,
        kind=kind,
        body=body,
        header=header or {},
    )


def from_object(**members: Any) -> Reply:
    """The reply for a function that returned an object with these members."""
    return render(outcome("json", json.dumps(members).encode()))


def test_nothing_returned_is_204() -> None:
    assert render(outcome("none")) == Reply(204)


def test_nothing_returned_where_the_return_value_is_the_response_is_an_error() -> None:
    with pytest.raises(ResponseError, match="returned None"):
        render(outcome("none"), must_return=True)


@pytest.mark.parametrize("text", [b"hello", b"", b'{"body": 1}', b"[1,2]"])
def test_text_is_sent_verbatim_as_plain_text(text: bytes) -> None:
    assert render(outcome("text", text)) == Reply(200, (TEXT,), text)


def test_bytes_are_an_octet_stream() -> None:
    assert render(outcome("bytes", b"\xff")) == Reply(
        200, (("Content-Type", "application/octet-stream"),), b"\xff"
    )


@pytest.mark.parametrize("body", [b'{"status":404,"headers":{"a":"b"}}', b"[1]", b"3", b"true"])
def test_json_without_a_body_member_is_the_body_itself(body: bytes) -> None:
    assert render(outcome("json", body)) == Reply(200, (("Content-Type", "application/json"),), body)


def test_an_object_with_a_body_is_a_response_object() -> None:
    reply = from_object(BODY="made", StatusCode="201", Headers={"X-A": 1, "X-B": ["x", "y"], "X-C": None})
    assert reply == Reply(201, (("X-A", "1"), ("X-B", "x"), ("X-B", "y"), TEXT), b"made")


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ("text", b"text"),
        ('{"a": 1}', b'{"a": 1}'),
        ({"a": [1, 2]}, b'{"a":[1,2]}'),
        (3, b"3"),
        (True, b"true"),
    ],
)
def test_the_body_of_a_response_object_is_text_whatever_it_is(body: Any, sent: bytes) -> None:
    assert from_object(body=body) == Reply(200, (TEXT,), sent)


def test_a_response_object_without_content_needs_no_content_type() -> None:
    assert from_object(body=None, status=404) == Reply(404)


def test_a_content_type_in_the_headers_is_kept() -> None:
    reply = from_object(body={}, headers={"content-type": "application/json"})
    assert reply.headers == (("content-type", "application/json"),)


def test_cookies_of_a_response_object_become_set_cookie_headers() -> None:
    reply = from_object(
        body="",
        cookies=[
            {"name": "a", "value": "1;x", "path": "/", "maxAge": 60, "httpOnly": True, "sameSite": "Lax"},
            {"name": "b", "value": "2", "secure": True, "domain": "example.org"},
        ],
    )
    assert reply.headers == (
        ("Set-Cookie", "a=1%3Bx; max-age=60; path=/; samesite=lax; httponly"),
        ("Set-Cookie", "b=2; domain=example.org; secure"),
    )


@pytest.mark.parametrize(
    ("cookie", "header"),
    [
        ({"name": "a"}, "a="),
        ({"name": "a", "value": 7, "maxAge": 0}, "a=7; max-age=0"),
        ({"name": "a", "value": "x y/ü=%"}, "a=x%20y%2F%C3%BC%3D%25"),
        ({"NAME": "a", "name": "a", "Value": "1", "Path": "/p"}, "a=1; path=/p"),
        ({"name": "a", "value": "", "domain": "", "path": "", "secure": False}, "a=; domain=; path="),
        (
            {"name": "a", "value": "1", "expires": "Thu, 12 Jan 2017 13:55:08 GMT", "sameSite": "None"},
            "a=1; expires=Thu, 12 Jan 2017 13:55:08 GMT; samesite=none",
        ),
    ],
)
def test_a_cookie_is_written_as_aspnet_does(cookie: dict[str, Any], header: str) -> None:
    assert from_object(body="", cookies=[cookie]).headers == (("Set-Cookie", header),)
    reply = render(outcome("http", b"", {"headers": [["X-A", "1"]], "cookies": [cookie]}))
    assert reply.headers == (("X-A", "1"), ("Set-Cookie", header))


@pytest.mark.parametrize(
    "result",
    [
        outcome("json", b'{"body": "\xff"}'),
        outcome("json", b'{"body": ' + b"[" * 5000),
        outcome("http", header={"status": "9" * 5000}),
        outcome("http", header={"headers": 5}),
        outcome("http", header={"headers": [["X-A", "\ud800"]]}),
    ],
)
def test_what_no_response_can_be_made_of_is_told_as_such(result: Outcome) -> None:
    with pytest.raises(ResponseError):
        render(result)


def test_an_http_result_keeps_its_status_and_every_cookie() -> None:
    headers = [["Content-Type", "text/html"], ["Set-Cookie", "a=1"], ["Set-Cookie", "b=2"]]
    reply = render(outcome("http", b"<p>", {"status": 418, "headers": headers}))
    assert reply == Reply(418, tuple((n, v) for n, v in headers), b"<p>")


def test_headers_that_frame_the_message_are_left_to_the_host() -> None:
    headers = [["Transfer-Encoding", "chunked"], ["Connection", "close"], ["X-A", " b "]]
    assert render(outcome("http", b"", {"status": 200, "headers": headers})).headers == (("X-A", "b"),)


async def test_a_streamed_result_keeps_its_stream() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"x"

    body = chunks()
    assert render(outcome("stream", body, {"status": 206})) == Reply(206, (), body)


@pytest.mark.parametrize("status", [99, 100, 1000, "abc", None, True, 20.5])
def test_an_impossible_status_is_refused(status: Any) -> None:
    with pytest.raises(ResponseError, match="status"):
        render(outcome("http", b"", {"status": status}))


@pytest.mark.parametrize(
    "header",
    [
        ["X-A", "a\r\nX-B: b"],
        ["X-A", "a\nb"],
        ["X-A", "\u00e9"],
        ["X-A", "\x00"],
        ["X A", "b"],
        ["X-A\r\nX-B", "b"],
        ["", "b"],
        ["X-A", 1],
        ["X-A"],
    ],
)
def test_a_header_that_could_break_the_protocol_is_refused(header: list[Any]) -> None:
    with pytest.raises(ResponseError, match="header"):
        render(outcome("http", b"", {"status": 200, "headers": [header]}))


@pytest.mark.parametrize(
    "members",
    [
        {"headers": "x"},
        {"headers": {"a": {}}},
        {"headers": {"Content-Type": None}},
        {"cookies": ["a=1"]},
        {"cookies": {"a": "1"}},
        {"cookies": [{"value": "1"}]},
        {"cookies": [{"name": "a b", "value": "1"}]},
        {"cookies": [{"name": "a", "sameSite": "Loose"}]},
        {"cookies": [{"name": "a", "path": "/\r\nX-B: b"}]},
        {"status": "soon"},
    ],
)
def test_a_response_object_that_makes_no_sense_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(ResponseError):
        from_object(body="", **members)


def test_a_result_that_is_no_json_or_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ResponseError, match="not JSON"):
        render(outcome("json", b'{"a'))
    with pytest.raises(ResponseError, match="unknown kind"):
        render(outcome("picture"))


@pytest.mark.parametrize("status", [Status.FAILED, Status.TIMED_OUT])
def test_a_failure_tells_the_caller_nothing(status: Status) -> None:
    assert render(outcome("text", b"secret", status=status)) == Reply(500)


def test_an_interruption_asks_to_come_again() -> None:
    assert render(outcome("none", status=Status.INTERRUPTED)) == Reply(503, (("Retry-After", "1"),))


def test_a_lock_that_cannot_be_asked_for_is_told_without_what_only_the_host_should_know() -> None:
    waited = outcome("none", status=Status.INTERRUPTED)
    waited.error = ErrorInfo("LockUnavailable", "s3://secret-bucket is away")
    reply = render(waited)
    assert reply.status == 503
    assert reply.headers == (TEXT, ("Retry-After", "5"))
    assert isinstance(reply.body, bytes) and b"lock" in reply.body and b"secret-bucket" not in reply.body


def test_forced_headers_replace_and_default_headers_fill_in() -> None:
    reply = Reply(200, (("X-A", "own"), ("X-B", "own")), b"")
    dressed = with_headers(reply, (("x-a", "forced"),), (("x-b", "default"), ("X-C", "default")))
    assert dressed.headers == (("X-B", "own"), ("x-a", "forced"), ("X-C", "default"))


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("", {}),
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a=1&a=2&a=", {"a": "1,2"}),
        ("a=1&A=2&B=3", {"a": "1,2", "B": "3"}),
        ("a=&b", {}),
        ("a=x+y%26z", {"a": "x y&z"}),
        ("a=%ff", {"a": "\ufffd"}),
    ],
)
def test_repeated_query_keys_are_joined_and_empty_ones_left_out(query: str, values: dict[str, str]) -> None:
    assert parse_query(query) == values


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/api/f?next=http://h/x", "/api/f?next=http://h/x"),
        ("http://example.org/api/f?a=1", "/api/f?a=1"),
        ("http://example.org", "http://example.org"),
        ("*", "*"),
    ],
)
def test_a_target_that_is_a_whole_url_is_asked_for_its_path(target: str, path: str) -> None:
    assert origin_form(target) == path


ASK = {"Origin": "https://a.example", "Access-Control-Request-Method": "PUT"}


def test_cors_lets_listed_origins_in() -> None:
    cors = Cors(["https://a.example/"], credentials=True)
    assert dict(cors.headers("https://A.example")) == {
        "Access-Control-Allow-Origin": "https://A.example",
        "Vary": "Origin",
        "Access-Control-Allow-Credentials": "true",
    }
    assert cors.headers("https://b.example") == cors.headers(None) == ()


def test_cors_for_everyone_names_nobody() -> None:
    assert Cors(["*"]).headers("https://a.example") == (("Access-Control-Allow-Origin", "*"),)


def test_cors_for_everyone_with_credentials_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="credentials"):
        Cors(["*"], credentials=True)


def test_a_preflight_is_told_that_any_method_and_header_will_do() -> None:
    cors = Cors(["*"])
    reply = cors.preflight("OPTIONS", {**ASK, "Access-Control-Request-Headers": "x-a, x-b"})
    assert reply == Reply(
        204, (("Access-Control-Allow-Methods", "PUT"), ("Access-Control-Allow-Headers", "x-a, x-b"))
    )


def test_a_preflight_from_elsewhere_is_told_nothing() -> None:
    assert Cors(["https://b.example"]).preflight("OPTIONS", ASK) == Reply(204)


def test_a_preflight_never_repeats_what_cannot_be_a_header() -> None:
    asked = {**ASK, "Access-Control-Request-Headers": "x-\udcff"}
    assert Cors(["*"]).preflight("OPTIONS", asked) == Reply(204, (("Access-Control-Allow-Methods", "PUT"),))


def test_other_requests_are_no_preflight() -> None:
    cors = Cors(["*"])
    assert cors.preflight("GET", ASK) is None
    assert cors.preflight("OPTIONS", {"Origin": "https://a.example"}) is None
    assert cors.preflight("OPTIONS", {"Access-Control-Request-Method": "PUT"}) is None
