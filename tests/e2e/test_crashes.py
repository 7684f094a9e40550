"""Workers and hosts that die, in every way they can: nothing is lost, nothing runs twice that was completed."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
from pathlib import Path

import pytest
from e2e.apps import App, http_trigger, is_running, queue_output, queue_trigger, request, until, workers
from e2e.running import RunningHost

pytestmark = pytest.mark.e2e

#: Notes its worker on each run; waits in the middle of each message until the gate file exists.
_GATED = """
    import os, time
    from pathlib import Path
    from ledger import note

    def main(job: str, context) -> None:
        note("start", job, os.getpid(), context.metadata["dequeueCount"])
        while not Path("gate").exists():
            time.sleep(0.005)
        note("end", job, context.metadata["dequeueCount"])
"""

#: Messages of which one kills the worker, by the way it names, and the others take a moment.
_DEADLY = """
    import asyncio, ctypes, os, sys
    from ledger import note

    async def main(job: str, context) -> None:
        note("start", job, context.metadata["dequeueCount"])
        if job == "exit":
            os._exit(7)
        if job == "segv":
            await asyncio.sleep(0.1)
            ctypes.string_at(0)
        if job == "sys.exit":
            sys.exit(3)
        await asyncio.sleep(0.15)
        note("end", job, context.metadata["dequeueCount"])
"""


def test_a_worker_killed_in_the_middle_of_a_message_is_replaced_and_the_message_completed_once(
    tmp_path: Path,
) -> None:
    app = App(tmp_path)
    app.add("work", _GATED, queue_trigger())
    with RunningHost(app.root) as host:
        app.send("jobs", "one", "two")
        lines = app.wait_for_lines(2, "start")
        pid = int(lines[0].split()[1])
        os.kill(pid, signal.SIGKILL)
        until(lambda: workers(host) not in ([], [pid]), 15)
        app.write("gate", "")
        assert sorted(line.split()[0] for line in app.wait_for_lines(2, "end")) == ["one", "two"]
        app.wait_until_empty("jobs")
        assert "SIGKILL" in host.log
    assert len(app.ledger("end")) == 2
    # Neither of two runs can be told to be the culprit: no dequeue is used up.
    assert {line.split()[-1] for line in app.ledger("start")} == {"1"}
    assert app.peek("jobs-poison") == []


def test_a_host_killed_with_a_thousand_messages_queued_completes_each_after_its_restart(
    tmp_path: Path,
) -> None:
    app = App(tmp_path)
    code = """
        import time
        from ledger import note

        def main(job: str, context) -> None:
            note("start", job, context.metadata["dequeueCount"])
            time.sleep(0.002)
            note("end", job)
    """
    app.add("work", code, queue_trigger())
    jobs = [f"job{number}" for number in range(1000)]
    with RunningHost(app.root) as first:
        app.send("jobs", *jobs)
        app.wait_for_lines(100, "end")
        first.kill()
    held = [message for message in app.peek("jobs") if message.state == "in flight"]
    assert held, "the host was to be killed in the middle of messages"
    began = len(app.ledger("start"))
    with RunningHost(app.root) as second:
        second.wait_for(re.compile(rf"{len(held)} messages in flight were given back"), 5)
        app.wait_until_empty("jobs")
        until(lambda: set(app.ledger("end")) == set(jobs), 5)
    ended = app.ledger("end")
    # Only what was in flight when the host died may have run twice.
    assert len(ended) - len(set(ended)) <= len(held)
    assert {line.split()[1] for line in app.ledger("start")[began:]} == {"1"}
    assert app.peek("jobs-poison") == []


@pytest.mark.parametrize(
    ("job", "reason"),
    [("exit", r"exited with code 7"), ("segv", r"SIGSEGV"), ("sys.exit", r"SystemExit|code 3|\b3\b")],
)
def test_a_function_that_ends_its_worker_fails_with_the_reason_and_its_neighbours_complete(
    tmp_path: Path, job: str, reason: str
) -> None:
    app = App(tmp_path)
    app.add("work", _DEADLY, queue_trigger(maxDequeueCount=2))
    neighbours = [f"neighbour{number}" for number in range(6)]
    with RunningHost(app.root):
        app.send("jobs", *neighbours[:3], job, *neighbours[3:])
        (why,) = app.wait_for_poison("jobs")
        app.wait_until_empty("jobs")
    assert re.search(reason, f"{why['error']}: {why['message']}"), why
    assert why["dequeueCount"] == 2
    assert why["function"] == "work"
    assert sorted({line.split()[0] for line in app.ledger("end")}) == neighbours
    assert len(app.ledger("end")) == 6, "each neighbour completes once"
    assert {line.split()[1] for line in app.ledger("start", "neighbour")} == {"1"}


def test_a_request_whose_function_ends_the_worker_is_answered_without_details(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.add("die", "import os\ndef main(req: str) -> str:\n    os._exit(9)\n", http_trigger("die"))
    app.add("fine", "def main(req: str) -> str:\n    return 'fine'\n", http_trigger("fine"))
    with RunningHost(app.root) as host:
        status, body = request(host, "/api/die")
        assert status == 500
        assert "exit" not in body
        assert "Traceback" not in body
        assert request(host, "/api/fine") == (200, "fine")
        host.wait_for("exited with code 9")


@pytest.mark.parametrize("how", ["time.sleep(600)", "any(iter(lambda: False, True))"])
def test_workers_end_with_a_host_that_is_killed_whatever_they_do(tmp_path: Path, how: str) -> None:
    app = App(tmp_path)
    code = f"""
        import os, time
        from ledger import note

        def main(job: str) -> None:
            note("in", os.getpid())
            {how}
    """
    app.add("work", code, queue_trigger())
    with RunningHost(app.root, "--workers", "2") as host:
        until(lambda: len(workers(host)) == 2, 10)
        pids = workers(host)
        app.send("jobs", "one")
        app.wait_for_lines(1, "in")
        host.kill()
        until(lambda: not any(map(is_running, pids)), 5)


def test_each_message_settles_once_whatever_is_killed(tmp_path: Path) -> None:
    app = App(tmp_path)
    code = """
        import time
        from ledger import note

        def main(job: str, context) -> str:
            note("run", context.metadata["dequeueCount"])
            time.sleep(0.05)
            return job
    """
    app.add("work", code, queue_trigger(), queue_output("done"))
    jobs = [str(number).encode() for number in range(900)]
    chance = random.Random(1)
    app.send("jobs", *jobs)
    hosts = [RunningHost(app.root, "--workers", "2").start() for _ in range(2)]
    deaths = 0
    try:
        while len(app.peek("jobs")) > 100:
            victim = chance.choice(hosts)
            if chance.random() < 0.3:
                victim.kill()
                hosts.remove(victim)
                hosts.append(RunningHost(app.root, "--workers", "2").start())
            elif pids := workers(victim):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(chance.choice(pids), chance.choice([signal.SIGKILL, signal.SIGSEGV]))
                    deaths += 1
        app.wait_until_empty("jobs")
    finally:
        for host in hosts:
            host.kill()
    assert sorted(message.body for message in app.peek("done")) == sorted(jobs)
    # A worker that dies with one run in it can only have died of that one: so a death costs at most one delivery,
    # and the death of a host none.
    counts = [int(count) for count in app.ledger("run")]
    assert sum(count > 1 for count in counts) <= deaths
    assert app.peek("jobs-poison") == []


def test_a_function_whose_import_ends_the_worker_takes_only_itself_out(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.add("deadly", "import os\nos._exit(5)\ndef main(job: str) -> None: ...\n", queue_trigger("deadly"))
    app.add("fine", "def main(req: str) -> str:\n    return 'fine'\n", http_trigger("fine"))
    with RunningHost(app.root) as host:
        assert request(host, "/api/fine") == (200, "fine")
        assert "exited with code 5" in host.log
        assert "deadly" in host.log
