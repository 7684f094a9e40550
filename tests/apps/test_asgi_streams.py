"""What an `AsgiFunctionApp` can do here that it cannot in Azure: streams both ways, and one lifespan."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator

import pytest
from apps.serving import Host, copy_app, serve

MB = 1024 * 1024


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    yield from serve("asgi", "v2", tmp_path_factory.mktemp("app"))


def begin(host: Host, path: str) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    """A request whose response is read piece by piece."""
    connection = host.connect()
    connection.request("GET", path)
    return connection, connection.getresponse()


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
    assert host.get("/api/gates/upload-began").status == 200
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
    connection, answer = begin(host, "/api/endless/left")
    assert answer.read(5) == b"first"
    connection.close()
    answer.close()

    assert host.get("/api/gates/left").status == 200
    assert "was broken off" not in host.log


def test_a_client_that_leaves_before_the_response_cancels_the_handler(host: Host) -> None:
    connection = host.connect()
    connection.request("GET", "/api/waiting/gone")
    assert host.get("/api/gates/gone-began").status == 200
    connection.close()

    assert host.get("/api/gates/gone").status == 200


def test_an_error_within_a_stream_breaks_it_off_and_is_told(host: Host) -> None:
    connection, answer = begin(host, "/api/torn")

    with pytest.raises(http.client.IncompleteRead) as caught:
        answer.read()
    connection.close()

    assert (answer.status, caught.value.partial) == (200, b"some")
    host.wait_for("ValueError: torn apart")


def test_a_background_task_holds_neither_the_response_nor_the_next_one_up(host: Host) -> None:
    connection, answer = begin(host, "/api/background")
    assert json.loads(answer.read()) == {"accepted": True}
    connection.request("POST", "/api/gates/background")
    assert connection.getresponse().status == 200
    connection.close()

    assert host.get("/api/gates/background-done").status == 200


def test_headers_that_repeat_all_survive(host: Host) -> None:
    assert host.get("/api/links").all("Link") == ["</a>; rel=prev", "</b>; rel=next"]


def test_the_lifespan_starts_once_and_its_state_reaches_requests(host: Host) -> None:
    assert [host.get("/api/state").json for _ in range(2)] == [{"lifespans": 1, "pool": "open"}] * 2


def test_a_lifespan_that_fails_fails_the_request_and_is_tried_again(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    root = copy_app("asgi", "v2", tmp_path_factory.mktemp("app"))
    (root / "broken").touch()
    with Host(root) as host:
        answer = host.get("/api/hello")
        assert (answer.status, answer.body) == (500, b"")
        host.wait_for("ASGI middleware startup failed")
        host.wait_for("ConnectionError: the database is not there")
        (root / "broken").unlink()
        assert host.get("/api/hello").json == {"hello": "you"}
