"""One line of a log: what it says, and how it is written for people and for machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from ...bindings.clock import short_run_id

_COLOURS = {"debug": "\x1b[2m", "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[1;31m"}
_DIM, _RESET = "\x1b[2m", "\x1b[0m"

#: The members of a line's document that are not its further details.
_OWN = ("time", "level", "message", "function", "invocation")

_decoder = msgspec.json.Decoder(dict[str, Any])


@dataclass(frozen=True, slots=True)
class LogLine:
    """Something that was said, in one line or several."""

    time: datetime
    level: str
    text: str
    #: What it is about; empty for what the host has to say of itself.
    function: str = ""
    invocation: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def document(self) -> dict[str, Any]:
        """As machines are shown it; what is empty is left out."""
        line: dict[str, Any] = {"time": self.time, "level": self.level, "message": self.text.rstrip("\n")}
        if self.function:
            line["function"] = self.function
        if self.invocation:
            line["invocation"] = self.invocation
        line.update((key, value) for key, value in self.more.items() if value)
        return line

    @classmethod
    def parse(cls, json: bytes) -> LogLine | None:
        """The line that `json_line` has written; None for anything else."""
        try:
            value = _decoder.decode(json)
            return cls(
                datetime.fromisoformat(value["time"]),
                str(value["level"]),
                str(value["message"]),
                str(value.get("function", "")),
                str(value.get("invocation", "")),
                {key: inner for key, inner in value.items() if key not in _OWN},
            )
        except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError):
            return None


def json_line(line: LogLine) -> str:
    """The document, with the end of the line."""
    return msgspec.json.encode(line.document).decode() + "\n"


def readable_line(line: LogLine, *, colours: bool, dated: bool = False) -> str:
    """For people, with the end of the line; the time is that of this machine, `dated` with the day before it."""
    local = line.time.astimezone()
    # Written out: `strftime` is slow, and each line is written so.
    time = f"{local.hour:02}:{local.minute:02}:{local.second:02}.{local.microsecond // 1000:03}"
    if dated:
        time = f"{local:%Y-%m-%d} {time}"
    about = f"{line.function} {short_run_id(line.invocation)}".strip()
    colour, reset, dim = (_COLOURS.get(line.level, ""), _RESET, _DIM) if colours else ("", "", "")
    mark = f"{line.level.upper()} " if line.level in ("warning", "error", "critical") else ""
    head = f"{dim}{time}{reset} " + (f"[{about}] " if about else "")
    body = line.text.rstrip("\n").replace("\n", "\n    ")
    return f"{head}{colour}{mark}{body}{reset if colour else ''}\n"
