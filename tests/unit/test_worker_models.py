"""Models, dataclasses and typed dicts as parameters and results: pydantic's own, not a stand-in."""

from __future__ import annotations

import datetime
import json
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pydantic
import pytest

from funchost.host.worker.errors import BindError, RequestError
from funchost.host.worker.signature import examine
from funchost.host.worker.values import LoadedFunction


class Line(pydantic.BaseModel):
    article: str
    count: int = pydantic.Field(default=1, gt=0)


class Order(pydantic.BaseModel):
    id: int
    day: datetime.date | None = None
    lines: list[Line] = []


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)

    id: int
    day: datetime.date


class Numbers(pydantic.RootModel[list[int]]):
    pass


@dataclass
class Basket:
    owner: str
    order: Order
    strict: list[Strict]


class Address(typing.TypedDict):
    street: str
    floor: typing.NotRequired[int]


class Customer(typing.TypedDict, total=False):
    name: typing.Required[str]
    addresses: list[Address]


def loaded(annotation: Any, returns: Any = None, on: str = "queueTrigger") -> LoadedFunction:
    def main(value): ...  # type: ignore[no-untyped-def]

    main.__annotations__ = {"value": annotation}
    call: Callable[..., Any] = main
    if returns is not None:
        main.__annotations__["return"] = returns
    function = {
        "name": "orders",
        "directory": "/app/orders",
        "trigger": {"type": on, "name": "value", "direction": "in"},
        "bindings": [{"type": "queue", "name": "$return", "direction": "out"}],
    }
    return LoadedFunction(function, call, examine(function, call))


def bind(annotation: Any, content: str) -> Any:
    return loaded(annotation).arguments({"invocation": "i"}, content.encode())["value"]


def refusal(annotation: Any, content: str) -> str:
    with pytest.raises(BindError) as caught:
        bind(annotation, content)
    return str(caught.value)


def test_a_model_is_made_with_all_that_is_inside() -> None:
    order = bind(Order, '{"id": "7", "day": "2026-03-01", "lines": [{"article": "pen"}]}')
    assert order == Order(id=7, day=datetime.date(2026, 3, 1), lines=[Line(article="pen")])
    assert bind(Order | None, "null") is None
    assert bind(Numbers, "[1, 2]").root == [1, 2]


@pytest.mark.parametrize(
    ("annotation", "content"),
    [
        (Strict, '{"id": 1, "day": "2026-03-01"}'),
        (list[Strict], '[{"id": 1, "day": "2026-03-01"}]'),
        (dict[str, Strict], '{"a": {"id": 1, "day": "2026-03-01"}}'),
    ],
)
def test_a_strict_model_takes_from_json_what_json_can_say(annotation: Any, content: str) -> None:
    found = bind(annotation, content)
    [strict] = found.values() if isinstance(found, dict) else found if isinstance(found, list) else [found]
    assert strict == Strict(id=1, day=datetime.date(2026, 3, 1))


def test_models_stand_in_dataclasses() -> None:
    basket = bind(Basket, '{"owner": "ada", "order": {"id": 1}, "strict": [{"id": 1, "day": "2026-03-01"}]}')
    assert basket == Basket("ada", Order(id=1), [Strict(id=1, day=datetime.date(2026, 3, 1))])


def test_what_a_model_refuses_is_told_in_one_line_with_its_place() -> None:
    message = refusal(Order, '{"id": "x", "lines": [{"article": "a"}, {"count": 0}]}')
    assert message == (
        "Parameter 'value' (queueTrigger): id: Input should be a valid integer, unable to parse string as an "
        "integer; lines.1.article: Field required; lines.1.count: Input should be greater than 0"
    )


@pytest.mark.parametrize(
    ("annotation", "content", "told"),
    [
        (Order, "{", "Parameter 'value' (queueTrigger): Invalid JSON"),
        (Order, "", "Parameter 'value' (queueTrigger): Invalid JSON"),
        (Strict, '{"id": "1", "day": "2026-03-01"}', "id: Input should be a valid integer"),
        (list[Order], '[{"id": 1}, {}]', "Parameter 'value' (queueTrigger)[1]: id: Field required"),
        (Basket, '{"owner": "a", "order": {}, "strict": []}', ".order: id: Field required"),
        (Numbers, '["a"]', "0: Input should be a valid integer"),
    ],
)
def test_content_that_does_not_fit_is_refused(annotation: Any, content: str, told: str) -> None:
    assert told in refusal(annotation, content)


@pytest.mark.parametrize(
    ("annotation", "content", "told"),
    [
        (
            Order,
            '{"id": "x", "lines": [{}]}',
            (
                "id: Input should be a valid integer, unable to parse string as an integer; "
                "lines.0.article: Field required"
            ),
        ),
        (list[Order], '[{"id": 1}, {}]', "The body[1]: id: Field required"),
        (dict[str, int], '{"a\\n2026 ERROR b": "x"}', "a 2026 ERROR b must be a whole number, not text."),
        (Basket, '{"owner": 3, "order": {"id": 1}, "strict": []}', "owner must be text, not a number."),
        (Basket, '{"owner": "a", "order": {}, "strict": []}', "order: id: Field required"),
        (Customer, "[]", "The body must be an object, not an array."),
        (Order | None, "{}", "id: Field required"),
        (Order, "", "The body is empty; it must be JSON."),
    ],
)
def test_a_client_is_told_what_in_its_body_does_not_fit(annotation: Any, content: str, told: str) -> None:
    assert request_refusal(annotation, content.encode()) == told


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 100_000])
@pytest.mark.parametrize("annotation", [Order, dict])
def test_a_client_is_told_that_its_body_is_no_json(annotation: Any, content: bytes) -> None:
    assert request_refusal(annotation, content).startswith("The body is not JSON: ")


def test_what_a_client_is_told_has_an_end() -> None:
    assert len(request_refusal(Numbers, json.dumps(["x"] * 10_000).encode())) <= 2000


@pytest.mark.parametrize("annotation", [int, float, bool, int | None])
def test_a_scalar_that_does_not_fit_is_the_functions_own_error(annotation: Any) -> None:
    with pytest.raises(BindError, match=r"Parameter 'value' \(httpTrigger\)") as caught:
        request_value(annotation, b'"x"')
    assert not isinstance(caught.value, RequestError)


def request_value(annotation: Any, content: bytes) -> Any:
    header = {"invocation": "i", "data": {}}
    return loaded(annotation, on="httpTrigger").arguments(header, content)["value"]


def request_refusal(annotation: Any, content: bytes) -> str:
    with pytest.raises(RequestError) as caught:
        request_value(annotation, content)
    return str(caught.value)


def test_models_are_written_as_json() -> None:
    order = Order(id=7, day=datetime.date(2026, 3, 1), lines=[Line(article="pen")])
    text = '{"id":7,"day":"2026-03-01","lines":[{"article":"pen","count":1}]}'
    for value, kind in ((order, Order), ({"order": order}, dict[str, Order])):
        [(_, form, body)] = loaded(str, kind).results({}, value).outputs
        assert (form, json.loads(body)) == (
            "json",
            json.loads(text if value is order else f'{{"order":{text}}}'),
        )


def test_a_typed_dict_is_checked_and_keeps_what_it_does_not_know() -> None:
    content = '{"name": "ada", "addresses": [{"street": "s", "floor": 2}, {"street": "t"}], "more": 1}'
    assert bind(Customer, content) == json.loads(content)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{}", "(queueTrigger) lacks 'name'."),
        ('{"name": 5}', ".name must be text, not a number."),
        ('{"name": "a", "addresses": [{}]}', ".addresses[0] lacks 'street'."),
        (
            '{"name": "a", "addresses": [{"street": "s", "floor": "x"}]}',
            ".addresses[0].floor must be a whole",
        ),
        ("[]", "must be an object, not an array."),
    ],
)
def test_what_does_not_fit_a_typed_dict_is_told(content: str, told: str) -> None:
    assert told in refusal(Customer, content)
