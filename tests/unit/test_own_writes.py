"""When a function counts as keeping itself running."""

from __future__ import annotations

from funchost.triggers.own_writes import GENERATIONS, MEMORY, OwnWrites


def test_a_chain_of_own_writes_is_a_loop_beyond_three_generations() -> None:
    own = OwnWrites()
    assert not own.ran("a", 0, ["b"])
    assert not own.ran("b", 0, ["c"])
    assert not own.ran("c", 0, ["d"])
    assert own.ran("d", 0, ["e"])


def test_a_file_that_rewrites_itself_is_a_loop_beyond_three_generations() -> None:
    own = OwnWrites()
    assert [own.ran("a", 0, ["a"]) for _ in range(4)] == [False, False, False, True]


def test_what_the_message_says_counts_where_nothing_is_remembered() -> None:
    assert OwnWrites().ran("a", GENERATIONS, ["b"])
    assert not OwnWrites().ran("a", GENERATIONS, [])


def test_a_summary_beside_many_files_is_no_loop() -> None:
    own = OwnWrites()
    for number in range(50):
        assert not own.ran(f"{number}.csv", 0, ["summary.csv"])
        assert not own.ran("summary.csv", own.generation("summary.csv"), [])


def test_what_was_written_long_ago_is_forgotten() -> None:
    now = [0.0]
    own = OwnWrites(lambda: now[0])
    own.ran("a", 2, ["b"])
    assert own.generation("b") == 3
    now[0] += MEMORY + 1
    assert own.generation("b") == 0


def test_a_file_that_changes_in_three_runs_in_a_row_is_a_loop_where_the_worker_does_not_tell() -> None:
    own = OwnWrites()
    assert not own.ran_untold("a", changed=True)
    assert not own.ran_untold("a", changed=True)
    assert not own.ran_untold("a", changed=False)
    assert not own.ran_untold("a", changed=True)
    assert not own.ran_untold("b", changed=True)
    assert not own.ran_untold("a", changed=True)
    assert own.ran_untold("a", changed=True)
