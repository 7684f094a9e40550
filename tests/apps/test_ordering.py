"""Sessions, priorities and ids that drop duplicates, as apps give them and read them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from apps.serving import Host, serve
from e2e.running import funchost


@pytest.fixture(scope="module", params=["v1", "v2"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    yield from serve("ordering", request.param, tmp_path_factory.mktemp("app"))


def send(host: Host, queue: str, *messages: Any) -> None:
    assert host.post(f"/api/send/{queue}", json.dumps(messages)).status == 200


def told(host: Host, function: str, *what: Any) -> None:
    """Wait until a function has told what it got."""
    host.wait_for(f"{function}: {json.dumps(what)}")


def lines(host: Host, function: str, part: str) -> list[list[Any]]:
    """What a function has told so far, of messages whose text has this part."""
    found = [json.loads(line) for line in re.findall(rf"{function}: (\[.*\])", host.log)]
    return [line for line in found if part in line[0]]


def test_a_binding_fills_in_session_priority_and_id_from_the_event(host: Host) -> None:
    order = {"text": "placed-1", "customer": "anna", "rank": 7, "number": "o-1"}
    assert host.post("/api/place", json.dumps(order)).status == 200
    told(host, "work", "placed-1", 1, "anna", 7, "o-1")
    told(host, "after", "PLACED-1", "anna", "o-1", {"correlationId": "o-1"})


def test_what_is_sent_twice_with_one_id_runs_once(host: Host) -> None:
    order = {"text": "twice", "customer": "bert", "rank": 4, "number": "o-2"}
    for _ in range(2):
        assert host.post("/api/place", json.dumps(order)).status == 200
    assert host.post("/api/place", json.dumps(order | {"text": "twice-last", "number": "o-3"})).status == 200
    told(host, "work", "twice-last", 1, "bert", 4, "o-3")
    assert len(lines(host, "work", "twice")) == 2


def test_an_event_that_does_not_say_what_the_binding_needs_fails_with_a_reason(host: Host) -> None:
    assert host.post("/api/place", json.dumps({"text": "x", "rank": 1, "number": "o-4"})).status == 500
    host.wait_for("no value for {customer}")
    order = {"text": "x", "customer": "c", "rank": "high", "number": "o-5"}
    assert host.post("/api/place", json.dumps(order)).status == 500
    host.wait_for("The priority of output 'out' is high")


def test_a_failed_message_holds_back_its_session_and_nobody_else(host: Host) -> None:
    session = [{"$message": text, "sessionId": "s"} for text in ("fail-1", "fail-2", "fail-3")]
    send(host, "work", *session, "fail-other")
    told(host, "work", "fail-3", 2, "s", 4, None)
    told(host, "work", "fail-other", 2, None, 4, None)
    of_session = [line for line in lines(host, "work", "fail-") if line[2] == "s"]
    assert [line[:2] for line in of_session] == [
        ["fail-1", 1],
        ["fail-1", 2],
        ["fail-2", 1],
        ["fail-2", 2],
        ["fail-3", 1],
        ["fail-3", 2],
    ]


def test_the_highest_priority_runs_first(host: Host) -> None:
    send(host, "ranked", *[{"$message": f"rank-{rank}", "priority": rank} for rank in (0, 4, 9, 7)])
    told(host, "ranked", "rank-0", 0)
    assert [line[1] for line in lines(host, "ranked", "rank-")] == [9, 7, 4, 0]


def test_a_returned_message_goes_to_its_queue_and_its_body_to_the_caller(host: Host) -> None:
    answer = host.post("/api/give", "given")
    assert (answer.status, answer.body) == (200, b"given")
    told(host, "work", "given", 1, "given", 6, "given-1")


def test_messages_of_another_client_say_the_same_with_their_attributes(host: Host) -> None:
    assert host.post("/api/bus", '["bus-1", "bus-2"]').status == 200
    told(host, "work", "bus-1", 1, "bus", 4, "bus-1")
    told(host, "work", "bus-2", 1, "bus", 4, "bus-2")
    told(host, "after", "BUS-2", "bus", None, {})


def test_a_word_beside_a_message_that_means_nothing_fails_the_run(host: Host) -> None:
    body = json.dumps([{"$message": "a", "session": "s"}])
    assert host.post("/api/send/work", body).status == 500
    host.wait_for("'session' beside its body. There are: sessionId, priority")


def test_a_priority_that_is_none_keeps_the_function_out(host: Host) -> None:
    host.wait_for("The priority of an output is 12, and one is a whole number from 0 to 9")
    assert host.post("/api/toofar", "{}").status == 404


def test_by_hand_a_message_has_no_session_to_hand_on(host: Host) -> None:
    assert host.run("work", "by-hand")["status"] == "succeeded"
    told(host, "work", "by-hand", 1, None, 4, None)
    told(host, "after", "BY-HAND", None, None, {})


def test_the_command_line_sends_with_all_of_it(host: Host) -> None:
    options = ("--session", "cli", "--priority", "8", "--dedup-id", "cli-1", "--correlation-id", "c")
    for text in ("cli-1", "cli-2"):
        sent = ("send", "work", text, *options, "--property", "region=eu")
        done = funchost("queues", *sent, "--root", host.root)
        assert done.returncode == 0, done.stderr
    told(host, "work", "cli-1", 1, "cli", 8, "cli-1")
    told(host, "after", "CLI-1", "cli", "c", {"correlationId": "c"})
    assert lines(host, "work", "cli-2") == []
