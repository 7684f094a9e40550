"""A process of its own on a store, for the tests of the store: does what its first argument says, as JSON lines."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import timedelta
from pathlib import Path

from funchost.bindings.embedded_lease import EmbeddedLeases
from funchost.bindings.embedded_queue import EmbeddedQueues
from funchost.bindings.presence import Presence
from funchost.bindings.queue import OutgoingMessage
from funchost.bindings.store import Store


def say(what: object) -> None:
    print(json.dumps(what), flush=True)


async def consume(queues: EmbeddedQueues) -> None:
    """Take and complete messages until one says that it is over."""
    over = False
    say("ready")
    while not over:
        messages = await queues.receive("orders", 8)
        for message in messages:
            await queues.complete([message])
            over = over or message.body == b"over"
        say([message.body.decode() for message in messages])
        if not messages:
            await queues.wait("orders", timedelta(seconds=1))


async def notice(queues: EmbeddedQueues) -> None:
    """Tell, for each message, how long after its sending (its body) this process woke up."""
    await queues.receive("orders", 8)
    say("ready")
    while True:
        await queues.wait("orders", timedelta(hours=1))
        woken = time.monotonic()
        for message in await queues.receive("orders", 8):
            await queues.complete([message])
            say(woken - float(message.body))


async def hold(queues: EmbeddedQueues, store: Store, owner: str) -> None:
    """Take what there is and a lease, and never let go."""
    messages = await queues.receive("orders", 8)
    lease = await EmbeddedLeases(store).acquire("totals", owner, timedelta(days=1))
    say({"messages": len(messages), "lease": lease is not None})
    await asyncio.Event().wait()


async def send(queues: EmbeddedQueues) -> None:
    await queues.send([OutgoingMessage(queue="orders", body=b"%d" % n) for n in range(20)])
    say("sent")


async def main(what: str, folder: str, owner: str) -> None:
    store = Store(Path(folder))
    queues = EmbeddedQueues(store, owner)
    presence = Presence(store, owner)
    await presence.start()
    if what == "consume":
        await consume(queues)
    elif what == "notice":
        await notice(queues)
    elif what == "send":
        await send(queues)
    else:
        await hold(queues, store, owner)
    await presence.stop()
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
