"""W3C trace context."""

from __future__ import annotations

import re

import pytest

from funchost.host.execution.trace import Trace
from funchost.triggers.base import TriggerEvent

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"


def _of(parent: str | None, state: str | None = None) -> Trace:
    return Trace.of(TriggerEvent(kind="http", traceparent=parent, tracestate=state), RUN)


RUN = "0f8b3c1d-5e6a-4f7b-a8c9-d0e1f2a3b4c5"


def test_a_callers_trace_goes_on_with_a_span_of_our_own() -> None:
    trace = _of(CALLER, "vendor=1")
    assert re.fullmatch(r"00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-00", trace.parent)
    assert "b7ad6b7169203331" not in trace.parent
    assert trace.state == "vendor=1"


def test_without_a_caller_a_new_trace_begins() -> None:
    trace = _of(None)
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", trace.parent)
    assert trace.state is None


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "nonsense",
        CALLER.upper(),
        CALLER + "-more",
        CALLER[:-1],
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ],
)
def test_what_is_no_trace_is_not_passed_on_nor_its_state(parent: str) -> None:
    trace = _of(parent, "vendor=1")
    assert "0af7651916cd43dd8448eb211c80319c" not in trace.parent
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", trace.parent)
    assert trace.state is None
