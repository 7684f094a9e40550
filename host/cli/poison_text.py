"""Messages that were given up, as people read them."""

from __future__ import annotations

import base64
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from ...bindings.counted import counted
from ...bindings.history import RunRecord
from ..operations.poison import PoisonFilter, PoisonGroup
from ..operations.poison_message import PoisonMessage
from .message import moment_text, printable

#: What stands where no error is known: another program has put the message there.
_NO_REASON = "no reason was left beside it"


def group_text(group: PoisonGroup) -> str:
    """A group, several lines without the last line's end."""
    error = ": ".join(part for part in (group.error, group.message) if part) or _NO_REASON
    span = moment_text(group.first)
    if moment_text(group.last) != span:
        span += f" to {moment_text(group.last)}"
    lines = [
        f"{group.count} x {error}",
        f"    queue     {group.queue}",
        f"    function  {group.function or 'unknown'}",
        f"    given up  {span}",
        f"    example   {group.example}",
    ]
    return "\n".join(map(printable, lines))


def poison_text(poison: PoisonMessage, runs: Mapping[str, RunRecord | None]) -> str:
    """All of a message that was given up, several lines without the last line's end."""
    reason = poison.reason
    first, *more = reason.message.strip().splitlines() or [""]
    error = ": ".join(part for part in (reason.error, first) if part) or _NO_REASON
    lines = [
        f"{poison.id}  {poison.message.state} in {poison.queue}",
        f"  {error}",
        *(f"    {line}" for line in more),
        *_facts(poison),
        *(_run_line(id_, run) for id_, run in runs.items()),
        *_body_lines(poison.message.body),
    ]
    if reason.traceback:
        lines += ["  traceback", textwrap.indent(reason.traceback.rstrip(), "    ")]
    return "\n".join(map(printable, lines))


def _facts(poison: PoisonMessage) -> list[str]:
    reason = poison.reason
    facts = {
        "given up": moment_text(poison.given_up),
        "function": reason.function,
        "from": f"queue {poison.origin}" if poison.origin else None,
        "its id": reason.message_id,
        "tried": _tries(poison),
        "session": reason.session_id or poison.message.session_id,
        "edited": moment_text(reason.edited) if reason.edited else None,
    }
    return [f"  {name:<9} {text}" for name, text in facts.items() if text]


def _tries(poison: PoisonMessage) -> str | None:
    reason = poison.reason
    if reason.dequeue_count is None:
        return None
    deliveries = counted(reason.dequeue_count, "delivery", "deliveries")
    text = deliveries if reason.attempts is None else f"{counted(reason.attempts, 'attempt')} in {deliveries}"
    return f"{text}, first {moment_text(reason.first_received)}" if reason.first_received else text


def _run_line(id_: str, run: RunRecord | None) -> str:
    if run is None:
        return f"  run       {id_}"
    return f"  run       {id_}  {run.state} {moment_text(run.started)}"


def _body_lines(body: bytes) -> list[str]:
    if not body:
        return ["  no body"]
    kind = counted(len(body), "byte")
    try:
        text = _pretty(body.decode())
    except UnicodeDecodeError:
        kind += ", not text: base64"
        text = base64.b64encode(body).decode()
    return [f"  body ({kind})", textwrap.indent(text, "    ")]


def _pretty(text: str) -> str:
    """JSON with an indent, anything else as it is."""
    try:
        return msgspec.json.format(text, indent=2)
    except (msgspec.DecodeError, RecursionError):
        return text


def moves_text(chosen: Sequence[PoisonMessage], to: str | None) -> str:
    """How many messages go where, such as ``3 messages (orders-poison to orders: 3)``."""
    ways = Counter(f"{poison.queue} to {to or poison.origin}" for poison in chosen)
    return f"{counted(len(chosen), 'message')} ({_listed(ways)})"


def places_text(chosen: Sequence[PoisonMessage]) -> str:
    """How many messages lie where."""
    return f"{counted(len(chosen), 'message')} ({_listed(Counter(poison.queue for poison in chosen))})"


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{what}: {count}" for what, count in sorted(counts.items()))


def filter_text(wanted: PoisonFilter) -> str:
    """The filter as it could be typed; moments as they were reckoned."""
    said = {"queue": wanted.queue, "function": wanted.function, "error": wanted.error}
    words = [f"--{name} {text}" for name, text in said.items() if text]
    if wanted.since:
        words.append(f"--since {wanted.since.astimezone().isoformat(timespec='seconds')}")
    return " ".join([*words, *wanted.ids]) or "--all"
