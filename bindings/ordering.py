"""What a message may say of its order, its rank and its identity: sessions, priorities, ids that drop duplicates."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from .errors import BindingError

#: Of what is due the higher priority is delivered first. The usual one is that of JMS, so that there is room below.
LOWEST_PRIORITY = 0
DEFAULT_PRIORITY = 4
HIGHEST_PRIORITY = 9

#: Characters of a session id, and of an id that drops duplicates: what SQS and Azure Service Bus take.
LONGEST_ID = 128

#: For how long an id keeps others of its kind out of a queue: as on SQS, where it cannot be changed.
DEDUP_WINDOW = timedelta(minutes=5)


def checked_id(text: str, what: str) -> str:
    """A session id or an id that drops duplicates; `what` names it. Raises `BindingError` for one that is too long."""
    if not text:
        raise BindingError(
            f"The {what} is an empty text. Leave it out, or give it 1 to {LONGEST_ID} characters."
        )
    if len(text) > LONGEST_ID:
        raise BindingError(
            f"The {what} {text[:20]}… has {len(text)} characters, and it may have {LONGEST_ID}. Use a shorter one, "
            "such as a hash of it."
        )
    return text


def checked_priority(value: str | float, where: str) -> int:
    """A priority, also one that is given as text. Raises `BindingError` for anything but 0 to 9."""
    text = str(value).strip()
    if isinstance(value, bool) or text not in _PRIORITIES:
        raise BindingError(
            f"The priority of {where} is {text[:20] or 'empty'}, and one is a whole number from "
            f"{LOWEST_PRIORITY} to {HIGHEST_PRIORITY} (the higher goes first, {DEFAULT_PRIORITY} is usual)."
        )
    return int(text)


def session_before(properties: Mapping[str, Any]) -> str | None:
    """The session of a message that was given up, which it is in no longer, by what travels with it."""
    reason = properties.get("poison")
    session = reason.get("sessionId") if isinstance(reason, dict) else None
    return session if isinstance(session, str) else None


_PRIORITIES = frozenset(map(str, range(LOWEST_PRIORITY, HIGHEST_PRIORITY + 1)))
