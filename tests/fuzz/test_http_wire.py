"""What is no HTTP, or hardly: malformed and contradictory requests, and clients that are slow or too many."""

from __future__ import annotations

import contextlib
import resource
import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from e2e.running import RunningHost
from fuzz.fuzzing import (
    ROUNDS,
    chance,
    check_answer,
    check_health,
    connect,
    exchange,
    memory,
    received,
    responses,
)
from fuzz.http_app import served

pytestmark = pytest.mark.e2e

#: Seconds that the host of these tests waits for the rest of a request.
_PATIENCE = 1

_LAST = b"GET /admin/host/ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wire") / "app"


@pytest.fixture(scope="module")
def host(root: Path) -> Iterator[RunningHost]:
    with served(root, FUNCHOST_REQUEST_TIMEOUT=str(_PATIENCE)) as running:
        yield running


def post(*headers: bytes, body: bytes = b"", version: bytes = b"HTTP/1.1") -> bytes:
    """A request to the function that answers with its body."""
    return b"\r\n".join((b"POST /api/echo " + version, b"Host: localhost", *headers)) + b"\r\n\r\n" + body


_SMUGGLED = b"GET /api/told/1 HTTP/1.1\r\nHost: localhost\r\n\r\n"

_MALFORMED = {
    "both lengths": post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + _SMUGGLED),
    "both lengths the other way": post(
        b"Transfer-Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\n" + _SMUGGLED
    ),
    "two lengths": post(b"Content-Length: 0", b"Content-Length: 44", body=_SMUGGLED),
    "a list of lengths": post(b"Content-Length: 0, 44", body=_SMUGGLED),
    "a signed length": post(b"Content-Length: +5", body=b"hello"),
    "a negative length": post(b"Content-Length: -1"),
    "a length in hexadecimal": post(b"Content-Length: 0x5", body=b"hello"),
    "a length with a blank": post(b"Content-Length: 5 5", body=b"hello"),
    "a length beyond all numbers": post(b"Content-Length: " + b"9" * 400),
    "a length in other digits": post("Content-Length: \N{ARABIC-INDIC DIGIT FIVE}".encode(), body=b"hello"),
    "an unknown coding": post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n" + _SMUGGLED),
    "chunked and something behind": post(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n"),
    "chunked twice": post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "a blank before the colon": post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n" + _SMUGGLED),
    "a control letter before chunked": post(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"),
    "a folded header": post(b"X-Folded: a\r\n Content-Length: 5"),
    "a folded coding": post(b"Transfer-Encoding:\r\n chunked", body=b"0\r\n\r\n"),
    "a header without a name": post(b": empty"),
    "a header without a colon": post(b"nothing"),
    "a NUL in a header": post(b"X-Nul: a\x00b"),
    "a NUL in a name": post(b"X-\x00: b"),
    "a bare carriage return": post(b"X-Bare: a\rContent-Length: 5"),
    "a bare line feed": b"POST /api/echo HTTP/1.1\nHost: localhost\nContent-Length: 0\n\n",
    "a chunk size that is none": post(b"Transfer-Encoding: chunked", body=b"xyz\r\nhello\r\n0\r\n\r\n"),
    "a negative chunk size": post(b"Transfer-Encoding: chunked", body=b"-5\r\nhello\r\n0\r\n\r\n"),
    "a huge chunk size": post(b"Transfer-Encoding: chunked", body=b"f" * 40 + b"\r\nhello\r\n"),
    "an endless chunk extension": post(
        b"Transfer-Encoding: chunked", body=b"5;" + b"a" * 70_000 + b"\r\nhello"
    ),
    "a chunk with a longer end": post(b"Transfer-Encoding: chunked", body=b"5\r\nhelloXX0\r\n\r\n"),
    "no Host": b"GET /api/told/1 HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET /api/told/1 HTTP/1.1\r\nHost: localhost\r\nHost: elsewhere.example\r\n\r\n",
    "no version": b"GET /api/echo\r\n\r\n",
    "another version": post(version=b"HTTP/3.7"),
    "a version that is none": post(version=b"HTTP/one"),
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a method that is none": b"G\xc3\x89T /api/echo HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a method of many letters": b"A" * 9000 + b" / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a target with blanks": b"GET /api/echo me too HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a target with a NUL": b"GET /api/\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no target": b"GET  HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "ten thousand headers": post(*(b"X-%d: a" % number for number in range(10_000))),
    "a header of a megabyte": post(b"X-Long: " + b"a" * 1_000_000),
    "a target of a megabyte": b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "ten thousand trailers": post(
        b"Transfer-Encoding: chunked",
        body=b"0\r\n" + b"".join(b"X-%d: a\r\n" % number for number in range(10_000)) + b"\r\n",
    ),
}

_FINE = {
    "a whole URL": b"GET http://elsewhere.example/api/told/1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a whole URL with a password": b"GET http://a:b@[::1]:99/api/told/1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "the star": b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "an empty Host": b"GET /api/told/1 HTTP/1.1\r\nHost:\r\n\r\n",
    "an odd Host": b"GET /api/told/1 HTTP/1.1\r\nHost: [::1:99/..@\r\n\r\n",
    "HTTP/1.0": b"GET /api/told/1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "empty lines before": b"\r\n\r\n" + _SMUGGLED,
    "a trailer": post(b"Transfer-Encoding: chunked", body=b"5;a=b\r\nhello\r\n0\r\nX-Last: 1\r\n\r\n"),
    "an upgrade": post(b"Upgrade: websocket", b"Connection: Upgrade", b"Content-Length: 0"),
    "an expectation": post(b"Expect: 100-continue", b"Content-Length: 5", body=b"hello"),
    "an odd expectation": post(b"Expect: 418-teapot", b"Content-Length: 5", body=b"hello"),
    "a hundred requests at once": _SMUGGLED * 100,
}


@pytest.mark.parametrize("name", _MALFORMED)
def test_what_is_no_http_is_refused_and_what_follows_is_not_read(
    host: RunningHost, root: Path, name: str
) -> None:
    statuses = check_answer(exchange(host, _MALFORMED[name] + _LAST), root)
    assert len(statuses) <= 1
    assert set(statuses) <= {400, 404, 408, 413, 414, 431}, statuses


@pytest.mark.parametrize("name", _FINE)
def test_what_is_odd_but_allowed_is_answered_and_so_is_what_follows(
    host: RunningHost, root: Path, name: str
) -> None:
    statuses = check_answer(exchange(host, _FINE[name] + _LAST), root)
    assert len(statuses) >= 2
    assert statuses[-1] == 200


def test_an_offer_of_http_2_is_passed_over(host: RunningHost) -> None:
    with connect(host) as stream:
        stream.sendall(post(b"Upgrade: h2c", b"Connection: Upgrade, HTTP2-Settings", b"Content-Length: 0"))
        assert [one.status for one in responses(stream.recv(65536))] == [200]
        stream.sendall(_LAST)
        assert [one.status for one in responses(received(stream))] == [200]


def test_mutated_requests_never_end_the_host(host: RunningHost, root: Path) -> None:
    luck = chance("mutations")
    before = memory(host.pid)
    known = [*_MALFORMED.values(), *_FINE.values()]
    short = [request for request in known if len(request) < 2000]
    for _ in range(400 * ROUNDS):
        # Not the patience of the host is on trial, so the rest of a request is never waited for.
        check_answer(_broken_off(host, mutated(luck, luck.choice(short))), root)
    check_health(host)
    assert memory(host.pid) - before < 100_000_000


def mutated(luck: Random, request: bytes) -> bytes:
    """The request with a few bytes of it changed, left out, doubled or moved."""
    result = bytearray(request)
    for _ in range(luck.randrange(1, 6)):
        place, size = luck.randrange(len(result) + 1), luck.randrange(1, 12)
        piece = result[place : place + size]
        change = luck.randrange(4)
        if change == 0:
            result[place : place + size] = b""
        elif change == 1:
            result[place:place] = luck.randbytes(size)
        elif change == 2:
            result[place:place] = piece * 2
        else:
            result[place : place + size] = luck.choice((b"\r\n", b"\n", b"\x00", b": ", b" ", b",", b"\xff"))
    return bytes(result)


def _broken_off(host: RunningHost, sent: bytes) -> bytes:
    """What comes back at once for a request whose rest may be missing."""
    with connect(host) as stream, contextlib.suppress(OSError):
        stream.sendall(sent)
        stream.settimeout(0.02)
        pieces = []
        with contextlib.suppress(TimeoutError):
            while piece := stream.recv(65536):
                pieces.append(piece)
        return b"".join(pieces)
    return b""


# -- slow clients


def drip(stream: socket.socket, piece: bytes) -> list[int]:
    """Send a piece ten times a second until an answer comes; returns its status."""
    while not select.select([stream], [], [], 0.1)[0]:
        stream.sendall(piece)
    return [one.status for one in responses(stream.recv(65536))]


def test_a_head_that_does_not_end_is_answered_408(host: RunningHost) -> None:
    began = time.monotonic()
    with connect(host) as stream:
        stream.sendall(b"GET /api/echo HTTP/1.1\r\nHost: localhost\r\n")
        assert drip(stream, b"X: a\r\n") == [408]
    assert time.monotonic() - began >= _PATIENCE
    host.wait_for("refused with 408: its head did not come within 1 s")


@pytest.mark.parametrize("path", [b"/api/echo", b"/admin/functions/echo"])
@pytest.mark.parametrize(
    ("header", "piece"),
    [
        (b"Content-Length: 10000", b"a"),
        (b"Content-Length: 1000000", b"a"),
        (b"Transfer-Encoding: chunked", b"1\r\na\r\n"),
    ],
)
def test_a_body_that_drips_is_answered_408(
    host: RunningHost, path: bytes, header: bytes, piece: bytes
) -> None:
    with connect(host) as stream:
        stream.sendall(b"POST %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n\r\n" % (path, header))
        assert drip(stream, piece) == [408]


def test_a_body_that_keeps_coming_may_take_longer_than_the_patience(host: RunningHost) -> None:
    began, piece = time.monotonic(), b"a" * 100
    with connect(host) as stream:
        stream.sendall(post(b"Connection: close", b"Content-Length: 3000"))
        for _ in range(29):
            stream.sendall(piece)
            # Nothing is expected: this is the pace of the client.
            assert not select.select([stream], [], [], 0.08)[0]
        assert time.monotonic() - began > 2 * _PATIENCE
        stream.sendall(piece)
        assert [one.body for one in responses(received(stream))] == [piece * 30]


# -- many clients


def test_a_thousand_silent_connections_keep_nobody_from_being_answered(host: RunningHost, root: Path) -> None:
    before = memory(host.pid)
    with contextlib.ExitStack() as stack:
        for number in range(1000):
            stream = stack.enter_context(connect(host))
            if number % 2:
                stream.sendall(b"GET / HTTP/1.1\r\n")
        check_health(host)
        assert memory(host.pid) - before < 100_000_000
    check_health(host)


def test_a_host_out_of_file_descriptors_answers_again_once_connections_are_gone(host: RunningHost) -> None:
    usual = resource.prlimit(host.pid, resource.RLIMIT_NOFILE)
    opened = len(list(Path(f"/proc/{host.pid}/fd").iterdir()))
    said = len(host.log)
    resource.prlimit(host.pid, resource.RLIMIT_NOFILE, (opened + 10, usual[1]))
    try:
        with contextlib.ExitStack() as stack:
            for _ in range(60):
                stack.enter_context(connect(host))
            # More than the host can take: it must not turn over this.
            assert select.select([], [], [], 1.0) == ([], [], [])
    finally:
        resource.prlimit(host.pid, resource.RLIMIT_NOFILE, usual)
    check_health(host)
    assert host.log[said:].count("\n") < 20
