"""What `queues send` says of a message beside its body, and how `queues peek` shows it."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from funchost.bindings.queue import PeekedMessage
from funchost.host.cli.main import cli
from funchost.host.cli.message import message_text
from funchost.host.operations.messages import message_document

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    return tmp_path


def queues(app: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["queues", *arguments, "--root", str(app)])


def looked_at(app: Path) -> list[dict[str, Any]]:
    """What a look at the orders shows."""
    messages: list[dict[str, Any]] = json.loads(queues(app, "peek", "orders", "--json").stdout)
    return messages


def peeked(**said: Any) -> PeekedMessage:
    values: dict[str, Any] = {
        "queue": "orders",
        "id": "id-1",
        "body": b"a",
        "state": "visible",
        "dequeue_count": 0,
        "inserted_at": NOW,
        "expires_at": None,
        "visible_at": NOW,
        "properties": {},
    }
    return PeekedMessage(**(values | said))


def test_all_that_is_said_of_a_message_is_stored_and_shown(app: Path) -> None:
    options = ("--session", "anna", "--priority", "9", "--dedup-id", "1", "--reply-to", "results")
    more = ("--correlation-id", "c-1", "--property", "region=eu", "--property", "note=a=b")
    assert queues(app, "send", "orders", "a", *options, *more).exit_code == 0
    [found] = looked_at(app)
    assert (found["sessionId"], found["priority"], found["dedupId"]) == ("anna", 9, "1")
    assert (found["replyTo"], found["correlationId"]) == ("results", "c-1")
    assert (found["region"], found["note"]) == ("eu", "a=b")


def test_nothing_said_is_nothing_shown(app: Path) -> None:
    queues(app, "send", "orders", "a")
    [found] = looked_at(app)
    assert (found["sessionId"], found["priority"], found["dedupId"]) == (None, 4, None)
    assert "replyTo" not in found


def test_a_message_that_was_sent_stands_in_the_audit_without_its_body(app: Path) -> None:
    queues(app, "send", "orders", "a-secret")
    [row] = json.loads(CliRunner().invoke(cli, ["audit", "--root", str(app), "--json"]).stdout)
    assert (row["action"], row["target"], row["who"][:4]) == ("queues.send", "orders", "cli:")
    assert "a-secret" not in json.dumps(row)


def test_a_duplicate_is_dropped_and_that_it_may_be_is_told(app: Path) -> None:
    for body in ("a", "b"):
        told = queues(app, "send", "orders", body, "--dedup-id", "1")
        assert "unless '1' was sent there a short time ago" in told.stderr
    assert [one["body"] for one in looked_at(app)] == ["a"]


def test_an_id_is_kept_for_as_long_as_host_json_says(app: Path) -> None:
    (app / "host.json").write_text(
        '{"version": "2.0", "extensions": {"queues": {"dedupWindow": "01:00:00"}}}'
    )
    queues(app, "send", "orders", "a", "--dedup-id", "1")
    with contextlib.closing(sqlite3.connect(app / ".funchost" / "store.db")) as store:
        [lasts] = store.execute("SELECT ends - inserted_at FROM dedup_ids, messages").fetchone()
    assert lasts == 3_600_000


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (("--priority", "10"), "0<=x<=9"),
        (("--priority", "high"), "not a valid integer"),
        (("--session", ""), "1 to 128 characters"),
        (("--session", "x" * 129), "129 characters"),
        (("--dedup-id", ""), "1 to 128 characters"),
        (("--property", "region"), "write NAME=VALUE"),
        (("--property", "=eu"), "write NAME=VALUE"),
        (("--property", "parent=run-1"), "hosts use themselves"),
    ],
)
def test_what_cannot_be_said_is_a_wrong_use_and_sends_nothing(
    app: Path, options: tuple[str, ...], wanted: str
) -> None:
    told = queues(app, "send", "orders", "a", *options)
    assert (told.exit_code, wanted in told.stderr) == (2, True), told.stderr
    assert not (app / ".funchost").exists()


def test_people_see_what_was_said_in_a_line_of_its_own() -> None:
    said = {
        "session_id": "anna",
        "priority": 7,
        "dedup_id": "1",
        "properties": {"replyTo": "r", "parent": "x"},
    }
    assert "\n  session anna, priority 7, dedup id 1, replyTo r\n" in message_text(peeked(**said))
    assert message_text(peeked()).count("\n") == 3


def test_one_that_waits_says_for_what() -> None:
    assert "waiting for those before it in its session" in message_text(peeked(state="waiting"))


def test_what_a_sender_says_does_not_reach_the_terminal_as_it_is() -> None:
    text = message_text(peeked(session_id="\x1b[2J", properties={"a": "\x1b[2J"}))
    assert "\x1b" not in text


def test_a_property_cannot_take_the_place_of_what_a_message_is() -> None:
    assert message_document(peeked(properties={"sessionId": "x", "id": "y"}))["sessionId"] is None
