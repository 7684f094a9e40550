"""Line trigger: runs a function for each line that a growing text file gets, those included that it has at first.

A follower, one for all hosts of this machine, puts each line on the function's internal queue. Where it has got to is
recorded in the same step, so each line comes there once. From there on it is a queue message: it is run, repeated and
given up as those are, also after a crash.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from funchost.bindings.queue import QueueMessage
from funchost.triggers.base import Deliver, Listener, Resources, Trigger, TriggerEvent
from funchost.triggers.descriptor import FunctionDescriptor
from funchost.triggers.fields import QueuePolicyFields
from funchost.triggers.queue_listener import QueueListener
from funchost.triggers.scan import ScannedQueue
from funchost.triggers.singleton import ListenerLease, one_host_only
from msgspec import Meta

from .follower import Follower

POISON_QUEUE = "webjobs-linetrigger-poison"


class LineTriggerFields(QueuePolicyFields, kw_only=True, forbid_unknown_fields=True):
    """What an entry of type `lineTrigger` holds."""

    path: Annotated[
        str,
        Meta(min_length=1, description="The file, relative to the app root or absolute; it may be missing."),
    ]


class LineTrigger(Trigger):
    """`lineTrigger`."""

    type: ClassVar[str] = "lineTrigger"
    Fields = LineTriggerFields

    def __init__(self, function: FunctionDescriptor, fields: LineTriggerFields, resources: Resources) -> None:
        super().__init__(function, fields, resources)
        self.path: Path = resources.root / fields.path

    def listener(self, deliver: Deliver) -> Listener:
        return one_host_only(self.function, deliver, self.resources, self._listener)

    def _listener(self, deliver: Deliver) -> Listener:
        # A file of this machine: other machines neither see it, nor are to remember where we are in it.
        resources = self.resources.on_this_machine()
        name = self.function.name
        queue = f"azure-webjobs-linetrigger-{name.lower()}"
        lease = f"follow:{name}"
        follower = Follower(self.path, name, queue, lease, resources)
        runs = QueueListener(
            function=name,
            queue=queue,
            store=resources.own_queues,
            policy=self.function.policy.queue,
            deliver=deliver,
            to_event=self._event,
            poison_queue=POISON_QUEUE,
            resources=resources,
            concurrency=self.function.policy.concurrency,
        )
        return ScannedQueue(ListenerLease(follower, lease, resources), runs)

    def describe(self) -> str:
        return f"lines of {self.fields.path}"

    async def manual_event(self, data: bytes | None) -> TriggerEvent:
        return self._line_event(data or b"")

    async def _event(self, message: QueueMessage) -> TriggerEvent:
        event = self._line_event(message.body)
        event.reason = f"New line in {self.fields.path}"
        return event

    def _line_event(self, line: bytes) -> TriggerEvent:
        metadata = {"lineTrigger": line.decode(errors="replace"), "path": str(self.path)}
        return TriggerEvent(kind="line", body=line, metadata=metadata)
