"""The waits between attempts inside one delivery."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta

import pytest

from funchost.host.execution.retry import delay_before
from funchost.triggers.descriptor import RetryPolicy, RetryStrategy


def _fixed(count: int) -> RetryPolicy:
    return RetryPolicy(
        strategy=RetryStrategy.FIXED_DELAY, max_retry_count=count, delay_interval=timedelta(seconds=7)
    )


def _growing(count: int = -1, minimum: float = 2, maximum: float = 60) -> RetryPolicy:
    return RetryPolicy(
        strategy=RetryStrategy.EXPONENTIAL_BACKOFF,
        max_retry_count=count,
        minimum_interval=timedelta(seconds=minimum),
        maximum_interval=timedelta(seconds=maximum),
    )


def _delay(policy: RetryPolicy | None, retry: int, seed: int = 0) -> timedelta | None:
    return delay_before(policy, retry, random.Random(seed))


def test_without_a_policy_there_is_one_attempt() -> None:
    assert _delay(None, 1) is None


@pytest.mark.parametrize("policy", [_fixed, _growing])
def test_the_count_is_of_attempts_after_the_first(policy: Callable[[int], RetryPolicy]) -> None:
    assert _delay(policy(0), 1) is None
    assert _delay(policy(2), 2) is not None
    assert _delay(policy(2), 3) is None


def test_a_fixed_delay_stays_the_same() -> None:
    assert {_delay(_fixed(9), retry) for retry in range(1, 10)} == {timedelta(seconds=7)}


def test_minus_one_means_for_ever() -> None:
    assert _delay(_fixed(-1), 10**6) == timedelta(seconds=7)
    assert _delay(_growing(-1), 10**6) == timedelta(seconds=60)


def test_a_growing_delay_starts_at_the_minimum_and_doubles_with_some_spread() -> None:
    assert {_delay(_growing(), 1, seed) for seed in range(20)} == {timedelta(seconds=2)}
    for retry, factor in ((2, 1), (3, 2), (4, 4), (5, 8)):
        for seed in range(50):
            delay = _delay(_growing(), retry, seed)
            assert delay is not None
            assert 2 + 0.8 * factor * 2 <= delay.total_seconds() <= 2 + 1.2 * factor * 2


def test_a_growing_delay_stops_at_the_maximum() -> None:
    assert _delay(_growing(maximum=5), 9) == timedelta(seconds=5)


def test_a_minimum_of_nothing_never_waits() -> None:
    assert _delay(_growing(minimum=0), 30) == timedelta(0)
