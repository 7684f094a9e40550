"""How one run is shown to people: its course, its family, what went in and out, its log, its error."""

from __future__ import annotations

import base64
import textwrap
from datetime import datetime

import click
import msgspec

from ...bindings.counted import counted
from ...bindings.history import Kept, RunRecord
from ..operations.runs import Branch, Relatives, kept_text, timeline
from .message import moment_text, printable
from .runs_text import ago_text, duration_text, state_text

#: How much of a content and of a log is shown.
_CONTENT_CHARACTERS = 2000
_LOG_LINES = 40


def run_text(run: RunRecord, found: Relatives, latest_code: bool | None, now: datetime) -> str:
    """All that is of interest of a run, without the last line's end."""
    parts = [
        [f"Run {run.id}  {state_text(run.state)}", *_facts(run, found, latest_code, now)],
        ["Timeline", *_timeline_lines(run)],
        _family_lines(run, found),
        _request_lines(run),
        _content_lines("Input", run.input, "--input"),
        _content_lines("Output", run.output, "--output", _answer(run)),
        _output_lines(run),
        _log_lines(run.log),
        _error_lines(run),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _facts(run: RunRecord, found: Relatives, latest_code: bool | None, now: datetime) -> list[str]:
    took = f", took {duration_text(run.duration)}" if run.duration is not None else ""
    tries = counted(run.attempts, "attempt")
    code = {None: "", True: "  the function's latest", False: "  newer code has run since"}[latest_code]
    facts = {
        "function": f"{run.function} ({run.trigger})",
        "origin": run.origin,
        "message": _message_text(run),
        "started": f"{moment_text(run.started)}, {ago_text(run.started, now)}{took}, {tries}",
        "progress": _progress_text(run),
        "host": f"{run.host}, worker process {run.worker}" if run.worker else run.host,
        "code": f"{run.code}{code}" if run.code else "",
        "trace": run.trace_id or "",
        "replay of": _replay_text(run.replay_of, found.original),
    }
    lines = [f"  {name:<10} {printable(text)}" for name, text in facts.items() if text]
    for number, replay in enumerate(found.replays):
        lines.append(f"  {'' if number else 'replays':<10} {replay.id}  {state_text(replay.state)}")
    return lines


def _message_text(run: RunRecord) -> str:
    if run.message is None:
        return ""
    return f"{run.message}, delivery {run.dequeue_count}" if run.dequeue_count else run.message


def _progress_text(run: RunRecord) -> str:
    parts = [] if run.progress is None else [f"{run.progress:.0%}"]
    if run.status is not None:
        parts.append(msgspec.json.encode(run.status).decode())
    return "  ".join(parts)


def _replay_text(id_: str | None, original: RunRecord | None) -> str:
    if id_ is None:
        return ""
    return f"{id_}  {original.state.value if original else 'no longer kept'}"


def _timeline_lines(run: RunRecord) -> list[str]:
    steps = timeline(run)
    first = steps[0].at
    lines = []
    for number, step in enumerate(steps):
        offset = f"+{duration_text(max(0.0, (step.at - first).total_seconds()))}" if number else ""
        moment = step.at.astimezone()
        lines.append(
            f"  {moment:%H:%M:%S}.{moment.microsecond // 1000:03}  {offset:<9} {printable(step.text)}"
        )
    return lines if run.ended else [*lines, "  it goes on"]


def _family_lines(run: RunRecord, found: Relatives) -> list[str]:
    if not (run.parent or found.children):
        return []
    lines = []
    top = found.parents[-1] if found.parents else run
    if top.parent:
        lines.append(f"  {top.parent}  (no longer kept)")
    level = len(lines)
    for ancestor in reversed(found.parents):
        lines.append(f"  {_branch_start(level)}{_member(ancestor)}")
        level += 1
    lines.append(f"  {_branch_start(level)}{_member(run)}  <- this run")
    branch = Branch(run, found.children, found.has_more_children)
    return ["Family", *lines, *_descendants(branch, "  " + "   " * level)]


def _branch_start(level: int) -> str:
    return "   " * (level - 1) + "└─ " if level else ""


def _descendants(branch: Branch, indent: str) -> list[str]:
    lines: list[str] = []
    last = len(branch.children) - 1
    for number, child in enumerate(branch.children):
        is_last = number == last and not branch.has_more
        lines.append(f"{indent}{'└─' if is_last else '├─'} {_member(child.run)}")
        lines += _descendants(child, indent + ("   " if is_last else "│  "))
    if branch.has_more:
        lines.append(f"{indent}└─ and more: funchost runs list --parent {branch.run.id}")
    return lines


def _member(run: RunRecord) -> str:
    return f"{run.id}  {printable(run.function)}  {state_text(run.state)}"


def _request_lines(run: RunRecord) -> list[str]:
    if not run.event.get("url"):
        return []
    lines = [f"{run.event.get('method', '')} {run.event['url']}"]
    lines += [f"{name}: {value}" for name, value in run.event.get("headers", ())]
    return ["Request", *(f"  {printable(line)}" for line in lines)]


def _answer(run: RunRecord) -> str:
    status = run.answer.get("status")
    return f", HTTP {status}" if status else ""


def _content_lines(title: str, kept: Kept, option: str, more: str = "") -> list[str]:
    if kept.kind == "none":
        return [f"{title}: none{more}"] if more else []
    if kept.kind == "stream":
        return [f"{title}: went past as a stream, and is not kept{more}"]
    text = kept_text(kept)
    shown = base64.b64encode(kept.data).decode() if text is None else printable(text)
    rest = ""
    if len(shown) > _CONTENT_CHARACTERS or not kept.is_whole:
        shown, rest = shown[:_CONTENT_CHARACTERS], f"… (all of it with {option})"
    kind = "" if text is not None else ", not text: base64"
    return [
        f"{title} ({counted(kept.size, 'byte')}{kind}{more})",
        textwrap.indent(shown.rstrip("\n") + rest, "  "),
    ]


def _output_lines(run: RunRecord) -> list[str]:
    if not run.outputs:
        return []
    sizes = [f", {counted(ref.size, 'byte')}" if ref.size else "" for ref in run.outputs]
    lines = [
        f"  {ref.type} {printable(ref.where)}{size}" for ref, size in zip(run.outputs, sizes, strict=True)
    ]
    return ["Put out", *lines]


def _log_lines(log: Kept) -> list[str]:
    lines = (kept_text(log) or "").splitlines()
    if not lines:
        return []
    shown = lines[-_LOG_LINES:]
    is_all = len(shown) == len(lines) and log.is_whole
    more = "" if is_all else f", the last {len(shown)} lines (all of it with --log)"
    if not log.is_whole:
        more = f", lines of its first {len(log.data)} bytes (all of it with --log)"
    return [f"Log ({counted(log.size, 'byte')}{more})", *(f"  {printable(line)}" for line in shown)]


def _error_lines(run: RunRecord) -> list[str]:
    if run.error is None:
        return []
    traceback = (run.error_traceback or "").rstrip()
    # A traceback mostly ends with the error itself.
    text = traceback if traceback.endswith(run.error.rstrip()) else f"{run.error}\n{traceback}".rstrip()
    return [click.style("Error", fg="red"), textwrap.indent(printable(text), "  ")]
