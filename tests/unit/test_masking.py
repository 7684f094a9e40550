"""What of a request is kept: nothing that opens doors, and whatever a caller made of it."""

from __future__ import annotations

from typing import Any

import pytest

from funchost.host.history.masking import MASK, masked_headers, masked_url, request_event


def event(url: str = "http://localhost/api/x", *headers: tuple[str, str]) -> dict[str, Any]:
    given = {"method": "GET", "url": url, "headers": [list(pair) for pair in headers], "params": {}}
    return request_event(given)


@pytest.mark.parametrize(
    "name", ["code", "CODE", "c%6Fde", "sig", "access_token", "api%2Dkey", "my+password"]
)
def test_a_secret_parameter_is_masked_however_its_name_is_written(name: str) -> None:
    url = masked_url(f"http://localhost/api/x?a=1&{name}=hidden&b=2")
    assert url == f"http://localhost/api/x?a=1&{name}={MASK}&b=2"


def test_all_else_of_a_url_stays_as_it_was() -> None:
    for url in ("http://localhost/a", "http://localhost/a?", "http://localhost/a?b&&c=%20d?e#f?code=1"):
        assert masked_url(url) == url


@pytest.mark.parametrize("host", ["[", "[::1", "a]b", "", "//"])
def test_a_host_that_is_none_does_not_keep_a_request_from_being_recorded(host: str) -> None:
    assert event(f"http://{host}/api/x?code=hidden")["url"] == f"http://{host}/api/x?code={MASK}"


@pytest.mark.parametrize("name", ["Authorization", "cookie", "X-Functions-Key", "X-Api-Key", "Callback-Url"])
def test_a_header_that_is_for_a_secret_is_masked(name: str) -> None:
    assert event("http://localhost/", (name, "hidden"))["headers"] == [[name, MASK]]


@pytest.mark.parametrize("name", ["Referer", "X-Original-URL"])
def test_a_url_in_a_header_of_a_request_is_masked_as_the_requests_own(name: str) -> None:
    assert event("http://localhost/", (name, "/api/x?code=hidden"))["headers"] == [
        [name, f"/api/x?code={MASK}"]
    ]


def test_where_an_answer_leads_stays_whole() -> None:
    location = ["Location", "https://example.org/file?sig=of-the-caller"]
    assert masked_headers([location, ["Set-Cookie", "hidden"]]) == [location, ["Set-Cookie", MASK]]
