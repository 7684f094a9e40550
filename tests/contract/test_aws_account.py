"""What AWS itself does where only AWS can tell: run with FUNCHOST_TEST_AWS=1 (see `account`).

Each test states what the adapters rely on. Those that the emulator is known to do differently are for AWS alone.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from account import ASKED_FOR, IS_REAL, Account
from botocore.exceptions import ClientError

from funchost.bindings.aws.errors import error_code
from funchost.bindings.aws.s3_events import ObjectEvent, told_by
from funchost.bindings.aws.s3_leases import S3Leases
from funchost.bindings.aws.sqs_queue import SqsQueues
from funchost.bindings.errors import ReceiptLost
from funchost.bindings.queue import OutgoingMessage

pytestmark = pytest.mark.skipif(not ASKED_FOR, reason="FUNCHOST_TEST_AWS=1 asks for a real account")

only_on_aws = pytest.mark.skipif(not IS_REAL, reason="the emulator does otherwise")

#: Seconds for which a message may be on its way.
DEADLINE = 120.0

#: Keys with what may be encoded in an event, or not.
KEYS = ["plain.txt", "a folder/b c.txt", "a+b.txt", "é/ü.txt", "per%20cent.txt", "&=?:;,@$'()!~*.txt"]


@pytest.fixture
def prefix(account: Account) -> Iterator[str]:
    """Of all that one test makes, which is deleted after it."""
    prefix = account.name()
    yield prefix
    account.clean(prefix)


def _refusal(call: Any, **parameters: Any) -> tuple[str | None, int]:
    with pytest.raises(ClientError) as refused:
        call(**parameters)
    status: int = refused.value.response["ResponseMetadata"]["HTTPStatusCode"]
    return error_code(refused.value), status


# -- conditions on S3


def test_a_write_on_a_condition_is_refused_as_we_expect(account: Account) -> None:
    place = {"Bucket": account.bucket, "Key": f"{account.name()}/document"}
    put = account.s3.put_object
    assert _refusal(put, **place, Body=b"1", IfMatch='"0123456789abcdef0123456789abcdef"') in (
        ("NoSuchKey", 404),
        ("PreconditionFailed", 412),
    )
    first = put(**place, Body=b"1", IfNoneMatch="*")["ETag"]
    assert _refusal(put, **place, Body=b"2", IfNoneMatch="*") == ("PreconditionFailed", 412)
    second = put(**place, Body=b"2", IfMatch=first)["ETag"]
    assert second != first
    assert _refusal(put, **place, Body=b"3", IfMatch=first) == ("PreconditionFailed", 412)
    assert put(**place, Body=b"1", IfMatch=second)["ETag"] == first, "equal bytes have equal ETags"


def test_what_was_written_is_read_and_listed_at_once(account: Account) -> None:
    folder = f"{account.name()}/"
    for number in range(20):
        put = account.s3.put_object(Bucket=account.bucket, Key=f"{folder}{number:02}", Body=b"%d" % number)
        assert account.s3.get_object(Bucket=account.bucket, Key=f"{folder}{number:02}")["ETag"] == put["ETag"]
        listed = account.s3.list_objects_v2(Bucket=account.bucket, Prefix=folder)["Contents"]
        assert (len(listed), listed[-1]["ETag"]) == (number + 1, put["ETag"])


def test_of_writes_at_once_on_one_condition_one_is_made(account: Account) -> None:
    answers: Counter[str] = Counter()
    with ThreadPoolExecutor(8) as threads:
        for _ in range(10):
            key = f"{account.name()}/raced"

            def put(number: int, key: str = key) -> str:
                try:
                    account.s3.put_object(
                        Bucket=account.bucket, Key=key, Body=b"%d" % number, IfNoneMatch="*"
                    )
                except ClientError as error:
                    return error_code(error) or "?"
                return "made"

            row = Counter(threads.map(put, range(8)))
            assert row["made"] == 1
            answers += row
    print(f"Of 80 raced writes: {dict(answers)}")
    assert set(answers) <= {"made", "PreconditionFailed", "ConditionalRequestConflict"}


async def test_of_hosts_that_want_a_lease_one_has_it(account: Account) -> None:
    folder = f"{account.name()}/"
    hosts = [S3Leases(lambda: account.s3, account.settings, account.bucket, folder) for _ in range(8)]
    await hosts[0].check()
    fences = []
    for _ in range(5):
        taken = await asyncio.gather(*(host.acquire("totals", str(n)) for n, host in enumerate(hosts)))
        [(winner, lease)] = [(host, lease) for host, lease in zip(hosts, taken, strict=True) if lease]
        assert await winner.renew(lease)
        await winner.release(lease)
        fences.append(lease.fence)
    assert fences == list(range(fences[0], fences[0] + 5))


# -- notifications of S3


def test_events_name_each_object_by_its_key_and_bear_a_sequencer(account: Account, prefix: str) -> None:
    bucket, url = account.make_bucket(f"{prefix}watched"), account.make_queue(f"{prefix}events")
    _let_s3_tell(account, bucket, url)
    for key in KEYS:
        account.s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    events: list[ObjectEvent] = []
    end = time.monotonic() + DEADLINE
    while {event.key for event in events} != set(KEYS):
        assert time.monotonic() < end, f"only {[event.key for event in events]} came"
        for message in _received(account, url, 10):
            events += told_by(message["Body"].encode()).events
    assert {event.bucket for event in events} == {bucket}
    sequencers = {event.key: event.sequencer for event in events}
    print(f"Sequencers: {sequencers}")
    if IS_REAL:
        assert all(int(sequencer, 16) for sequencer in sequencers.values())
        assert len({len(sequencer) for sequencer in sequencers.values()}) == 1


def _let_s3_tell(account: Account, bucket: str, url: str) -> None:
    arn = account.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{bucket}"}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    account.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    account.s3.put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={
            "QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]
        },
    )


# -- receipts of SQS


def _received(account: Account, url: str, wait: int) -> list[dict[str, Any]]:
    found = account.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=wait, MaxNumberOfMessages=10)
    messages: list[dict[str, Any]] = found.get("Messages", [])
    return messages


def test_a_new_queue_takes_a_mebibyte(account: Account, prefix: str) -> None:
    url = account.make_queue(f"{prefix}new")
    asked = account.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["MaximumMessageSize"])
    assert asked["Attributes"]["MaximumMessageSize"] == str(1024 * 1024)
    account.sqs.send_message(QueueUrl=url, MessageBody="x" * 1024 * 1024)


@only_on_aws
def test_a_message_that_is_visible_again_cannot_be_let_another_receiveed_by_its_old_receipt(
    account: Account, prefix: str
) -> None:
    url = account.make_queue(f"{prefix}jobs", VisibilityTimeout="2")
    account.sqs.send_message(QueueUrl=url, MessageBody="job")
    [message] = _received(account, url, 10)
    time.sleep(4)
    code, _ = _refusal(
        account.sqs.change_message_visibility,
        QueueUrl=url,
        ReceiptHandle=message["ReceiptHandle"],
        VisibilityTimeout=30,
    )
    assert code is not None and code.endswith(("MessageNotInflight", "ReceiptHandleIsInvalid"))


@only_on_aws
def test_a_deletion_by_an_old_receipt_is_accepted_and_deletes_nothing(account: Account, prefix: str) -> None:
    url = account.make_queue(f"{prefix}jobs", VisibilityTimeout="2")
    account.sqs.send_message(QueueUrl=url, MessageBody="job")
    [old] = _received(account, url, 10)
    time.sleep(4)
    [current] = _received(account, url, 10)
    assert current["ReceiptHandle"] != old["ReceiptHandle"]
    account.sqs.delete_message(QueueUrl=url, ReceiptHandle=old["ReceiptHandle"])
    time.sleep(4)
    assert [message["MessageId"] for message in _received(account, url, 10)] == [old["MessageId"]]


@only_on_aws
async def test_on_a_fifo_queue_an_old_receipt_is_told_to_be_lost(account: Account, prefix: str) -> None:
    account.make_queue(f"{prefix}jobs.fifo", FifoQueue="true", VisibilityTimeout="2")
    session = account.session(replace(account.settings, queue_prefix=prefix))
    store = SqsQueues(session)
    try:
        await store.send([OutgoingMessage(queue="jobs.fifo", body=b"job")])
        [message] = await store.receive("jobs.fifo", 1)
        await asyncio.to_thread(_let_another_receive, account, prefix)
        with pytest.raises(ReceiptLost):
            await store.complete([message])
    finally:
        session.close()


def _let_another_receive(account: Account, prefix: str) -> None:
    """Have everything of the queue received by another: what was in flight is visible again first."""
    url = account.sqs.get_queue_url(QueueName=f"{prefix}jobs.fifo")["QueueUrl"]
    end = time.monotonic() + DEADLINE
    while not _received(account, url, 10):
        assert time.monotonic() < end
