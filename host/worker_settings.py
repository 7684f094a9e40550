"""How worker processes are started, and under which interpreter."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """How worker processes are started."""

    root: Path
    python: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    #: Threads for plain functions; None is Python's default.
    threads: int | None = None
    debug: bool = False
    #: Write no byte code: two changes within a second would look like one.
    fresh_code: bool = False


def default_python(root: Path) -> Path:
    """The app's own interpreter when it has one, else the host's."""
    folder = ("Scripts", "python.exe") if sys.platform == "win32" else ("bin", "python")
    own = root.joinpath(".venv", *folder)
    return own if own.exists() else Path(sys.executable)
