"""A run is made once more: as a new message in its queue where a message caused it, else by the host, now.

The new run is linked to the old one: what it is run for carries ``replayOf``, the old run's id.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from ...bindings.errors import BindingError, ConfigurationError, NotFound
from ...bindings.expressions import payload_metadata
from ...bindings.history import HistoryStore, RunRecord, RunState
from ...bindings.queue import OutgoingMessage
from ...triggers.base import Cause, Outcome, Trigger, TriggerEvent
from ...triggers.descriptor import FunctionDescriptor
from ...triggers.file import FileTrigger
from ...triggers.queue_batch import batch_by_hand
from ..functions import Functions
from ..history.masking import MASK
from ..workers.pool import Pool
from .workbench import Workbench

#: The trigger whose runs are repeated by a message.
QUEUE_TRIGGER = "queueTrigger"

#: What a run of these had is what its origin leads to; it is read anew.
_BY_PLACE = ("blobTrigger", "fileTrigger")

#: The origin of a run that somebody asked for, where nothing else is known of it.
BY_HAND = "by hand"

#: Headers that say how the old body was sent.
_OF_THE_WIRE = frozenset(("content-length", "transfer-encoding", "expect", "connection"))


class Refused(BindingError):
    """A run cannot be made once more, or not in that way."""


class StillRunning(Refused):
    """The run goes on: to replay it now would have it done twice at once."""


class Runner(Protocol):
    """What runs functions: a host."""

    def trigger(self, function: str) -> Trigger:
        """The function's trigger. Raises `NotFound`, and `ConfigurationError` for a function in error."""

    async def run_event(self, function: str, event: TriggerEvent) -> Outcome:
        """Run the function for this event, now."""


class ServedRunner:
    """`Runner` of the functions that a host has in service."""

    def __init__(self, functions: Functions, pool: Pool) -> None:
        self._functions = functions
        self._pool = pool

    def trigger(self, function: str) -> Trigger:
        served = self._functions.get(function)
        if served is None:
            raise NotFound(f"There is no function '{function}' any more.")
        if not self._pool.serves(served.descriptor.name):
            reasons = " ".join(served.status.errors)
            raise ConfigurationError(f"The function '{function}' is in error: {reasons}")
        return served.trigger

    async def run_event(self, function: str, event: TriggerEvent) -> Outcome:
        served = self._functions.get(function)
        if served is None:
            raise NotFound(f"There is no function '{function}' any more.")
        return await served.deliver(event)


def check_ended(run: RunRecord) -> None:
    """Raise `StillRunning` for a run that has not ended."""
    if run.state is RunState.RUNNING:
        raise StillRunning(
            f"Run {run.id} has not ended yet: to replay it now would have it done twice at once. Wait for its "
            f"end, or cancel it: funchost runs cancel {run.id}."
        )


def goes_by_queue(run: RunRecord) -> bool:
    """Whether the run is made once more by a message in its queue, which needs no host that runs."""
    return run.trigger == QUEUE_TRIGGER


def takes_data(run: RunRecord) -> bool:
    """Whether a run of its kind has a content that may be another one: what a blob or file holds, it has itself."""
    return run.trigger not in (*_BY_PLACE, "timerTrigger")


async def still_queued(workbench: Workbench) -> set[str]:
    """The ids of messages in this machine's queues that were delivered before, and so are, or will be, run again."""
    rows = await workbench.storage.local.store.read(
        lambda c: c.execute("SELECT message_id FROM messages WHERE dequeue_count > 0").fetchall()
    )
    return {row[0] for row in rows}


async def replay_input(history: HistoryStore, run: RunRecord) -> bytes:
    """What the run was given, whole. Raises `NotFound` where that was not kept, or is no longer."""
    if run.input.kind == "none":
        return b""
    if run.input.kind == "stream":
        reason = "it was too large to be held, and went past"
    else:
        try:
            return await history.content(run, "input")
        except NotFound:
            reason = f"only the first {len(run.input.data)} of its {run.input.size} bytes are"
    raise NotFound(f"The input of run {run.id} is not kept: {reason}. Give what to run it with: --data.")


async def editable_input(history: HistoryStore, run: RunRecord) -> bytes:
    """The same in the form in which `new_messages` takes it: several messages are a JSON array."""
    data, sizes = await replay_input(history, run), run.event.get("sizes")
    if not sizes or sum(sizes) != len(data):
        return data
    return msgspec.json.format(msgspec.json.encode([_element(body) for body in _split(data, sizes)]))


def _element(body: bytes) -> Any:
    """A message as an element of a JSON array; what is no JSON stands there as a text."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body.decode(errors="replace")
    # A number that came as such would come back as one, a text in quotes as one without.
    return body.decode() if isinstance(value, str) else value


# -- by a message


async def send_again(
    workbench: Workbench, run: RunRecord, function: FunctionDescriptor, data: bytes | None = None
) -> str:
    """Put what the run was given, or `data`, into the queue of its function; returns the queue.

    Raises `Refused`, `NotFound` for an input that is not kept, and `MessageTooLarge`.
    """
    if data is None:
        data = await replay_input(workbench.history, run)
        messages = replay_messages(run, function, data)
    else:
        messages = new_messages(run, function, data)
    await workbench.queues(connection_of(function)).send(messages)
    queue = messages[0].queue
    await workbench.note("runs.replay", run.id, function=run.function, queue=queue)
    return queue


def replay_messages(run: RunRecord, function: FunctionDescriptor, data: bytes) -> list[OutgoingMessage]:
    """The messages that `data`, which the run was given, came by. Raises `Refused`."""
    if not _is_batch(function):
        return _messages(run, function, [data])
    sizes = run.event.get("sizes")
    if not sizes or sum(sizes) != len(data):
        raise Refused(
            f"Run {run.id} had several messages at once, and where each of them ends is not known. Give them as "
            "a JSON array: --data '[…]'."
        )
    return _messages(run, function, _split(data, sizes))


def new_messages(run: RunRecord, function: FunctionDescriptor, data: bytes) -> list[OutgoingMessage]:
    """The messages for data that somebody gives; for a function that takes batches, one for each element of a
    JSON array. Raises `Refused`."""
    if not _is_batch(function):
        return _messages(run, function, [data])
    event = batch_by_hand(data)
    assert isinstance(event.body, bytes)
    return _messages(run, function, _split(event.body, event.data["sizes"]))


def connection_of(function: FunctionDescriptor) -> str:
    """The connection of the queue that it is run for; empty for the app's own storage."""
    return function.trigger.fields.get("connection") or ""


def _is_batch(function: FunctionDescriptor) -> bool:
    return function.trigger.cardinality == "many"


def _messages(run: RunRecord, function: FunctionDescriptor, bodies: list[bytes]) -> list[OutgoingMessage]:
    if function.trigger.type != QUEUE_TRIGGER:
        raise Refused(
            f"{function.name} was run for messages of a queue, and is now run by its {function.trigger.type}."
        )
    if not bodies:
        raise Refused(f"Run {run.id} would have no message to be run for.")
    queue = function.trigger.fields["queueName"]
    # Of what travelled with the old message nothing is taken along: the new one was put out by nobody.
    properties = {"replayOf": run.id}
    return [OutgoingMessage(queue=queue, body=body, properties=properties) for body in bodies]


def _split(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    ends = [sum(sizes[: place + 1]) for place in range(len(sizes))]
    return [data[end - size : end] for size, end in zip(sizes, ends, strict=True)]


# -- by the host, now


async def replay_event(
    history: HistoryStore, runner: Runner, run: RunRecord, data: bytes | None = None
) -> TriggerEvent:
    """The event for a run that is made once more by the host.

    Raises `Refused`, `NotFound` (an input that is not kept, a blob or file or function that is gone), and
    `ConfigurationError` for a function that cannot be run.
    """
    trigger = runner.trigger(run.function)
    type_ = trigger.function.trigger.type
    if type_ != run.trigger:
        raise Refused(f"{run.function} was run by its {run.trigger}, and now has a {type_}.")
    if run.trigger in _BY_PLACE:
        event = await trigger.manual_event(data if data is not None else _place(run, trigger))
    elif run.trigger == "timerTrigger":
        event = await trigger.manual_event(None)
    else:
        body = await replay_input(history, run) if data is None else data
        event = await trigger.manual_event(body)
        if run.trigger == "httpTrigger" and run.event:
            _put_request(event, run, body)
    event.cause = Cause(origin=_origin(run, event, trigger), properties={"replayOf": run.id})
    return event


def left_out(run: RunRecord) -> list[str]:
    """The headers and parameters of a request that are not known any more, since they were secret."""
    parameters = run.event.get("url", "").partition("?")[2].split("&")
    secret = [name for name, _, value in (pair.partition("=") for pair in parameters) if value == MASK]
    return [*(name for name, value in run.event.get("headers", ()) if value == MASK), *secret]


def _place(run: RunRecord, trigger: Trigger) -> bytes:
    """What leads a run by hand to the blob or file that the run was for. Raises `Refused` where nothing does."""
    if run.origin in ("", BY_HAND):
        raise Refused(
            f"What run {run.id} was for is not known. Say it: --data container/name, or a file's path."
        )
    if run.trigger == "blobTrigger":
        return run.origin.encode()
    assert isinstance(trigger, FileTrigger)
    return trigger.place.absolute(run.origin).encode("utf-8", "surrogateescape")


def _origin(run: RunRecord, event: TriggerEvent, trigger: Trigger) -> str:
    """Where the new run comes from, as its history is to name it."""
    if event.kind == "blob":
        return str(event.data["name"])
    if isinstance(trigger, FileTrigger):
        return trigger.place.relative(event.data["path"]) or event.data["path"]
    return run.origin


def _put_request(event: TriggerEvent, run: RunRecord, body: bytes) -> None:
    """Make the event of a run by hand one for the request of then, as far as it is known."""
    from ...triggers.http_request import parse_query  # only hosts that serve HTTP need it

    # No more is asked of it than to be a text: its host is what the caller said.
    place, _, asked = run.event["url"].partition("?")
    kept = "&".join(pair for pair in asked.split("&") if pair and pair.partition("=")[2] != MASK)
    query, params = parse_query(kept), dict(run.event.get("params", {}))
    headers = [
        [name, value]
        for name, value in run.event.get("headers", ())
        if value != MASK and name.lower() not in _OF_THE_WIRE
    ]
    event.data = {
        "method": run.event["method"],
        "url": f"{place}?{kept}" if kept else place,
        "headers": [*headers, ["content-length", str(len(body))]] if body else headers,
        "query": query,
        "params": params,
    }
    event.metadata = _metadata(body, query, params) | {"query": query, "headers": dict(headers)}


def _metadata(*layers: Any) -> dict[str, Any]:
    """What expressions see: the body's properties, over them the query's, over them the route's, in any case."""
    body, *others = layers
    found: dict[str, Any] = payload_metadata(body)
    for layer in others:
        taken = {name.lower() for name in layer}
        found = {name: value for name, value in found.items() if name.lower() not in taken} | layer
    return found
