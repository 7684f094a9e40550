"""Time zones: whether this machine knows any, and those that timers name."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable
from importlib.util import find_spec

from ....triggers.timer import TimerTrigger
from ...config.vocabulary import nearest
from .check import Check, Outcome, ok, problem
from .patient import Patient

NAME = "time zones"


async def check(patient: Patient) -> Iterable[Check]:
    """The data, and each zone that is named."""
    known = zoneinfo.available_timezones()
    if not known:
        return [
            problem(
                NAME,
                "This machine has no time zone data, so only UTC is known.",
                "Install the package tzdata into the host's environment: pip install tzdata",
            )
        ]
    look = await patient.look()
    default = patient.configuration.time_zone
    named = {
        (function.trigger.fields.get("timeZone") or default): function
        for function in look.functions
        if function.trigger.type == TimerTrigger.type
    }
    wrong = [
        Check(
            name=NAME,
            outcome=Outcome.PROBLEM,
            found=f"There is no time zone '{zone}'.",
            fix=_hint(zone, known),
            file=function.file or None,
            line=function.line,
            function=function.name,
        )
        for zone, function in named.items()
        if not _is_known(zone)
    ]
    return wrong or [ok(NAME, f"{_source()}; timers are in {', '.join(sorted({default, *named}))}.")]


def _is_known(zone: str) -> bool:
    try:
        return zone.upper() == "UTC" or bool(zoneinfo.ZoneInfo(zone))
    except (KeyError, ValueError, OSError):
        return False


def _hint(zone: str, known: Iterable[str]) -> str:
    near = nearest(zone, known)
    return f"Did you mean {near}?" if near else "Use an IANA name such as Europe/Berlin."


def _source() -> str:
    if any(zoneinfo.TZPATH) and not find_spec("tzdata"):
        return "The system's time zone data is there"
    return "Time zone data is there"
