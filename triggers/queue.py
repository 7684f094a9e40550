"""Queue trigger: runs a function for each message of a queue."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from ..bindings.expressions import payload_metadata
from ..bindings.queue import QueueMessage
from .base import Deliver, Listener, Resources, Trigger, TriggerEvent
from .descriptor import FunctionDescriptor
from .details import message_details
from .fields import QueueTriggerFields
from .poison import LONGEST, LONGEST_ON_SQS, poison_queue_name
from .queue_listener import QueueListener
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

    def listener(self, deliver: Deliver) -> Listener:
        return one_host_only(self.function, deliver, self.resources, self._listener)

    def _listener(self, deliver: Deliver) -> QueueListener:
        return QueueListener(
            function=self.function.name,
            queue=self._queue,
            store=self.resources.queues(self.fields.connection or ""),
            policy=self.function.policy.queue,
            deliver=deliver,
            to_event=self._event,
            poison_queue=poison_queue_name(
                self._queue,
                self.function.policy.queue.poison_queue,
                longest=LONGEST_ON_SQS if self.function.trigger.storage == "aws" else LONGEST,
            ),
            resources=self.resources,
            concurrency=self.function.policy.concurrency,
        )

    def describe(self) -> str:
        return f"queue {self._queue}"

    async def manual_event(self, data: bytes | None) -> TriggerEvent:
        body = data or b""
        metadata = _payload(body) if self._needs_data else {}
        return TriggerEvent(
            kind="queue",
            body=body,
            metadata={"dequeueCount": 1, "queueTrigger": _text(body), **metadata},
        )

    async def _event(self, message: QueueMessage) -> TriggerEvent:
        metadata: dict[str, Any] = {
            "id": message.id,
            "dequeueCount": message.dequeue_count,
            "popReceipt": str(message.receipt),
            "insertionTime": message.inserted_at,
            "expirationTime": message.expires_at,
            "nextVisibleTime": message.next_visible_at,
        }
        if self._needs_data:
            metadata["queueTrigger"] = _text(message.body)
            metadata.update(_payload(message.body))
        return TriggerEvent(
            kind="queue",
            body=message.body,
            metadata=metadata,
            reason=f"New queue message detected on '{message.queue}'.",
            details=partial(message_details, message),
            traceparent=message.properties.get("traceparent"),
            tracestate=message.properties.get("tracestate"),
        )


def _text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _payload(body: bytes) -> dict[str, Any]:
    text = _text(body)
    return {} if text is None else payload_metadata(text)
