"""`logging.logLevel` of host.json: which lines it lets through."""

from __future__ import annotations

import pytest

from funchost.host.logs.log_levels import LEVELS, LogLevels


def _least(category: str, **levels: str) -> str | None:
    """The least level that is shown of a category; None when nothing is."""
    shows = LogLevels({key.replace("__", "."): level for key, level in levels.items()}).shows
    return next((level for level in LEVELS if shows(category, level)), None)


def test_without_any_level_everything_is_shown() -> None:
    assert _least("Function.Work.User") == "debug"


@pytest.mark.parametrize(
    ("level", "least"),
    [
        ("Trace", "debug"),
        ("Debug", "debug"),
        ("Information", "info"),
        ("Warning", "warning"),
        ("Error", "error"),
        ("Critical", "critical"),
        ("None", None),
        ("wArNiNg", "warning"),
    ],
)
def test_azures_levels_in_any_case(level: str, least: str | None) -> None:
    assert _least("Function.Work.User", default=level) == least


@pytest.mark.parametrize("key", ["default", "Default", "DEFAULT"])
def test_the_default_is_for_what_no_key_matches(key: str) -> None:
    assert _least("Host.Startup", **{key: "Error", "Function": "Debug"}) == "error"


def test_the_longest_key_that_matches_counts_wherever_it_stands() -> None:
    levels = {
        "Function__Work__User": "Error",
        "Function": "Warning",
        "Function__Work": "None",
        "default": "Debug",
    }
    assert _least("Function.Work.User", **levels) == "error"
    assert _least("Function.Work", **levels) is None
    assert _least("Function.Other.User", **levels) == "warning"
    assert _least("Host.Startup", **levels) == "debug"


def test_a_key_is_a_beginning_of_the_text_and_not_only_of_whole_words() -> None:
    assert _least("Function.Worker.User", Function__Work="Error") == "error"
    assert _least("Function.Worker", Func="Error") == "error"
    assert _least("Function.Work", Function__Worker="Error") == "debug"


def test_keys_are_compared_without_case() -> None:
    assert _least("Function.Work.User", FUNCTION__work="Error") == "error"


@pytest.mark.parametrize(
    ("key", "category", "matches"),
    [
        ("Function.*.User", "Function.Work.User", True),
        ("Function.*.User", "Function.Work", False),
        ("*.User", "Function.Work.User", True),
        ("*", "Host.Startup", True),
        ("Host.Triggers.*", "Host.Triggers.Queue", True),
        ("F*n*User", "Function.Work.User", False),
    ],
)
def test_one_star_stands_for_anything(key: str, category: str, matches: bool) -> None:
    assert _least(category, **{key: "Error"}) == ("error" if matches else "debug")


def test_a_key_with_a_star_is_as_long_as_it_is_written() -> None:
    assert _least("Function.Work.User", **{"Function.*.User": "Error", "Function.Work": "Debug"}) == "error"
    assert _least("Function.Work.User", **{"F*.User": "Error", "Function.Work": "Warning"}) == "warning"


def test_a_level_nobody_knows_counts_as_information() -> None:
    levels = LogLevels({"default": "Information"})
    assert levels.shows("Function.Work.User", "notice")
    assert not LogLevels({"default": "Warning"}).shows("Function.Work.User", "notice")
