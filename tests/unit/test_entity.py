"""What a table and an entity may be, and entities from what functions write."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funchost.bindings.entity import MAX_PROPERTIES, is_key, read_entities, table_name
from funchost.bindings.errors import BindingError
from funchost.bindings.table import OutgoingEntity

KEYS = {"PartitionKey": "p", "RowKey": "1"}


def read(value: Any, partition_key: str | None = None, row_key: str | None = None) -> list[OutgoingEntity]:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return read_entities(content, "people", partition_key, row_key, "rows")


def properties(**given: Any) -> dict[str, Any]:
    [entity] = read(KEYS | given)
    return entity.properties


# -- names


@pytest.mark.parametrize("name", ["abc", "Orders", "a1B2", "x" * 63])
def test_a_table_is_named_with_letters_and_digits_in_any_case(name: str) -> None:
    assert table_name(name) == name.lower()


@pytest.mark.parametrize(
    "name", ["", "ab", "x" * 64, "1abc", "my-table", "my_table", "Tables", "tables", "äbc", "a b", "abc\n"]
)
def test_any_other_name_is_refused(name: str) -> None:
    with pytest.raises(BindingError, match="is not a table name"):
        table_name(name)


@pytest.mark.parametrize("key", ["", " ", "a'b", "ü", "100%", "x" * 1024, "2026-03-01T12:00"])
def test_a_key_may_be_nearly_any_text(key: str) -> None:
    assert is_key(key)


@pytest.mark.parametrize(
    "key", ["a/b", "a\\b", "a#b", "a?b", "\n", "a\x00", "\x7f", "\x9f", "x" * 1025, "ü" * 513, "\ud800"]
)
def test_some_characters_and_lengths_are_not_for_keys(key: str) -> None:
    assert not is_key(key)


# -- one value, how many entities


def test_an_object_is_one_entity_and_an_array_several() -> None:
    assert read(KEYS | {"Name": "Ada"}) == [
        OutgoingEntity(table="people", partition_key="p", row_key="1", properties={"Name": "Ada"})
    ]
    assert [each.row_key for each in read([KEYS, KEYS | {"RowKey": "2"}])] == ["1", "2"]
    assert [each.row_key for each in read([json.dumps(KEYS)])] == ["1"], "an element that is text"
    assert read([]) == []


def test_keys_come_from_the_entity_or_else_from_the_binding() -> None:
    [entity] = read({"Name": "Ada"}, "people", "7")
    assert (entity.partition_key, entity.row_key) == ("people", "7")
    [entity] = read({"RowKey": "8"}, "people", "7")
    assert (entity.partition_key, entity.row_key) == ("people", "8")
    [entity] = read({"partitionKey": "a", "ROWKEY": 5})
    assert (entity.partition_key, entity.row_key) == ("a", "5")
    assert entity.properties == {}


def test_an_empty_key_is_a_key() -> None:
    [entity] = read({"PartitionKey": "", "RowKey": ""})
    assert (entity.partition_key, entity.row_key) == ("", "")


def test_values_stay_what_they_are_and_null_is_nothing() -> None:
    values = {"a": "x", "b": -(2**63), "c": 0.5, "d": False, "e": "2026-03-01T12:00:00Z"}
    assert properties(**values, f=None) == values


def test_what_the_service_fills_in_is_passed_over() -> None:
    given = {"Timestamp": "2020", "odata.metadata": "x", "Age@odata.type": "Edm.Int64", "Age": 5}
    assert properties(**given) == {"Age": 5}


@pytest.mark.parametrize("name", ["odata.etag", "ETag", "etag"])
def test_an_etag_asks_for_a_replacement(name: str) -> None:
    [entity] = read(KEYS | {name: "*"})
    assert (entity.etag, entity.properties) == ("*", {})


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (b"hello", "takes JSON, and this is not JSON"),
        (b"", "takes JSON, and this is not JSON"),
        (b"\xff", "takes JSON, and this is not JSON"),
        (b"[" * 100_000, "takes JSON, and this is not JSON"),
        (["{broken"], "takes JSON, and this is not JSON"),
        (5, "takes JSON objects, not a number"),
        (None, "takes JSON objects, not null"),
        ([[KEYS]], "takes JSON objects, not an array"),
        ("text", "takes JSON, and this is not JSON"),
        ({"RowKey": "1"}, "needs a PartitionKey: give it in the entity or in the binding"),
        ({"PartitionKey": "p"}, "needs a RowKey"),
        (KEYS | {"RowKey": None}, "needs a RowKey"),
        (KEYS | {"RowKey": True}, "takes text as RowKey, not true or false"),
        (KEYS | {"RowKey": 1.5}, "takes text as RowKey, not a number"),
        (KEYS | {"RowKey": "a/b"}, "cannot use 'a/b' as RowKey"),
        (KEYS | {"PartitionKey": "x" * 2000}, "at most 1024 bytes"),
        (KEYS | {"Address": {"City": "Wien"}}, "cannot store the property 'Address'"),
        (KEYS | {"Tags": ["a"]}, "not an array. Write it as text"),
        (KEYS | {"full name": "x"}, "cannot store the property 'full name'"),
        (KEYS | {"": "x"}, "cannot store the property ''"),
        (KEYS | {"1st": "x"}, "no digit first"),
        (KEYS | {"x" * 256: 1}, "at most 255"),
        (KEYS | {"Big": 2**63}, "does not fit into 64 bits"),
        (KEYS | {"Long": "x" * 32769}, "at most 32768 characters"),
        (KEYS | {f"p{n}": 1 for n in range(MAX_PROPERTIES + 1)}, "cannot store 253 properties"),
        (KEYS | {f"p{n}": "ü" * 32768 for n in range(17)}, "over 1 MiB"),
    ],
)
def test_what_is_no_entity_fails_the_run_and_names_the_output(value: Any, sentence: str) -> None:
    with pytest.raises(BindingError) as raised:
        read(value)
    assert str(raised.value).startswith("The output 'rows' (table) ")
    assert sentence in str(raised.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.one_of(st.binary(), st.text().map(str.encode), JSON.map(lambda value: json.dumps(value).encode())))
def test_no_output_value_raises_anything_but_binding_errors(content: bytes) -> None:
    with contextlib.suppress(BindingError):
        read_entities(content, "people", "p", "1", "rows")
