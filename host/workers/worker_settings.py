"""How worker processes are started, and under which interpreter."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...triggers.descriptor import Problem


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
    own = (python for python in _environments(root, environ) if python.exists())
    return next(own, Path(sys.executable))


def passed_over(root: Path, environ: Mapping[str, str]) -> list[Problem]:
    """A warning for each environment that `default_python` would have taken if its interpreter were there."""
    chosen = default_python(root, environ)
    problems = []
    for python in _environments(root, environ):
        if python == chosen:
            break
        if os.path.lexists(python.parent.parent):
            message = f"{_missing(python)}, so this environment is passed over: the app runs under {chosen}."
            fix = f"Make it anew (python -m venv --clear {python.parent.parent}), or remove it."
            problems.append(Problem(message, fix=fix, severity="warning"))
    return problems


def describe_python(python: Path, root: Path) -> str:
    """What the app runs under, such as ``Python 3.11.7 from .venv``; empty for the host's own interpreter.

    Starts it, to ask for its version.
    """
    if _is_own(python):
        return ""
    environment = python.parent.parent
    place = environment if (environment / "pyvenv.cfg").exists() else python
    shown = place.relative_to(root) if place.is_relative_to(root) else place
    return f"{_version(python)} from {shown}"


def own_packages(python: Path) -> Path | None:
    """Where the host's azure-functions is installed, for workers under another interpreter than the host's."""
    if _is_own(python):
        return None
    found = importlib.util.find_spec("azure.functions")
    return Path(found.origin).parents[2] if found and found.origin else None


def _environments(root: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    """Where the interpreters of the app's and of the active virtual environment should be."""
    folder = ("Scripts", "python.exe") if sys.platform == "win32" else ("bin", "python")
    yield root.joinpath(".venv", *folder)
    if active := environ.get("VIRTUAL_ENV"):
        yield Path(active, *folder)


def _is_own(python: Path) -> bool:
    """Whether it is the host's own interpreter."""
    return python.parent == Path(sys.executable).parent


def _missing(python: Path) -> str:
    if python.is_symlink():
        return f"{python} leads to {python.readlink()}, which is not there"
    return f"There is no {python}"


def _version(python: Path) -> str:
    try:
        done = subprocess.run([python, "-V"], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "Python"
    return done.stdout.strip() or "Python"
