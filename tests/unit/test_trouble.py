"""Trouble is told when it comes and when it has passed, and not with each try."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from fakes import ManualClock

from funchost.triggers.trouble import QUIET, Trouble


class Bench:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.told: list[str] = []
        self.trouble = Trouble(self.told.append, self.clock)


@pytest.fixture
def bench(caplog: pytest.LogCaptureFixture) -> Bench:
    caplog.set_level(logging.INFO)
    return Bench()


def test_each_reason_is_told_once_however_often_it_comes(bench: Bench) -> None:
    for reason in ("no network", "no network", "no right", "no right"):
        bench.trouble.came(reason)
        assert bench.trouble.reason == reason
    assert bench.told == ["no network", "no right"]


def test_its_end_is_told_to_whoever_was_told_of_it(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.trouble.passed("it works")
    bench.trouble.came("no network")
    bench.trouble.passed("it works")
    bench.trouble.passed("it works")
    assert (bench.trouble.reason, caplog.messages) == (None, ["it works"])


def test_what_comes_and_goes_is_not_told_again_for_a_while(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(100):
        bench.trouble.came("no network")
        bench.trouble.passed("it works")
        bench.trouble.came("no right")
        bench.trouble.passed("it works")
    assert bench.told == ["no network", "no right"]
    assert len(caplog.messages) == 2
    bench.clock.advance(timedelta(seconds=QUIET))
    bench.trouble.came("no network")
    assert bench.told == ["no network", "no right", "no network"]


def test_it_may_be_told_in_another_way(bench: Bench) -> None:
    quietly: list[str] = []
    bench.trouble.came("no queue yet", quietly.append)
    assert (bench.told, quietly) == ([], ["no queue yet"])
