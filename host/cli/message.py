"""A message of a queue as it is shown: to people as lines, to programs as a document."""

from __future__ import annotations

import base64
import textwrap
from datetime import datetime
from typing import Any

from ...bindings.counted import counted
from ...bindings.queue import PeekedMessage

#: How much of a body, and of a traceback, people are shown.
_BODY_CHARACTERS = 1000
_TRACEBACK_LINES = 12


def message_document(message: PeekedMessage) -> dict[str, Any]:
    """All of a message; the body as `body` where it is text, else as `bodyBase64`."""
    document: dict[str, Any] = {
        "id": message.id,
        "queue": message.queue,
        "state": message.state,
        "dequeueCount": message.dequeue_count,
        "inserted": message.inserted_at.isoformat(),
        "visible": message.visible_at.isoformat(),
        "expires": message.expires_at.isoformat() if message.expires_at else None,
    }
    text = _as_text(message.body)
    if text is None:
        document["bodyBase64"] = base64.b64encode(message.body).decode()
    else:
        document["body"] = text
    # Beside the reason of a message that was given up, the failures of one that is still tried.
    return {**message.properties, **document}


def message_text(message: PeekedMessage) -> str:
    """A message as people read it, several lines without the last line's end."""
    expires = moment_text(message.expires_at) if message.expires_at else "never"
    state = message.state
    if state != "visible":
        state += f" until {moment_text(message.visible_at)}"
    lines = [
        f"{message.id}  {state}, dequeued {_times(message.dequeue_count)}",
        f"  sent {moment_text(message.inserted_at)}, expires {expires}",
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


def _body_lines(body: bytes) -> list[str]:
    text = _as_text(body)
    kind = counted(len(body), "byte") + ("" if text is not None else ", not text: base64")
    shown = printable(text) if text is not None else base64.b64encode(body).decode()
    if len(shown) > _BODY_CHARACTERS:
        shown = f"{shown[:_BODY_CHARACTERS]}… (all of it with --json)"
    return [f"  body ({kind})", textwrap.indent(shown, "    ")] if body else ["  no body"]


def _failure_lines(failures: Any) -> list[str]:
    if not failures:
        return []
    last = failures[-1]
    return [f"  failed {_times(len(failures))}, last {_moment(last['at'])}: {printable(last['error'])}"]


def _poison_lines(poison: Any) -> list[str]:
    if not poison:
        return []
    span = f"from {_moment(poison['firstReceived'])} to {_moment(poison['givenUp'])}"
    deliveries = counted(poison["dequeueCount"], "delivery", "deliveries")
    lines = [
        f"  given up: {poison['error']}: {poison['message']}",
        f"    function  {poison['function']}, queue {poison['queue']}",
        f"    attempts  {poison['attempts']} in {deliveries}, {span}",
        *(f"    run       {run}" for run in poison["runs"]),
    ]
    return [printable(line) for line in lines] + _traceback_lines(poison["traceback"])


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


def _moment(text: str | None) -> str:
    """A stored moment for people."""
    try:
        return moment_text(datetime.fromisoformat(text or ""))
    except ValueError:
        return "unknown"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
