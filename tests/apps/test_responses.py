"""What functions give, as their callers get it: python-model.md 2 and 5, functions-semantics.md 8.5 and 8.7."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from apps.serving import Answer, Host, serve
from e2e.running import funchost

TEXT = "text/plain; charset=utf-8"


@pytest.fixture(scope="module", params=["v1", "v2"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    yield from serve("responses", request.param, tmp_path_factory.mktemp("app"))


RESPONSES = [
    ("response", 200, TEXT, b"said"),
    ("nothing", 200, TEXT, b""),
    ("bytes", 200, "application/octet-stream", b"\x00\xff"),
    ("bytearray", 200, TEXT, b"ab"),
    ("html", 200, "text/html; charset=utf-8", "<p>ü</p>".encode()),
    ("json", 200, "application/json", b'{"a":1}'),
    ("latin", 200, "text/plain; charset=latin-1", b"sp\xe4m"),
    ("utf16", 200, "text/csv; charset=utf-16-le", b"a\x00;\x00b\x00"),
    ("latin-xml", 200, "application/xml", b"<\xfc/>"),
    ("own-type", 200, "application/xml", b"<a/>"),
    ("typed-twice", 200, "application/json", b"{}"),
    ("created", 201, TEXT, b""),
    ("redirect", 302, TEXT, b""),
    ("enum", 410, TEXT, b"gone"),
    ("text-status", 202, TEXT, b"queued"),
    ("teapot", 418, TEXT, b"short"),
    ("own-status", 599, TEXT, b"own"),
    ("server-error", 500, TEXT, b"told on purpose"),
    ("large", 200, TEXT, b"0123456789" * 300_000),
]
PLAIN = [
    ("text", 200, TEXT, b"plain"),
    ("empty-text", 200, TEXT, b""),
    ("json-text", 200, TEXT, b'{"b":1, "a": [1,  2]}'),
    ("unicode", 200, TEXT, "grüße ☃".encode()),
]
OURS = [
    ("dict", 200, "application/json", b'{"a":[1,null]}'),
    ("list", 200, "application/json", '[1,"ü"]'.encode()),
    ("object", 201, TEXT, b'{"id":7}'),
    ("object-text", 202, "text/css", b"made"),
    ("data", 200, "application/json", b'{"status":404,"headers":{"X-A":"1"}}'),
]


def check(answer: Answer, status: int, content_type: str, body: bytes) -> None:
    assert (answer.status, answer.header("Content-Type")) == (status, content_type)
    assert answer.body == body
    assert answer.header("Content-Length") == str(len(body))


@pytest.mark.parametrize(("shape", "status", "content_type", "body"), RESPONSES + PLAIN)
def test_a_response_is_sent_as_it_was_made(
    host: Host, shape: str, status: int, content_type: str, body: bytes
) -> None:
    check(host.get(f"/api/reply/{shape}"), status, content_type, body)
    check(host.get(f"/api/named/{shape}"), status, content_type, body)


@pytest.mark.parametrize(("shape", "status", "content_type", "body"), OURS)
def test_values_that_azure_refuses_are_responses_too(
    host: Host, shape: str, status: int, content_type: str, body: bytes
) -> None:
    check(host.get(f"/api/reply/{shape}"), status, content_type, body)


@pytest.mark.parametrize(("shape", "status", "content_type", "body"), [*RESPONSES, PLAIN[0]])
def test_a_head_request_gets_what_a_get_would_without_the_body(
    host: Host, shape: str, status: int, content_type: str, body: bytes
) -> None:
    answer = host.request("HEAD", f"/api/reply/{shape}")
    assert (answer.status, answer.header("Content-Type"), answer.body) == (status, content_type, b"")
    assert answer.header("Content-Length") == str(len(body))


def test_headers_go_out_in_the_letters_of_the_function(host: Host) -> None:
    assert ("Location", "/things/7") in host.get("/api/reply/created").headers
    assert ("location", "https://example.org/?a=1&b=2") in host.get("/api/reply/redirect").headers


def test_of_repeated_headers_the_last_one_is_sent(host: Host) -> None:
    assert host.get("/api/reply/repeated").all("X-A") == ["3"]


def test_header_values_may_be_numbers(host: Host) -> None:
    answer = host.get("/api/reply/number-header")
    assert (answer.header("X-Number"), answer.header("X-Flag")) == ("5", "True")


def test_headers_that_frame_the_message_are_the_hosts(host: Host) -> None:
    answer = host.get("/api/reply/framing")
    assert (answer.text, answer.header("X-A")) == ("body", "1")
    assert answer.header("Transfer-Encoding") is None
    assert answer.header("Connection") is None
    assert answer.all("Content-Length") == ["4"]


def test_a_wrong_content_length_is_put_right(host: Host) -> None:
    answer = host.get("/api/reply/length")
    assert (answer.text, answer.all("Content-Length")) == ("longer", ["6"])


def test_a_date_of_the_functions_own_stands_alone(host: Host) -> None:
    assert host.get("/api/reply/date").all("Date") == ["Thu, 12 Jan 2017 13:55:08 GMT"]


@pytest.mark.parametrize(
    ("shape", "status", "length"),
    [("no-content", 204, None), ("reset", 205, "0"), ("not-modified", 304, None)],
)
def test_statuses_that_have_no_body_are_sent_without(
    host: Host, shape: str, status: int, length: str | None
) -> None:
    connection = host.connect()
    try:
        for _ in range(2):
            connection.request("GET", f"/api/reply/{shape}")
            answer = connection.getresponse()
            assert (answer.status, answer.read(), answer.getheader("Content-Length")) == (status, b"", length)
    finally:
        connection.close()
    host.wait_for(
        f"A response with the status {status} has no body; the one that the function gave was not sent."
    )


def test_cookies_of_a_response_object(host: Host) -> None:
    answer = host.get("/api/reply/object-cookies")
    assert (answer.status, answer.all("Set-Cookie")) == (200, ["a=1%2F2; path=/; httponly"])


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ("none", "The function returned None, but its $return binding is the HTTP response."),
        ("number", "not a value of type int"),
        ("set", "not a value of type set"),
        ("raw-bytes", "does not take bytes, which say nothing of what they are"),
        ("raises", "ZeroDivisionError"),
        ("exits", "SystemExit"),
        ("text-status-none", "not 'soon'"),
        ("status-99", "not 99."),
        ("status-1000", "not 1000."),
        ("informational", "not 102."),
        ("split", "must not contain newline"),
        ("split-name", "invalid name 'X-A: 1\\r\\nX-B'"),
        ("snowman-header", "The value of the response's header 'X-A' must be printable ASCII"),
        ("klingon", "unknown encoding: klingon"),
        ("unencodable", "'ascii' codec can't encode"),
        ("surrogate", "not valid Unicode"),
        ("dict-of-sets", "set"),
        ("wrong-body", "response is expected to be either of str, bytes, or bytearray, got int"),
        ("unknown", "KeyError: 'unknown'"),
    ],
)
def test_what_is_no_response_is_a_bare_500_with_the_reason_in_the_log(
    host: Host, shape: str, reason: str
) -> None:
    answer = host.get(f"/api/reply/{shape}")
    assert (answer.status, answer.body, answer.header("Content-Type")) == (500, b"", None)
    assert {"X-A", "X-B"}.isdisjoint(name for name, _ in answer.headers)
    host.wait_for(reason)
    assert host.get("/api/reply/text").text == "plain"


def test_a_named_output_set_to_none_is_204(host: Host) -> None:
    answer = host.get("/api/named/none")
    assert (answer.status, answer.body, answer.header("Content-Length")) == (204, b"", None)


@pytest.mark.parametrize("function", ["unset", "nooutput", "queued"])
def test_without_a_response_the_answer_is_204(host: Host, function: str) -> None:
    answer = host.get(f"/api/{function}")
    assert (answer.status, answer.body, answer.header("Content-Type")) == (204, b"", None)


def test_what_is_returned_to_a_queue_is_the_answer_too(host: Host) -> None:
    check(host.get("/api/queued?text=hi"), 200, TEXT, b"hi")


@pytest.mark.parametrize("function", ["unset", "nooutput"])
def test_a_value_returned_without_a_binding_for_it_is_an_error(host: Host, function: str) -> None:
    answer = host.get(f"/api/{function}?text=hi")
    assert (answer.status, answer.body) == (500, b"")
    host.wait_for("it has no output '$return' for it")


def test_a_response_and_an_output_go_their_own_ways(host: Host) -> None:
    answer = host.get("/api/both")
    assert (answer.status, answer.text) == (202, "for the caller")
    peeked = funchost("queues", "peek", "texts", "--root", host.root)
    assert b"for the queue" in peeked.stdout, "outputs are sent before the caller is answered"


def test_a_response_can_be_given_again_with_its_cookies(host: Host) -> None:
    for _ in range(2):
        answer = host.get("/api/later")
        assert (answer.text, answer.all("Set-Cookie")) == ("ready", ["a=1; domain=; path="])


def test_a_run_by_hand_shows_the_response(host: Host) -> None:
    assert json.dumps(host.run("both")).count("for the caller") == 1
