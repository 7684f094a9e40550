"""Queues on SQS against answers that moto does not give: what fails in part, what is denied, what is lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber
from fakes import ManualClock

from funchost.bindings.aws import sqs_client
from funchost.bindings.aws.session import AwsSession
from funchost.bindings.aws.settings import AwsSettings
from funchost.bindings.aws.sqs_queue import SqsQueues
from funchost.bindings.errors import (
    AccessDenied,
    BindingError,
    FunchostError,
    MessageTooLarge,
    QueueMissing,
    ReceiptLost,
    StoreError,
)
from funchost.bindings.queue import OutgoingMessage, QueueMessage
from funchost.bindings.table import OutgoingEntity

MINUTE = timedelta(minutes=1)
URL = "https://sqs.eu-west-1.amazonaws.com/1/orders"


class Service:
    """The queues, and SQS as the test plays it: each call has to be the next one that was foreseen."""

    def __init__(self, name: str = "orders") -> None:
        self.client: Any = boto3.client(
            "sqs", region_name="eu-west-1", aws_access_key_id="test", aws_secret_access_key="test"
        )
        self.stub = Stubber(self.client)
        self.stub.activate()
        self.clock = ManualClock()
        self.name = name
        session = StubbedSession(AwsSettings(name="Orders", region="eu-west-1"), self.client)
        self.queues = SqsQueues(session, self.clock, poll=timedelta(0))

    def found(self, **attributes: str) -> None:
        """The queue is looked up, with these attributes."""
        self.stub.add_response("get_queue_url", {"QueueUrl": URL}, {"QueueName": self.name})
        self.stub.add_response("get_queue_attributes", {"Attributes": attributes})

    def receives(self, *ids: str, own: dict[str, str] | None = None, **attributes: str) -> None:
        """The next receive brings these messages; `own` is what stands in the attribute of ours, by id."""
        messages = [
            {
                "MessageId": id_,
                "ReceiptHandle": f"handle-{id_}",
                "Body": id_,
                "MessageAttributes": {
                    "funchost": {"DataType": "String", "StringValue": (own or {}).get(id_, "{}")}
                },
                "Attributes": {
                    "SentTimestamp": "1772366400000",
                    "ApproximateFirstReceiveTimestamp": "1772366400000",
                    "ApproximateReceiveCount": "1",
                    **attributes,
                },
            }
            for id_ in ids
        ]
        self.stub.add_response("receive_message", {"Messages": messages})

    def answers(self, operation: str, *failed: dict[str, Any], **expected: Any) -> None:
        """The next call succeeds, but for entries that failed."""
        wanted = {"QueueUrl": URL, **expected} if expected else None
        self.stub.add_response(operation, {"Successful": [], "Failed": list(failed)}, wanted)

    def refuses(self, operation: str, code: str, status: int = 400, message: str = "no") -> None:
        """The next call fails as a whole."""
        self.stub.add_client_error(operation, code, message, status)

    async def received(self, *ids: str, **attributes: Any) -> list[QueueMessage]:
        self.found()
        self.receives(*ids, **attributes)
        return await self.queues.receive(self.name, 10)


class StubbedSession(AwsSession):
    """A session whose client is there already."""

    def __init__(self, settings: AwsSettings, client: Any) -> None:
        super().__init__(settings)
        self._ready = client

    def _made(self, service: str, patient: bool) -> Any:
        return self._ready


def failed(place: int, code: str = "InternalError", *, fault: bool = False) -> dict[str, Any]:
    return {"Id": str(place), "Code": code, "SenderFault": fault, "Message": "so it is"}


def message(body: bytes = b"a", **more: Any) -> OutgoingMessage:
    return OutgoingMessage(queue="orders", body=body, **more)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr(sqs_client, "PAUSES", (0.0, 0.0))
    service = Service()
    yield service
    service.stub.assert_no_pending_responses()


# -- looking a queue up


async def test_a_queue_says_itself_how_long_messages_are_hidden_within_bounds(service: Service) -> None:
    for told, hidden in (("120", 120), ("0", 30), ("43200", 300)):
        service = Service()
        service.found(VisibilityTimeout=told)
        service.stub.add_response("receive_message", {}, {**_receiving(), "VisibilityTimeout": hidden})
        await service.queues.receive("orders", 32)
        assert service.queues.lease_of("orders") == timedelta(seconds=hidden)


def _receiving() -> dict[str, Any]:
    return {
        "QueueUrl": URL,
        "MaxNumberOfMessages": 10,
        "WaitTimeSeconds": 0,
        "MessageAttributeNames": ["All"],
        "MessageSystemAttributeNames": ["All"],
    }


async def test_no_more_is_received_than_asked_for(service: Service) -> None:
    service.found()
    service.stub.add_response(
        "receive_message", {}, {**_receiving(), "VisibilityTimeout": 60, "MaxNumberOfMessages": 3}
    )
    await service.queues.receive("orders", 3, MINUTE)


async def test_what_a_queue_says_of_itself_is_asked_anew_after_a_while(service: Service) -> None:
    for limit in ("1024", "2048"):
        service.found(MaximumMessageSize=limit)
        for _ in range(2):
            with pytest.raises(MessageTooLarge, match=limit):
                await service.queues.send([message(b"x" * 3000)])
        service.clock.advance(timedelta(minutes=6))


async def test_a_missing_queue_is_told_with_its_place_and_looked_up_again(service: Service) -> None:
    service.refuses("get_queue_url", "AWS.SimpleQueueService.NonExistentQueue")
    with pytest.raises(QueueMissing, match=r"no queue 'orders' at AWS in eu-west-1 \(connection 'Orders'\)"):
        await service.queues.receive("orders", 1)
    assert len(await service.received("m")) == 1


async def test_a_queue_that_was_deleted_is_looked_up_again(service: Service) -> None:
    await service.received("m")
    service.refuses("receive_message", "QueueDoesNotExist")
    with pytest.raises(QueueMissing):
        await service.queues.receive("orders", 1)
    assert len(await service.received("n")) == 1


async def test_who_only_sends_need_not_be_allowed_to_ask_for_attributes(service: Service) -> None:
    service.stub.add_response("get_queue_url", {"QueueUrl": URL})
    service.refuses("get_queue_attributes", "AccessDenied", 403)
    service.answers("send_message_batch", Entries=[{"Id": "0", "MessageBody": "a"}])
    await service.queues.send([message()])


@pytest.mark.parametrize(
    ("code", "status", "kind", "said"),
    [
        ("AccessDenied", 403, AccessDenied, "refuses this: no"),
        ("ExpiredToken", 403, AccessDenied, "does not accept the credentials"),
        ("InvalidClientTokenId", 403, AccessDenied, "the environment, a profile, or the role"),
        ("RequestThrottled", 400, StoreError, r"no more calls for now \(RequestThrottled\)"),
        ("OverLimit", 403, StoreError, r"troubles of its own \(OverLimit\)"),
        ("InternalError", 500, StoreError, r"troubles of its own \(InternalError\)"),
        ("InvalidParameterValue", 400, BindingError, r"refuses this \(InvalidParameterValue\)"),
    ],
)
async def test_what_sqs_refuses_is_told_for_people(
    service: Service, code: str, status: int, kind: type[FunchostError], said: str
) -> None:
    await service.received("m")
    service.stub.add_client_error("receive_message", code, "no", status)
    # Throttling and its own errors are tried once more by boto3 itself.
    if kind is StoreError and code != "OverLimit":
        service.stub.add_client_error("receive_message", code, "no", status)
    with pytest.raises(kind, match=said):
        await service.queues.receive("orders", 1)
    service.client.close()
    service.stub = Stubber(service.client)


# -- what fails in part


async def test_only_what_failed_by_no_fault_of_ours_is_sent_again(service: Service) -> None:
    service.found()
    first = [{"Id": str(place), "MessageBody": body} for place, body in enumerate("abc")]
    service.answers("send_message_batch", failed(0), failed(2, "RequestThrottled", fault=True), Entries=first)
    service.answers("send_message_batch", failed(2), Entries=[first[0], first[2]])
    service.answers("send_message_batch", Entries=[first[2]])
    await service.queues.send([message(b"a"), message(b"b"), message(b"c")])


async def test_what_is_refused_is_told_and_not_sent_again(service: Service) -> None:
    service.found()
    service.answers("send_message_batch", failed(0, "InvalidMessageContents", fault=True))
    with pytest.raises(BindingError, match=r"'orders' refuses it \(InvalidMessageContents\): so it is"):
        await service.queues.send([message()])


async def test_what_fails_again_and_again_is_told(service: Service) -> None:
    service.found()
    for _ in range(3):
        service.answers("send_message_batch", failed(0))
    with pytest.raises(StoreError, match="InternalError"):
        await service.queues.send([message()])


async def test_one_of_several_deletions_may_come_too_late(service: Service) -> None:
    first, second = await service.received("m", "n")
    service.answers("delete_message_batch", failed(1, "ReceiptHandleIsInvalid", fault=True))
    results = await asyncio.gather(
        service.queues.complete([first]), service.queues.complete([second]), return_exceptions=True
    )
    assert [type(result) for result in results] == [type(None), ReceiptLost]


# -- settling


async def test_outputs_that_were_sent_are_not_sent_again_when_the_deletion_is_repeated(
    service: Service,
) -> None:
    [received] = await service.received("m")
    service.answers("send_message_batch")
    for _ in range(3):
        service.answers("delete_message_batch", failed(0))
    with pytest.raises(StoreError):
        await service.queues.complete([received], [message(b"bill")])
    service.answers("delete_message_batch", Entries=[{"Id": "0", "ReceiptHandle": "handle-m"}])
    await service.queues.complete([received], [message(b"bill")])


async def test_of_several_deletions_only_those_that_failed_are_repeated(service: Service) -> None:
    first, second = await service.received("m", "n")
    service.answers("send_message_batch")
    for _ in range(3):
        service.answers("delete_message_batch", failed(1))
    with pytest.raises(StoreError):
        await service.queues.complete([first, second], [message(b"bill")])
    service.answers("delete_message_batch", Entries=[{"Id": "0", "ReceiptHandle": "handle-n"}])
    await service.queues.complete([first, second], [message(b"bill")])


async def test_several_deletions_that_all_come_too_late_are_told(service: Service) -> None:
    received = await service.received("m", "n")
    gone = [failed(place, "ReceiptHandleIsInvalid", fault=True) for place in (0, 1)]
    service.answers("delete_message_batch", *gone)
    with pytest.raises(ReceiptLost):
        await service.queues.complete(received)


async def test_a_deletion_that_is_denied_is_tried_until_it_is_granted(service: Service) -> None:
    [received] = await service.received("m")
    service.refuses("delete_message_batch", "AccessDenied", 403)
    with pytest.raises(StoreError, match="refuses this"):
        await service.queues.complete([received])
    service.answers("delete_message_batch")
    await service.queues.complete([received])


async def test_a_message_of_a_queue_that_was_deleted_is_nobodys(service: Service) -> None:
    [received] = await service.received("m")
    service.refuses("delete_message_batch", "QueueDoesNotExist")
    with pytest.raises(ReceiptLost):
        await service.queues.complete([received])


async def test_a_poison_message_that_was_sent_is_not_sent_again(service: Service) -> None:
    [received] = await service.received("m")
    service.answers("send_message_batch")
    service.refuses("delete_message_batch", "AccessDenied", 403)
    with pytest.raises(StoreError):
        await service.queues.poison(received, message(b"bad"))
    service.answers("delete_message_batch")
    await service.queues.poison(received, message(b"bad"))


async def test_a_reason_that_does_not_fit_is_shortened_and_the_body_stays(service: Service) -> None:
    service.found(MaximumMessageSize="1024")
    service.receives("m")
    [received] = await service.queues.receive("orders", 1)
    service.answers("send_message_batch", Entries=[{"Id": "0", "MessageBody": "x" * 1000}])
    service.answers("delete_message_batch")
    reason = {"poison": {"error": "E", "traceback": "t" * 2000}}
    await service.queues.poison(received, message(b"x" * 1000, properties=reason))


async def test_a_body_that_the_poison_queue_does_not_take_is_told(service: Service) -> None:
    service.found(MaximumMessageSize="1024")
    service.receives("m")
    [received] = await service.queues.receive("orders", 1)
    with pytest.raises(MessageTooLarge):
        await service.queues.poison(received, message(b"x" * 2000))


async def test_a_release_hides_for_whole_seconds(service: Service) -> None:
    [received] = await service.received("m")
    entry = {"Id": "0", "ReceiptHandle": "handle-m", "VisibilityTimeout": 2}
    service.answers("change_message_visibility_batch", Entries=[entry])
    await service.queues.release(received, timedelta(seconds=1.2))


async def test_there_are_no_tables_behind_a_connection_to_aws(service: Service) -> None:
    [received] = await service.received("m")
    entity = OutgoingEntity(table="T", partition_key="p", row_key="r", properties={})
    with pytest.raises(BindingError, match="no tables"):
        await service.queues.complete([received], [], [entity])
    with pytest.raises(BindingError, match="no tables"):
        await service.queues.send([], [entity])


# -- renewing


async def test_a_message_is_hidden_for_twelve_hours_at_most(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    [received] = await service.received("m")
    service.clock.advance(timedelta(hours=11, minutes=58, seconds=30))
    entry = {"Id": "0", "ReceiptHandle": "handle-m", "VisibilityTimeout": 30}
    service.answers("change_message_visibility_batch", Entries=[entry])
    await service.queues.renew([received], timedelta(minutes=5))
    service.clock.advance(timedelta(seconds=30))
    with caplog.at_level(logging.WARNING):
        await service.queues.renew([received])
        await service.queues.renew([received])
    assert len([record for record in caplog.records if "12 hours" in record.message]) == 1


@pytest.mark.parametrize("code", ["ReceiptHandleIsInvalid", "AWS.SimpleQueueService.MessageNotInflight"])
async def test_a_message_that_cannot_be_renewed_is_deleted_once_if_it_ends_all_the_same(
    service: Service, code: str
) -> None:
    lost, kept = await service.received("m", "n")
    service.answers("change_message_visibility_batch", failed(0, code, fault=True))
    await service.queues.renew([lost, kept])
    entry = {"Id": "0", "ReceiptHandle": "handle-n", "VisibilityTimeout": 30}
    service.answers("change_message_visibility_batch", Entries=[entry])
    await service.queues.renew([lost, kept])
    service.answers("delete_message_batch", Entries=[{"Id": "0", "ReceiptHandle": "handle-m"}])
    await service.queues.complete([lost])


async def test_on_a_fifo_queue_a_lost_message_changes_nothing_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = Service("orders.fifo")
    [lost] = await service.received("m", MessageGroupId="g")
    service.answers("change_message_visibility_batch", failed(0, "MessageNotInflight", fault=True))
    await service.queues.renew([lost])
    with pytest.raises(ReceiptLost):
        await service.queues.complete([lost], [message(b"bill")])
    service.stub.assert_no_pending_responses()


async def test_on_a_fifo_queue_a_message_is_lost_when_its_time_is_over(service: Service) -> None:
    fifo = Service("orders.fifo")
    [renewed] = await fifo.received("m", MessageGroupId="g")
    fifo.clock.advance(timedelta(seconds=29))
    fifo.answers("change_message_visibility_batch")
    await fifo.queues.renew([renewed])
    fifo.clock.advance(timedelta(seconds=29))
    fifo.answers("change_message_visibility_batch")
    await fifo.queues.renew([renewed])
    fifo.clock.advance(timedelta(seconds=31))
    with pytest.raises(ReceiptLost):
        await fifo.queues.complete([renewed], [message(b"bill")])
    fifo.stub.assert_no_pending_responses()


async def test_a_message_whose_time_to_live_is_over_takes_no_other_with_it(service: Service) -> None:
    service.found()
    service.receives("m", "n", own={"m": '{"expires": 1}'})
    service.refuses("delete_message_batch", "AccessDenied", 403)
    [received] = await service.queues.receive("orders", 10)
    assert received.id == "n"


async def test_a_message_older_than_its_queue_keeps_any_is_still_run(service: Service) -> None:
    # The clocks of this machine and of AWS may differ: what SQS delivers is delivered.
    service.found(MessageRetentionPeriod="60")
    service.receives("m")
    service.clock.advance(timedelta(days=30))
    assert len(await service.queues.receive("orders", 10)) == 1


async def test_a_renewal_that_fails_as_a_whole_is_told_and_nothing_is_lost(service: Service) -> None:
    [received] = await service.received("m")
    service.refuses("change_message_visibility_batch", "AccessDenied", 403)
    with pytest.raises(AccessDenied):
        await service.queues.renew([received])
    service.answers("change_message_visibility_batch")
    await service.queues.renew([received])


# -- FIFO and redrive


async def test_a_receive_whose_answer_was_lost_is_repeated_under_the_same_id() -> None:
    service = Service("orders.fifo")
    service.found()
    asked: list[str] = []
    service.client.meta.events.register(
        "provide-client-params.sqs.ReceiveMessage",
        lambda params, **more: asked.append(params["ReceiveRequestAttemptId"]),
    )
    service.refuses("receive_message", "AccessDenied", 403)
    with pytest.raises(AccessDenied):
        await service.queues.receive("orders.fifo", 1)
    for _ in range(2):
        service.stub.add_response("receive_message", {})
        await service.queues.receive("orders.fifo", 1)
    assert asked[0] == asked[1] != asked[2]


async def test_a_message_of_a_queue_with_a_redrive_policy_is_given_up_by_sqs(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    service.found(RedrivePolicy='{"deadLetterTargetArn": "arn:x", "maxReceiveCount": "7"}')
    service.receives("m", "n")
    with caplog.at_level(logging.INFO):
        messages = await service.queues.receive("orders", 10)
    assert all(received.redriven for received in messages)
    assert "after 7 deliveries" in caplog.text


async def test_all_pages_of_queues_are_counted(service: Service) -> None:
    service.stub.add_response("list_queues", {"QueueUrls": [URL], "NextToken": "t"}, {"MaxResults": 1000})
    service.stub.add_response("list_queues", {}, {"MaxResults": 1000, "NextToken": "t"})
    service.found()
    service.stub.add_response(
        "get_queue_attributes",
        {"Attributes": {"ApproximateNumberOfMessages": "3"}},
        {"QueueUrl": URL, "AttributeNames": ANY},
    )
    [depth] = await service.queues.depths()
    assert (depth.queue, depth.visible, depth.delayed, depth.in_flight, depth.oldest) == (
        "orders",
        3,
        0,
        0,
        None,
    )


# -- waiting


@pytest.mark.parametrize(("endpoint", "seconds"), [(None, 10), ("http://127.0.0.1:1", 2)])
async def test_a_poll_waits_for_messages_and_no_longer_than_a_stop_may_take(
    service: Service, endpoint: str | None, seconds: int
) -> None:
    settings = AwsSettings(name="Orders", region="eu-west-1", endpoint_url=endpoint)
    queues = SqsQueues(StubbedSession(settings, service.client), service.clock)
    service.found()
    service.stub.add_response(
        "receive_message", {}, {**_receiving(), "VisibilityTimeout": 30, "WaitTimeSeconds": seconds}
    )
    await queues.receive("orders", 10)


async def test_after_a_poll_that_brought_something_the_next_one_follows_at_once(service: Service) -> None:
    await service.received("m")
    await asyncio.wait_for(service.queues.wait("orders", MINUTE), 0.5)


async def test_the_first_poll_after_a_failure_does_not_wait_for_messages(service: Service) -> None:
    settings = AwsSettings(name="Orders", region="eu-west-1")
    queues = SqsQueues(StubbedSession(settings, service.client), service.clock)
    service.found()
    service.refuses("receive_message", "AccessDenied", 403)
    for seconds in (0, 10):
        expected = {**_receiving(), "VisibilityTimeout": 30, "WaitTimeSeconds": seconds}
        service.stub.add_response("receive_message", {}, expected)
    with pytest.raises(AccessDenied):
        await queues.receive("orders", 10)
    await queues.receive("orders", 10)
    await queues.receive("orders", 10)


async def test_who_waits_for_a_question_that_fails_does_not_ask_it_again(service: Service) -> None:
    service.refuses("get_queue_url", "InternalFailure", 403, "no")
    service.refuses("get_queue_url", "OverLimit", 403)
    sends = [service.queues.send([message()]) for _ in range(5)]
    with pytest.raises(BindingError):  # not of the kind that passes by itself: each asks for itself
        await service.queues.send([message()])
    told = await asyncio.gather(*sends, return_exceptions=True)
    assert [type(each) for each in told] == [StoreError] * 5


async def test_what_a_queue_has_said_counts_for_as_long_as_it_cannot_be_asked(service: Service) -> None:
    await service.received("m")
    service.clock.advance(timedelta(seconds=sqs_client.BELIEVED + 1))
    service.refuses("get_queue_url", "OverLimit", 403)
    service.receives("n")
    [found] = await service.queues.receive("orders", 10)
    assert found.id == "n"


async def test_what_answers_nothing_at_once_is_not_asked_again_and_again(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.received()
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    await service.queues.wait("orders", MINUTE)
    await service.queues.wait("orders", timedelta(milliseconds=100))
    assert slept == [1.0, 0.1]
