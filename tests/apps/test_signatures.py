"""Parameters and annotations held against bindings (python-model, section 4): what runs, and what is refused why."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from apps.serving import Host, serve

#: What a function answers to the body `5`.
GOOD = {
    "annotated": "HttpRequest annotated",
    "unannotated": "HttpRequest unannotated",
    "text": "str 5",
    "raw": "bytes 5",
    "postponed": "HttpRequest",
    "typed_by_any": "HttpRequest",
    "number": "6",
    "wrapped": "called, wrapped",
    "method": "method",
    "static": "static",
    "coroutine": "awaited",
    "out_unannotated": "set never this",
    "context_is_request": "HttpRequest",
    "list_out": "sent",
}

#: What is said of a function that is refused: what is wrong, and what to do.
REFUSED = {
    "extra_param": "Parameter 'spam' has no binding. Add a",
    "extra_default": "remove the parameter: on Azure every parameter needs a binding, also one with a default value",
    "any_keywords": "Parameter '**spam' cannot be used: arguments are passed by name",
    "positional": "arguments are passed by name, one for each binding. Write out the parameters by name",
    "hidden_parameters": "put @functools.wraps(function) on it",
    "missing_param": "Binding 'msgs' (queue) has no parameter. Add `msgs: func.Out[str]`",
    "missing_request": "Binding 'req' (httpTrigger) has no parameter. Add the parameter 'req'",
    "misnamed": "Parameter 'request' has no binding; the trigger is called 'req'",
    "context_is_int": "annotate it as func.Context, or not at all",
    "request_is_response": "Parameter 'req' (httpTrigger) cannot be func.HttpResponse. It can be func.HttpRequest",
    "request_is_number": "Parameter 'req' (httpTrigger) cannot be 123",
    "optional_request": "on Azure a class of azure.functions or of an extension cannot be part of Optional",
    "union_request": "on Azure a class of azure.functions or of an extension cannot be part of Optional",
    "bare_out": "Parameter 'res': say what it takes, such as func.Out[str]",
    "out_of_int": "Parameter 'res' (http) cannot take int. It takes func.HttpResponse or str",
    "out_of_request": "Parameter 'res' (http) cannot take func.HttpRequest",
    "out_is_text": "Parameter 'res' is an output (http): annotate it as func.Out[str]",
    "out_on_input": "is an input (blob): func.Out is for outputs only",
    "returns_int": "a binding of type http, which cannot take int",
    "returns_bytes": "a binding of type http, which cannot take bytes",
    "returns_none": "a binding of type http, which cannot take None",
    "returns_optional": "on Azure a class of azure.functions or of an extension cannot be part of Optional",
    "returns_number": "a binding of type http, which cannot take 123",
    "returns_out": "a binding of type http, which cannot take",
    "unresolvable": "name 'Missing' is not defined",
    "queue_of_int": "Parameter 'msgs' (queue) cannot take int. It takes str, bytes, func.QueueMessage",
    "queue_returns_none": "a binding of type queue, which cannot take None",
    "table_is_stream": "Parameter 'row' (table) cannot be func.InputStream",
    "return_is_input": "$return",
    "queue_is_request": "Parameter 'msg' (queueTrigger) cannot be func.HttpRequest. It can be func.QueueMessage",
    "queue_is_list": "Parameter 'msg' (queueTrigger) cannot be List[func.QueueMessage]",
    "timer_is_message": "Parameter 'timer' (timerTrigger) cannot be func.QueueMessage. It can be func.TimerRequest",
}
WITHOUT_ROUTE = ("queue_is_request", "queue_is_list", "timer_is_message")


@pytest.fixture(scope="module", params=["v1", "v2"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    yield from serve("signatures", request.param, tmp_path_factory.mktemp("app"))


@pytest.mark.parametrize("function", GOOD)
def test_a_fitting_signature_runs(host: Host, function: str) -> None:
    answer = host.post(f"/api/{function}", "5")
    assert (answer.status, answer.text) == (200, GOOD[function])


@pytest.mark.parametrize("function", [name for name in REFUSED if name not in WITHOUT_ROUTE])
def test_a_route_of_a_refused_function_answers_500(host: Host, function: str) -> None:
    answer = host.post(f"/api/{function}", "5")
    assert (answer.status, answer.body) == (500, b"")


@pytest.mark.parametrize("function", REFUSED)
def test_the_reason_is_told_by_the_host_and_in_its_log(host: Host, function: str) -> None:
    [reason] = host.get(f"/admin/functions/{function}/status").json["errors"]
    assert REFUSED[function] in reason
    assert REFUSED[function].splitlines()[0][:40] in host.log


def test_an_output_may_be_the_response(host: Host) -> None:
    answer = host.get("/api/named_out")
    assert (answer.status, answer.text) == (201, "set")


def test_without_an_output_none_is_a_fitting_annotation(host: Host) -> None:
    assert host.get("/api/no_response_none").status == 204


# -- types that Azure refuses and that are taken here


def test_plain_types_are_read_from_json(host: Host) -> None:
    assert host.post("/api/plain_dict", '{"a": [1]}').json == {"given": {"a": [1]}}
    assert host.post("/api/dataclass", '{"id": 1}').json == {"id": 2}
    assert host.post("/api/optional_dict").json == {"given": None}
    assert host.get("/api/table_is_dict").json is None


@pytest.mark.parametrize(
    ("function", "body", "reason"),
    [
        ("number", "five", "Parameter 'req' (httpTrigger) must be JSON"),
        ("number", "1.5", "Parameter 'req' (httpTrigger) must be a whole number"),
    ],
)
def test_a_body_that_is_no_number_fails_the_invocation(
    host: Host, function: str, body: str, reason: str
) -> None:
    answer = host.post(f"/api/{function}", body)
    assert (answer.status, answer.body) == (500, b"")
    host.wait_for(reason)


@pytest.mark.parametrize(
    ("function", "body", "reason"),
    [
        ("plain_dict", "[]", "The body must be an object, not an array."),
        ("plain_dict", "{", "The body is not JSON: Expecting property name"),
        ("plain_dict", "", "The body is empty; it must be JSON."),
        ("optional_dict", "[]", "The body must be an object, not an array."),
        ("dataclass", "{}", "The body lacks 'id'."),
        ("dataclass", '{"id": "five"}', "id must be a whole number, not text."),
    ],
)
def test_a_body_that_does_not_fit_is_the_clients_mistake(
    host: Host, function: str, body: str, reason: str
) -> None:
    answer = host.post(f"/api/{function}", body)
    assert (answer.status, answer.header("Content-Type")) == (400, "text/plain; charset=utf-8")
    assert answer.text.startswith(reason)
    host.wait_for(f"RequestError: {reason}")
    ended = host.run(function, body or " ")
    assert (ended["status"], ended["error"]["message"]) == ("failed", answer.text)
    assert ended["http"]["status"] == 400


# -- function.json only


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    yield from serve("signatures", "v1", tmp_path_factory.mktemp("folders"))


@pytest.mark.parametrize(("function", "text"), [("bound_partial", "hello"), ("callable_object", "called")])
def test_callables_of_all_kinds_are_entry_points(folders: Host, function: str, text: str) -> None:
    assert folders.get(f"/api/{function}").text == text


def test_a_binding_in_both_directions_is_refused(folders: Host) -> None:
    assert folders.get("/api/both_ways").status == 500
    assert "inout" in str(folders.get("/admin/functions/both_ways/status").json["errors"])
