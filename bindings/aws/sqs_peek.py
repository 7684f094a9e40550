"""A look at the messages of a queue on SQS, which has no way to look: they are received and given back at once."""

from __future__ import annotations

import asyncio
from typing import Any

from ..clock import Clock, from_milliseconds
from ..queue import PeekedMessage
from .sqs_client import QueueClient, QueueFacts
from .sqs_message import content_of

#: Seconds for which what is looked at is hidden, should it not be given back.
HOLD = 10

#: Seconds to wait for messages: those that were just sent are not on all of SQS's servers at once.
WAIT = 1


async def peek(
    client: QueueClient, queue: str, limit: int, clock: Clock, wait: int = WAIT
) -> list[PeekedMessage]:
    """Up to `limit` of the visible messages, each of which has been delivered once more by that.

    The `dequeue_count` is that before the look. Of a FIFO group no more than one batch is seen.
    """
    facts = await client.facts()
    seen: dict[str, dict[str, Any]] = {}
    while len(seen) < limit:
        found = await client.receive(limit - len(seen), HOLD, wait)
        if not found:
            break
        seen |= {one["MessageId"]: one for one in found}
    await asyncio.gather(*(client.hide(one["ReceiptHandle"], 0) for one in seen.values()))
    looked = [_peeked(client, queue, facts, one, clock) for one in seen.values()]
    return [message for message in looked if message.expires_at is None or message.expires_at > clock.now()]


def _peeked(
    client: QueueClient, queue: str, facts: QueueFacts, one: dict[str, Any], clock: Clock
) -> PeekedMessage:
    told = one["Attributes"]
    content = content_of(one, fifo=client.fifo)
    inserted_at = from_milliseconds(int(told["SentTimestamp"]))
    return PeekedMessage(
        queue=queue,
        id=one["MessageId"],
        body=content.body,
        state="visible",
        dequeue_count=int(told["ApproximateReceiveCount"]) - 1,
        inserted_at=inserted_at,
        expires_at=content.expires_at or inserted_at + facts.retention,
        visible_at=clock.now(),
        properties=content.properties,
        session_id=content.group,
        priority=content.priority,
        dedup_id=content.dedup_id,
    )
