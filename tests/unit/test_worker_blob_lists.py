"""Functions that get several blobs as one input: annotations, values, and how a blob that does not fit is told."""

from __future__ import annotations

import json
import typing
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Any, BinaryIO, Optional

import azure.functions as func
import pytest
from azurefunctions.extensions.bindings.blob import BlobClient  # type: ignore[import-untyped]
from pydantic import BaseModel

from funchost.host.worker.errors import BindError, LoadError
from funchost.host.worker.signature import examine
from funchost.host.worker.values import LoadedFunction

BODIES = [b"one", b"\n\n", b"", '{"id": "é"}'.encode()]


@dataclass
class Order:
    id: int


class Model(BaseModel):
    id: int


def loaded(annotation: Any, **binding: str) -> LoadedFunction:
    def main(data, value): ...  # type: ignore[no-untyped-def]

    main.__annotations__ = {"data": str} if annotation is None else {"data": str, "value": annotation}
    blobs = {"type": "blob", "name": "value", "direction": "in", "cardinality": "many", **binding}
    function = {
        "name": "work",
        "directory": "/app/work",
        "trigger": {"type": "queueTrigger", "name": "data", "direction": "in"},
        "bindings": [blobs],
        "decorated": False,
    }
    call: Callable[..., Any] = main
    return LoadedFunction(function, call, examine(function, call))


def bind(annotation: Any, *bodies: bytes) -> Any:
    told = [{"name": f"orders/{place}", "length": len(body)} for place, body in enumerate(bodies)]
    content = json.dumps(told).encode() + b"\n" + b"".join(bodies)
    header = {"invocation": "i", "data": {}, "inputs": [{"name": "value", "kind": "blobs"}]}
    return loaded(annotation).arguments(header, b"", [content])["value"]


def refusal(annotation: Any, **binding: str) -> str:
    with pytest.raises(LoadError) as caught:
        loaded(annotation, **binding)
    return str(caught.value)


@pytest.mark.parametrize(
    "annotation",
    [
        None,
        list,
        typing.List,  # noqa: UP006
        list[Any],
        list[object],
        list[func.InputStream],
        typing.List[func.InputStream],  # noqa: UP006
    ],
)
def test_without_a_plain_type_each_blob_is_an_input_stream_that_tells_its_name(annotation: Any) -> None:
    first, second = bind(annotation, b"one", b"\xff\n")
    assert isinstance(first, func.InputStream) and isinstance(second, func.InputStream)
    assert [(one.name, one.length, one.uri) for one in (first, second)] == [
        ("orders/0", 3, None),
        ("orders/1", 2, None),
    ]
    assert (first.read(), second.read()) == (b"one", b"\xff\n")


@pytest.mark.parametrize(
    ("annotation", "bodies", "values"),
    [
        (list[str], BODIES, ["one", "\n\n", "", '{"id": "é"}']),
        (list[bytes], BODIES, BODIES),
        (Optional[list[bytes]], [b"a"], [b"a"]),  # noqa: UP045
        (list[dict[str, Any]], [b'{"id": 1}', b"{}"], [{"id": 1}, {}]),
        (list[list[int]], [b"[1, 2]", b"[]"], [[1, 2], []]),
        (list[int], [b"1", b"2"], [1, 2]),
        (list[Order], [b'{"id": 1}', b'{"id": 2}'], [Order(1), Order(2)]),
        (list[Order | None], [b"", b'{"id": 2}'], [None, Order(2)]),
        (list[Model], [b'{"id": 1}'], [Model(id=1)]),
        (list[str], [], []),
        (None, [], []),
    ],
)
def test_each_blob_is_made_into_what_the_list_holds(
    annotation: Any, bodies: list[bytes], values: list[Any]
) -> None:
    assert bind(annotation, *bodies) == values


def test_a_blob_that_does_not_fit_is_named() -> None:
    with pytest.raises(BindError, match=r"^Blob 2 of 3 \(orders/1\): Parameter 'value' \(blob\).*'id'"):
        bind(list[Order], b'{"id": 1}', b"{}", b'{"id": 3}')


@pytest.mark.parametrize("annotation", [func.InputStream, str, bytes, dict, Order, Iterable[str], set[str]])
def test_what_is_no_list_is_refused_for_many(annotation: Any) -> None:
    told = refusal(annotation)
    assert told.startswith("Parameter 'value' (blob) cannot be ")
    assert told.endswith(
        ": with the cardinality many it is a list of blobs. Annotate it as list[func.InputStream], list[str] or "
        "another list, or set the cardinality of the input to one."
    )


@pytest.mark.parametrize(
    "annotation", [list[func.QueueMessage], list[BinaryIO], list[AsyncIterator[bytes]], list[set[str]]]
)
def test_what_no_blob_can_be_is_refused_in_a_list_too(annotation: Any) -> None:
    assert ". Each blob can be func.InputStream, str, bytes" in refusal(annotation)


def test_a_list_of_streams_is_refused_for_one() -> None:
    assert refusal(list[func.InputStream], cardinality="one") == (
        "Parameter 'value' (blob) cannot be list[func.InputStream]: with the cardinality one it is a single blob. "
        "Annotate it as func.InputStream, or set the cardinality of the input to many."
    )


def test_with_one_blob_a_list_is_its_json_as_ever() -> None:
    header = {"invocation": "i", "inputs": [{"name": "value", "kind": "bytes"}]}
    one = loaded(list[str], cardinality="one").arguments(header, b"", [b'["a", "b"]'])
    assert one["value"] == ["a", "b"]


def test_from_azure_no_lists_are_brought() -> None:
    told = refusal(list[str], storage="azure")
    assert "has a connection to Azure, from where this version brings no lists of blobs" in told


@pytest.mark.parametrize("storage", ["embedded", "azure"])
def test_clients_of_the_sdk_are_for_one_blob(storage: str) -> None:
    assert ". Each blob can be func.InputStream" in refusal(list[BlobClient], storage=storage)
    assert "it is a list of blobs" in refusal(BlobClient, storage=storage)
