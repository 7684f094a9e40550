"""Where given-up messages go, and the reason that goes with them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from fakes import make_outcome

from funchost.bindings.queue import QueueMessage
from funchost.triggers.base import ErrorInfo, Status
from funchost.triggers.poison import poison_message, poison_queue_name, with_failure

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ERROR = ErrorInfo("ValueError", "bad order", "Traceback: …")


def _message(**more: Any) -> QueueMessage:
    given: dict[str, Any] = {
        "queue": "orders",
        "id": "m1",
        "body": b"\xff",
        "receipt": None,
        "dequeue_count": 5,
        "inserted_at": NOW,
        "expires_at": None,
        "next_visible_at": NOW,
        "first_received_at": NOW,
        "properties": {},
    }
    return QueueMessage(**{**given, **more})


@pytest.mark.parametrize(
    ("queue", "configured", "expected"),
    [
        ("orders", None, "orders-poison"),
        ("orders", "", "orders-poison"),
        ("orders", "bad-orders", "bad-orders"),
        ("orders-poison", None, None),
        ("orders-poison", "orders-poison", None),
        ("orders-poison", "graveyard", "graveyard"),
        ("q" * 56, None, "q" * 56 + "-poison"),
        ("q" * 57, None, None),
        ("orders.fifo", None, "orders-poison.fifo"),
        ("orders-poison.fifo", None, None),
    ],
)
def test_the_poison_queue_of_a_queue(queue: str, configured: str | None, expected: str | None) -> None:
    assert poison_queue_name(queue, configured) == expected


def test_a_store_may_take_longer_names() -> None:
    assert poison_queue_name("q" * 60, None, longest=80) == "q" * 60 + "-poison"


def test_each_failed_delivery_is_noted_beside_the_properties_that_there_were() -> None:
    first = with_failure(_message(properties={"traceparent": "t"}), make_outcome(Status.FAILED, ERROR))
    second = with_failure(_message(properties=first), make_outcome(Status.TIMED_OUT, attempts=3))
    assert second["traceparent"] == "t"
    assert [failure["error"] for failure in second["failures"]] == ["ValueError: bad order", "timed-out"]
    assert [failure["attempts"] for failure in second["failures"]] == [1, 3]


def test_noting_a_failure_leaves_the_message_as_it_was() -> None:
    message = _message(properties={"failures": []})
    with_failure(message, make_outcome(Status.FAILED, ERROR))
    assert message.properties == {"failures": []}


def test_only_the_last_failures_are_kept_and_none_is_long() -> None:
    properties: dict[str, Any] = {}
    for _ in range(30):
        outcome = make_outcome(Status.FAILED, ErrorInfo("E", "x" * 10_000))
        properties = with_failure(_message(properties=properties), outcome)
    assert len(properties["failures"]) == 20
    assert len(msgspec.json.encode(properties)) < 20_000


def test_the_body_stays_byte_for_byte_and_never_expires() -> None:
    poison = poison_message(_message(), make_outcome(Status.FAILED, ERROR), "Work", "orders-poison", NOW)
    assert (poison.queue, poison.body, poison.ttl, poison.visible_at) == (
        "orders-poison",
        b"\xff",
        None,
        None,
    )


def test_the_reason_names_the_error_the_function_and_all_runs() -> None:
    properties = with_failure(_message(), make_outcome(Status.FAILED, ERROR, attempts=2))
    message = _message(properties={**properties, "traceparent": "t"})
    poison = poison_message(message, make_outcome(Status.FAILED, ERROR, attempts=4), "Work", "p", NOW)
    assert poison.properties == {
        "traceparent": "t",
        "poison": {
            "error": "ValueError",
            "message": "bad order",
            "traceback": "Traceback: …",
            "queue": "orders",
            "function": "Work",
            "messageId": "m1",
            "dequeueCount": 5,
            "attempts": 6,
            "runs": ["run-1", "run-1"],
            "firstReceived": NOW,
            "givenUp": NOW,
        },
    }


def test_a_message_that_was_not_run_tells_its_last_failure() -> None:
    properties = with_failure(_message(), make_outcome(Status.FAILED, ERROR))
    reason = poison_message(_message(properties=properties), None, "Work", "p", NOW).properties["poison"]
    assert reason["error"] == "MaxDequeueCount"
    assert "ValueError: bad order" in reason["message"]


def test_a_message_that_never_gave_a_result_says_so() -> None:
    reason = poison_message(_message(), None, "Work", "p", NOW).properties["poison"]
    assert "without a result" in reason["message"]
    assert (reason["attempts"], reason["runs"]) == (0, [])


def test_a_message_that_comes_back_from_poison_gets_a_new_reason() -> None:
    message = _message(properties={"poison": {"error": "old"}})
    poison = poison_message(message, make_outcome(Status.FAILED, ERROR), "Work", "p", NOW)
    assert poison.properties["poison"]["error"] == "ValueError"


def test_its_session_stands_in_the_reason_and_its_priority_stays() -> None:
    message = _message(group="anna", priority=9)
    poison = poison_message(message, None, "Work", "orders-poison", NOW)
    assert (poison.session_id, poison.priority) == (None, 9)
    assert poison.properties["poison"]["sessionId"] == "anna"
    assert "sessionId" not in poison_message(_message(), None, "Work", "p", NOW).properties["poison"]
