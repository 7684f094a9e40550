"""Faults on purpose, for tests of what a host does when its store fails: error, delay or hang at a named method.

Nothing here is imported unless the environment (never a settings file) names a plan with ``FUNCHOST_TEST_FAULTS``.
The plan is a JSON list of `Rule`, looked at with each call, so that a test switches faults on and off while the host
runs; no file is no fault. Each fault that strikes adds a line ``<id> <method> <mode> <when>`` to ``<plan>.struck``.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import msgspec

from ..bindings.errors import ReceiptLost, StoreError

S = TypeVar("S")

#: Seconds between two looks of a call that hangs.
HANG_LOOK = 0.02


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fault: which calls it strikes, and what becomes of them."""

    #: The store and its method, such as ``queues.complete``, ``state.record``, ``leases.renew`` or ``blobs.put``.
    method: str
    mode: Literal["error", "delay", "hang"]
    #: ``after`` is: the store has done it when the fault strikes.
    when: Literal["before", "after"] = "before"
    #: How many calls it strikes; None is each.
    times: int | None = None
    #: How long a delay is. A hang lasts until its rule leaves the plan.
    seconds: float = 0.0
    #: Only calls whose arguments, as Python shows them, contain this: a queue's name, a body.
    about: str = ""
    #: What an error is; ``Exception`` is one that nobody foresaw.
    error: Literal["StoreError", "ReceiptLost", "OSError", "Exception"] = "StoreError"
    #: Tells rules apart that say the same: each counts for itself.
    id: int = 0


class Plan:
    """The rules of a file, as it is now."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._struck: Counter[Rule] = Counter()

    def rules(self) -> list[Rule]:
        """What the file says. Raises `msgspec.MsgspecError` where that is no plan."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=list[Rule])
        except FileNotFoundError:
            return []

    def strike(self, method: str, when: str, arguments: str) -> Rule | None:
        """The first rule for this call, which counts as struck from now on; None lets it pass."""
        for rule in self.rules():
            is_meant = rule.method == method and rule.when == when and rule.about in arguments
            if is_meant and (rule.times is None or self._struck[rule] < rule.times):
                self._struck[rule] += 1
                self._note(rule)
                return rule
        return None

    def _note(self, rule: Rule) -> None:
        with self._path.with_name(f"{self._path.name}.struck").open("a") as file:
            file.write(f"{rule.id} {rule.method} {rule.mode} {rule.when}\n")


class _Faulty:
    """Stands before a store and lets the plan have its way with each method that is a coroutine."""

    def __init__(self, name: str, store: object, plan: Plan) -> None:
        self._name = name
        self._store = store
        self._plan = plan

    def __getattr__(self, attribute: str) -> Any:
        found = getattr(self._store, attribute)
        return partial(self._call, attribute, found) if inspect.iscoroutinefunction(found) else found

    async def _call(
        self, attribute: str, call: Callable[..., Awaitable[Any]], *arguments: Any, **named: Any
    ) -> Any:
        method, shown = f"{self._name}.{attribute}", repr((arguments, named))
        await self._suffer(self._plan.strike(method, "before", shown))
        result = await call(*arguments, **named)
        await self._suffer(self._plan.strike(method, "after", shown))
        return result

    async def _suffer(self, rule: Rule | None) -> None:
        if rule is None:
            return
        if rule.mode == "error":
            raise _error(rule)
        if rule.mode == "delay":
            await asyncio.sleep(rule.seconds)
        while rule.mode == "hang" and rule in self._plan.rules():  # noqa: ASYNC110 - it is a file that tells
            await asyncio.sleep(HANG_LOOK)


def faulty(plan: Path, name: str, store: S) -> S:
    """The store, with the faults that the file `plan` has for ``<name>.<method>``."""
    return cast(S, _Faulty(name, store, Plan(plan)))


def _error(rule: Rule) -> Exception:
    text = f"A test lets {rule.method} fail ({rule.when} it was done)."
    kinds: dict[str, Callable[[str], Exception]] = {
        "StoreError": StoreError,
        "ReceiptLost": ReceiptLost,
        "OSError": OSError,
        "Exception": Exception,
    }
    return kinds[rule.error](text)
