"""Warm-up trigger: a function that runs once in a process, before the first events come."""

from __future__ import annotations

from typing import Any, ClassVar

from ..bindings.errors import ConfigurationError
from .base import Deliver, Listener, Resources, Trigger, TriggerEvent
from .descriptor import FunctionDescriptor
from .fields import WarmupTriggerFields
from .no_listener import NoListener

#: What its function is called, in any case; nobody runs another.
WARMUP = "Warmup"


class WarmupTrigger(Trigger):
    """`warmupTrigger`: runs on GET /admin/warmup."""

    type: ClassVar[str] = "warmupTrigger"
    Fields = WarmupTriggerFields

    def __init__(self, function: FunctionDescriptor, fields: Any, resources: Resources) -> None:
        """Raises `ConfigurationError` for a function that would never be run."""
        super().__init__(function, fields, resources)
        if function.name.lower() != WARMUP.lower():
            raise ConfigurationError(
                f"A warm-up function is called {WARMUP}; as '{function.name}' it would never run. Rename it.",
                key="type",
            )

    def listener(self, deliver: Deliver) -> Listener:
        return NoListener()

    def describe(self) -> str:
        return "/admin/warmup"

    async def manual_event(self, data: bytes | None) -> TriggerEvent:
        """The warm-up; it brings no data."""
        return TriggerEvent(kind="warmup", reason="The app is warmed up")
