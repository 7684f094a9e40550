"""Manual trigger: a function that runs only by hand."""

from __future__ import annotations

from typing import ClassVar

from .base import Deliver, FieldsModel, Listener, Trigger, TriggerEvent
from .fields import ManualTriggerFields
from .no_listener import NoListener


class ManualTrigger(Trigger):
    """`manualTrigger`."""

    type: ClassVar[str] = "manualTrigger"
    Fields: ClassVar[FieldsModel] = ManualTriggerFields

    def listener(self, deliver: Deliver) -> Listener:
        return NoListener()

    def describe(self) -> str:
        return f"funchost run {self.function.name}"

    async def manual_event(self, data: bytes | None) -> TriggerEvent:
        return TriggerEvent(kind="manual", body=data or b"")
