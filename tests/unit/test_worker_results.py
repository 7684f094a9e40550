"""From what a function gives to what the host is told."""

from __future__ import annotations

import inspect
import io
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import azure.functions as func
import pytest

from funchost.host.worker.errors import BindError
from funchost.host.worker.signature import examine
from funchost.host.worker.values import LoadedFunction
from funchost.host.worker.values_output import Out, Result


@dataclass
class Order:
    id: int
    tags: list[str]


class Model:
    @classmethod
    def model_validate(cls, value: Any) -> Model:
        return cls()

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        return {"mode": mode}


def out(type_: str, name: str = "$return") -> dict[str, str]:
    return {"type": type_, "name": name, "direction": "out"}


def loaded(on: str, *bindings: dict[str, str], returns: Any = None, outs: bool = True) -> LoadedFunction:
    names = [binding["name"] for binding in bindings if outs and binding["name"] != "$return"]

    def main(**arguments: Any) -> None: ...

    parameters = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in ["value", *names]]
    main.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    main.__annotations__ = {"value": str} if returns is None else {"value": str, "return": returns}
    trigger = {"type": on, "name": "value", "direction": "in"}
    function = {"name": "f", "directory": "/d", "trigger": trigger, "bindings": bindings}
    return LoadedFunction(function, main, examine(function, main))


def give(function: LoadedFunction, returned: Any, **values: Any) -> Result:
    arguments = function.arguments({"invocation": "i"}, b"")
    for name, value in values.items():
        arguments[name].set(value)
    return function.results(arguments, returned)


def answer(returned: Any) -> Result:
    return give(loaded("httpTrigger", out("http")), returned)


def output(type_: str, value: Any) -> tuple[str, bytes]:
    """Kind and content of an output that was given the value, both ways."""
    [(_, *returned)] = give(loaded("queueTrigger", out(type_)), value).outputs
    [(_, kind, content)] = give(loaded("queueTrigger", out(type_, "res")), None, res=value).outputs
    assert returned == [kind, content]
    return kind, content


def refusal(type_: str, value: Any) -> str:
    with pytest.raises(BindError) as caught:
        give(loaded("queueTrigger", out(type_, "res")), None, res=value)
    return str(caught.value)


def test_an_out_keeps_the_last_value() -> None:
    res = Out[str]()
    assert res.get() is None
    res.set("a")
    res.set("b")
    assert res.get() == "b"


@pytest.mark.parametrize(
    ("value", "kind", "body"),
    [
        (None, "none", b""),
        ("grüße", "text", "grüße".encode()),
        (b"\xff", "bytes", b"\xff"),
        (bytearray(b"a"), "bytes", b"a"),
        ({"ä": [1, None]}, "json", '{"ä":[1,null]}'.encode()),
        ([], "json", b"[]"),
        (Order(1, ["a"]), "json", b'{"id":1,"tags":["a"]}'),
        ([Order(1, [])], "json", b'[{"id":1,"tags":[]}]'),
        (Model(), "json", b'{"mode":"json"}'),
    ],
)
def test_a_response_is_what_was_returned(value: Any, kind: str, body: bytes) -> None:
    result = answer(value)
    assert (result.kind, result.body, result.outputs, result.stream) == (kind, body, (), None)
    assert give(loaded("httpTrigger"), value) == result
    assert give(loaded("httpTrigger", out("http", "res")), None, res=value) == result


def test_a_response_object_keeps_status_headers_and_each_cookie() -> None:
    response = func.HttpResponse("späm", status_code=201, headers={"X-A": "1"}, charset="utf-8")
    response.headers.add("Set-Cookie", "a=1; Path=/")
    response.headers.add("Set-Cookie", "b=2")
    result = answer(response)
    assert result.kind == "http"
    assert result.data == {
        "status": 201,
        "headers": [
            ["X-A", "1"],
            ["content-type", "text/plain; charset=utf-8"],
        ],
        "cookies": [
            {"name": "a", "value": "1", "domain": "", "path": "/", "secure": False, "httpOnly": False},
            {"name": "b", "value": "2", "domain": "", "path": "", "secure": False, "httpOnly": False},
        ],
    }
    assert result.body == "späm".encode()
    assert answer(response) == result


@pytest.mark.parametrize(
    ("response", "content_type"),
    [
        (func.HttpResponse(b"", mimetype="application/pdf"), "application/pdf"),
        (func.HttpResponse("", mimetype="text/html", charset="latin-1"), "text/html; charset=latin-1"),
        (func.HttpResponse("", headers={"Content-Type": "a/b"}), "a/b"),
    ],
)
def test_a_response_object_has_one_content_type(response: func.HttpResponse, content_type: str) -> None:
    data = answer(response).data
    assert data is not None
    types = [value for name, value in data["headers"] if name.lower() == "content-type"]
    assert types == [content_type]


def test_other_values_are_no_response() -> None:
    with pytest.raises(BindError, match=r"Output '\$return' \(http\) takes .* not a value of type int\."):
        answer(5)
    with pytest.raises(BindError, match=r"return func\.HttpResponse\(body, status_code=\.\.\.\)"):
        answer(("body", 201))
    with pytest.raises(BindError, match=r"not a value of type set\."):
        answer({"a"})
    with pytest.raises(BindError, match=r"The HTTP response takes"):
        give(loaded("httpTrigger"), 5)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"a": object()}, "type object has no JSON form"),
        ({"a": float("nan")}, "not JSON compliant"),
        ({("a",): 1}, "keys must be"),
        ({"a": "\ud800"}, "surrogates not allowed"),
    ],
)
def test_what_json_cannot_hold_is_told(value: Any, reason: str) -> None:
    with pytest.raises(BindError, match=r"Output '\$return' \(http\) cannot be written as JSON") as caught:
        answer(value)
    assert reason in str(caught.value)


def test_text_that_is_no_unicode_is_told() -> None:
    with pytest.raises(BindError, match="not valid Unicode"):
        answer("\ud800")


def test_a_generator_streams_the_response() -> None:
    closed: list[bool] = []

    def chunks() -> Iterator[Any]:
        try:
            yield "ä"
            yield b"b"
            yield 5
        finally:
            closed.append(True)

    result = answer(chunks())
    assert result.kind == "stream"
    assert result.data == {"status": 200, "headers": [["content-type", "application/octet-stream"]]}
    stream = result.stream
    assert isinstance(stream, Iterator)
    assert [next(stream), next(stream)] == ["ä".encode(), b"b"]
    with pytest.raises(
        BindError, match="as a stream, takes chunks of text or bytes, not a value of type int"
    ):
        next(stream)
    assert closed == [True]


def test_closing_a_stream_closes_what_makes_it() -> None:
    closed: list[str] = []

    class Chunks(io.BytesIO):
        def close(self) -> None:
            closed.append("file")
            super().close()

    stream: Any = answer(Chunks(b"a\nb\n")).stream
    assert next(stream) == b"a\n"
    stream.close()
    assert closed == ["file"]


async def test_an_async_generator_streams_the_response() -> None:
    closed: list[bool] = []

    async def chunks() -> AsyncIterator[str]:
        try:
            yield "a"
            yield "b"
        finally:
            closed.append(True)

    stream: Any = answer(chunks()).stream
    assert await anext(stream) == b"a"
    await stream.aclose()
    assert closed == [True]
    assert [chunk async for chunk in answer(chunks()).stream] == [b"a", b"b"]  # type: ignore[union-attr]


def test_a_stream_that_is_annotated_as_text_is_plain_text() -> None:
    result = give(loaded("httpTrigger", out("http"), returns=Iterator[str]), iter(["a"]))
    assert result.data is not None
    assert result.data["headers"] == [["content-type", "text/plain; charset=utf-8"]]


@pytest.mark.parametrize(
    ("value", "kind", "body"),
    [
        ("a", "text", b"a"),
        (b"\xff", "bytes", b"\xff"),
        ({"a": 1}, "json", b'{"a":1}'),
        (Order(1, []), "json", b'{"id":1,"tags":[]}'),
        (["a", {"b": 1}], "json", b'["a",{"b":1}]'),
        (("a", "b"), "json", b'["a","b"]'),
        ([Order(1, [])], "json", b'[{"id":1,"tags":[]}]'),
        (func.QueueMessage(id="1", body="[1]"), "bytes", b"[1]"),
        ([func.QueueMessage(body="a"), "b"], "json", b'["a","b"]'),
    ],
)
def test_a_queue_takes_messages(value: Any, kind: str, body: bytes) -> None:
    assert output("queue", value) == (kind, body)


def test_a_queue_takes_what_a_generator_gives() -> None:
    function = loaded("queueTrigger", out("queue"))
    assert give(function, (str(number) for number in range(2))).outputs == [("$return", "json", b'["0","1"]')]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            5,
            "Output 'res' (queue) takes text, bytes, func.QueueMessage, a dict, or a list of them, not",
        ),
        (
            [b"a"],
            "in a list of messages, takes text, func.QueueMessage or a dict, not a value of type bytes.",
        ),
        ([1], "not a value of type int."),
        ([func.QueueMessage(body=b"\xff")], "only a single message can be binary"),
        (func.HttpResponse("a"), "not a value of type HttpResponse."),
    ],
)
def test_a_queue_refuses_what_is_no_message(value: Any, message: str) -> None:
    assert message in refusal("queue", value)


@pytest.mark.parametrize(
    ("value", "kind", "body"),
    [
        ("a", "text", b"a"),
        (b"a", "bytes", b"a"),
        (bytearray(b"a"), "bytes", b"a"),
        ({"a": 1}, "json", b'{"a":1}'),
        ([1], "json", b"[1]"),
    ],
)
def test_a_blob_takes_content(value: Any, kind: str, body: bytes) -> None:
    assert output("blob", value) == (kind, body)


def test_a_blob_takes_open_files() -> None:
    function = loaded("queueTrigger", out("blob"))
    assert give(function, io.BytesIO(b"a")).outputs == [("$return", "bytes", b"a")]
    assert give(function, io.StringIO("a")).outputs == [("$return", "text", b"a")]


def test_a_blob_refuses_what_is_no_content() -> None:
    assert "Output 'res' (blob) takes" in refusal("blob", 5)
    assert "not a value of type set" in refusal("blob", {"a"})


def test_other_outputs_take_whatever_has_a_form() -> None:
    assert output("table", {"a": 1}) == ("json", b'{"a":1}')
    assert output("table", 5) == ("json", b"5")
    assert output("table", True) == ("json", b"true")
    assert "not a value of type set" in refusal("table", {"a"})


def test_an_output_that_was_not_set_is_not_written() -> None:
    function = loaded("queueTrigger", out("queue", "a"), out("blob", "b"))
    result = give(function, None, b=b"x")
    assert result == Result("none", outputs=[("b", "bytes", b"x")])
    assert give(function, None).outputs == ()


def test_empty_values_are_values() -> None:
    function = loaded("queueTrigger", out("queue", "a"), out("blob", "b"))
    assert give(function, None, a="", b=b"").outputs == [("a", "text", b""), ("b", "bytes", b"")]


def test_nothing_returned_is_nothing_written() -> None:
    assert give(loaded("queueTrigger", out("queue")), None) == Result("none")


def test_a_returned_dict_names_outputs() -> None:
    function = loaded("queueTrigger", out("queue", "a"), out("blob", "b"), returns=dict, outs=False)
    result = give(function, {"a": "x", "b": None, "other": 1})
    assert result == Result("none", outputs=[("a", "text", b"x")])


def test_a_returned_dict_is_one_value_where_there_is_a_return_binding() -> None:
    result = give(loaded("queueTrigger", out("queue"), out("queue", "a")), {"a": "x"})
    assert result.outputs == [("$return", "json", b'{"a":"x"}')]


def test_a_returned_value_without_a_place_fails() -> None:
    for returned in ("x", {"other": 1}):
        with pytest.raises(
            BindError, match=r"it has no output '\$return' for it\. Add one, or return nothing"
        ):
            give(loaded("queueTrigger", out("queue", "a")), returned)


@pytest.mark.parametrize("on", ["manualTrigger", "fileTrigger"])
def test_what_is_run_by_hand_shows_its_result(on: str) -> None:
    assert give(loaded(on), {"a": 1}) == Result("json", None, b'{"a":1}')
    assert give(loaded(on), "x") == Result("text", None, b"x")
    assert give(loaded(on), 5) == Result("json", None, b"5")
    assert give(loaded(on, out("queue")), "x") == Result("none", outputs=[("$return", "text", b"x")])
    with pytest.raises(BindError, match="The result takes"):
        give(loaded(on), {1})


def test_an_http_function_answers_and_writes() -> None:
    function = loaded("httpTrigger", out("http"), out("queue", "a"))
    result = give(function, "hello", a="x")
    assert result == Result("text", None, b"hello", [("a", "text", b"x")])
    assert give(function, None, a="x") == Result("none", outputs=[("a", "text", b"x")])


def test_an_http_output_that_was_set_is_the_response() -> None:
    function = loaded("httpTrigger", out("http", "res"), out("queue", "a"))
    data = give(function, None, res=func.HttpResponse("x", status_code=404)).data
    assert data is not None
    assert data["status"] == 404
    assert give(function, {"res": "y", "a": "z"}) == Result("text", None, b"y", [("a", "text", b"z")])
    assert give(function, "not set, so the returned value answers").kind == "text"


def test_a_returned_dict_that_names_outputs_is_the_response_as_well() -> None:
    result = give(loaded("httpTrigger", out("queue", "a")), {"a": "x"})
    assert result.outputs == [("a", "text", b"x")]
    assert json.loads(result.body) == {"a": "x"}


def test_what_an_http_function_returns_to_a_queue_is_its_answer_too() -> None:
    result = give(loaded("httpTrigger", out("queue")), ["a", "b"])
    assert result == Result("json", None, b'["a","b"]', [("$return", "json", b'["a","b"]')])
    assert give(loaded("httpTrigger", out("queue")), None) == Result("none")


@pytest.mark.parametrize("bindings", [(), (out("queue"),), (out("blob"),)])
def test_a_coroutine_that_nobody_awaited_is_told_as_such(bindings: tuple[dict[str, str], ...]) -> None:
    async def late() -> str:
        return "late"

    with pytest.raises(BindError, match="was given a coroutine, an async call that nobody awaited"):
        give(loaded("queueTrigger", *bindings), late())
