"""What the host says, to people and to machines."""

from __future__ import annotations

import io
import json
import logging
import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
from fakes import ManualClock

from funchost.host.logs import log as log_module
from funchost.host.logs.log import Log, LogHandler
from funchost.host.logs.log_levels import LogLevels


def _said(form: str, level: str, text: str, least: str = "debug", **more: Any) -> str:
    stream = io.StringIO()
    log = Log(stream, form, least, clock=ManualClock())
    log.say(level, text, **more)
    log.close()
    return stream.getvalue()


def test_a_plain_line_names_the_function_and_the_run() -> None:
    line = _said("plain", "info", "hello", function="Work", invocation="01a1ff84-5f0d-7cfd-aa0f-abc28d000064")
    assert line.endswith(" [Work 5f0d-7cfd] hello\n")
    assert "\x1b" not in line


def test_a_line_of_the_host_names_no_function() -> None:
    assert "[" not in _said("plain", "info", "hello")


@pytest.mark.parametrize(
    ("level", "mark"), [("info", ""), ("debug", ""), ("warning", "WARNING "), ("error", "ERROR ")]
)
def test_what_is_wrong_is_marked_also_without_colours(level: str, mark: str) -> None:
    assert _said("plain", level, "hello").endswith(f" {mark}hello\n")


def test_a_pretty_line_has_colours_and_ends_them() -> None:
    line = _said("pretty", "error", "hello")
    assert "\x1b[31m" in line
    assert line.endswith("\x1b[0m\n")


def test_a_text_of_several_lines_is_indented() -> None:
    assert _said("plain", "info", "one\ntwo\n").endswith(" one\n    two\n")


def test_a_json_line_has_all_there_is_and_nothing_empty() -> None:
    text = _said("json", "error", "one\ntwo\n", function="Work", invocation="i", logger="app", stream=None)
    assert text.count("\n") == 1
    assert json.loads(text) == {
        "time": "2026-03-01T12:00:00Z",
        "level": "error",
        "message": "one\ntwo",
        "function": "Work",
        "invocation": "i",
        "logger": "app",
    }


def test_less_than_the_least_level_is_not_shown() -> None:
    assert _said("plain", "info", "hello", "warning") == ""
    assert _said("plain", "warning", "hello", "warning") != ""


def test_a_level_nobody_knows_counts_as_information() -> None:
    assert "hello" in _said("plain", "trace", "hello", "info")
    assert _said("plain", "trace", "hello", "warning") == ""


@pytest.mark.parametrize("form", ["plain", "json"])
def test_half_a_surrogate_pair_takes_no_other_line_with_it(form: str) -> None:
    raw = io.BytesIO()
    log = Log(io.TextIOWrapper(raw, "utf-8", write_through=True), form)
    log.say("info", "before")
    log.say("info", "broken \udcff name")
    log.say("info", "after")
    log.close()
    text = raw.getvalue().decode()
    assert "before" in text and "broken" in text and "after" in text


def test_a_terminal_that_is_gone_stops_nothing() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    log = Log(Gone(), "plain")
    log.say("info", "hello")
    log.close()


@pytest.mark.parametrize("form", ["plain", "json"])
def test_lines_that_come_faster_than_they_are_taken_are_counted(
    monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr(log_module, "_MOST_WAITING", 10 * len("12:00:00.000 line 0\n"))
    writing, go_on = threading.Event(), threading.Event()

    class Slow(io.StringIO):
        def write(self, text: str) -> int:
            writing.set()
            go_on.wait(5)
            return super().write(text)

    stream = Slow()
    log = Log(stream, form)
    log.say("info", "first")
    assert writing.wait(5)
    for number in range(50):
        log.say("info", f"line {number}")
    go_on.set()
    log.close()
    text = stream.getvalue()
    assert "line 0" in text and "line 49" not in text
    assert re.search(r"\d+ lines were dropped", text)
    if form == "json":
        assert [json.loads(line)["level"] for line in text.splitlines()][-1] == "warning"
    else:
        assert re.search(r"\((39|40) lines", text)


def test_a_line_that_nothing_waits_before_is_written_however_long_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(log_module, "_MOST_WAITING", 10)
    assert "x" * 100 in _said("plain", "info", "x" * 100)


@pytest.mark.parametrize(
    ("number", "level"), [(5, "debug"), (10, "debug"), (20, "info"), (35, "warning"), (50, "critical")]
)
def test_what_the_hosts_modules_log_comes_out_too(number: int, level: str) -> None:
    stream = io.StringIO()
    log = Log(stream, "json", "debug")
    handler = LogHandler(log)
    handler.emit(logging.LogRecord("funchost.triggers", number, __file__, 1, "%d queued", (3,), None))
    log.close()
    line = json.loads(stream.getvalue())
    assert (line["level"], line["message"], line["logger"]) == (level, "3 queued", "funchost.triggers")


def test_what_they_log_of_a_run_has_its_function_and_invocation() -> None:
    stream = io.StringIO()
    log = Log(stream, "plain", clock=ManualClock())
    about = {"function": "Work", "invocation": "01a1ff84-5f0d-7cfd-aa0f-abc28d000064"}
    LogHandler(log).emit(logging.makeLogRecord({"name": "x", "levelno": 40, "msg": "no", **about}))
    log.close()

    assert stream.getvalue().endswith(" [Work 5f0d-7cfd] ERROR no\n")


def test_what_is_said_while_it_is_held_is_written_once_released() -> None:
    stream = io.StringIO()
    log = Log(stream, "plain")
    log.hold()
    log.say("info", "early")
    assert stream.getvalue() == ""
    log.release()
    log.close()
    assert "early" in stream.getvalue()


# -- who wants to see what


def _shown(least: str, say: Callable[[Log], None], **levels: str) -> bool:
    stream = io.StringIO()
    log = Log(stream, "plain", least, clock=ManualClock())
    log.levels = LogLevels({key.replace("_", "."): level for key, level in levels.items()})
    say(log)
    log.close()
    return stream.getvalue() != ""


@pytest.mark.parametrize("least", ["debug", "info"])
@pytest.mark.parametrize("level", ["debug", "info", "critical"])
def test_all_that_user_code_says_is_shown_with_and_without_details(least: str, level: str) -> None:
    assert _shown(least, lambda log: log.pass_on(level, "hello", category="Function.Work.User"))


@pytest.mark.parametrize(("level", "shown"), [("debug", False), ("info", False), ("warning", True)])
def test_of_what_user_code_says_only_warnings_are_shown_when_it_is_to_be_quiet(
    level: str, shown: bool
) -> None:
    assert _shown("warning", lambda log: log.pass_on(level, "hello", category="C")) is shown


def test_host_json_takes_away_from_what_user_code_says() -> None:
    assert not _shown("debug", lambda log: log.pass_on("debug", "hello", category="C"), default="Information")
    assert _shown("debug", lambda log: log.pass_on("info", "hello", category="C"), default="Information")


@pytest.mark.parametrize(("least", "shown"), [("debug", True), ("info", False), ("warning", False)])
def test_details_are_shown_when_they_are_asked_for(least: str, shown: bool) -> None:
    assert _shown(least, lambda log: log.detail("hello", category="C"), default="Information") is shown


def test_details_count_as_information_for_host_json() -> None:
    assert not _shown("debug", lambda log: log.detail("hello", category="C"), default="Warning")


def test_what_the_host_says_of_no_category_is_the_command_lines_alone() -> None:
    assert _shown("info", lambda log: log.say("info", "Stopping"), default="None")
    assert not _shown("info", lambda log: log.say("warning", "hello", category="Host.General"), Host="Error")


@pytest.mark.parametrize(
    ("logger", "category"),
    [
        ("funchost.triggers.queue", "Host.Triggers.Queue"),
        ("funchost.triggers.http_front", "Host.Triggers.HttpFront"),
        ("funchost.host.keys", "Host.Keys"),
        ("aiohttp.server", "Host.General"),
    ],
)
def test_modules_of_the_host_have_azures_categories(logger: str, category: str) -> None:
    record = logging.LogRecord(logger, logging.WARNING, __file__, 1, "hello", (), None)
    assert not _shown("info", lambda log: LogHandler(log).emit(record), **{category: "Error"})
    assert _shown("info", lambda log: LogHandler(log).emit(record), **{category + ".More": "Error"})
