"""The threads in which blocking calls are made."""

from __future__ import annotations

import threading

from funchost.bindings.aws.call_threads import CallThreads

#: Seconds: no test takes long, unless it fails.
DEADLINE = 10.0


class Work:
    """Notes its thread, and ends when it may."""

    def __init__(self, *, waits: bool = False) -> None:
        self.thread: threading.Thread | None = None
        self.begun, self.may_end = threading.Event(), threading.Event()
        if not waits:
            self.may_end.set()

    def __call__(self) -> None:
        self.thread = threading.current_thread()
        self.begun.set()
        assert self.may_end.wait(DEADLINE)


def run(threads: CallThreads, work: Work) -> threading.Thread:
    threads.submit(work)
    assert work.begun.wait(DEADLINE)
    assert work.thread is not None
    return work.thread


def until_one_waits(threads: CallThreads) -> None:
    assert threads._waiting.acquire(timeout=DEADLINE)
    threads._waiting.release()


def test_the_next_call_is_made_in_the_thread_of_the_last_one() -> None:
    threads = CallThreads()
    first = run(threads, Work())
    until_one_waits(threads)
    assert run(threads, Work()) is first


def test_a_call_that_lasts_holds_up_no_other() -> None:
    threads = CallThreads()
    lasting = Work(waits=True)
    first = run(threads, lasting)
    assert run(threads, Work()) is not first
    lasting.may_end.set()


def test_a_thread_that_nobody_needs_ends_and_is_made_anew() -> None:
    threads = CallThreads(idle=0.001)
    first = run(threads, Work())
    first.join(DEADLINE)
    assert not first.is_alive()
    assert run(threads, Work()) is not first


def test_a_thread_does_not_hold_up_the_end_of_the_process() -> None:
    assert run(CallThreads(), Work()).daemon


def test_many_calls_that_come_while_threads_end_are_all_made() -> None:
    threads = CallThreads(idle=0.0)
    works = [Work() for _ in range(500)]
    for work in works:
        threads.submit(work)
    assert all(work.begun.wait(DEADLINE) for work in works)


def test_what_was_called_is_not_kept() -> None:
    class Payload:
        def __del__(self) -> None:
            gone.set()

    gone = threading.Event()
    threads = CallThreads()
    payload = Payload()
    threads.submit(lambda payload=payload: None)  # type: ignore[misc]
    del payload
    assert gone.wait(DEADLINE)
