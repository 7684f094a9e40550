"""What is written of metrics names those that there are."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from fakes import ManualClock, make_function, make_outcome

from funchost.bindings.queue import QueueDepth
from funchost.host.execution.run import Run
from funchost.host.metrics.exposition import exposition
from funchost.host.metrics.health import Check
from funchost.host.metrics.measures import Measures
from funchost.host.metrics.tally import Tally
from funchost.triggers.base import Cause, TriggerEvent

_ROOT = Path(__file__).parents[2]
_NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
_NAME = re.compile(r"\bfunchost_[a-z_]+\b")


def all_names() -> set[str]:
    """The names of all samples of a host that has something of each kind."""
    tally = Tally()
    run = Run(make_function(), TriggerEvent(kind="timer", cause=Cause(queued=_NOW)), ManualClock())
    tally.started(run)
    tally.ended(run, make_outcome())
    depth = QueueDepth(queue="jobs-poison", visible=1, delayed=0, in_flight=0, oldest=_NOW)
    measures = Measures(
        now=_NOW,
        version="1",
        tally=tally,
        checks=[Check("host")],
        queues=[("", depth)],
        leases=[("one", True)],
        functions=[("Work", "timerTrigger", True)],
    )
    lines = exposition(measures).decode().splitlines()
    return {found[0] for line in lines if not line.startswith("#") and (found := _NAME.match(line))}


def test_alert_rules_ask_for_metrics_that_there_are() -> None:
    asked = set(_NAME.findall((_ROOT / "examples" / "alerts.yaml").read_text()))
    assert asked
    assert asked <= all_names()


def test_every_metric_is_documented_and_no_other() -> None:
    rows = re.findall(r"^\| `(funchost_[a-z_]+)`", (_ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE)
    families = {re.sub(r"_(bucket|count|sum)$", "", name) for name in all_names()}
    assert set(rows) == families
