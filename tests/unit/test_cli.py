"""The command line's pure parts: its values, what it shows, and that its help is quick and true."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from funchost.bindings.errors import ConfigurationError, NotFound
from funchost.bindings.queue import PeekedMessage
from funchost.host.cli.app import next_step
from funchost.host.cli.main import cli
from funchost.host.cli.message import message_text, printable
from funchost.host.cli.options import App, Content, Duration, Group, Moment, Port, app_options
from funchost.host.cli.output import Exit, Failure, emit_table, explained
from funchost.host.cli.queues import visible_from
from funchost.host.cli.queues_text import age_text
from funchost.host.cli.show import function_row
from funchost.host.operations.messages import message_document
from funchost.host.served_function import FunctionStatus
from funchost.host.workers.call import WorkerStartError

NOW = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)


def convert(kind: click.ParamType[Any], text: str) -> Any:
    return kind.convert(text, None, None)


# -- help


def test_a_reader_that_has_seen_enough_ends_a_command_without_an_error(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = (
        "import sys; from funchost.host.cli.main import main; sys.argv[1:] = ['version']; sys.exit(main())"
    )
    with os.fdopen(writing, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-c", command], stdout=closed, stderr=subprocess.PIPE, check=False, cwd=tmp_path
        )
    assert (done.returncode, done.stderr) == (Exit.OK, b"")


def test_the_help_of_each_command_begins_as_the_overview_says() -> None:
    overview = CliRunner().invoke(cli, ["--help"]).output
    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        assert command.help is not None
        first = command.help.partition("\n")[0]
        assert any(line.split(maxsplit=1) == [name, first] for line in overview.splitlines()), first


def test_the_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from funchost.host.cli.main import main; sys.argv[1:] = ['--help']; main();"
        "heavy = {'aiohttp', 'boto3', 'azure', 'rich', 'sqlite3', 'funchost.host.host'} & set(sys.modules);"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# -- values


@pytest.mark.parametrize("text", ["soon", "99999999d99999999999d", "-00:05:00"])
def test_what_is_no_length_of_time_is_a_usage_error(text: str) -> None:
    with pytest.raises(click.BadParameter):
        convert(Duration(), text)


def test_a_length_of_time_is_read_in_both_forms() -> None:
    assert convert(Duration(), "1h30m") == convert(Duration(), "01:30:00") == timedelta(minutes=90)


def test_a_moment_has_its_own_offset_or_that_of_this_machine() -> None:
    assert convert(Moment(), "2030-01-31T13:00:00+01:00") == NOW
    local = datetime(2030, 1, 31, 12, 0).astimezone()
    assert convert(Moment(), "2030-01-31T12:00") == local


@pytest.mark.parametrize("text", ["tomorrow", "2030-13-01", "0001-01-01T00:00+14:00"])
def test_what_is_no_moment_is_a_usage_error(text: str) -> None:
    with pytest.raises(click.BadParameter):
        convert(Moment(), text)


def test_content_is_text_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"\xff\x00")
    assert convert(Content(), "grüße") == "grüße".encode()
    assert convert(Content(), f"@{tmp_path / 'data'}") == b"\xff\x00"


@pytest.mark.parametrize("name", ["none", "", "a\0b"])
def test_content_from_a_file_that_cannot_be_read_is_a_usage_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(click.BadParameter, match="cannot be read"):
        convert(Content(), f"@{tmp_path / name}")


def test_the_store_is_beside_the_app_unless_named(tmp_path: Path) -> None:
    assert App(tmp_path, None).store_folder == tmp_path.resolve() / ".funchost"
    assert App(tmp_path, tmp_path / "s").store_folder == tmp_path.resolve() / "s"


def test_commands_get_the_app_of_their_options(tmp_path: Path) -> None:
    seen: list[App] = []

    @click.command()
    @app_options
    def look(app: App) -> None:
        seen.append(app)

    CliRunner().invoke(look, [])
    CliRunner().invoke(look, ["--root", str(tmp_path), "--store", "s"])

    assert seen == [App(Path(), None), App(tmp_path, Path("s"))]


def test_a_group_names_the_nearest_command_or_all() -> None:
    @click.group(cls=Group)
    def group() -> None: ...

    group.add_command(click.Command("rotate"))

    assert "Did you mean 'rotate'?" in CliRunner().invoke(group, ["rotat"]).output
    assert "There are: rotate." in CliRunner().invoke(group, ["xyz"]).output


# -- messages


def test_a_message_is_to_be_seen_from_its_delay_or_moment_on() -> None:
    assert visible_from(NOW, None, None) is None
    assert visible_from(NOW, timedelta(minutes=10), None) == NOW + timedelta(minutes=10)
    assert visible_from(NOW, None, NOW + timedelta(1)) == NOW + timedelta(1)


def test_a_moment_that_is_past_means_at_once_and_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert visible_from(NOW, None, NOW - timedelta(1)) is None
    assert "past" in capsys.readouterr().err


def test_a_delay_beyond_the_calendar_is_a_usage_error() -> None:
    with pytest.raises(click.BadParameter):
        visible_from(NOW, timedelta(days=99_999_999), None)


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (timedelta(seconds=-1), "0s"),
        (timedelta(seconds=9.9), "9s"),
        (timedelta(minutes=10), "10m 0s"),
        (timedelta(hours=20, minutes=3, seconds=5), "20h 3m"),
        (timedelta(days=2, seconds=1), "2d 0h"),
    ],
)
def test_an_age_is_told_in_its_two_largest_units(age: timedelta, text: str) -> None:
    assert age_text(age) == text


def peeked(body: bytes, **more: Any) -> PeekedMessage:
    values: dict[str, Any] = {
        "queue": "work",
        "id": "id-1",
        "body": body,
        "state": "visible",
        "dequeue_count": 1,
        "inserted_at": NOW,
        "expires_at": None,
        "visible_at": NOW,
        "properties": {},
    }
    return PeekedMessage(**(values | more))


def poison(traceback: str) -> dict[str, Any]:
    return {
        "poison": {
            "error": "ValueError",
            "message": "no luck",
            "traceback": traceback,
            "queue": "work",
            "function": "worker",
            "messageId": "id-0",
            "dequeueCount": 5,
            "attempts": 10,
            "runs": ["run-1", "run-2"],
            "firstReceived": "2030-01-31T11:00:00Z",
            "givenUp": "2030-01-31T12:00:00Z",
        }
    }


@pytest.mark.parametrize(
    "properties",
    [
        {
            "poison": {"error": "ValueError", "message": "no luck", "dequeueCount": "5"}
        },  # as SQS had room for it
        {"poison": "bad", "failures": "bad"},
        {"poison": {"runs": 7, "givenUp": "never"}, "failures": [7]},
        {"failures": [{}]},
    ],
)
def test_a_reason_that_was_shortened_or_is_none_is_shown_as_far_as_it_goes(
    properties: dict[str, Any],
) -> None:
    assert "sent 20" in message_text(peeked(b"x", properties=properties))


def test_a_body_that_is_no_text_is_shown_as_base64() -> None:
    assert message_document(peeked(b"\xff\x00"))["bodyBase64"] == "/wA="
    assert "/wA=" in message_text(peeked(b"\xff\x00"))
    assert message_document(peeked(b"text"))["body"] == "text"


def test_what_a_body_would_do_to_a_terminal_is_written_as_escapes() -> None:
    assert printable("a\x1b[2Jb\r\nc\x07") == "a\\x1b[2Jb\\r\nc\\x07"
    assert "\x1b" not in message_text(peeked(b"\x1b[2J", properties=poison("\x1b[2J")))


def test_a_long_body_is_cut_for_people_only() -> None:
    body = b"x" * 5000
    assert len(message_text(peeked(body))) < 1500
    assert "--json" in message_text(peeked(body))
    assert message_document(peeked(body))["body"] == body.decode()


def test_the_reason_of_a_message_given_up_is_shown() -> None:
    text = message_text(peeked(b"x", properties=poison("Traceback\n  line 1")))
    for part in ("ValueError: no luck", "worker", "10 in 5 deliveries", "run-1", "run-2", "      line 1"):
        assert part in text
    assert message_document(peeked(b"x", properties=poison("t")))["poison"] == poison("t")["poison"]


def test_of_a_long_traceback_people_see_the_end() -> None:
    traceback = "\n".join(f"line {number}" for number in range(100))
    text = message_text(peeked(b"x", properties=poison(traceback)))
    assert "line 99" in text
    assert "line 50" not in text
    assert message_document(peeked(b"x", properties=poison(traceback)))["poison"]["traceback"] == traceback


def test_the_last_failure_of_a_message_still_tried_is_shown() -> None:
    failures = [
        {"run": "r", "at": "2030-01-31T11:00:00Z", "attempts": 1, "error": f"ValueError: {number}"}
        for number in range(2)
    ]
    text = message_text(peeked(b"x", state="delayed", properties={"failures": failures}))
    assert "failed 2 times" in text
    assert "ValueError: 1" in text
    assert "delayed until" in text


# -- functions


def test_a_function_is_shown_with_its_url_and_the_first_line_of_its_error() -> None:
    status = FunctionStatus(
        name="hi", trigger="httpTrigger", where="[GET] /api/hi", state="in error", errors=("one\ntwo",)
    )
    assert function_row(status, "http://localhost:1") == (
        "hi",
        "http",
        "[GET] http://localhost:1/api/hi",
        "in error: one",
    )


def test_on_the_start_screen_the_reason_stands_above_already() -> None:
    status = FunctionStatus(name="a", trigger="?", where="", state="in error", errors=("one",))
    assert function_row(status, "", with_reason=False)[3] == "in error"


def test_a_state_that_holds_its_reason_does_not_repeat_it() -> None:
    status = FunctionStatus(
        name="a", trigger="queueTrigger", where="", state="failing: no\nluck", errors=("no",)
    )
    assert function_row(status, "")[3] == "failing: no luck"


class Terminal(io.StringIO):
    """A terminal of a width that the environment names."""

    def isatty(self) -> bool:
        return True


def test_a_reason_stays_in_one_line_of_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    monkeypatch.setenv("COLUMNS", "40")
    emit_table(("A", "B"), [("name", "in error: " + "because " * 20)], one_line=True)
    _, row = terminal.getvalue().splitlines()
    assert row.startswith("name  in error: because")
    assert row.endswith("…")
    assert len(row) <= 40


def test_where_a_terminal_has_no_room_at_all_a_reason_is_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    monkeypatch.setenv("COLUMNS", "24")
    emit_table(("A", "B"), [("name of a function", "in error")], one_line=True)
    assert {"in", "error"} <= set(terminal.getvalue().split())
    assert "…" not in terminal.getvalue()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Failure("no", Exit.IN_USE), 4),
        (WorkerStartError("no"), 3),
        (ConfigurationError("no"), 3),
        (NotFound("no"), 5),
        (TimeoutError("no"), 6),
        (PermissionError(13, "denied", "a file"), 1),
    ],
)
def test_each_error_has_its_exit_code(error: Exception, code: int) -> None:
    text, given = explained(error)
    assert given == code
    assert text == ("a file: denied." if isinstance(error, PermissionError) else "no")


@pytest.mark.parametrize("text", ["0", "7071", "65535"])
def test_a_port_is_a_number(text: str) -> None:
    assert convert(Port(), text) == int(text)


@pytest.mark.parametrize("text", ["abc", "", "65536", "-1", "1.5", "٣"])
def test_what_is_no_port_is_a_usage_error(text: str) -> None:
    with pytest.raises(click.BadParameter, match="a port is a whole number"):
        convert(Port(), text)


@pytest.mark.parametrize(
    ("kind", "step"),
    [
        ("http", "/api/fresh"),
        ("queue", "queues send fresh-items"),
        ("timer", "funchost timers"),
        ("blob", ".funchost/blobs/fresh-items/"),
        ("file", "import/fresh-items/"),
        ("manual", "funchost run fresh"),
    ],
)
def test_a_new_function_comes_with_what_makes_it_run(kind: str, step: str) -> None:
    assert step in next_step("fresh", kind)
    assert next_step("fresh", kind).startswith("funchost ")


def test_where_a_host_runs_a_new_function_is_called_there() -> None:
    assert next_step("fresh", "http", "http://localhost:7072") == "curl http://localhost:7072/api/fresh"
    assert next_step("fresh", "queue", "http://localhost:7072") == "funchost queues send fresh-items hello"


def test_where_blobs_are_no_files_a_new_function_names_its_container() -> None:
    step = next_step("fresh", "blob", "http://localhost:7072", embedded=False)
    assert step == "put a blob into the container fresh-items"
