"""A process that writes to a store without pause, for tests that kill it: sends a message after the other, tells
each that is on the disk, and writes the log back into the database (a checkpoint) after every few."""

from __future__ import annotations

import asyncio
import sys
from itertools import count
from pathlib import Path

from funchost.bindings.embedded_queue import EmbeddedQueues
from funchost.bindings.queue import OutgoingMessage
from funchost.bindings.store import Store

#: Messages between two checkpoints; each is some pages long.
EVERY = 5
PADDING = b" " * 20_000


async def main(folder: str, name: str) -> None:
    store = Store(Path(folder))
    queues = EmbeddedQueues(store, name)
    for number in count():
        id = f"{name}.{number}"
        await queues.send([OutgoingMessage(queue="jobs", body=id.encode() + PADDING)])
        print(id, flush=True)
        if number % EVERY == 0:
            # Beside the writer's transactions, as SQLite's own checkpoints are.
            await store.read(
                lambda connection: connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
            )


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
