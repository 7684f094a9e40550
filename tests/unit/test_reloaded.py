"""What is told of a reload, and numbers as people read them."""

from __future__ import annotations

import pytest

from funchost.bindings.counted import counted
from funchost.host.logs.reloaded import reloaded_text


@pytest.mark.parametrize(
    ("before", "now", "text"),
    [
        ({}, {}, "Reloaded: 0 functions"),
        ({"a": "u/a"}, {"a": "u/a"}, "Reloaded: 1 function"),
        ({"a": "u/a"}, {"a": "u/a", "b": "u/b", "c": ""}, "Reloaded: 3 functions, new: b u/b, c"),
        ({"a": "u/a", "b": "u/b"}, {"a": "u/x", "b": "u/b"}, "Reloaded: 2 functions, changed: a u/x"),
        ({"a": "u/a"}, {"a": ""}, "Reloaded: 1 function"),
        ({"a": ""}, {"a": "u/a", "b": ""}, "Reloaded: 2 functions, new: b, changed: a u/a"),
    ],
)
def test_a_reload_names_what_is_new_and_where_it_is(
    before: dict[str, str], now: dict[str, str], text: str
) -> None:
    assert reloaded_text(before, now) == text


def test_one_thing_is_no_plural() -> None:
    assert [counted(number, "byte") for number in (0, 1, 2)] == ["0 bytes", "1 byte", "2 bytes"]
    assert counted(1, "delivery", "deliveries") == "1 delivery"
    assert counted(5, "delivery", "deliveries") == "5 deliveries"
