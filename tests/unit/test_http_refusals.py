"""How requests that cannot be read are told."""

from __future__ import annotations

import pytest
from aiohttp.http_exceptions import BadHttpMessage

from funchost.triggers.http_refusals import PAUSE, Refusals


def test_requests_that_were_not_told_are_counted_in_the_next_line(caplog: pytest.LogCaptureFixture) -> None:
    moment = 0.0
    refusals = Refusals(lambda: moment)
    for _ in range(4):
        refusals.status(BadHttpMessage("Invalid method"))
    moment = PAUSE
    refusals.status(BadHttpMessage("Invalid method"))
    first, second = (record.getMessage() for record in caplog.records)
    assert first.endswith("(Invalid method).")
    assert second.endswith("(Invalid method). So were 3 more before it.")


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("Bad line:\n\n  b'GET \\x00'\n   ^", "(Bad line)"),
        ("a\x1b[2Jb", "(a?[2Jb)"),
        ("x" * 500, f"({'x' * 200})"),
        ("", "(no reason given)"),
    ],
)
def test_the_line_shows_no_bytes_of_the_request(
    caplog: pytest.LogCaptureFixture, message: str, told: str
) -> None:
    assert Refusals().status(BadHttpMessage(message)) == 400
    assert told in caplog.text


def test_too_many_headers_are_too_large(caplog: pytest.LogCaptureFixture) -> None:
    assert Refusals().status(BadHttpMessage("Too many headers received")) == 431
    assert "too many headers" in caplog.text
