"""Small facts in memory, for tests and for trying things."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from .memory_queues import MemoryQueues
from .state import Sighting


class MemoryState:
    """`StateStore` that ends with the process; what `record` sends goes into `queues`."""

    def __init__(self, queues: MemoryQueues) -> None:
        self._queues = queues
        #: By scope and key, as JSON: a value that comes back is never the one that was given.
        self._values: dict[str, dict[str, bytes]] = {}
        self._versions: dict[str, dict[str, str]] = {}
        self._watchers: dict[str, list[Callable[[], None]]] = {}

    async def get(self, scope: str, key: str) -> Any:
        text = self._values.get(scope, {}).get(key)
        return None if text is None else msgspec.json.decode(text)

    async def put(self, scope: str, key: str, value: Any) -> None:
        values = self._values.setdefault(scope, {})
        if value is None:
            values.pop(key, None)
        else:
            values[key] = msgspec.json.encode(value)
        for callback in self._watchers.get(scope, ()):
            callback()

    async def change(self, scope: str, key: str, edit: Callable[[Any], Any]) -> bool:
        value = edit(await self.get(scope, key))
        if value is not None:
            await self.put(scope, key, value)
        return value is not None

    async def items(self, scope: str) -> Mapping[str, Any]:
        values = self._values.get(scope, {})
        return {key: msgspec.json.decode(values[key]) for key in sorted(values)}

    def watch(self, scope: str, callback: Callable[[], None]) -> None:
        self._watchers.setdefault(scope, []).append(callback)

    async def seen(self, scope: str) -> dict[str, str]:
        return dict(self._versions.get(scope, {}))

    async def record(self, scope: str, sightings: Sequence[Sighting]) -> int:
        known = self._versions.setdefault(scope, {})
        fresh = [sighting for sighting in sightings if _remember(known, sighting)]
        self._queues.put([sighting.message for sighting in fresh if sighting.message])
        return len(fresh)


def _remember(known: dict[str, str], sighting: Sighting) -> bool:
    """Whether this version is news; from now on it is not."""
    before = known.get(sighting.path)
    if sighting.version is None:
        known.pop(sighting.path, None)
    else:
        known[sighting.path] = sighting.version
    return before != sighting.version
