"""Messages that are given up: where they go, and the reason that goes with them.

The body stays as it was, byte for byte (functions-semantics 5.5). The reason travels beside it, in the message's
properties, so that whoever finds the message knows why it is there.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ..bindings.queue import OutgoingMessage, QueueMessage
from ..bindings.storage import Storage
from .base import Outcome

_SUFFIX = "-poison"

#: How the names of FIFO queues of SQS end.
_FIFO = ".fifo"

#: Failed deliveries that are remembered with a message; the first ones go when there are more.
_FAILURES_KEPT = 20


def poison_queue_name(
    queue: str, configured: str | None, *, longest: int = Storage.longest_queue_name
) -> str | None:
    """Where messages of `queue` go when they are given up; None when they never are. `longest` is what its store
    takes as a name."""
    if configured:
        return None if configured == queue else configured
    name = queue.removesuffix(_FIFO)
    if name.endswith(_SUFFIX) or len(queue) + len(_SUFFIX) > longest:
        return None
    return name + _SUFFIX + queue.removeprefix(name)


def with_failure(message: QueueMessage, outcome: Outcome) -> dict[str, Any]:
    """The message's properties with one more failed delivery noted."""
    failures = [*message.properties.get("failures", []), _failure(outcome)]
    return {**message.properties, "failures": failures[-_FAILURES_KEPT:]}


def poison_message(
    message: QueueMessage, outcome: Outcome | None, function: str, queue: str, now: datetime
) -> OutgoingMessage:
    """The message for the poison queue; `outcome` is that of its last run, None when it was not run.

    It keeps its priority. Its session stands in the reason: there it is to wait for no other.
    """
    properties = {key: value for key, value in message.properties.items() if key != "failures"}
    failures = list(message.properties.get("failures", []))
    if outcome:
        failures.append(_failure(outcome))
    properties["poison"] = {
        **_error(outcome, failures),
        "queue": message.queue,
        "function": function,
        "messageId": message.id,
        "dequeueCount": message.dequeue_count,
        "attempts": sum(failure["attempts"] for failure in failures),
        "runs": [failure["run"] for failure in failures],
        "firstReceived": message.first_received_at,
        "givenUp": now,
    }
    if message.group is not None:
        properties["poison"]["sessionId"] = message.group
    return OutgoingMessage(
        queue=queue, body=message.body, ttl=None, properties=properties, priority=message.priority
    )


def _failure(outcome: Outcome) -> dict[str, Any]:
    error = outcome.error
    return {
        "run": outcome.invocation_id,
        "at": outcome.ended,
        "attempts": outcome.attempts,
        "error": str(error)[:500] if error else outcome.status.value,
    }


def _error(outcome: Outcome | None, failures: list[dict[str, Any]]) -> dict[str, Any]:
    if outcome and outcome.error:
        error = outcome.error
        return {"error": error.type, "message": error.message, "traceback": error.traceback}
    last = failures[-1]["error"] if failures else "its earlier deliveries ended without a result"
    return {"error": "MaxDequeueCount", "message": f"It was delivered too often: {last}.", "traceback": ""}
