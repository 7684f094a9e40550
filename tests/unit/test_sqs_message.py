"""Messages of ours as SQS takes them, and what it delivers as ours again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from fakes import ManualClock

from funchost.bindings.aws.sqs_limits import check_size, is_legal, size_of
from funchost.bindings.aws.sqs_message import Content, content_of, entry_of, shortened
from funchost.bindings.aws.trace_header import from_aws, to_aws
from funchost.bindings.errors import BindingError, MessageTooLarge
from funchost.bindings.queue import OutgoingMessage

NOW = ManualClock().now()
TRACE = f"00-{'a1' * 16}-{'b2' * 8}-01"
HEADER = f"Root=1-{'a1' * 4}-{'a1' * 12};Parent={'b2' * 8};Sampled=1"


def sent(body: bytes = b"a", *, fifo: bool = False, id_: str | None = None, **more: Any) -> dict[str, Any]:
    message = OutgoingMessage(queue="orders", body=body, **more)
    return entry_of(message, NOW, fifo=fifo, deduplication_id=id_)


def delivered(entry: dict[str, Any], *, fifo: bool = False, **system: str) -> Content:
    """What comes of an entry that SQS has delivered."""
    message = {
        "Body": entry["MessageBody"],
        "MessageAttributes": entry.get("MessageAttributes", {}),
        "Attributes": system,
    }
    return content_of(message, fifo=fifo)


@pytest.mark.parametrize(
    "body",
    [
        b"plain",
        "größer 🚚".encode(),
        b'{"a": 1}',
        b"a\tb\r\nc",
        b"\x00\xff",
        b"",
        b"a\x0bb",
        "\ufffe".encode(),
    ],
)
def test_every_body_comes_back_byte_for_byte(body: bytes) -> None:
    entry = sent(body)
    assert is_legal(entry["MessageBody"])
    assert delivered(entry).body == body


def test_a_text_goes_as_it_is_with_nothing_beside_it() -> None:
    assert sent(b"plain") == {"MessageBody": "plain"}


def test_properties_travel_in_one_attribute_and_the_trace_under_its_own_name() -> None:
    properties = {"traceparent": TRACE, "tracestate": "x=1", "parent": "run", "n": [1, None, "ü\x00"]}
    entry = sent(properties=properties)
    attributes = entry["MessageAttributes"]
    assert attributes.keys() == {"traceparent", "tracestate", "funchost"}
    assert attributes["traceparent"] == {"DataType": "String", "StringValue": TRACE}
    assert attributes["funchost"]["StringValue"].isascii()
    assert entry["MessageSystemAttributes"]["AWSTraceHeader"]["StringValue"] == HEADER
    assert delivered(entry).properties == properties


def test_a_trace_header_of_aws_becomes_a_traceparent() -> None:
    assert delivered(sent(), AWSTraceHeader=HEADER).properties == {"traceparent": TRACE}
    own = sent(properties={"traceparent": TRACE.replace("b2", "c3")})
    assert delivered(own, AWSTraceHeader=HEADER).properties["traceparent"] == TRACE.replace("b2", "c3")


@pytest.mark.parametrize(
    "header", ["", "Root=1-x", "Self=1-2-3", "Root=1-aaaaaaaa-" + "b" * 24, "nonsense;=;"]
)
def test_a_header_without_a_parent_is_no_trace(header: str) -> None:
    assert from_aws(header) is None


def test_what_is_no_traceparent_is_no_header() -> None:
    assert to_aws("t") is None
    assert to_aws(TRACE[:-2] + "00") == HEADER.replace("Sampled=1", "Sampled=0")


def test_attributes_of_other_programs_are_kept_for_whoever_gets_the_message_next() -> None:
    foreign = {
        "tenant": {"DataType": "String", "StringValue": "a"},
        "count": {"DataType": "Number.int", "StringValue": "3"},
        "raw": {"DataType": "Binary", "BinaryValue": b"\x00\x01"},
    }
    content = delivered({"MessageBody": "a", "MessageAttributes": foreign})
    assert content.properties["attributes"]["raw"] == {"type": "Binary", "value": "AAE="}
    again = sent(properties=content.properties)
    assert again["MessageAttributes"] == foreign


def test_ten_attributes_are_the_most_and_the_rest_travels_as_json() -> None:
    foreign = {f"a{n}": {"DataType": "String", "StringValue": str(n)} for n in range(10)}
    content = delivered({"MessageBody": "a", "MessageAttributes": foreign})
    again = sent(properties={**content.properties, "poison": {"error": "E"}})
    assert again["MessageAttributes"].keys() == {"funchost"}
    assert delivered(again).properties == {**content.properties, "poison": {"error": "E"}}


def test_an_attribute_of_our_name_from_somebody_else_is_no_trouble() -> None:
    theirs = {"funchost": {"DataType": "String", "StringValue": "hello"}}
    assert delivered({"MessageBody": "a", "MessageAttributes": theirs}).properties == {}


def test_a_body_that_is_not_encoded_as_it_says_is_taken_as_it_is() -> None:
    entry = sent(b"\xff")
    assert delivered({**entry, "MessageBody": "a"}).body == b"a"


def test_a_time_to_live_travels_with_the_message() -> None:
    content = delivered(sent(ttl=timedelta(minutes=1)))
    assert content.expires_at == NOW + timedelta(minutes=1)
    assert delivered(sent(ttl=None)).expires_at is None


# -- delays


@pytest.mark.parametrize(
    ("delay", "seconds"), [(0.0, None), (-5.0, None), (0.2, 1), (30.0, 30), (900.0, 900)]
)
def test_a_delay_is_whole_seconds(delay: float, seconds: int | None) -> None:
    entry = sent(visible_at=NOW + timedelta(seconds=delay))
    assert entry.get("DelaySeconds") == seconds


def test_a_delay_over_15_minutes_is_refused() -> None:
    with pytest.raises(BindingError, match="at most 15 minutes"):
        sent(visible_at=NOW + timedelta(minutes=16))


def test_a_message_of_a_fifo_queue_cannot_be_delayed() -> None:
    with pytest.raises(BindingError, match="FIFO"):
        sent(fifo=True, visible_at=NOW + timedelta(seconds=1))


# -- FIFO


def test_messages_to_a_fifo_queue_are_one_group_and_none_is_taken_for_another() -> None:
    first, second = sent(fifo=True), sent(fifo=True)
    assert first["MessageGroupId"] == second["MessageGroupId"] == "funchost"
    assert first["MessageDeduplicationId"] != second["MessageDeduplicationId"]


def test_a_message_keeps_its_group_on_its_way_to_another_queue() -> None:
    content = delivered(sent(), fifo=True, MessageGroupId="g")
    assert (content.group, content.properties) == ("g", {"messageGroupId": "g"})
    moved = sent(fifo=True, id_="message-1", properties=content.properties)
    assert (moved["MessageGroupId"], moved["MessageDeduplicationId"]) == ("g", "message-1")
    assert "MessageAttributes" not in moved


def test_a_group_on_a_standard_queue_is_no_order() -> None:
    content = delivered(sent(), MessageGroupId="tenant")
    assert (content.group, content.properties) == (None, {})


# -- sizes


def test_attributes_count_and_bytes_count_not_characters() -> None:
    entry = {
        "MessageBody": "ü" * 10,
        "MessageAttributes": {
            "abc": {"DataType": "String", "StringValue": "ü"},
            "b": {"DataType": "Binary", "BinaryValue": b"\x00" * 5},
        },
        "MessageSystemAttributes": {"AWSTraceHeader": {"DataType": "String", "StringValue": HEADER}},
    }
    assert size_of(entry) == 20 + (3 + 6 + 2) + (1 + 6 + 5)


def test_a_message_over_the_limit_of_its_queue_is_told_with_both_sizes() -> None:
    check_size("orders", {"MessageBody": "x" * 1024}, 1024)
    with pytest.raises(MessageTooLarge, match=r"1025 bytes.*'orders'.*1024"):
        check_size("orders", {"MessageBody": "x" * 1025}, 1024)


def test_a_message_that_is_given_up_loses_its_traceback_before_its_reason_and_that_before_its_body() -> None:
    poison = {"error": "E", "message": "m" * 600, "traceback": "t" * 9000, "runs": ["r"]}
    message = OutgoingMessage(queue="q", body=b"a", properties={"poison": poison, "attributes": {"x": {}}})
    whole, brief, bare = shortened(message)
    assert whole is message
    assert brief.properties == {"poison": {"error": "E", "message": "m" * 500}}
    assert (bare.properties, bare.body) == ({}, b"a")
