"""Every function, loaded as a host would load it."""

from __future__ import annotations

from collections.abc import Iterable

from .check import Check, ok, skipped, told
from .look import Look
from .patient import Patient

NAME = "functions"


async def check(patient: Patient) -> Iterable[Check]:
    """Each function with its trigger, or with what is wrong with it."""
    look = await patient.look()
    found = [told(NAME, problem) for problem in look.problems]
    if look.failure:
        found.append(told(NAME, look.failure))
        return found
    wrong = {problem.function for problem in look.problems if problem.severity == "error"}
    found += [_loaded(look, name) for name in sorted(look.triggers, key=str.lower) if name not in wrong]
    return found or [skipped(NAME, "There are none. `funchost new hello --trigger http` makes one.")]


def _loaded(look: Look, name: str) -> Check:
    trigger = look.triggers[name]
    disabled = ", disabled" if trigger.function.disabled else ""
    what = f"{trigger.function.trigger.type} {trigger.describe()}".strip()
    return ok(NAME, f"{name} loads ({what}{disabled}).", function=name)
