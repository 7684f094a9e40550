"""Runs of a queue on SQS are replayed there, one and many."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from aws import Aws
from e2e.apps import App, queue_trigger, until
from e2e.running import RunningHost, funchost

pytestmark = pytest.mark.e2e

FAILING = """
    from ledger import note

    def main(job: str) -> None:
        note("ran", job)
        if "fail" in job:
            raise ValueError("no luck")
"""


def listed(app: App, env: Mapping[str, str], *filters: str) -> list[dict[str, Any]]:
    done = funchost("runs", "list", "--json", "--root", app.root, *filters, env=env)
    assert done.returncode == 0, done.stderr.decode()
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_runs_of_sqs_are_sent_there_again_and_linked(tmp_path: Path, aws: Aws) -> None:
    app = App(tmp_path)
    app.add("work", FAILING, queue_trigger("jobs", connection="Orders", maxDequeueCount=1))
    for queue in ("jobs", "jobs-poison"):
        aws.create_queue(queue)
    env = aws.app_settings()
    with RunningHost(app.root, env=env):
        aws.send("jobs", "fail one", "fail two")
        until(lambda: len(listed(app, env, "--state", "failed")) == 2, 20)
        one = listed(app, env, "--search", "one")[0]
        done = funchost("runs", "replay", one["id"], "--data", "good one", "--root", app.root, env=env)
        assert done.returncode == 0, done.stderr.decode()
        until(lambda: listed(app, env, "--replay-of", one["id"], "--state", "succeeded"), 20)
    bulk = funchost("runs", "replay", "--since", "1h", "--yes", "--json", "--root", app.root, env=env)
    assert bulk.returncode == 0, bulk.stderr.decode()
    # The first has a replay that succeeded.
    assert (json.loads(bulk.stdout)["total"], json.loads(bulk.stdout)["replayed"]) == (1, 1)
    assert [message["Body"] for message in aws.receive("jobs")] == ["fail two"]
