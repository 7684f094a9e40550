"""What SQS takes: sizes, characters and delays, checked before anything is sent."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ..errors import BindingError, MessageTooLarge
from ..ordering import checked_id
from ..queue import OutgoingMessage

#: Seconds: the longest delay of a message, and the longest time that it may be invisible since it was received.
LONGEST_DELAY = 900
LONGEST_VISIBILITY = 43_200

#: Attributes of one message.
MOST_ATTRIBUTES = 10

#: What XML cannot hold, and so no message.
_ILLEGAL = re.compile("[^\\t\\n\\r\\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


#: What the id of a group, and one that drops duplicates, consist of.
_ID = re.compile(r"[!-~]+")


def is_legal(text: str) -> bool:
    """Whether a message may consist of these characters; an empty one may not."""
    return bool(text) and not _ILLEGAL.search(text)


def size_of(entry: Mapping[str, Any]) -> int:
    """The bytes that count against the limit: the body, and each attribute's name, type and value."""
    size = len(entry["MessageBody"].encode())
    for name, attribute in entry.get("MessageAttributes", {}).items():
        value = attribute.get("BinaryValue") or attribute.get("StringValue", "").encode()
        size += len(name.encode()) + len(attribute["DataType"]) + len(value)
    return size


def check_size(queue: str, entry: Mapping[str, Any], limit: int) -> None:
    """Raise `MessageTooLarge` for an entry over the queue's limit."""
    size = size_of(entry)
    if size > limit:
        raise MessageTooLarge(
            f"A message of {size} bytes, its attributes included, for queue '{queue}' is over the limit of {limit} "
            "bytes. Put the content into a bucket and its name into the message."
        )


def check_order(message: OutgoingMessage, *, fifo: bool) -> None:
    """Raise `BindingError` for a session or an id that drops duplicates that SQS would not heed."""
    ids = {"session id": message.session_id, "dedup id": message.dedup_id}
    for what, text in ids.items():
        if text is None:
            continue
        if not fifo:
            raise BindingError(
                f"A message with a {what} cannot go to '{message.queue}', a standard queue of SQS, which keeps no order "
                f"and drops no duplicates. Send it to a FIFO queue (its name ends with .fifo), or without a {what}."
            )
        if not _ID.fullmatch(checked_id(text, what)):
            raise BindingError(
                f"The {what} '{text}' has characters that SQS does not take there: it may have letters, digits and "
                "punctuation of ASCII, and no spaces. Use others, such as a hash of it."
            )


def delay_seconds(queue: str, delay: timedelta, *, fifo: bool) -> int:
    """The delay in whole seconds, rounded up. Raises `BindingError` for one that SQS does not have."""
    seconds = math.ceil(delay.total_seconds())
    if seconds <= 0:
        return 0
    if fifo:
        raise BindingError(f"The queue '{queue}' is a FIFO queue: its messages cannot be delayed one by one.")
    if seconds > LONGEST_DELAY:
        raise BindingError(
            f"SQS delays a message by at most 15 minutes, not by {delay} (queue '{queue}'). Use a timer, or keep "
            "the message in the embedded store."
        )
    return seconds
