"""The admin API and the home page of an app in either model: shapes as Azure's tools expect them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from apps.serving import Host, serve
from e2e.running import funchost

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module", params=["v1", "v2"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    env = {"AzureWebJobs.off.Disabled": "true", "WEBSITE_INSTANCE_ID": "instance-1"}
    yield from serve("admin", request.param, tmp_path_factory.mktemp("app"), env=env)


def function(host: Host, name: str) -> Any:
    answer = host.get(f"/admin/functions/{name}")
    assert answer.status == 200
    return answer.json


def run(host: Host, name: str, document: object, query: str = "") -> Any:
    return host.request("POST", f"/admin/functions/{name}{query}", json.dumps(document), JSON)


def master_key(host: Host) -> str:
    listed = json.loads(funchost("keys", "list", "--json", "--root", host.root).stdout)
    return next(str(key["value"]) for key in listed if key["name"] == "_master")


# -- the host


def test_the_status_has_azures_fields(host: Host) -> None:
    answer = host.get("/admin/host/status")

    assert answer.status == 200
    assert answer.header("Content-Type") == "application/json; charset=utf-8"
    status = answer.json
    assert status["state"] == "Running"
    assert status["id"] == status["id"].lower()
    assert 0 < len(status["id"]) <= 32
    assert status["versionDetails"].endswith(status["version"])
    assert status["instanceId"] == "instance-1"
    assert status["computerName"]
    assert status["processUptime"] > 0
    assert status["functionAppContentEditingState"] == "Unknown"
    assert status["errors"] == []
    assert "extensionBundle" not in status
    assert (status["pid"], len(status["workers"])) == (host.pid, 1)


def test_the_ping_answers_with_nothing(host: Host) -> None:
    for method in ("GET", "POST"):
        answer = host.request(method, "/admin/host/ping")
        assert (answer.status, answer.body) == (200, b"")


def test_triggers_are_always_in_step(host: Host) -> None:
    answer = host.post("/admin/host/synctriggers")
    assert (answer.status, answer.json) == (200, {"status": "success"})


def test_the_configuration_is_host_json_with_its_defaults(host: Host) -> None:
    config = host.get("/admin/host/config").json

    assert config["version"] == "2.0"
    assert config["extensions"]["http"]["routePrefix"] == "api"
    assert config["extensions"]["queues"]["visibilityTimeout"] == "00:00:00"


def test_the_processes_are_the_hosts_and_its_workers(host: Host) -> None:
    processes = host.get("/admin/host/processes").json["processes"]
    assert [one["processName"] for one in processes] == ["funchost", "worker"]
    assert processes[0]["processId"] == host.pid


def test_log_entries_of_others_stand_in_the_hosts_log(host: Host) -> None:
    entries = [
        {"level": "Warning", "source": "Deployment", "functionName": "hello", "message": "from afar"},
        {"Level": 1, "Message": "gone wrong"},
        {"Level": "Off", "Message": "unheard of"},
        {"level": [], "message": {"strange": 1}},
    ]
    answer = host.request("POST", "/admin/host/log", json.dumps(entries), JSON)

    assert answer.status == 200
    host.wait_for("WARNING Deployment: hello: from afar")
    host.wait_for("ERROR gone wrong")
    host.wait_for("strange")
    assert "unheard of" not in host.log
    assert host.request("POST", "/admin/host/log", '{"message": "x"}', JSON).status == 400
    assert host.request("POST", "/admin/host/log", "[1]", JSON).status == 400


def test_a_path_may_be_escaped_in_any_case_and_end_with_a_slash(host: Host) -> None:
    assert host.get("/%61dmin/Host/STATUS/").status == 200


def test_the_warm_up_is_fine_without_a_function_for_it(host: Host) -> None:
    for method in ("GET", "POST"):
        assert host.request(method, "/admin/warmup").status == 200


def test_a_host_is_running_unless_it_is_said_to_be_offline(host: Host) -> None:
    assert host.get("/admin/host/state").json == {"state": "Running"}
    assert host.request("PUT", "/admin/host/state", '"Running"', JSON).status == 200
    for body in ("", '"error"', "running", "null", '{"state": "offline"}', "1"):
        assert host.request("PUT", "/admin/host/state", body, JSON).status == 400, body


# -- functions


def test_all_functions_are_listed_by_name(host: Host) -> None:
    listed = host.get("/admin/functions").json

    assert [one["name"] for one in listed] == ["hello", "off", "slow", "tick", "work"]
    assert listed[0] == function(host, "HELLO")
    assert [one["isDisabled"] for one in listed] == [False, True, False, False, False]


def test_a_function_has_azures_fields_and_ours(host: Host) -> None:
    shown = function(host, "hello")

    assert shown["href"] == f"{host.url}/admin/functions/hello"
    assert shown["invoke_url_template"] == f"{host.url}/api/hello/{{name?}}"
    assert shown["language"] == "python"
    assert (shown["isDisabled"], shown["isDirect"], shown["isProxy"]) == (False, False, False)
    assert (shown["test_data"], shown["test_data_href"], shown["files"]) == (None, None, None)
    assert (shown["trigger"], shown["state"], shown["errors"]) == ("httpTrigger", "listening", [])
    assert function(host, "work")["invoke_url_template"] is None


def test_addresses_begin_with_the_name_by_which_the_caller_knows_the_host(host: Host) -> None:
    with closing(host.connect()) as connection:
        connection.putrequest("GET", "/admin/functions/hello", skip_host=True)
        connection.putheader("Host", "Apps.example:8080")
        connection.putheader("x-functions-key", master_key(host))
        connection.endheaders()
        shown = json.loads(connection.getresponse().read())

    assert shown["href"] == "http://Apps.example:8080/admin/functions/hello"
    assert shown["invoke_url_template"] == "http://apps.example:8080/api/hello/{name?}"


def test_files_are_named_where_the_app_has_them(host: Host) -> None:
    shown = function(host, "work")
    files = [shown[key] for key in ("script_root_path_href", "script_href", "config_href")]

    base = f"{host.url}/admin/vfs"
    if host.root.name.endswith("v1"):
        assert files == [f"{base}/work/", f"{base}/work/__init__.py", f"{base}/work/function.json"]
    else:
        assert files == [None, f"{base}/function_app.py", None]


def test_the_configuration_of_a_function_is_its_function_json_or_what_that_would_hold(host: Host) -> None:
    config = function(host, "work")["config"]

    if host.root.name.endswith("v1"):
        assert config == json.loads((host.root / "work" / "function.json").read_text())
        assert "scriptFile" in function(host, "hello")["config"]
    else:
        assert config == {
            "name": "work",
            "entryPoint": "work",
            "scriptFile": "function_app.py",
            "language": "python",
            "functionDirectory": str(host.root),
            "bindings": [
                {
                    "type": "queueTrigger",
                    "name": "msg",
                    "direction": "in",
                    "queueName": "work",
                    "connection": "AzureWebJobsStorage",
                }
            ],
        }


def test_the_status_of_a_function_is_what_stands_in_its_way(host: Host) -> None:
    assert host.get("/admin/functions/work/status").json == {"errors": []}
    assert host.get("/admin/functions/nobody/status").status == 404


def test_a_function_that_is_not_there_is_404(host: Host) -> None:
    for path in ("/admin/functions/nobody", "/admin/functions/nobody/keys", "/admin/functions/nobody/keys/a"):
        answer = host.get(path)
        assert (answer.status, "nobody" in answer.json["error"]) == (404, True)
    assert run(host, "nobody", {"input": "x"}).status == 404


# -- runs by hand


def test_a_function_is_run_with_the_input(host: Host) -> None:
    answer = run(host, "work", {"input": "by hand"})

    assert (answer.status, answer.body) == (202, b"")
    host.wait_for("work ends: by hand")


def test_the_input_may_be_a_value_and_its_name_in_any_case(host: Host) -> None:
    assert run(host, "Work", {"Input": {"n": 1}}).status == 202
    host.wait_for('work ends: {"n":1}')


def test_a_disabled_function_can_be_run_by_hand(host: Host) -> None:
    assert run(host, "off", {"input": "once"}).status == 202
    host.wait_for("off was run with: once")


def test_a_function_that_will_fail_is_accepted_all_the_same(host: Host) -> None:
    assert run(host, "hello", {"input": None}).status == 202


def test_a_caller_may_wait_for_the_outcome(host: Host) -> None:
    answer = run(host, "work", {"input": "awaited"}, "?wait=1")

    assert answer.status == 200
    assert (answer.json["status"], answer.json["function"]) == ("succeeded", "work")


def test_raw_data_can_be_sent_too(host: Host) -> None:
    headers = {"Content-Type": "application/octet-stream"}
    answer = host.request("POST", "/admin/functions/hello?wait", b"raw", headers)
    assert json.loads(answer.json["result"])["body"] == "raw"


def test_an_http_function_gets_the_request_that_the_portal_describes(host: Host) -> None:
    document = {
        "method": "get",
        "queryStringParams": [{"name": "a", "value": "1"}],
        "headers": [{"name": "X-Mine", "value": "m"}],
        "body": "text",
    }
    for sent in (document, {"input": json.dumps(document)}):
        told = json.loads(run(host, "hello", sent, "?wait").json["result"])
        del told["made"]
        assert told == {"method": "GET", "params": {"a": "1"}, "mine": "m", "body": "text"}
    plain = json.loads(run(host, "hello", {"input": '{"n": 1}'}, "?wait").json["result"])
    assert (plain["method"], plain["body"]) == ("POST", '{"n": 1}')


@pytest.mark.parametrize(
    "body", ["", "null", "[]", '"text"', "{", "\x00", "[" * 100_000, '{"input": "\\ud800"}x']
)
def test_a_run_needs_a_document(host: Host, body: str) -> None:
    answer = host.request("POST", "/admin/functions/work", body, JSON)

    assert answer.status == 400
    assert answer.json["error"]
    assert "Traceback" not in answer.text


def test_a_request_without_any_body_begins_nothing(host: Host) -> None:
    answer = host.post("/admin/functions/hello")
    assert (answer.status, "input" in answer.json["error"]) == (400, True)


def test_raw_data_may_be_empty_and_who_waits_need_not_send_any(host: Host) -> None:
    raw = {"Content-Type": "application/octet-stream"}
    for query, headers in (("?wait", raw), ("?wait", {})):
        answer = host.request("POST", f"/admin/functions/hello{query}", b"", headers)
        assert json.loads(answer.json["result"])["body"] == ""
    assert host.request("POST", "/admin/functions/hello", b"", raw).status == 202


def test_the_command_line_runs_functions_of_the_host(host: Host) -> None:
    assert json.loads(host.run("hello", "from the shell")["result"])["body"] == "from the shell"


# -- keys


def test_keys_are_made_set_shown_and_removed(host: Host) -> None:
    path = "/admin/functions/slow/keys/partner"
    made = host.post(path)
    assert (made.status, made.json["name"], len(made.json["value"]) > 40) == (201, "partner", True)
    assert made.json["links"] == [{"rel": "self", "href": f"{host.url}{path}"}]
    rolled = host.post(path)
    assert (rolled.status, rolled.json["value"] != made.json["value"]) == (200, True)
    put = host.request("PUT", path, '{"name": "partner", "value": "mine"}', JSON)
    assert (put.status, put.json["value"]) == (200, "mine")
    assert host.get(path).json["value"] == "mine"
    names = [key["name"] for key in host.get("/admin/functions/slow/keys").json["keys"]]
    assert names == ["partner"]
    assert host.request("DELETE", path).status == 204
    assert (host.get(path).status, host.request("DELETE", path).status) == (404, 404)


def test_the_keys_of_the_host_have_three_collections(host: Host) -> None:
    for collection in ("keys", "functionkeys"):
        listed = host.get(f"/admin/host/{collection}").json
        assert [key["name"] for key in listed["keys"]] == ["default"]
        assert listed["links"] == [{"rel": "self", "href": f"{host.url}/admin/host/{collection}"}]
    # That of runs is there once somebody was told of one.
    assert {key["name"] for key in host.get("/admin/host/systemkeys").json["keys"]} <= {"runs"}
    assert host.get("/admin/host/systemkeys/_master").status == 200
    assert host.get("/admin/host/keys/_master").status == 404
    assert host.request("DELETE", "/admin/host/systemkeys/_master").status == 400


@pytest.mark.parametrize("body", ["", "{}", "[]", "{", '{"value": ""}', '{"value": 1}'])
def test_a_key_needs_a_value(host: Host, body: str) -> None:
    assert host.request("PUT", "/admin/host/keys/mine", body, JSON).status == 400
    assert host.get("/admin/host/keys/mine").status == 404


# -- what is not there


@pytest.mark.parametrize(
    "path",
    [
        "/admin",
        "/admin/",
        "/admin/nothing",
        "/admin/host",
        "/admin/host/nothing",
        "/admin/host/nothing/at/all",
        "/admin/host/scale/status",
        "/admin/functions/work/nothing",
        "/admin/functions/work/keys/a/b",
        "/admin/vfs/work/__init__.py",
        "/runtime/host/status",
        "/runtime/webhooks/blobs",
        "/api/../admin/host/status",
        "/admin/functions/../host/status",
        "/admin/functions/%ff%fe",
        "/admin/functions/..%2f..%2fetc",
        "/admin/functions/%00?code=%ff%zz",
    ],
)
def test_an_unknown_path_is_404(host: Host, path: str) -> None:
    assert host.get(path).status == 404


def test_a_method_that_a_path_does_not_have_is_405_and_names_those_that_it_has(host: Host) -> None:
    for method, path, allowed in (
        ("DELETE", "/admin/functions/work", "GET, POST"),
        ("PUT", "/admin/functions/work", "GET, POST"),
        ("POST", "/admin/host/status", "GET"),
        ("GET", "/admin/host/restart", "POST"),
        ("PATCH", "/admin/host/keys/default", "GET, POST, PUT, DELETE"),
    ):
        answer = host.request(method, path)
        assert (answer.status, answer.header("Allow")) == (405, allowed), path


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "http://[elsewhere"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_pages_of_other_sites_are_refused(host: Host, headers: dict[str, str]) -> None:
    assert host.request("GET", "/admin/host/status", headers=headers).status == 403
    assert host.request("POST", "/admin/functions/work", '{"input": "evil"}', headers).status == 403
    assert "evil" not in host.log


def test_pages_of_the_host_itself_are_answered(host: Host) -> None:
    assert host.get("/admin/host/status", Origin=host.url).status == 200


# -- the home page


def test_the_home_page_shows_a_developer_the_app(host: Host) -> None:
    answer = host.get("/")

    assert answer.status == 200
    assert answer.header("Content-Type") == "text/html; charset=utf-8"
    assert "default-src 'none'" in (answer.header("Content-Security-Policy") or "")
    for text in ("funchost", "Running", "queue work", "disabled"):
        assert text in answer.text
    assert f'<a href="{host.url}/api/Hello">{host.url}/api/Hello/{{name?}}</a>' in answer.text
    assert f'<a href="{host.url}/api/slow">' in answer.text


def test_the_home_page_has_a_head(host: Host) -> None:
    answer = host.request("HEAD", "/")
    assert (answer.status, answer.body) == (200, b"")


def test_the_home_page_is_only_at_the_root(host: Host) -> None:
    assert host.post("/").status == 404
    assert host.get("/index.html").status == 404
