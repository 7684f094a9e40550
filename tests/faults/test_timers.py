"""Timers when hosts are killed or started late, and what becomes of work when the clock jumps: each occurrence has one
run, and none that is owed is forgotten."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from e2e.apps import App, until
from e2e.running import RunningHost
from faults.clock import HostClock
from faults.injection import Faults
from faults.ledger import Ledger, add_work

pytestmark = pytest.mark.e2e

#: Notes each run: why it is made, and the occurrence that the host's status has as the last and the next one.
_TICK = """
    import os
    import time
    from ledger import note

    def main(timer) -> None:
        status = timer.schedule_status or {}
        note("NAME", "past-due" if timer.past_due else "on-time", status.get("Next"), os.getppid())
        CODE
        note("NAME-end")
"""


@pytest.fixture
def app(tmp_path: Path) -> App:
    """With a timer that has the host look at its clock each second, so that tests need not wait until it does."""
    app = App(tmp_path)
    add_timer(app, "beat", "* * * * * *")
    return app


@pytest.fixture
def clock(tmp_path: Path) -> HostClock:
    return HostClock(tmp_path)


def add_timer(app: App, name: str, schedule: str, code: str = "pass", **more: str) -> None:
    """A timer function that notes its runs."""
    trigger = {"type": "timerTrigger", "name": "timer", "schedule": schedule}
    zone = {"timeZone": more.pop("zone")} if "zone" in more else {}
    app.add(name, _TICK.replace("NAME", name).replace("CODE", code), {**trigger, **zone}, **more)


def runs(app: App, name: str) -> list[str]:
    """What the runs of a timer noted, without the process."""
    return [line.rpartition(" ")[0] for line in app.ledger(f"{name} ")]


def status(app: App, name: str = "hourly") -> dict[str, str]:
    """What is remembered of a timer."""
    with closing(sqlite3.connect(f"{(app.store / 'store.db').as_uri()}?mode=ro", uri=True)) as connection:
        ((value,),) = connection.execute("SELECT value FROM state WHERE scope = 'timer' AND key = ?", (name,))
    found: dict[str, str] = json.loads(value)
    return found


# 17, 18: killed, restarted at once, across ticks


def test_a_host_killed_and_started_again_across_ticks_makes_one_run_for_what_it_missed(
    app: App, clock: HostClock
) -> None:
    add_timer(app, "hourly", "0 0 * * * *")
    clock.set("2026-06-01T11:50:00Z")
    with RunningHost(app.root, env=clock.env) as host:
        host.kill()
    # It is down at noon, and back a second later; and again at once, when nothing is owed any more.
    clock.set("2026-06-01T12:00:01Z")
    with RunningHost(app.root, env=clock.env) as host:
        app.wait_for_lines(1, "hourly-end")
        until(lambda: status(app)["Next"] == "2026-06-01T13:00:00+00:00", 5)
        host.kill()
    with RunningHost(app.root, env=clock.env) as host:
        host.kill()
    clock.set("2026-06-04T18:30:00Z")
    with RunningHost(app.root, env=clock.env):
        app.wait_for_lines(2, "hourly-end")
        until(lambda: status(app)["Next"] == "2026-06-04T19:00:00+00:00", 5)
        clock.set("2026-06-04T19:00:00Z")
        app.wait_for_lines(3, "hourly-end", deadline=15)
    assert runs(app, "hourly") == [
        "past-due 2026-06-01T12:00:00+00:00",
        "past-due 2026-06-01T13:00:00+00:00",
        "on-time 2026-06-04T19:00:00+00:00",
    ]


def test_a_host_killed_while_a_tick_runs_makes_the_run_again_on_another_host(
    app: App, clock: HostClock
) -> None:
    add_timer(app, "hourly", "0 0 * * * *", "time.sleep(0 if os.path.exists('go') else 60)")
    clock.set("2026-06-01T11:30:00Z")
    with (
        RunningHost(app.root, env=clock.env) as first,
        RunningHost(app.root, env=clock.env) as second,
    ):
        clock.set("2026-06-01T12:00:00Z")
        app.wait_for_lines(1, "hourly ")
        app.write("go", "")
        hosts = {first.pid: first, second.pid: second}
        holder = int(app.ledger("hourly ")[0].split()[-1])
        hosts.pop(holder).kill()
        app.wait_for_lines(1, "hourly-end", deadline=15)
        (other,) = hosts
        assert app.ledger("hourly ")[1].endswith(str(other))
    assert runs(app, "hourly") == ["on-time 2026-06-01T12:00:00+00:00", "past-due 2026-06-01T12:00:00+00:00"]


def test_a_host_killed_before_the_end_of_a_tick_was_stored_makes_that_run_again(
    app: App, clock: HostClock, tmp_path: Path
) -> None:
    add_timer(app, "hourly", "0 0 * * * *")
    faults = Faults(tmp_path)
    clock.set("2026-06-01T11:30:00Z")
    with RunningHost(app.root, env={**clock.env, **faults.env}) as host:
        clock.set("2026-06-01T12:00:00Z")
        storing = faults.on("state.change", "hang", about="hourly")
        storing.wait_until_struck()
        host.kill()
    assert len(runs(app, "hourly")) == 1
    with RunningHost(app.root, env=clock.env):
        app.wait_for_lines(2, "hourly-end", deadline=15)
    assert runs(app, "hourly") == ["on-time 2026-06-01T12:00:00+00:00", "past-due 2026-06-01T12:00:00+00:00"]


# 19: the clock


def test_summer_time_begins_and_ends_under_a_running_host(app: App, clock: HostClock) -> None:
    berlin = "Europe/Berlin"
    add_timer(app, "interval", "0 */30 * * * *", zone=berlin)
    add_timer(app, "point", "0 30 2 * * *", zone=berlin)
    # 2:30 is left out on this day: it comes at 3:30, half an hour after the clocks went from 2 to 3.
    clock.set("2026-03-29T01:10:00Z")
    with RunningHost(app.root, env=clock.env) as host:
        clock.set("2026-03-29T01:29:59Z")
        app.wait_for_lines(1, "interval-end", deadline=15)
        app.wait_for_lines(1, "point-end", deadline=15)
        assert runs(app, "interval") == runs(app, "point") == ["on-time 2026-03-29T03:30:00+02:00"]
        # 2:30 comes twice on that day: the interval runs both times, the point in time only the first time. What
        # was missed until now is made up for by one run.
        clock.set("2026-10-25T00:10:00Z")
        app.wait_for_lines(2, "interval-end", deadline=15)
        app.wait_for_lines(2, "point-end", deadline=15)
        clock.set("2026-10-25T00:29:59Z")
        app.wait_for_lines(3, "interval-end", deadline=15)
        app.wait_for_lines(3, "point-end", deadline=15)
        clock.set("2026-10-25T01:29:59Z")
        # One for what was passed over, three o'clock, and the one that is looked for.
        until(lambda: "on-time 2026-10-25T02:30:00+01:00" in runs(app, "interval"), 15)
        assert host.stop() == 0
    assert runs(app, "point")[2:] == ["on-time 2026-10-25T02:30:00+02:00"]
    assert status(app, "point")["Next"] == "2026-10-26T02:30:00+01:00"


def test_a_clock_that_jumps_forward_and_back_keeps_no_timer_waiting(app: App, clock: HostClock) -> None:
    add_timer(app, "hourly", "0 0 * * * *")
    clock.set("2026-06-01T11:30:00Z")
    with RunningHost(app.root, env=clock.env) as host:
        app.wait_for_lines(2, "beat-end")
        clock.step(hours=10)
        app.wait_for_lines(1, "hourly-end", deadline=15)
        clock.step(hours=-10)
        seconds = len(app.ledger("beat-end"))
        host.wait_for("Timer hourly: the clock was set back", 15)
        app.wait_for_lines(seconds + 3, "beat-end", deadline=15)
        assert status(app)["Next"] == "2026-06-01T12:00:00+00:00"
        assert len(runs(app, "hourly")) == 1


def test_messages_neither_wait_for_a_clock_that_was_set_back_nor_complete_twice_on_one_set_forward(
    app: App, clock: HostClock
) -> None:
    add_work(app, "while job == 'slow' and not os.path.exists('gate'): time.sleep(0.005)")
    ledger = Ledger(app)
    clock.step(hours=-10)
    with RunningHost(app.root, env=clock.env):
        # As the host sees it they are sent in ten hours.
        ledger.send("a", "b")
        ledger.wait_until_settled(15)
        ledger.send("slow")
        app.wait_for_lines(1, "start slow")
        clock.step(hours=20)
        # With the next look at the queue its time is up, as far as the clock says.
        ledger.send("c")
        app.wait_for_lines(2, "start slow")
        app.write("gate", "")
        ledger.wait_until_settled(15)
    assert ledger.check().done == 4


# 20: runs that are too long


def test_a_run_longer_than_its_interval_never_overlaps_the_next_and_one_that_hangs_is_ended(app: App) -> None:
    # The first one hangs.
    code = "first = not os.path.exists('hung'); open('hung', 'w').close(); time.sleep(60 if first else 1.3)"
    add_timer(app, "busy", "* * * * * *", code, timeout="00:00:02")
    with RunningHost(app.root) as host:
        app.wait_for_lines(2, "busy-end")
        host.wait_for("timeout of 2 s")
    lines = ["end" if line == "-end" else "start" for line in app.ledger("busy")]
    assert lines[:5] == ["start", "start", "end", "start", "end"], "one run at a time"
