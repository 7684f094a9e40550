"""Functions switched by people: paused and resumed, disabled and enabled, over restarts and for all hosts of the app.

`defined` tells of each function, by its name, whether its definition disables it: its function.json, its decorators or
a setting. A switch is kept where somebody wants it otherwise, and is stronger then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ...bindings.errors import NotFound
from ..config.vocabulary import nearest
from ..switches import SCOPE, Switch, SwitchKind, read_switches, switch_key
from .queues import pause_document
from .workbench import Workbench


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSwitches:
    """How one function is switched."""

    name: str
    #: Whether its definition disables it.
    defined_disabled: bool
    paused: Switch | None = None
    #: Whoever has disabled it, or enabled it against its definition.
    switched: Switch | None = None

    @property
    def disabled(self) -> bool:
        """Whether it is disabled in effect."""
        return self.defined_disabled if self.switched is None else self.switched.on

    @property
    def told(self) -> str:
        """How it stands by that, for people."""
        if self.disabled:
            by = self.switched.told if self.switched else "by its definition or a setting"
            return f"disabled ({by})"
        if self.paused:
            return f"paused ({self.paused.told})"
        if self.switched:
            return f"enabled ({self.switched.told}, though its definition or a setting disables it)"
        return "enabled"


async def list_switches(workbench: Workbench, defined: Mapping[str, bool]) -> list[FunctionSwitches]:
    """All functions by name, with how they are switched."""
    values = await workbench.storage.state.items(SCOPE)
    kept = {switch.key: switch for switch in read_switches(values.values())}
    return [
        FunctionSwitches(
            name=name,
            defined_disabled=defined[name],
            paused=kept.get(switch_key(SwitchKind.PAUSED, name)),
            switched=kept.get(switch_key(SwitchKind.DISABLED, name)),
        )
        for name in sorted(defined, key=str.lower)
    ]


async def pause(workbench: Workbench, names: Iterable[str]) -> list[str]:
    """Have the functions take nothing new; what runs goes on. Returns those that were not paused before."""
    return [name for name in names if await _put(workbench, SwitchKind.PAUSED, name, "functions.pause")]


async def resume(workbench: Workbench, names: Iterable[str]) -> list[str]:
    """Have the functions take events again. Returns those that were paused."""
    return [name for name in names if await _remove(workbench, SwitchKind.PAUSED, name, "functions.resume")]


async def disable(workbench: Workbench, names: Iterable[str], defined: Mapping[str, bool]) -> list[str]:
    """Have the functions be as with ``disabled`` in their definitions. Returns those that were not so before."""
    return [name for name in names if await _turn(workbench, name, defined[name], disabled=True)]


async def enable(workbench: Workbench, names: Iterable[str], defined: Mapping[str, bool]) -> list[str]:
    """Have the functions be as without ``disabled``, whatever their definitions say. Returns those that were not so
    before."""
    return [name for name in names if await _turn(workbench, name, defined[name], disabled=False)]


def known_names(names: Iterable[str], defined: Iterable[str]) -> list[str]:
    """The names as the app has them, each once. Raises `NotFound` with the nearest one."""
    by_fold = {name.lower(): name for name in defined}
    found = []
    for name in names:
        if name.lower() not in by_fold:
            near = nearest(name, list(by_fold.values()))
            known = f"There are: {', '.join(by_fold.values())}." if by_fold else "The app has none."
            raise NotFound(f"There is no function '{name}'. {f'Did you mean {near}?' if near else known}")
        found.append(by_fold[name.lower()])
    return list(dict.fromkeys(found))


def switches_document(function: FunctionSwitches) -> dict[str, Any]:
    """A function's switches as programs are shown them."""
    return {
        "name": function.name,
        "disabled": function.disabled,
        "definedDisabled": function.defined_disabled,
        "switched": pause_document(function.switched),
        "paused": pause_document(function.paused),
    }


async def _turn(workbench: Workbench, name: str, defined_disabled: bool, *, disabled: bool) -> bool:
    """Disable or enable a function; False where it is so already."""
    action = "functions.disable" if disabled else "functions.enable"
    if disabled == defined_disabled:
        return await _remove(workbench, SwitchKind.DISABLED, name, action)
    return await _put(workbench, SwitchKind.DISABLED, name, action, on=disabled)


async def _put(workbench: Workbench, kind: SwitchKind, name: str, action: str, *, on: bool = True) -> bool:
    """Keep a switch; False where it is kept already."""
    switch = Switch(kind=kind, name=name, since=workbench.clock.now(), by=workbench.who, on=on)
    state = workbench.storage.state
    if any(kept.on == on for kept in read_switches([await state.get(SCOPE, switch.key)])):
        return False
    await workbench.note(action, name)
    await state.put(SCOPE, switch.key, switch)
    return True


async def _remove(workbench: Workbench, kind: SwitchKind, name: str, action: str) -> bool:
    """Forget a switch; False where there is none."""
    key, state = switch_key(kind, name), workbench.storage.state
    if await state.get(SCOPE, key) is None:
        return False
    await workbench.note(action, name)
    await state.put(SCOPE, key, None)
    return True
