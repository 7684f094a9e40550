"""How runs are shown to people: as rows of a list, and as lines that come one by one."""

from __future__ import annotations

import shutil
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime

import click

from ...bindings.history import FAILURES, RunRecord, RunState
from .message import printable

#: Characters of an id that tell a run from nearly every other: the millisecond, and a count.
SHORT_ID = 18

#: A list leaves the times of day out where its last column would get less room than this, in characters.
_ROOM = 30
_LEAST_ROOM = 8
_LONGEST_NAME = 24

_COLUMNS = ("RUN", "FUNCTION", "STATE", "STARTED", "TOOK", "TRIES", "ORIGIN")

_COLOURS = {RunState.SUCCEEDED: "green", RunState.RUNNING: "cyan", RunState.INTERRUPTED: "yellow"}


def runs_table(runs: Sequence[RunRecord], now: datetime) -> str:
    """A list of runs, as wide as the terminal. Where that is narrow, errors stand in lines of their own."""
    width = terminal_width()
    rows = [_cells(run, now, with_time=True) for run in runs]
    widths = _widths(rows)
    if width is None or width - sum(widths[:-1]) - 2 * len(widths) - min(widths[-1], _ROOM) >= _ROOM:
        lines = [_row((*_COLUMNS, "ERROR"), [*widths, 0], width, header=True)]
        lines += [
            _row((*cells, first_line(run)), [*widths, 0], width, run)
            for run, cells in zip(runs, rows, strict=True)
        ]
        return "\n".join(lines)
    return "\n".join(_narrow(runs, now, width))


def run_line(run: RunRecord) -> str:
    """A run as it began or ended, in one line."""
    began = run.state is RunState.RUNNING
    moment = run.started if began or run.ended is None else run.ended
    words = "began" if began else run.state.value
    took = "" if began else f"{duration_text(run.duration or 0)}"
    text = (
        f"{moment.astimezone():%H:%M:%S}  {state_text(run.state, words.ljust(11))}  {run.id[:SHORT_ID]}  "
        f"{printable(run.function)}  {took:>7}  {printable(run.origin)}"
    ).rstrip()
    return cut(f"{text}  {first_line(run)}".rstrip(), terminal_width())


# -- words


def first_line(run: RunRecord) -> str:
    """The first line of why it did not succeed that says something; empty for a run without an error."""
    lines: Iterable[str] = (printable(line).strip() for line in (run.error or "").splitlines())
    return next(filter(None, lines), "")


def duration_text(seconds: float) -> str:
    """A length of time as people say it."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes}m" if hours else f"{minutes}m {rest}s"


def ago_text(moment: datetime, now: datetime) -> str:
    """How long ago that was, in its largest unit."""
    seconds = int((now - moment).total_seconds())
    if seconds < 0:
        return "to come"
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit} ago"
    return f"{seconds}s ago"


def terminal_width() -> int | None:
    """The columns of the terminal; None where the output is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def cut(text: str, width: int | None) -> str:
    """The text with no more columns than that, its end left out for an ellipsis."""
    if width is None or _columns(click.unstyle(text)) <= width:
        return text
    shown, used, styled = "", 0, False
    for piece in _pieces(text):
        if len(piece) > 1:
            shown += piece
            styled = True
        elif used + _columns(piece) > width - 1:
            break
        else:
            shown += piece
            used += _columns(piece)
    return f"{shown}…{_RESET if styled else ''}"


_RESET = "\x1b[0m"


def _pieces(text: str) -> Iterable[str]:
    """The characters of a text, an escape sequence of a style as one."""
    place = 0
    while place < len(text):
        end = text.index("m", place) + 1 if text.startswith("\x1b[", place) else place + 1
        yield text[place:end]
        place = end


def _columns(text: str) -> int:
    """How many columns of a terminal it takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def state_text(state: RunState, text: str | None = None) -> str:
    """A state, or `text` in its place, in the state's colour."""
    colour = "red" if state in FAILURES else _COLOURS[state]
    return click.style(text or state.value, fg=colour)


# -- a list


def _cells(run: RunRecord, now: datetime, *, with_time: bool) -> list[str]:
    ago = ago_text(run.started, now)
    started = f"{_short_time(run.started, now)}  {ago}" if with_time else ago
    took = duration_text((now - run.started).total_seconds()) + "…" if run.duration is None else ""
    return [
        run.id[:SHORT_ID],
        printable(run.function).replace("\n", " "),
        run.state.value,
        started,
        took or duration_text(run.duration or 0),
        f"{run.attempts}/{run.dequeue_count}" if run.dequeue_count is not None else str(run.attempts),
        printable(run.origin).replace("\n", " "),
    ]


def _short_time(moment: datetime, now: datetime) -> str:
    local, today = moment.astimezone(), now.astimezone()
    if local.date() == today.date():
        return f"{local:%H:%M:%S}"
    return f"{local:%m-%d %H:%M}" if local.year == today.year else f"{local:%Y-%m-%d}"


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    columns = zip(_COLUMNS, *rows, strict=True)
    return [max(_columns(cell) for cell in cells) for cells in columns]


def _narrow(runs: Sequence[RunRecord], now: datetime, width: int) -> list[str]:
    rows = [_cells(run, now, with_time=False) for run in runs]
    for cells in rows:
        cells[1] = cut(cells[1], _LONGEST_NAME)
    widths = _widths(rows)
    has_origin = width - sum(widths[:-1]) - 2 * len(widths) >= _LEAST_ROOM
    count = len(widths) if has_origin else len(widths) - 1
    lines = [_row(_COLUMNS[:count], widths, width, header=True)]
    for run, cells in zip(runs, rows, strict=True):
        lines.append(_row(cells[:count], widths, width, run))
        if error := first_line(run):
            lines.append(cut(f"    {error}", width))
    return lines


def _row(
    cells: Sequence[str],
    widths: Sequence[int],
    width: int | None,
    run: RunRecord | None = None,
    *,
    header: bool = False,
) -> str:
    filled = [cell + " " * (wide - _columns(cell)) for cell, wide in zip(cells, widths, strict=False)]
    if run:
        filled[2] = state_text(run.state, filled[2])
    text = cut("  ".join(filled).rstrip(), width)
    return click.style(text, bold=True) if header else text
