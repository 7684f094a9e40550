"""What requests of a web extension look like."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from funchost.host.worker.http_extension import request_scope, serves


def scope(url: str, *headers: tuple[str, str]) -> dict[str, Any]:
    return request_scope({"method": "GET", "url": url, "headers": [list(pair) for pair in headers]})


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("http://shop.example:8080/a", ("shop.example", 8080)),
        ("http://shop.example/a", ("shop.example", 80)),
        ("https://shop.example/a", ("shop.example", 443)),
        ("http://shop.example:/a", ("shop.example", 80)),
        ("http://[::1]:7071/a", ("[::1]", 7071)),
        ("http://[::1]/a", ("[::1]", 80)),
        ("http://shop.example:x/a", ("shop.example:x", 80)),
    ],
)
def test_the_server_is_the_one_that_was_asked(url: str, server: tuple[str, int]) -> None:
    assert scope(url)["server"] == server


def test_the_path_is_decoded_and_the_query_is_not() -> None:
    found = scope("http://a/b%20c/gr%C3%BC%C3%9Fe%2F?q=%20&r=?")

    assert found["path"] == "/b c/grüße/"
    assert found["raw_path"] == b"/b%20c/gr%C3%BC%C3%9Fe%2F"
    assert found["query_string"] == b"q=%20&r=?"


def test_headers_that_repeat_stand_apart() -> None:
    found = scope("http://a/", ("accept", "a"), ("accept", "b"), ("x-name", "grüße"))

    assert found["headers"] == [(b"accept", b"a"), (b"accept", b"b"), (b"x-name", "grüße".encode())]


def test_without_an_extension_nothing_is_served_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "azurefunctions.extensions.base", raising=False)

    assert not serves({"trigger": {"type": "httpTrigger"}})
