"""Faults between the end of a run and its settlement, and of what is in flight meanwhile: nothing is lost, and each
message is completed once.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aws import Aws
from e2e.apps import App, http_trigger, queue_output, queue_trigger, request, states, until
from e2e.running import RunningHost, funchost
from faults.constants import short_leases, with_constants
from faults.injection import Faults
from faults.ledger import Ledger, add_work
from faulty_proxy import FaultyProxy, sqs

pytestmark = pytest.mark.e2e

#: Waits in the middle of a run for a file.
GATE = "while not os.path.exists('gate'): time.sleep(0.01)"

#: What a listener says once of settlements that fail, and once when they no longer do.
NOT_YET = "Messages of 'jobs' cannot be settled yet, which is tried again: A test lets"
AGAIN = "Messages of 'jobs' can be settled again."


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(tmp_path)


@pytest.fixture
def ledger(app: App) -> Ledger:
    return Ledger(app)


@pytest.fixture
def faults(tmp_path: Path) -> Faults:
    return Faults(tmp_path)


@pytest.fixture
def proxy(aws: Aws) -> Iterator[FaultyProxy]:
    with FaultyProxy(aws.url) as proxy:
        yield proxy


def add_failing(app: App, *, deliveries: int, **trigger: Any) -> None:
    """A function that fails for messages named bad…, and says so."""
    code = "if job.startswith('bad'): note('failed', job); raise ValueError(job)"
    add_work(app, code)
    definition = json.loads((app.root / "work/function.json").read_text())
    definition["bindings"][0] |= {"maxDequeueCount": deliveries, **trigger}
    app.write("work/function.json", json.dumps(definition))


# -- 1: a stop between the end of a run and its settlement


def test_a_stop_lets_a_settlement_that_is_under_way_end(app: App, ledger: Ledger, faults: Faults) -> None:
    add_work(app)
    with RunningHost(app.root, env=faults.env) as host:
        slow = faults.on("queues.complete", "delay", seconds=1.0)
        ledger.send("a", "b")
        slow.wait_until_struck(2)
        assert host.stop() == 0
        assert "could not be settled" not in host.log
    tally = ledger.check()
    assert (tally.done, tally.repeated) == (2, 0)


@pytest.mark.parametrize(("when", "runs"), [("before", 2), ("after", 1)])
def test_a_stop_does_not_wait_for_ever_for_a_settlement_that_hangs(
    app: App, ledger: Ledger, faults: Faults, tmp_path: Path, when: str, runs: int
) -> None:
    add_work(app)
    soon = with_constants(tmp_path, {"funchost.triggers.queue_settlement.LAST_TRY": "0.5"})
    with RunningHost(app.root, env={**faults.env, **soon}) as host:
        hanging = faults.on("queues.complete", "hang", when=when)
        ledger.send("a")
        hanging.wait_until_struck()
        began = time.monotonic()
        assert host.stop() == 0
        assert time.monotonic() - began < 8
        assert "1 message of 'jobs' could not be settled, and comes again when its time is up." in host.log
    ledger.check()
    faults.off()
    # What was not settled does not wait for its time: the host that had it is known to have ended.
    with RunningHost(app.root, env=faults.env):
        ledger.wait_until_settled(15)
    tally = ledger.check()
    assert tally.done == 1
    assert len(app.ledger("start")) == runs


# -- 2 and 3: a store that fails for a while, or has done what it reports as failed


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_completion_that_fails_or_only_seems_to_is_made_once_and_the_run_is_not_repeated(
    app: App, ledger: Ledger, faults: Faults, when: str
) -> None:
    add_work(app)
    faults.on("queues.complete", "error", when=when, times=5)
    with RunningHost(app.root, env=faults.env) as host:
        ledger.send(*"abcdefgh")
        ledger.wait_until_settled()
        host.wait_for(AGAIN)
    tally = ledger.check()
    assert (tally.done, tally.repeated) == (8, 0)
    assert (host.log.count(NOT_YET), host.log.count(AGAIN)) == (1, 1)
    seemed = "had been settled by a try that was reported as failed, or handed to another host"
    assert host.log.count(seemed) == (5 if when == "after" else 0)
    assert "Traceback" not in host.log


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_message_is_given_up_once_also_when_the_store_reports_that_as_failed(
    app: App, ledger: Ledger, faults: Faults, when: str
) -> None:
    add_failing(app, deliveries=2)
    faults.on("queues.release", "error", when=when, times=2)
    faults.on("queues.poison", "error", when=when, times=3)
    with RunningHost(app.root, env=faults.env) as host:
        ledger.send("bad1", "bad2", "good")
        ledger.wait_until_settled()
        host.wait_for(AGAIN)
    tally = ledger.check()
    assert (tally.done, tally.poison) == (1, 2)
    # As many deliveries as without the fault.
    assert sorted(app.ledger("failed")) == ["bad1", "bad1", "bad2", "bad2"]


def test_messages_that_a_failing_receive_took_all_the_same_come_again_when_their_time_is_up(
    app: App, ledger: Ledger, faults: Faults, tmp_path: Path
) -> None:
    add_work(app)
    faults.on("queues.receive", "error", when="after", times=1, about="'jobs'")
    ledger.send(*"abc")
    with RunningHost(app.root, env={**faults.env, **short_leases(tmp_path)}) as host:
        host.wait_for("The queue 'jobs' of work cannot be read: A test lets queues.receive fail")
        assert ledger.check().in_flight == 3
        host.wait_for("The queue 'jobs' of work can be read again.")
        ledger.wait_until_settled()
    tally = ledger.check()
    assert (tally.done, tally.repeated) == (3, 0)
    assert {line.split()[1] for line in app.ledger("start")} == {"2"}, "the delivery that nobody got counts"


def test_a_request_whose_outputs_were_sent_but_reported_as_failed_is_told_that_it_failed(
    app: App, ledger: Ledger, faults: Faults
) -> None:
    add_work(app)
    code = "def main(req: str) -> str:\n    return req\n"
    app.add("send", code, http_trigger("send"), queue_output("jobs"))
    with RunningHost(app.root, env=faults.env) as host:
        for id, when in (("a", "before"), ("b", "after")):
            faults.on("queues.send", "error", when=when, times=1)
            status, body = request(host, "/api/send", id.encode())
            assert (status, "Traceback" in body) == (500, False)
            faults.off()
            ledger.unsure.append(id)
        assert request(host, "/api/send", b"c")[0] in (200, 204)
        ledger.sent.append("c")
        ledger.wait_until_settled()
        until(lambda: ledger.tally().done == 2, 15)
    ledger.check()
    # It cannot be told from the outside which of the two it was: who is told of a failure sends again.
    assert sorted(app.ledger("end")) == ["b 1", "c 1"]


# -- 6: killed between "written to poison" and "removed from queue"


@pytest.mark.parametrize(("when", "runs"), [("before", 2), ("after", 1)])
def test_a_kill_while_a_message_is_given_up_leaves_it_in_one_queue(
    app: App, ledger: Ledger, faults: Faults, when: str, runs: int
) -> None:
    add_failing(app, deliveries=1)
    with RunningHost(app.root, env=faults.env) as first:
        hanging = faults.on("queues.poison", "hang", when=when)
        ledger.send("bad")
        hanging.wait_until_struck()
        first.kill()
    tally = ledger.check()
    assert (tally.in_flight, tally.poison) == ((1, 0) if when == "before" else (0, 1))
    faults.off()
    with RunningHost(app.root, env=faults.env):
        ledger.wait_until_settled(15)
    assert ledger.check().poison == 1
    assert len(app.ledger("failed")) == runs


def test_on_sqs_a_kill_between_the_two_steps_of_giving_up_repeats_and_does_not_lose(
    app: App, aws: Aws, proxy: FaultyProxy, tmp_path: Path
) -> None:
    code = "from ledger import note\ndef main(job: str) -> None:\n    note('failed', job)\n    raise ValueError(job)\n"
    app.add("work", code, queue_trigger(connection="Orders", maxDequeueCount=1))
    aws.create_queue("jobs", VisibilityTimeout="2")
    aws.create_queue("jobs-poison")
    env = {**aws.app_settings(endpointUrl=proxy.url), **short_leases(tmp_path)}
    with RunningHost(app.root, env=env) as first:
        proxy.swallow(sqs("DeleteMessage", "DeleteMessageBatch"))
        aws.send("jobs", "bad")
        until(lambda: any(each.operation.startswith("DeleteMessage") for each in proxy.requests), 15)
        assert aws.counts("jobs-poison")[0] == 1
        first.kill()
    assert sum(aws.counts("jobs")) == 1, "it is in both: rather twice than not at all"
    proxy.heal()
    with RunningHost(app.root, env=env) as second:
        until(lambda: sum(aws.counts("jobs")) == 0, 15)
        second.wait_for("Moving message to queue 'jobs-poison'")
    assert {message["Body"] for message in aws.receive("jobs-poison")} == {"bad"}
    assert app.ledger("failed") == ["bad"], "delivered more often than it may fail, it is not run again"


# -- 8: a run longer than the time for which its message is hidden


def test_a_run_longer_than_the_visibility_time_keeps_its_message_also_when_a_renewal_fails(
    app: App, ledger: Ledger, faults: Faults, tmp_path: Path
) -> None:
    add_work(app, "time.sleep(4)")
    env = {**faults.env, **short_leases(tmp_path, 1.2)}
    with RunningHost(app.root, env=env) as one, RunningHost(app.root, env=env) as two:
        failing = faults.on("queues.renew", "error", times=1)
        seeming = faults.on("queues.renew", "error", when="after", times=1)
        ledger.send("a", "b")
        failing.wait_until_struck()
        seeming.wait_until_struck()
        ledger.wait_until_settled()
        said = one.log + two.log
    assert (ledger.check().done, ledger.tally().repeated) == (2, 0)
    assert "Messages of 'jobs' could not be renewed, which is tried again: A test lets" in said


def test_a_message_that_cannot_be_renewed_goes_to_another_host_and_the_late_end_is_refused_and_told(
    app: App, ledger: Ledger, faults: Faults, tmp_path: Path
) -> None:
    add_work(app, GATE)
    env = {**faults.env, **short_leases(tmp_path, 1.0)}
    faults.on("queues.renew", "error")
    with RunningHost(app.root, env=env) as one, RunningHost(app.root, env=env) as two:
        ledger.send("a")
        app.wait_for_lines(2, "start")
        assert ledger.check().done == 0
        faults.off()
        app.write("gate", "")
        ledger.wait_until_settled()
        until(lambda: "had been handed to another host" in one.log + two.log, 15)
    assert ledger.check().done == 1


def test_on_sqs_a_run_longer_than_the_visibility_time_keeps_its_message(
    app: App, aws: Aws, tmp_path: Path
) -> None:
    code = (
        "import time\nfrom ledger import note\n\n"
        "def main(job: str) -> None:\n    note('start', job)\n    time.sleep(4)\n    note('end', job)\n"
    )
    app.add("work", code, queue_trigger(connection="Orders"))
    aws.create_queue("jobs", VisibilityTimeout="2")
    with RunningHost(app.root, env={**aws.app_settings(), **short_leases(tmp_path)}) as host:
        aws.send("jobs", "one")
        app.wait_for_lines(1, "end")
        until(lambda: aws.counts("jobs") == (0, 0), 10)
        host.kill()
    assert app.ledger("start") == ["one"]


# -- 10: a delay longer than the visibility time, across a restart


def test_a_delayed_message_stays_hidden_for_its_whole_delay_across_a_kill_and_a_restart(
    app: App, ledger: Ledger, tmp_path: Path
) -> None:
    add_work(app, "note('at', time.time())")
    env = short_leases(tmp_path, 1.0)
    with RunningHost(app.root, env=env) as first:
        due = time.time() + 4
        sent = funchost("queues", "send", "jobs", "a", "--delay", "4s", "--root", app.root)
        assert sent.returncode == 0
        late = time.time() + 4
        ledger.sent.append("a")
        until(lambda: ledger.check().delayed == 1, 1)
        first.kill()
    with RunningHost(app.root, env=env):
        assert ledger.check().delayed == 1
        ledger.wait_until_settled(8)
    [at] = map(float, app.ledger("at"))
    assert due <= at < late + 1
    assert ledger.check().done == 1


# -- 13 and 14: storage that comes and goes


def test_a_store_that_goes_and_comes_several_times_in_seconds_loses_and_repeats_nothing(
    app: App, ledger: Ledger, faults: Faults
) -> None:
    add_work(app, "time.sleep(0.01)")
    with RunningHost(app.root, env=faults.env) as host:
        for round in range(4):
            away = [
                faults.on(f"queues.{step}", "error", when=when)
                for step in ("receive", "complete", "renew", "release", "wait", "peek")
                for when in ("before", "after")
                # Of a receive that took something all the same there is a test of its own.
                if (step, when) != ("receive", "after")
            ]
            ledger.send(*(f"job{round}-{number}" for number in range(75)))
            # Which one, depends on what it is just doing: without room it does not receive.
            until(partial(lambda faults: any(one.struck for one in faults), away), 15)
            time.sleep(0.3)
            faults.off()
            done = len(app.peek("done"))
            until(partial(lambda before: len(app.peek("done")) > before, done), 15)
        ledger.wait_until_settled()
        until(lambda: states(host)["work"] == "listening", 15)
        troubles = [line for line in host.log.splitlines() if "A test lets" in line]
    tally = ledger.check()
    assert (tally.done, tally.repeated) == (300, 0)
    assert len(troubles) <= 12, "each trouble is told once a minute"


def test_on_sqs_the_way_to_the_queue_goes_and_comes_several_times_in_seconds(
    app: App, aws: Aws, proxy: FaultyProxy, tmp_path: Path
) -> None:
    code = "from ledger import note\ndef main(job: str) -> str:\n    note('end', job)\n    return job\n"
    output = {**queue_output("done"), "connection": "Orders"}
    app.add("work", code, queue_trigger(connection="Orders"), output)
    aws.create_queue("jobs", VisibilityTimeout="2")
    aws.create_queue("done")
    jobs = [f"job{number}" for number in range(60)]
    env = {**aws.app_settings(endpointUrl=proxy.url), **short_leases(tmp_path)}
    with RunningHost(app.root, env=env) as host:
        for start in range(0, 60, 15):
            aws.send("jobs", *jobs[start : start + 15])
            app.wait_for_lines(start + 1, "end")
            # Done, but without an answer; or not done.
            if start % 2:
                proxy.answer("InternalError", 500)
            else:
                proxy.cut()
            time.sleep(0.5)
            proxy.heal()
        # What a poll had taken whose answer was cut off comes again when its time is up.
        until(lambda: set(app.ledger("end")) == set(jobs), 20)
        until(lambda: aws.counts("jobs") == (0, 0), 10)
        assert "Traceback" not in host.log
    # Outputs are sent before the message is deleted: rather twice than not at all.
    assert aws.counts("done")[0] >= 60


def test_a_host_whose_store_fails_from_the_start_takes_up_its_work_when_it_does_not(
    app: App, ledger: Ledger, faults: Faults
) -> None:
    add_work(app, singleton=True)
    code = "from ledger import note\ndef main(timer) -> None:\n    note('tick')\n"
    app.add("tick", code, {"type": "timerTrigger", "name": "timer", "schedule": "* * * * * *"})
    for method in ("queues.receive", "leases.acquire", "state.change"):
        faults.on(method, "error")
    ledger.send("a")
    with RunningHost(app.root, env=faults.env) as host:
        until(lambda: all("A test lets" in state for state in states(host).values()), 15)
        faults.off()
        ledger.wait_until_settled(15)
        app.wait_for_lines(1, "tick", deadline=15)
    assert ledger.check().done == 1


# -- 15: messages that nobody can read


def test_messages_that_cannot_be_read_are_given_up_with_a_reason_and_hold_up_nobody(app: App) -> None:
    code = "from ledger import note\ndef main(job: dict) -> None:\n    note('got', job['id'])\n"
    app.add("work", code, queue_trigger(maxDequeueCount=2))
    unreadable = [b"\xff\xfe\x00", b"", b'{"id": ', b"[" * 40_000, b'{"id": "\xff"}', b"null", b"\0" * 1000]
    with RunningHost(app.root) as host:
        app.send("jobs", b'{"id": 1}', *unreadable, b'{"id": 2}')
        reasons = app.wait_for_poison("jobs", len(unreadable))
        app.wait_until_empty("jobs")
        assert states(host)["work"] == "listening"
    assert sorted(app.ledger("got")) == ["1", "2"]
    assert sorted(message.body for message in app.peek("jobs-poison")) == sorted(unreadable)
    assert all(why["message"] for why in reasons), reasons


def test_rows_that_another_program_wrote_into_the_store_are_run_or_given_up(app: App, ledger: Ledger) -> None:
    add_work(app)
    ledger.send("a")
    insert = (
        "INSERT INTO messages (queue, message_id, body, inserted_at, visible_at, properties)"
        " VALUES ('jobs', 'x', ?, 0, 0, ?)"
    )
    with closing(sqlite3.connect(app.store / "store.db")) as other, other:
        # A text in place of bytes; properties that are no JSON, no object, and no text at all.
        other.execute(insert, ("text", None))
        other.executemany(
            insert, [(b"b", "{broken"), (b"c", "[1]"), (b"d", b"\xff"), (b"e" * 3_000_000, None)]
        )
    with RunningHost(app.root) as host:
        app.wait_for_lines(6, "end")
        # An output as large as that is over the limit, so this one cannot be completed.
        [why] = app.wait_for_poison("jobs")
        app.wait_until_empty("jobs")
        assert states(host)["work"] == "listening"
    assert "3000000 bytes for queue 'done' is over the limit" in why["message"]
    assert sorted(message.body for message in app.peek("done")) == [b"a", b"b", b"c", b"d", b"text"]


# -- 16: a batch in which some items fail


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_good_items_of_a_batch_are_completed_once_also_when_the_store_reports_failures(
    app: App, faults: Faults, when: str
) -> None:
    ledger = Ledger(app, recorded=False)  # a run of several messages has one record
    code = """
        import azure.functions as func
        from ledger import note

        def main(job: list[func.QueueMessage], done: func.Out[list[str]]) -> dict:
            ids = {one.id: one.get_body().decode() for one in job}
            for id in ids.values():
                note("start", id)
                note("end", id)
            done.set([id for id in ids.values() if not id.startswith("bad")])
            return {"batchItemFailures": [{"itemIdentifier": one} for one in ids if ids[one].startswith("bad")]}
    """
    trigger = queue_trigger(cardinality="many", batchSize=8, maxDequeueCount=2)
    output = {"type": "queue", "name": "done", "direction": "out", "queueName": "done"}
    app.add("work", code, trigger, output)
    for step in ("complete", "release", "poison"):
        faults.on(f"queues.{step}", "error", when=when, times=1)
    ledger.send("a", "bad1", "b", "bad2", "c")
    with RunningHost(app.root, env=faults.env):
        ledger.wait_until_settled()
    tally = ledger.check()
    assert (tally.done, tally.poison) == (3, 2)
    assert app.ledger("start a") == [""]
    assert len(app.ledger("start bad1")) == 2


# -- 21: a retry is asked for while the original still runs


@pytest.mark.parametrize("singleton", [False, True])
def test_a_run_by_hand_beside_the_original_is_one_of_its_own_and_a_singleton_keeps_them_apart(
    app: App, singleton: bool
) -> None:
    add_work(app, GATE, singleton=singleton)
    with RunningHost(app.root, "--verbose") as host:
        app.send("jobs", "a")
        app.wait_for_lines(1, "start")
        for _ in range(2):
            pressed = json.dumps({"input": "a"}).encode()
            assert request(host, "/admin/functions/work", pressed)[0] == 202
        if singleton:
            until(lambda: host.log.count("Executing 'Functions.work'") == 3, 15)
            assert len(app.ledger("start")) == 1
        else:
            app.wait_for_lines(3, "start")
        app.write("gate", "")
        app.wait_for_lines(3, "end")
        app.wait_until_empty("jobs")
        until(lambda: len(app.peek("done")) == 3, 15)
    # Each press is asked for, and so is a run with outputs of its own; the message has had one delivery.
    in_turn, together = ["start a 1", "end a 1"] * 3, ["start a 1"] * 3 + ["end a 1"] * 3
    assert app.ledger() == (in_turn if singleton else together)
    assert app.peek("jobs-poison") == []
