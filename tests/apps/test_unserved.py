"""Types that need a service which is not spoken here: listed, never started, and run by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from apps.serving import Host, serve
from e2e.running import funchost

SETTINGS = {"AzureWebJobsStorage": "UseDevelopmentStorage=true"}


@pytest.fixture(scope="module", params=["v1", "v2"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    yield from serve("unserved", request.param, tmp_path_factory.mktemp("app"), env=SETTINGS)


def listed(host: Host) -> dict[str, Any]:
    return {each["name"]: each for each in host.get("/admin/functions").json}


def test_the_other_functions_are_untouched(host: Host) -> None:
    assert host.get("/api/ok").text == "fine"
    assert listed(host)["ok"]["state"] == "listening"


@pytest.mark.parametrize(
    ("name", "types"),
    [
        ("events", {"eventHubTrigger", "cosmosDB", "sql"}),
        ("save", {"cosmosDB"}),
        ("relay", {"serviceBus"}),
        ("nightly", {"sendGrid"}),
    ],
)
def test_a_function_is_listed_with_the_types_that_are_not_served(
    host: Host, name: str, types: set[str]
) -> None:
    said, _, named = listed(host)[name]["state"].partition(": ")

    assert said == "not served here"
    assert set(named.split(", ")) == types
    # In the table at the start as well.
    assert any(line.startswith(name) and line.endswith(named) for line in host.log.splitlines())


@pytest.mark.parametrize("name", ["events", "save", "relay", "nightly"])
def test_it_is_told_once_as_a_warning_with_what_to_do(host: Host, name: str) -> None:
    listed(host)

    assert host.log.count(f"funchost run {name} --data") == 1
    warning = next(line for line in host.log.splitlines() if "Not served here" in line)
    assert warning.startswith("warning:")


def test_a_misspelt_type_is_an_error_with_the_nearest_known_one(host: Host) -> None:
    assert listed(host)["typo"]["state"] == "in error"
    assert "'eventHubTriger' is not a known binding type" in host.log
    assert "Did you mean eventHubTrigger?" in host.log


def test_the_route_answers_501_and_names_the_type(host: Host) -> None:
    answer = host.post("/api/save", "{}")

    assert answer.status == 501
    assert answer.header("Content-Type") == "text/plain; charset=utf-8"
    assert answer.text.count("\n") == 0
    assert "cosmosDB" in answer.text
    assert "funchost run save" in answer.text


def test_its_trigger_gets_the_data_and_inputs_come_as_none(host: Host) -> None:
    ran = host.run("events", "something happened")

    assert ran["status"] == "succeeded"
    (output,) = ran["outputs"]
    assert (output["name"], output["type"]) == ("doc", "cosmosDB")
    assert "something happened" in str(output["value"])
    assert "null" in str(output["value"]) or "None" in str(output["value"])


def test_an_http_function_is_run_by_hand_and_shows_what_it_would_have_sent(host: Host) -> None:
    ran = host.run("save", '{"id": "1"}')

    assert (ran["status"], ran["result"]) == ("succeeded", "saved")
    assert [(each["name"], each["type"]) for each in ran["outputs"]] == [("doc", "cosmosDB")]


def test_a_served_trigger_gets_the_data_as_its_own_kind(host: Host) -> None:
    ran = host.run("relay", "a message")

    assert ran["outputs"] == [{"name": "$return", "type": "serviceBus", "value": "a message, from the queue"}]


def test_a_message_stays_in_its_queue(host: Host) -> None:
    sent = funchost("queues", "send", "relayed", "wait for me", "--root", host.root, env=SETTINGS)
    assert sent.returncode == 0, sent.stderr
    assert host.get("/api/ok").status == 200

    peeked = funchost("queues", "peek", "relayed", "--root", host.root, "--json", env=SETTINGS)

    assert b"wait for me" in peeked.stdout


def test_a_schedule_starts_nothing(host: Host) -> None:
    assert host.get("/api/ok").status == 200

    assert "nightly has run" not in host.log


def test_people_read_what_was_not_sent(host: Host) -> None:
    ran = funchost("run", "nightly", "--root", host.root, env=SETTINGS)

    assert ran.returncode == 0
    assert "not sent: mail (sendGrid): " in ran.stderr.decode()
    assert "good morning" in ran.stderr.decode()
