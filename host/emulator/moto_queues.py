"""moto's queues, made safe for many callers at once and quick with a backlog.

moto changes its lists of messages without a lock, so that under load messages come twice, come back after they
were deleted, or are lost; it looks through whole queues for each message; and it drops the trace header of what is
sent in a batch. This wraps the methods in question and leaves what they do to moto.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from moto.sqs import models as sqs_models

#: Without its types: they do not foresee that somebody changes what they describe.
models: Any = sqs_models

#: What reads or changes the messages of the queue that is its first argument.
_GUARDED = (
    "send_message",
    "send_message_batch",
    "receive_message",
    "delete_message",
    "delete_message_batch",
    "change_message_visibility",
    "change_message_visibility_batch",
    "purge_queue",
)


def mend_queues(now: Callable[[], float] = time.time) -> None:
    """Put the wraps in place, for this process and once for all. `now` is the time that queues go by, in seconds."""
    # Asked for each message that is looked at; moto's own helpers make a datetime each time.
    models.unix_time = now
    models.unix_time_millis = lambda: now() * 1000
    if getattr(models.SQSBackend, "mended_by_funchost", False):
        return
    models.SQSBackend.mended_by_funchost = True
    models.SQSBackend.send_message_batch = _with_system_attributes(models.SQSBackend.send_message_batch)
    for name in _GUARDED:
        setattr(models.SQSBackend, name, _guarded(getattr(models.SQSBackend, name)))
    models.SQSBackend.is_message_valid_based_on_retention_period = _is_kept
    models.Message.had_receipt_handle = _had_receipt_handle
    models.Queue.attributes = property(functools.partial(_LateAttributes, models.Queue.attributes.fget))


def _guarded(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def guarded(backend: Any, queue_name: str, *arguments: Any, **more: Any) -> Any:
        # Reentrant, and given away while a long poll waits.
        with backend.get_queue(queue_name)._messages_lock:
            return method(backend, queue_name, *arguments, **more)

    return guarded


def _with_system_attributes(method: Callable[..., Any]) -> Callable[..., Any]:
    """moto takes those of single messages only, so that what is sent in a batch would lose its trace."""

    @functools.wraps(method)
    def send(backend: Any, queue_name: str, entries: Mapping[str, dict[str, Any]]) -> Any:
        messages, failed = method(backend, queue_name, entries)
        given = {entry["Id"]: entry.get("MessageSystemAttributes") for entry in entries.values()}
        for message in messages:
            message.system_attributes = given[message.user_id] or {}
        return messages, failed

    return send


def _is_kept(backend: Any, queue_name: str, message: Any) -> bool:
    period: int = backend.get_queue(queue_name).message_retention_period
    return bool(period + message.sent_timestamp / 1000 > models.unix_time())


def _had_receipt_handle(message: Any, handle: str) -> bool:
    # Asked of each message of the queue for each deletion, and mostly answered by the first comparison.
    return bool(handle == message.receipt_handle or handle in message._old_receipt_handles)


class _LateAttributes(Mapping[str, Any]):
    """A queue's attributes, counted only when they are looked at.

    The one that sending looks at for each message does not need the counts.
    """

    def __init__(self, count: Callable[[Any], dict[str, Any]], queue: Any) -> None:
        self._count = count
        self._queue = queue

    def __getitem__(self, name: str) -> Any:
        if name == "ContentBasedDeduplication" and self._queue.fifo_queue:
            return str(self._queue.content_based_deduplication).lower()
        if name == "ContentBasedDeduplication":
            raise KeyError(name)
        return self._all[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    @functools.cached_property
    def _all(self) -> dict[str, Any]:
        with self._queue._messages_lock:
            return self._count(self._queue)
