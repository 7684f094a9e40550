"""Functions that get several messages at once: annotations, values, and the report of those that failed."""

from __future__ import annotations

import typing
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO, Optional

import azure.functions as func
import pytest
from pydantic import BaseModel

from funchost.host.worker.errors import BindError, LoadError
from funchost.host.worker.signature import examine
from funchost.host.worker.values import LoadedFunction
from funchost.host.worker.values_output import NOTHING, Result

BODIES = [b"one", b"", '{"id": "é"}'.encode()]


@dataclass
class Order:
    id: int


class Model(BaseModel):
    id: int


class Row(typing.TypedDict):
    id: int


def loaded(call: Callable[..., Any], *bindings: dict[str, str], cardinality: str = "many") -> LoadedFunction:
    function = {
        "name": "work",
        "directory": "/app/work",
        "trigger": {"type": "queueTrigger", "name": "value", "direction": "in", "cardinality": cardinality},
        "bindings": bindings,
        "decorated": False,
    }
    return LoadedFunction(function, call, examine(function, call))


def annotated(annotation: Any) -> Callable[..., Any]:
    def main(value): ...  # type: ignore[no-untyped-def]

    main.__annotations__ = {} if annotation is None else {"value": annotation}
    return main


def header(bodies: Sequence[bytes]) -> dict[str, Any]:
    moment = "2026-03-01T12:00:00Z"
    return {
        "invocation": "i-1",
        "data": {"sizes": [len(body) for body in bodies]},
        "metadata": {
            "idArray": [f"m{place}" for place in range(len(bodies))],
            "dequeueCountArray": [place + 1 for place in range(len(bodies))],
            "popReceiptArray": ["r"] * len(bodies),
            "insertionTimeArray": [moment] * len(bodies),
            "expirationTimeArray": [None] * len(bodies),
            "nextVisibleTimeArray": [moment] * len(bodies),
        },
    }


def bind(annotation: Any, *bodies: bytes) -> Any:
    arguments = loaded(annotated(annotation)).arguments(header(bodies), b"".join(bodies))
    return arguments["value"]


def refusal(annotation: Any, *, cardinality: str = "many") -> str:
    with pytest.raises(LoadError) as caught:
        loaded(annotated(annotation), cardinality=cardinality)
    return str(caught.value)


# -- values


@pytest.mark.parametrize(
    "annotation",
    [
        None,
        list,
        typing.List,  # noqa: UP006
        list[Any],
        list[object],
        list[func.QueueMessage],
        typing.List[func.QueueMessage],  # noqa: UP006
    ],
)
def test_without_a_plain_type_each_message_is_a_queue_message_with_its_own_properties(
    annotation: Any,
) -> None:
    first, second = bind(annotation, b"one", b"\xff")
    assert isinstance(first, func.QueueMessage) and isinstance(second, func.QueueMessage)
    assert (first.get_body(), second.get_body()) == (b"one", b"\xff")
    assert (first.id, second.id) == ("m0", "m1")
    assert (first.dequeue_count, second.dequeue_count) == (1, 2)
    assert second.insertion_time == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert second.expiration_time is None


def test_a_run_by_hand_tells_what_there_is_of_each_message() -> None:
    told = {
        "invocation": "i",
        "data": {"sizes": [1]},
        "metadata": {"idArray": ["x"], "dequeueCountArray": [1]},
    }
    [message] = loaded(annotated(None)).arguments(told, b"a")["value"]
    assert (message.id, message.dequeue_count, message.pop_receipt) == ("x", 1, None)


@pytest.mark.parametrize(
    ("annotation", "bodies", "values"),
    [
        (list[str], BODIES, ["one", "", '{"id": "é"}']),
        (list[bytes], BODIES, BODIES),
        (Optional[list[str]], [b"a"], ["a"]),  # noqa: UP045
        (list[dict[str, Any]], [b'{"id": 1}', b"{}"], [{"id": 1}, {}]),
        (list[dict[str, int]], [b'{"id": 1}'], [{"id": 1}]),
        (list[list[int]], [b"[1, 2]", b"[]"], [[1, 2], []]),
        (list[int], [b"1", b"2"], [1, 2]),
        (list[Order], [b'{"id": 1}', b'{"id": 2}'], [Order(1), Order(2)]),
        (list[Model], [b'{"id": 1}', b'{"id": 2}'], [Model(id=1), Model(id=2)]),
        (list[Row], [b'{"id": 1}'], [{"id": 1}]),
        (list[Order | None], [b"null", b'{"id": 2}'], [None, Order(2)]),
        (list[str], [], []),
    ],
)
def test_each_message_is_made_into_what_the_list_holds(
    annotation: Any, bodies: list[bytes], values: list[Any]
) -> None:
    assert bind(annotation, *bodies) == values


def test_a_message_that_does_not_fit_is_named() -> None:
    with pytest.raises(BindError, match=r"^Message 2 of 3 \(m1\): Parameter 'value' \(queueTrigger\).*'id'"):
        bind(list[Order], b'{"id": 1}', b"{}", b'{"id": 3}')


def test_a_function_with_a_batch_is_told_more_than_contents() -> None:
    assert not loaded(annotated(list[str])).content_only
    assert loaded(annotated(list[str]), cardinality="one").content_only


def test_what_is_known_of_the_messages_stands_in_the_context_as_arrays() -> None:
    def main(value, context): ...  # type: ignore[no-untyped-def]

    context = loaded(main).arguments(header([b"a", b"b"]), b"ab")["context"]
    assert context.metadata["idArray"] == ["m0", "m1"]


# -- annotations


@pytest.mark.parametrize(
    "annotation",
    [func.QueueMessage, str, bytes, dict, Order, Iterable[str], Sequence[str], tuple[str, ...], set[str]],
)
def test_what_is_no_list_is_refused_for_many(annotation: Any) -> None:
    told = refusal(annotation)
    assert told.startswith("Parameter 'value' (queueTrigger) cannot be ")
    assert "with the cardinality many it is a list of messages" in told
    assert "Annotate it as list[func.QueueMessage]" in told
    assert "or set the cardinality of the trigger to one." in told


@pytest.mark.parametrize(
    ("annotation", "why"),
    [
        (
            list[func.HttpRequest],
            "cannot be list[func.HttpRequest]. Each message can be func.QueueMessage, str",
        ),
        (list[BinaryIO], "cannot be list[BinaryIO]. Each message can be"),
        (list[AsyncIterator[bytes]], "cannot be list[AsyncIterator[bytes]]. Each message can be"),
        (list[list[func.QueueMessage]], "Each message can be"),
        (Optional[list[func.QueueMessage]], "cannot be part of Optional"),  # noqa: UP045
        (list[func.QueueMessage | None], "cannot be part of Optional"),
    ],
)
def test_what_no_message_can_be_is_refused_in_a_list_too(annotation: Any, why: str) -> None:
    assert why in refusal(annotation)


def test_a_list_of_queue_messages_is_refused_for_one() -> None:
    assert refusal(list[func.QueueMessage], cardinality="one") == (
        "Parameter 'value' (queueTrigger) cannot be list[func.QueueMessage]: with the cardinality one it is a single "
        "message. Annotate it as func.QueueMessage, or set the cardinality of the trigger to many."
    )


def test_with_one_message_a_list_is_its_json_as_ever() -> None:
    call = loaded(annotated(list[str]), cardinality="one")
    assert call.arguments({"invocation": "i"}, b'["a", "b"]') == {"value": ["a", "b"]}


# -- the report


def give(returned: Any, *bindings: dict[str, str]) -> Result:
    return loaded(annotated(None), *bindings).results({}, returned)


@dataclass
class Report:
    batchItemFailures: list[dict[str, str]]


class ReportModel(BaseModel):
    batchItemFailures: list[dict[str, str]]


FAILED = [{"itemIdentifier": "m1"}]
SAID = b'{"batchItemFailures":[{"itemIdentifier":"m1"}]}'


@pytest.mark.parametrize(
    "returned",
    [
        {"batchItemFailures": FAILED},
        {"batchItemFailures": FAILED, "more": object()},
        Report(FAILED),
        ReportModel(batchItemFailures=FAILED),
        SAID.decode(),
    ],
)
def test_a_report_is_told(returned: Any) -> None:
    assert give(returned) == Result("json", None, SAID)


@pytest.mark.parametrize(
    "returned",
    [None, {}, {"done": 3}, [], [FAILED], "batchItemFailures", "text", 7, True, object(), Order(1)],
)
def test_other_values_mean_success_and_are_not_told(returned: Any) -> None:
    assert give(returned) == NOTHING


def test_a_report_that_is_no_json_is_told() -> None:
    with pytest.raises(BindError, match="The report of failed messages cannot be written as JSON"):
        give({"batchItemFailures": {1, 2}})


def test_a_call_that_nobody_awaited_is_no_success() -> None:
    async def work() -> None: ...

    with pytest.raises(BindError, match="nobody awaited"):
        give(work())


def test_outputs_by_key_and_a_report_go_together() -> None:
    def main(value: list[str]) -> Mapping[str, Any]:
        return {}

    call = loaded(main, {"type": "queue", "name": "bills", "direction": "out"})
    result = call.results({}, {"bills": "bill", "batchItemFailures": FAILED})
    assert (result.kind, result.body, result.outputs) == ("json", SAID, [("bills", "text", b"bill")])


def test_with_a_return_binding_nothing_is_a_report() -> None:
    result = give({"batchItemFailures": FAILED}, {"type": "queue", "name": "$return", "direction": "out"})
    assert (result.kind, result.outputs) == ("none", [("$return", "json", SAID)])


def test_of_one_message_nothing_can_be_reported() -> None:
    with pytest.raises(BindError, match="no output"):
        loaded(annotated(None), cardinality="one").results({}, {"batchItemFailures": FAILED})
