"""moto's queues as records of the state file, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from moto.sqs import models as sqs_models

from .state import Attribute, Message, Queue

models: Any = sqs_models

#: What a client may set.
_ATTRIBUTES = (
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "DelaySeconds",
    "FifoQueue",
    "FifoThroughputLimit",
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "Policy",
    "ReceiveMessageWaitTimeSeconds",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
    "VisibilityTimeout",
)
_VALUES = tuple(Attribute.__struct_fields__)


def saved_queues() -> list[Queue]:
    """All queues, each as it is at one moment."""
    return [_saved(queue) for backend in _backends() for queue in list(backend.queues.values())]


def restore_queues(saved: list[Queue]) -> None:
    """Make the queues with their messages; one that is there already stays as it is."""
    fresh = [each for each in saved if each.name not in _backend(each).queues]
    for each in fresh:
        _restore(each)
    # Once all of them are there: a policy names another queue.
    for each in fresh:
        if "RedrivePolicy" in each.attributes:
            # moto forgets the policy when it is not given along.
            kept = {name: each.attributes.get(name) for name in ("RedrivePolicy", "Policy")}
            _backend(each).set_queue_attributes(each.name, kept)


def _backends() -> Iterator[Any]:
    for account in list(models.sqs_backends.values()):
        yield from list(account.values())


def _backend(saved: Queue) -> Any:
    return models.sqs_backends[saved.account][saved.region]


def _saved(queue: Any) -> Queue:
    with queue._messages_lock:
        attributes = {name: queue.attributes.get(name) for name in _ATTRIBUTES}
        return Queue(
            account=queue.account_id,
            region=queue.region,
            name=queue.name,
            attributes={name: str(value) for name, value in attributes.items() if value is not None},
            tags=dict(queue.tags),
            created=queue.created_timestamp,
            messages=[_saved_message(message) for message in queue._messages],
        )


def _saved_message(message: Any) -> Message:
    return Message(
        id=message.id,
        # Half a surrogate pair is no text that could be written.
        body=message.body.encode(errors="replace").decode(),
        sent=message.sent_timestamp,
        attributes=_saved_attributes(message.message_attributes),
        system_attributes=_saved_attributes(message.system_attributes),
        group=message.group_id,
        deduplication=message.deduplication_id,
        sequence=message.sequence_number,
        first_received=message.approximate_first_receive_timestamp,
        receive_count=message.approximate_receive_count,
        delayed_until=message.delayed_until,
    )


def _saved_attributes(attributes: Mapping[str, Mapping[str, Any]]) -> dict[str, Attribute]:
    return {
        name: Attribute(**{key: value[key] for key in _VALUES if key in value})
        for name, value in attributes.items()
    }


def _restore(saved: Queue) -> None:
    backend = _backend(saved)
    attributes = {name: text for name, text in saved.attributes.items() if name != "RedrivePolicy"}
    queue = backend.create_queue(saved.name, dict(saved.tags), **attributes)
    queue.created_timestamp = saved.created
    with queue._messages_lock:
        queue._messages.extend(_message(each) for each in saved.messages)
        queue._messages_lock.notify_all()


def _message(saved: Message) -> Any:
    message = models.Message(saved.id, saved.body, _attributes(saved.system_attributes))
    message.message_attributes = _attributes(saved.attributes)
    message.sent_timestamp = saved.sent
    message.group_id = saved.group
    message.deduplication_id = saved.deduplication
    message.sequence_number = saved.sequence
    message.approximate_first_receive_timestamp = saved.first_received
    message.approximate_receive_count = saved.receive_count
    message.delayed_until = saved.delayed_until
    return message


def _attributes(saved: Mapping[str, Attribute]) -> dict[str, dict[str, Any]]:
    return {
        name: {key: value for key in _VALUES if (value := getattr(each, key)) is not None}
        for name, each in saved.items()
    }
