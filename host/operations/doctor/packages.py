"""What is installed for the app: what it asks for, azure-functions, and what does not go together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata

from ....bindings.errors import FunchostError
from .check import Check, Outcome, ok, problem, skipped, warning
from .patient import Patient
from .probe import Environment, Package
from .requirements import REQUIREMENTS, Line, applies, is_met, lines_of, parsed, same

NAME = "packages"

_SDK = "azure-functions"
#: What only the machines of Azure have, and what hides the SDK.
_NEVER = {
    "azure-functions-worker": "it belongs to the platform, and gets in the way of the app's own packages",
    "azure": "it puts old packages where those of today should be",
}


async def check(patient: Patient) -> Iterable[Check]:
    """What is missing or does not match; nothing is asked over a network."""
    try:
        environment = await patient.environment()
    except FunchostError:
        return [skipped(NAME, "The interpreter does not answer.")]
    installed = {same(each.name): each for each in environment.packages}
    found = [*_sdk(installed), *_misplaced(installed), *_hidden_modules(patient, environment)]
    return [*found, *_requirements(patient, environment, installed)]


def _sdk(installed: Mapping[str, Package]) -> Iterator[Check]:
    own = installed.get(_SDK)
    if own:
        yield ok(NAME, f"{_SDK} {own.version} is installed.")
    else:
        yield warning(
            NAME,
            f"{_SDK} is not installed for the app; the host's copy ({metadata.version(_SDK)}) is used.",
            f"Name it in {REQUIREMENTS}, and install what that names into the app's environment.",
        )


def _misplaced(installed: Mapping[str, Package]) -> Iterator[Check]:
    for name, why in _NEVER.items():
        if name in installed:
            yield warning(NAME, f"{name} {installed[name].version} is installed: {why}.", "Uninstall it.")


def _hidden_modules(patient: Patient, environment: Environment) -> Iterator[Check]:
    """Modules of the app that cannot be imported, since what is looked through before has one of that name."""
    for path in sorted(patient.root.glob("*.py")):
        if path.stem in environment.modules:
            yield warning(
                NAME,
                f"{path.name} cannot be imported: `import {path.stem}` brings the standard library's module.",
                "Give it another name.",
            )


def _requirements(
    patient: Patient, environment: Environment, installed: Mapping[str, Package]
) -> list[Check]:
    python = patient.configuration.python
    fix = f"{python} -m pip install -r {patient.root / REQUIREMENTS}"
    if not (patient.root / REQUIREMENTS).exists():
        return [skipped(NAME, f"There is no {REQUIREMENTS}, so what the app needs is not known.")]
    try:
        lines = list(lines_of(patient.root))
        met = [_line(line, environment, installed, fix) for line in lines]
        clashes = list(_clashes([line.text for line in lines], environment, installed))
    except OSError as error:
        return [problem(NAME, f"{error.filename} cannot be read: {error.strerror}.", "Correct its name.")]
    except ImportError:
        return [skipped(NAME, f"{REQUIREMENTS} is not compared: the host's environment has no 'packaging'.")]
    wrong = [each for each in met if each]
    whole = [] if wrong else [ok(NAME, f"All that {REQUIREMENTS} names is installed.")]
    return [*wrong, *whole, *clashes]


def _line(line: Line, environment: Environment, installed: Mapping[str, Package], fix: str) -> Check | None:
    """What is wrong with a requirement; None where it is met or not for this environment."""
    requirement = parsed(line.text)
    if requirement is None:
        return _at(line, Outcome.WARNING, f"'{line.text}' is not a requirement.", "Correct it.")
    if not applies(requirement, environment.markers):
        return None
    there = installed.get(same(requirement.name))
    if there is None:
        # The host's copy stands in, which is told apart.
        outcome = Outcome.WARNING if same(requirement.name) == _SDK else Outcome.PROBLEM
        return _at(line, outcome, f"{requirement.name} is not installed.", fix)
    if requirement.url or is_met(requirement, there.version):
        return None
    text = f"{requirement.name} {there.version} is installed, and {requirement.specifier} is asked for."
    return _at(line, Outcome.PROBLEM, text, fix)


def _at(line: Line, outcome: Outcome, found: str, fix: str) -> Check:
    return Check(name=NAME, outcome=outcome, found=found, fix=fix, file=line.file, line=line.number)


def _clashes(
    wanted: Iterable[str], environment: Environment, installed: Mapping[str, Package]
) -> Iterator[Check]:
    """What the packages that the app asks for need themselves, and do not find."""
    waiting = [same(found.name) for text in wanted if (found := parsed(text))]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in installed:
            continue
        seen.add(name)
        for text in installed[name].requires:
            needed = parsed(text)
            if needed is None or not applies(needed, environment.markers):
                continue
            waiting.append(same(needed.name))
            there = installed.get(same(needed.name))
            if there is None or not is_met(needed, there.version):
                have = f"{there.name} {there.version} is installed" if there else "it is not installed"
                yield warning(
                    NAME,
                    f"{installed[name].name} {installed[name].version} needs {needed.name}{needed.specifier}, and {have}.",
                    f"Install what fits both: pip install '{needed.name}{needed.specifier}'",
                )
