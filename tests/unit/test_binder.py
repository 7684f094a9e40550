"""Inputs brought before a call, outputs taken from what came of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from fakes import ManualClock, make_function, memory_resources

from funchost.bindings.errors import BindingError
from funchost.bindings.memory_blobs import MemoryBlobs
from funchost.bindings.memory_queues import MemoryQueues
from funchost.bindings.queue import OutgoingMessage
from funchost.host.execution.binder import Binder, Outputs
from funchost.host.execution.queue_output import message_bodies
from funchost.triggers.base import Unsent
from funchost.triggers.descriptor import Binding

PROPERTIES = {"traceparent": "t"}


def _queue(name: str = "bills", queue: str = "bills", **fields: Any) -> Binding:
    return Binding(type="queue", name=name, direction="out", fields={"queueName": queue, **fields})


def _blob(path: str, direction: str = "out") -> Binding:
    return Binding(type="blob", name="file", direction=direction, fields={"path": path})


def _binder(*bindings: Binding, clock: ManualClock | None = None, blobs: MemoryBlobs | None = None) -> Binder:
    return Binder(make_function(bindings=bindings), memory_resources(clock=clock, blobs=blobs))


def _messages(
    binding: Binding, kind: str, content: bytes, metadata: dict[str, Any] | None = None
) -> list[OutgoingMessage]:
    outputs = _binder(binding, clock=ManualClock()).outputs(
        [(binding.name, kind, content)], metadata or {}, PROPERTIES
    )
    return [message for _, message in outputs.messages]


# -- one value, how many messages (functions-semantics 1.8)


@pytest.mark.parametrize(
    ("kind", "content", "bodies"),
    [
        ("text", b"hello", [b"hello"]),
        ("text", b"", [b""]),
        ("text", b"  spaced ", [b"  spaced "]),
        ("text", "grün".encode(), ["grün".encode()]),
        ("bytes", b"[1,2]", [b"[1,2]"]),
        ("bytes", b"\xff\x00", [b"\xff\x00"]),
        ("bytes", b"{broken", [b"{broken"]),
        ("text", b'["a", "b"]', [b"a", b"b"]),
        ("json", b'["a","b"]', [b"a", b"b"]),
        ("text", b'  [1, 2.5, true, false, null, "x"]\n', [b"1", b"2.5", b"True", b"False", b"", b"x"]),
        ("json", b'[{"id":1},{"id":2}]', [b'{"id":1}', b'{"id":2}']),
        ("json", b"[[1,2],[]]", [b"[1,2]", b"[]"]),
        ("json", b"[]", []),
        ("json", b'{"a": 1}', [b'{"a": 1}']),
        ("text", b'{"a": [1, 2]}', [b'{"a": [1, 2]}']),
        ("json", b"42", [b"42"]),
        ("text", b"[half", [b"[half"]),
        ("text", b"{half", [b"{half"]),
        ("json", '["ü\\n"]'.encode(), ["ü\n".encode()]),
        ("json", b"[123456789012345678901234567890]", [b"123456789012345678901234567890"]),
    ],
)
def test_a_value_is_as_many_messages_as_its_array_has_elements(
    kind: str, content: bytes, bodies: list[bytes]
) -> None:
    assert message_bodies(kind, content, "bills") == bodies


@pytest.mark.parametrize("content", [b"[oops]", b"{oops}", b"[1,]", b"{'a': 1}"])
def test_what_looks_like_json_but_is_none_fails_the_run(content: bytes) -> None:
    with pytest.raises(BindingError, match="bills"):
        message_bodies("text", content, "bills")


# -- queue outputs


def test_a_message_carries_the_properties_and_azures_time_to_live() -> None:
    assert _messages(_queue(), "text", b"a") == [
        OutgoingMessage(queue="bills", body=b"a", ttl=timedelta(days=7), properties=PROPERTIES)
    ]


def test_a_queue_name_is_filled_in_and_brought_to_lower_case() -> None:
    [message] = _messages(_queue(queue="bills-{Country}"), "text", b"a", {"country": "AT"})
    assert message.queue == "bills-at"


@pytest.mark.parametrize("country", ["a_b", "-", "..", "x" * 80])
def test_a_name_that_no_queue_can_have_fails_the_run(country: str) -> None:
    with pytest.raises(BindingError, match="queue name"):
        _messages(_queue(queue="bills-{country}"), "text", b"a", {"country": country})


def test_an_expression_without_a_value_fails_the_run() -> None:
    with pytest.raises(BindingError, match="country"):
        _messages(_queue(queue="bills-{country}"), "text", b"a", {})


def test_a_delay_and_a_time_to_live_are_kept() -> None:
    clock = ManualClock()
    binding = _queue(visibilityDelay="00:10:00", timeToLive="1.00:00:00")
    [(_, message)] = _binder(binding, clock=clock).outputs([("bills", "text", b"a")], {}, {}).messages
    assert message.visible_at == clock.now() + timedelta(minutes=10)
    assert message.ttl == timedelta(days=1)


@pytest.mark.parametrize("value", [-1, "-1"])
def test_a_time_to_live_of_minus_one_is_for_ever(value: object) -> None:
    [message] = _messages(_queue(timeToLive=value), "text", b"a")
    assert message.ttl is None


def test_a_message_goes_to_the_store_of_its_connection() -> None:
    stores = {"": MemoryQueues(), "Other": MemoryQueues()}
    function = make_function(bindings=(_queue(), _queue("more", "more", connection="Other")))
    binder = Binder(function, memory_resources(queues=lambda connection: stores[connection]))
    outputs = binder.outputs([("bills", "text", b"a"), ("more", "text", b"b")], {}, {})
    assert [(store, message.body) for store, message in outputs.messages] == [
        (stores[""], b"a"),
        (stores["Other"], b"b"),
    ]


def test_an_output_that_was_not_given_is_nothing() -> None:
    outputs = _binder(_queue()).outputs([("bills", "none", b"")], {}, {})
    assert outputs == Outputs([], [])


# -- blobs


def test_a_blob_output_names_its_container_and_blob() -> None:
    blobs = MemoryBlobs()
    binder = _binder(_blob("receipts/{year}/{id}.json"), blobs=blobs)
    outputs = binder.outputs([("file", "text", b"{}")], {"year": 2026, "id": "c7"}, {})
    assert outputs.blobs == [(blobs, "receipts", "2026/c7.json", b"{}")]


@pytest.mark.parametrize("id_", ["", "../../keys", "a//b", "a/."])
def test_a_blob_path_that_leaves_its_container_fails_the_run(id_: str) -> None:
    with pytest.raises(BindingError):
        _binder(_blob("receipts/{id}")).outputs([("file", "text", b"{}")], {"id": id_}, {})


async def test_an_input_is_the_blobs_content_or_nothing() -> None:
    blobs = MemoryBlobs()
    await blobs.put("orders", "c7.json", b"\xff{}")
    binder = _binder(_blob("orders/{id}.json", "in"), blobs=blobs)
    assert binder.has_inputs
    assert await binder.inputs({"id": "c7"}) == [("file", "bytes", b"\xff{}")]
    assert await binder.inputs({"id": "c8"}) == [("file", "none", b"")]


@pytest.mark.parametrize("storage", ["embedded", "aws", "somebody-elses"])
async def test_an_input_is_brought_from_whatever_store_there_is(storage: str) -> None:
    blobs = MemoryBlobs()
    await blobs.put("orders", "a", b"1")
    binder = _binder(replace(_blob("orders/a", "in"), storage=storage), blobs=blobs)
    assert await binder.inputs({}) == [("file", "bytes", b"1")]


async def test_an_input_path_that_cannot_be_made_fails_the_run() -> None:
    with pytest.raises(BindingError, match="id"):
        await _binder(_blob("orders/{id}.json", "in")).inputs({})


def test_a_function_without_inputs_says_so() -> None:
    assert not _binder(_queue()).has_inputs


# -- outputs whose service is not spoken here


def test_what_goes_nowhere_is_handed_back() -> None:
    document = Binding(type="cosmosDB", name="doc", direction="out")
    function = replace(make_function(bindings=(document, _queue())), unserved=("cosmosDB",))
    values = [("doc", "json", b"[1]"), ("bills", "text", b"pay"), ("doc", "bytes", b"\xff")]

    outputs = Binder(function, memory_resources()).outputs(values, {}, PROPERTIES)

    assert outputs.unsent == [
        Unsent("doc", "cosmosDB", "json", b"[1]"),
        Unsent("doc", "cosmosDB", "bytes", b"\xff"),
    ]
    assert [message.body for _, message in outputs.messages] == [b"pay"]
