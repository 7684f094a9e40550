"""Random schedules: how many a model-based test runs, what a step of one is, and where their stores are."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Protocol, cast

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

#: The steps of the longest schedule.
STEPS = 20

_MEMORY = Path("/dev/shm")


class Compared(Protocol):
    """A machine that is compared with its model after each step."""

    #: False once a step has failed: the end of the schedule is then of no interest.
    is_whole: bool

    def compare(self) -> None:
        """Fail where store and model differ."""


def step(when: str = "", **arguments: Any) -> Callable[[Callable[..., Any]], Any]:
    """A rule after which the store is compared with the model.

    `when` names the method of the machine that says whether the step can be taken. Steps that would do nothing are
    to be left out so: schedules are short, and what goes wrong takes several steps.
    """

    def make(method: Callable[..., Any]) -> Any:
        @wraps(method)
        def taken(self: Compared, **values: Any) -> Any:
            self.is_whole = False
            result = method(self, **values)
            self.compare()
            self.is_whole = True
            return result

        made: Callable[..., Any] = rule(**arguments)(taken)  # type: ignore[no-untyped-call]
        return precondition(lambda self: bool(getattr(self, when)()))(made) if when else made

    return make


def chosen_by(method: str) -> st.SearchStrategy[Any]:
    """One of those that a method of the machine names when the step is taken, such as the hosts that are awake."""
    return st.runner().flatmap(lambda machine: st.sampled_from(getattr(machine, method)()))


def run_schedules(machine: Callable[[], RuleBasedStateMachine], number: int) -> None:
    """Run so many schedules: the same ones each time where `CI` is set, others each time elsewhere.

    A schedule that fails is printed as the calls that lead there, shortened as far as it still fails. Elsewhere
    it is also kept in ``.hypothesis``, and tried first the next time.
    """
    chosen = settings(
        max_examples=number,
        stateful_step_count=STEPS,
        derandomize="CI" in os.environ,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    # It takes anything that makes a machine, whatever its annotation says.
    run_state_machine_as_test(cast(type[RuleBasedStateMachine], machine), settings=chosen)


@contextmanager
def quick_folder() -> Iterator[Path]:
    """A folder in memory, where the system has such: a flush to the disk costs nothing there."""
    folder = tempfile.mkdtemp(prefix="funchost-model-", dir=_MEMORY if _MEMORY.is_dir() else None)
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
