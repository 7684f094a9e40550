"""Input that is wrong: each is told with its place and what to do, the host stays up where it can, nothing is lost."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import sqlite3
import urllib.parse
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from e2e.apps import App, disk, http_trigger, mount, queue_trigger, request, states, until
from e2e.running import DEADLINE, RunningHost, funchost

pytestmark = pytest.mark.e2e

FINE = "def main(req: str) -> str:\n    return 'fine'\n"
JOB = "def main(job: str) -> None: ...\n"

#: Function folders that are wrong, each with what must be said of it: place first, then what and how to mend it.
BROKEN: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "broken-json": (
        FINE,
        '{\n  "bindings": [\n    {"type" "httpTrigger"}\n  ]\n}',
        ("broken-json/function.json:3", "fix:"),
    ),
    "missing-script": (
        FINE,
        json.dumps({"scriptFile": "mian.py", "bindings": [http_trigger()]}),
        ("missing-script/function.json", "scriptFile", "mian.py"),
    ),
    "syntax-error": (
        "def main(req: str) -> str:\n    return (\n",
        json.dumps({"bindings": [http_trigger()]}),
        ("syntax-error/__init__.py, line 2", "SyntaxError"),
    ),
    "import-error": (
        "import no_such_package\n",
        json.dumps({"bindings": [http_trigger()]}),
        ("import-error/__init__.py", "no_such_package", "requirements.txt"),
    ),
    "two-triggers": (
        FINE,
        json.dumps({"bindings": [http_trigger(), queue_trigger()]}),
        ("two-triggers/function.json", "bindings[1].type", "2 triggers", "fix:"),
    ),
    "unknown-type": (
        FINE,
        json.dumps({"bindings": [{"type": "httpTriger", "name": "req"}]}),
        ("unknown-type/function.json", "bindings[0].type", "httpTriger", "httpTrigger"),
    ),
    "bad-cron": (
        "def main(timer) -> None: ...\n",
        json.dumps({"bindings": [{"type": "timerTrigger", "name": "timer", "schedule": "0 61 * * * *"}]}),
        ("bad-cron/function.json", "schedule", "61"),
    ),
    "bad-route": (
        FINE,
        json.dumps({"bindings": [http_trigger("orders/{id:int")]}),
        ("bad-route/function.json", "route", "{id:int"),
    ),
    "route-one-more": (
        FINE,
        json.dumps({"bindings": [http_trigger("fine")]}),
        ("route-one-more/function.json", "route", "taken by 'fine'", "fix:"),
    ),
    "queue-name": (
        JOB,
        json.dumps({"bindings": [queue_trigger("My Queue!")]}),
        ("queue-name/function.json", "bindings[0].queueName", "My Queue!", "fix:"),
    ),
    "blob-up": (
        "def main(blob: bytes) -> None: ...\n",
        json.dumps({"bindings": [{"type": "blobTrigger", "name": "blob", "path": "../secrets/{name}"}]}),
        ("blob-up/function.json", "bindings[0].path"),
    ),
    "blob-out-up": (
        FINE,
        json.dumps(
            {
                "bindings": [
                    http_trigger(),
                    {"type": "blob", "name": "$return", "direction": "out", "path": "/etc/passwd"},
                ]
            }
        ),
        ("blob-out-up/function.json", "bindings[1].path"),
    ),
    "script-outside": (
        FINE,
        json.dumps({"scriptFile": "../../outside.py", "bindings": [http_trigger()]}),
        ("script-outside/function.json", "scriptFile", "../../outside.py"),
    ),
    "bad name": (FINE, json.dumps({"bindings": [http_trigger()]}), ("bad name/function.json", "fix:")),
}


@pytest.fixture(scope="module")
def broken_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    """A host of an app in which one function is fine and all others are wrong."""
    root = tmp_path_factory.mktemp("broken")
    (root / "outside.py").write_text(FINE)
    app = App(root / "app")
    app.add("fine", FINE, http_trigger("fine"))
    for name, (code, definition, _) in BROKEN.items():
        app.write(f"{name}/__init__.py", code)
        app.write(f"{name}/function.json", definition)
    with RunningHost(app.root) as host:
        yield host


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_function_is_told_with_its_place_and_taken_out(broken_app: RunningHost, name: str) -> None:
    _, _, words = BROKEN[name]
    said = broken_app.log.partition("FUNCTION ")[0]
    parts = re.split(r"^(?=error:|warning:)", said, flags=re.MULTILINE)
    found = [part for part in parts if all(word in part for word in words)]
    assert len(found) == 1, f"{words} in\n{said}"
    assert states(broken_app)[name] == "in error"


def test_the_other_functions_run_beside_broken_ones(broken_app: RunningHost) -> None:
    assert request(broken_app, "/api/fine") == (200, "fine")
    status, body = request(broken_app, "/api/syntax-error")
    assert status == 500
    assert "Syntax" not in body
    assert "Traceback" not in body
    assert "Traceback" not in broken_app.log.partition("FUNCTION ")[2]


@pytest.mark.parametrize(
    "path",
    ["/api/../admin/host/keys", "/api/%2e%2e/%2e%2e/etc/passwd", "/admin/functions/..%2f..%2fetc", "/%00"],
)
def test_paths_that_lead_up_find_nothing(broken_app: RunningHost, path: str) -> None:
    # urllib would tidy the path up.
    with closing(
        http.client.HTTPConnection(urllib.parse.urlsplit(broken_app.url).netloc, timeout=5)
    ) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    assert answer.status in (400, 404)
    assert b"Traceback" not in body


def test_names_with_slashes_are_refused_by_the_command_line(tmp_path: Path) -> None:
    app = App(tmp_path / "app")
    ended = funchost("new", "../evil", "--trigger", "http", "--root", app.root)
    assert ended.returncode in (2, 3)
    assert b"../evil" in ended.stderr
    assert not (tmp_path / "evil").exists()
    app.add("fine", FINE, http_trigger("fine"))
    with RunningHost(app.root, "--functions", "../fine") as host:
        assert "There is no function '../fine'" in host.log
        assert request(host, "/api/fine")[0] == 404


def test_a_body_over_the_limit_is_refused_announced_or_not(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.add("fine", "def main(req: bytes) -> str:\n    return str(len(req))\n", http_trigger("fine"))
    with RunningHost(app.root) as host:
        place = urllib.parse.urlsplit(host.url).netloc
        with closing(http.client.HTTPConnection(place, timeout=10)) as connection:
            connection.putrequest("POST", "/api/fine")
            connection.putheader("Content-Length", str(100 * 1024 * 1024 + 1))
            connection.endheaders()
            assert connection.getresponse().status == 413
        with closing(http.client.HTTPConnection(place, timeout=20)) as connection:
            connection.putrequest("POST", "/api/fine")
            connection.putheader("Transfer-Encoding", "chunked")
            connection.endheaders()
            chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
            # It may be refused before all of it was sent.
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                for _ in range(120):
                    connection.send(chunk)
                connection.send(b"0\r\n\r\n")
                assert connection.getresponse().status == 413
        assert request(host, "/api/fine", b"x" * 1000) == (200, "1000")
        told = "to fine was refused: its body is over 104,857,600 bytes (FUNCTIONS_REQUEST_BODY_SIZE_LIMIT)."
        until(lambda: host.log.count(told) == 2, DEADLINE, lambda: host.log)
        assert "StreamBroken" not in host.log


def test_a_message_that_is_not_utf8_goes_to_poison_as_it_was(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.add(
        "work",
        "from ledger import note\ndef main(job: str):\n    note(job)\n",
        queue_trigger("JOBS", maxDequeueCount=2),
    )
    with RunningHost(app.root):
        app.send("jobs", b"\xff\xfe\x00binary", "fine")
        (why,) = app.wait_for_poison("jobs")
        assert "UTF-8" in why["message"]
        assert app.wait_for_lines(1) == ["fine"], "a queue name in capitals is the same in small letters"
    assert app.peek("jobs-poison")[0].body == b"\xff\xfe\x00binary"


def test_blob_names_from_messages_do_not_leave_their_container(tmp_path: Path) -> None:
    app = App(tmp_path)
    output = {"type": "blob", "name": "$return", "direction": "out", "path": "results/{name}"}
    app.add(
        "work",
        "def main(job: dict) -> str:\n    return 'written'\n",
        queue_trigger(maxDequeueCount=1),
        output,
    )
    container = app.store / "blobs" / "results"
    container.mkdir(parents=True)
    (container / "link").symlink_to(tmp_path)
    names = [
        "../other/up",
        "../../../up",
        str(tmp_path / "absolute"),
        "link/through",
        "a\\..\\..\\up",
        "fine",
    ]
    with RunningHost(app.root):
        app.send("jobs", *[json.dumps({"name": name}) for name in names])
        app.wait_until_empty("jobs")
        reasons = app.wait_for_poison("jobs", 4)
    written = {
        path.relative_to(tmp_path)
        for path in tmp_path.rglob("*")
        if path.is_file() and path.read_bytes() == b"written"
    }
    inside = container.relative_to(tmp_path)
    assert all(path.is_relative_to(inside) for path in written), written
    assert inside / "fine" in written
    assert {why["error"] for why in reasons} == {"BindingError"}
    assert all(re.search("not a blob name|leads out|cannot be", why["message"]) for why in reasons), reasons


def test_a_corrupt_store_is_told_and_left_alone(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.store.mkdir()
    (app.store / "store.db").write_bytes(b"this is no database" * 1000)
    ended = funchost("start", "--root", app.root, "--port", "0")
    assert ended.returncode == 4
    said = ended.stderr.decode()
    assert "store.db is damaged" in said
    assert "Move it" in said
    assert "Traceback" not in said
    assert (app.store / "store.db").read_bytes() == b"this is no database" * 1000


def test_a_store_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    app = App(tmp_path / "app")
    with disk(app.store, 4):
        assert mount("-o", "remount,ro", str(app.store)) == 0
        ended = funchost("start", "--root", app.root, "--port", "0")
    assert ended.returncode == 4
    said = ended.stderr.decode()
    assert str(app.store) in said
    assert "writable" in said
    assert "Traceback" not in said


def test_a_store_in_which_a_host_cannot_leave_its_mark_is_told(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.send("jobs", "a")
    (app.store / "hosts").write_text("")
    ended = funchost("start", "--root", app.root, "--port", "0")
    assert ended.returncode == 4
    said = ended.stderr.decode()
    assert f"cannot leave its mark in {app.store / 'hosts'}" in said
    assert "Traceback" not in said


def test_a_host_whose_address_cannot_be_written_down_says_so_and_serves(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.add("fine", FINE, http_trigger("fine"))
    (app.store / "runtime.json" / "a-folder").mkdir(parents=True)
    with RunningHost(app.root) as host:
        assert request(host, "/api/fine") == (200, "fine")
        host.wait_for("Commands do not find this host")
        assert host.stop() == 0


def test_a_store_that_another_process_locks_for_a_while_loses_nothing(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.add("work", "from ledger import note\ndef main(job: str):\n    note(job)\n", queue_trigger())
    app.add("fine", FINE, http_trigger("fine"))
    with RunningHost(app.root) as host:
        app.send("jobs", *"abc")
        app.wait_for_lines(3)
        app.wait_until_empty("jobs")
        with closing(sqlite3.connect(app.store / "store.db", isolation_level=None)) as browser:
            browser.execute("BEGIN IMMEDIATE")
            browser.execute(
                "INSERT INTO messages (queue, message_id, body, inserted_at, visible_at) VALUES ('jobs', 'x', x'64', 0, 0)"
            )
            for _ in range(50):
                assert request(host, "/api/fine") == (200, "fine")
            browser.execute("COMMIT")
        app.send("jobs", "e")
        assert sorted(app.wait_for_lines(5)) == list("abcde")
        app.wait_until_empty("jobs")


def test_a_full_disk_loses_nothing_and_work_goes_on_once_there_is_room(tmp_path: Path) -> None:
    app = App(tmp_path / "app")
    app.add(
        "work",
        "from ledger import note\ndef main(job: str):\n    note(job)\n",
        queue_trigger(),
    )
    app.add("fine", FINE, http_trigger("fine"))
    app.add(
        "send",
        "def main(req: str) -> list:\n    return [req * 1000] * 200\n",
        http_trigger("send"),
        {"type": "queue", "name": "$return", "direction": "out", "queueName": "archive"},
    )
    with disk(app.store, 8), RunningHost(app.root) as host:
        ballast = app.store / "ballast"
        with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="space"):
            while True:
                file.write(b"\0" * 4096)
        status, body = request(host, "/api/send", b"0123456789")
        assert status == 500
        assert "Traceback" not in body
        host.wait_for("is full")
        assert request(host, "/api/fine") == (200, "fine")
        ballast.unlink()
        app.send("jobs", "one")
        app.wait_until_empty("jobs")
        assert app.ledger() == ["one"]
        assert request(host, "/api/send", b"0")[0] in (200, 204)
        assert len(app.peek("archive")) == 200, "all of a run's messages or none"
        assert host.stop() == 0


def test_a_port_in_use_names_the_process_that_holds_it(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.add("fine", FINE, http_trigger("fine"))
    with RunningHost(app.root) as host:
        port = host.url.rpartition(":")[2]
        ended = funchost("start", "--root", tmp_path, "--store", tmp_path / "other", "--port", port)
        said = ended.stderr.decode()
        assert ended.returncode == 4
        assert f"Port {port} is in use" in said
        assert f"process {host.pid}" in said
        assert "--port" in said
        assert "Traceback" not in said
        assert request(host, "/api/fine") == (200, "fine")


def test_a_port_that_is_not_ours_to_name_is_told_all_the_same(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        ended = funchost("start", "--root", App(tmp_path).root, "--port", str(taken.getsockname()[1]))
    assert ended.returncode == 4
    assert b"is in use" in ended.stderr


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        (
            "host.json",
            '{"version": "2.0", "extensions": {"queues": {"batchSize": "many"}}}',
            ("host.json", "extensions.queues.batchSize"),
        ),
        ("host.json", '{"version": "2.0",\n "extensions"', ("host.json:2",)),
        (
            "local.settings.json",
            '{"IsEncrypted": true, "Values": {"a": "b"}}',
            ("local.settings.json", "IsEncrypted"),
        ),
        ("host.json", '{"version": "2.0", "queues": {"batchSize": 4}}', ("host.json", "extensions.queues")),
    ],
)
def test_wrong_settings_are_told_with_file_and_key(
    tmp_path: Path, file: str, content: str, words: tuple[str, ...]
) -> None:
    app = App(tmp_path)
    app.write(file, content)
    ended = funchost("start", "--root", app.root, "--port", "0", "--strict")
    said = ended.stderr.decode()
    assert ended.returncode == 3
    assert all(word in said for word in words), said
    assert "Traceback" not in said


def test_an_app_root_that_is_none_is_told(tmp_path: Path) -> None:
    ended = funchost("start", "--root", tmp_path / "nowhere")
    assert ended.returncode == 3
    assert b"--root" in ended.stderr
    assert not (tmp_path / "nowhere").exists()


def test_a_worker_that_cannot_be_started_is_told(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.add("fine", FINE, http_trigger("fine"))
    ended = funchost("start", "--root", app.root, "--port", "0", "--python", tmp_path / "no-python")
    assert ended.returncode in (1, 3)
    assert b"--python" in ended.stderr
    assert b"Traceback" not in ended.stderr
    until(lambda: not list((app.store / "hosts").glob("*.json")), 1)
