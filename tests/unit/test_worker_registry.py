"""Types that are not served here: values for runs by hand, and what functions give to them."""

from __future__ import annotations

import json
import typing
from collections.abc import Callable
from typing import Any

import azure.functions as func
import pytest

from funchost.host.worker.errors import BindError
from funchost.host.worker.signature import examine
from funchost.host.worker.values import LoadedFunction
from funchost.host.worker.values_output import Result

HEADER = {"invocation": "i-1"}

# It wants to be told a type by hosts, and warns the first of them.
pytestmark = pytest.mark.filterwarnings("ignore:azure.functions df_:DeprecationWarning")


def loaded(call: Callable[..., Any], on: str, *bindings: dict[str, str], **trigger: str) -> LoadedFunction:
    function = {
        "name": "events",
        "directory": "/app/events",
        "trigger": {"type": on, "name": "value", "direction": "in", **trigger},
        "bindings": bindings,
    }
    return LoadedFunction(function, call, examine(function, call))


def bind(annotation: Any, content: bytes, on: str, **trigger: str) -> Any:
    def main(value): ...  # type: ignore[no-untyped-def]

    main.__annotations__ = {} if annotation is None else {"value": annotation}
    return loaded(main, on, **trigger).arguments(HEADER, content)["value"]


def give(on: str, returned: Any, *bindings: dict[str, str], annotation: Any = str) -> Result:
    def main(value): ...  # type: ignore[no-untyped-def]

    main.__annotations__ = {"value": annotation}
    return loaded(main, on, *bindings).results({}, returned)


def out(type_: str) -> dict[str, str]:
    return {"type": type_, "name": "$return", "direction": "out"}


@pytest.mark.parametrize("annotation", [None, func.ServiceBusMessage])
@pytest.mark.parametrize("body", [b"text", b'{"a": 1}', b"", b"\xff"])
def test_a_service_bus_function_gets_a_message(annotation: Any, body: bytes) -> None:
    message = bind(annotation, body, "serviceBusTrigger")
    assert isinstance(message, func.ServiceBusMessage)
    assert (message.get_body(), message.message_id, message.delivery_count) == (body, "i-1", 1)
    assert (message.user_properties, message.application_properties) == ({}, {})
    assert message.enqueued_time_utc is not None


@pytest.mark.parametrize("annotation", [None, func.EventHubEvent])
def test_an_event_hub_function_gets_an_event(annotation: Any) -> None:
    event = bind(annotation, b'{"a": 1}', "eventHubTrigger")
    assert isinstance(event, func.EventHubEvent)
    assert (event.get_body(), event.sequence_number, event.iothub_metadata) == (b'{"a": 1}', 1, {})
    assert event.enqueued_time is not None


def test_a_kafka_function_gets_an_event() -> None:
    event = bind(func.KafkaEvent, b"text", "kafkaTrigger")
    assert event.get_body() == b"text"


@pytest.mark.parametrize("annotation", [typing.List[func.EventHubEvent], list[func.EventHubEvent], None])  # noqa: UP006
def test_a_batch_is_a_list_with_an_event_for_each_element(annotation: Any) -> None:
    def bodies(content: bytes) -> list[bytes]:
        batch = bind(annotation, content, "eventHubTrigger", cardinality="many")
        return [event.get_body() for event in batch]

    assert bodies(b"text") == [b"text"]
    assert bodies(b'{"a": 1}') == [b'{"a": 1}']
    assert bodies(b'["x", {"a": 1}, 5]') == [b"x", b'{"a": 1}', b"5"]


def test_an_event_grid_function_gets_the_event() -> None:
    event = {
        "id": "1",
        "topic": "t",
        "subject": "s",
        "eventType": "e",
        "data": {"a": 1},
        "dataVersion": "1.0",
    }
    found = bind(None, json.dumps(event).encode(), "eventGridTrigger")
    assert isinstance(found, func.EventGridEvent)
    assert (found.id, found.event_type, found.get_json()) == ("1", "e", {"a": 1})
    assert bind(None, b'{"specversion": "1.0", "id": "2"}', "eventGridTrigger").id == "2"


@pytest.mark.parametrize("content", [b"text", b"5", b"[1]", b"\xff", b""])
def test_what_a_converter_cannot_make_anything_of_is_told(content: bytes) -> None:
    with pytest.raises(BindError, match=r"Parameter 'value' \(eventGridTrigger\) cannot be made of the data"):
        bind(None, content, "eventGridTrigger")


@pytest.mark.parametrize("content", [b'[{"id": "1"}]', b'{"id": "1"}'])
def test_a_cosmos_function_gets_the_documents(content: bytes) -> None:
    documents = bind(func.DocumentList, content, "cosmosDBTrigger")
    assert isinstance(documents, func.DocumentList)
    assert [dict(document) for document in documents] == [{"id": "1"}]


@pytest.mark.parametrize(
    ("content", "value"),
    [(b"Tokyo", "Tokyo"), (b'"Tokyo"', "Tokyo"), (b'{"a": 1}', {"a": 1}), (b"5", 5), (b"null", None)],
)
@pytest.mark.parametrize("annotation", [None, str, int])
def test_an_activity_gets_its_parsed_input_whatever_it_says(
    annotation: Any, content: bytes, value: Any
) -> None:
    assert bind(annotation, content, "activityTrigger") == value


def test_orchestrations_and_entities_get_a_context_with_the_text() -> None:
    assert (
        bind(func.OrchestrationContext, b'{"history": []}', "orchestrationTrigger").body == '{"history": []}'
    )
    assert bind(None, b'{"self": {}}', "entityTrigger").body == '{"self": {}}'


def test_text_and_bytes_are_what_came() -> None:
    for on in ("serviceBusTrigger", "eventGridTrigger", "sqlTrigger", "unheardTrigger"):
        assert bind(str, b'{"a": 1}', on) == '{"a": 1}'
        assert bind(bytes, b"\xff", on) == b"\xff"


def test_plain_types_are_parsed_from_what_came() -> None:
    assert bind(dict, b'{"a": 1}', "eventHubTrigger") == {"a": 1}
    assert bind(typing.List[str], b'["a"]', "kafkaTrigger", cardinality="many") == ["a"]  # noqa: UP006


def test_a_type_without_a_converter_gives_text_or_bytes_by_its_data_type() -> None:
    assert bind(None, b"a", "sqlTrigger") == "a"
    assert bind(None, b"a", "sqlTrigger", dataType="binary") == b"a"
    assert bind(None, b"a", "eventHubTrigger", dataType="binary").get_body() == b"a"


def test_the_client_of_durable_functions_is_text() -> None:
    def main(value, starter): ...  # type: ignore[no-untyped-def]

    starter = {"type": "durableClient", "name": "starter", "direction": "in"}
    for said in ({}, {"starter": str}):
        main.__annotations__ = {"value": str, **said}
        header = {"inputs": [{"name": "starter", "kind": "json"}]}
        arguments = loaded(main, "queueTrigger", starter).arguments(header, b"a", [b'{"taskHubName": "t"}'])
        assert arguments["starter"] == '{"taskHubName": "t"}'


@pytest.mark.parametrize(
    ("type_", "value", "kind", "body"),
    [
        ("eventHub", "a", "text", b"a"),
        ("eventHub", b"\xff", "bytes", b"\xff"),
        ("eventHub", ["a"], "json", b'["a"]'),
        ("eventHub", 5, "json", b"5"),
        ("eventHub", {"a": 1}, "json", b'{"a":1}'),
        ("serviceBus", "a", "text", b"a"),
        ("cosmosDB", func.Document.from_dict({"id": "1"}), "json", b'[{"id": "1"}]'),
        ("cosmosDB", func.DocumentList([func.Document.from_dict({"id": "1"})]), "json", b'[{"id": "1"}]'),
        ("cosmosDB", '{"id": "1"}', "text", b'{"id": "1"}'),
        ("cosmosDB", {"id": "1"}, "json", b'{"id":"1"}'),
        ("kafka", "a", "text", b"a"),
        ("sql", func.SqlRow.from_dict({"a": 1}), "json", b'[{"a": 1}]'),
        ("sendGrid", {"to": "a"}, "json", b'{"to":"a"}'),
        ("sendGrid", True, "json", b"true"),
        ("signalR", "a", "text", b"a"),
    ],
)
def test_outputs_that_are_not_served_are_shown_as_azure_would_send_them(
    type_: str, value: Any, kind: str, body: bytes
) -> None:
    assert give("queueTrigger", value, out(type_)).outputs == [("$return", kind, body)]


def test_an_event_for_event_grid_is_written_with_its_fields() -> None:
    event = func.EventGridOutputEvent(
        id="1", data={"a": 1}, subject="s", event_type="e", event_time=None, data_version="1.0"
    )
    [(_, kind, body)] = give("queueTrigger", [event], out("eventGrid")).outputs
    assert kind == "json"
    assert [(item["id"], item["data"]) for item in json.loads(body)] == [("1", {"a": 1})]


def test_a_value_that_no_service_would_take_is_refused() -> None:
    for type_ in ("eventHub", "cosmosDB", "sendGrid"):
        with pytest.raises(BindError, match=rf"Output '\$return' \({type_}\)"):
            give("queueTrigger", {object()}, out(type_))


@pytest.mark.parametrize(
    ("on", "returned", "kind", "body"),
    [
        ("activityTrigger", {"a": 1}, "json", b'{"a": 1}'),
        ("activityTrigger", "Hello Tokyo", "json", b'"Hello Tokyo"'),
        ("orchestrationTrigger", '{"isDone": true}', "json", b'{"isDone": true}'),
        ("mcpToolTrigger", "text", "text", b"text"),
        ("unheardTrigger", {"a": 1}, "json", b'{"a":1}'),
    ],
)
def test_implicit_outputs_let_a_function_return_a_value(
    on: str, returned: Any, kind: str, body: bytes
) -> None:
    assert give(on, returned, annotation=Any) == Result(kind, None, body)


@pytest.mark.parametrize("on", ["queueTrigger", "timerTrigger", "serviceBusTrigger", "eventGridTrigger"])
def test_elsewhere_a_returned_value_needs_a_binding(on: str) -> None:
    with pytest.raises(BindError, match=r"has no output '\$return'"):
        give(on, "x")


def test_any_binding_without_a_converter_lets_a_function_return_a_value() -> None:
    def main(value, row): ...  # type: ignore[no-untyped-def]

    for type_, free in (("table", True), ("unheard", True), ("durableClient", False), ("blob", False)):
        function = loaded(main, "timerTrigger", {"type": type_, "name": "row", "direction": "in"})
        if free:
            assert function.results({}, {"a": 1}) == Result("json", None, b'{"a":1}')
        else:
            with pytest.raises(BindError):
                function.results({}, {"a": 1})


def test_a_return_binding_comes_before_an_implicit_output() -> None:
    result = give("activityTrigger", "x", out("queue"))
    assert result == Result("none", outputs=[("$return", "text", b"x")])


def test_an_http_function_of_azure_needs_a_binding_for_its_response() -> None:
    for annotation in (func.HttpRequest, Any):
        with pytest.raises(BindError, match=r"no output '\$return' for it\. Add one of type http"):
            give("httpTrigger", "x", annotation=annotation)
    assert give("httpTrigger", "x", annotation=bytes) == Result("text", None, b"x")


def test_a_named_response_is_no_place_for_a_returned_value() -> None:
    def main(value, res): ...  # type: ignore[no-untyped-def]

    function = loaded(main, "httpTrigger", {"type": "http", "name": "res", "direction": "out"})
    arguments = function.arguments({**HEADER, "data": REQUEST}, b"")
    with pytest.raises(BindError, match="Add one of type http"):
        function.results(arguments, "x")
    arguments["res"].set("y")
    assert function.results(arguments, "ignored").body == b"y"


REQUEST = {"method": "GET", "url": "http://localhost/", "headers": [], "query": {}, "params": {}}
