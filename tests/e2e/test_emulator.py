"""`--emulator aws`: the sample functions and functions with a client of their own, on an AWS of this machine."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import psutil
import pytest
from e2e.apps import App, http_trigger, is_running, queue_trigger, request, states, until
from e2e.running import COMMAND, DEADLINE, RunningHost, funchost

pytestmark = pytest.mark.e2e

REPOSITORY = Path(__file__).resolve().parents[2]

#: Sends by a client that is told of no endpoint and no credentials, and reports what it was told.
_CLIENT = """
    import json, os
    import boto3

    def main(req: str) -> str:
        sqs = boto3.client("sqs")
        url = sqs.get_queue_url(QueueName="jobs")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody=req)
        boto3.client("s3").put_object(Bucket="results", Key="by-client.txt", Body=req.encode())
        return json.dumps([url, sqs.meta.region_name, os.environ.get("AWS_PROFILE")])
"""
_NOTED = """
    from ledger import note

    def main(job: str) -> str:
        note("got", job)
        return job.upper()
"""
_RESULT = {"type": "blob", "name": "$return", "direction": "out", "path": "results/{rand-guid}.txt"}


class Aws:
    """Clients of an emulator."""

    def __init__(self, url: str) -> None:
        self._place = {
            "endpoint_url": url,
            "region_name": "us-east-1",
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
        }
        self.sqs: Any = boto3.client("sqs", **self._place)
        self.s3: Any = boto3.client("s3", **self._place)

    def bodies(self, queue: str) -> list[str]:
        """The visible messages, which are so again in a moment."""
        url = self.sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        answer = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
        return [message["Body"] for message in answer.get("Messages", ())]

    def send(self, queue: str, body: str) -> None:
        self.sqs.send_message(QueueUrl=self.sqs.get_queue_url(QueueName=queue)["QueueUrl"], MessageBody=body)

    def queues(self) -> set[str]:
        urls = self.sqs.list_queues().get("QueueUrls", ())
        return {url.rpartition("/")[2] for url in urls}

    def objects(self, bucket: str) -> dict[str, bytes]:
        listed = self.s3.list_objects_v2(Bucket=bucket).get("Contents", ())
        return {
            one["Key"]: self.s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() for one in listed
        }


def emulated_at(host: RunningHost) -> str:
    return host.wait_for(re.compile(r"^AWS is emulated at (\S+)\.", re.MULTILINE))[1]


def children(pid: int) -> list[int]:
    """The emulators among the processes that a host has started."""
    return [child.pid for child in psutil.Process(pid).children() if "emulator" in " ".join(child.cmdline())]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, RunningHost, Aws]]:
    """The samples, unchanged, on an emulator."""
    root = tmp_path_factory.mktemp("shop")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "functions", root / "functions", ignore=ignored)
    shutil.copy(REPOSITORY / "host.json", root)
    with RunningHost(root, "--emulator", "aws") as host:
        yield root, host, Aws(emulated_at(host))


def test_the_start_tells_how_to_look_into_it(shop: tuple[Path, RunningHost, Aws]) -> None:
    _, host, _ = shop
    url = emulated_at(host)
    host.wait_for(f"aws --endpoint-url {url} --region us-east-1 sqs list-queues")


def test_machines_are_told_of_it_in_a_record_of_its_own(tmp_path: Path) -> None:
    App(tmp_path)
    command = [COMMAND, "start", "--root", str(tmp_path), "--port", "0", "--emulator", "aws"]
    command += ["--log-format", "json"]
    host = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert host.stderr is not None
        records = (json.loads(line) for line in host.stderr)
        url = next(record["emulator"] for record in records if "emulator" in record)
        assert Aws(url).queues() == set()
        host.send_signal(signal.SIGTERM)
        host.communicate(timeout=DEADLINE)
        assert host.returncode == 0
    finally:
        host.kill()
        host.communicate()


def test_a_client_of_a_function_finds_the_emulator_and_never_an_account(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.add(
        "client", _CLIENT, http_trigger("client"), {"type": "http", "name": "$return", "direction": "out"}
    )
    app.add("work", _NOTED, queue_trigger("jobs"), _RESULT)
    real = {"AWS_PROFILE": "production", "AWS_SESSION_TOKEN": "real", "AWS_REGION": "eu-west-1"}
    app.write("local.settings.json", json.dumps({"Values": real}))
    with RunningHost(app.root, "--emulator", "aws", env={"AWS_REGION": "us-east-1"}) as host:
        url = emulated_at(host)
        status, answer = request(host, "/api/client", b"hello")
        assert (status, json.loads(answer)[1:]) == (200, ["us-east-1", None])
        assert urlsplit(json.loads(answer)[0]).netloc == urlsplit(url).netloc
        app.wait_for_lines(1, "got")
        aws = Aws(url)
        until(lambda: b"HELLO" in aws.objects("results").values(), DEADLINE)
        assert aws.objects("results")["by-client.txt"] == b"hello"


def test_what_it_holds_is_there_again_after_a_restart(tmp_path: Path) -> None:
    app = App(tmp_path / "app")
    app.add("work", _NOTED, queue_trigger("jobs"), _RESULT, disabled=True)
    options = ("--emulator", "aws", "--emulator-state", str(tmp_path / "state.zip"))
    with RunningHost(app.root, *options) as host:
        aws = Aws(emulated_at(host))
        aws.send("jobs", "kept")
        aws.s3.put_object(Bucket="results", Key="kept.txt", Body=b"kept")
    app.add("work", _NOTED, queue_trigger("jobs"), _RESULT)
    with RunningHost(app.root, *options) as host:
        assert app.wait_for_lines(1, "got") == ["kept"]
        assert Aws(emulated_at(host)).objects("results")["kept.txt"] == b"kept"


def test_nothing_of_it_is_left_when_the_host_is_killed(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.add("work", _NOTED, queue_trigger("jobs"))
    with RunningHost(app.root, "--emulator", "aws") as host:
        [pid] = children(host.pid)
        host.kill()
        until(lambda: not is_running(pid), DEADLINE)


def test_when_it_dies_functions_go_on_with_a_new_one(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.add("work", _NOTED, queue_trigger("jobs"))
    with RunningHost(app.root, "--emulator", "aws") as host:
        aws = Aws(emulated_at(host))
        [pid] = children(host.pid)
        os.kill(pid, signal.SIGKILL)
        host.wait_for("The emulator is gone, and is started again: it was ended by SIGKILL.")
        until(lambda: "jobs" in aws.queues(), DEADLINE, lambda: host.log)
        aws.send("jobs", "later")
        assert app.wait_for_lines(1, "got") == ["later"]
        until(lambda: states(host)["work"] == "listening", DEADLINE, lambda: str(states(host)))


def test_a_function_that_comes_later_has_its_queue_at_once(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.add("work", _NOTED, queue_trigger("jobs"))
    with RunningHost(app.root, "--emulator", "aws") as host:
        aws = Aws(emulated_at(host))
        app.add("more", _NOTED, queue_trigger("more-jobs"))
        until(lambda: "more-jobs" in aws.queues(), DEADLINE, lambda: host.log)
        aws.send("more-jobs", "new")
        assert app.wait_for_lines(1, "got") == ["new"]
        assert "There is no queue" not in host.log


def test_hosts_share_an_emulator_that_runs_alone(tmp_path: Path) -> None:
    app = App(tmp_path / "app")
    app.add("work", _NOTED, queue_trigger("jobs"))
    command = [COMMAND, "emulator", "aws", "--port", "0", "--state", str(tmp_path / "state.zip")]
    emulator = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert emulator.stdout is not None
        url = emulator.stdout.readline().strip()
        with RunningHost(app.root, "--emulator", url) as host:
            assert emulated_at(host) == url
            Aws(url).send("jobs", "shared")
            assert app.wait_for_lines(1, "got") == ["shared"]
            assert children(host.pid) == []
        # It is not the host's to end.
        assert "jobs" in Aws(url).queues()
        emulator.send_signal(signal.SIGTERM)
        _, said = emulator.communicate(timeout=DEADLINE)
        assert emulator.returncode == 0
    finally:
        emulator.kill()
        emulator.communicate()
    assert f"export AWS_ENDPOINT_URL={url} " in said
    assert f"funchost start --emulator {url}" in said
    assert (tmp_path / "state.zip").exists()


def test_what_stands_in_its_way_is_told(tmp_path: Path) -> None:
    App(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        alone = funchost("emulator", "aws", "--port", port)
        started = funchost(
            "start", "--root", tmp_path, "--port", "0", "--emulator", "aws", "--emulator-port", port
        )
    for done, option in ((alone, "--port"), (started, "--emulator-port")):
        assert done.returncode == 4
        assert f"Port {port} is in use by".encode() in done.stderr
        assert f"choose another port with {option}.".encode() in done.stderr
    gone = funchost("start", "--root", tmp_path, "--emulator", f"http://127.0.0.1:{port}")
    assert (gone.returncode, b"There is no emulator at" in gone.stderr) == (3, True)
    (tmp_path / "notes.txt").write_text("remember the milk")
    wrong = funchost(
        "start", "--root", tmp_path, "--emulator", "aws", "--emulator-state", tmp_path / "notes.txt"
    )
    assert (wrong.returncode, b"is not a state file of the emulator" in wrong.stderr) == (3, True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--emulator", "azure"), b"'azure' is neither aws nor a URL"),
        (("--emulator-port", "4566"), b"are for --emulator aws"),
        (("--emulator", "http://127.0.0.1:4566", "--emulator-state", "x"), b"are for --emulator aws"),
    ],
)
def test_options_that_mean_nothing_are_refused(tmp_path: Path, options: tuple[str, ...], said: bytes) -> None:
    done = funchost("start", "--root", tmp_path, *options)
    assert (done.returncode, said in done.stderr) == (2, True)
