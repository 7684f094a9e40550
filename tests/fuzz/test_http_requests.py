"""Requests that are well-formed and odd: to functions' routes, and to the admin API with and without its key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from urllib.parse import quote

import pytest
from e2e.running import RunningHost, funchost
from fuzz.fuzzing import ROUNDS, chance, check_answer, check_health, exchange, files_of, memory, some
from fuzz.http_app import served

pytestmark = pytest.mark.e2e

_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "CONNECT")
_PLACES = (
    "api/echo",
    "api/told/7",
    "api/below",
    "api/form",
    "api/model",
    "api/kept",
    "api/nothing",
    "",
    "favicon.ico",
)
_ADMIN = (
    "host/status", "host/ping", "host/config", "host/processes", "host/log", "host/drain/status", "host/synctriggers",
    "host/keys", "host/systemkeys", "host/functionkeys", "host/keys/default", "host/systemkeys/_master", "functions",
    "functions/echo", "functions/work", "functions/echo/keys", "functions/work/status", "functions/no", "vfs/host.json",
)  # fmt: skip
_ODD = (
    "..", ".", "%2e%2e", "%2E%2e%2f", "..%2f..%2fetc%2fpasswd", "%00", "%0d%0aX-Evil:%20yes", "%", "%zz", "%ff%fe",
    "%c0%ae%c0%ae", "\\..\\..", "~root", "a" * 3000, "%E2%80%8B", "%F0%9F%98%80", "{id}", "{*rest}", "%25%32%65",
    ";a=b", "a:b", "*", "'", '"', "<script>", "$(id)", "|", "9" * 400, "-1", "0x1F", "null", "true", "%20", "+",
)  # fmt: skip
_HEADERS = (
    "Content-Type", "Accept", "Accept-Encoding", "Content-Encoding", "Range", "If-None-Match", "Cookie", "Origin",
    "Referer", "X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "Expect", "Upgrade", "TE", "Trailer",
    "traceparent", "tracestate", "x-functions-key", "X-HTTP-Method-Override", "Authorization", "X-Odd", "Via",
    "Sec-Fetch-Site", "Access-Control-Request-Method", "Access-Control-Request-Headers", "Content-Disposition",
)  # fmt: skip
_VALUES = (
    b"", b"*", b"*/*", b"gzip", b"\xff\xfe", b"a" * 8000, b"application/json", b"application/json; charset=utf-99",
    b"multipart/form-data", b"multipart/form-data; boundary=", b"multipart/form-data; boundary=x", b"text/plain",
    b"application/x-www-form-urlencoded", b"application/octet-stream", b"100-continue", b"websocket", b"h2c",
    b"bytes=0-,5-1", b"a=b; a=c; ;=; \"", b"00-" + b"f" * 32 + b"-" + b"0" * 16 + b"-zz", b"null", b"https://[",
    b"http://localhost", b"same-origin", b"cross-site", b"\t tab \t", b"charset", b";;;===,,,", b"1e999", b"-1",
)  # fmt: skip
_BODIES = (
    b"", b"{}", b"[]", b"null", b'"text"', b'{"a": 1, "a": 2}', b"{" * 3000, b"[" * 100_000, b"1" * 5000, b"1e9999",
    b"\xff\xfe\x00", b"\xef\xbb\xbf{}", b'{"input": "x"}', b'{"input": {"a": [1, null]}}', b'{"input": "\\ud800"}',
    b'"offline', b'{"method": "GET"}', b'{"method": 5, "headers": 7}', b'{"value": "v"}', b'{"value": null}',
    b'{"name": "\\u0000", "value": "\\n"}', b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n--x--\r\n",
    b'--x\r\nContent-Disposition: form-data; name="a"; filename="../../f"\r\n\r\n', b"a=%ff&b=%&=&&c", b"a" * 100_000,
    b'[{"level": 9, "message": {"a": 1}}]', b'[{"level": "Error", "message": "\\r\\nforged"}]', b'[1, "x", null]',
    '{"key": "\N{SNOWMAN}"}'.encode("utf-16"), b"\x00" * 70_000,
)  # fmt: skip


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    root = tmp_path_factory.mktemp("open") / "app"
    with served(root, "--auth") as running:
        running.root = root  # type: ignore[attr-defined]
        yield running


@pytest.fixture(scope="module")
def root(host: RunningHost) -> Path:
    return Path(host.root)  # type: ignore[attr-defined]


def request(luck: Random, place: str, *headers: bytes) -> tuple[str, bytes]:
    """A request to about this place, and its method."""
    method = luck.choice(_METHODS if luck.random() < 0.4 else ("GET", "POST"))
    # Below a catch-all any path is a good one.
    parts = [place, *some(luck, _ODD, 2 if place.endswith("below") or luck.random() < 0.3 else 0)]
    path = "/" + luck.choice(("/", "/", "//")).join(part for part in parts if part)
    query = "&".join(
        f"{quote(key)}={value}" for key, value in zip(some(luck, _ODD, 3), some(luck, _ODD, 3), strict=False)
    )
    target = (path + (f"?{query}" if query else "")).encode("latin-1", "replace").replace(b" ", b"+")
    lines = [
        b"%s %s HTTP/1.1" % (method.encode(), target),
        b"Host: localhost",
        b"Connection: close",
        *headers,
    ]
    lines += [b"%s: %s" % (name.encode(), luck.choice(_VALUES)) for name in some(luck, _HEADERS, 4)]
    body = luck.choice(_BODIES)
    if luck.random() < 0.3:
        lines.append(b"Transfer-Encoding: chunked")
        body = chunked(luck, body)
    elif body or luck.random() < 0.5:
        lines.append(b"Content-Length: %d" % len(body))
    return method, b"\r\n".join(lines) + b"\r\n\r\n" + body


def chunked(luck: Random, body: bytes) -> bytes:
    """The body in a few chunks."""
    pieces = []
    while body:
        size = luck.randrange(1, len(body) + 1)
        pieces.append(b"%x%s\r\n%s\r\n" % (size, luck.choice((b"", b";ext=1")), body[:size]))
        body = body[size:]
    return b"".join(pieces) + b"0\r\n\r\n"


def test_no_request_to_a_function_is_an_error_of_the_host(host: RunningHost, root: Path) -> None:
    luck = chance("functions")
    before, files = memory(host.pid), files_of(root.parent)
    seen = set()
    for _ in range(1500 * ROUNDS):
        method, sent = request(luck, luck.choice(_PLACES))
        seen.update(check_answer(exchange(host, sent), root, method))
    check_health(host)
    assert {200, 400, 401, 404} <= seen
    assert memory(host.pid) - before < 100_000_000
    assert files_of(root.parent) == files


def test_no_request_to_the_admin_api_is_an_error_of_the_host(host: RunningHost, root: Path) -> None:
    luck = chance("admin")
    listed = json.loads(funchost("keys", "list", "--json", "--root", root).stdout)
    key = next(one["value"].encode() for one in listed if one["name"] == "_master")
    refused, files = set(), files_of(root.parent)
    for number in range(800 * ROUNDS):
        place = f"admin/{luck.choice(_ADMIN)}"
        with_key = number % 4 > 0
        method, sent = request(luck, place, *([b"x-functions-key: " + key] if with_key else []))
        # To who has the key the admin API shows where the app is.
        statuses = check_answer(exchange(host, sent), Path("/no/root") if with_key else root, method)
        if not with_key and b"/host/ping" not in sent:
            refused.update(statuses)
    check_health(host)
    assert not refused & {200, 202}
    assert {401, 403} <= refused
    assert files_of(root.parent) == files
