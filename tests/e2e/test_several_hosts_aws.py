"""Two hosts as on two machines, with roots and stores of their own, that keep leases, state and keys on S3."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from aws import CREDENTIALS
from e2e.apps import App, http_trigger, queue_trigger, request, states, until
from e2e.emulated import EmulatedAws, running_emulator
from e2e.running import RunningHost, funchost

pytestmark = pytest.mark.e2e

#: How soon another host has to go on with what a killed one did: the lease, and the time until it is looked at.
TAKEOVER = 20.0

_TICK = """
    import time
    from ledger import note

    def main(timer) -> None:
        note("tick", time.time())
"""

#: Notes its lock's number and the time, on a clock that all processes of a machine have in common.
_GUARDED = """
    import time
    from ledger import note

    def main(job: str, context) -> None:
        note("begin", context.fence, job, time.monotonic())
        time.sleep(0.3)
        note("end", context.fence, job, time.monotonic())
"""

_HELLO = "def main(req: str) -> str:\n    return 'hello'\n"
_RETURN = {"type": "http", "name": "$return", "direction": "out"}


@pytest.fixture(scope="module")
def aws() -> Iterator[EmulatedAws]:
    with running_emulator() as emulated:
        yield emulated


def shared(aws: EmulatedAws, app: str, url: str | None = None) -> Mapping[str, str]:
    """Settings by which hosts share what they keep; tests do not meet, since each is another app."""
    storage = {
        "provider": "aws",
        "region": "us-east-1",
        "endpointUrl": url or aws.url,
        "bucket": "hosts",
        "createBuckets": "true",
        "createQueues": "true",
        "queuePrefix": f"{app}-",
    }
    settings = {f"AzureWebJobsStorage__{key}": value for key, value in storage.items()}
    return {**CREDENTIALS, **settings, "AzureFunctionsWebHost__hostid": app}


@dataclass(frozen=True)
class Run:
    """One run under the singleton's lock."""

    job: str
    fence: int
    began: float
    ended: float


def runs_of(app: App, killed: float | None = None) -> list[Run]:
    """The runs on a machine; what ran when its host was killed ended then."""
    ends = {line.split()[0]: float(line.split()[2]) for line in app.ledger("end")}
    found = []
    for line in app.ledger("begin"):
        fence, job, began = line.split()
        found.append(Run(job, int(fence), float(began), ends.get(fence, killed or 0.0)))
    return found


def _done(apps: list[App]) -> set[str]:
    return {run.job for app in apps for run in runs_of(app) if run.ended}


def test_timer_and_singleton_go_on_elsewhere_when_their_host_is_killed(
    tmp_path: Path, aws: EmulatedAws
) -> None:
    apps = [App(tmp_path / name) for name in ("one", "two")]
    for app in apps:
        app.add("tick", _TICK, {"type": "timerTrigger", "name": "timer", "schedule": "* * * * * *"})
        app.add("work", _GUARDED, queue_trigger(), singleton=True)
    env = shared(aws, "takeover")
    jobs = {f"job{number}" for number in range(40)}
    aws.sqs.create_queue(QueueName="takeover-jobs", Attributes={"VisibilityTimeout": "30"})
    with RunningHost(apps[0].root, env=env) as first, RunningHost(apps[1].root, env=env) as second:
        until(lambda: any(len(app.ledger("tick")) >= 3 for app in apps), 30)
        aws.send("takeover-jobs", *jobs)
        until(lambda: sum(len(app.ledger("end")) for app in apps) >= 8, 30)
        dead = 0 if len(apps[0].ledger("tick")) >= 3 else 1
        (first, second)[dead].kill()
        killed, killed_at = time.time(), time.monotonic()
        other = apps[1 - dead]
        until(
            lambda: len(other.ledger("tick")) >= 2,
            TAKEOVER + 5,
            lambda: str(states((first, second)[1 - dead])),
        )
        until(lambda: _done(apps) == jobs, 90, lambda: f"{len(_done(apps))} done")
    ticks = sorted(float(line) for app in apps for line in app.ledger("tick"))
    seconds = [int(tick) for tick in ticks]
    assert len(set(seconds)) == len(seconds), f"a second had two ticks: {ticks}"
    gap = min(float(line) for line in other.ledger("tick")) - killed
    print(f"the timer went on {gap:.1f} s after its host was killed")
    assert gap < TAKEOVER
    runs = runs_of(apps[dead], killed_at) + runs_of(other)
    runs.sort(key=lambda run: run.began)
    assert all(before.ended <= after.began for before, after in pairwise(runs)), "two ran at the same time"
    assert [run.fence for run in runs] == sorted({run.fence for run in runs}), "numbers grow"


def test_the_timer_of_a_host_that_stops_goes_on_elsewhere_at_once(tmp_path: Path, aws: EmulatedAws) -> None:
    apps = [App(tmp_path / name) for name in ("one", "two")]
    for app in apps:
        app.add("tick", _TICK, {"type": "timerTrigger", "name": "timer", "schedule": "* * * * * *"})
    env = shared(aws, "handover")
    with RunningHost(apps[0].root, env=env) as one:
        apps[0].wait_for_lines(2, "tick")
        with RunningHost(apps[1].root, env=env) as two:
            assert states(two)["tick"] == "standing by: another host holds its lease"
            one.stop()
            stopped = time.time()
            apps[1].wait_for_lines(1, "tick", deadline=8)
            assert float(apps[1].ledger("tick")[0]) - stopped < 6
    seconds = [int(float(line)) for app in apps for line in app.ledger("tick")]
    assert len(set(seconds)) == len(seconds)


def test_keys_made_on_one_host_open_the_functions_of_the_other(tmp_path: Path, aws: EmulatedAws) -> None:
    apps = [App(tmp_path / name) for name in ("one", "two")]
    for app in apps:
        app.add("hello", _HELLO, http_trigger("hello", authLevel="function"), _RETURN)
    env = shared(aws, "keys")
    with (
        RunningHost(apps[0].root, "--auth", env=env) as one,
        RunningHost(apps[1].root, "--auth", env=env) as two,
    ):
        listed = funchost("keys", "list", "--json", "--root", apps[0].root, env=env)
        keys = {key["kind"]: key["value"] for key in json.loads(listed.stdout)}
        for host in (one, two):
            assert request(host, "/api/hello")[0] == 401
            assert request(host, f"/api/hello?code={keys['host']}") == (200, "hello")
        made = request(
            one,
            "/admin/functions/hello/keys/partner",
            b"",
            method="POST",
            **{"x-functions-key": keys["master"]},
        )
        key = json.loads(made[1])["value"]
        assert request(one, f"/api/hello?code={key}")[0] == 200
        # The other looks for changes every half minute.
        until(lambda: request(two, f"/api/hello?code={key}")[0] == 200, 40)


def test_a_host_whose_shared_storage_is_away_serves_what_needs_none_of_it(
    tmp_path: Path, aws: EmulatedAws
) -> None:
    app = App(tmp_path)
    app.add("tick", _TICK, {"type": "timerTrigger", "name": "timer", "schedule": "* * * * * *"})
    app.add("open", _HELLO, http_trigger("open"), _RETURN)
    app.add("keyed", _HELLO, http_trigger("keyed", authLevel="function"), _RETURN)
    app.add("guarded", _HELLO, http_trigger("guarded"), _RETURN, singleton=True)
    with RunningHost(app.root, "--auth", env=shared(aws, "away", "http://127.0.0.1:1")) as host:
        assert request(host, "/api/open") == (200, "hello")
        assert request(host, "/api/keyed?code=any")[0] == 503
        status, reason = request(host, "/api/guarded")
        assert (status, "lock" in reason) == (503, True)
        assert app.ledger("tick") == []
        host.wait_for("The lease 'tick.Listener' cannot be asked for, which is tried again: The connection")


def test_a_function_says_that_it_waits_for_a_lock_that_cannot_be_asked_for(
    tmp_path: Path, aws: EmulatedAws
) -> None:
    app = App(tmp_path)
    app.add("tick", _TICK, {"type": "timerTrigger", "name": "timer", "schedule": "* * * * * *"})
    app.add("guarded", _HELLO, http_trigger("guarded"), _RETURN, singleton=True)
    with RunningHost(app.root, env=shared(aws, "waits", "http://127.0.0.1:1")) as host:
        assert states(host)["tick"].startswith("waiting: The connection 'AzureWebJobsStorage'")
        assert states(host)["guarded"] == "listening"
        with ThreadPoolExecutor(1) as threads:
            asked = threads.submit(request, host, "/api/guarded")
            until(lambda: states(host)["guarded"].startswith("waiting: "), 10)
            assert asked.result()[0] == 503
        assert states(host)["guarded"] == "listening"
