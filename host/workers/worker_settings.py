"""How worker processes are started, and under which interpreter."""

from __future__ import annotations

import importlib.util
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
    #: Where azure-functions is found if the app's environment has none.
    fallback: Path | None = None
    #: Write no byte code: two changes within a second would look like one.
    fresh_code: bool = False


def default_python(root: Path, environ: Mapping[str, str]) -> Path:
    """The app's own interpreter when it has one, else that of the active virtual environment, else the host's."""
    folder = ("Scripts", "python.exe") if sys.platform == "win32" else ("bin", "python")
    active = environ.get("VIRTUAL_ENV")
    for environment in (root / ".venv", Path(active) if active else None):
        if environment and environment.joinpath(*folder).exists():
            return environment.joinpath(*folder)
    return Path(sys.executable)


def own_packages(python: Path) -> Path | None:
    """Where the host's azure-functions is installed, for workers under another interpreter than the host's."""
    if python.parent == Path(sys.executable).parent:
        return None
    found = importlib.util.find_spec("azure.functions")
    return Path(found.origin).parents[2] if found and found.origin else None
