"""The listener of functions for which nothing is listened for."""

from __future__ import annotations


class NoListener:
    """Listens for nothing, and is ready for whoever runs its function."""

    state = "ready"

    async def start(self) -> None:
        return

    async def stop(self) -> None:
        return
