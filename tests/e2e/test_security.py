"""What strangers, other users and other sites cannot do to a host, and what its workers are given. See docs/security.md."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from e2e.apps import App, http_trigger, queue_output, queue_trigger, request, until
from e2e.browsing import ATTACK, site, visited
from e2e.running import DEADLINE, RunningHost, funchost

pytestmark = pytest.mark.e2e

_NOTE = """
    from ledger import note

    def main(job: str) -> None:
        note("ran", job)
"""
_FAIL = """
    def main(job: str) -> None:
        raise ValueError("no such thing")
"""
_SAID = """
    import azure.functions as func

    def main(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("body", headers={req.params["name"]: req.params["value"]})
"""
_GIVEN = """
    import json, os, stat, sys

    def main(req: str) -> str:
        links = {}
        for number in os.listdir("/proc/self/fd"):
            try:
                links[number] = os.readlink("/proc/self/fd/" + number)
            except OSError:
                pass
        return json.dumps({"files": links, "environment": dict(os.environ), "umask": os.umask(0o22)})
"""
_SAVE = """
    def main(req: str, out) -> str:
        out.set("content")
        return "message"
"""


_PAGE = f"""
    import azure.functions as func

    def main(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse({ATTACK % ""!r}, mimetype="text/html")
"""


def made(root: Path) -> App:
    """An app with a function of each kind that matters here."""
    app = App(root)
    app.add("work", _NOTE, queue_trigger())
    app.add("fail", _FAIL, queue_trigger("broken"), retry=None)
    app.add("said", _SAID, http_trigger("said"), {"type": "http", "direction": "out", "name": "$return"})
    app.add("given", _GIVEN, http_trigger("given"))
    blob = {"type": "blob", "direction": "out", "name": "out", "path": "saved/deep/below.txt"}
    app.add("save", _SAVE, http_trigger("save"), blob, queue_output("kept"))
    return app


def keys_of(app: App) -> dict[str, str]:
    """The keys of the app's hosts, by name."""
    listed = json.loads(funchost("keys", "list", "--json", "--root", app.root).stdout)
    return {key["name"]: key["value"] for key in listed}


def ask(host: RunningHost, path: str, address: str = "127.0.0.1", method: str = "GET", **headers: str) -> int:
    """The status of a request that is sent to this address, with a Host of one's own."""
    port = urlsplit(host.url).port
    with socket.create_connection((address, port), timeout=DEADLINE) as stream:
        lines = [f"{method} {path} HTTP/1.1", "Connection: close", "Content-Length: 0"]
        given = {"Host": f"localhost:{port}", **headers}
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in given.items()]
        stream.sendall("\r\n".join([*lines, "", ""]).encode())
        return int(stream.recv(65536).split()[1])


# -- the admin API of a developer's host


@pytest.fixture(scope="module")
def open_app(tmp_path_factory: pytest.TempPathFactory) -> App:
    return made(tmp_path_factory.mktemp("open") / "app")


@pytest.fixture(scope="module")
def open_host(open_app: App) -> Iterator[RunningHost]:
    """A host on a loopback address, as developers start it; the most permissive CORS, as many samples have it."""
    with RunningHost(open_app.root, "--cors", "*") as host:
        yield host


@pytest.mark.parametrize(
    "name",
    ["localhost:{port}", "127.0.0.1:{port}", "LOCALHOST", "app.localhost:1", "[::1]:{port}", "localhost."],
)
def test_a_developer_needs_no_key_under_this_machines_own_names(open_host: RunningHost, name: str) -> None:
    named = name.format(port=urlsplit(open_host.url).port)
    assert ask(open_host, "/admin/host/status", Host=named) == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "rebound.example:7071"},
        {
            "Host": "rebound.example:7071",
            "Origin": "http://rebound.example:7071",
            "Sec_Fetch_Site": "same-origin",
        },
        {"Host": "localhost.rebound.example"},
        {"Host": "rebound.example@localhost"},
        {"Host": "localhost@rebound.example"},
        {"Host": "127.0.0.1.rebound.example"},
        {"Host": "192.0.2.1"},
        {"Host": "0.0.0.0"},
        {"Host": "[::1"},
        {"Host": ""},
        {"X_Forwarded_For": "127.0.0.1"},
        {"X_Forwarded_Host": "localhost"},
        {"Forwarded": "for=127.0.0.1;host=localhost"},
    ],
)
def test_under_other_names_and_behind_proxies_it_is_open_by_key_only(
    open_app: App, open_host: RunningHost, headers: dict[str, str]
) -> None:
    master = keys_of(open_app)["_master"]
    for path in ("/admin/host/keys", "/admin/functions", "/%61dmin/host/keys", "/admin/host/keys/"):
        assert ask(open_host, path, **headers) == 401, path
        assert ask(open_host, path, **headers, x_functions_key=master) == 200, path
    assert ask(open_host, "/admin/functions/work", method="POST", **headers) == 401
    assert ask(open_host, "/admin/host/ping", **headers) == 200


@pytest.mark.parametrize(
    "path", ["/", "/api/said", "/admin/host/ping", "/admin/runs", "/metrics", "/runs/x", "/no"]
)
def test_no_answer_tells_which_versions_answer(open_host: RunningHost, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(open_host.url).port, timeout=DEADLINE)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Host": "elsewhere.example"})
        told = dict(connection.getresponse().getheaders())
    assert told.get("Server", "funchost") == "funchost"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example", "Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"},
        {"Origin": "http://localhost:3000", "Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "cors"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors", "Sec_Fetch_Dest": "image"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"},
        {"Origin": "null", "Sec_Fetch_Site": "cross-site"},
        {"Origin": "null", "Host": ""},
        {"Origin": "https://elsewhere.example"},
    ],
)
def test_pages_of_other_sites_can_neither_run_nor_read_even_with_a_key(
    open_app: App, open_host: RunningHost, headers: dict[str, str]
) -> None:
    master = keys_of(open_app)["_master"]
    for given in ({}, {"x_functions_key": master}):
        assert ask(open_host, "/admin/host/keys", **headers, **given) == 403
        assert ask(open_host, "/admin/functions/work", method="POST", **headers, **given) == 403
        assert ask(open_host, "/admin/host/restart", method="POST", **headers, **given) == 403
    assert open_app.ledger() == []


def test_in_a_real_browser_the_page_of_another_site_gets_nowhere(
    open_app: App, open_host: RunningHost, tmp_path: Path
) -> None:
    with site(ATTACK % open_host.url) as address:
        told = visited(address, tmp_path)
    assert told[0].startswith("keys:403")
    assert told[1].startswith("run:403")
    # With this CORS the page may read the rest, and so finds that a host runs; but not what it serves.
    assert "funchost is running" in "".join(told)
    for secret in (keys_of(open_app)["_master"], str(open_app.root), "/api/said"):
        assert not any(secret in line for line in told)
    assert open_app.ledger() == []


def test_in_a_real_browser_a_rebound_name_gets_nowhere(tmp_path: Path) -> None:
    app = made(tmp_path / "app")
    app.add("page", _PAGE, http_trigger("page"), {"type": "http", "direction": "out", "name": "$return"})
    with RunningHost(app.root) as host:
        port = urlsplit(host.url).port
        told = visited(f"http://rebound.example:{port}/api/page", tmp_path / "profile")
        assert [line[:8] for line in told[:3]] == ["keys:401", "run:401:", "json:401"], told
        assert told[4].startswith("home:200")
        assert str(app.root) not in told[4]
        assert app.ledger() == []
        # The same page at this machine's own name is the developer's.
        told = visited(f"http://localhost:{port}/api/page", tmp_path / "profile")
        assert told[0].startswith("keys:200"), told
        app.wait_for_lines(3)


# -- a host that others reach


@pytest.mark.parametrize("arguments", [["--address", "0.0.0.0"], ["--address", "0.0.0.0", "--no-auth"]])
def test_beyond_this_machine_the_admin_api_asks_for_the_master_key_also_from_here(
    tmp_path: Path, arguments: list[str]
) -> None:
    app = made(tmp_path)
    with RunningHost(app.root, *arguments) as host:
        keys = keys_of(app)
        for tricks in (
            {},
            {"Host": "localhost"},
            {"Host": "127.0.0.1"},
            {"X_Forwarded_For": "127.0.0.1"},
            {"X_Real_IP": "::1"},
            {"Forwarded": "for=127.0.0.1"},
            {"x_functions_key": keys["default"]},
            {"x_functions_key": ""},
            {"Origin": host.url},
        ):
            assert ask(host, "/admin/host/keys", **tricks) == 401, tricks
            assert ask(host, "/admin/functions/work", method="POST", **tricks) == 401, tricks
            assert ask(host, "/admin/functions/work?code=" + keys["default"], method="POST") == 401
        assert ask(host, "/admin/host/keys", x_functions_key=keys["_master"]) == 200
        assert ask(host, "/") == 200
        assert str(app.root) not in request(host, "/")[1]
        assert app.ledger() == []


def test_an_address_of_ipv4_within_ipv6_is_no_way_around_the_key(tmp_path: Path) -> None:
    app = made(tmp_path)
    try:
        with RunningHost(app.root, "--address", "::") as host:
            for address in ("::1", "127.0.0.1", "::ffff:127.0.0.1"):
                with contextlib.suppress(OSError):
                    assert ask(host, "/admin/host/keys", address) == 401, address
    except AssertionError as error:
        if "Address family not supported" in str(error):
            pytest.skip("there is no IPv6 here")
        raise


# -- files


def test_all_files_of_a_store_are_their_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    app = made(tmp_path)
    app.add("watch", _NOTE, {"type": "blobTrigger", "name": "job", "path": "watched/{name}"})
    app.store.mkdir(mode=0o755)
    before = os.umask(0)
    try:
        with RunningHost(app.root) as host:
            assert request(host, "/api/save")[0] == 200
            app.wait_for_lines(0)
            until(lambda: (app.store / "blobs/saved/deep/below.txt").exists(), DEADLINE)
            found = {path: path.lstat().st_mode for path in (app.store, *app.store.rglob("*"))}
    finally:
        os.umask(before)
    names = {path.name for path in found}
    assert "watched" in names
    assert {"store.db", "store.db-wal", "store.db-shm", "runtime.json", "below.txt"} <= names
    assert any(name.endswith(".lock") for name in names)
    others = {str(path): oct(mode) for path, mode in found.items() if stat.S_IMODE(mode) & 0o077}
    assert others == {}


def test_a_store_of_an_older_version_is_made_its_owners_alone(tmp_path: Path) -> None:
    app = made(tmp_path)
    app.send("jobs", "one")
    (app.store / "store.db").chmod(0o644)
    app.send("jobs", "two")
    assert stat.S_IMODE((app.store / "store.db").stat().st_mode) == 0o600


def test_a_folder_with_other_things_in_it_keeps_its_permissions(tmp_path: Path) -> None:
    app = made(tmp_path)
    app.write("shared/other.txt", "of somebody else")
    app.store = tmp_path / "shared"
    app.store.chmod(0o755)
    for _ in range(2):
        app.send("jobs", "one")
        assert stat.S_IMODE(app.store.stat().st_mode) == 0o755
    assert stat.S_IMODE((app.store / "store.db").stat().st_mode) == 0o600


# -- secrets


def test_secrets_are_told_nowhere(tmp_path: Path) -> None:
    app = made(tmp_path)
    planted = {
        "PASSWORD": "planted-in-values",
        "AzureWebJobsstorage2": "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=planted-account-key;;=",
        "Broken__serviceUri": "https://user:planted-in-a-uri@[",
        "Aws__region": "eu-west-1",
        "Aws__accessKeyId": "planted-access-key-id",
        "Aws__secretAccessKey": "planted-secret-access-key",
    }
    settings = {
        "IsEncrypted": False,
        "Values": planted,
        "ConnectionStrings": {"db": {"ConnectionString": "Server=x;Password=planted-in-a-string"}},
        "Host": {"LocalHttpPort": "planted-nowhere"},
    }
    app.write("local.settings.json", json.dumps(settings))
    for name in ("storage2", "Broken", "Missing"):
        app.add(f"use{name}", _NOTE, queue_trigger("q", connection=name))
    app.add("missing", _NOTE, queue_trigger("%PASSWORD"))
    app.add("keyed", _SAVE, http_trigger("keyed", authLevel="function"))
    env = {"EXPORTED_SECRET": "planted-in-the-environment"}
    with RunningHost(app.root, "-v", "--auth", env=env) as host:
        keys = keys_of(app)
        secrets = {re.escape(value) for value in keys.values()} | {"planted-(?!nowhere)[a-z-]+"}
        for way in ({}, {"x_functions_key": keys["default"]}, {"x_functions_key": keys["_master"]}):
            ask(host, "/api/keyed", **way)
            ask(host, "/api/keyed?code=" + keys["default"], **way)
            ask(host, "/api/said?name=a%0d&value=b&code=" + keys["_master"], **way)
            ask(host, "/admin/nothing?code=" + keys["_master"], **way)
            ask(host, "/admin/functions/fail?code=" + keys["_master"], method="POST", **way)
            ask(host, "bad\x01request?code=" + keys["_master"], **way)
        app.send("broken", "x")
        app.write("fail/__init__.py", "raise ImportError('broken')")
        host.wait_for("broken")
        admin = [
            request(host, path, None, "GET", **{"x-functions-key": keys["_master"]})[1]
            for path in (
                "/admin/functions",
                "/admin/host/config",
                "/admin/host/status",
                "/admin/host/processes",
            )
        ]
        shown = [
            funchost(*command, "--root", app.root, env=env)
            for command in (
                ["list"],
                ["list", "--json"],
                ["queues"],
                ["timers"],
                ["run", "fail", "--data", "x"],
            )
        ]
        files = [path.read_bytes() for path in app.store.rglob("*.json")]
    told = [host.log, *admin, *(b"".join((one.stdout, one.stderr)).decode() for one in shown)]
    told += [content.decode("utf-8", "replace") for content in files]
    for text in told:
        found = re.search("|".join(secrets), text)
        assert found is None, f"{found} in {text[-3000:]}"


# -- what a function can do to the wire, and what a worker is given


@pytest.mark.parametrize(
    "pair",
    [
        ("X-A", "b%0d%0aX-Evil:%20yes"),
        ("X-A%0d%0aX-Evil", "yes"),
        ("X-A", "b%0aX-Evil:%20yes"),
        ("X%00", "b"),
    ],
)
def test_no_header_of_a_response_begins_another(open_host: RunningHost, pair: tuple[str, str]) -> None:
    port = urlsplit(open_host.url).port
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as stream:
        name, value = pair
        target = f"/api/said?name={name}&value={value}"
        stream.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = stream.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"evil" not in answer.lower()


def test_a_worker_has_the_settings_and_the_environment_and_nothing_else_of_its_host(tmp_path: Path) -> None:
    app = made(tmp_path)
    app.write("local.settings.json", json.dumps({"Values": {"MINE": "yes", "OVER": "file"}}))
    with RunningHost(app.root, "--auth", env={"OVER": "environment", "ALSO": "given"}) as host:
        _, body = request(host, "/api/given")
        keys = keys_of(app)
    given = json.loads(body)
    environment = given["environment"]
    assert (environment["MINE"], environment["OVER"], environment["ALSO"]) == ("yes", "environment", "given")
    assert not [name for name in environment if name.startswith("FUNCHOST_")]
    assert not set(keys.values()) & set(environment.values())
    files = given["files"]
    assert files["0"] == "/dev/null"
    assert not [path for path in files.values() if ".funchost" in path or path.endswith(".lock")]
    output = {files["1"], files["2"]}
    sockets = {path for path in files.values() if path.startswith("socket:")} - output
    # One to the host, and the pair by which its own loop is woken.
    assert len(sockets) <= 3, files


# -- the emulator


def test_the_emulator_listens_on_this_machine_alone(tmp_path: Path) -> None:
    app = made(tmp_path)
    with RunningHost(app.root, "--emulator", "aws") as host:
        emulator = json.loads((app.store / "runtime.json").read_text())["emulator"]
        port = urlsplit(emulator).port
        assert urlsplit(emulator).hostname in ("127.0.0.1", "localhost")
        listening = addresses_of(port or 0)
        assert listening == {"127.0.0.1"}
        assert addresses_of(urlsplit(host.url).port or 0) == {"127.0.0.1"}


def addresses_of(port: int) -> set[str]:
    """The addresses that this machine listens on with a port."""
    listening = [each.laddr for each in psutil.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
    return {each.ip for each in listening if each and each.port == port}
