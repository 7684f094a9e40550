"""The FastAPI extension: an app that imports it gets requests of FastAPI, and streams both ways."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from apps.serving import Host, copy_app, serve

MB = 1024 * 1024


@pytest.fixture(scope="module", params=["v1", "v2"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    yield from serve("fastapi", request.param, tmp_path_factory.mktemp("app"))


def begin(host: Host, path: str) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    """A request whose response is read piece by piece."""
    connection = host.connect()
    connection.request("GET", path)
    return connection, connection.getresponse()


# -- requests


def test_the_query_is_that_of_the_framework(host: Host) -> None:
    answer = host.get("/api/hello?name=Ada%20L&tag=a&tag=b")

    assert (answer.status, answer.json) == (200, {"hello": "Ada L", "tags": ["a", "b"]})


def test_path_parameters_are_the_hosts(host: Host) -> None:
    url = urlsplit(host.url)

    assert host.get("/api/items/7/lid").json == {
        "params": {"id": "7", "part": "lid"},
        "path": "/api/items/7/lid",
        "root_path": "",
        "client": "127.0.0.1",
        "port": url.port,
        "function": "item",
        "id": True,
    }
    assert host.get("/api/items/7").json["params"] == {"id": "7"}
    assert host.get("/api/items/seven").status == 404


def test_a_plain_function_runs_beside_the_main_thread(host: Host) -> None:
    assert host.get("/api/plain?a=1").json == {"main": False, "query": {"a": "1"}}


def test_a_body_goes_there_and_back(host: Host) -> None:
    content = bytes(range(256)) * 2048

    answer = host.request("POST", "/api/echo", content, {"Content-Type": "image/png"})

    assert (answer.body, answer.header("Content-Type")) == (content, "image/png")


def test_json_and_forms_arrive(host: Host) -> None:
    form = urlencode([("name", "Ada & Co"), ("tag", "a"), ("tag", "b")])

    assert host.post("/api/orders", '{"name": "tea", "count": 2}').json == {"name": "tea", "count": 2}
    assert host.post("/api/form", form).json == {"name": ["Ada & Co"], "tag": ["a", "b"]}


def test_cookies_come_and_several_are_set(host: Host) -> None:
    answer = host.get("/api/cookies", Cookie="session=abc")

    assert answer.text == "abc"
    assert [cookie.partition(";")[0] for cookie in answer.all("Set-Cookie")] == ["a=1", "b=2"]


# -- responses


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("text", "plain words"),
        ("number", 7),
        ("float", 0.5),
        ("bool", True),
        ("list", [1, "two"]),
        ("bytes", "as text"),
        ("none", None),
        ("model", {"name": "tea", "count": 1}),
    ],
)
def test_what_is_no_response_becomes_json(host: Host, kind: str, value: Any) -> None:
    answer = host.get(f"/api/returns/{kind}")

    assert (answer.status, answer.json) == (200, value)
    assert answer.header("Content-Type") == "application/json"


@pytest.mark.parametrize(
    ("kind", "status", "content_type", "body"),
    [
        ("html", 202, "text/html; charset=utf-8", b"<b>bold</b>"),
        ("plain", 200, "text/plain; charset=utf-8", b"just text"),
        ("json", 201, "application/json", b'{"a":1}'),
        ("redirect", 307, None, b""),
    ],
)
def test_a_response_is_the_answer(
    host: Host, kind: str, status: int, content_type: str | None, body: bytes
) -> None:
    answer = host.get(f"/api/returns/{kind}")

    assert (answer.status, answer.header("Content-Type"), answer.body) == (status, content_type, body)


def test_an_http_exception_is_the_answer(host: Host) -> None:
    answer = host.get("/api/fails/http")

    assert (answer.status, answer.json) == (404, {"detail": "no such thing"})


@pytest.mark.parametrize(
    ("path", "reason"), [("fails/other", "ValueError: the function broke"), ("returns/heavy", "Heavy")]
)
def test_an_error_is_a_bare_500_and_told_in_the_log(host: Host, path: str, reason: str) -> None:
    answer = host.get(f"/api/{path}")

    assert (answer.status, answer.body) == (500, b"")
    host.wait_for(reason)


def test_outputs_and_other_triggers_work_as_before(host: Host) -> None:
    assert host.get("/api/store?text=from-the-queue").json == "stored"
    assert host.get("/api/gates/from-the-queue").json == "passed"


# -- streams


def test_the_first_event_arrives_before_the_last_is_produced(host: Host) -> None:
    connection, answer = begin(host, "/api/events")

    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert answer.readline() + answer.readline() == b"data: first\n\n"
    host.post("/api/gates/events")
    assert answer.read() == b"data: last\n\n"
    connection.close()


def test_an_upload_is_read_while_it_arrives(host: Host) -> None:
    connection = host.connect()
    connection.putrequest("POST", "/api/upload")
    connection.putheader("Content-Length", str(5 * MB))
    connection.endheaders()
    connection.send(bytes(MB))
    assert host.get("/api/gates/upload-began").json == "passed"
    for _ in range(4):
        connection.send(bytes(MB))
    told = json.loads(connection.getresponse().read())
    connection.close()

    assert told["total"] == 5 * MB
    assert told["largest"] <= 64 * 1024


def test_a_response_may_begin_before_the_request_is_read(host: Host) -> None:
    connection = host.connect()
    connection.putrequest("POST", "/api/upper")
    connection.putheader("Content-Length", str(2 * MB))
    connection.endheaders()
    connection.send(b"a" * MB)
    answer = connection.getresponse()
    first = answer.read(1000)
    connection.send(b"b" * MB)
    rest = answer.read()
    connection.close()

    assert first == b"A" * 1000
    assert rest == b"A" * (MB - 1000) + b"B" * MB


def test_a_client_that_leaves_a_stream_ends_its_generator(host: Host) -> None:
    connection, answer = begin(host, "/api/endless")
    assert answer.read(5) == b"first"
    connection.close()
    answer.close()

    assert host.get("/api/gates/endless").json == "passed"


def test_a_client_that_leaves_interrupts_a_plain_function(host: Host) -> None:
    connection = host.connect()
    connection.request("GET", "/api/stubborn")
    assert host.get("/api/gates/stubborn-began").json == "passed"
    connection.close()

    assert host.get("/api/gates/stubborn").json == "passed"


# -- the app as a whole


@pytest.mark.parametrize("model", ["v1", "v2"])
def test_without_a_prefix_routes_are_as_they_are(
    model: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = copy_app("fastapi", model, tmp_path_factory.mktemp("app"))
    (root / "host.json").write_text('{"version": "2.0", "extensions": {"http": {"routePrefix": ""}}}')
    with Host(root) as host:
        assert host.get("/hello").json["hello"] == "you"
        assert host.get("/items/7").json["path"] == "/items/7"
