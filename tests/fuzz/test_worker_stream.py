"""User code that writes into the stream of its worker: it harms its own requests, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e.apps import App, http_trigger, request, until
from e2e.running import DEADLINE, RunningHost
from fuzz.fuzzing import INTERNALS

pytestmark = pytest.mark.e2e

_EVIL = """
    import json, os, socket, stat, struct, time
    import azure.functions as func

    def main(req: func.HttpRequest) -> str:
        document = req.get_json()
        body = document.pop("body", "").encode("latin-1")
        frames = b""
        for number in range(60):
            header = json.dumps({"id": number, **document}).encode()
            frames += struct.pack(">II", len(header), len(body)) + header + body
        for number in range(3, 100):
            try:
                if stat.S_ISSOCK(os.fstat(number).st_mode):
                    os.write(number, document.get("raw", "").encode("latin-1") or frames)
            except OSError:
                pass
        time.sleep(0.2)
        return "went on"
"""

_SAID: dict[str, dict[str, Any]] = {
    "a result of an unknown kind": {"kind": "weird"},
    "a status that is none": {"kind": "http", "data": {"status": "teapot"}},
    "headers that are no list": {"kind": "http", "data": {"headers": 5}},
    "headers that are no pairs": {"kind": "http", "data": {"headers": [5, [1]]}},
    "a header that begins another": {"kind": "http", "data": {"headers": [["X-A", "b\r\nX-Evil: yes"]]}},
    "a name that begins another": {"kind": "http", "data": {"headers": [["X-A: b\r\nX-Evil", "yes"]]}},
    "a header that frames": {"kind": "http", "data": {"headers": [["Transfer-Encoding", "chunked"]]}},
    "a length that is wrong": {
        "kind": "http",
        "data": {"headers": [["Content-Length", "7"]]},
        "body": "x" * 50,
    },
    "cookies that are no list": {"kind": "http", "data": {"cookies": 5}},
    "cookies that are none": {"kind": "http", "data": {"cookies": [5, {}]}},
    "a cookie that begins a header": {
        "kind": "http",
        "data": {"cookies": [{"name": "a", "value": "b", "path": "/\r\nX-Evil: yes"}]},
    },
    "no JSON": {"kind": "json", "body": "{no"},
    "JSON that is no text": {"kind": "json", "body": '{"body": "\xff"}'},
    "a response object that is none": {"kind": "json", "body": '{"body": 1, "status": [], "headers": [1]}'},
    "an error": {"kind": "none", "error": {"type": "x\r\ny", "message": "\r\nX-Evil: yes"}},
    "an error of the caller": {"kind": "none", "error": {"type": "RequestError", "message": "\x00\r\n"}},
    "outputs": {"kind": "text", "outputs": [{"name": "nothing", "kind": "weird"}], "sizes": [0, 0]},
    "files that it wrote": {"kind": "text", "wrote": ["/\x00", "../.."]},
    "the end": {"type": "dying"},
    "nothing of the protocol": {"raw": "GET / HTTP/1.1\r\n\r\n"},
}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    app = App(tmp_path_factory.mktemp("app"))
    app.add("evil", _EVIL, http_trigger("evil"), {"type": "http", "direction": "out", "name": "$return"})
    app.add("good", "def main(req: str) -> str:\n    return 'good'\n", http_trigger("good"))
    with RunningHost(app.root, env={"FUNCTIONS_WORKER_PROCESS_COUNT": "1"}) as running:
        yield running


@pytest.mark.parametrize("name", _SAID)
def test_what_a_function_writes_into_the_stream_harms_no_other(host: RunningHost, name: str) -> None:
    said = {"type": "result", **_SAID[name]}
    try:
        status, body = request(host, "/api/evil", json.dumps(said).encode())
    except OSError:
        status, body = 0, ""  # a response that was broken off
    assert status in (0, 200, 400, 500, 503)
    assert not INTERNALS.search(body.encode())
    until(lambda: request(host, "/api/good")[1] == "good", DEADLINE)
    assert Path(f"/proc/{host.pid}").exists()
    for trouble in ("Traceback (most", "could not be answered", "never retrieved", "Unhandled"):
        assert trouble not in host.log, host.log[-3000:]
