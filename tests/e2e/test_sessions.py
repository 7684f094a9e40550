"""Sessions on two hosts: each one's messages run in their order, one at a time, also when a host is killed."""

from __future__ import annotations

import asyncio
from itertools import groupby
from pathlib import Path

import pytest
from e2e.apps import App, queue_trigger, until
from e2e.running import RunningHost

from funchost.bindings.embedded_queue import EmbeddedQueues
from funchost.bindings.queue import OutgoingMessage
from funchost.bindings.store import Store

pytestmark = pytest.mark.e2e

#: Notes beginning and end of each run; one in ten fails the first time.
_WORK = """
    import os, time
    import azure.functions as func
    from ledger import note

    def main(job: func.QueueMessage) -> None:
        session, number = job.get_body().decode().split()
        note("start", session, number, os.getppid())
        time.sleep(0.01)
        if int(number) % 10 == 5 and job.dequeue_count == 1:
            raise ValueError("not yet")
        note("end", session, number, os.getppid())
"""

SESSIONS = ("anna", "bert", "carl", "dora")
EACH = 40


def _send(app: App) -> None:
    """All messages of all sessions, one session after the other by turns."""

    async def go() -> None:
        store = Store(app.store)
        bodies = [(session, f"{session} {number}") for number in range(EACH) for session in SESSIONS]
        messages = [
            OutgoingMessage(queue="jobs", body=body.encode(), session_id=session) for session, body in bodies
        ]
        await EmbeddedQueues(store, "test").send(messages)
        await store.close()

    asyncio.run(go())


def _ended(app: App) -> int:
    return len({tuple(line.split()[:2]) for line in app.ledger("end")})


def test_each_session_runs_in_its_order_on_two_hosts_though_one_is_killed(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.add("work", _WORK, queue_trigger())
    with RunningHost(app.root) as one, RunningHost(app.root) as two:
        _send(app)
        until(lambda: _ended(app) >= 30, 20)
        # The host that ran a session's last message is mostly the first to see the next one.
        pids = {str(host.pid): host for host in (one, two)}
        pids[app.ledger()[-1].split()[-1]].kill()
        until(lambda: _ended(app) == len(SESSIONS) * EACH, 30, lambda: f"{_ended(app)} have ended")
        app.wait_until_empty("jobs")
    lines = [line.split() for line in app.ledger()]
    assert {pid for *_, pid in lines} == pids.keys(), "the other was to take over"
    for session in SESSIONS:
        own = [line for line in lines if line[1] == session]
        # A message may be run more than once, but none before those in front of it have ended.
        order = [int(number) for number, _ in groupby(line[2] for line in own)]
        assert order == list(range(EACH)), session
        for number, runs in groupby(own, key=lambda line: line[2]):
            assert [line[0] for line in runs][-1] == "end", (session, number)
