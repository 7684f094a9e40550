"""A trigger whose service is not spoken here: its function runs only by hand."""

from __future__ import annotations

from .base import Deliver, Listener, Trigger, TriggerEvent
from .fields import UnservedFields
from .no_listener import NoListener


class UnservedTrigger(Trigger):
    """Stands in for any type that Azure knows and this host does not serve, such as `eventHubTrigger`."""

    Fields = UnservedFields

    def listener(self, deliver: Deliver) -> Listener:
        return NoListener()

    def describe(self) -> str:
        return f"funchost run {self.function.name}"

    async def manual_event(self, data: bytes | None) -> TriggerEvent:
        """The data as the service would have brought it."""
        return TriggerEvent(kind="manual", body=data or b"")
