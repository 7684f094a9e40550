"""kill -9 in the middle of a bulk replay of messages that were given up: none is lost, and none is doubled."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from aws import Aws
from e2e.apps import App, queue_trigger, until
from e2e.running import COMMAND, DEADLINE, RunningHost, funchost
from faulty_proxy import FaultyProxy, sqs

from funchost.bindings.queue import OutgoingMessage

pytestmark = pytest.mark.e2e

#: More than one step of a replay takes.
MANY = 3000

WORK = "from ledger import note\ndef main(job: str): note('work', job)\n"


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(tmp_path / "app")


def begin(root: Path, *arguments: str, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    command = [COMMAND, "poison", "replay", "--all", "--yes", "--root", str(root), *arguments]
    nothing = subprocess.DEVNULL
    return subprocess.Popen(command, stdout=nothing, stderr=nothing, env={**os.environ, **(env or {})})


def kill(process: subprocess.Popen[bytes]) -> bool:
    """Kill it; whether it was still at work."""
    was_at_work = process.poll() is None
    process.kill()
    process.wait(DEADLINE)
    return was_at_work


def wait_for_moves(app: App, process: subprocess.Popen[bytes], before: int) -> None:
    """Return once more messages have moved than before, or it has ended."""
    until(
        lambda: process.poll() is not None or sum(bodies(app, "jobs").values()) > before,
        DEADLINE,
    )


def give_up(app: App, count: int) -> Counter[bytes]:
    """Put messages into a poison queue as a host would; returns their bodies."""
    bodies = [b"job%d" % number for number in range(count)]
    poison = {"queue": "jobs", "function": "Work", "error": "ValueError", "message": "m", "runs": ["run-1"]}

    app._on_store(
        lambda queues: queues.send(
            [
                OutgoingMessage(queue="jobs-poison", body=body, ttl=None, properties={"poison": poison})
                for body in bodies
            ]
        )
    )
    return Counter(bodies)


def bodies(app: App, queue: str) -> Counter[bytes]:
    """What a queue holds, read from the store's own file."""
    with closing(sqlite3.connect(app.store / "store.db")) as store:
        rows = store.execute("SELECT body FROM messages WHERE queue = ?", (queue,)).fetchall()
    return Counter(body for (body,) in rows)


@pytest.mark.parametrize("rate", [(), ("--rate", "400/s")])
def test_a_replay_that_is_killed_again_and_again_leaves_each_message_in_one_queue(
    app: App, rate: tuple[str, ...]
) -> None:
    app.add("Work", WORK, queue_trigger())
    count = 400 if rate else MANY
    sent = give_up(app, count)
    killed_at_work = 0
    for moment in range(6):
        process = begin(app.root, *rate)
        # Each time a little later after the first messages have moved.
        wait_for_moves(app, process, sum(bodies(app, "jobs").values()))
        time.sleep(0.01 * moment)
        killed_at_work += kill(process)
        moved, left = bodies(app, "jobs"), bodies(app, "jobs-poison")
        assert moved + left == sent
        if not left:
            break
    assert killed_at_work > 0
    done = funchost("poison", "replay", "--all", "--yes", "--root", app.root)
    assert done.returncode == 0, done.stderr
    assert bodies(app, "jobs") == sent
    assert {message.properties["replayOf"] for message in app.peek("jobs")} == {"run-1"}


def test_a_replay_beside_a_host_that_works_the_messages_off_runs_each_once_though_both_are_killed(
    app: App,
) -> None:
    app.add("Work", WORK, queue_trigger())
    sent = give_up(app, 1000)
    with RunningHost(app.root) as host:
        process = begin(app.root, "--rate", "2000/s")
        app.wait_for_lines(50, "work")
        kill(process)
        host.kill()
    moved, left = bodies(app, "jobs"), bodies(app, "jobs-poison")
    done = Counter(line.encode() for line in app.ledger("work"))
    # What the host had in flight is still in its queue, and may have been noted as well.
    assert set(moved) | set(left) | set(done) == set(sent)
    assert not (set(left) & (set(done) | set(moved)))
    with RunningHost(app.root):
        assert funchost("poison", "replay", "--all", "--yes", "--root", app.root).returncode == 0
        until(lambda: set(app.ledger("work")) == {body.decode() for body in sent}, DEADLINE)
        app.wait_until_empty("jobs")
    assert bodies(app, "jobs-poison") == Counter()
    in_flight_at_the_kill = 32
    assert len(app.ledger("work")) <= len(sent) + in_flight_at_the_kill


def test_on_sqs_a_kill_between_sending_and_deleting_leaves_a_message_in_both_queues_rather_than_in_none(
    app: App, aws: Aws
) -> None:
    aws.create_queue("jobs")
    aws.create_queue("jobs-poison")
    aws.send("jobs-poison", *(f"job{number}" for number in range(5)))
    with FaultyProxy(aws.url) as proxy:
        proxy.swallow(sqs("DeleteMessage", "DeleteMessageBatch"))
        env = dict(aws.app_settings(endpointUrl=proxy.url))
        process = begin(app.root, "--connection", "Orders", env=env)
        until(lambda: sum(aws.counts("jobs")) > 0, DEADLINE)
        assert kill(process)
    assert sum(aws.counts("jobs-poison")) == 5
    assert {message["Body"] for message in aws.receive("jobs")} <= {f"job{number}" for number in range(5)}
