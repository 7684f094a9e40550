"""Queue trigger: runs a function for each message of a queue, or for all that one receive brought."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from ..bindings.errors import ConfigurationError
from ..bindings.expressions import ExpressionError, Template, payload_metadata
from ..bindings.ordering import DEFAULT_PRIORITY
from ..bindings.queue import QueueMessage, sent_properties
from ..bindings.storages import storage_type
from .base import Cause, Deliver, Listener, Resources, Trigger, TriggerEvent
from .descriptor import FunctionDescriptor
from .details import message_cause, message_details
from .fields import QueueTriggerFields
from .poison import poison_queue_name
from .queue_batch import batch_by_hand, batch_details, batch_event, shared
from .queue_listener import QueueListener
from .replies import Replies
from .singleton import one_host_only


class QueueTrigger(Trigger):
    """`queueTrigger`."""

    type: ClassVar[str] = "queueTrigger"
    Fields = QueueTriggerFields

    def __init__(
        self, function: FunctionDescriptor, fields: QueueTriggerFields, resources: Resources
    ) -> None:
        super().__init__(function, fields, resources)
        self._queue = fields.queueName
        self._needs_data = function.needs_binding_data
        self._many = function.trigger.cardinality == "many"
        if self._many:
            _check_expressions(function)

    def listener(self, deliver: Deliver) -> Listener:
        return one_host_only(self.function, deliver, self.resources, self._listener)

    def _listener(self, deliver: Deliver) -> QueueListener:
        return QueueListener(
            function=self.function.name,
            queue=self._queue,
            store=self.resources.queues(self.fields.connection or ""),
            policy=self.function.policy.queue,
            deliver=deliver,
            to_event=None if self._many else self._event,
            to_batch=self._batch if self._many else None,
            poison_queue=poison_queue_name(
                self._queue,
                self.function.policy.queue.poison_queue,
                longest=storage_type(self.function.trigger.storage).longest_queue_name,
            ),
            resources=self.resources,
            concurrency=self.function.policy.concurrency,
            replies=self._replies(),
        )

    def _replies(self) -> Replies:
        return Replies(
            function=self.function.name,
            store=self.resources.queues(self.fields.connection or ""),
            callbacks=self.resources.on_this_machine().own_queues,
            queue_name=storage_type(self.function.trigger.storage).queue_name,
            many=self._many,
            report=self.resources.report,
        )

    def describe(self) -> str:
        where = f"queue {self._queue}{self.resources.at(self.fields.connection)}"
        return f"{where}, in batches" if self._many else where

    async def manual_event(self, data: bytes | None) -> TriggerEvent:
        body = data or b""
        if self._many:
            return batch_by_hand(body)
        metadata = _payload(body) if self._needs_data else {}
        return TriggerEvent(
            kind="queue",
            body=body,
            metadata={"dequeueCount": 1, "queueTrigger": _text(body), **_said(None, {}), **metadata},
        )

    async def _event(self, message: QueueMessage) -> TriggerEvent:
        metadata = _metadata(message)
        if self._needs_data:
            metadata["queueTrigger"] = _text(message.body)
            metadata.update(_payload(message.body))
        return TriggerEvent(
            kind="queue",
            body=message.body,
            metadata=metadata,
            reason=f"New queue message detected on '{message.queue}'.",
            details=partial(message_details, message),
            cause=message_cause(message, message.queue),
            traceparent=message.properties.get("traceparent"),
            tracestate=message.properties.get("tracestate"),
        )

    def _batch(self, messages: Sequence[QueueMessage]) -> TriggerEvent:
        event = batch_event([message.body for message in messages], [*map(_metadata, messages)])
        event.reason = f"{len(messages)} new queue messages detected on '{self._queue}'."
        event.details = partial(batch_details, tuple(messages))
        event.cause = Cause(
            origin=self._queue,
            queued=min(message.inserted_at for message in messages),
            properties={name: shared(messages, name) for name in ("parent", "replayOf")},
        )
        event.traceparent = shared(messages, "traceparent")
        event.tracestate = shared(messages, "tracestate") if event.traceparent else None
        return event


def _check_expressions(function: FunctionDescriptor) -> None:
    """See that no expression wants what each message of a batch has for itself. Raises `ConfigurationError`."""
    values = [value for binding in function.bindings for value in binding.fields.values()]
    values.append(function.policy.singleton.scope if function.policy.singleton else None)
    for text in (value for value in values if isinstance(value, str)):
        if names := _names(text):
            raise ConfigurationError(
                f"{{{min(names)}}} in '{text}' would be a value of one message, but with the cardinality many a run "
                "gets several of them. Leave it out, or set the cardinality to one.",
                key="cardinality",
            )


def _names(text: str) -> frozenset[str]:
    try:
        return Template.parse(text).names
    except ExpressionError:
        return frozenset()  # no text that is filled in, or one that is told elsewhere


def _metadata(message: QueueMessage) -> dict[str, Any]:
    return {
        "id": message.id,
        "dequeueCount": message.dequeue_count,
        "popReceipt": str(message.receipt),
        "insertionTime": message.inserted_at,
        "expirationTime": message.expires_at,
        "nextVisibleTime": message.next_visible_at,
        **_said(message, message.properties),
    }


def _said(message: QueueMessage | None, properties: Mapping[str, Any]) -> dict[str, Any]:
    """What the sender said of a message beside its body; of data that came by hand (None) nothing was."""
    return {
        "sessionId": message.group if message else None,
        "priority": message.priority if message else DEFAULT_PRIORITY,
        "dedupId": message.dedup_id if message else None,
        "replyTo": properties.get("replyTo"),
        "correlationId": properties.get("correlationId"),
        "applicationProperties": sent_properties(properties),
    }


def _text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _payload(body: bytes) -> dict[str, Any]:
    text = _text(body)
    return {} if text is None else payload_metadata(text)
