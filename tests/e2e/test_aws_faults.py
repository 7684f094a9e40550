"""Hosts on AWS while AWS, or the way to it, is in trouble: they stay, say what is wrong, and go on by themselves."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aws import CREDENTIALS, REGION, Aws
from e2e.apps import App, http_trigger, queue_trigger, request, states, until
from e2e.running import RunningHost, funchost
from faulty_proxy import FaultyProxy, s3, sqs
from s3 import S3

pytestmark = pytest.mark.e2e

_NOTED = """
    from ledger import note

    def main(job: str) -> str:
        note("got", job)
        return job.upper()
"""

#: Ends when the test lets it, by a file.
_PATIENT = """
    import os, time
    from ledger import note

    def main(job: str) -> str:
        note("started", job)
        while not os.path.exists(os.path.join(os.path.dirname(__file__), "..", "go")):
            time.sleep(0.05)
        note("got", job)
        return job.upper()
"""

_HELLO = "def main(req: str) -> str:\n    return 'hello'\n"
_ECHO = "def main(req: str) -> str:\n    return req\n"
_LOAD = "def main(req: str, found: str) -> str:\n    return found or 'nothing'\n"


def bound(kind: str, direction: str = "out", name: str = "$return", **fields: Any) -> dict[str, Any]:
    return {"type": kind, "name": name, "direction": direction, "connection": "Orders", **fields}


_ANSWER = {"type": "http", "name": "$return", "direction": "out"}


@pytest.fixture
def proxy(aws: Aws) -> Iterator[FaultyProxy]:
    with FaultyProxy(aws.url) as proxy:
        yield proxy


class Bench:
    """A host whose queues lie behind the proxy, with a function on HTTP beside."""

    def __init__(self, root: Path, aws: Aws, proxy: FaultyProxy, code: str = _NOTED) -> None:
        self.aws = aws
        self.proxy = proxy
        self.app = App(root)
        trigger = queue_trigger("jobs", connection="Orders")
        self.app.add("work", code, trigger, bound("queue", queueName="done"))
        self.app.add("hello", _HELLO, http_trigger("hello"), _ANSWER)
        for queue in ("jobs", "done"):
            aws.create_queue(queue)
        self.host = RunningHost(root, env=self.settings())
        self._sent = self._seen = 0

    def settings(self, **more: str) -> dict[str, str]:
        return {**self.aws.app_settings(endpointUrl=self.proxy.url), **more}

    def answers(self) -> None:
        """Requests are answered, and soon."""
        began = time.monotonic()
        assert request(self.host, "/api/hello") == (200, "hello")
        assert time.monotonic() - began < 2

    def says(self, reason: str, function: str = "work") -> None:
        """Wait until the function's state gives this reason; requests are answered all the time."""

        def said() -> bool:
            self.answers()
            return reason in states(self.host)[function]

        until(said, 30, lambda: states(self.host)[function])

    def heals(self, within: float = 10) -> None:
        """End the fault; what comes then is run."""
        until(lambda: self.proxy.is_idle, 10)  # or an orphaned poll gets it
        self.proxy.heal()
        until(lambda: states(self.host)["work"] == "listening", within, lambda: states(self.host)["work"])
        self._sent += 1
        self.aws.send("jobs", f"job{self._sent}")
        self.app.wait_for_lines(1, f"got job{self._sent}")
        until(lambda: self.aws.counts("jobs") == (0, 0), 10)

    def told(self) -> list[str]:
        """What was told of trouble and of its end, since the last look."""
        lines = [line for line in self.host.log.splitlines() if re.search(r"WARN|ERROR|Trace|again", line)]
        news, self._seen = lines[self._seen :], len(lines)
        return news


@pytest.fixture
def bench(tmp_path: Path, aws: Aws, proxy: FaultyProxy) -> Iterator[Bench]:
    bench = Bench(tmp_path, aws, proxy)
    with bench.host:
        yield bench


def _turned(proxy: FaultyProxy) -> list[tuple[Callable[[], None], str]]:
    """Each fault, and what is to be said of it."""
    no_receiving = sqs("ReceiveMessage")
    return [
        (lambda: proxy.cut(no_receiving), "broke off before its answer was whole"),
        (proxy.refuse, "cannot be reached: nothing takes connections at 127.0.0.1:"),
        (lambda: proxy.answer("ExpiredToken", 403), "does not accept the credentials (ExpiredToken). Renew"),
        (lambda: proxy.answer("AccessDeniedException", 400, no_receiving), "refuses this: no. Allow it in a"),
        (lambda: proxy.answer("ThrottlingException", 400), "takes no more calls for now (Throttling"),
        (lambda: proxy.answer("InternalError", 500), "has troubles of its own (InternalError)"),
        (lambda: proxy.answer("RequestExpired", 400), "the clock of this machine is wrong. Set it."),
        (proxy.show_page, "leads to what is not AWS, or something stands between: HTTP 200 with a web page"),
        (lambda: proxy.show_page(302, location="http://a.example"), "between: HTTP 302 with a web page"),
    ]


def test_each_trouble_is_told_once_and_ends_by_itself(bench: Bench) -> None:
    bench.heals()
    assert bench.told() == []
    for turn, reason in _turned(bench.proxy):
        turn()
        bench.says(reason)
        _, body = request(bench.host, "/admin/host/status")
        assert reason in json.loads(body)["waiting"]["work"]
        time.sleep(1)  # for some more tries
        *first, last = bench.told()
        assert "The queue 'jobs' of work cannot be read: The connection 'Orders'" in last
        assert reason in last
        # The poll that was under way may have been broken off, which is told once a minute.
        assert len(first) <= 1
        bench.heals()
        [healed] = bench.told()
        assert healed.endswith("The queue 'jobs' of work can be read again.")
    jobs = bench.app.ledger("got")
    assert jobs == list(dict.fromkeys(jobs))


def test_tries_become_rare_while_there_is_no_use(bench: Bench) -> None:
    bench.proxy.answer("ThrottlingException", 400)
    bench.says("takes no more calls for now")
    time.sleep(8)
    # Each poll in vain is one request; after 8 s the pauses are longer than 3 s.
    assert 4 <= len(bench.proxy.requests) <= 14
    assert len(bench.told()) == 1


def test_a_run_that_ended_while_sqs_was_away_is_settled_later_and_not_made_again(
    tmp_path: Path, aws: Aws, proxy: FaultyProxy
) -> None:
    bench = Bench(tmp_path, aws, proxy, _PATIENT)
    with bench.host:
        aws.send("jobs", "one")
        bench.app.wait_for_lines(1, "started")
        proxy.refuse()
        bench.app.write("go", "")
        bench.host.wait_for("Messages of 'jobs' cannot be settled yet, which is tried again: The connection")
        time.sleep(2)
        proxy.heal()
        until(lambda: aws.counts("jobs") == (0, 0), 15)
        until(lambda: aws.counts("done")[0] == 1, 5)
        bench.host.wait_for("Messages of 'jobs' can be settled again.")
        assert bench.host.log.count("cannot be settled yet") == 1
    assert bench.app.ledger("started") == ["one"]


def test_a_network_that_swallows_everything_is_told_and_keeps_no_stop_waiting(
    tmp_path: Path, aws: Aws, proxy: FaultyProxy
) -> None:
    bench = Bench(tmp_path, aws, proxy, _PATIENT)
    with bench.host:
        aws.send("jobs", "one")
        bench.app.wait_for_lines(1, "started")
        proxy.swallow()
        bench.app.write("go", "")
        bench.app.wait_for_lines(1, "got")
        bench.says("gets no answer in time. Check the network.")
        began = time.monotonic()
        bench.host.signal(signal.SIGINT)
        assert bench.host.wait() == 130
        assert time.monotonic() - began < 8
    assert "1 message of 'jobs' could not be settled, and comes again when its time is up." in bench.host.log
    assert "Traceback" not in bench.host.log
    assert "never retrieved" not in bench.host.log


# -- blobs


@pytest.fixture
def store(aws: Aws) -> S3:
    return S3(aws.url)


def _with_bucket(bench: Bench, store: S3) -> Mapping[str, str]:
    """Settings for blobs, and functions that read and write them."""
    store.raw.create_bucket(
        Bucket=f"{store.prefix}box", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    saving = bound("blob", path="box/{query.name}")
    bench.app.add("save", _ECHO, http_trigger("save"), saving)
    loading = bound("blob", "in", "found", path="box/{query.name}")
    bench.app.add("load", _LOAD, http_trigger("load"), loading, _ANSWER)
    note = "from ledger import note\n\ndef main(job) -> None:\n    note('blob', job.name)\n"
    bench.app.add("seen", note, bound("blobTrigger", "in", "job", path="box/{name}"))
    return bench.settings(Orders__bucketPrefix=store.prefix)


def test_blobs_of_a_store_in_trouble_fail_their_runs_alone_and_are_found_afterwards(
    tmp_path: Path, aws: Aws, proxy: FaultyProxy, store: S3
) -> None:
    bench = Bench(tmp_path, aws, proxy)
    bench.host = RunningHost(tmp_path, env=_with_bucket(bench, store))
    with bench.host:

        def save(name: str) -> int:
            return request(bench.host, f"/api/save?name={name}", b"content")[0]

        assert save("a.txt") in (200, 204)
        bench.app.wait_for_lines(1, "blob box/a.txt")
        assert request(bench.host, "/api/load?name=a.txt") == (200, "content")

        proxy.answer("AccessDenied", 403, s3())
        assert save("b.txt") == 500
        bench.host.wait_for("its credentials need s3:PutObject")
        assert request(bench.host, "/api/load?name=a.txt")[0] == 500
        bench.says("s3:ListBucket", "seen")
        store.raw.put_object(Bucket=f"{store.prefix}box", Key="c.txt", Body=b"c")
        assert states(bench.host)["work"] == "listening"

        proxy.answer("SlowDown", 503, s3())
        bench.says("takes no more calls for now (SlowDown)", "seen")
        proxy.show_page(404, s3())
        bench.says("leads to what is not AWS", "seen")
        proxy.cut(s3("GET"))
        assert request(bench.host, "/api/load?name=a.txt")[0] == 500

        proxy.heal()
        bench.app.wait_for_lines(1, "blob box/c.txt", deadline=60)
        assert save("d.txt") in (200, 204)
        assert states(bench.host)["seen"] == "listening"
        tellings = [line for line in bench.host.log.splitlines() if "scanning failed" in line]
        assert len(tellings) <= 8
    assert "Traceback" not in re.sub(r"(?s)Executed .*?Failed.*?\n", "", bench.host.log)


# -- what hosts share


def test_a_host_whose_shared_storage_is_away_starts_and_takes_up_its_work_when_it_is_there(
    tmp_path: Path, aws: Aws, proxy: FaultyProxy, store: S3
) -> None:
    bench = Bench(tmp_path, aws, proxy)
    tick = "from ledger import note\n\ndef main(timer) -> None:\n    note('tick')\n"
    bench.app.add("tick", tick, {"type": "timerTrigger", "name": "timer", "schedule": "*/1 * * * * *"})
    settings = bench.settings(
        AzureWebJobsStorage__provider="aws",
        AzureWebJobsStorage__region=REGION,
        AzureWebJobsStorage__endpointUrl=proxy.url,
        AzureWebJobsStorage__bucket=store.bucket,
    )
    proxy.refuse()
    bench.host = RunningHost(tmp_path, env=settings)
    with bench.host:
        bench.answers()
        bench.says("cannot be reached: nothing takes connections", "tick")
        bench.says("cannot be reached: nothing takes connections", "work")
        time.sleep(12)
        assert bench.host.log.count("What hosts share cannot be used") == 1
        assert bench.app.ledger("tick") == []
        bench.heals(60)
        bench.app.wait_for_lines(2, "tick", deadline=60)
        bench.host.wait_for("What hosts share can be used now.", 60)
        proxy.refuse()
        bench.says("cannot be reached: nothing takes connections", "work")
        began = time.monotonic()
        bench.host.signal(signal.SIGINT)
        assert bench.host.wait() == 130
        assert time.monotonic() - began < 10
    assert "Traceback" not in bench.host.log


# -- the command line


@pytest.mark.parametrize(
    ("turn", "said"),
    [
        (FaultyProxy.refuse, "cannot be reached: nothing takes connections at 127.0.0.1:"),
        (FaultyProxy.show_page, "leads to what is not AWS"),
        (lambda proxy: proxy.answer("ExpiredToken", 403), "does not accept the credentials"),
    ],
)
def test_the_command_line_says_in_a_sentence_what_is_wrong(
    tmp_path: Path, aws: Aws, proxy: FaultyProxy, turn: Callable[[FaultyProxy], None], said: str
) -> None:
    bench = Bench(tmp_path, aws, proxy)
    turn(proxy)
    place = ("--connection", "Orders", "--root", tmp_path)
    for command in (("queues", "list"), ("queues", "send", "jobs", "x")):
        done = funchost(*command, *place, env=bench.settings())
        [line] = done.stderr.decode().splitlines()
        assert line.startswith("Error: The connection 'Orders'")
        assert said in line
        assert done.returncode == 4


def test_a_run_by_hand_whose_output_cannot_be_sent_says_why(
    tmp_path: Path, aws: Aws, proxy: FaultyProxy
) -> None:
    bench = Bench(tmp_path, aws, proxy)
    proxy.refuse()
    done = funchost("run", "work", "--data", "x", "--root", tmp_path, env=bench.settings())
    said = done.stderr.decode()
    assert done.returncode == 1
    assert "Error: work failed: StoreError: The connection 'Orders'" in said
    assert "cannot be reached" in said
    assert "Traceback" not in said


# -- real work


def test_a_host_started_here_says_that_it_does_real_work(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.add("work", _NOTED, queue_trigger("jobs", connection="Orders"), bound("queue", queueName="done"))
    # Nothing is called: there are no credentials in this file.
    (tmp_path / "none").write_text("")
    nobody = {
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
    }
    settings = {
        "Orders__provider": "aws",
        "Orders__region": REGION,
        **dict.fromkeys(CREDENTIALS, ""),
        "AWS_EC2_METADATA_DISABLED": "true",
        **nobody,
    }
    with RunningHost(tmp_path, env=settings) as host:
        table = host.log
        assert (
            "This host was started on this machine, and does real work:\n"
            "  at AWS in eu-west-1 (connection Orders)\n"
            "    takes  queue jobs (work)\n"
            "    writes queue done (work)\n"
        ) in table
        assert "queue jobs at AWS in eu-west-1" in table
        _, body = request(host, "/admin/host/status")
        [use] = json.loads(body)["cloud"]
        assert (use["place"], use["takes"]) == ("AWS in eu-west-1", {"queue jobs": ["work"]})
        listed = funchost("list", "--root", tmp_path, env=settings).stdout.decode()
        assert "queue jobs at AWS in eu-west-1" in listed
        assert "has no credentials" in listed
    with RunningHost(tmp_path, "--address", "0.0.0.0", env=settings) as host:
        assert "does real work" not in host.log


def test_an_emulator_is_no_real_work(bench: Bench) -> None:
    assert "does real work" not in bench.host.log
    assert f"queue jobs at {bench.proxy.url}" in bench.host.log
