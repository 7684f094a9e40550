"""Calls of every route of the admin API, with odd names, parameters and bodies made from its own document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import pytest
from e2e.running import RunningHost
from fuzz.fuzzing import ROUNDS, chance, check_answer, check_health, connect, exchange, responses, some
from fuzz.http_app import served
from openapi_check import Checked

pytestmark = pytest.mark.e2e

#: What never ends, takes long, or takes the app out of service.
_LEFT_OUT = {
    "/admin/runs/live",
    "/admin/logs/live",
    "/admin/doctor",
    "/admin/host/restart",
    "/admin/host/state",
}

_KNOWN = ("echo", "work", "jobs", "jobs-poison", "saved", "default", "a", "0", "kept")
_TEXTS = (
    "", " ", "..", "../..", "%", "%00", "\x00", "\n", "é", "\N{SNOWMAN}", "a" * 3000, "'", '"', "\\", ";", "*", "-1", "1",
    "0", "1e999", "99999999999999999999", "1h", "-5d", "2030-01-01", "9999-12-31T23:59:59", "0001-01-01T00:00:00+14:00",
    "true", "null", "NaN", "failed", "running", "AND", "a OR b", "NEAR(", 'a"b*', "{}", "[]", "AAAAAA", "code", "10m",
)  # fmt: skip
_VALUES: tuple[Any, ...] = (
    *_TEXTS, None, True, False, 0, -1, 10, 1e308, 2**70, [], {}, [[]], ["a", None], ["failed"], {"a": {"b": []}},
    "\udcff", [{}] * 50,
)  # fmt: skip
_RAW = (
    b"",
    b"{",
    b"[" * 100_000,
    b"\xff\xfe",
    b"null",
    b"1",
    b'"x"',
    b"[1,",
    b'{"a":1,"a":2}',
    b"\x00" * 1000,
)
_KINDS = (b"application/json", b"application/octet-stream", b"text/plain; charset=x", b"/", b"")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    root = tmp_path_factory.mktemp("admin") / "app"
    with served(root) as running:
        running.root = root  # type: ignore[attr-defined]
        for text in ("one", "two"):
            sent = text.encode()
            exchange(
                running, _request("POST", "/admin/queues/shelf/messages", sent, b"application/octet-stream")
            )
        yield running


def _request(method: str, target: str, body: bytes, kind: bytes, *headers: bytes) -> bytes:
    lines = [
        f"{method} {target} HTTP/1.1".encode(),
        b"Host: localhost",
        b"Connection: close",
        b"Content-Length: %d" % len(body),
        *([b"Content-Type: " + kind] if kind else []),
        *headers,
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class Maker:
    """Makes calls from the document."""

    def __init__(self, luck: Random, document: dict[str, Any]) -> None:
        self._luck = luck
        self._document = document
        self._operations = [
            (path, method, operation)
            for path, methods in document["paths"].items()
            if path not in _LEFT_OUT
            for method, operation in methods.items()
        ]

    def call(self) -> tuple[str, str, bytes, bytes]:
        """Method, target, body and its type."""
        path, method, operation = self._luck.choice(self._operations)
        parameters = operation.get("parameters", [])
        for parameter in parameters:
            if parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", self._name())
        return (
            method.upper(),
            path + self._query(parameters),
            self._body(operation),
            self._luck.choice(_KINDS),
        )

    def _name(self) -> str:
        text = self._luck.choice(_KNOWN if self._luck.random() < 0.4 else _TEXTS)
        return quote(text, safe="" if self._luck.random() < 0.7 else "/") or "%20"

    def _query(self, parameters: list[Any]) -> str:
        names = [one["name"] for one in parameters if one["in"] == "query"]
        chosen = some(self._luck, names, 3) if names else []
        if self._luck.random() < 0.1:
            chosen.append(self._luck.choice(_TEXTS))
        pairs = [f"{quote(name)}={quote(self._luck.choice(_TEXTS))}" for name in chosen]
        return "?" + "&".join(pairs) if pairs else ""

    def _body(self, operation: Any) -> bytes:
        content = operation.get("requestBody", {}).get("content", {})
        if self._luck.random() < 0.3 or "application/json" not in content:
            return self._luck.choice(_RAW)
        schema = content["application/json"]["schema"]
        fields = list(self._resolved(schema).get("properties", {"a": {}}))
        value = {name: self._luck.choice(_VALUES) for name in some(self._luck, fields, 4)}
        return json.dumps(value if self._luck.random() < 0.9 else [value]).encode()

    def _resolved(self, schema: Any) -> Any:
        if "$ref" not in schema:
            return schema
        return self._document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]


def test_every_route_answers_whatever_comes_as_it_is_documented(host: RunningHost) -> None:
    luck, checked = chance("admin api"), Checked()
    maker = Maker(luck, checked.document)
    root = Path("/no/root")  # a developer is shown where the app is
    seen: set[int] = set()
    for _ in range(1500 * ROUNDS):
        method, target, body, kind = maker.call()
        answer = exchange(host, _request(method, target, body, kind))
        seen.update(check_answer(answer, root, method))
        [response] = responses(answer, method)
        told = (response.header(b"Content-Type") or b"").decode()
        # Dots lead elsewhere, and what is too long is refused before anybody looks at it.
        is_of_api = not {".", ".."} & set(target.partition("?")[0].split("/")) and response.status != 414
        if is_of_api and response.header(b"Transfer-Encoding") is None:
            checked.check(method, target, response.status, told, response.body)
    check_health(host)
    assert {200, 400, 404} <= seen


def test_a_stream_begins_or_is_refused_whatever_is_asked(host: RunningHost) -> None:
    luck, checked = chance("streams"), Checked()
    for _ in range(100 * ROUNDS):
        path = luck.choice(("/admin/runs/live", "/admin/logs/live"))
        names = [one["name"] for one in checked.document["paths"][path]["get"]["parameters"]]
        pairs = [f"{name}={quote(luck.choice(_TEXTS))}" for name in some(luck, names, 2)]
        last = luck.choice(_TEXTS).encode("utf-8").replace(b"\n", b"").replace(b"\x00", b"")
        with connect(host) as stream:
            stream.sendall(_request("GET", f"{path}?{'&'.join(pairs)}", b"", b"", b"Last-Event-ID: " + last))
            head = stream.recv(65536)
        assert head.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 400 ")), head
        assert (b"text/event-stream" in head) == head.startswith(b"HTTP/1.1 200 ")
    check_health(host)
