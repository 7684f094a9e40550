"""Server-sent events of a host that runs: read while things happen, gone on with after a break, ended by a stop."""

from __future__ import annotations

import json
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from apps.serving import Host
from e2e.running import DEADLINE, funchost
from event_stream import EventStream, Told
from openapi_check import Checked

pytestmark = pytest.mark.e2e

_APP = Path(__file__).parents[1] / "apps" / "operations" / "v2"
_RUNS, _LOGS = "/admin/runs/live", "/admin/logs/live"


def copied(folder: Path) -> Path:
    shutil.copytree(_APP, folder / "app", ignore=shutil.ignore_patterns("__pycache__"))
    return folder / "app"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with Host(copied(tmp_path_factory.mktemp("live"))) as running:
        yield running


@pytest.fixture(scope="module")
def checked() -> Checked:
    return Checked()


def read(stream: EventStream, checked: Checked, path: str) -> Told:
    told = stream.next()
    assert told is not None, "the stream has ended"
    checked.check_event(path, told.name, told.data)
    return told


def begin(host: Host, path: str, **headers: str) -> EventStream:
    stream = EventStream(host.url, path, headers)
    assert stream.response.status == 200
    return stream


def test_runs_are_told_as_they_begin_go_on_and_end(host: Host, checked: Checked, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with begin(host, f"{_RUNS}?function=WAIT").begun() as stream:
        assert stream.response.getheader("Content-Type") == "text/event-stream; charset=utf-8"
        assert stream.response.getheader("Cache-Control") == "no-store"
        host.request("POST", "/admin/functions/wait", json.dumps({"input": str(gate)}))
        seen = [read(stream, checked, _RUNS) for _ in range(2)]
        assert [one.name for one in seen] == ["begun", "progress"]
        assert (seen[1].data["progress"], seen[1].data["status"]) == (0.5, {"waiting": str(gate)})
        gate.touch()
        ended = read(stream, checked, _RUNS)
        assert ended.data["error"] is None
        assert (ended.name, ended.data["state"], ended.data["id"]) == (
            "ended",
            "succeeded",
            seen[0].data["id"],
        )


def test_a_stream_tells_only_of_what_was_asked_for(host: Host, checked: Checked) -> None:
    with begin(host, f"{_RUNS}?function=bill&state=failed").begun() as stream:
        for text in ("fine", "broken filter", "fine again"):
            host.post("/api/order", text)
        for _ in range(2):
            told = read(stream, checked, _RUNS)
            assert (told.data["function"], told.data["state"]) == ("bill", "failed")


def test_a_reader_who_comes_back_is_told_what_he_has_missed(host: Host, checked: Checked) -> None:
    with begin(host, f"{_RUNS}?function=order").begun() as first:
        host.post("/api/order", "one")
        seen = read(first, checked, _RUNS)
    for text in ("two", "three"):
        host.post("/api/order", text)
    with begin(host, f"{_RUNS}?function=order", **{"Last-Event-ID": seen.id}) as second:
        missed = [read(second, checked, _RUNS) for _ in range(2)]
    assert all(one.name == "ended" for one in missed)
    assert len({seen.data["id"], *(one.data["id"] for one in missed)}) == 3


@pytest.mark.parametrize("id_", ["nothing", "0-0", "é", "a" * 5000, "x-99999999999999999999999"])
def test_a_reader_who_comes_back_too_late_is_told_that_there_is_a_gap(
    host: Host, checked: Checked, id_: str
) -> None:
    with begin(host, _RUNS, **{"Last-Event-ID": id_}) as stream:
        assert read(stream, checked, _RUNS).name == "gap"


def test_lines_of_the_log_are_told_as_they_are_written(host: Host, checked: Checked) -> None:
    with begin(host, f"{_LOGS}?function=bill&level=info").begun() as stream:
        host.post("/api/order", "live line")
        told = read(stream, checked, _LOGS)
    assert (told.name, told.data["function"], told.data["message"]) == ("line", "bill", "billing live line")


@pytest.mark.parametrize("query", ["level=loud", "function=a&functoin=b", "run=a&run=b"])
def test_a_stream_that_is_asked_for_wrongly_does_not_begin(host: Host, query: str) -> None:
    answer = host.get(f"{_LOGS}?{query}")
    assert (answer.status, bool(answer.json["error"])) == (400, True)


def test_a_page_of_the_host_itself_may_read_and_one_of_another_site_may_not(host: Host) -> None:
    own = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Accept": "text/event-stream"}
    with begin(host, _RUNS, **own).begun():
        pass
    for path in (_RUNS, _LOGS):
        assert host.get(path, **{"Sec-Fetch-Site": "cross-site"}).status == 403
        assert host.get(path, Origin="https://elsewhere.example").status == 403


def test_only_so_many_read_at_a_time(host: Host) -> None:
    readers: list[EventStream] = []
    try:
        while len(readers) < 100:
            stream = EventStream(host.url, _LOGS)
            readers.append(stream)
            if stream.response.status == 503:
                break
        assert len(readers) == 65
        assert "readers" in json.loads(readers[-1].response.read())["error"]
    finally:
        for reader in readers:
            reader.close()
    end = time.monotonic() + DEADLINE
    while (again := EventStream(host.url, _LOGS)).response.status == 503:
        again.close()
        assert time.monotonic() < end, "those who went away still count"
    again.close()


def test_a_reader_who_does_not_read_holds_up_nobody(host: Host) -> None:
    place = urlsplit(host.url)
    with socket.create_connection((place.hostname, place.port), timeout=DEADLINE) as silent:
        silent.sendall(f"GET {_RUNS} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert silent.recv(100).startswith(b"HTTP/1.1 200")
        for number in range(50):
            assert host.post("/api/order", f"unread {number}").status == 200


def test_the_stop_of_the_host_ends_streams_at_once(tmp_path: Path) -> None:
    with Host(copied(tmp_path)) as host:
        readers = [begin(host, path).begun() for path in (_RUNS, _LOGS)]
        began = time.monotonic()
        assert host.stop() == 0
        assert time.monotonic() - began < 5
        for reader in readers:
            while reader.next() is not None:
                pass
            reader.close()


def test_where_keys_are_asked_for_a_stream_wants_the_master_key(tmp_path: Path) -> None:
    root = copied(tmp_path)
    with Host(root, "--auth") as host:
        listed = json.loads(funchost("keys", "list", "--json", "--root", root).stdout)
        keys = {one["name"]: one["value"] for one in listed}
        for path in (_RUNS, _LOGS, "/admin/runs", "/admin/audit", "/admin/openapi.json", "/admin/config"):
            assert host.get(path).status == 401
            assert host.get(f"{path}?code={keys['default']}").status == 401
        with begin(host, f"{_RUNS}?code={keys['_master']}").begun():
            pass
        shown = {"x-functions-key": keys["_master"]}
        assert host.request("POST", "/admin/queues/jobs/pause", headers=shown).status == 200
        rows = host.get("/admin/audit", **shown).json["items"]
        assert (rows[0]["action"], rows[0]["who"]) == ("queues.pause", "api:_master")
        assert keys["_master"] not in json.dumps(rows)
