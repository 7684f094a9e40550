"""How runs are shown to people."""

from __future__ import annotations

import os
import shutil
import sys
from datetime import timedelta

import click
import pytest
from memory_history import NOON, failed, make_run, text

from funchost.bindings.history import Kept, RunRecord, RunState, Step
from funchost.host.cli.run_page import run_text
from funchost.host.cli.runs_text import ago_text, cut, duration_text, run_line, runs_table
from funchost.host.operations.runs import Branch, Relatives

NOW = NOON + timedelta(minutes=5)


@pytest.fixture
def width(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> int:
    """The columns of the terminal that stdout is."""
    columns = int(request.param)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((columns, 40)))
    return columns


def shown(runs: list[RunRecord]) -> list[str]:
    return click.unstyle(runs_table(runs, NOW)).splitlines()


LONG = [
    failed("a_function_with_a_name_that_is_longer_than_anybody_wants", "no luck " * 30, dequeue_count=3),
    make_run("short", origin="a-rather-long-container/with/a/long/name/of/a/blob.csv"),
    make_run("日本語", RunState.RUNNING, origin="ordre-日本語-" * 5),
]


@pytest.mark.parametrize("width", [40, 80, 120, 160, 240], indirect=True)
def test_a_list_is_never_wider_than_the_terminal(width: int) -> None:
    for line in shown(LONG):
        assert len(line) + sum(char in "日本語" for char in line) <= width


@pytest.mark.parametrize("width", [80], indirect=True)
def test_on_a_narrow_terminal_errors_stand_in_lines_of_their_own(width: int) -> None:
    lines = shown([failed(reason="no luck\nat all"), make_run()])
    assert lines[1].split()[1:6] == ["work", "failed", "5m", "ago", "1.0"]
    assert lines[2] == "    ValueError: no luck"
    assert len(lines) == 4


@pytest.mark.parametrize("width", [160], indirect=True)
def test_on_a_wide_terminal_a_run_is_one_line(width: int) -> None:
    lines = shown([failed(attempts=2, dequeue_count=4)])
    assert lines[0].split() == ["RUN", "FUNCTION", "STATE", "STARTED", "TOOK", "TRIES", "ORIGIN", "ERROR"]
    assert lines[1].endswith("1.0 s  2/4    jobs    ValueError: no luck")


def test_into_a_pipe_nothing_is_cut() -> None:
    assert "no luck " * 29 in shown(LONG)[1]


def test_what_would_move_the_cursor_is_written_as_escapes() -> None:
    run = failed("evil\x1b[2J", "a\x1b]0;title\x07", origin="or\rigin")
    assert "\x1b" not in click.unstyle(runs_table([run], NOW))
    page = click.unstyle(run_text(run, Relatives(), None, NOW))
    assert not {"\x1b", "\r", "\x07"} & set(page)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0004, "0 ms"),
        (0.25, "250 ms"),
        (0.9999, "1.0 s"),
        (59.96, "1m 0s"),
        (61, "1m 1s"),
        (7260, "2h 1m"),
    ],
)
def test_a_length_of_time_is_told_as_people_say_it(seconds: float, shown: str) -> None:
    assert duration_text(seconds) == shown


def test_an_age_is_told_in_its_largest_unit() -> None:
    ages = [timedelta(seconds=-5), timedelta(seconds=5), timedelta(minutes=5), timedelta(hours=30)]
    assert [ago_text(NOW - age, NOW) for age in ages] == ["to come", "5s ago", "5m ago", "1d ago"]


def test_a_text_is_cut_by_columns_and_keeps_its_style() -> None:
    assert cut("abcdef", 6) == "abcdef"
    assert cut("abcdef", 5) == "abcd…"
    assert cut("日本語", 5) == "日本…"
    styled = cut(click.style("abcdef", fg="red"), 4)
    assert click.unstyle(styled) == "abc…"
    assert styled.endswith("\x1b[0m")


def test_a_line_says_that_a_run_began_or_how_it_ended() -> None:
    assert "began" in run_line(make_run(state=RunState.RUNNING))
    line = click.unstyle(run_line(failed()))
    assert "failed" in line
    assert line.endswith("ValueError: no luck")


def page(run: RunRecord, found: Relatives | None = None, latest: bool | None = None) -> str:
    return click.unstyle(run_text(run, found or Relatives(), latest, NOW))


def test_a_page_shows_the_course_of_a_run_with_offsets() -> None:
    run = failed(
        queued=NOON - timedelta(milliseconds=40),
        steps=[Step(NOON + timedelta(milliseconds=500), "Attempt 1 failed")],
    )
    lines = page(run).partition("Timeline\n")[2].splitlines()[:4]
    assert [line.split(maxsplit=1)[1].strip() for line in lines] == [
        "queued",
        "+40 ms    started",
        "+540 ms   Attempt 1 failed",
        "+1.0 s    failed",
    ]


def test_a_page_shows_the_family_as_a_tree() -> None:
    grandfather, father = make_run("a"), make_run("b")
    run = make_run("c", parent=father.id)
    child, grandchild, other = make_run("d"), make_run("e"), make_run("f")
    found = Relatives(
        parents=(father, grandfather), children=(Branch(child, (Branch(grandchild),)), Branch(other))
    )
    lines = page(run, found).partition("Family\n")[2].splitlines()[:6]
    assert [line.replace("  succeeded", "") for line in lines] == [
        f"  {grandfather.id}  a",
        f"  └─ {father.id}  b",
        f"     └─ {run.id}  c  <- this run",
        f"        ├─ {child.id}  d",
        f"        │  └─ {grandchild.id}  e",
        f"        └─ {other.id}  f",
    ]


def test_a_parent_that_is_no_longer_kept_is_named() -> None:
    assert "gone  (no longer kept)" in page(make_run(parent="gone"))


def test_children_beyond_those_shown_can_be_listed() -> None:
    run = make_run()
    assert f"--parent {run.id}" in page(
        run, Relatives(children=(Branch(make_run()),), has_more_children=True)
    )


def test_a_long_content_names_the_option_that_shows_all() -> None:
    assert "(all of it with --input)" in page(make_run(input=text("x" * 3000)))
    assert "(all of it with --output)" in page(make_run(output=Kept("bytes", b"x", 99)))
    log = text("\n".join(f"line {number}" for number in range(100)))
    shown = page(make_run(log=log))
    assert "the last 40 lines (all of it with --log)" in shown
    assert "line 60" in shown
    assert "line 59\n" not in shown


def test_bytes_are_shown_as_base64_and_streams_as_gone() -> None:
    assert "not text: base64" in page(make_run(input=Kept("bytes", b"\xff\xfe", 2)))
    assert "went past as a stream" in page(make_run(input=Kept("stream")))


def test_an_error_is_not_told_twice_where_its_traceback_ends_with_it() -> None:
    run = failed(error_traceback="Traceback (most recent call last):\n  line\nValueError: no luck\n")
    assert page(run).count("ValueError: no luck") == 1
    assert page(failed(error_traceback="Traceback of another end")).count("ValueError: no luck") == 1


def test_whether_newer_code_has_run_is_told() -> None:
    assert "newer code has run since" in page(make_run(code="abc"), latest=False)
    assert "the function's latest" in page(make_run(code="abc"), latest=True)
