"""Functions that get all messages of one receive at once, and may say which of them failed."""

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
    yield from serve("batches", request.param, tmp_path_factory.mktemp("app"))


def send(host: Host, queue: str, *messages: Any) -> None:
    """Put messages into a queue, all in one step."""
    assert host.post(f"/api/send/{queue}", json.dumps(messages)).status == 200


def told(host: Host, function: str, what: Any) -> None:
    """Wait until a function has told what it got."""
    host.wait_for(f"{function}: {json.dumps(what)}")


@pytest.mark.parametrize(
    ("function", "messages", "what"),
    [
        ("untyped", ["a", "b"], [["QueueMessage", "a", 1, True], ["QueueMessage", "b", 1, True]]),
        ("typed", ["a", "b"], [["a", "b"], True]),
        ("texts", ["a", {"id": 1}], ["a", '{"id":1}']),
        ("contents", ["a", "b", "c"], ["a", "b", "c"]),
        ("objects", [{"id": 1}, {}], [{"id": 1}, {}]),
        ("orders", [{"id": 1}, {"id": 2}], [1, 2]),
        ("models", [{"id": 1}, {"id": 2, "name": "two"}], [[1, "none"], [2, "two"]]),
        ("whatever", ["a", "b"], ["a", "b"]),
    ],
)
class TestForms:
    def test_messages_sent_together_arrive_as_one_list(
        self, host: Host, function: str, messages: list[Any], what: Any
    ) -> None:
        send(host, function, *messages)
        told(host, function, what)

    def test_a_json_array_is_a_batch_by_hand(
        self, host: Host, function: str, messages: list[Any], what: Any
    ) -> None:
        before = host.log.count(f"{function}: {json.dumps(what)}")
        assert host.run(function, json.dumps(messages))["status"] == "succeeded"
        host.wait_for(re.compile(rf"(?s)({re.escape(f'{function}: {json.dumps(what)}')}.*){{{before + 1}}}"))


def test_anything_else_is_the_only_message_by_hand(host: Host) -> None:
    assert host.run("texts", "by hand")["status"] == "succeeded"
    told(host, "texts", ["by hand"])


def test_a_report_shows_in_a_run_by_hand(host: Host) -> None:
    run = host.run("partial", '["bad one"]')
    assert (run["status"], list(json.loads(run["result"]))) == ("succeeded", ["batchItemFailures"])


def test_only_messages_that_are_reported_come_again_and_are_given_up_in_the_end(host: Host) -> None:
    send(host, "partial", "good", "bad", "fine")
    told(host, "partial", ["good", "bad", "fine"])
    told(host, "partial", ["bad"])
    told(host, "givenup", ["bad"])
    told(host, "done", "good")
    told(host, "done", "fine")
    host.wait_for(re.compile(r"partial reports 1 of 3 messages of 'partial' as failed: [0-9a-f-]{32}"))


def test_a_report_with_an_unknown_id_fails_the_batch_and_is_told(host: Host) -> None:
    send(host, "unknown", "a", "b")
    told(host, "unknown", ["a", "b"])
    host.wait_for("All messages of the batch count as failed, since the function reports 'nobody' as failed")
    host.wait_for("Moving message to queue 'unknown-poison'.")


def test_a_batch_with_a_message_that_does_not_fit_fails_and_names_it(host: Host) -> None:
    run = host.run("orders", '[{"id": 1}, {"no": 2}]')
    assert run["status"] == "failed"
    assert re.match(r"Message 2 of 2 \(\S+\): Parameter 'msgs' \(queueTrigger\)", run["error"]["message"])


def test_attempts_are_made_with_the_whole_batch(host: Host) -> None:
    send(host, "again", "a", "b")
    for attempt in range(3):
        told(host, "again", [attempt, ["a", "b"]])


def test_an_annotation_that_does_not_go_with_the_cardinality_is_told_when_the_function_is_loaded(
    host: Host,
) -> None:
    assert "The code of notlist does not load: " in host.log
    assert (
        "Parameter 'msgs' (queueTrigger) cannot be func.QueueMessage: with the cardinality many it is a list of "
        "messages. Annotate it as list[func.QueueMessage], list[str] or another list, or set the cardinality of the "
        "trigger to one."
    ) in host.log
    assert "The code of notmany does not load: " in host.log
    assert (
        "Parameter 'msgs' (queueTrigger) cannot be list[func.QueueMessage]: with the cardinality one it is a single "
        "message. Annotate it as func.QueueMessage, or set the cardinality of the trigger to many."
    ) in host.log


def test_an_expression_that_needs_one_message_is_told_at_the_start(host: Host) -> None:
    assert re.search(
        r"error: \S+ \S+\.msgs\.cardinality: \{customer\} in 'done-\{customer\}' would be", host.log
    )


def test_people_see_which_functions_run_in_batches(host: Host) -> None:
    listed = funchost("list", "--root", host.root).stdout.decode()
    assert re.search(r"texts .*queue texts, in batches", listed)
    assert re.search(r"done .*queue done(?!, in batches)", listed)
