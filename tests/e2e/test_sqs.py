"""Functions on queues of SQS, at moto's server: the same function.json, with a connection that says so."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from aws import Aws
from e2e.apps import App, http_trigger, queue_trigger, request, states, until
from e2e.running import RunningHost, funchost

pytestmark = pytest.mark.e2e

_NOTED = """
    from ledger import note

    def main(job: str) -> str:
        note("got", job)
        return job.upper()
"""

_FAILING = """
    from ledger import note

    def main(job: str):
        note("tried", job)
        raise ValueError("bad order")
"""

#: Notes when each run begins and ends, so that two at the same time would show.
_TIMED = """
    import os, time
    from ledger import note

    def main(job: str) -> None:
        note("start", job, time.time(), os.getppid())
        time.sleep(0.01)
        note("end", job, time.time(), os.getppid())
"""


def output(queue: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "queue",
        "name": "$return",
        "direction": "out",
        "queueName": queue,
        "connection": "Orders",
        **more,
    }


def trigger(queue: str = "jobs", **more: Any) -> dict[str, Any]:
    return queue_trigger(queue, connection="Orders", **more)


def test_a_message_runs_its_function_and_the_result_goes_to_another_queue(tmp_path: Path, aws: Aws) -> None:
    app = App(tmp_path)
    app.add("work", _NOTED, trigger(), output("done"))
    for queue in ("jobs", "done"):
        aws.create_queue(queue)
    with RunningHost(app.root, env=aws.app_settings()):
        aws.send("jobs", "one", "two")
        app.wait_for_lines(2, "got")
        until(lambda: aws.counts("jobs") == (0, 0), 10)
        until(lambda: aws.counts("done")[0] == 2, 10)
    results = {message["Body"]: message["MessageAttributes"] for message in aws.receive("done")}
    assert results.keys() == {"ONE", "TWO"}
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", results["ONE"]["traceparent"]["StringValue"])


def test_a_request_sends_to_a_queue_that_the_host_may_make(tmp_path: Path, aws: Aws) -> None:
    app = App(tmp_path)
    code = "def main(req: str) -> str:\n    return req\n"
    app.add("send", code, http_trigger("send"), output("made"))
    with RunningHost(app.root, env=aws.app_settings(createQueues="true")) as host:
        assert request(host, "/api/send", b"hello")[0] in (200, 204)
    assert [message["Body"] for message in aws.receive("made")] == ["hello"]


def test_a_message_that_fails_too_often_is_given_up_with_its_reason(tmp_path: Path, aws: Aws) -> None:
    app = App(tmp_path)
    app.add("work", _FAILING, trigger(maxDequeueCount=3))
    for queue in ("jobs", "jobs-poison"):
        aws.create_queue(queue)
    with RunningHost(app.root, env=aws.app_settings()):
        aws.send("jobs", "bad")
        until(lambda: aws.counts("jobs-poison")[0] == 1, 20)
        until(lambda: aws.counts("jobs") == (0, 0), 10)
    assert app.ledger("tried") == ["bad"] * 3
    [given_up] = aws.receive("jobs-poison")
    assert given_up["Body"] == "bad"
    poison = json.loads(given_up["MessageAttributes"]["funchost"]["StringValue"])["properties"]["poison"]
    assert (poison["error"], poison["message"], poison["dequeueCount"]) == ("ValueError", "bad order", 3)


def test_where_the_queue_has_a_redrive_policy_sqs_gives_up(tmp_path: Path, aws: Aws) -> None:
    app = App(tmp_path)
    app.add("work", _FAILING, trigger(maxDequeueCount=1))
    dead = aws.create_queue("dead")
    arn = aws.sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "3"})
    aws.create_queue("jobs", RedrivePolicy=policy)
    with RunningHost(app.root, env=aws.app_settings()) as host:
        aws.send("jobs", "bad")
        until(lambda: aws.counts("dead")[0] == 1, 20)
        host.wait_for("has a redrive policy: SQS gives a message up after 3 deliveries")
    assert app.ledger("tried") == ["bad"] * 3


def test_a_group_of_a_fifo_queue_runs_in_order_and_stops_at_a_failure(tmp_path: Path, aws: Aws) -> None:
    app = App(tmp_path)
    failing_once = """
        from ledger import note

        def main(job: str, context) -> None:
            first = job == "a2" and not [line for line in open(__file__.replace("work/__init__.py", "ledger.txt"))
                                         if "failed" in line]
            note("failed" if first else "ran", job)
            if first:
                raise ValueError("once")
    """
    app.add("work", failing_once, trigger("jobs.fifo"))
    aws.create_queue("jobs.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    for group in "ab":
        aws.send("jobs.fifo", *[f"{group}{number}" for number in range(1, 6)], MessageGroupId=group)
    with RunningHost(app.root, env=aws.app_settings()):
        app.wait_for_lines(10, "ran")
        until(lambda: aws.counts("jobs.fifo") == (0, 0), 10)
    lines = [line.split()[1] for line in app.ledger()]
    assert [job for job in lines if job.startswith("b")] == ["b1", "b2", "b3", "b4", "b5"]
    # a2 failed: nothing of its group ran before it came again.
    assert [job for job in lines if job.startswith("a")] == ["a1", "a2", "a2", "a3", "a4", "a5"]


def test_two_hosts_drain_a_queue_and_what_a_killed_one_had_is_finished_by_the_other(
    tmp_path: Path, aws: Aws
) -> None:
    app = App(tmp_path)
    app.add("work", _TIMED, trigger(batchSize=8))
    # The shortest time for which messages are hidden: so long the killed host's messages stay away.
    aws.create_queue("jobs", VisibilityTimeout="30")
    jobs = [f"job{number}" for number in range(500)]
    aws.send("jobs", *jobs)
    one = RunningHost(app.root, env=aws.app_settings()).start()
    with RunningHost(app.root, env=aws.app_settings()) as two:
        pids = {str(one.pid), str(two.pid)}
        until(lambda: len(app.ledger("end")) >= 100, 30)
        until(lambda: {line.split()[2] for line in app.ledger("start")} == pids, 30)
        one.kill()
        killed = time.time()
        until(lambda: len({line.split()[0] for line in app.ledger("end")}) == 500, 90)
        until(lambda: aws.counts("jobs") == (0, 0), 45)
    assert {line.split()[0] for line in app.ledger("end")} == set(jobs)
    assert _at_the_same_time(app.ledger(), str(one.pid), killed) == []


def _at_the_same_time(lines: list[str], killed: str, at: float) -> list[str]:
    """Jobs that were run by two at a time; what the killed host had begun ended with it."""
    running: dict[str, str] = {}
    found = []
    for line in lines:
        what, job, moment, host = line.split()
        if what == "end":
            running.pop(job, None)
            continue
        before = running.get(job)
        if before and not (before == killed and float(moment) > at):
            found.append(line)
        running[job] = host
    return found


def test_a_queue_that_is_missing_is_told_and_read_as_soon_as_it_is_there(tmp_path: Path, aws: Aws) -> None:
    app = App(tmp_path)
    app.add("work", _NOTED, trigger(maxPollingInterval="00:00:01"), output("done"))
    with RunningHost(app.root, env=aws.app_settings()) as host:
        until(lambda: "There is no queue" in states(host)["work"], 20, lambda: str(states(host)))
        for queue in ("jobs", "done"):
            aws.create_queue(queue)
        aws.send("jobs", "late")
        app.wait_for_lines(1, "got")
        until(lambda: states(host)["work"] == "listening", 20)


def test_a_host_that_cannot_reach_aws_serves_its_other_functions(tmp_path: Path, aws: Aws) -> None:
    app = App(tmp_path)
    app.add("work", _NOTED, trigger())
    app.add("hello", "def main(req: str) -> str:\n    return 'hello'\n", http_trigger("hello"), http_output())
    with RunningHost(app.root, env=aws.app_settings(endpointUrl="http://127.0.0.1:1")) as host:
        host.wait_for("cannot be reached: nothing takes connections at 127.0.0.1:1.")
        assert states(host)["work"].startswith("waiting: The connection 'Orders' (http://127.0.0.1:1)")
        assert request(host, "/api/hello") == (200, "hello")


def http_output() -> dict[str, Any]:
    return {"type": "http", "name": "$return", "direction": "out"}


def test_what_the_host_keeps_for_itself_stays_in_the_embedded_store(tmp_path: Path, aws: Aws) -> None:
    app = App(tmp_path)
    code = """
        from ledger import note

        def main(job: str) -> str:
            note("got", job)
            return "found"
    """
    file = {"type": "fileTrigger", "name": "job", "path": "inbox/{name}.txt"}
    app.add("files", code, file, {**output("done"), "connection": ""})
    (tmp_path / "inbox").mkdir()
    aws.create_queue("done")
    settings = {
        key.replace("Orders__", "AzureWebJobsStorage__"): value for key, value in aws.app_settings().items()
    }
    with RunningHost(app.root, env=settings) as host:
        host.wait_for("AzureWebJobsStorage leads elsewhere, but locks")
        app.write("inbox/a.txt", "content")
        app.wait_for_lines(1, "got")
        until(lambda: aws.counts("done")[0] == 1, 10)


def test_the_command_line_sends_to_a_queue_of_a_connection_and_counts_it(tmp_path: Path, aws: Aws) -> None:
    app = App(tmp_path)
    aws.create_queue("Orders.fifo", FifoQueue="true")
    place = ("--connection", "Orders", "--root", app.root)
    sent = funchost("queues", "send", "Orders.fifo", "hello", *place, env=aws.app_settings())
    assert (sent.returncode, sent.stderr) == (0, b"Sent 5 bytes to Orders.fifo.\n")
    listed = funchost("queues", "list", "--json", *place, env=aws.app_settings())
    [depth] = json.loads(listed.stdout)
    assert (depth["queue"], depth["visible"], depth["oldest"]) == ("Orders.fifo", 1, None)
    looked = funchost("queues", "peek", "Orders.fifo", *place, env=aws.app_settings())
    assert b"visible, dequeued 0 times" in looked.stdout
    assert b"hello" in looked.stdout
    audit = json.loads(funchost("audit", "--json", "--root", app.root, env=aws.app_settings()).stdout)
    assert [(row["action"], row["target"]) for row in audit] == [("queues.send", "Orders.fifo")]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"Orders": "AccountName=a;AccountKey=b"}, b"holds an Azure Storage connection"),
        ({"Orders__provider": "aws", "Orders__regoin": "x"}, b"'Orders__regoin' is not one of a connection"),
    ],
)
def test_the_command_line_refuses_a_connection_that_cannot_be_used(
    tmp_path: Path, settings: dict[str, str], said: bytes
) -> None:
    app = App(tmp_path)
    sent = funchost(
        "queues", "send", "orders", "x", "--connection", "Orders", "--root", app.root, env=settings
    )
    assert sent.returncode == 3
    assert said in sent.stderr
