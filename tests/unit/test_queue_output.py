"""What goes with messages that functions put out: what their binding says of all, and each of its own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from fakes import ManualClock

from funchost.bindings.errors import BindingError, FunchostError
from funchost.bindings.queue import OutgoingMessage
from funchost.host.execution.queue_output import QueueOutput
from funchost.triggers.descriptor import Binding

CLOCK = ManualClock()


def sent(
    *said: dict[str, Any], body: bytes = b"a", metadata: dict[str, Any] | None = None, **fields: Any
) -> list[OutgoingMessage]:
    """The messages of a value of the kind `messages` with one body for each of `said`; of a text without them."""
    binding = Binding(type="queue", name="out", direction="out", fields={"queueName": "bills", **fields})
    head = [{"size": len(body), "kind": "text", **each} for each in said]
    kind, content = "messages", msgspec.json.encode(head) + b"\n" + body * len(head)
    if not said:
        kind, content = "text", body
    output = QueueOutput(binding, "f", CLOCK)
    return output.messages(kind, content, metadata or {}, {"traceparent": "t"})


def test_without_a_word_a_message_is_as_it_always_was() -> None:
    [message] = sent()
    assert message == OutgoingMessage(queue="bills", body=b"a", properties={"traceparent": "t"})


def test_a_binding_says_it_of_all_its_messages_for_each_event() -> None:
    fields: dict[str, Any] = {
        "sessionId": "{customer}",
        "priority": "{rank}",
        "dedupId": "bill-{id}",
        "replyTo": "results",
        "correlationId": "{id}",
    }
    [message] = sent(metadata={"customer": "anna", "rank": "7", "id": 12}, **fields)
    assert (message.session_id, message.priority, message.dedup_id) == ("anna", 7, "bill-12")
    assert message.properties == {"traceparent": "t", "replyTo": "results", "correlationId": "12"}


def test_of_several_messages_each_has_an_id_of_its_own() -> None:
    ids = [message.dedup_id for message in sent(body=b'["a", "b", "c"]', dedupId="x")]
    assert ids == ["x", "x.2", "x.3"]


def test_what_is_filled_in_with_nothing_is_not_said() -> None:
    [message] = sent(
        sessionId="{sessionId}", replyTo="{replyTo}", metadata={"sessionId": None, "replyTo": None}
    )
    assert (message.session_id, message.properties) == (None, {"traceparent": "t"})


def test_a_message_says_it_of_itself_and_goes_before_its_binding() -> None:
    first, second = sent({"sessionId": "anna", "priority": 9}, {"dedupId": 5}, sessionId="all", priority=2)
    assert (first.session_id, first.priority, first.dedup_id) == ("anna", 9, None)
    assert (second.session_id, second.priority, second.dedup_id) == ("all", 2, "5")


def test_delay_and_time_to_live_are_seconds_or_durations() -> None:
    now = CLOCK.now()
    messages = sent(
        {"delay": 90, "ttl": "00:10:00"}, {"delay": "01:00:00", "ttl": -1}, {}, visibilityDelay="00:00:05"
    )
    assert [message.visible_at for message in messages] == [
        now + timedelta(seconds=90),
        now + timedelta(hours=1),
        now + timedelta(seconds=5),
    ]
    assert [message.ttl for message in messages] == [timedelta(minutes=10), None, timedelta(days=7)]


def test_own_properties_travel_beside_those_of_the_host() -> None:
    [message] = sent({"properties": {"region": "eu"}, "replyTo": "results"})
    assert message.properties == {"traceparent": "t", "region": "eu", "replyTo": "results"}


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ({"priority": 10}, "priority of output 'out' is 10.*0 to 9"),
        ({"priority": "high"}, "priority of output 'out' is high"),
        ({"priority": True}, "priority"),
        ({"priority": 4.5}, "priority"),
        ({"sessionId": ""}, "sessionId of a message for the output 'out' is an empty text"),
        ({"sessionId": "x" * 129}, "129 characters.*128"),
        ({"dedupId": "x" * 129}, "dedupId"),
        ({"delay": "soon"}, "delay of a message for the output 'out' is 'soon'"),
        ({"delay": -1}, "delay"),
        ({"delay": True}, "delay"),
        ({"delay": 1e20}, "delay"),
        ({"ttl": [1]}, "ttl"),
        ({"session": "s"}, "'session' beside its body. There are: sessionId, priority"),
        ({"properties": "x"}, "no object"),
        ({"properties": {"traceparent": "x"}}, "'traceparent'.*uses itself"),
    ],
)
def test_what_cannot_be_said_is_told_in_the_words_of_the_output(said: dict[str, Any], wanted: str) -> None:
    with pytest.raises(BindingError, match=wanted):
        sent(said)


@pytest.mark.parametrize("priority", ["", "ten", "11"])
def test_a_priority_that_is_filled_in_has_to_be_one(priority: str) -> None:
    if priority:
        with pytest.raises(FunchostError, match="priority"):
            sent(metadata={"rank": priority}, priority="{rank}")
    else:
        assert sent(metadata={"rank": priority}, priority="{rank}")[0].priority == 4


@pytest.mark.parametrize("content", [b"", b"{}", b"[{}]\na", b"[1]\n", b'[{"size":"x"}]\n'])
def test_what_no_worker_of_ours_says_fails_the_run_with_a_reason(content: bytes) -> None:
    binding = Binding(type="queue", name="out", direction="out", fields={"queueName": "bills"})
    with pytest.raises(BindingError, match="out"):
        QueueOutput(binding, "f", CLOCK).messages("messages", content, {}, {})
