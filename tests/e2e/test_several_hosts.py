"""Two hosts on one store: every message, tick, scan and singleton has one runner, and either may be killed."""

from __future__ import annotations

import signal
import statistics
import time
from pathlib import Path

import pytest
from e2e.apps import App, http_trigger, queue_output, queue_trigger, request, until
from e2e.running import RunningHost

pytestmark = pytest.mark.e2e

#: Notes beginning and end of each run with the process that it is in, its lock's number and the time.
_GUARDED = """
    import os, time
    from ledger import note

    def main(job: str, context) -> None:
        note("start", context.fence, job, os.getppid())
        time.sleep(0.02)
        note("end", context.fence, job, os.getppid())
"""

_TICK = """
    import os, time
    from ledger import note

    def main(timer) -> None:
        note("tick", time.time(), os.getppid())
"""

_NOTED = """
    import os
    from ledger import note

    def main(job: str) -> None:
        note("got", job, os.getppid())
"""


def test_a_message_of_one_host_wakes_the_other_at_once(tmp_path: Path) -> None:
    app = App(tmp_path)
    code = "import time\ndef main(req: str) -> str:\n    return str(time.time())\n"
    app.add("send", code, http_trigger("send"), queue_output())
    work = """
        import time
        from ledger import note

        def main(job: str) -> None:
            note("took", time.time() - float(job))
    """
    app.add("work", work, queue_trigger())
    with (
        RunningHost(app.root, "--functions", "send") as front,
        RunningHost(app.root, "--functions", "work"),
    ):
        for count in range(1, 21):
            assert request(front, "/api/send", b"")[0] in (200, 204)
            app.wait_for_lines(count, "took", deadline=5)
    took = statistics.median(float(line) for line in app.ledger("took"))
    print(f"from one host to the other: {took * 1000:.1f} ms in the median")
    assert took < 0.5


def test_two_hosts_share_a_queue_and_run_each_message_once(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.add("work", _NOTED, queue_trigger())
    jobs = [f"job{number}" for number in range(500)]
    with RunningHost(app.root) as one, RunningHost(app.root) as two:
        for start in range(0, 500, 50):
            app.send("jobs", *jobs[start : start + 50])
        app.wait_until_empty("jobs")
        until(lambda: len(app.ledger("got")) >= 500, 5)
        pids = {str(one.pid), str(two.pid)}
    runs = [line.split() for line in app.ledger("got")]
    assert sorted(job for job, _ in runs) == sorted(jobs)
    assert {pid for _, pid in runs} == pids, "both were to take part"


def test_a_timer_ticks_once_on_two_hosts_and_goes_on_when_its_holder_is_killed(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.add("tick", _TICK, {"type": "timerTrigger", "name": "timer", "schedule": "* * * * * *"})
    with RunningHost(app.root) as one, RunningHost(app.root) as two:
        ticks = [line.split() for line in app.wait_for_lines(3, "tick")]
        (holder,) = {pid for _, pid in ticks}
        hosts = {str(one.pid): one, str(two.pid): two}
        hosts.pop(holder).kill()
        killed = time.time()
        (other,) = hosts
        until(lambda: sum(line.endswith(other) for line in app.ledger("tick")) >= 2, 5)
    times = [float(line.split()[0]) for line in app.ledger("tick")]
    seconds = [round(moment) for moment in times]
    assert len(set(seconds)) == len(seconds), f"a second had two ticks: {times}"
    gap = next(moment for moment in times if moment > killed) - killed
    print(f"the timer went on {gap:.2f} s after its host was killed")
    assert gap < 4


def _overlaps(lines: list[str]) -> list[str]:
    """The runs that began while another one of the same lock went on."""
    open_runs: dict[str, str] = {}
    found = []
    for line in lines:
        what, _, job, *_ = line.split()
        lock = job.partition("-")[0]
        if what == "start":
            if lock in open_runs:
                found.append(line)
            open_runs[lock] = line
        else:
            open_runs.pop(lock, None)
    return found


def test_a_singleton_never_overlaps_on_two_hosts_and_its_number_grows(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.add("work", _GUARDED, queue_trigger(), singleton=True)
    with RunningHost(app.root) as one, RunningHost(app.root) as two:
        app.send("jobs", *[f"all-{number}" for number in range(60)])
        app.wait_until_empty("jobs")
        pids = {str(one.pid), str(two.pid)}
    lines = app.ledger()
    assert _overlaps(lines) == []
    starts = [line.split() for line in lines if line.startswith("start")]
    fences = [int(fence) for _, fence, _, _ in starts]
    assert fences == sorted(fences)
    assert len(set(fences)) == len(fences) == 60
    assert {pid for *_, pid in starts} == pids


def test_a_scope_guards_each_of_its_values_for_itself(tmp_path: Path) -> None:
    app = App(tmp_path)
    code = _GUARDED.replace("job: str", "job: dict").replace("fence, job,", "fence, job['who'],")
    app.add("work", code, queue_trigger(), singleton={"scope": "{customer}"})
    with RunningHost(app.root), RunningHost(app.root):
        app.send(
            "jobs",
            *[f'{{"customer": "c{number % 3}", "who": "c{number % 3}-{number}"}}' for number in range(60)],
        )
        app.wait_until_empty("jobs")
    lines = app.ledger()
    assert _overlaps(lines) == []
    assert len([line for line in lines if line.startswith("end")]) == 60
    # All customers together do overlap: the locks are not one.
    assert _overlaps([line.replace("c0-", "x-").replace("c1-", "x-").replace("c2-", "x-") for line in lines])


def test_files_and_blobs_run_once_on_two_hosts(tmp_path: Path) -> None:
    app = App(tmp_path)
    code = "from ledger import note\ndef main(job: bytes, context) -> None:\n    note('{}', job.decode())\n"
    app.add(
        "files", code.format("file"), {"type": "fileTrigger", "name": "job", "path": "incoming/{name}.txt"}
    )
    app.add(
        "blobs", code.format("blob"), {"type": "blobTrigger", "name": "job", "path": "incoming/{name}.txt"}
    )
    folder, blobs = app.root / "incoming", app.store / "blobs" / "incoming"
    with RunningHost(app.root), RunningHost(app.root):
        folder.mkdir(exist_ok=True)
        blobs.mkdir(parents=True, exist_ok=True)
        for number in range(30):
            (folder / f"{number}.txt").write_text(str(number))
            (blobs / f"{number}.txt").write_text(str(number))
        app.wait_for_lines(30, "file")
        app.wait_for_lines(30, "blob")
    everyone = sorted(map(str, range(30)))
    assert sorted(app.ledger("file")) == everyone
    assert sorted(app.ledger("blob")) == everyone


def test_a_host_that_stood_still_gives_way_and_its_late_end_is_refused(tmp_path: Path) -> None:
    app = App(tmp_path)
    code = """
        import os, time
        from pathlib import Path
        from ledger import note

        def main(job: str, context) -> str:
            note("start", context.fence, context.metadata["dequeueCount"], os.getppid())
            while not Path(f"gate-{os.getppid()}").exists():
                time.sleep(0.01)
            note("end", os.getppid())
            return "done"
    """
    app.add("work", code, queue_trigger(), queue_output("done"), singleton=True)
    app.add("tick", _TICK, {"type": "timerTrigger", "name": "timer", "schedule": "* * * * * *"})
    with RunningHost(app.root) as one:
        app.send("jobs", "job")
        (late,) = app.wait_for_lines(1, "start")
        app.wait_for_lines(1, "tick")
        one.signal(signal.SIGSTOP)
        try:
            with RunningHost(app.root) as two:
                two.wait_for("does not answer", 25)
                fence, delivery, taker = app.wait_for_lines(2, "start")[1].split()
                assert (delivery, taker) == ("1", str(two.pid))
                assert int(fence) > int(late.split()[0])
                app.write(f"gate-{two.pid}", "")
                app.wait_until_empty("jobs")
                until(lambda: any(line.endswith(taker) for line in app.ledger("tick")), 5)
                stood_until = time.time()
                one.signal(signal.SIGCONT)
                # By the time it says so it has had its chance to tick.
                one.wait_for("was lost to another host", 10)
                ticks = app.ledger("tick")
                assert not [
                    line
                    for line in ticks
                    if line.endswith(str(one.pid)) and float(line.split()[0]) > stood_until
                ]
        finally:
            one.signal(signal.SIGCONT)
        app.write(f"gate-{one.pid}", "")
        app.wait_for_lines(1, "end", str(one.pid))
        one.wait_for("had been handed to another host")
    assert len(app.ledger("start")) == 2
    assert len(app.peek("done")) == 1
    assert app.peek("jobs-poison") == []


def test_hosts_that_came_and_went_leave_nothing_behind(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.add("work", _NOTED, queue_trigger())
    for number in range(3):
        with RunningHost(app.root) as host:
            app.send("jobs", f"job{number}")
            app.wait_for_lines(number + 1, "got")
            assert "given back" not in host.log
    assert list((app.store / "hosts").iterdir()) == []
    assert not (app.store / "runtime.json").exists()
