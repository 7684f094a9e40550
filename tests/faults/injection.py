"""Faults of the store in hosts that run, switched on and off by a test (`funchost.host.faults`).

    faults = Faults(tmp_path)
    with RunningHost(app.root, env=faults.env) as host:
        complete = faults.on("queues.complete", "error", when="after", times=3)   # done, but reported as failed
        ledger.send("a")
        complete.wait_until_struck(3)
        hang = faults.on("queues.poison", "hang", when="after")     # a named point: stop here ...
        hang.wait_until_struck()
        host.kill()                                                 # ... and let it die there
        faults.off()

Methods are those of the stores: ``queues.`` send, receive, renew, complete, release, poison, wait, peek, depths,
sweep; ``state.`` get, put, change, items, seen, record; ``leases.`` acquire, renew, release, wait; ``blobs.`` open,
get, info, put, delete; ``tables.`` get, query. All hosts that are given `env` share the plan; each counts `times`
for itself, anew when it starts. Only stores that are embedded have these faults; for AWS see `faulty_proxy`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Literal

import msgspec
from e2e.apps import until
from e2e.running import DEADLINE

from funchost.host.faults import Rule


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault that was switched on."""

    rule: Rule
    _faults: Faults

    @property
    def struck(self) -> int:
        """How many calls it has struck, in all hosts."""
        return self._faults.struck(self.rule)

    def wait_until_struck(self, times: int = 1, deadline: float = DEADLINE) -> None:
        """Wait until it has struck so many calls."""
        until(
            lambda: self.struck >= times,
            deadline,
            lambda: f"{self.rule.method} {self.rule.mode}: struck {self.struck} of {times} times",
        )

    def off(self) -> None:
        """Switch it off; calls that hang in it go on."""
        self._faults.remove(self.rule)


class Faults:
    """The plan of the hosts that are started with `env`; empty at first."""

    def __init__(self, folder: Path) -> None:
        self._plan = folder / "faults.json"
        self._rules: list[Rule] = []
        self._ids = count(1)

    @property
    def env(self) -> dict[str, str]:
        """What a host's environment has to have."""
        return {"FUNCHOST_TEST_FAULTS": str(self._plan)}

    def on(self, method: str, mode: Literal["error", "delay", "hang"], **more: Any) -> Fault:
        """Switch a fault on. `more` are fields of `Rule`: when, times, seconds, about, error."""
        rule = Rule(method, mode, id=next(self._ids), **more)
        self._rules.append(rule)
        self._write()
        return Fault(rule, self)

    def off(self) -> None:
        """Switch all faults off."""
        self._rules.clear()
        self._write()

    def remove(self, rule: Rule) -> None:
        """Switch one fault off."""
        self._rules.remove(rule)
        self._write()

    def struck(self, rule: Rule) -> int:
        """How many calls a fault has struck."""
        try:
            lines = self._plan.with_name(f"{self._plan.name}.struck").read_text().splitlines()
        except FileNotFoundError:
            return 0
        return sum(line.split()[0] == str(rule.id) for line in lines)

    def _write(self) -> None:
        # Renamed into its place: a host reads it at any time.
        draft = self._plan.with_suffix(".draft")
        draft.write_bytes(msgspec.json.encode(self._rules))
        draft.replace(self._plan)
