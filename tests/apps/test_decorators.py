"""Decorators of the v2 model: each gives what a function.json would say (python-model, section 3)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from apps.serving import Host, serve
from e2e.apps import until
from e2e.running import DEADLINE, funchost


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    yield from serve("decorators", "v2", tmp_path_factory.mktemp("app"), "--auth")


def test_name_and_route_are_what_the_decorators_say(host: Host) -> None:
    answer = host.get("/api/named/7/more")

    assert answer.json == {"function": "Named", "params": {"id": "7", "rest": "more"}}


@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("POST", 200), ("PUT", 404), ("DELETE", 404)])
def test_methods_may_be_texts_and_members(host: Host, method: str, status: int) -> None:
    assert host.request(method, "/api/named/7").status == status


def test_a_constraint_holds(host: Host) -> None:
    assert host.get("/api/named/seven").status == 404


def test_without_a_route_it_is_the_name(host: Host) -> None:
    assert host.get("/api/without_route").text == "its name is its route"


def test_parameters_may_be_renamed_and_slashes_around_a_route_do_not_count(host: Host) -> None:
    answer = host.get("/api/slash")

    assert (answer.status, answer.text) == (201, "set")


def test_generic_bindings_take_any_type(host: Host) -> None:
    assert host.request("PUT", "/api/generic").text == "PUT"
    assert host.get("/api/generic").status == 404


def test_a_level_of_its_own_comes_before_that_of_the_app(host: Host) -> None:
    assert host.get("/api/without_route").status == 200
    assert host.get("/api/protected").status == 401
    assert host.get("/api/levelled").status == 401


def test_a_function_of_a_blueprint_lives_in_its_folder(host: Host) -> None:
    answer = host.get("/api/orders")

    assert answer.text == f"all {host.root / 'parts'}"
    assert host.get("/api/orders/5").text.startswith("5 ")


def test_a_wrapped_function_keeps_its_parameters(host: Host) -> None:
    first, second = host.get("/api/wrapped").text, host.get("/api/wrapped").text

    assert [first, second] == ["call 1", "call 2"]


def test_retry_is_a_setting_of_the_function(host: Host) -> None:
    assert host.get("/api/tries").text == "2 of 2 after attempt 1"


def test_further_keyword_arguments_are_fields_of_the_binding(host: Host) -> None:
    assert host.post("/api/send/fragile", '{"id": "a", "bad": true}').text == "sent"

    host.wait_for("MaxDequeueCount of 2")
    host.wait_for("given-up")
    assert len(re.findall(r"delivery \d of a", host.log)) == 2


def test_expressions_are_filled_from_the_message_and_the_route(host: Host) -> None:
    host.post("/api/send/fragile", '{"id": "b", "text": "kept"}')

    until(lambda: "kept" in host.get("/api/copies/b").text, DEADLINE, lambda: host.log)
    assert host.get("/api/copies/nothing").text == "none"


def test_functions_are_listed_by_their_names(host: Host) -> None:
    listed = funchost("list", "--root", host.root, "--json").stdout
    found = {function["name"]: function["state"] for function in json.loads(listed)}

    assert found["nightly"].startswith("listening, next run")
    assert found["fragile"] == "listening"
    assert {"Named", "without_route", "order", "wrapped", "generic"} <= found.keys()


def test_a_function_in_error_takes_only_itself_out(host: Host) -> None:
    assert host.get("/api/broken").status == 500
    assert host.get("/api/misnamed").status == 404
    assert "nobody_binds_this" in host.log


@pytest.mark.parametrize(
    "told",
    [
        r"function_app\.py:\d+ not a name: 'not a name' cannot be the name of a function",
        r"function_app\.py:\d+ misqueued\.msg\.queueName: .*Not_A_Queue",
    ],
)
def test_what_is_wrong_is_told_with_file_and_line(host: Host, told: str) -> None:
    assert re.search(told, host.log), host.log
