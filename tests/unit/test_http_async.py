"""What a caller prefers, as the header says it."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from funchost.triggers.http_async import accepted_reply, asked, seconds_of


def wait_of(*lines: str) -> float | None:
    """Seconds that a caller waits who sends these headers; None: to the end."""
    wish = asked(CIMultiDictProxy(CIMultiDict([("Prefer", line) for line in lines])))
    return None if wish is None else wish.wait


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        (["respond-async"], 0.0),
        (["Respond-Async"], 0.0),
        (["respond-async, wait=10"], 10.0),
        (["wait=10,respond-async"], 10.0),
        (["respond-async", "wait=10"], 10.0),
        (['respond-async; a=b, wait="7"'], 7.0),
        (["return=minimal, respond-async , wait = 3"], 3.0),
        # The first of several counts.
        (["respond-async, wait=1, wait=9"], 1.0),
        # A wait that is none does not matter.
        (["respond-async, wait=soon"], 0.0),
        (["respond-async, wait=-1"], 0.0),
        (["respond-async, wait=1.5"], 0.0),
        (["respond-async, wait=" + "9" * 5000], 0.0),
        (["respond-async, wait=٣"], 0.0),
    ],
)
def test_it_is_read_as_rfc_7240_has_it(lines: list[str], seconds: float) -> None:
    assert wait_of(*lines) == seconds


@pytest.mark.parametrize(
    "lines", [[], [""], ["wait=5"], ["respond-asynchronously"], ["x-respond-async"], [","]]
)
def test_without_the_preference_a_caller_waits_to_the_end(lines: list[str]) -> None:
    assert wait_of(*lines) is None


def test_seconds_are_whole_ones() -> None:
    assert (seconds_of("0"), seconds_of("15"), seconds_of(""), seconds_of("true")) == (0.0, 15.0, None, None)


def test_the_answer_tells_where_to_ask() -> None:
    reply = accepted_reply("r-1", "/runs/r-1?sig=x", "http://localhost:1")
    assert reply.status == 202
    assert dict(reply.headers) == {
        "Content-Type": "application/json; charset=utf-8",
        "Location": "/runs/r-1?sig=x",
        "Retry-After": "1",
        "Preference-Applied": "respond-async",
    }
    assert reply.body == b'{"id":"r-1","state":"running","statusUrl":"http://localhost:1/runs/r-1?sig=x"}'
