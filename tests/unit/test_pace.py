"""The pace at which many things are done, on a clock that is set by hand."""

from __future__ import annotations

from funchost.host.operations.pace import Pace


class Time:
    """Stands still but for sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def paced(time: Time, rate: float | None) -> Pace:
    return Pace(rate, now=lambda: time.now, sleep=time.sleep)


async def test_turns_come_evenly_the_first_at_once() -> None:
    time = Time()
    pace = paced(time, 10)
    moments = []
    for _ in range(4):
        assert await pace.turns() == 1
        moments.append(round(time.now - 100, 3))
    assert moments == [0, 0.1, 0.2, 0.3]


async def test_what_is_late_is_made_up_for() -> None:
    time = Time()
    pace = paced(time, 10)
    await pace.turns()
    time.now += 0.55
    assert await pace.turns(most=100) == 5
    assert await pace.turns(most=100) == 1
    assert round(time.now - 100, 3) == 0.6


async def test_no_more_come_at_once_than_are_wanted() -> None:
    time = Time()
    pace = paced(time, 10)
    time.now += 5
    assert [await pace.turns(most=20), await pace.turns(most=20), await pace.turns(most=20)] == [20, 20, 11]


async def test_without_a_rate_nobody_waits() -> None:
    time = Time()
    assert await paced(time, None).turns(most=100) == 100
    assert time.now == 100
