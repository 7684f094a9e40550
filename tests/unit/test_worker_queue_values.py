"""Messages that functions give to queue outputs with more than their body."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import azure.functions as func
import pytest

from funchost.host.execution.queue_output import said_messages
from funchost.host.worker.errors import BindError
from funchost.host.worker.values_output import takes
from funchost.host.worker.values_queue import answer, to_queue


def messages(value: Any) -> list[tuple[bytes, dict[str, Any]]]:
    """What the host reads of a value that says more than its bodies."""
    kind, content = to_queue(value, "Output 'out'")
    assert kind == "messages"
    return [(body, dict(said)) for body, said in said_messages(kind, content, "out")]


class ServiceBusMessage:
    """As azure.servicebus has it."""

    def __init__(self, body: Any, **more: Any) -> None:
        self._body = body
        self.session_id = None
        self.message_id = None
        self.reply_to = None
        self.correlation_id = None
        self.time_to_live = None
        self.scheduled_enqueue_time_utc = None
        self.application_properties: dict[Any, Any] | None = None
        self.__dict__.update(more)

    @property
    def body(self) -> Iterator[bytes]:
        return iter([self._body[:1], self._body[1:]])


@dataclass
class Session:
    body: str
    session_id: str


def test_a_dict_with_a_message_in_it_is_one_message_and_what_stands_beside_it() -> None:
    value = {
        "$message": "text",
        "sessionId": "anna",
        "priority": 7,
        "dedupId": "1",
        "replyTo": "r",
        "ttl": None,
    }
    assert messages(value) == [
        (b"text", {"sessionId": "anna", "priority": 7, "dedupId": "1", "replyTo": "r"})
    ]


def test_names_may_be_in_the_spelling_of_python() -> None:
    value = {"$message": b"\xff", "session_id": "anna", "dedup_id": 5, "reply_to": "r", "correlation_id": "c"}
    assert messages(value) == [
        (b"\xff", {"sessionId": "anna", "dedupId": 5, "replyTo": "r", "correlationId": "c"})
    ]


@pytest.mark.parametrize(
    ("body", "bytes_"),
    [
        ("[1, 2]", b"[1, 2]"),
        (b"\x00\n", b"\x00\n"),
        ({"a": 1}, b'{"a":1}'),
        ([1, "ü"], '[1,"ü"]'.encode()),
        (Session("b", "s"), b'{"body":"b","session_id":"s"}'),
        (func.QueueMessage(body="q"), b"q"),
        (5, b"5"),
        (None, b""),
    ],
)
def test_what_is_under_the_key_is_one_body_whatever_it_looks_like(body: Any, bytes_: bytes) -> None:
    assert messages({"$message": body, "priority": 1}) == [(bytes_, {"priority": 1})]


def test_a_list_may_hold_both_kinds_and_keeps_their_order() -> None:
    value = ["first", {"$message": b"\n", "priority": 9}, {"n": 3}]
    assert messages(value) == [(b"first", {}), (b"\n", {"priority": 9}), (b'{"n":3}', {})]
    assert messages(one for one in value) == messages(value)


def test_durations_and_ids_come_as_the_host_reads_them() -> None:
    value = {
        "$message": "a",
        "delay": timedelta(minutes=2),
        "dedupId": UUID(int=5),
        "properties": {b"k": b"v"},
    }
    [(_, said)] = messages(value)
    assert said == {
        "delay": 120.0,
        "dedupId": "00000000-0000-0000-0000-000000000005",
        "properties": {"k": "v"},
    }


def test_a_message_of_azure_servicebus_says_the_same_with_its_attributes() -> None:
    message = ServiceBusMessage(
        b"body",
        session_id="anna",
        message_id="order-1",
        reply_to="results",
        correlation_id="c",
        time_to_live=timedelta(hours=1),
        application_properties={b"region": "eu"},
    )
    assert messages(message) == [
        (
            b"body",
            {
                "sessionId": "anna",
                "dedupId": "order-1",
                "replyTo": "results",
                "correlationId": "c",
                "ttl": 3600.0,
                "properties": {"region": "eu"},
            },
        )
    ]


def test_its_scheduled_time_is_a_delay() -> None:
    at = datetime.now(UTC) + timedelta(minutes=10)
    for moment in (at, at.replace(tzinfo=None)):
        [(_, said)] = messages(ServiceBusMessage(b"b", scheduled_enqueue_time_utc=moment))
        assert 590 < said["delay"] <= 600
    [(_, said)] = messages(ServiceBusMessage(b"b", scheduled_enqueue_time_utc=at - timedelta(hours=1)))
    assert said["delay"] == 0


def test_any_object_with_a_body_and_a_session_will_do() -> None:
    value = SimpleNamespace(body="a", session_id="s", priority=2)
    assert messages([value, "b"]) == [(b"a", {"sessionId": "s", "priority": 2}), (b"b", {})]


@pytest.mark.parametrize(
    "value", ['{"$message": "a", "priority": 9}', {"message": "a"}, [{"a": {"$message": 1}}]]
)
def test_texts_and_other_objects_stay_what_they_are(value: Any) -> None:
    assert to_queue(value, "Output 'out'")[0] in ("text", "json")


def test_a_dataclass_is_a_body_though_it_has_such_fields() -> None:
    assert to_queue(Session("b", "s"), "Output 'out'") == ("json", b'{"body":"b","session_id":"s"}')


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ({"$message": object()}, "as a body, takes text"),
        ({"$message": "\ud800"}, "Unicode"),
        ({"$message": "a", "properties": {"x": [object()]}}, "beside a message cannot be written"),
        ([{"$message": "a"}, object()], "takes text"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_the_name_of_the_output(value: Any, wanted: str) -> None:
    with pytest.raises(BindError, match=f"Output 'out'.*{wanted}"):
        to_queue(value, "Output 'out'")


def test_an_annotation_may_promise_such_messages() -> None:
    assert takes("queue", type("Message", (), {"body": None, "session_id": None}))
    assert takes("queue", dict)


def test_who_called_the_function_gets_the_bodies() -> None:
    assert answer("text", b"a") == ("text", None, b"a")
    one = to_queue({"$message": "a", "priority": 1}, "")
    assert answer(*one) == ("text", None, b"a")
    several = to_queue([{"$message": "a", "priority": 1}, {"n": 1}], "")
    assert answer(*several) == ("json", None, b'["a",{"n":1}]')
