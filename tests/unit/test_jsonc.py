import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funchost.host.config.jsonc import JsonSyntaxError, loads

TEXT = """\ufeff// top
{
  /* block
     comment */
  "bindings": [
    { "name": "msg", // here
      "Type": "queueTrigger", },
  ],
  "url": "http://x/*y*/", "path": "a\\\\b\\u00e9\\n",
}
// end"""


def test_comments_trailing_commas_and_a_byte_order_mark_are_fine() -> None:
    assert loads(TEXT).value == {
        "bindings": [{"name": "msg", "Type": "queueTrigger"}],
        "url": "http://x/*y*/",
        "path": "a\\bé\n",
    }


def test_a_key_is_found_at_its_line_in_any_case() -> None:
    document = loads(TEXT)
    assert document.line_of(("bindings",)) == 5
    assert document.line_of(("BINDINGS", 0, "type")) == 7
    assert document.line_of(("bindings", 0)) == 6
    assert document.line_of(("bindings", 0, "queueName")) == 6
    assert document.line_of(("nothing", "here")) == 2


def test_a_key_that_stands_twice_is_noted_and_the_last_counts() -> None:
    document = loads('{"a": 1, "b": {"x": 1, "X": 2}, "a": 3}')
    assert document.value == {"a": 3, "b": {"x": 1, "X": 2}}
    assert document.duplicates == (("b", "X"), ("a",))


@pytest.mark.parametrize(
    ("text", "line", "column", "sentence"),
    [
        ("", 1, 1, "The file is empty"),
        ('{"a": 1', 1, 8, "ends too early"),
        ('{"a" 1}', 1, 6, 'Expected a colon after the key "a"'),
        ('{"a": 1\n "b": 2}', 2, 2, 'Expected a comma or a closing } after the value of "a"'),
        ("[1 2]", 1, 4, "Expected a comma or a closing ] after a list item"),
        ("{'a': 1}", 1, 2, "Expected a key in double quotes"),
        ("{\"a\": 'b'}", 1, 7, "not single ones"),
        ('{"a": "b\n"}', 1, 7, "no closing double quote"),
        ('{"a": "b\\q"}', 1, 7, "backslash"),
        ('{"a": yes}', 1, 7, "not 'yes'"),
        ('{"a": 01}', 1, 7, "not '01'"),
        ('{"a": }', 1, 7, "not '}'"),
        ('{"a": 1} x', 1, 10, "after the end"),
        ("/* a", 1, 1, "closing */"),
        ("[" * 5000, 1, 102, "nested more than"),
        ("9" * 5000, 1, 1, "Expected a value"),
    ],
)
def test_a_syntax_error_is_told_in_a_sentence_with_its_place(
    text: str, line: int, column: int, sentence: str
) -> None:
    with pytest.raises(JsonSyntaxError) as caught:
        loads(text)
    assert sentence in str(caught.value)
    assert (caught.value.line, caught.value.column) == (line, column)


def test_bytes_are_decoded_and_told_when_they_are_no_text() -> None:
    assert loads(b'\xef\xbb\xbf{"a": "\xc3\xa9"}').value == {"a": "é"}
    assert loads('{"a": 1}'.encode("utf-16")).value == {"a": 1}
    with pytest.raises(JsonSyntaxError, match="UTF-8") as caught:
        loads(b'{\n"a": "\xff"}')
    assert caught.value.line == 2


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=50)
@given(JSON_VALUES)
def test_whatever_is_strict_json_reads_as_json_reads_it(value: Any) -> None:
    text = json.dumps(value, indent=1)
    assert loads(text).value == json.loads(text)
