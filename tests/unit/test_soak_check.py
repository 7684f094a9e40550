"""The soak's own looks at locks and timers find what they are there to find (its ledger: faults/test_ledger.py)."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))


def found(check: str, *notes: str) -> list[str]:
    """What one of the checks says of these notes."""
    import soak_check

    findings = soak_check.Findings()
    getattr(soak_check, check)(list(notes), findings)
    return findings.breaches


@pytest.mark.parametrize(
    "notes",
    [
        ("hold c1 1 10", "free c1 1 10", "hold c1 2 20", "free c1 2 20"),
        # Other locks, and one whose holder was killed.
        ("hold c1 1 10", "hold c2 2 20", "free c2 2 20", "free c1 1 10"),
        ("hold c1 1 10", "hold c1 2 20", "free c1 2 20"),
        # The worker was killed, and the run made again under the same lock.
        ("hold c1 1 10", "hold c1 1 11", "free c1 1 11"),
    ],
)
def test_runs_that_follow_each_other_under_a_lock_are_fine(notes: tuple[str, ...]) -> None:
    assert found("check_locks", *notes) == []


@pytest.mark.parametrize(
    "notes",
    [
        ("hold c1 1 10", "hold c1 2 20", "free c1 1 10", "free c1 2 20"),
        ("hold c1 2 10", "free c1 2 10", "hold c1 1 20", "free c1 1 20"),
    ],
)
def test_runs_that_overlap_under_a_lock_and_fences_that_go_back_are_found(notes: tuple[str, ...]) -> None:
    assert len(found("check_locks", *notes)) == 1


def test_ticks_of_two_hosts_one_after_the_other_are_fine() -> None:
    assert found("check_ticks", "tick 1 10.1", "tock 1 10.2", "tick 2 11.0", "tock 2 11.1") == []


@pytest.mark.parametrize(
    "notes",
    [
        ("tick 1 10.1", "tock 1 10.2", "tick 2 10.9", "tock 2 10.95"),
        ("tick 1 10.9", "tick 2 11.0", "tock 1 11.1", "tock 2 11.1"),
    ],
)
def test_a_tick_of_two_hosts_is_found(notes: tuple[str, ...]) -> None:
    assert len(found("check_ticks", *notes)) == 1
