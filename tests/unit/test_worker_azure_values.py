"""The values that are built directly, held against what the converters of azure.functions make of the same."""

from __future__ import annotations

import inspect
import json
from typing import Any

import azure.functions as func
import pytest
from azure.functions.meta import Datum

from funchost.host.worker.values_azure import builder


def fields(value: object) -> dict[str, Any]:
    """All that can be read of a value, but for its methods."""
    names = [name for name, kind in inspect.getmembers(type(value)) if isinstance(kind, property)]
    return {name: _plain(getattr(value, name)) for name in names}


def _plain(value: Any) -> Any:
    return dict(value) if hasattr(value, "items") else value


def decoded(type_: str, value: Any, kind: str, **metadata: Datum) -> Any:
    converter = func.get_binding_registry().get(type_)  # type: ignore[no-untyped-call]
    return converter.decode(Datum(value, kind), trigger_metadata=metadata)


def text(value: str) -> Datum:
    return Datum(value, "string")


@pytest.mark.parametrize("body", [b"", b'{"a": [1, "\xc3\xa4"]}', b"\xff\x00"])
def test_a_request_is_that_of_the_converter(body: bytes) -> None:
    data: dict[str, Any] = {
        "method": "POST",
        "url": "https://example.com/api/orders/7?b=1&c=%20",
        "headers": [["content-type", "application/json"], ["x-a", "1"]],
        "query": {"b": "1", "c": " "},
        "params": {"id": "7"},
    }
    ours = builder("httpTrigger", "")({"data": data}, body)
    wire = {
        "method": text(data["method"]),
        "url": text(data["url"]),
        "headers": {name: text(value) for name, value in data["headers"]},
        "query": {name: text(value) for name, value in data["query"].items()},
        "params": {name: text(value) for name, value in data["params"].items()},
        "body": Datum(body, "bytes"),
    }
    theirs = decoded("httpTrigger", wire, "http")

    assert type(ours) is type(theirs)
    assert fields(ours) == fields(theirs)
    assert ours.get_body() == theirs.get_body()
    assert ours.headers["Content-TYPE"] == theirs.headers["Content-TYPE"]
    assert _json(ours) == _json(theirs)


def _json(request: func.HttpRequest) -> Any:
    try:
        return request.get_json()
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize(
    "moments",
    [
        ("2026-03-01T10:00:00Z", "2026-03-08T10:00:00+00:00", "2026-03-01T10:10:00.5Z"),
        ("2026-03-01T10:00:00.1234567Z", "2026-03-08T10:00:00.12-00:00", "2026-03-01T10:10:00"),
    ],
)
@pytest.mark.parametrize("body", [b"", b'{"a": 1}', b"\xff"])
def test_a_message_is_that_of_the_converter(body: bytes, moments: tuple[str, str, str]) -> None:
    inserted, expires, visible = moments
    known = {
        "id": "m-1",
        "dequeueCount": 2,
        "popReceipt": "p",
        "insertionTime": inserted,
        "expirationTime": expires,
        "nextVisibleTime": visible,
    }
    ours = builder("queueTrigger", "")({"metadata": known}, body)
    theirs = decoded(
        "queueTrigger",
        body,
        "bytes",
        Id=text("m-1"),
        DequeueCount=Datum(2, "int"),
        PopReceipt=text("p"),
        InsertionTime=text(inserted),
        ExpirationTime=text(expires),
        NextVisibleTime=text(visible),
    )

    assert type(ours) is type(theirs)
    assert fields(ours) == fields(theirs)
    assert ours.get_body() == theirs.get_body()


def test_a_message_of_which_nothing_is_known_is_that_of_the_converter() -> None:
    ours, theirs = builder("queueTrigger", "")({}, b"a"), decoded("queueTrigger", b"a", "bytes")

    assert fields(ours) == fields(theirs)


def test_a_triggering_blob_is_that_of_the_converter() -> None:
    properties = {"ContentLength": 3, "ContentType": "text/plain"}
    data = {
        "name": "in/a.txt",
        "uri": "https://example.com/in/a.txt",
        "length": 3,
        "properties": properties,
        "metadata": {"owner": "ada"},
    }
    ours = builder("blobTrigger", "")({"data": data}, b"abc")
    theirs = decoded(
        "blobTrigger",
        b"abc",
        "bytes",
        BlobTrigger=text("in/a.txt"),
        Uri=text("https://example.com/in/a.txt"),
        Properties=Datum(json.dumps(properties), "json"),
        Metadata=Datum('{"owner": "ada"}', "json"),
    )

    assert type(ours) is type(theirs)
    assert fields(ours) == fields(theirs)
    assert ours.read(2) == theirs.read(2) == b"ab"
    assert ours.read1() == theirs.read1() == b"c"
    assert (ours.readable(), ours.seekable()) == (theirs.readable(), theirs.seekable())


def test_a_blob_that_is_an_input_is_that_of_the_converter() -> None:
    ours, theirs = builder("blob", "")({}, b"abc"), decoded("blob", b"abc", "bytes")

    assert type(ours) is type(theirs)
    assert fields(ours) == fields(theirs)
    assert ours.read() == theirs.read()


@pytest.mark.parametrize(
    "tick",
    [
        {},
        {"IsPastDue": True, "Schedule": {"AdjustForDST": True}, "ScheduleStatus": {"Last": "l", "Next": "n"}},
    ],
)
def test_a_tick_is_that_of_the_converter(tick: dict[str, Any]) -> None:
    ours = builder("timerTrigger", "")({"data": tick}, b"")
    theirs = decoded("timerTrigger", json.dumps(tick), "json")

    assert type(ours) is type(theirs)
    assert fields(ours) == fields(theirs)


def test_a_warm_up_is_that_of_the_converter() -> None:
    assert type(builder("warmupTrigger", "")({}, b"")) is type(decoded("warmupTrigger", "", "string"))
