"""Variables that make a host behave as tests want it to."""

from __future__ import annotations

from collections.abc import Iterable

from .check import Check, ok, warning
from .patient import Patient

NAME = "test variables"

_PREFIX = "FUNCHOST_TEST_"


async def check(patient: Patient) -> Iterable[Check]:
    """A warning for each that is set."""
    names = sorted(name for name in patient.configuration.options.environ if name.startswith(_PREFIX))
    found = [
        warning(
            NAME, f"{name} is set: a host started here does not behave as it should.", f"Run: unset {name}"
        )
        for name in names
    ]
    return found or [ok(NAME, "None is set.")]
