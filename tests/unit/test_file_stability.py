"""When a file counts as complete."""

from __future__ import annotations

from dataclasses import dataclass, field

from funchost.triggers.file_stability import LONGEST_WAIT, QUIET, Settling


@dataclass
class _World:
    """A kernel that says who writes, and a clock."""

    writing: bool | None = None
    now: float = 100.0
    settling: Settling = field(init=False)

    def __post_init__(self) -> None:
        self.settling = Settling(lambda path: self.writing, lambda: self.now)


def test_a_file_that_nobody_has_open_is_complete_at_once() -> None:
    world = _World(writing=False)
    assert world.settling.settled("a", "1")
    assert world.settling.next_look() is None


def test_a_file_that_is_open_for_writing_is_looked_at_again_less_and_less_often() -> None:
    world = _World(writing=True)
    pauses = []
    for version in range(12):
        assert not world.settling.settled("a", str(version))
        pause = world.settling.next_look()
        assert pause is not None
        pauses.append(pause)
        world.now += pause
    assert pauses == sorted(pauses)
    assert pauses[0] < 0.05
    assert abs(pauses[-1] - LONGEST_WAIT) < 0.001


def test_a_file_open_for_writing_is_not_complete_even_when_another_writer_closed_it() -> None:
    world = _World(writing=True)
    assert not world.settling.settled("a", "1", closed=True)


def test_where_nobody_tells_a_file_is_complete_once_its_version_stayed_for_a_second() -> None:
    world = _World()
    assert not world.settling.settled("a", "1")
    world.now += QUIET / 2
    assert not world.settling.settled("a", "2")
    world.now += QUIET * 0.9
    assert not world.settling.settled("a", "2")
    assert world.settling.due() == []
    world.now += QUIET * 0.2
    assert world.settling.due() == ["a"]
    assert world.settling.settled("a", "2")
    assert world.settling.due() == []


def test_where_nobody_tells_the_close_of_a_writer_is_enough() -> None:
    world = _World()
    assert not world.settling.settled("a", "1")
    assert world.settling.settled("a", "1", closed=True)


def test_a_file_that_is_gone_is_not_waited_for() -> None:
    world = _World(writing=True)
    world.settling.settled("a", "1")
    world.settling.forget("a")
    assert world.settling.next_look() is None
