"""The interpreter that the app runs under."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable
from pathlib import Path

from ....bindings.errors import FunchostError
from ...configuration import Configuration
from .check import Check, ok, problem, warning
from .patient import Patient
from .probe import Environment

NAME = "interpreter"

#: The oldest Python that workers run under.
_OLDEST = (3, 11)


async def check(patient: Patient) -> Iterable[Check]:
    """Which one it is and why, and whether workers can run under it."""
    configuration = patient.configuration
    try:
        found = await patient.environment()
    except FunchostError as error:
        return [
            problem(
                NAME,
                str(error),
                f"The app runs under it because {_why(configuration)}. Make that environment anew, or name "
                "another interpreter with --python.",
            )
        ]
    shown = f"{found.implementation.replace('CPython', 'Python')} {found.version} ({found.machine}) at {configuration.python}"
    checks = [ok(NAME, f"{shown}: {_why(configuration)}.")]
    return [*checks, *_unfit(found)]


def _unfit(found: Environment) -> Iterable[Check]:
    if found.release < _OLDEST:
        yield problem(
            NAME,
            f"Workers need Python {'.'.join(map(str, _OLDEST))} or newer, and the app has {found.version}.",
            "Make the app's environment anew with a newer Python.",
        )
    if found.implementation != "CPython":
        yield warning(NAME, f"Azure runs CPython; {found.implementation} may behave differently.")
    own = platform.machine()
    if found.bits != (64 if sys.maxsize > 2**32 else 32) or found.machine != own:
        yield warning(
            NAME,
            f"It is a Python for {found.machine} ({found.bits} bits), and the host's is for {own}: packages that "
            "hold compiled code may not be found for it, or be slow.",
            f"Make the app's environment anew with a Python for {own}.",
        )


def _why(configuration: Configuration) -> str:
    python, root = configuration.python, configuration.root
    if configuration.options.python:
        return "it was named with --python"
    if python.is_relative_to(root / ".venv"):
        return "it is that of the app's own .venv"
    active = configuration.options.environ.get("VIRTUAL_ENV")
    if active and python.is_relative_to(Path(os.path.abspath(active))):  # noqa: PTH100 - links are kept
        return "the app has no .venv, and this one's environment is active"
    return "the app has no .venv and no environment is active, so it is the host's own"
