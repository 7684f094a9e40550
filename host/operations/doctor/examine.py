"""All checks of an app, one beside the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from ....bindings.errors import FunchostError
from . import (
    clock,
    connections,
    file_events,
    functions,
    hosts,
    interpreter,
    named_settings,
    packages,
    port,
    settings_files,
    store,
    store_content,
    variables,
    zones,
)
from .check import Check, warning
from .look import LOAD_LIMIT
from .patient import Patient


@dataclass(frozen=True, slots=True)
class Examination:
    """One check: what it is called, what does it, and how many seconds it may take."""

    name: str
    check: Callable[[Patient], Awaitable[Iterable[Check]]]
    limit: float = 20.0


#: How long a check may take that waits for the app's code.
_WITH_CODE = LOAD_LIMIT + 15.0

EXAMINATIONS: Sequence[Examination] = (
    Examination(settings_files.NAME, settings_files.check),
    Examination(interpreter.NAME, interpreter.check),
    Examination(packages.NAME, packages.check, 30.0),
    Examination(functions.NAME, functions.check, _WITH_CODE),
    Examination(named_settings.NAME, named_settings.check, _WITH_CODE),
    Examination(connections.NAME, connections.check, _WITH_CODE + connections.LIMIT),
    Examination(store.NAME, store.check, store.LIMIT + 5.0),
    Examination(store_content.NAME, store_content.check, _WITH_CODE),
    Examination(clock.NAME, clock.check),
    Examination(zones.NAME, zones.check, _WITH_CODE),
    Examination(file_events.NAME, file_events.check),
    Examination(port.NAME, port.check, 30.0),
    Examination(hosts.NAME, hosts.check),
    Examination(variables.NAME, variables.check),
)


async def examine(
    patient: Patient, examinations: Sequence[Examination] = EXAMINATIONS
) -> AsyncIterator[Check]:
    """What the checks find, in their order, each as soon as it is known. Never raises for what is wrong."""
    tasks = [asyncio.create_task(_done(each, patient), name=each.name) for each in examinations]
    try:
        for task in tasks:
            for check in await task:
                yield check
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await patient.close()


async def _done(examination: Examination, patient: Patient) -> list[Check]:
    try:
        async with asyncio.timeout(examination.limit) as limit:
            return list(await examination.check(patient))
    except TimeoutError as error:
        if limit.expired():
            return [warning(examination.name, f"This check came to no end in {examination.limit:g} s.")]
        return [_failed(examination, error)]
    except Exception as error:
        return [_failed(examination, error)]


def _failed(examination: Examination, error: Exception) -> Check:
    reason = str(error) if isinstance(error, FunchostError) else f"{type(error).__name__}: {error}"
    return warning(examination.name, f"This check could not be done: {reason}")
