"""The emulator's state file: what queues and buckets hold is the same after it was written and read."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto.core.model_instances import reset_model_data
from moto.s3.models import FakeDeleteMarker, NotificationConfiguration, s3_backends
from moto.sqs.models import sqs_backends

from funchost.bindings.errors import ConfigurationError
from funchost.host.emulator.bucket_state import restore_buckets, saved_buckets
from funchost.host.emulator.moto_objects import mend_objects
from funchost.host.emulator.moto_queues import mend_queues
from funchost.host.emulator.queue_state import restore_queues, saved_queues
from funchost.host.emulator.state import Keep, State, StateError, StateFile

#: An account that no other test of this process uses.
ACCOUNT = "000000000777"
TRACE = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}}
TYPED = {
    "number": {"DataType": "Number", "StringValue": "1"},
    "bytes": {"DataType": "Binary", "BinaryValue": b"\0\xff"},
}


class Account:
    """moto's models of one account, without a server."""

    def __init__(self, folder: Path) -> None:
        mend_queues()
        mend_objects()
        self.file = StateFile(folder / "state.zip")
        self.queues: Any = sqs_backends[ACCOUNT]["eu-west-1"]
        self.objects: Any = s3_backends[ACCOUNT]["aws"]

    def forget(self) -> None:
        for name in self.objects.buckets:
            s3_backends.bucket_accounts.pop(name)
        self.queues.reset()
        self.objects.reset()

    def save(self) -> None:
        self.file.write(_collect)

    def save_and_restore(self) -> None:
        """As when the emulator is stopped and started again."""
        self.save()
        self.forget()
        with self.file.opened() as found:
            assert found is not None
            restore_queues(found[0].queues)
            restore_buckets(found[0].buckets, found[1])

    def receive(self, queue: str, count: int = 10) -> list[Any]:
        found: list[Any] = self.queues.receive_message(queue, count, 0, 30, ["All"])
        return found

    def object(self, bucket: str, key: str, version: str | None = None) -> Any:
        return self.objects.get_object(bucket, key, version_id=version)


def _collect(keep: Keep) -> State:
    return State(
        queues=[queue for queue in saved_queues() if queue.account == ACCOUNT],
        buckets=[bucket for bucket in saved_buckets(keep) if bucket.account == ACCOUNT],
    )


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    # moto holds one state for the whole process, in which other tests have closed what they had.
    reset_model_data()
    account = Account(tmp_path)
    yield account
    account.forget()


def test_messages_are_as_they_were_sent(account: Account) -> None:
    account.queues.create_queue("jobs", {"team": "a"}, VisibilityTimeout="40")
    sent = account.queues.send_message("jobs", "grüße 😀", TYPED, system_attributes=TRACE)
    account.save_and_restore()
    queue = account.queues.queues["jobs"]
    assert (queue.visibility_timeout, queue.tags) == (40, {"team": "a"})
    [message] = account.receive("jobs")
    assert (message.id, message.body, message.sent_timestamp) == (sent.id, "grüße 😀", sent.sent_timestamp)
    assert (message.message_attributes, message.system_attributes) == (TYPED, TRACE)
    assert message.attribute_md5 == sent.attribute_md5


def test_what_was_in_flight_is_visible_and_was_delivered_before(account: Account) -> None:
    account.queues.create_queue("jobs")
    account.queues.send_message("jobs", "a")
    account.receive("jobs")
    assert account.receive("jobs") == []
    account.save_and_restore()
    assert [message.approximate_receive_count for message in account.receive("jobs")] == [2]


def test_a_delayed_message_stays_delayed(account: Account) -> None:
    account.queues.create_queue("jobs")
    account.queues.send_message("jobs", "later", delay_seconds=600)
    account.save_and_restore()
    assert account.receive("jobs") == []
    assert account.queues.queues["jobs"].approximate_number_of_messages_delayed == 1


def test_a_fifo_queue_keeps_its_order_groups_and_deduplication(account: Account) -> None:
    account.queues.create_queue("jobs.fifo", FifoQueue="true")
    for number in range(3):
        account.queues.send_message("jobs.fifo", f"m{number}", group_id="g", deduplication_id=f"d{number}")
    account.save_and_restore()
    account.queues.send_message("jobs.fifo", "again", group_id="g", deduplication_id="d1")
    got = account.receive("jobs.fifo")
    assert [(message.body, message.group_id) for message in got] == [("m0", "g"), ("m1", "g"), ("m2", "g")]
    assert all(message.sequence_number for message in got)


def test_a_redrive_policy_leads_to_its_queue_again_and_the_policy_stays(account: Account) -> None:
    account.queues.create_queue("dead")
    policy = json.dumps({"Statement": [{"Sid": "mine"}]})
    redrive = json.dumps(
        {"deadLetterTargetArn": account.queues.queues["dead"].queue_arn, "maxReceiveCount": 1}
    )
    # By its name it stands before the queue that it names.
    account.queues.create_queue("a-jobs", RedrivePolicy=redrive, Policy=policy)
    account.queues.send_message("a-jobs", "bad")
    account.queues.receive_message("a-jobs", 1, 0, 0)
    account.save_and_restore()
    assert account.receive("a-jobs") == []
    assert [message.body for message in account.receive("dead")] == ["bad"]
    assert json.loads(account.queues.queues["a-jobs"].policy) == json.loads(policy)


def test_an_object_is_as_it_was_written(account: Account) -> None:
    account.objects.create_bucket("kept-files", "eu-west-1")
    written = account.objects.put_object("kept-files", "in/ä b.txt", b"content")
    written.set_metadata({"Content-Type": "text/plain", "x-amz-meta-who": "me"})
    account.objects.tagger.tag_resource(written.arn, [{"Key": "colour", "Value": "red"}])
    account.save_and_restore()
    found = account.object("kept-files", "in/ä b.txt")
    assert (found.value, found.etag, found.last_modified) == (b"content", written.etag, written.last_modified)
    assert (found.metadata["content-type"], found.metadata["x-amz-meta-who"]) == ("text/plain", "me")
    assert account.objects.tagger.get_tag_dict_for_resource(found.arn) == {"colour": "red"}
    assert account.objects.buckets["kept-files"].region_name == "eu-west-1"


def test_the_etag_of_an_upload_in_parts_is_kept(account: Account) -> None:
    account.objects.create_bucket("kept-files", "eu-west-1")
    account.objects.put_object("kept-files", "big", b"content", etag="0b31670df42a7f2c-2")
    account.save_and_restore()
    assert account.object("kept-files", "big").etag == '"0b31670df42a7f2c-2"'


def test_a_bucket_keeps_its_versions_and_what_was_deleted(account: Account) -> None:
    account.objects.create_bucket("kept-files", "eu-west-1")
    account.objects.put_bucket_versioning("kept-files", "Enabled")
    first = account.objects.put_object("kept-files", "a", b"one").version_id
    account.objects.put_object("kept-files", "a", b"two")
    account.objects.delete_object("kept-files", "a")
    account.save_and_restore()
    assert account.objects.buckets["kept-files"].is_versioned
    assert isinstance(account.objects.buckets["kept-files"].keys["a"], FakeDeleteMarker)
    assert account.object("kept-files", "a", first).value == b"one"


def test_a_bucket_notifies_whom_it_did_and_nobody_of_what_is_restored(account: Account) -> None:
    account.queues.create_queue("news")
    rule = {
        "Queue": account.queues.queues["news"].queue_arn,
        "Event": ["s3:ObjectCreated:*"],
        "Filter": {"S3Key": {"FilterRule": [{"Name": "prefix", "Value": "in/"}]}},
        "Id": "mine",
    }
    bucket = account.objects.create_bucket("kept-files", "eu-west-1")
    bucket.notification_configuration = NotificationConfiguration(queue=[rule])
    account.objects.put_bucket_tagging("kept-files", {"team": "a"})
    account.objects.put_object("kept-files", "out/x", b"not told")
    account.save_and_restore()
    assert account.receive("news") == []
    assert account.objects.get_bucket_tagging("kept-files")["Tags"] == [{"Key": "team", "Value": "a"}]
    for key in ("in/y", "out/z"):
        account.objects.put_object("kept-files", key, b"new")
    [told] = account.receive("news")
    assert json.loads(told.body)["Records"][0]["s3"]["configurationId"] == "mine"


def test_what_is_there_already_is_not_replaced(account: Account) -> None:
    account.queues.create_queue("jobs")
    account.save()
    account.queues.send_message("jobs", "newer")
    with account.file.opened() as found:
        assert found is not None
        restore_queues(found[0].queues)
    assert [message.body for message in account.receive("jobs")] == ["newer"]


def test_without_a_file_there_is_nothing(tmp_path: Path) -> None:
    with StateFile(tmp_path / "state.zip").opened() as found:
        assert found is None


@pytest.mark.parametrize(
    ("index", "said"),
    [
        (None, "is not a state file"),
        (b"{", "is not a state file"),
        (b'{"format": "other", "version": 1}', "its format is 'other'"),
        (b'{"format": "funchost emulator state", "version": 1, "queues": [{}]}', "is not a state file"),
        (b'{"format": "funchost emulator state", "version": 99}', "written by a newer funchost"),
    ],
)
def test_a_file_that_is_no_state_is_refused(tmp_path: Path, index: bytes | None, said: str) -> None:
    path = tmp_path / "state.zip"
    with zipfile.ZipFile(path, "w") as archive:
        if index is not None:
            archive.writestr("index.json", index)
    with pytest.raises(StateError, match=said), StateFile(path).opened():
        pass


def test_any_other_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("remember the milk")
    with pytest.raises(StateError, match=r"notes\.txt is not a state file"), StateFile(path).opened():
        pass


def test_a_file_whose_folder_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not a folder that can be written to"):
        StateFile(tmp_path / "missing/state.zip").claim()
    with pytest.raises(ConfigurationError, match="it is a folder"):
        StateFile(tmp_path).claim()


def test_the_file_before_stays_when_writing_fails(account: Account) -> None:
    account.queues.create_queue("jobs")
    account.save()
    before = account.file.path.read_bytes()

    def fail(keep: Keep) -> State:
        keep(b"content")
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        account.file.write(fail)
    assert account.file.path.read_bytes() == before
    assert account.file.path.stat().st_mode & 0o077 == 0
