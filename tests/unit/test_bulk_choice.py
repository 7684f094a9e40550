"""Which runs are replayed when many are."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from memory_history import NOON, MemoryHistory, failed, make_run

from funchost.bindings.history import RunFilter, RunRecord, RunState
from funchost.host.operations.bulk_replay import choose

FAILED = RunFilter(states=(RunState.FAILED,))


def at(minute: int, **more: Any) -> RunRecord:
    """A failed run of that minute."""
    return failed(started=NOON + timedelta(minutes=minute), **{"message": f"m{minute}", **more})


async def chosen(
    *runs: RunRecord, queued: tuple[str, ...] = (), again: bool = False
) -> tuple[list[int], dict[str, int]]:
    """The places of the runs that are chosen, and why others are not."""
    choice = await choose(MemoryHistory(*runs), FAILED, still_queued=queued, again=again)
    places = {run.id: place for place, run in enumerate(runs)}
    return [places[run.id] for run in choice.runs], choice.left_out


async def test_all_that_fit_are_chosen_the_first_one_first() -> None:
    assert await chosen(at(2), at(0), at(1)) == ([1, 2, 0], {})


async def test_of_a_message_the_last_run_is_chosen() -> None:
    runs = [at(0, message="m"), at(1, message="m"), at(2, message="other")]
    assert await chosen(*runs) == ([1, 2], {"not the last of their message": 1})


async def test_messages_of_two_functions_are_two() -> None:
    assert await chosen(at(0, message="m"), at(1, message="m", function="other")) == ([0, 1], {})


async def test_a_message_that_succeeded_in_the_end_is_left_out() -> None:
    good = make_run(started=NOON + timedelta(minutes=5), message="m")
    assert await chosen(at(0, message="m"), good) == ([], {"made good since": 1})


async def test_a_message_that_succeeded_before_it_failed_is_not() -> None:
    good = make_run(started=NOON, message="m")
    assert await chosen(good, at(5, message="m")) == ([1], {})


async def test_a_message_that_is_being_run_is_left_out() -> None:
    running = make_run(state=RunState.RUNNING, started=NOON + timedelta(minutes=5), message="m")
    assert await chosen(at(0, message="m"), running) == ([], {"made good since": 1})


async def test_a_message_that_comes_again_by_itself_is_left_out() -> None:
    assert await chosen(at(0, message="m"), at(1), queued=("m",)) == ([1], {"still in their queue": 1})


async def test_a_run_with_a_replay_that_succeeded_is_left_out() -> None:
    old = at(0)
    new = make_run(started=NOON + timedelta(minutes=5), replay_of=old.id)
    assert await chosen(old, new) == ([], {"replayed already": 1})


async def test_of_a_run_and_its_failed_replay_one_is_chosen() -> None:
    old = at(0, message="m")
    new = at(5, message="n", replay_of=old.id)
    assert await chosen(old, new) == ([1], {"replayed already": 1})


async def test_all_are_chosen_again_when_that_is_asked_for_but_those_that_run() -> None:
    old = at(0, message="m")
    runs = [
        old,
        at(1, message="m"),
        make_run(started=NOON + timedelta(minutes=5), replay_of=old.id, message="m"),
        make_run(state=RunState.RUNNING, started=NOON + timedelta(minutes=6)),
    ]
    assert await chosen(*runs, queued=("m",), again=True) == ([0, 1], {})


async def test_runs_that_go_on_are_never_chosen() -> None:
    running = make_run(state=RunState.RUNNING)
    choice = await choose(MemoryHistory(running), RunFilter())
    assert (choice.runs, choice.left_out) == ([], {"still running": 1})


async def test_runs_that_succeeded_are_chosen_when_they_are_asked_for() -> None:
    choice = await choose(MemoryHistory(make_run(message="m")), RunFilter(states=(RunState.SUCCEEDED,)))
    assert len(choice.runs) == 1


async def test_runs_of_several_messages_at_once_are_left_out_unless_all_are_wanted() -> None:
    batch, by_hand, tick = at(0, message=None), at(1, message=None, origin="by hand"), at(2, message=None)
    tick.trigger = "timerTrigger"
    assert await chosen(batch, by_hand, tick) == ([1, 2], {"of several messages at once": 1})
    assert await chosen(batch, again=True) == ([0], {})
