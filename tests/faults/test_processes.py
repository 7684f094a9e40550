"""Processes that die, hang, are stopped and started while messages are in flight: none is lost, each is completed
once, its neighbours are unharmed."""

from __future__ import annotations

import json
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from e2e.apps import App, queue_trigger, states, until, workers
from e2e.running import RunningHost
from faults.injection import Faults
from faults.ledger import Ledger, add_work

pytestmark = pytest.mark.e2e

#: Within so many seconds others take over from a process that died.
LEASE = 15.0

#: Waits in the middle of each run until the gate file exists.
_GATED = "while not os.path.exists('gate'): time.sleep(0.005)"


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(tmp_path)


# 4: kill -9 of the host


def test_a_host_killed_between_receiving_and_starting_loses_nothing(app: App, tmp_path: Path) -> None:
    add_work(app)
    ledger = Ledger(app)
    faults = Faults(tmp_path)
    # Before the host starts: else it might be struck while it looks into an empty queue.
    received = faults.on("queues.receive", "hang", when="after", about="jobs")
    ledger.send("a", "b", "c")
    with RunningHost(app.root, env=faults.env) as host:
        until(lambda: ledger.tally().in_flight == 3, LEASE)
        received.wait_until_struck()
        host.kill()
    assert app.ledger("start") == []
    assert ledger.check().in_flight == 3
    began = time.monotonic()
    with RunningHost(app.root) as host:
        ledger.wait_until_settled(LEASE)
        assert time.monotonic() - began < LEASE
        assert "3 messages in flight were given back" in host.log
    assert ledger.check().done == 3
    assert sorted(app.ledger("start")) == ["a 1", "b 1", "c 1"], "a host's death uses up no delivery"


def test_a_host_killed_between_the_run_and_its_settlement_runs_it_again_and_completes_it_once(
    app: App, tmp_path: Path
) -> None:
    add_work(app)
    ledger = Ledger(app)
    faults = Faults(tmp_path)
    with RunningHost(app.root, env=faults.env) as host:
        settling = faults.on("queues.complete", "hang")
        ledger.send("a")
        settling.wait_until_struck()
        host.kill()
    assert app.ledger("end") == ["a 1"]
    assert ledger.check().in_flight == 1
    with RunningHost(app.root):
        ledger.wait_until_settled(LEASE)
    tally = ledger.check()
    assert (tally.done, tally.repeated) == (1, 1)


# 5: code that does not import any more


def test_code_that_does_not_import_any_more_harms_no_message_in_flight_and_none_that_comes(app: App) -> None:
    add_work(app, _GATED)
    good = (app.root / "work/__init__.py").read_text()
    ledger = Ledger(app)
    with RunningHost(app.root) as host:
        ledger.send("a", "b")
        app.wait_for_lines(2, "start")
        app.write("work/__init__.py", "import no_such_module\n")
        host.wait_for("no_such_module")
        host.wait_for("last good version goes on for: work")
        ledger.send("c")
        app.wait_for_lines(3, "start")
        app.write("gate", "")
        ledger.wait_until_settled()
        assert "last good" in states(host)["work"]
        # A host that starts with it does not take what it cannot run.
        host.stop()
    with RunningHost(app.root) as host:
        assert states(host)["work"] == "in error"
        ledger.send("d")
        host.kill()
    assert ledger.check().queued == 1
    with RunningHost(app.root) as host:
        app.write("work/__init__.py", good)
        ledger.wait_until_settled(LEASE)
    tally = ledger.check()
    assert (tally.done, tally.repeated) == (4, 0)


# 7: payloads that end their process each time

#: Each ends the process in its own way. Memory is out for this process alone, and for the very large.
_DEADLY = """
if job == "exit":
    os._exit(7)
if job == "segfault":
    import ctypes
    ctypes.string_at(0)
if job == "killed":
    import signal
    os.kill(os.getpid(), signal.SIGKILL)
if job in ("memory", "greedy"):
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (1 << 38, resource.RLIM_INFINITY))
    try:
        waste = bytearray(1 << 40)
    except MemoryError:
        if job == "memory":
            os.abort()
        raise
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
time.sleep(0.01)
"""

_REASONS = {
    "exit": "os._exit(7)",
    "segfault": "SIGSEGV",
    "killed": "SIGKILL",
    "memory": "SIGABRT",
    "greedy": "MemoryError",
}


def test_payloads_that_end_their_process_each_time_are_given_up_and_everything_else_goes_on(app: App) -> None:
    app.write("host.json", json.dumps({"version": "2.0", "extensions": {"queues": {"maxDequeueCount": 3}}}))
    add_work(app, _DEADLY)
    add_work(app, "time.sleep(0.01)", name="others", queue="other-jobs", output="other-done")
    neighbours = [f"neighbour{number}" for number in range(60)]
    ledger = Ledger(app)
    others = Ledger(app, queue="other-jobs", outputs=("other-done",))
    with RunningHost(app.root) as host:
        ledger.send(*neighbours[:10], *_REASONS, *neighbours[10:])
        others.send(*(f"other{number}" for number in range(100)))
        # They do not wait for those that die.
        others.wait_until_settled(LEASE)
        ledger.wait_until_settled()
        for reason in _REASONS.values():
            host.wait_for(reason)
    tally = ledger.check()
    assert (tally.done, tally.poison) == (60, 5)
    assert others.check().done == 100
    # The deadly ones used up their own deliveries, and nobody else's.
    assert {line.split()[1] for line in [*app.ledger("start neighbour"), *app.ledger("start other")]} == {"1"}
    for message in app.peek("jobs-poison"):
        why = message.properties["poison"]
        assert why["dequeueCount"] == 3
        assert _REASONS[message.body.decode()] in f"{why['error']}: {why['message']}", why


# 11: timeouts of what cannot be interrupted

_STUCK = {
    "a thread of its own": """
import asyncio, time
async def stuck():
    await asyncio.to_thread(time.sleep, 60)
""",
    # A regular expression, as an honest function may have one: it never lets go of the interpreter.
    "native code holding the interpreter": r"""
import re
async def stuck():
    re.match(r"(a+)+$", "a" * 64 + "b")
""",
}


@pytest.mark.parametrize("where", _STUCK)
def test_a_timeout_ends_what_cannot_be_interrupted_and_its_neighbours_complete(app: App, where: str) -> None:
    code = f"""
{_STUCK[where]}
from ledger import note

async def main(job: str, context) -> str:
    note("start", job, context.metadata["dequeueCount"])
    if job == "stuck":
        await stuck()
    note("end", job, context.metadata["dequeueCount"])
    return job
"""
    output = {"type": "queue", "name": "$return", "direction": "out", "queueName": "done"}
    app.add("work", code, queue_trigger(maxDequeueCount=1), output, timeout="00:00:00.5")
    add_work(app, "time.sleep(1.5)", name="others", queue="other-jobs", output="other-done")
    ledger = Ledger(app)
    others = Ledger(app, queue="other-jobs", outputs=("other-done",))
    with RunningHost(app.root) as host:
        before = workers(host)
        others.send("a", "b")
        app.wait_for_lines(2, "start")
        ledger.send("stuck")
        app.wait_for_lines(1, "start stuck")
        began = time.monotonic()
        (why,) = app.wait_for_poison("jobs", deadline=LEASE)
        print(f"{where}: given up after {time.monotonic() - began:.2f} s")
        assert "timeout of 0.5 s" in why["message"]
        ledger.send(*(f"job{number}" for number in range(10)))
        ledger.wait_until_settled(LEASE)
        others.wait_until_settled(LEASE)
        if "interpreter" in where:
            assert not set(before) & set(workers(host)), "only the end of its worker ends it"
    tally = ledger.check()
    assert (tally.done, tally.poison) == (10, 1)
    assert others.check().done == 2
    assert {line.split()[1] for line in app.ledger("start") if line[0] in "ab"} == {"1"}


# 12: stopped and started again and again


def test_a_host_stopped_and_started_again_and_again_under_load_completes_each_message_once(app: App) -> None:
    add_work(app, "time.sleep(0.02)")
    ledger = Ledger(app)
    ledger.send("first")
    over = threading.Event()

    def keep_sending() -> None:
        for number in range(10_000):
            if over.wait(0.04):
                return
            ledger.send(f"job{number}a", f"job{number}b")

    sender = threading.Thread(target=keep_sending)
    sender.start()
    try:
        for life in range(4):
            done = ledger.tally().done
            with RunningHost(app.root, "--drain-timeout", "0.2s") as host:
                until(lambda done=done: ledger.tally().done > done + 20, LEASE)  # type: ignore[misc]
                if life % 2:
                    host.kill()
                else:
                    assert host.stop() == 0
                    assert "Traceback" not in host.log
    finally:
        over.set()
        sender.join()
    ledger.check()
    with RunningHost(app.root):
        tally = ledger.wait_until_settled()
    ledger.check()
    assert tally.done == len(ledger.sent) > 100
    assert (tally.poison, tally.quarantined) == (0, 0)


# 17: the owner of a lock is killed


@pytest.mark.parametrize("successor", ["another host", "the same host, started again at once"])
def test_the_lock_of_a_host_that_was_killed_is_taken_over_within_a_lease(app: App, successor: str) -> None:
    code = """
note("fence", context.fence)
while os.path.exists('hold'): time.sleep(0.005)
"""
    add_work(app, code.strip(), singleton=True)
    app.write("hold", "")
    ledger = Ledger(app)
    with ExitStack() as hosts:
        first = hosts.enter_context(RunningHost(app.root))
        ledger.send("a")
        app.wait_for_lines(1, "fence")
        if successor == "another host":
            hosts.enter_context(RunningHost(app.root))
        ledger.send("b")
        first.kill()
        killed = time.monotonic()
        if successor != "another host":
            hosts.enter_context(RunningHost(app.root))
        app.wait_for_lines(2, "fence", deadline=LEASE)
        print(f"{successor}: went on after {time.monotonic() - killed:.2f} s")
        assert time.monotonic() - killed < LEASE
        (app.root / "hold").unlink()
        ledger.wait_until_settled(LEASE)
    assert ledger.check().done == 2
    fences = [int(fence) for fence in app.ledger("fence")]
    assert fences == sorted(set(fences)), "the number grows with each holder"
