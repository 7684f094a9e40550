"""The admin API of switches: functions paused and resumed, disabled and enabled, over restarts and for all hosts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from ..operations import switches
from ..operations.switches import known_names, list_switches, switches_document
from ..operations.workbench import Workbench
from .answers import Answer
from .call import AdminCall
from .paging import Page, Paged, page_of_all
from .queue_models import FunctionSwitches, Switched
from .routes import Route

_Operation = Callable[[Workbench, Sequence[str], Mapping[str, bool]], Awaitable[list[str]]]


async def get_switches(call: AdminCall) -> Answer:
    """All functions, with how they are switched."""
    found = await list_switches(call.workbench, _defined(call))
    return 200, page_of_all(found, call.query(Paged), lambda one: one.name, switches_document)


async def switch_function(operation: _Operation, call: AdminCall) -> Answer:
    """Switch one function."""
    defined = _defined(call)
    [name] = known_names([call.names["function"]], defined)
    changed = await operation(call.workbench, [name], defined)
    return 200, {"name": name, "changed": bool(changed)}


def _defined(call: AdminCall) -> dict[str, bool]:
    """The functions, also those in error, and which of them are disabled before anybody switches."""
    functions = call.host.functions
    names = {status.name: False for status in functions.status()}
    return names | {name: one.disabled for name, one in functions.defined.items()}


def _route(word: str, operation: _Operation, summary: str) -> Route:
    return Route(
        method="POST",
        path=f"functions/{{function}}/{word}",
        handler=partial(switch_function, operation),
        summary=summary,
        answers={200: Switched},
    )


async def _pause(workbench: Workbench, names: Sequence[str], defined: Mapping[str, bool]) -> list[str]:
    return await switches.pause(workbench, names)


async def _resume(workbench: Workbench, names: Sequence[str], defined: Mapping[str, bool]) -> list[str]:
    return await switches.resume(workbench, names)


ROUTES = (
    Route(
        method="GET",
        path="switches",
        handler=get_switches,
        summary="How people have switched functions.",
        query=Paged,
        answers={200: Page[FunctionSwitches]},
    ),
    _route("pause", _pause, "Have a function take nothing new; what runs goes on."),
    _route("resume", _resume, "Have a function take events again."),
    _route("disable", switches.disable, "Have a function be as with `disabled` in its definition."),
    _route("enable", switches.enable, "Have a function be as without `disabled`."),
)
