"""OData filters: what they want, and what is no filter."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funchost.bindings.odata import MAX_DEPTH, FilterError, parse_filter

ADA: dict[str, Any] = {
    "PartitionKey": "people",
    "RowKey": "7",
    "Timestamp": datetime(2026, 3, 1, 12, tzinfo=UTC),
    "Name": "Ada",
    "Motto": "it's fine",
    "Age": 36,
    "Height": 1.65,
    "Big": 2**53 + 1,
    "Active": True,
    "Left": False,
    "Born": "1815-12-10T00:00:00Z",
    "Id": "C9DA6455-213D-42C9-9A79-3E9149A57833",
    "Photo": "3q2+7w==",
    "größe": 1,
}


def wants(text: str, entity: dict[str, Any] = ADA) -> bool:
    return parse_filter(text)(entity)


@pytest.mark.parametrize(
    "text",
    [
        "Name eq 'Ada'",
        "Name ne 'Bob'",
        "Name gt 'Abc'",
        "Name ge 'Ada'",
        "Name lt 'ada'",
        "Name le 'Ada'",
        "'Ada' eq Name",
        "Motto eq 'it''s fine'",
        "PartitionKey eq 'people' and RowKey eq '7'",
        "Age eq 36",
        "Age eq 36L",
        "Age eq 36.0",
        "Age gt 35.5",
        "Age ge +36",
        "Age gt -1",
        "Age lt 1e3",
        "Height gt 1.6",
        "Height lt 2",
        "Big eq 9007199254740993",
        "Big ne 9007199254740992",
        "Active eq true",
        "Left eq false",
        "Active ne false",
        "Active",
        "not Left",
        "true",
        "Timestamp gt datetime'2026-03-01T11:59:59Z'",
        "Timestamp eq datetime'2026-03-01T13:00:00+01:00'",
        "Timestamp le datetime'2026-03-01T12:00:00.0000009Z'",
        "Born eq datetime'1815-12-10T00:00:00'",
        "Born lt datetime'1900-01-01T00:00:00.0000000Z'",
        "Id eq guid'c9da6455-213d-42c9-9a79-3e9149a57833'",
        "Photo eq X'deadbeef'",
        "Photo eq binary'DEADBEEF'",
        "größe eq 1",
        "  ( Name  eq\n'Ada' )  ",
        "((Name eq 'Ada'))",
        "not (Name eq 'Bob')",
        "not not (Name eq 'Ada')",
        "Name eq 'Bob' or Name eq 'Ada'",
        "not (Name eq 'Ada' and Age eq 1)",
    ],
)
def test_a_filter_wants_what_fulfils_it(text: str) -> None:
    assert wants(text)


@pytest.mark.parametrize(
    "text",
    [
        "Name eq 'ada'",
        "Name eq 'Ada '",
        "Name eq ''",
        "Age gt 36",
        "Age lt 36",
        "Active eq false",
        "Active eq 1",
        "Name",
        "false",
        "not Active",
        "Age eq '36'",
        "Age gt '1'",
        "name eq 'Ada'",
        "Name eq 'Ada' and Age eq 1",
        "Name eq 'x' or Age eq 1",
        "Born gt datetime'1900-01-01T00:00:00Z'",
        "Id eq guid'00000000-0000-0000-0000-000000000000'",
        "Name eq guid'00000000-0000-0000-0000-000000000000'",
        "Photo eq X''",
    ],
)
def test_a_filter_does_not_want_what_does_not(text: str) -> None:
    assert not wants(text)


@pytest.mark.parametrize("word", ["eq", "ne", "gt", "ge", "lt", "le"])
def test_a_property_that_is_missing_fulfils_no_comparison(word: str) -> None:
    assert not wants(f"Shoes {word} 5")
    assert not wants(f"5 {word} Shoes")
    assert wants(f"not (Shoes {word} 5)")


def test_values_of_different_types_are_unequal_and_have_no_order() -> None:
    assert wants("Name ne 5")
    assert not any(wants(f"Name {word} 5") for word in ("eq", "gt", "ge", "lt", "le"))


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("true or false and false", True),
        ("(true or false) and false", False),
        ("not true or true", True),
        ("not (true or true)", False),
        ("not false and false", False),
        ("false and false or true", True),
    ],
)
def test_not_binds_tighter_than_and_and_that_tighter_than_or(text: str, result: bool) -> None:
    assert wants(text) is result


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "expected a property or a value at character 1 (its end)"),
        ("Name eq", "expected a property or a value at character 8 (its end)"),
        ("Name eq 'Ada", "something that no filter holds at character 8 ( 'Ada)"),
        ("Name == 'Ada'", "no filter holds at character 5"),
        ("Name EQ 'Ada'", "expected 'and' or 'or' at character 6 (EQ 'Ada')"),
        ("Name eq 'Ada' Age eq 1", "expected 'and' or 'or' at character 15"),
        ("eq eq 5", "a property or a value"),
        ("Name eq null", "a property or a value"),
        ("(Name eq 'Ada'", "expected ')' at character 15 (its end)"),
        ("Name eq 'Ada')", "'and' or 'or'"),
        ("()", "a property or a value"),
        ("Age gt 5x", "no filter holds"),
        ("Age gt 5.", "no filter holds"),
        ("Age gt 1.2.3", "no filter holds"),
        ("Born gt datetime'yesterday'", "datetime'yesterday' is not a value"),
        ("Born gt datetime'0001-01-01T00:00:00+14:00'", "is not a value"),
        ("Id eq guid'12'", "guid'12' is not a value"),
        ("Photo eq X'abc'", "X'abc' is not a value"),
        ("startswith(Name, 'A')", "'startswith' is called"),
        ("Age add 1 eq 2", "'and' or 'or'"),
        ("Address/City eq 'Wien'", "no filter holds"),
        ("a and or b", "a property or a value"),
    ],
)
def test_what_is_no_filter_is_told_with_its_place(text: str, sentence: str) -> None:
    with pytest.raises(FilterError) as raised:
        parse_filter(text)
    assert sentence in str(raised.value)


def test_nesting_has_an_end() -> None:
    assert wants("(" * (MAX_DEPTH - 1) + "true" + ")" * (MAX_DEPTH - 1))
    for deep in ("(" * 100_000 + "true", "not " * 100_000 + "true"):
        with pytest.raises(FilterError, match="are nested"):
            parse_filter(deep)


def test_a_long_chain_is_no_nesting() -> None:
    assert wants(" and ".join(["Age eq 36"] * 5_000))
    assert not wants(" or ".join(["Age eq 1"] * 5_000))


PIECES = st.sampled_from(
    [
        "Name",
        "Age",
        "Shoes",
        "Timestamp",
        "Born",
        "Photo",
        "eq",
        "ne",
        "gt",
        "le",
        "and",
        "or",
        "not",
        "(",
        ")",
        "'Ada'",
        "'it''s'",
        "'",
        "5",
        "-1.5e9",
        "1e999",
        "9e-999",
        "true",
        "false",
        "null",
        "datetime'2026-03-01'",
        "datetime'",
        "datetime'9999-12-31T23:59:59-12:00'",
        "guid'x'",
        "X'00'",
        "X'0'",
        "$",
        "/",
        ".",
        "é",
        "\x00",
    ]
)


@given(st.one_of(st.text(), st.lists(PIECES, max_size=20).map(" ".join), st.lists(PIECES).map("".join)))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        wanted = parse_filter(text)
    except FilterError:
        return
    assert wanted(ADA) in (True, False)
    assert wanted({}) in (True, False)


VALUES = st.one_of(
    st.text(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
)


@given(
    value=VALUES,
    literal=st.sampled_from(["5", "'a'", "true", "datetime'2026-03-01'", "X'00'", f"guid'{'0' * 32}'"]),
)
def test_no_value_breaks_a_comparison(value: Any, literal: str) -> None:
    for word in ("eq", "ne", "gt", "ge", "lt", "le"):
        assert wants(f"Value {word} {literal}", {"Value": value}) in (True, False)


@given(st.text())
def test_any_text_can_be_quoted(text: str) -> None:
    quoted = text.replace("'", "''")
    assert wants(f"Value eq '{quoted}'", {"Value": text})
    assert not wants(f"Value eq '{quoted}'", {"Value": text + "x"})
