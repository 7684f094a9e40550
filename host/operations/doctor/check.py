"""What a check found."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ....triggers.descriptor import Problem


class Outcome(enum.StrEnum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    #: It could not be done, or there was nothing to look at.
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at. A check with several things to say has a record for each."""

    #: Such as ``store``; the same in all records of one check.
    name: str
    outcome: Outcome
    #: What was found, in a sentence or a few.
    found: str
    #: What to do about it.
    fix: str | None = None
    #: The place of what was found, relative to the app root, as far as there is one.
    file: str | None = None
    key: str | None = None
    line: int | None = None
    #: The function that it is about.
    function: str | None = None

    @property
    def place(self) -> str:
        """Where that is, such as ``orders/function.json:5 bindings[0].queueName``; empty where it is nowhere."""
        line = f":{self.line}" if self.line and self.file else ""
        return " ".join(part for part in (f"{self.file or ''}{line}", self.key) if part)


def ok(name: str, found: str, *, function: str | None = None) -> Check:
    """All is well."""
    return Check(name=name, outcome=Outcome.OK, found=found, function=function)


def warning(name: str, found: str, fix: str | None = None) -> Check:
    """Something should be looked at, but stops nothing."""
    return Check(name=name, outcome=Outcome.WARNING, found=found, fix=fix)


def problem(name: str, found: str, fix: str | None = None) -> Check:
    """Something does not work."""
    return Check(name=name, outcome=Outcome.PROBLEM, found=found, fix=fix)


def skipped(name: str, why: str) -> Check:
    """It was not looked at."""
    return Check(name=name, outcome=Outcome.SKIPPED, found=why)


def told(name: str, wrong: Problem) -> Check:
    """What the host would say of its configuration."""
    return Check(
        name=name,
        outcome=Outcome.PROBLEM if wrong.severity == "error" else Outcome.WARNING,
        found=wrong.message,
        fix=wrong.fix,
        file=wrong.file,
        key=wrong.key,
        line=wrong.line,
        function=wrong.function,
    )


def worst(checks: Iterable[Check]) -> Outcome:
    """How all of them came out together."""
    outcomes = {check.outcome for check in checks}
    return next((each for each in (Outcome.PROBLEM, Outcome.WARNING) if each in outcomes), Outcome.OK)


def check_document(check: Check) -> dict[str, Any]:
    """The check as JSON."""
    return {
        "name": check.name,
        "outcome": check.outcome.value,
        "found": check.found,
        "fix": check.fix,
        "file": check.file,
        "key": check.key,
        "line": check.line,
        "function": check.function,
    }


def doctor_document(checks: Iterable[Check]) -> dict[str, Any]:
    """All checks as one JSON document."""
    listed = list(checks)
    return {"outcome": worst(listed).value, "checks": [check_document(check) for check in listed]}
