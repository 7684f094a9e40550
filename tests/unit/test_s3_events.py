"""What S3 tells in a message, whichever way that came. The messages are written by hand after the documented shapes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from s3 import SETTINGS

from funchost.bindings.aws.s3_blobs import S3Blobs
from funchost.bindings.aws.s3_events import ObjectEvent, told_by
from funchost.bindings.aws.settings import AwsSettings
from funchost.bindings.blob import BlobChange
from funchost.bindings.errors import BindingError


def record(key: str = "in/a.csv", name: str = "ObjectCreated:Put", **more: Any) -> dict[str, Any]:
    """A record as S3 itself writes it."""
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "eu-west-1",
        "eventTime": "2026-03-01T12:00:00.000Z",
        "eventName": name,
        "userIdentity": {"principalId": "AWS:SOMEBODY"},
        "requestParameters": {"sourceIPAddress": "192.0.2.7"},
        "responseElements": {"x-amz-request-id": "R"},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "uploads",
            "bucket": {"name": "uploads", "arn": "arn:aws:s3:::uploads"},
            "object": {
                "key": key,
                "size": 3,
                "eTag": "9a0364b9e99bb480dd25e1f0284c8555",
                "sequencer": "0a1F",
            },
        },
        **more,
    }


def from_s3(*records: Any) -> dict[str, Any]:
    return {"Records": list(records)}


def from_event_bridge(key: str = "in/a.csv", kind: str = "Object Created", **more: Any) -> dict[str, Any]:
    """An event as EventBridge passes it on."""
    return {
        "version": "0",
        "id": "6f1c",
        "detail-type": kind,
        "source": "aws.s3",
        "account": "111122223333",
        "region": "eu-west-1",
        "resources": ["arn:aws:s3:::uploads"],
        "detail": {
            "version": "0",
            "bucket": {"name": "uploads"},
            "object": {"key": key, "size": 3, "etag": "9a03", "version-id": "v7", "sequencer": "0A1F"},
            "reason": "CopyObject",
        },
        **more,
    }


def from_sns(message: Any) -> dict[str, Any]:
    """The same in the envelope of a topic."""
    topic = "arn:aws:sns:eu-west-1:111122223333:uploads"
    return {"Type": "Notification", "MessageId": "m", "TopicArn": topic, "Message": json.dumps(message)}


def told(message: Any) -> list[ObjectEvent]:
    return told_by(json.dumps(message).encode()).events


EVENT = ObjectEvent("uploads", "in/a.csv", "0A1F")


@pytest.mark.parametrize(
    "message",
    [
        from_s3(record()),
        from_event_bridge(),
        from_sns(from_s3(record())),
        from_sns(from_event_bridge()),
        from_sns(from_sns(from_s3(record()))),
    ],
    ids=["s3", "event bridge", "s3 in sns", "event bridge in sns", "sns in sns"],
)
def test_an_event_is_the_same_whichever_way_it_came(message: Any) -> None:
    assert told(message) == [EVENT]


def test_a_message_may_hold_several_records() -> None:
    assert [event.key for event in told(from_s3(record("a"), record("b"), record("a")))] == ["a", "b", "a"]


@pytest.mark.parametrize(
    "name",
    [
        "ObjectCreated:Put",
        "ObjectCreated:CompleteMultipartUpload",
        "ObjectCreated:SomethingNew",
        "ObjectRemoved:Delete",
        "ObjectRemoved:DeleteMarkerCreated",
        "LifecycleExpiration:Delete",
        "s3:ObjectCreated:Put",
    ],
)
def test_what_makes_or_removes_an_object_counts(name: str) -> None:
    assert told(from_s3(record(name=name))) == [EVENT]


@pytest.mark.parametrize(
    "name", ["ObjectTagging:Put", "ObjectRestore:Completed", "ObjectAcl:Put", "LifecycleTransition", ""]
)
def test_what_leaves_the_content_as_it_is_does_not(name: str) -> None:
    found = told_by(json.dumps(from_s3(record(name=name), record("b"))).encode())
    assert [event.key for event in found.events] == ["b"]
    assert found.others == [f"{name} events, which change no content"]


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("in/a+b.csv", "in/a b.csv"),
        ("in%2Fa%20b.csv", "in/a b.csv"),
        ("a%2Bb", "a+b"),
        ("gr%C3%BCn/%E2%82%AC.txt", "grün/€.txt"),
        ("100%25", "100%"),
        ("a%2520b", "a%20b"),
    ],
)
def test_a_key_of_s3_is_decoded_once(written: str, key: str) -> None:
    assert told(from_s3(record(written))) == [ObjectEvent("uploads", key, "0A1F")]


@pytest.mark.parametrize("key", ["in/a+b.csv", "100%25", "a%2Bb", "grün/€.txt", "a b"])
def test_a_key_of_event_bridge_is_as_it_is(key: str) -> None:
    assert told(from_event_bridge(key)) == [ObjectEvent("uploads", key, "0A1F")]


@pytest.mark.parametrize("version", ["2.0", "2.2", "2.3", "2.99"])
def test_any_minor_version_is_read_and_unknown_fields_are_ignored(version: str) -> None:
    assert told(from_s3(record(eventVersion=version, glacierEventData={"x": 1}))) == [EVENT]


def test_another_major_version_is_not_guessed_at() -> None:
    found = told_by(json.dumps(from_s3(record(eventVersion="3.0"))).encode())
    assert (found.events, found.others) == ([], ["records of version 3.0, which is not known here"])


def test_an_event_without_a_sequencer_has_no_order() -> None:
    bare = record()
    del bare["s3"]["object"]["sequencer"]
    assert told(from_s3(bare)) == [EVENT._replace(sequencer="")]


def test_the_test_event_of_a_new_configuration_is_swallowed() -> None:
    found = told_by(
        b'{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"t","Bucket":"uploads","HostId":"h"}'
    )
    assert (found.events, found.others) == ([], [])


@pytest.mark.parametrize(
    ("message", "other"),
    [
        (from_event_bridge(source="aws.ec2"), "'Object Created' events of aws.ec2"),
        (from_event_bridge(kind="Object Tags Added"), "'Object Tags Added' events of aws.s3"),
        ({"Records": [{"eventSource": "aws:sqs", "body": "x"}]}, "events of aws:sqs"),
        ({**from_sns({}), "Type": "SubscriptionConfirmation"}, "a SubscriptionConfirmation of SNS"),
    ],
)
def test_what_others_send_is_named(message: Any, other: str) -> None:
    found = told_by(json.dumps(message).encode())
    assert found.events == []
    assert found.others[0].startswith(other)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"\xff\xfe",
        b"[1]",
        b"null",
        b'"text"',
        b"{}",
        b'{"Records":',
        b'{"Records": 7}',
        b'{"Records": [7]}',
        b'{"Event": "other"}',
        b"[" * 100_000,
        json.dumps({"Records": [{**record(), "s3": None}]}).encode(),
        json.dumps({"Records": [{**record(), "s3": {}}]}).encode(),
        json.dumps(
            {"Records": [{**record(), "s3": {"bucket": {"name": "b"}, "object": {"key": 7}}}]}
        ).encode(),
        json.dumps(
            {"Records": [{**record(), "s3": {"bucket": {"name": ""}, "object": {"key": "k"}}}]}
        ).encode(),
        json.dumps(from_s3(record("%FF%FE"))).encode(),
        json.dumps(from_event_bridge(detail="none")).encode(),
        json.dumps({**from_sns({}), "Message": {"not": "text"}}).encode(),
        json.dumps(from_sns("hello")).encode(),
        json.dumps(from_sns(from_sns(from_sns(from_sns(from_s3(record())))))).encode(),
    ],
    ids=range(21),
)
def test_a_body_that_is_no_notification_is_refused(body: bytes) -> None:
    with pytest.raises(BindingError):
        told_by(body)


# -- as changes of blobs


def changes(message: Any, prefix: str = "") -> tuple[list[BlobChange], list[str]]:
    found = S3Blobs(lambda: None, SETTINGS, bucket_prefix=prefix).notification(json.dumps(message).encode())
    return list(found.changes), list(found.others)


def test_an_event_is_a_change_of_a_blob_in_the_container_of_its_bucket() -> None:
    change = BlobChange(container="uploads", name="in/a.csv", order="0A1F")
    assert changes(from_s3(record())) == ([change], [])


def test_the_prefix_of_buckets_is_none_of_containers() -> None:
    [change] = changes(from_s3(record()), "upl")[0]
    assert change.container == "oads"


def test_a_bucket_without_the_prefix_is_somebody_elses() -> None:
    assert changes(from_s3(record()), "acme-") == ([], ["events of the bucket 'uploads'"])


@pytest.mark.parametrize("key", ["in/", "a//b", "in/../a", "a.", "x" * 1025])
def test_an_object_that_no_blob_can_be_is_passed_over_in_silence(key: str) -> None:
    assert changes(from_event_bridge(key)) == ([], [])


def test_a_queue_is_the_same_by_whatever_connection() -> None:
    def address(**more: Any) -> str:
        settings = AwsSettings(**{"name": "Cloud", "region": "eu-west-1", **more})
        return S3Blobs(lambda: None, settings).notification_queue("events")

    assert address() == address(name="Other", bucket="b")
    assert (
        len({address(), address(region="eu-west-2"), address(queue_prefix="x-"), address(profile="p")}) == 4
    )


@pytest.mark.parametrize("queue", ["events.fifo", "ev ents", ""])
def test_a_queue_that_can_bring_no_notifications_is_refused(queue: str) -> None:
    with pytest.raises(BindingError):
        S3Blobs(lambda: None, SETTINGS).notification_queue(queue)
