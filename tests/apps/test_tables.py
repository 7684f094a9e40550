"""Table inputs and outputs as apps use them: over HTTP, from a queue, with expressions, conflicts and batches."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from apps.serving import Answer, Host, serve
from e2e.running import DEADLINE, funchost

PEOPLE = [
    {"RowKey": "ada", "Age": 36, "City": "London"},
    {"RowKey": "bob", "Age": 17, "City": "Wien"},
    {"RowKey": "cyd", "Age": 50, "City": "Wien"},
    {"RowKey": "dan", "Age": 40, "City": "Wien"},
    {"RowKey": "eve", "Age": 41, "City": "Wien"},
    {"RowKey": "o'hara", "Age": 5, "City": "Baile Átha Cliath's"},
]
EVERYBODY = [person["RowKey"] for person in PEOPLE]


@pytest.fixture(scope="module", params=["v1", "v2"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    for host in serve("tables", request.param, tmp_path_factory.mktemp("app")):
        assert add(host, PEOPLE).status == 201
        yield host


def add(host: Host, value: Any) -> Answer:
    return host.post("/api/people", value if isinstance(value, bytes) else json.dumps(value))


def messages(host: Host, queue: str) -> list[Any]:
    shown = funchost("queues", "peek", queue, "--root", host.root, "--json")
    found: list[Any] = json.loads(shown.stdout)
    return found


def wait_for(host: Host, path: str, wanted: Any) -> None:
    """Ask until the answer is what is wanted."""
    end = time.monotonic() + DEADLINE
    while (answer := host.get(path)).json != wanted:
        assert time.monotonic() < end, answer.text
        time.sleep(0.05)


# -- reading


def test_a_route_names_the_entity(host: Host) -> None:
    answer = host.get("/api/people/ada")
    assert answer.status == 200
    assert answer.json == {"PartitionKey": "people", "RowKey": "ada", "Age": 36, "City": "London"}


def test_as_text_an_entity_is_a_list_of_one(host: Host) -> None:
    assert [row["RowKey"] for row in host.get("/api/text/ada").json] == ["ada"]
    assert host.get("/api/text/nobody").json == []


@pytest.mark.parametrize("row", ["nobody", "ADA", quote("a?b"), quote("'"), "x" * 2000])
def test_an_entity_that_is_not_there_is_none(host: Host, row: str) -> None:
    answer = host.get(f"/api/people/{row}")
    assert answer.status == 404
    assert answer.text.endswith(": None")


def test_a_key_may_hold_a_quote(host: Host) -> None:
    assert host.get("/api/people/o'hara").json["Age"] == 5


def test_a_partition_is_a_list_in_the_order_of_its_keys(host: Host) -> None:
    assert host.get("/api/everybody").json[:2] == ["ada", "bob"]
    assert set(EVERYBODY) <= set(host.get("/api/everybody").json)


@pytest.mark.parametrize(
    ("path", "rows"),
    [
        ("Wien/18", ["cyd", "dan"]),
        ("Wien/41", ["cyd", "eve"]),
        ("Wien/-1", ["bob", "cyd"]),
        ("London/0", ["ada"]),
        ("London/37", []),
        (quote("Baile Átha Cliath's") + "/0", ["o'hara"]),
        (quote("' or true or '") + "/0", []),
        (quote("' or City ne '") + "/0", []),
    ],
)
def test_a_filter_takes_its_values_from_the_route_and_a_limit_cuts_it_short(
    host: Host, path: str, rows: list[str]
) -> None:
    answer = host.get(f"/api/adults/{path}")
    assert (answer.status, answer.json) == (200, rows)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("Age gt 40", ["cyd", "eve"]),
        ("Age le 17 and not (City eq 'Wien')", ["o'hara"]),
        ("RowKey eq 'ada' or RowKey eq 'bob'", ["ada", "bob"]),
        ("Timestamp lt datetime'2020-01-01T00:00:00Z'", []),
    ],
)
def test_a_whole_filter_may_come_with_the_request(host: Host, text: str, rows: list[str]) -> None:
    assert host.get(f"/api/search?filter={quote(text)}").json == rows


@pytest.mark.parametrize("text", ["Age gt", "Age > 5", "(Age gt 5", "startswith(City, 'W')"])
def test_a_filter_that_cannot_be_read_fails_the_run_with_the_reason(host: Host, text: str) -> None:
    answer = host.get(f"/api/search?filter={quote(text)}")
    assert answer.status == 500
    assert "Traceback" not in answer.text
    host.wait_for("The filter cannot be read")


def test_without_a_value_for_its_filter_the_run_fails(host: Host) -> None:
    assert host.get("/api/search").status == 500


# -- writing


def test_what_was_added_can_be_read(host: Host) -> None:
    assert add(host, {"RowKey": "fay", "Age": 1, "Note": "grün"}).status == 201
    assert host.get("/api/people/fay").json["Note"] == "grün"


def test_keys_of_the_entity_go_before_those_of_the_binding(host: Host) -> None:
    assert add(host, {"PartitionKey": "others", "RowKey": "gil"}).status == 201
    assert host.get("/api/people/gil").status == 404


def test_a_route_names_what_is_written(host: Host) -> None:
    assert host.request("PUT", "/api/people/hal", '{"Age": 2}').status == 204
    assert host.get("/api/people/hal").json["Age"] == 2


def test_the_return_value_may_be_the_entity_beside_a_response(host: Host) -> None:
    answer = host.post("/api/returned?row=1")
    assert answer.json == {"PartitionKey": "returned", "RowKey": "1"}
    assert host.post("/api/returned?row=1").status == 500, "it is in the table"


def test_an_entity_that_exists_already_fails_the_run(host: Host) -> None:
    answer = add(host, {"RowKey": "ada", "Age": 99})
    assert answer.status == 500
    assert "Traceback" not in answer.text
    host.wait_for("RowKey 'ada' in the table 'people' already")
    assert host.get("/api/people/ada").json["Age"] == 36


def test_of_a_batch_with_a_conflict_nothing_is_stored(host: Host) -> None:
    assert add(host, [{"RowKey": "ian"}, {"RowKey": "ada"}]).status == 500
    assert add(host, [{"RowKey": "ian"}, {"RowKey": "ian"}]).status == 500
    assert host.get("/api/people/ian").status == 404


@pytest.mark.parametrize(
    "value",
    [
        b"no JSON",
        b"[broken]",
        5,
        {"Age": 1},
        {"RowKey": "a/b"},
        {"RowKey": "x" * 1025},
        {"RowKey": "k1", "Address": {"City": "Wien"}},
        {"RowKey": "k2", "Tags": []},
        {"RowKey": "k3", "full name": "x"},
        [{"RowKey": "k4"}, {}],
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_no_entity_fails_the_run(host: Host, value: Any) -> None:
    answer = add(host, value)
    assert answer.status == 500
    assert "Traceback" not in answer.text
    assert not [row for row in host.get("/api/everybody").json if row.startswith("k")]


def test_an_entity_that_was_read_can_be_written_back(host: Host) -> None:
    assert host.post("/api/birthday/bob").text == "18"
    assert host.get("/api/people/bob").json["Age"] == 18
    assert host.request("PUT", "/api/people/bob", '{"odata.etag": "*", "Age": 17}').status == 204
    assert host.get("/api/people/bob").json["Age"] == 17
    assert host.post("/api/people", '{"RowKey": "bob", "odata.etag": "old"}').status == 500


# -- beside queues


def test_a_message_and_an_entity_are_stored_together_or_not_at_all(host: Host) -> None:
    order = {"id": "o1", "customer": "ada", "total": 12.5}
    assert host.post("/api/both", json.dumps(order)).status == 202
    wait_for(host, "/api/shipped", {"ada": 12.5})
    assert host.post("/api/both", json.dumps(order | {"customer": "zoe"})).status == 500, "there is an o1"
    assert host.post("/api/both", json.dumps({"id": "o2", "customer": "bob", "total": 3})).status == 202
    wait_for(host, "/api/shipped", {"ada": 12.5, "bob": 3})
    assert "zoe" not in [message["body"] for message in messages(host, "receipts")]


def test_a_conflict_gives_a_message_up_with_the_reason_and_its_outputs_unsent(host: Host) -> None:
    for number in ("p1", "p2"):
        order = {"id": number, "customer": "pat", "total": 1}
        assert host.post("/api/both", json.dumps(order)).status == 202
    host.wait_for("Moving message to queue 'orders-poison'")
    [poison] = messages(host, "orders-poison")
    assert json.loads(poison["body"])["customer"] == "pat"
    assert "RowKey 'pat' in the table 'shipped' already" in json.dumps(poison)
    assert [message["body"] for message in messages(host, "receipts")].count("pat") == 1
