"""Requests as functions see them: the rules of python-model.md 2 and 5 about `func.HttpRequest`."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from apps.serving import Headers, Host, serve
from e2e.running import DEADLINE


@pytest.fixture(scope="module", params=["v1", "v2"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    yield from serve("http", request.param, tmp_path_factory.mktemp("app"))


def echo(
    host: Host, path: str = "/api/echo", method: str = "GET", body: bytes = b"", headers: Headers = ()
) -> Any:
    """What the function saw."""
    answer = host.request(method, path, body, headers)
    assert answer.status == 200, answer
    return answer.json


def raw(host: Host, request: bytes) -> bytes:
    """All that comes back for bytes sent as they are."""
    url = urlsplit(host.url)
    with socket.create_connection((url.hostname or "", url.port or 0), DEADLINE) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    "target",
    [
        "/api/echo",
        "/api/echo/",
        "/api/ECHO/x",
        "/api/echo?",
        "/api/echo?a=1&a=2&b=",
        "/api/echo/a%20b%2Fc?q=%C3%A9+%26&u=http://h/p",
    ],
)
def test_the_url_is_complete_and_as_it_was_sent(host: Host, target: str) -> None:
    answer = raw(host, f"GET {target} HTTP/1.1\r\nHost: example.org:81\r\nConnection: close\r\n\r\n".encode())
    assert f'"url": "http://example.org:81{target}"'.encode() in answer


def test_the_url_has_the_hosts_own_address_when_that_is_asked_for(host: Host) -> None:
    assert echo(host, "/api/echo?a=1")["url"] == f"{host.url}/api/echo?a=1"


def test_what_a_proxy_adds_is_for_the_function_to_judge(host: Host) -> None:
    told = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "example.org", "X-Forwarded-For": "10.0.0.1"}
    seen = echo(host, headers=told)
    assert seen["url"] == f"{host.url}/api/echo"
    assert seen["headers"].items() >= {name.lower(): value for name, value in told.items()}.items()


def test_a_request_target_may_be_a_whole_url(host: Host) -> None:
    answer = raw(host, b"GET http://h/api/anyverb HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"GET it is")


def test_header_names_are_in_small_letters_and_looked_up_in_any_case(host: Host) -> None:
    assert echo(host, headers={"X-UPPER": "As Sent"})["headers"]["x-upper"] == "As Sent"
    assert host.get("/api/lookup", **{"X-Mixed-Case": "v"}).text == "v|v|True|None|None"


def test_repeated_headers_stand_in_one_value(host: Host) -> None:
    sent = [("X-A", "1"), ("x-a", "2, 3"), ("X-A", ""), ("Cookie", "a=1"), ("Cookie", "b=2")]
    headers = echo(host, headers=sent)["headers"]
    assert (headers["x-a"], headers["cookie"]) == ("1,2, 3,", "a=1; b=2")


def test_a_header_of_sixteen_kilobytes_arrives(host: Host) -> None:
    token = "t" * 16_000
    assert (
        echo(host, headers={"Authorization": f"Bearer {token}"})["headers"]["authorization"]
        == f"Bearer {token}"
    )


def test_header_bytes_that_are_no_utf8_are_replaced(host: Host) -> None:
    answer = raw(
        host, b"GET /api/lookup HTTP/1.1\r\nHost: h\r\nX-Mixed-Case: a\xff\r\nConnection: close\r\n\r\n"
    )
    assert answer.endswith("a\ufffd|a\ufffd|True|None|None".encode())


@pytest.mark.parametrize(
    ("query", "params"),
    [
        ("", {}),
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("tag=x&tag=y&tag=&tag=z", {"tag": "x,y,z"}),
        ("tag=x&TAG=y", {"tag": "x,y"}),
        ("Name=Ada", {"Name": "Ada"}),
        ("empty=&flag&a=1", {"a": "1"}),
        ("q=a+b%2Bc%20d%26e%3Df", {"q": "a b+c d&e=f"}),
        ("%C3%A9=gr%C3%BC%C3%9Fe", {"é": "grüße"}),
        ("a=%ff%fe", {"a": "\ufffd\ufffd"}),
        ("a=%", {"a": "%"}),
        ("a=%zz;b=2", {"a": "%zz;b=2"}),
        ("a=b=c==", {"a": "b=c=="}),
        ("a=1,2", {"a": "1,2"}),
        ("a[]=1&a[]=2", {"a[]": "1,2"}),
        ("code=secret", {"code": "secret"}),
    ],
)
def test_query_parameters(host: Host, query: str, params: dict[str, str]) -> None:
    assert echo(host, f"/api/echo?{query}")["params"] == params


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("", {}),
        ("/one", {"first": "one"}),
        ("/one/", {"first": "one"}),
        ("/one/two/three", {"first": "one", "rest": "two/three"}),
        ("/a%20b+c", {"first": "a b+c"}),
        ("/gr%C3%BC%C3%9Fe", {"first": "grüße"}),
        ("/a%2Fb/c%2fd", {"first": "a%2Fb", "rest": "c%2fd"}),
        ("/%ff", {"first": "\ufffd"}),
        ("/a%25b", {"first": "a%b"}),
        ("/CaSe", {"first": "CaSe"}),
    ],
)
def test_route_parameters_are_decoded(host: Host, path: str, params: dict[str, str]) -> None:
    assert echo(host, f"/api/echo{path}")["route_params"] == params


BODIES = [
    (b"", "application/json"),
    (b'{"a":  1}', "application/json"),
    (b"key=value", "application/x-www-form-urlencoded"),
    ("grüße".encode("latin-1"), "text/plain; charset=latin-1"),
    ("grüße".encode("utf-16"), "text/plain; charset=utf-16"),
    (bytes(range(256)), "application/octet-stream"),
    (b"\x89PNG\r\n\x1a\n\x00", "image/png"),
    (b"--x\r\nno real multipart", "multipart/form-data; boundary=x"),
    (b"\xff\x00", "no content type at all"),
    (b"\x1f\x8b\x08 looks like gzip", "application/gzip"),
]


@pytest.mark.parametrize(("body", "content_type"), BODIES, ids=[content_type for _, content_type in BODIES])
def test_a_body_arrives_untouched_as_bytes(host: Host, body: bytes, content_type: str) -> None:
    seen = echo(host, method="POST", body=body, headers={"Content-Type": content_type})
    assert (seen["type"], seen["length"]) == ("bytes", len(body))
    assert seen["sha256"] == hashlib.sha256(body).hexdigest()
    assert seen["headers"]["content-type"] == content_type


def test_a_compressed_body_is_not_opened(host: Host) -> None:
    seen = echo(host, method="POST", body=b"\x1f\x8bno", headers={"Content-Encoding": "gzip"})
    assert seen["length"] == 4


def test_a_request_without_a_body_has_empty_bytes(host: Host) -> None:
    seen = echo(host)
    assert (seen["type"], seen["length"]) == ("bytes", 0)


def test_a_get_may_have_a_body(host: Host) -> None:
    seen = echo(host, body=b"abc")
    assert (seen["method"], seen["length"]) == ("GET", 3)


def test_a_large_body_arrives_whole(host: Host) -> None:
    body = bytes(range(256)) * 20_000
    seen = echo(host, method="PUT", body=body)
    assert (seen["length"], seen["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())


def test_a_chunked_body_arrives_whole(host: Host) -> None:
    connection = host.connect()
    try:
        connection.request("POST", "/api/echo", iter([b"one,", b"two,", b"x" * 70_000]), encode_chunked=True)
        seen = connection.getresponse().read()
    finally:
        connection.close()
    assert hashlib.sha256(b"one,two," + b"x" * 70_000).hexdigest().encode() in seen


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (b'{"name": "Ada"}', 200, "Hello, Ada."),
        ('{"name": "Zoë"}'.encode(), 200, "Hello, Zoë."),
        (b"", 400, "no JSON"),
        (b"{", 400, "no JSON"),
        (b"name=Ada", 400, "no JSON"),
        (b"\xff\xfe", 400, "no JSON"),
        ('{"name": "ä"}'.encode("latin-1"), 400, "no JSON"),
        (b'\xef\xbb\xbf{"name": "Ada"}', 400, "no JSON"),
    ],
)
def test_get_json_raises_a_value_error_for_what_is_no_json(
    host: Host, body: bytes, status: int, text: str
) -> None:
    answer = host.post("/api/guarded", body, **{"Content-Type": "application/json"})
    assert (answer.status, answer.text) == (status, text)


def test_json_that_is_bad_and_not_guarded_against_is_500_without_a_word(host: Host) -> None:
    assert host.post("/api/unguarded", b"[1, 2]").json == [1, 2]
    answer = host.post("/api/unguarded", b"[1,")
    assert (answer.status, answer.body) == (500, b"")


@pytest.mark.parametrize(
    ("method", "status"),
    [
        ("GET", 200),
        ("POST", 200),
        ("PATCH", 200),
        ("HEAD", 404),
        ("PUT", 404),
        ("OPTIONS", 404),
        ("DELETE", 404),
    ],
)
def test_only_listed_methods_reach_a_function(host: Host, method: str, status: int) -> None:
    answer = host.request(method, "/api/verbs")
    assert answer.status == status
    assert answer.text == (method if status == 200 else "")


@pytest.mark.parametrize(
    "method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "PURGE"]
)
def test_every_method_reaches_a_function_that_lists_none(host: Host, method: str) -> None:
    assert host.request(method, "/api/anyverb").text == f"{method} it is"


def test_a_head_request_gets_the_headers_and_no_body(host: Host) -> None:
    answer = host.request("HEAD", "/api/anyverb")
    assert (answer.status, answer.body, answer.header("X-Method")) == (200, b"", "HEAD")
    assert answer.header("Content-Length") == str(len("HEAD it is"))
    assert answer.header("Content-Type") == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/verbs", 200),
        ("/api/verbs/", 200),
        ("/API/VERBS", 200),
        ("/api/verb%73", 200),
        ("/api/verbs/more", 404),
        ("/api//verbs", 404),
        ("/verbs", 404),
        ("/api", 404),
        ("/api/./verbs", 200),
    ],
)
def test_which_paths_are_a_functions(host: Host, path: str, status: int) -> None:
    assert host.get(path).status == status
