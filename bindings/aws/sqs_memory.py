"""What SQS cannot keep with a message that is given back: the failures of its earlier deliveries."""

from __future__ import annotations

from typing import Any

#: Messages whose properties are remembered; the oldest are forgotten first.
MOST = 10_000


class PropertiesMemory:
    """The properties that messages were released with here, until they are settled.

    A message that another host gets next, or this one after a restart, has only those that it was sent with.
    """

    def __init__(self) -> None:
        self._properties: dict[tuple[str, str], dict[str, Any]] = {}

    def note(self, queue: str, message_id: str, properties: dict[str, Any]) -> None:
        """Remember the properties of a message."""
        self._properties.pop((queue, message_id), None)
        self._properties[queue, message_id] = properties
        if len(self._properties) > MOST:
            del self._properties[next(iter(self._properties))]

    def take(self, queue: str, message_id: str) -> dict[str, Any] | None:
        """The properties, which are then forgotten; None when there are none."""
        return self._properties.pop((queue, message_id), None)
