"""Sessions, priorities and ids that drop duplicates on their way to SQS and back."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from aws import Aws
from fakes import ManualClock

from funchost.bindings.aws.session import AwsSession
from funchost.bindings.aws.sqs_message import content_of, entry_of
from funchost.bindings.aws.sqs_queue import SqsQueues
from funchost.bindings.errors import BindingError
from funchost.bindings.queue import OutgoingMessage

NOW = ManualClock().now()


def entry(*, fifo: bool = True, id_: str | None = None, **said: Any) -> dict[str, Any]:
    message = OutgoingMessage(queue="jobs.fifo" if fifo else "jobs", body=b"a", **said)
    return entry_of(message, NOW, fifo=fifo, deduplication_id=id_)


def test_a_session_is_a_group_and_an_id_is_its_deduplication_id() -> None:
    made = entry(session_id="anna", dedup_id="order-1")
    assert (made["MessageGroupId"], made["MessageDeduplicationId"]) == ("anna", "order-1")


def test_the_session_of_a_message_goes_before_the_group_that_it_once_had() -> None:
    assert entry(session_id="anna", properties={"messageGroupId": "old"})["MessageGroupId"] == "anna"
    assert entry(properties={"messageGroupId": "old"})["MessageGroupId"] == "old"


def test_what_must_arrive_once_has_an_id_of_its_own() -> None:
    assert entry(id_="message-1", dedup_id="order-1")["MessageDeduplicationId"] == "message-1"


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ({"session_id": "anna"}, r"with a session id cannot go to 'jobs', a standard queue.*\.fifo.*without"),
        ({"dedup_id": "1"}, r"with a dedup id cannot go to 'jobs', a standard queue.*\.fifo"),
    ],
)
def test_a_standard_queue_keeps_no_such_promise_which_is_told(said: dict[str, Any], wanted: str) -> None:
    with pytest.raises(BindingError, match=wanted):
        entry(fifo=False, **said)


@pytest.mark.parametrize("name", ["session_id", "dedup_id"])
@pytest.mark.parametrize("text", ["with space", "größer", "\n", "", "x" * 129])
def test_ids_that_sqs_does_not_take_are_told(name: str, text: str) -> None:
    said: dict[str, Any] = {name: text}
    with pytest.raises(BindingError, match="id"):
        entry(**said)


def test_every_character_that_sqs_takes_is_let_through() -> None:
    text = "".join(map(chr, range(0x21, 0x7F)))
    assert entry(session_id=text, dedup_id=text)["MessageGroupId"] == text


def test_a_priority_travels_along_so_that_the_function_can_read_it() -> None:
    made = entry(fifo=False, priority=7)
    received = {"Body": made["MessageBody"], "MessageAttributes": made["MessageAttributes"]}
    assert content_of(received, fifo=False).priority == 7
    assert "MessageAttributes" not in entry(fifo=False)


async def test_that_priorities_have_no_effect_is_told_once_for_each_queue(
    aws: Aws, caplog: pytest.LogCaptureFixture
) -> None:
    session = AwsSession(aws.settings(create_queues=True))
    queues = SqsQueues(session, poll=timedelta(0))
    with caplog.at_level(logging.WARNING, "funchost.bindings.sqs"):
        for queue in ("jobs", "jobs", "bills"):
            await queues.send([OutgoingMessage(queue=queue, body=b"a", priority=9)])
    told = [record.getMessage() for record in caplog.records]
    assert [text.partition("messages of ")[2].partition(" ")[0] for text in told] == ["'jobs'", "'bills'"]
    session.close()
