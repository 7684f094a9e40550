"""A table binding's filter, filled for an event."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Any

import pytest
from fakes import ManualClock
from hypothesis import given
from hypothesis import strategies as st

from funchost.bindings.errors import BindingError
from funchost.bindings.expressions import ExpressionError
from funchost.bindings.filter_template import FilterTemplate
from funchost.bindings.odata import FilterError


def wants(text: str, metadata: dict[str, Any], entity: dict[str, Any]) -> bool:
    return FilterTemplate(text).fill(metadata, function="Work", clock=ManualClock())(entity)


def test_a_value_in_quotes_is_text() -> None:
    assert wants("Name eq '{name}'", {"NAME": "Ada"}, {"Name": "Ada"})
    assert wants("Name eq 'Dr. {name} {name}'", {"name": "A"}, {"Name": "Dr. A A"})


@pytest.mark.parametrize(
    "value", ["' or true or '", "''", "'", "a' or 'a' eq 'a", "x') or (Name ne '", "'' or true or ''", "\\'"]
)
def test_a_value_cannot_break_out_of_its_quotes(value: str) -> None:
    assert not wants("Name eq '{name}'", {"name": value}, {"Name": "Ada"})
    assert wants("Name eq '{name}'", {"name": value}, {"Name": value})
    assert not wants("Name eq 'it''s {name}'", {"name": value}, {"Name": "Ada"})


@given(st.text())
def test_no_value_widens_what_is_wanted(value: str) -> None:
    assert wants("Name eq '{name}'", {"name": value}, {"Name": "Ada"}) is (value == "Ada")


@pytest.mark.parametrize("value", ["2026-01-01T00:00:00Z' or true or 'a' eq 'a", "' or '", "x"])
def test_a_value_cannot_break_out_of_a_typed_literal(value: str) -> None:
    with pytest.raises(FilterError):
        wants("Born gt datetime'{born}'", {"born": value}, {"Born": "2020-01-01T00:00:00Z"})


def test_a_number_or_a_truth_value_needs_no_quotes() -> None:
    assert wants("Age ge {age}", {"age": "36"}, {"Age": 36})
    assert wants("Age ge {age}", {"age": 35.5}, {"Age": 36})
    assert wants(
        "Age ge {age} and Active eq {active}", {"age": -1, "active": True}, {"Age": 0, "Active": True}
    )


@pytest.mark.parametrize("value", ["1 or true", "true or true", "Name", "", "1)", "'a'", "٣", None])
def test_anything_else_without_quotes_fails_the_run(value: Any) -> None:
    with pytest.raises(FilterError, match=r"Write '\{age\}' for text"):
        wants("Age ge {age}", {"age": value}, {"Age": 36})


def test_a_whole_filter_may_come_from_the_event() -> None:
    assert wants("{filter}", {"filter": "Age ge 36 or Name eq 'Ada'"}, {"Age": 40})
    with pytest.raises(FilterError):
        wants("{filter}", {"filter": "rubbish ("}, {})


def test_a_time_of_the_event_is_a_moment() -> None:
    inserted = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert wants(
        "Born lt datetime'{insertionTime}'", {"insertionTime": inserted}, {"Born": "2026-03-01T11:59:59Z"}
    )
    assert not wants(
        "Born lt datetime'{insertionTime}'", {"insertionTime": inserted}, {"Born": "2026-03-01T12:00Z"}
    )


def test_a_value_that_the_event_lacks_fails_the_run() -> None:
    with pytest.raises(ExpressionError, match="name"):
        wants("Name eq '{name}'", {}, {})


def test_a_filter_that_is_the_same_for_every_event_is_read_when_it_is_made() -> None:
    with pytest.raises(FilterError):
        FilterTemplate("Name eq")
    FilterTemplate("Name eq {name} nonsense")


@given(st.text(alphabet="'{}ab eq0", max_size=12), st.text())
def test_no_filter_and_no_value_raise_anything_but_binding_errors(text: str, value: str) -> None:
    with contextlib.suppress(BindingError):
        wants(text, {"a": value, "b": value}, {"a": value})
