"""A message of a queue as it is shown: to people as lines, to programs as a document."""

from __future__ import annotations

import base64
import textwrap
from datetime import datetime
from typing import Any

from ...bindings.counted import counted
from ...bindings.ordering import DEFAULT_PRIORITY
from ...bindings.queue import PeekedMessage, sent_properties
from ..operations.poison_message import Reason

#: How much of a body, and of a traceback, people are shown.
_BODY_CHARACTERS = 1000
_TRACEBACK_LINES = 12


def message_text(message: PeekedMessage) -> str:
    """A message as people read it, several lines without the last line's end."""
    expires = moment_text(message.expires_at) if message.expires_at else "never"
    state = message.state
    if state == "waiting":
        state += " for those before it in its session"
    elif state != "visible":
        state += f" until {moment_text(message.visible_at)}"
    lines = [
        f"{message.id}  {state}, dequeued {_times(message.dequeue_count)}",
        f"  sent {moment_text(message.inserted_at)}, expires {expires}",
        *_said_lines(message),
        *_body_lines(message.body),
        *_failure_lines(message.properties.get("failures")),
        *_poison_lines(message.properties.get("poison")),
    ]
    return "\n".join(lines)


def moment_text(moment: datetime) -> str:
    """A moment in the time zone of this machine."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S %Z}"


def printable(text: str) -> str:
    """The text with what would move a terminal's cursor, or worse, written as escapes."""
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode()
        for char in text
    )


def _said_lines(message: PeekedMessage) -> list[str]:
    """What the sender said of it beside its body."""
    said: dict[str, Any] = {}
    if message.session_id is not None:
        said["session"] = message.session_id
    if message.priority != DEFAULT_PRIORITY:
        said["priority"] = message.priority
    if message.dedup_id is not None:
        said["dedup id"] = message.dedup_id
    said |= sent_properties(message.properties)
    return [printable("  " + ", ".join(f"{name} {value}" for name, value in said.items()))] if said else []


def _body_lines(body: bytes) -> list[str]:
    text = _as_text(body)
    kind = counted(len(body), "byte") + ("" if text is not None else ", not text: base64")
    shown = printable(text) if text is not None else base64.b64encode(body).decode()
    if len(shown) > _BODY_CHARACTERS:
        shown = f"{shown[:_BODY_CHARACTERS]}… (all of it with --json)"
    return [f"  body ({kind})", textwrap.indent(shown, "    ")] if body else ["  no body"]


def _failure_lines(failures: Any) -> list[str]:
    # Whoever writes into a queue may have put anything there.
    last = failures[-1] if isinstance(failures, list) and failures else None
    if not isinstance(last, dict):
        return []
    error = printable(str(last.get("error", "unknown")))
    return [f"  failed {_times(len(failures))}, last {_moment(str(last.get('at')))}: {error}"]


def _poison_lines(poison: Any) -> list[str]:
    if not isinstance(poison, dict):
        return []
    reason = Reason.read(poison)
    span = f"from {_known(reason.first_received)} to {_known(reason.given_up)}"
    deliveries = counted(reason.dequeue_count or 0, "delivery", "deliveries")
    lines = [
        f"  given up: {reason.error}: {reason.message}",
        f"    function  {reason.function or 'unknown'}, queue {reason.queue or 'unknown'}",
        f"    attempts  {reason.attempts or 'unknown'} in {deliveries}, {span}",
        *(f"    run       {run}" for run in reason.runs),
    ]
    return [printable(line) for line in lines] + _traceback_lines(reason.traceback)


def _traceback_lines(traceback: str) -> list[str]:
    lines = [printable(line) for line in traceback.splitlines()]
    if len(lines) > _TRACEBACK_LINES:
        lines = ["… (all of it with --json)", *lines[-_TRACEBACK_LINES:]]
    return [f"    {line}" for line in lines]


def _as_text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _known(moment: datetime | None) -> str:
    return moment_text(moment) if moment else "unknown"


def _moment(text: str | None) -> str:
    """A stored moment for people."""
    try:
        return moment_text(datetime.fromisoformat(text or ""))
    except ValueError:
        return "unknown"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
