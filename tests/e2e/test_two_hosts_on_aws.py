"""Two hosts as on two machines: each has a root and a store of its own, and they share nothing but AWS."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from e2e.apps import App, queue_trigger, until
from e2e.emulated import EmulatedAws, running_emulator
from e2e.running import RunningHost

pytestmark = pytest.mark.e2e

#: Messages that two hosts drain; FUNCHOST_TEST_JOBS=5000 takes twice as long.
JOBS = int(os.environ.get("FUNCHOST_TEST_JOBS") or 2500)

#: Each run notes its beginning and its end with the time, on a clock that all processes of a machine have in common.
_TIMED = """
    import asyncio, time
    from ledger import note

    async def main(job: str) -> None:
        note("begin", job, time.monotonic())
        await asyncio.sleep(0.1)
        note("end", job, time.monotonic())
"""


#: Notes which state of the code ran.
_FIRST = """
    import asyncio
    from ledger import note

    async def main(job: str) -> None:
        await asyncio.sleep(0.1)
        note("first", job)
"""

_BLOB = """
    from ledger import note

    def main(job: bytes) -> None:
        note("got", job.decode())
"""


@pytest.fixture
def aws() -> Iterator[EmulatedAws]:
    with running_emulator() as emulated:
        yield emulated


def machines(folder: Path) -> tuple[App, App]:
    """The same app on two of them, to be written into."""
    return App(folder / "one"), App(folder / "two")


@dataclass(frozen=True)
class Run:
    """When a run began, and when it ended unless it was cut off."""

    began: float
    ended: float | None


def runs_of(app: App) -> dict[str, Run]:
    """The runs on a machine, by message. None may have run there twice: no machine gets one again that it has."""
    began, ended = _times(app, "begin"), _times(app, "end")
    return {job: Run(at, ended.get(job)) for job, at in began.items()}


def _times(app: App, what: str) -> dict[str, float]:
    lines = [line.split() for line in app.ledger(what)]
    times = {job: float(at) for job, at in lines}
    assert len(times) == len(lines), "a message ran twice on one machine"
    return times


def ended(app: App) -> set[str]:
    """The messages whose runs have ended on a machine."""
    return {job for job, run in runs_of(app).items() if run.ended}


def test_two_hosts_drain_a_queue_and_when_one_is_killed_the_other_finishes_all(
    tmp_path: Path, aws: EmulatedAws
) -> None:
    batch, threshold = 10, 30
    one, two = machines(tmp_path)
    for app in (one, two):
        app.add("work", _TIMED, queue_trigger(batchSize=batch, newBatchThreshold=threshold))
    jobs = {f"job{number}" for number in range(JOBS)}
    # The shortest time for which a host hides messages: so long those of a killed one stay away.
    aws.sqs.create_queue(QueueName="jobs", Attributes={"VisibilityTimeout": "30"})
    aws.send("jobs", *jobs)
    with (
        RunningHost(one.root, "--emulator", aws.url) as killed,
        RunningHost(two.root, "--emulator", aws.url),
    ):
        for app in (one, two):
            app.wait_for_lines(JOBS // 10, "end")
        until(lambda: runs_of(one).keys() - ended(one), 10, lambda: "nothing was in flight")
        killed.kill()
        killed_at = time.monotonic()
        assert len(ended(one)) + len(ended(two)) < 0.8 * JOBS, "this was to be in the middle"
        two.wait_for_lines(len(jobs) - len(ended(one)), "end", deadline=60)
        until(lambda: ended(one) | ended(two) == jobs, 60, lambda: f"{len(ended(one) | ended(two))} ended")
        until(lambda: aws.counts("jobs") == (0, 0), 10, lambda: str(aws.counts("jobs")))
    first, second = runs_of(one), runs_of(two)
    again = first.keys() & second.keys()
    # What the killed host had in flight, and nothing that it had settled before.
    assert 0 < len(again) <= batch + threshold
    assert all((first[job].ended or killed_at) <= second[job].began for job in again), (
        "two ran at the same time"
    )
    assert "jobs-poison" not in aws.queues()


def test_code_that_changes_on_one_host_under_load_loses_no_message_and_repeats_none(
    tmp_path: Path, aws: EmulatedAws
) -> None:
    one, two = machines(tmp_path)
    for app in (one, two):
        app.add("work", _FIRST, queue_trigger("edited"))
    jobs = [f"job{number}" for number in range(1000)]
    aws.sqs.create_queue(QueueName="edited")
    with RunningHost(one.root, "--emulator", aws.url), RunningHost(two.root, "--emulator", aws.url):
        aws.send("edited", *jobs)
        for app in (one, two):
            app.wait_for_lines(100, "first")
        one.write("work/__init__.py", _FIRST.replace("first", "second"))
        until(lambda: len(one.ledger()) + len(two.ledger()) >= 1000, 30)
        until(lambda: aws.counts("edited") == (0, 0), 10, lambda: str(aws.counts("edited")))
    assert one.ledger("second")
    assert not two.ledger("second")
    assert sorted(line.split()[1] for app in (one, two) for line in app.ledger()) == sorted(jobs)


def test_each_of_many_objects_runs_once_on_two_hosts_of_which_one_then_stops(
    tmp_path: Path, aws: EmulatedAws
) -> None:
    one, two = machines(tmp_path)
    for app in (one, two):
        app.add("blobs", _BLOB, {"type": "blobTrigger", "name": "job", "path": "incoming/{name}.txt"})
    names = [f"blob{number}" for number in range(500)]
    with (
        RunningHost(one.root, "--emulator", aws.url) as scanner,
        RunningHost(two.root, "--emulator", aws.url),
    ):
        put(aws, *names)
        until(lambda: len(one.ledger()) + len(two.ledger()) >= 500, 60)
        assert one.ledger() and two.ledger(), "both were to take part"
        scanner.stop()
        stopped = time.monotonic()
        put(aws, "later")
        two.wait_for_lines(1, "got later")
        assert time.monotonic() - stopped < 6, "the lease of a host that stops is free at once"
    assert sorted([*one.ledger("got"), *two.ledger("got")]) == sorted([*names, "later"])


def put(aws: EmulatedAws, *names: str) -> None:
    """Put objects that hold their names, many at a time."""

    def put_one(name: str) -> None:
        aws.s3.put_object(Bucket="incoming", Key=f"{name}.txt", Body=name.encode())

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(put_one, names))
