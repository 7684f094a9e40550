"""The waits between polls of an empty queue."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest

from funchost.triggers.polling import MINIMUM, BackOff

MINUTE = timedelta(minutes=1)


class Middle(random.Random):
    """Chooses the middle of every range."""

    def uniform(self, a: Any, b: Any) -> float:
        return float(a + b) / 2


def test_the_waits_grow_from_a_tenth_of_a_second_to_the_maximum() -> None:
    back_off = BackOff(MINUTE, choose=Middle())
    waits = [round(back_off.next().total_seconds(), 3) for _ in range(13)]
    assert waits == [0.1, 0.2, 0.3, 0.5, 0.9, 1.7, 3.3, 6.5, 12.9, 25.7, 51.3, 60, 60]


def test_a_success_starts_over() -> None:
    back_off = BackOff(MINUTE, choose=Middle())
    for _ in range(8):
        back_off.next()
    back_off.reset()
    assert [back_off.next(), back_off.next()] == [MINIMUM, 2 * MINIMUM]


def test_waits_are_spread_by_a_fifth_and_never_pass_the_maximum() -> None:
    waits = []
    for seed in range(200):
        back_off = BackOff(timedelta(seconds=0.45), choose=random.Random(seed))
        waits.append([back_off.next().total_seconds() for _ in range(5)])
    thirds = [wait[2] for wait in waits]
    assert 0.26 <= min(thirds) < 0.27 and 0.33 < max(thirds) <= 0.34
    assert all(wait[4] == 0.45 for wait in waits)


@pytest.mark.parametrize("maximum", [timedelta(0), MINIMUM])
def test_a_maximum_below_the_minimum_is_the_minimum(maximum: timedelta) -> None:
    back_off = BackOff(maximum)
    assert {back_off.next() for _ in range(5)} == {MINIMUM}


def test_it_may_be_asked_for_ever() -> None:
    back_off = BackOff(timedelta(days=365 * 100))
    for _ in range(5000):
        assert back_off.next() <= timedelta(days=365 * 100)
