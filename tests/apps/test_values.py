"""What functions get and give, in every form that its binding has (python-model, section 2)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from apps.serving import Host, serve

from funchost.bindings.embedded_queue import EmbeddedQueues
from funchost.bindings.store import Store


@pytest.fixture(scope="module", params=["v1", "v2"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    for host in serve("values", request.param, tmp_path_factory.mktemp("app")):
        for content in ("text", "bytes", "dict"):
            assert host.post(f"/api/write/{content}").status == 200
        yield host


def run(host: Host, function: str, data: str = "") -> Any:
    """Run a function by hand, and return what became of it."""
    body = json.dumps({"input": data})
    return host.post(f"/admin/functions/{function}?wait", body, **{"Content-Type": "application/json"}).json


def reason(host: Host, function: str, data: str = "") -> str:
    """Why a function fails for the data."""
    ran = run(host, function, data)
    assert ran["status"] == "failed", ran
    return str(ran["error"]["message"])


def messages(host: Host, queue: str) -> list[bytes]:
    """The bodies in a queue."""

    async def peek() -> list[bytes]:
        store = Store(host.root / ".funchost")
        try:
            return [message.body for message in await EmbeddedQueues(store, "test").peek(queue, 100)]
        finally:
            await store.close()

    return asyncio.run(peek())


# -- queue outputs


@pytest.mark.parametrize(
    ("how", "bodies"),
    [
        ("text", [b"plain"]),
        ("bytes", [b"\xff\x00"]),
        ("message", [b"[1, 2]"]),
        ("list", [b"a", b"b"]),
        ("tuple", [b"a", b"b"]),
        ("generator", [b"0", b"1", b"2"]),
        ("messages", [b"a", b"b"]),
        ("array", [b"a", b'{"b":1}', b"5"]),
        ("object", [b'{"a": 1}']),
        ("dict", [b'{"a":[1]}']),
        ("model", [b'{"article":"pen","count":1}']),
        ("empty", [b""]),
        ("none", []),
        ("unset", []),
        ("withdrawn", []),
        ("twice", [b"second"]),
    ],
)
def test_a_queue_gets_what_an_output_was_set_to(host: Host, how: str, bodies: list[bytes]) -> None:
    answer = host.get(f"/api/send/{how}")
    assert (answer.status, answer.text) == (200, f"{how}: True")
    assert messages(host, f"sent-{how}") == bodies


@pytest.mark.parametrize(
    ("how", "why"),
    [
        (
            "number",
            "Output 'msgs' (queue) takes text, bytes, func.QueueMessage, a dict, or a list of them, not",
        ),
        (
            "blobs",
            "in a list of messages, takes text, func.QueueMessage or a dict, not a value of type bytes",
        ),
        ("response", "not a value of type HttpResponse"),
        ("broken", "looks like JSON but is none"),
    ],
)
def test_an_output_that_is_set_to_the_wrong_thing_fails_the_invocation(
    host: Host, how: str, why: str
) -> None:
    answer = host.get(f"/api/send/{how}")
    assert (answer.status, answer.body) == (500, b"")
    host.wait_for(why)
    assert messages(host, f"sent-{how}") == []


def test_returned_messages_go_to_the_queue(host: Host) -> None:
    assert run(host, "reply", "question")["status"] == "succeeded"
    assert messages(host, "replied") == [b"question", b"and more"]


# -- blobs


@pytest.mark.parametrize(
    ("how", "content"),
    [
        ("text", "späm".encode()),
        ("bytes", b"\xff\x00"),
        ("bytearray", b"abc"),
        ("file", b"from a file"),
        ("textfile", b"from a text file"),
        ("copy", "späm".encode()),
        ("dict", b'{"a":[1]}'),
    ],
)
def test_a_blob_gets_what_an_output_was_set_to(host: Host, how: str, content: bytes) -> None:
    assert host.post(f"/api/write/{how}").text == how
    assert (host.root / ".funchost" / "blobs" / "files" / f"{how}.txt").read_bytes() == content


@pytest.mark.parametrize("how", ["number", "set"])
def test_a_blob_takes_no_other_value(host: Host, how: str) -> None:
    assert host.post(f"/api/write/{how}").status == 500
    host.wait_for(
        "Output 'file' (blob) takes text, bytes, a dict or a list, or an open file, not a value of type"
    )


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("stream/text", "InputStream None None b'sp' b'\\xc3\\xa4m'"),
        ("stream/bytes", "InputStream None None b'\\xff\\x00' b''"),
        ("unannotated/text", "InputStream b'sp\\xc3\\xa4m'"),
        ("text/text", "'späm'"),
        ("bytes/bytes", "b'\\xff\\x00'"),
        ("dict/dict", "{'a': [1]}"),
        ("stream/missing", "missing"),
        ("unannotated/missing", "missing"),
        ("text/missing", "None"),
        ("bytes/missing", "None"),
        ("dict/missing", "None"),
    ],
)
def test_a_blob_is_given_as_it_is_asked_for(host: Host, path: str, answer: str) -> None:
    assert host.get(f"/api/read_{path}").text == answer


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("text/bytes", "Parameter 'file' (blob) is text, but what came is not UTF-8"),
        ("dict/text", "Parameter 'file' (blob) must be JSON"),
        ("list/dict", "Parameter 'file' (blob) must be an array, not an object"),
    ],
)
def test_a_blob_that_is_not_what_is_asked_for_fails_the_invocation(host: Host, path: str, why: str) -> None:
    assert host.get(f"/api/read_{path}").status == 500
    host.wait_for(why)


@pytest.mark.parametrize(
    ("form", "content", "line"),
    [
        ("stream", b"\xff", "blob stream: blobs-stream/a.txt 1 True b'\\xff'"),
        ("text", "späm".encode(), "blob text: 'späm'"),
        ("bytes", b"\xff\x00", "blob bytes: b'\\xff\\x00'"),
    ],
)
def test_a_new_blob_is_given_as_it_is_asked_for(host: Host, form: str, content: bytes, line: str) -> None:
    folder = host.root / ".funchost" / "blobs" / f"blobs-{form}"
    folder.mkdir(exist_ok=True)
    (folder / "a.txt").write_bytes(content)
    host.wait_for(line)


# -- messages and ticks


@pytest.mark.parametrize(
    ("form", "data", "line"),
    [
        ("unannotated", '{"a": 1}', "unannotated: QueueMessage {'a': 1}"),
        ("text", "späm", "text: 'späm'"),
        ("text", "", "text: ''"),
        ("bytes", "abc", "bytes: b'abc'"),
        ("dict", '{"a": [1]}', "dict: {'a': [1]}"),
        ("number", "5", "number: 5.0"),
        (
            "order",
            '{"id": "7", "day": "2026-03-01", "lines": [{"article": "pen"}]}',
            "order: Order(id=7, day=datetime.date(2026, 3, 1), lines=[Line(article='pen', count=1)])",
        ),
        ("rows", '[{"id": 1, "more": 2}]', "rows: [{'id': 1, 'more': 2}]"),
        (
            "basket",
            '{"owner": "ada", "orders": [{"id": 1, "day": "2026-03-01"}]}',
            "basket: Basket(owner='ada', orders=[Order(id=1, day=datetime.date(2026, 3, 1), lines=[])])",
        ),
    ],
)
def test_a_message_is_given_as_it_is_asked_for(host: Host, form: str, data: str, line: str) -> None:
    assert run(host, f"queue_{form}", data)["status"] == "succeeded"
    host.wait_for(line)


@pytest.mark.parametrize(
    ("form", "data", "why"),
    [
        ("dict", "text", "Parameter 'msg' (queueTrigger) must be JSON"),
        ("number", '"5"', "Parameter 'msg' (queueTrigger) must be a number, not text."),
        (
            "order",
            '{"id": "x", "lines": [{}]}',
            "Parameter 'msg' (queueTrigger): id: Input should be a valid integer",
        ),
        ("order", '{"id": "x", "lines": [{}]}', "; day: Field required; lines.0.article: Field required"),
        ("rows", '[{"id": 1}, {}]', "Parameter 'msg' (queueTrigger)[1] lacks 'id'."),
        ("basket", '{"owner": "ada", "orders": [{"id": 1}]}', ".orders[0]: day: Field required"),
    ],
)
def test_a_message_that_does_not_fit_fails_with_its_reason(
    host: Host, form: str, data: str, why: str
) -> None:
    assert why in reason(host, f"queue_{form}", data)


def test_a_message_from_the_queue_knows_of_itself(host: Host) -> None:
    async def send() -> None:
        from funchost.bindings.queue import OutgoingMessage

        store = Store(host.root / ".funchost")
        try:
            await EmbeddedQueues(store, "test").send([OutgoingMessage(queue="queue-message", body=b"hi")])
        finally:
            await store.close()

    asyncio.run(send())
    host.wait_for("message: b'hi' ['str', 'int', 'datetime', 'datetime', 'datetime', 'str']")


@pytest.mark.parametrize(
    ("form", "line"),
    [
        ("request", "tick: False []"),
        ("text", "tick text: False"),
        ("dict", "tick dict: False"),
    ],
)
def test_a_tick_is_given_as_it_is_asked_for(host: Host, form: str, line: str) -> None:
    assert run(host, f"tick_{form}")["status"] == "succeeded"
    host.wait_for(line)


# -- tables


def test_a_row_is_given_as_it_is_asked_for(host: Host) -> None:
    assert host.post("/api/put_row", '{"RowKey": "r", "text": "kept"}').text == "put"
    for form, kind in (("text", "str"), ("unannotated", "str"), ("bytes", "bytes"), ("list", "list")):
        assert host.get(f"/api/row_{form}/r").text == f"{kind} ['kept']"
        assert host.get(f"/api/row_{form}/none").text == f"{kind} []"
    assert host.get("/api/row_dict/r").text == "dict kept"
    assert host.get("/api/row_dict/none").text == "NoneType None"


# -- returned values without a binding


def test_a_binding_without_a_converter_lets_a_function_return_anything(host: Host) -> None:
    ran = run(host, "implicit")
    assert (ran["status"], json.loads(ran["result"])) == ("succeeded", {"row": "[]"})


def test_a_returned_value_without_a_place_fails_the_invocation(host: Host) -> None:
    assert "it has no output '$return' for it. Add one, or return nothing" in reason(host, "no_place")


def test_a_coroutine_that_nobody_awaited_is_told_as_such(host: Host) -> None:
    assert host.get("/api/forgotten").status == 500
    host.wait_for("was given a coroutine, an async call that nobody awaited. Make the function itself async")


# -- types that are not served, by hand


def test_a_service_bus_message_is_made_of_the_data(host: Host) -> None:
    assert run(host, "bus", '{"a": 1}')["status"] == "succeeded"
    host.wait_for("bus: b'{\"a\": 1}' 1 True")


@pytest.mark.parametrize(
    ("data", "line"), [("one", "hub: [b'one']"), ('["a", {"b": 1}]', "hub: [b'a', b'{\"b\": 1}']")]
)
def test_a_batch_of_events_is_made_of_the_data(host: Host, data: str, line: str) -> None:
    assert run(host, "hub", data)["status"] == "succeeded"
    host.wait_for(line)


def test_what_would_go_to_a_service_is_shown(host: Host) -> None:
    ran = run(host, "grid", '{"id": "1", "data": {"a": 1}, "eventType": "e", "dataVersion": "1"}')
    [output] = ran["outputs"]
    assert (output["name"], output["type"]) == ("docs", "cosmosDB")
    assert output["value"] == [{"id": "1", "data": {"a": 1}}]


def test_data_of_which_no_event_can_be_made_is_told(host: Host) -> None:
    why = reason(host, "grid", "no event")
    assert why.startswith("Parameter 'event' (eventGridTrigger) cannot be made of the data that was given")


@pytest.mark.parametrize(("data", "result"), [("Tokyo", '"Hello Tokyo!"'), ('"Tokyo"', '"Hello Tokyo!"')])
def test_an_activity_runs_by_hand(host: Host, data: str, result: str) -> None:
    assert run(host, "activity", data)["result"] == result


def test_an_orchestrator_gets_its_history_as_text(host: Host) -> None:
    ran = run(host, "orchestrator", '{"history": []}')
    assert json.loads(ran["result"]) == {"isDone": True, "given": '{"history": []}'}
