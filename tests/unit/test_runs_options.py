"""What the options of `funchost runs` take, and how a filter reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from funchost.bindings.history import RunFilter, RunState
from funchost.host.cli.main import cli
from funchost.host.cli.options import Rate, Since
from funchost.host.cli.runs_filter import State, filter_of, filter_text


def refused(kind: click.ParamType[Any], text: str) -> str:
    with pytest.raises(click.BadParameter) as caught:
        kind.convert(text, None, None)
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("1h", timedelta(hours=1)),
        ("2d", timedelta(days=2)),
        ("1h30m", timedelta(minutes=90)),
        ("0s", timedelta(0)),
    ],
)
def test_an_age_is_so_long_before_now(text: str, age: timedelta) -> None:
    before = datetime.now(UTC)
    found = Since().convert(text, None, None)
    assert before - age <= found <= datetime.now(UTC) - age


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2030-01-31T18:00:00+01:00", datetime(2030, 1, 31, 17, tzinfo=UTC)),
        ("2030-01-31T17:00:00Z", datetime(2030, 1, 31, 17, tzinfo=UTC)),
        ("2030-01-31", datetime(2030, 1, 31).astimezone()),
    ],
)
def test_a_moment_is_itself(text: str, moment: datetime) -> None:
    assert Since().convert(text, None, None) == moment
    assert Since().convert(moment, None, None) is moment


@pytest.mark.parametrize("text", ["", "soon", "1", "1x", "-1h", "99999999d", "2030-13-01"])
def test_what_is_neither_is_refused_with_examples(text: str) -> None:
    assert "such as 30m, 1h or 2d" in refused(Since(), text)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("10/s", 10.0),
        ("90/m", 1.5),
        ("36/h", 0.01),
        ("0.5/s", 0.5),
        ("7", 7.0),
        (" 3/S ", 3.0),
    ],
)
def test_a_rate_is_so_many_a_second(text: str, rate: float) -> None:
    assert Rate().convert(text, None, None) == pytest.approx(rate)


@pytest.mark.parametrize("text", ["", "0", "0/s", "-1/s", "10/", "10/d", "fast", "1e9", "nan/s", "inf"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    assert "is no rate" in refused(Rate(), text)


def test_a_state_that_is_none_names_the_nearest() -> None:
    assert State().convert("failed", None, None) is RunState.FAILED
    assert "Did you mean 'abandoned'?" in refused(State(), "abandonned")


def test_a_filter_reads_as_it_could_be_typed() -> None:
    moment = datetime(2030, 1, 31, 17, tzinfo=UTC)
    wanted = filter_of(("work",), (RunState.FAILED,), moment, None, "no luck")
    assert filter_text(wanted) == (
        f"--function work --state failed --since {moment.astimezone().isoformat()} --search 'no luck'"
    )
    assert filter_text(RunFilter()) == ""


def test_an_empty_search_is_refused() -> None:
    with pytest.raises(click.BadParameter, match="at least one word"):
        filter_of((), (), None, None, "  ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["list", "--state", "faild"], "Did you mean 'failed'?"),
        (["list", "--since", "soon"], "is no time"),
        (["list", "--search", " "], "at least one word"),
        (["show", "ffffffff", "--log", "--json"], "leave --json out"),
        (["replay"], "Say which run"),
        (["replay", "ffffffff", "--since", "1h"], "Give one of these"),
        (["replay", "--since", "1h", "--data", "x"], "for one run"),
        (["replay", "ffffffff", "--dry-run"], "for a filter"),
        (["replay", "ffffffff", "--edit", "--data", "x"], "not both"),
        (["replay", "ffffffff", "--edit"], "needs a terminal"),
        (["replay", "--since", "1h", "--rate", "fast"], "is no rate"),
        (["replya"], "Did you mean 'replay'?"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(tmp_path: Path, arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(cli, ["runs", *arguments, "--root", str(tmp_path)])
    assert (done.exit_code, done.stdout) == (2, "")
    assert words in " ".join(done.stderr.split())
    assert list(tmp_path.iterdir()) == []
