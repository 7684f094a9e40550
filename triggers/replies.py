"""What a message's sender is told of its end: a reply in the queue that it names, and a call of its URL.

A sender sets ``replyTo``, ``correlationId`` and ``callbackUrl`` beside the body. Both answers leave with the message, in
the same step where its store can: when its run has succeeded, or when the message is given up after its last delivery.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ..bindings.errors import BindingError
from ..bindings.queue import OutgoingMessage, QueueMessage, QueueStore
from .base import Outcome

#: Where calls of URLs wait until they are made, in the store of this machine.
CALLBACKS = "azure-webjobs-callbacks"

#: Texts that are longer are no names, ids or URLs.
_LONGEST = 2048

#: Characters of an error's message that a reply tells.
_LONGEST_ERROR = 1000

#: The error of a message whose deliveries all ended without a result.
_NO_RESULT = {"type": "MaxDequeueCount", "message": "It was delivered too often, each time without a result."}

#: Messages with the stores that they go into.
Told = Sequence[tuple[QueueStore, OutgoingMessage]]


def callback_message(url: str, run: str | None, document: dict[str, Any] | None = None) -> OutgoingMessage:
    """What has a URL called once a run has ended; `document` is sent where nothing is known of the run."""
    body = {"url": url, "run": run, "document": document}
    return OutgoingMessage(queue=CALLBACKS, body=msgspec.json.encode(body), ttl=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replies:
    """Makes the answers to the messages of one queue, for one function."""

    function: str
    #: Where the messages come from, and replies go to.
    store: QueueStore
    #: Where calls of URLs wait.
    callbacks: QueueStore
    #: A queue's name as the store knows it. Raises `BindingError` for what is no name.
    queue_name: Callable[[str], str]
    #: Whether a run gets several messages, and so returns nothing that would be one's result.
    many: bool = False
    report: Callable[[str], None]

    def to(self, messages: Sequence[QueueMessage], outcome: Outcome | None) -> Told:
        """What is to be sent for the end of these messages; None is the end of one that was not run any more."""
        told: list[tuple[QueueStore, OutgoingMessage]] = []
        for message in messages:
            if "poison" in message.properties:
                continue  # it was answered when it was given up
            if message.properties.get("replyTo") is not None:
                told += self._reply(message, outcome)
            if message.properties.get("callbackUrl") is not None:
                told += self._callback(message, outcome)
        return told

    def _reply(self, message: QueueMessage, outcome: Outcome | None) -> Told:
        wanted = message.properties["replyTo"]
        try:
            queue = self.queue_name(_text(wanted, "replyTo"))
        except BindingError as error:
            self.report(f"Message {message.id} of '{message.queue}' gets no reply: {error}")
            return []
        properties = {
            "correlationId": _correlation(message),
            "parent": _run(message, outcome),
            "runState": _state(outcome),
            "error": None if outcome and outcome.succeeded else _error(outcome)["message"],
            "traceparent": (outcome and outcome.traceparent) or message.properties.get("traceparent"),
        }
        given = {name: value for name, value in properties.items() if value is not None}
        body = b"" if self.many and outcome and outcome.succeeded else _body(outcome)
        return [(self.store, OutgoingMessage(queue=queue, body=body, properties=given))]

    def _callback(self, message: QueueMessage, outcome: Outcome | None) -> Told:
        try:
            url = _text(message.properties["callbackUrl"], "callbackUrl")
        except BindingError as error:
            self.report(f"Nobody is called for message {message.id} of '{message.queue}': {error}")
            return []
        run = _run(message, outcome)
        document = {
            "id": run,
            "function": self.function,
            "state": _state(outcome),
            "message": message.id,
            "correlationId": _correlation(message),
            "error": None if outcome and outcome.succeeded else _error(outcome),
        }
        return [(self.callbacks, callback_message(url, run, document))]


def without_result(reply: OutgoingMessage) -> OutgoingMessage:
    """A reply that could not be sent as it is, perhaps since its body is too large: it tells where to look."""
    if reply.queue == CALLBACKS:
        return reply
    run = reply.properties.get("parent")
    message = (
        f"The result could not be sent: it has {len(reply.body)} bytes. The history of run {run} has it."
    )
    body = {"state": reply.properties["runState"], "error": {"type": "ReplyTooLarge", "message": message}}
    properties = {**reply.properties, "error": message}
    return OutgoingMessage(queue=reply.queue, body=msgspec.json.encode(body), properties=properties)


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value or len(value) > _LONGEST:
        raise BindingError(f"its {name} is not a text of 1 to {_LONGEST} characters.")
    return value


def _correlation(message: QueueMessage) -> str:
    given = message.properties.get("correlationId")
    return given if isinstance(given, str) and 0 < len(given) <= _LONGEST else message.id


def _run(message: QueueMessage, outcome: Outcome | None) -> str | None:
    """The run that decided the message's end: without one, the last that was begun and has told of itself."""
    if outcome is not None:
        return outcome.invocation_id or None
    failures = message.properties.get("failures") or [{}]
    run: str | None = failures[-1].get("run")
    return run


def _state(outcome: Outcome | None) -> str:
    return "failed" if outcome is None else outcome.status.value


def _error(outcome: Outcome | None) -> dict[str, str]:
    if outcome is None or outcome.error is None:
        return _NO_RESULT
    return {"type": outcome.error.type, "message": outcome.error.message[:_LONGEST_ERROR]}


def _body(outcome: Outcome | None) -> bytes:
    """What the function returned, or why it did not."""
    if outcome is None or not outcome.succeeded:
        return msgspec.json.encode({"state": _state(outcome), "error": _error(outcome)})
    return outcome.body if isinstance(outcome.body, bytes) else b""
