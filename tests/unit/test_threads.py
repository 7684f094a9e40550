"""The threads that run plain functions: how many, and how one of them is interrupted."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

import pytest

from funchost.host.worker.threads import (
    InvocationCancelled,
    WorkThreads,
    default_count,
    interrupt,
    take_interruption,
)

#: Seconds that no test comes near.
PATIENCE = 10.0


class Crowd:
    """Work that says in which thread it runs, and then waits."""

    def __init__(self, limit: int) -> None:
        self.threads = WorkThreads(limit)
        self.began: queue.Queue[int] = queue.Queue()
        self._gate = threading.Semaphore(0)
        self._ended: queue.Queue[None] = queue.Queue()

    def enter(self) -> None:
        self.threads.submit(self._work)

    def leave(self) -> None:
        self._gate.release()
        self._ended.get(timeout=PATIENCE)
        self.threads.done()

    def _work(self) -> None:
        self.began.put(threading.get_ident())
        self._gate.acquire(timeout=PATIENCE)
        self._ended.put(None)


def test_work_runs_side_by_side_up_to_the_limit() -> None:
    crowd = Crowd(3)
    for _ in range(4):
        crowd.enter()
    running = {crowd.began.get(timeout=PATIENCE) for _ in range(3)}
    assert len(running) == 3
    assert crowd.began.empty()
    crowd.leave()
    assert crowd.began.get(timeout=PATIENCE) in running
    for _ in range(3):
        crowd.leave()


def test_one_thread_is_enough_for_work_one_after_the_other() -> None:
    crowd = Crowd(8)
    seen = set()
    for _ in range(5):
        crowd.enter()
        seen.add(crowd.began.get(timeout=PATIENCE))
        crowd.leave()
    assert len(seen) == 1


def test_work_gets_its_arguments() -> None:
    got: queue.Queue[tuple[str, int]] = queue.Queue()
    WorkThreads(1).submit(lambda text, number: got.put((text, number)), "a", 1)
    assert got.get(timeout=PATIENCE) == ("a", 1)


def test_the_default_is_pythons_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for processors, threads in ((2, 6), (64, 32), (None, 5)):
        monkeypatch.setattr("os.cpu_count", lambda processors=processors: processors)
        assert default_count() == threads


def in_thread(work: Callable[[], str]) -> tuple[threading.Thread, queue.Queue[str]]:
    told: queue.Queue[str] = queue.Queue()
    thread = threading.Thread(target=lambda: told.put(work()))
    thread.start()
    return thread, told


def test_an_interruption_strikes_python_code_at_once() -> None:
    began = threading.Event()

    def work() -> str:
        try:
            began.set()
            while True:
                pass
        except InvocationCancelled:
            return "cancelled"

    thread, told = in_thread(work)
    assert began.wait(PATIENCE)
    assert thread.ident is not None
    interrupt(thread.ident)
    assert told.get(timeout=PATIENCE) == "cancelled"
    thread.join(PATIENCE)


def test_an_interruption_can_be_let_pass_so_that_it_strikes_nothing_else() -> None:
    began, sent = threading.Event(), threading.Event()

    def work() -> str:
        try:
            began.set()
            # Sits in C until the interruption is on its way.
            sent.wait(PATIENCE)
        except InvocationCancelled:
            return "struck while it waited"
        return "untouched"

    def guarded() -> str:
        try:
            said = work()
            take_interruption()
        except InvocationCancelled:
            said = "struck outside"
        for _ in range(100_000):
            pass
        return said

    thread, told = in_thread(guarded)
    assert began.wait(PATIENCE)
    assert thread.ident is not None
    interrupt(thread.ident)
    sent.set()
    assert told.get(timeout=PATIENCE) in ("untouched", "struck while it waited")
    thread.join(PATIENCE)


def test_there_may_be_no_interruption_to_let_pass() -> None:
    take_interruption()
