"""What commands say on a store that holds little, and of input that looks like a slip."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from funchost.host.cli.main import cli
from funchost.host.cli.output import Exit


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    return tmp_path


def say(app: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, [*arguments, "--root", str(app)])


def test_a_queue_that_nobody_has_sent_to_is_paused_with_a_word_about_it(app: Path) -> None:
    assert say(app, "queues", "send", "orders", "{}").exit_code == Exit.OK
    told = say(app, "queues", "pause", "ordesr")
    assert told.exit_code == Exit.OK
    assert "Did you mean orders?" in told.stderr
    assert "Paused: ordesr." in told.stderr
    assert say(app, "queues", "pause", "orders").stderr == "Paused: orders.\n"


def test_a_log_without_a_line_says_so(app: Path) -> None:
    say(app, "queues", "send", "orders", "{}")
    assert say(app, "logs").stderr == "Nothing was logged yet.\n"
    assert say(app, "logs", "--level", "error").stderr == "No such lines.\n"


def test_a_span_that_ends_before_it_begins_is_refused(app: Path) -> None:
    told = say(app, "runs", "list", "--since", "5m", "--until", "1h")
    assert told.exit_code == Exit.USAGE
    assert "--until is not after --since" in told.stderr


def test_the_audit_shows_the_beginning_of_an_id_and_no_empty_detail(app: Path) -> None:
    say(app, "queues", "send", "orders", "{}")
    shown = say(app, "audit").stdout
    assert "queues.send" in shown
    assert "connection=" not in shown
    [entry] = json.loads(say(app, "audit", "--json").stdout)
    assert entry["target"] == "orders"


def test_a_body_that_was_json_stays_so_also_without_an_editor(app: Path) -> None:
    say(app, "queues", "send", "orders-poison", '{"quantity": 0}')
    [group] = json.loads(say(app, "poison", "list", "--json").stdout)
    told = say(app, "poison", "edit", group["example"], "--data", '{"quantity"')
    assert told.exit_code == Exit.USAGE
    assert "The body was JSON, and this is not" in told.stderr
    assert say(app, "poison", "edit", group["example"], "--data", '{"quantity": 1}').exit_code == Exit.OK

    rows = say(app, "audit", "--action", "poison.edit").stdout.splitlines()
    assert f" {group['example'][:18]} " in rows[1]
    assert group["example"] not in rows[1]
