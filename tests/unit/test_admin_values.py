"""What callers of the admin API write: moments, contents, conditions; and what the audit says of what they did."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from funchost.bindings.errors import BindingError, StoreError
from funchost.host.admin.answers import encoded
from funchost.host.admin.call import AdminCall
from funchost.host.admin.contents import content_of
from funchost.host.admin.moments import parse_moment, parse_since
from funchost.host.admin.notes import note
from funchost.host.admin.run_queries import ReplayMany, filter_words

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2030-01-31T10:00:00", datetime(2030, 1, 31, 10, tzinfo=UTC)),
        ("2030-01-31T10:00:00+02:00", datetime(2030, 1, 31, 8, tzinfo=UTC)),
        ("2030-01-31T10:00:00Z", datetime(2030, 1, 31, 10, tzinfo=UTC)),
        ("90m", NOW - timedelta(minutes=90)),
        ("2d", NOW - timedelta(days=2)),
        (None, None),
    ],
)
def test_a_moment_is_a_time_or_an_age(text: str | None, moment: datetime | None) -> None:
    assert parse_since(text, "since", NOW) == moment


@pytest.mark.parametrize("text", ["", "soon", "2030-02-30", "9" * 30 + "d", "0001-01-01T00:00:00+14:00", "é"])
def test_what_is_no_moment_is_told_with_its_parameter(text: str) -> None:
    with pytest.raises(BindingError, match="'since' is no time"):
        parse_since(text, "since", NOW)
    with pytest.raises(BindingError, match="'at' is no time"):
        parse_moment(text or "1h", "at")


def test_a_content_is_a_text_a_value_or_bytes() -> None:
    assert content_of("text", None, "data") == b"text"
    assert content_of({"n": 1}, None, "data") == b'{"n":1}'
    assert content_of(None, "/wA=", "data") == b"\xff\x00"
    assert content_of(None, None, "data") is None
    assert content_of("", None, "data") == b""
    for value, encoding in (("a", "YQ=="), (None, "*"), (None, "YQ"), ("\ud800", None)):
        with pytest.raises(BindingError, match="data"):
            content_of(value, encoding, "data")


def test_what_json_cannot_hold_is_written_all_the_same() -> None:
    assert encoded({"name": "\udcff"}) == b'{"name": "\\udcff"}'
    assert encoded(10**30) == b"1" + b"0" * 30


def test_how_runs_are_replayed_does_not_say_which() -> None:
    assert filter_words(ReplayMany(rate=5.0, dryRun=True, again=True)) == ""
    said = ReplayMany(function=("a", "b"), state=("failed",), since="1h")
    assert filter_words(said) == "function=a function=b state=failed since=1h"


# -- what is written down


class Noted:
    """A call whose notes are kept."""

    def __init__(self, names: dict[str, str], error: Exception | None = None) -> None:
        self.names = names
        self.who = "api:_master"
        self.rows: list[tuple[str, str, dict[str, Any]]] = []
        self._error = error
        self.workbench = SimpleNamespace(note=self._note)

    async def _note(self, action: str, target: str, **detail: Any) -> None:
        if self._error:
            raise self._error
        self.rows.append((action, target, detail))


async def noted(
    names: dict[str, str], status: int, value: Any = None
) -> list[tuple[str, str, dict[str, Any]]]:
    call = Noted(names)
    await note(cast(AdminCall, call), "keys.set", (status, value))
    return call.rows


async def test_what_was_done_is_written_down_with_what_it_was_done_to() -> None:
    assert await noted({}, 202) == [("keys.set", "host", {})]
    assert await noted({"key": "mine"}, 201) == [("keys.set", "mine", {})]
    assert await noted({"function": "f", "key": "mine"}, 204) == [("keys.set", "mine", {"function": "f"})]


async def test_what_was_tried_and_failed_is_written_down_and_what_was_refused_is_not() -> None:
    assert await noted({}, 503, {"error": "no worker"}) == [
        ("keys.set", "host", {"outcome": "failed: no worker"})
    ]
    assert await noted({"key": "mine"}, 409) == [("keys.set", "mine", {"outcome": "failed"})]
    for status in (400, 404):
        assert await noted({"key": "mine"}, status, {"error": "x"}) == []


async def test_an_audit_that_cannot_be_written_takes_nothing_back(caplog: pytest.LogCaptureFixture) -> None:
    call = Noted({"key": "mine"}, StoreError("the disk is full"))
    await note(cast(AdminCall, call), "keys.set", (200, None))
    assert "keys.set by api:_master could not be written" in caplog.text
