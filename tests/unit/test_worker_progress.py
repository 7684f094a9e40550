"""What a run says of itself: checked where it is said, and sent no faster than anybody can read."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from funchost.host.worker import progress as module
from funchost.host.worker.context import Context
from funchost.host.worker.progress import LARGEST_STATUS, PAUSE, Progress


class Wire:
    """Keeps what is sent, and what is to be done later."""

    def __init__(self) -> None:
        self.sent: list[tuple[float | None, bytes]] = []
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def progress(self, progress: float | None, status: bytes) -> None:
        self.sent.append((progress, status))

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        self.timers.append((seconds, work))


class Time:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(module, "time", time)
    return time


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def context(wire: Wire, time: Time) -> Context:
    context = Context({"invocation": "i-1"}, "resize", "/app/resize")
    context.tell = wire
    return context


def test_the_first_word_is_sent_at_once(context: Context, wire: Wire) -> None:
    context.set_progress(0.4, "resizing")
    assert wire.sent == [(0.4, b'"resizing"')]


def test_progress_alone_leaves_the_status_and_a_status_alone_the_progress(
    context: Context, wire: Wire, time: Time
) -> None:
    context.set_custom_status({"step": 1})
    time.seconds += PAUSE
    context.set_progress(0.5)
    time.seconds += PAUSE
    context.set_custom_status(["b"])
    time.seconds += PAUSE
    context.set_custom_status(None)
    assert wire.sent == [(None, b'{"step":1}'), (0.5, b'{"step":1}'), (0.5, b'["b"]'), (0.5, b"null")]


def test_what_is_said_quickly_is_sent_once_as_it_is_then(context: Context, wire: Wire, time: Time) -> None:
    for step in range(11):
        context.set_progress(step / 10)
    assert wire.sent == [(0.0, b"")]
    [(seconds, work)] = wire.timers
    assert seconds == pytest.approx(PAUSE)

    time.seconds += PAUSE
    work()

    assert wire.sent == [(0.0, b""), (1.0, b"")]


def test_the_end_sends_what_was_said_last_and_nothing_follows(context: Context, wire: Wire) -> None:
    context.set_progress(0.1)
    context.set_progress(0.2)
    context.progress.end()
    assert wire.sent == [(0.1, b""), (0.2, b"")]

    context.set_progress(0.3)
    for _, work in wire.timers:
        work()
    assert len(wire.sent) == 2


def test_an_end_without_a_word_sends_nothing(context: Context, wire: Wire) -> None:
    context.progress.end()
    assert wire.sent == []


def test_what_is_changed_after_it_was_said_does_not_change_what_was_said(
    context: Context, wire: Wire
) -> None:
    status = {"step": 1}
    context.set_custom_status("first")
    context.set_custom_status(status)
    status["step"] = 2
    context.progress.end()
    assert wire.sent[-1] == (None, b'{"step":1}')


@pytest.mark.parametrize("value", [0, 1, 0.0, 1.0, 0.5])
def test_progress_is_a_share_of_one(context: Context, wire: Wire, value: float) -> None:
    context.set_progress(value)
    assert wire.sent == [(float(value), b"")]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.1, 1.01, 40])
def test_a_number_that_is_no_share_is_refused(context: Context, wire: Wire, value: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        context.set_progress(value)
    assert wire.sent == []


@pytest.mark.parametrize("value", ["0.5", None, True, [1]])
def test_what_is_no_number_is_refused(context: Context, wire: Wire, value: Any) -> None:
    with pytest.raises(TypeError, match="from 0 to 1"):
        context.set_progress(value)
    assert wire.sent == []


def _circle() -> list[Any]:
    circle: list[Any] = []
    circle.append(circle)
    return circle


@pytest.mark.parametrize(
    ("value", "error"),
    [(object(), TypeError), ({1, 2}, TypeError), (float("nan"), ValueError), (_circle(), ValueError)],
)
def test_a_status_that_json_cannot_hold_is_refused_and_the_progress_with_it(
    context: Context, wire: Wire, value: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match="JSON can hold"):
        context.set_progress(0.5, value)
    assert wire.sent == []


def test_a_status_may_be_as_large_as_it_is_said_and_no_larger(context: Context, wire: Wire) -> None:
    context.set_custom_status("x" * (LARGEST_STATUS - 2))
    with pytest.raises(ValueError, match="Put it into a blob"):
        context.set_custom_status("x" * (LARGEST_STATUS - 1))
    assert len(wire.sent[0][1]) == LARGEST_STATUS


def test_half_a_surrogate_pair_becomes_a_question_mark(context: Context, wire: Wire) -> None:
    context.set_custom_status("\ud800")
    assert json.loads(wire.sent[0][1]) == "?"


def test_a_context_that_belongs_to_no_worker_takes_it_all_the_same() -> None:
    progress = Progress(None)
    progress.set(0.5, "ok")
    progress.end()
    with pytest.raises(ValueError, match="from 0 to 1"):
        progress.set(2)
