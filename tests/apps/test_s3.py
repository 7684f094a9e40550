"""Functions on blobs of S3, at moto's server: the same apps, with a host storage that says so."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from apps.serving import Host, serve
from aws import CREDENTIALS, REGION, Aws
from e2e.apps import states, until
from e2e.running import DEADLINE, funchost
from s3 import S3

from funchost.bindings.aws.s3_upload import PART

LARGE = 20 * 1024 * 1024


class Cloud:
    """What an app finds at the server, where also the host's own things are, and the settings that lead there."""

    def __init__(self, aws: Aws, s3: S3) -> None:
        self.aws = aws
        self.s3: Any = s3.raw
        self.prefix = s3.prefix
        values = {
            "provider": "aws",
            "region": REGION,
            "endpointUrl": aws.url,
            "queuePrefix": aws.prefix,
            "bucketPrefix": s3.prefix,
            "bucket": s3.bucket,
        }
        storage = {f"AzureWebJobsStorage__{key}": value for key, value in values.items()}
        self.settings = {**CREDENTIALS, **storage, "EVENTS": "upload-events"}
        for container in ("uploads", "results"):
            place = {"LocationConstraint": REGION}
            self.s3.create_bucket(Bucket=s3.prefix + container, CreateBucketConfiguration=place)
        self._notify()

    def _notify(self) -> None:
        """Have the bucket of uploads tell a queue of all that is put there."""
        url = self.aws.create_queue("upload-events")
        told = self.aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        rule = {"QueueArn": told["Attributes"]["QueueArn"], "Events": ["s3:ObjectCreated:*"]}
        self.s3.put_bucket_notification_configuration(
            Bucket=f"{self.prefix}uploads", NotificationConfiguration={"QueueConfigurations": [rule]}
        )

    def put(self, container: str, key: str, body: bytes) -> None:
        """Write an object, as any program might."""
        self.s3.put_object(Bucket=self.prefix + container, Key=key, Body=body)

    def get(self, container: str, key: str) -> bytes | None:
        """The object's content, or None."""
        try:
            answer = self.s3.get_object(Bucket=self.prefix + container, Key=key)
        except self.s3.exceptions.NoSuchKey:
            return None
        content: bytes = answer["Body"].read()
        return content


@pytest.fixture(scope="module", params=["v1", "v2"])
def cloud_and_host(
    request: pytest.FixtureRequest, emulator: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Cloud, Host]]:
    with contextlib.closing(S3(emulator.url)) as s3, pytest.MonkeyPatch.context() as environment:
        for name, value in CREDENTIALS.items():
            environment.setenv(name, value)
        cloud = Cloud(Aws(emulator), s3)
        for host in serve("s3", request.param, tmp_path_factory.mktemp("app"), env=cloud.settings):
            yield cloud, host


@pytest.fixture
def cloud(cloud_and_host: tuple[Cloud, Host]) -> Cloud:
    return cloud_and_host[0]


@pytest.fixture
def host(cloud_and_host: tuple[Cloud, Host]) -> Host:
    return cloud_and_host[1]


def noted(host: Host, word: str) -> list[str]:
    """What functions have noted under this word."""
    file = host.root / "ledger.txt"
    lines = file.read_text().splitlines() if file.exists() else []
    return sorted(line.removeprefix(f"{word} ") for line in lines if line.startswith(f"{word} "))


def test_a_blob_runs_its_function_with_its_inputs_and_outputs(host: Host, cloud: Cloud) -> None:
    cloud.put("uploads", "settings/a b.txt", b"by letter")
    cloud.put("uploads", "in/a b.txt", b"hello")
    cloud.put("uploads", "in/alone.txt", b"there are no settings for it")
    until(lambda: cloud.get("results", "a b.txt") == b"HELLO", DEADLINE, lambda: host.log)
    until(lambda: cloud.get("results", "alone.txt") is not None, DEADLINE, lambda: host.log)
    uri = f"{cloud.aws.url}/{cloud.prefix}uploads/in"
    assert noted(host, "copied") == [
        f"uploads/in/a b.txt 5 {uri}/a%20b.txt by letter",
        f"uploads/in/alone.txt 28 {uri}/alone.txt None",
    ]


def test_a_large_blob_is_told_by_notification_and_read_in_pieces(host: Host, cloud: Cloud) -> None:
    cloud.put("uploads", "told/large.bin", bytes(LARGE))
    until(lambda: noted(host, "told"), DEADLINE, lambda: host.log)
    assert noted(host, "told") == [f"uploads/told/large.bin {LARGE}"]
    until(lambda: cloud.aws.counts("upload-events") == (0, 0), DEADLINE)


@pytest.mark.parametrize(("size", "parts"), [(PART - 1, ""), (LARGE, "3")])
def test_a_large_output_goes_in_parts(host: Host, cloud: Cloud, size: int, parts: str) -> None:
    bucket = f"{cloud.prefix}results"
    before = {each["Key"] for each in cloud.s3.list_objects_v2(Bucket=bucket).get("Contents", ())}
    assert host.get(f"/api/large?size={size}").text == "done"
    after = cloud.s3.list_objects_v2(Bucket=bucket)["Contents"]
    [made] = [each for each in after if each["Key"] not in before]
    assert made["Size"] == size
    assert made["ETag"].strip('"').partition("-")[2] == parts
    assert "Uploads" not in cloud.s3.list_multipart_uploads(Bucket=bucket)


def test_a_function_runs_by_hand_for_an_object(host: Host, cloud: Cloud) -> None:
    cloud.put("uploads", "elsewhere/by hand.txt", b"123")
    path = "uploads/elsewhere/by hand.txt"
    run = funchost("run", "told", "--data", path, "--root", host.root, env=cloud.settings)
    assert run.returncode == 0, run.stderr
    assert f"{path} 3" in noted(host, "told")
    none = funchost("run", "told", "--data", "uploads/none.txt", "--root", host.root, env=cloud.settings)
    assert none.returncode == 5
    assert b"There is no blob uploads/none.txt" in none.stdout + none.stderr


def test_what_starts_itself_or_asks_for_a_client_of_azure_is_refused(host: Host, cloud: Cloud) -> None:
    listed = json.loads(funchost("list", "--json", "--root", host.root, env=cloud.settings).stdout)
    errors = {one["name"]: " ".join(one.get("errors", ())) for one in listed}
    assert "can write blobs that the function's own trigger is for (uploads/{name})" in errors["loops"]
    assert "speaks to a Blob endpoint of Azure" in errors["clients"]


def test_each_function_says_how_it_listens(host: Host) -> None:
    wanted = {"copies": "listening", "told": "listening (notifications from upload-events)"}
    until(lambda: wanted.items() <= states(host).items(), DEADLINE, lambda: str(states(host)))
