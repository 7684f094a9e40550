"""From an `invoke` frame to the arguments of a call."""

from __future__ import annotations

import datetime
import io
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import azure.functions as func
import pytest

from funchost.host.worker.context import Context
from funchost.host.worker.errors import BindError, LoadError
from funchost.host.worker.signature import examine
from funchost.host.worker.values import LoadedFunction
from funchost.host.worker.values_output import Out


def loaded(call: Callable[..., Any], on: str, *bindings: dict[str, str], **trigger: str) -> LoadedFunction:
    function = {
        "name": "orders",
        "directory": "/app/orders",
        "trigger": {"type": on, "name": "value", "direction": "in", **trigger},
        "bindings": bindings,
    }
    return LoadedFunction(function, call, examine(function, call))


def bind(annotation: Any, content: Any, on: str = "queueTrigger", **header: Any) -> Any:
    """The argument that a trigger parameter with this annotation (None: without) gets."""

    def main(value): ...  # type: ignore[no-untyped-def]

    main.__annotations__ = {} if annotation is None else {"value": annotation}
    return loaded(main, on).arguments({"invocation": "i", **header}, content)["value"]


def refusal(annotation: Any, content: bytes) -> str:
    with pytest.raises(BindError) as caught:
        bind(annotation, content)
    return str(caught.value)


@dataclass
class Line:
    article: str
    count: int = 1


@dataclass
class Order:
    id: int
    lines: list[Line] = field(default_factory=list)
    customer: dict[str, str] | None = None
    price: float = 0.0
    parent: Order | None = None
    note: object = None
    secret: str = field(default="x", init=False)

    def __post_init__(self) -> None:
        if self.id < 0:
            raise ValueError("an id is positive")


class Model:
    """Looks as a pydantic model does."""

    def __init__(self, value: Any) -> None:
        self.value = value

    @classmethod
    def model_validate(cls, value: Any) -> Model:
        if value == "bad":
            raise ValueError("1 validation error for Model")
        return cls(value)


class JsonModel(Model):
    @classmethod
    def model_validate_json(cls, content: bytes) -> Model:
        if not content.startswith(b"{"):
            raise ValueError("not an object")
        return cls(content)


@pytest.mark.parametrize(
    ("annotation", "content", "value"),
    [
        (str, "grüße".encode(), "grüße"),
        (bytes, b"\xff\x00", b"\xff\x00"),
        (dict, b'{"a": [1]}', {"a": [1]}),
        (dict[str, int], b'{"a": 1}', {"a": 1}),
        (list, b"[1, 2]", [1, 2]),
        (list[Line], b'[{"article": "pen"}]', [Line("pen")]),
        (int, b"12", 12),
        (float, b"2", 2.0),
        (bool, b"true", True),
        (str | None, b"", ""),
        (dict | None, b"", None),
        (Order | None, b'{"id": 1}', Order(1)),
        (int | None, b" null\n", None),
        (JsonModel | None, b"null", None),
    ],
)
def test_plain_values_are_given_as_annotated(annotation: Any, content: bytes, value: Any) -> None:
    bound = bind(annotation, content)
    assert bound == value
    assert type(bound) is type(value)


def test_a_dataclass_is_built_with_all_that_is_inside() -> None:
    content = (
        b'{"id": 7, "lines": [{"article": "pen", "count": 2}], "customer": {"name": "A"}, "price": 3,'
        b' "parent": {"id": 1, "parent": null}, "note": [1], "unknown": 1}'
    )
    assert bind(Order, content) == Order(7, [Line("pen", 2)], {"name": "A"}, 3.0, Order(1), [1])


@pytest.mark.parametrize(
    ("annotation", "content", "message"),
    [
        (str, b"\xff", "is text, but what came is not UTF-8"),
        (dict, b"{", "must be JSON, but what came is not: Expecting property name"),
        (dict, b"\xff", "must be JSON, but what came is not"),
        (dict, b"", "must be JSON, but what came is empty."),
        (dict, b"[]", "must be an object, not an array."),
        (list, b'"a"', "must be an array, not text."),
        (int, b"true", "must be a whole number, not true or false."),
        (int, b"1.5", "must be a whole number, not a number."),
        (bool, b"1", "must be true or false, not a number."),
        (float, b"null", "must be a number, not null."),
        (list[Line], b'[{"article": "a"}, {"count": 1}]', "[1] lacks 'article'."),
        (Order, b"[]", "must be an object, not an array."),
        (Order, b'{"id": "7"}', ".id must be a whole number, not text."),
        (Order, b'{"id": 1, "lines": [{"article": 5}]}', ".lines[0].article must be text, not a number."),
        (Order, b'{"id": 1, "customer": {"name": 1}}', ".customer.name must be text"),
        (Order, b'{"id": -1}', ": an id is positive"),
        (Model, b'"bad"', ": 1 validation error for Model"),
        (JsonModel, b"[]", ": not an object"),
        (dict, b"[" * 100_000, "must be JSON"),
    ],
)
def test_content_that_does_not_fit_is_refused(annotation: Any, content: bytes, message: str) -> None:
    refused = refusal(annotation, content)
    assert refused.startswith("Parameter 'value' (queueTrigger)")
    assert message in refused


def test_models_validate_for_themselves() -> None:
    assert bind(Model, b'{"a": 1}').value == {"a": 1}
    assert bind(JsonModel, b'{"a": 1}').value == b'{"a": 1}'
    assert [model.value for model in bind(list[Model], b"[1, 2]")] == [1, 2]


def test_a_dataclass_whose_annotations_name_nothing_is_a_load_error() -> None:
    @dataclass
    class Broken:
        x: Missing  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(LoadError, match="The annotations of Broken cannot be read"):
        bind(Broken, b"{}")


def test_a_file_can_be_read_from_what_was_collected_and_what_still_arrives() -> None:
    assert bind(BinaryIO, b"abc", "blobTrigger").read(2) == b"ab"
    arriving = io.BufferedReader(io.BytesIO(b"xyz"))
    assert bind(io.BufferedIOBase, arriving, "httpTrigger") is arriving


async def test_chunks_can_be_read_from_what_was_collected_and_what_still_arrives() -> None:
    async def arriving() -> AsyncIterator[bytes]:
        yield b"x"
        yield b"y"

    async def main(value: AsyncIterator[bytes]) -> None: ...

    function = loaded(main, "httpTrigger")
    for content, chunks in ((b"abc", [b"abc"]), (b"", []), (arriving(), [b"x", b"y"])):
        value = function.arguments({"invocation": "i"}, content)["value"]
        assert [chunk async for chunk in value] == chunks


REQUEST = {
    "method": "post",
    "url": "http://localhost:7071/api/orders/7?b=1",
    "headers": [
        ["content-type", "application/json"],
        ["x-a", "1"],
        ["x-a", "2"],
        ["cookie", "a=1"],
        ["cookie", "b=2"],
    ],
    "query": {"b": "1"},
    "params": {"id": "7"},
}


@pytest.mark.parametrize("annotation", [None, func.HttpRequest])
def test_an_http_function_gets_the_request(annotation: Any) -> None:
    request = bind(annotation, b'{"a": 1}', "httpTrigger", data=REQUEST)
    assert isinstance(request, func.HttpRequest)
    assert (request.method, request.url) == ("POST", REQUEST["url"])
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["x-a"] == "1,2"
    assert request.headers["cookie"] == "a=1; b=2"
    assert dict(request.params) == {"b": "1"}
    assert dict(request.route_params) == {"id": "7"}
    assert request.get_body() == b'{"a": 1}'
    assert request.get_json() == {"a": 1}


def test_json_that_is_none_is_the_functions_own_matter() -> None:
    request = bind(None, b"", "httpTrigger", data=REQUEST)
    with pytest.raises(ValueError, match="does not contain valid JSON"):
        request.get_json()


def test_a_plain_http_parameter_is_the_body() -> None:
    assert bind(str, b"abc", "httpTrigger", data=REQUEST) == "abc"
    assert bind(dict, b'{"a": 1}', "httpTrigger", data=REQUEST) == {"a": 1}


def test_a_queue_function_gets_the_message_and_what_is_known_of_it() -> None:
    metadata = {
        "id": "m-1",
        "dequeueCount": 2,
        "popReceipt": "p",
        "insertionTime": "2026-03-01T10:00:00.1234567Z",
        "expirationTime": "2026-03-08T10:00:00+00:00",
        "nextVisibleTime": "2026-03-01T10:10:00Z",
    }
    message = bind(None, b'{"a": 1}', metadata=metadata)
    assert isinstance(message, func.QueueMessage)
    assert (message.id, message.dequeue_count, message.pop_receipt) == ("m-1", 2, "p")
    assert message.get_json() == {"a": 1}
    utc = datetime.UTC
    assert message.insertion_time == datetime.datetime(2026, 3, 1, 10, 0, 0, 123456, utc)
    assert message.expiration_time == datetime.datetime(2026, 3, 8, 10, tzinfo=utc)
    assert message.time_next_visible == datetime.datetime(2026, 3, 1, 10, 10, tzinfo=utc)


def test_a_message_of_which_little_is_known_is_given_all_the_same() -> None:
    message = bind(func.QueueMessage, b"\xff", metadata={"insertionTime": "soon", "expirationTime": 5})
    assert message.get_body() == b"\xff"
    assert (message.id, message.insertion_time, message.expiration_time) == (None, None, None)
    assert bind(None, b"").id is None


def test_a_blob_function_gets_the_blob() -> None:
    data = {"name": "in/a.txt", "uri": "u", "length": 3, "properties": {"length": 3}, "metadata": {"k": "v"}}
    blob = bind(None, b"abc", "blobTrigger", data=data)
    assert isinstance(blob, func.InputStream)
    assert (blob.name, blob.uri, blob.length, blob.read()) == ("in/a.txt", "u", 3, b"abc")
    assert (blob.blob_properties, blob.metadata) == ({"length": 3}, {"k": "v"})  # type: ignore[attr-defined]


def test_a_file_function_gets_bytes_unless_it_asks_for_more() -> None:
    data = {"path": "import/a.csv", "name": "a.csv", "change": "created", "length": 3}
    assert bind(None, b"abc", "fileTrigger", data=data) == b"abc"
    assert bind(str, b"abc", "fileTrigger", data=data) == "abc"
    file = bind(func.InputStream, b"abc", "fileTrigger", data=data)
    assert (file.name, file.length, file.read()) == ("import/a.csv", 3, b"abc")


def test_a_timer_function_gets_the_tick() -> None:
    data = {
        "IsPastDue": True,
        "Schedule": {"AdjustForDST": True},
        "ScheduleStatus": {"Last": "l", "Next": "n"},
    }
    tick = bind(None, b"", "timerTrigger", data=data)
    assert isinstance(tick, func.TimerRequest)
    assert tick.past_due is True
    assert tick.schedule_status == data["ScheduleStatus"]  # type: ignore[attr-defined]
    assert bind(dict, b"", "timerTrigger", data=data) == data
    assert '"IsPastDue":true' in bind(str, b"", "timerTrigger", data=data)


def test_a_manual_function_gets_the_data_as_text() -> None:
    assert bind(None, b"abc", "manualTrigger") == "abc"
    assert bind(bytes, b"\xff", "manualTrigger") == b"\xff"
    assert bind(dict | None, b"", "manualTrigger") is None


def test_an_unknown_trigger_gives_text_or_bytes_by_its_data_type() -> None:
    def main(value): ...  # type: ignore[no-untyped-def]

    assert loaded(main, "mqttTrigger").arguments({}, b"a") == {"value": "a"}
    assert loaded(main, "mqttTrigger", dataType="binary").arguments({}, b"a") == {"value": b"a"}


def input_of(annotation: Any, kind: str, content: bytes, on: str = "blob") -> Any:
    def main(value, row): ...  # type: ignore[no-untyped-def]

    main.__annotations__ = {"value": str} if annotation is None else {"value": str, "row": annotation}
    function = loaded(main, "queueTrigger", {"type": on, "name": "row", "direction": "in"})
    return function.arguments({"inputs": [{"name": "row", "kind": kind}]}, b"", [content])["row"]


def test_inputs_are_given_as_annotated() -> None:
    assert input_of(str, "bytes", b"abc") == "abc"
    assert input_of(bytes, "text", b"abc") == b"abc"
    assert input_of(dict, "json", b"{}") == {}
    assert input_of(Line, "bytes", b'{"article": "pen"}') == Line("pen")
    assert input_of(BinaryIO, "bytes", b"abc").read() == b"abc"
    for annotation in (None, func.InputStream):
        blob = input_of(annotation, "bytes", b"abc")
        assert isinstance(blob, func.InputStream)
        assert (blob.read(), blob.name, blob.length) == (b"abc", None, None)


def test_an_input_of_another_type_is_given_raw() -> None:
    assert input_of(None, "bytes", b"\xff", on="table") == b"\xff"
    assert input_of(None, "json", b"[1]", on="table") == "[1]"


def test_one_entity_of_a_table_is_the_only_one_of_its_list() -> None:
    entity = b'[{"article": "pen"}]'
    assert input_of(dict, "json", entity, on="table") == {"article": "pen"}
    assert input_of(Line, "json", entity, on="table") == Line("pen")
    assert input_of(JsonModel | None, "json", entity, on="table").value == b'{"article":"pen"}'
    assert input_of(list, "json", entity, on="table") == [{"article": "pen"}]
    assert input_of(bytes, "json", entity, on="table") == entity
    assert input_of(dict, "json", b"[]", on="table") is None
    with pytest.raises(
        BindError, match=r"Parameter 'row' \(table\) is one entity, but its binding finds 2\."
    ):
        input_of(dict, "json", b"[{}, {}]", on="table")


def test_an_input_that_is_missing_is_none() -> None:
    def main(value: str, row: str) -> None: ...

    assert input_of(str, "none", b"") is None
    function = loaded(main, "queueTrigger", {"type": "blob", "name": "row", "direction": "in"})
    assert function.arguments({}, b"a") == {"value": "a", "row": None}


def test_inputs_are_found_by_name() -> None:
    def main(value: str, one: str, two: bytes) -> None: ...

    bindings = [{"type": "blob", "name": name, "direction": "in"} for name in ("one", "two")]
    header = {"inputs": [{"name": "two", "kind": "bytes"}, {"name": "one", "kind": "text"}]}
    arguments = loaded(main, "queueTrigger", *bindings).arguments(header, b"", [b"2", b"1"])
    assert arguments == {"value": "", "one": "1", "two": b"2"}


def test_outputs_and_context_are_made_for_each_call() -> None:
    def main(value: str, res: func.Out[str], context: func.Context) -> None: ...

    function = loaded(main, "queueTrigger", {"type": "queue", "name": "res", "direction": "out"})
    first, second = (function.arguments({"invocation": "i"}, b"a") for _ in range(2))
    assert isinstance(first["res"], Out)
    assert first["res"] is not second["res"]
    assert isinstance(first["context"], Context)
    assert (first["context"].function_name, first["context"].function_directory) == ("orders", "/app/orders")
    assert function.context_parameter == "context"


def test_the_missing_package_is_told_with_both_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def main(value): ...  # type: ignore[no-untyped-def]

    for name in [name for name in sys.modules if name.partition(".")[0] == "azure"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "azure.functions", None)
    with pytest.raises(LoadError, match=r"Add azure-functions to requirements.txt .* plain type") as caught:
        loaded(main, "httpTrigger")
    assert str(caught.value).startswith("Parameter 'value' (httpTrigger)")
