"""The invocation context of functions (python-model, section 5)."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from apps.serving import Host, serve
from e2e.running import funchost

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(scope="module", params=["v1", "v2"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    yield from serve("context", request.param, tmp_path_factory.mktemp("app"))


@pytest.mark.parametrize("function", ["look", "look_async", "untyped"])
def test_it_says_which_function_runs_for_which_invocation(host: Host, function: str) -> None:
    told = host.get(f"/api/{function}").json
    folder = host.root if (host.root / "function_app.py").exists() else host.root / function
    assert str(uuid.UUID(told["invocation_id"])) == told["invocation_id"]
    assert (told["function_name"], told["function_directory"]) == (function, str(folder))
    assert told["thread_local"] == told["invocation_id"]
    assert told["is_context"]


def test_each_invocation_has_an_id_of_its_own(host: Host) -> None:
    assert len({host.get("/api/look").json["invocation_id"] for _ in range(3)}) == 3


def test_the_trace_of_the_caller_is_carried_on(host: Host) -> None:
    headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "tracestate": "vendor=1"}
    told = host.get("/api/look", **headers).json
    parent, state, attributes = told["trace"]
    assert re.fullmatch(rf"00-{TRACE}-[0-9a-f]{{16}}-01", parent)
    assert (state, attributes) == ("vendor=1", {})
    assert told["old"] == told["trace"]


@pytest.mark.parametrize("headers", [{}, {"traceparent": "no such thing", "tracestate": "vendor=1"}])
def test_without_a_trace_there_is_a_new_one(host: Host, headers: dict[str, str]) -> None:
    parent, state, _ = host.get("/api/look", **headers).json["trace"]
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", parent)
    assert TRACE not in parent
    assert state == ""


def test_attempts_are_counted_with_the_error_of_the_last_one(host: Host) -> None:
    assert host.get("/api/retried").json["retry"] == [2, 2, "attempt 1, after \"attempt 0, after ''\""]


def test_without_a_retry_policy_there_is_nothing_to_count(host: Host) -> None:
    assert host.get("/api/look").json["retry"] == [0, 0, ""]


def test_each_thread_has_storage_of_its_own(host: Host) -> None:
    found = host.get("/api/in_threads").json
    assert found["set"] == found["invocation_id"]
    assert found["own"] is False


def test_functions_of_all_triggers_have_one(host: Host) -> None:
    ran = host.run("by_queue", "hello")
    assert ran["status"] == "succeeded"
    shown: list[Any] = json.loads(funchost("queues", "peek", "seen", "--root", host.root, "--json").stdout)
    told = json.loads(shown[-1]["body"]) if isinstance(shown[-1].get("body"), str) else shown[-1]["body"]
    assert told["function_name"] == "by_queue"
    assert told["is_context"]
