"""The audit: rows as operations write them, found by filters, and shown by the command line."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from click.testing import CliRunner, Result
from fakes import ManualClock

from funchost.bindings.embedded_audit import AuditLog
from funchost.bindings.store import Store
from funchost.host.cli.main import cli
from funchost.host.operations.audit import AuditFilter, audit_document, list_audit
from funchost.host.operations.workbench import Workbench


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def bench(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Workbench]:
    store = Store(tmp_path / "store", clock=clock)
    local = SimpleNamespace(audit=AuditLog(store))
    yield Workbench(
        storage=cast(Any, SimpleNamespace(local=local)),
        queues=cast(Any, None),
        blobs=cast(Any, None),
        clock=clock,
        who="cli:ada",
    )
    await store.close()


async def actions(bench: Workbench, limit: int = 100, before: int | None = None, **wanted: Any) -> list[str]:
    return [row.action for row in await list_audit(bench, AuditFilter(**wanted), limit, before)]


async def test_actions_are_found_by_kind_target_person_and_time(bench: Workbench, clock: ManualClock) -> None:
    await bench.note("queues.clear", "orders")
    await bench.note("queues.pause", "jobs")
    clock.advance(timedelta(hours=1))
    await bench.note("queuesome", "orders")

    assert await actions(bench) == ["queuesome", "queues.pause", "queues.clear"]
    assert await actions(bench, action="Queues") == ["queues.pause", "queues.clear"]
    assert await actions(bench, action="queues.pause") == ["queues.pause"]
    assert await actions(bench, target="ORDERS") == ["queuesome", "queues.clear"]
    assert await actions(bench, since=clock.now() - timedelta(minutes=1)) == ["queuesome"]
    assert await actions(bench, who="cli:bob") == []
    assert await actions(bench, who="CLI:ada", limit=1) == ["queuesome"]


async def test_many_actions_are_gone_through_in_pages(bench: Workbench) -> None:
    for number in range(1200):
        await bench.note("queues.send", "rare" if number % 400 == 0 else "often")

    found = await list_audit(bench, AuditFilter(target="rare"), 2)
    assert [row.id for row in found] == [801, 401]
    assert [row.id for row in await list_audit(bench, AuditFilter(target="rare"), 2, found[-1].id)] == [1]


async def test_a_row_is_shown_with_how_it_ended(bench: Workbench) -> None:
    await bench.note("host.restart", "host", outcome="failed: no worker", tries=2)
    await bench.note("host.drain", "host")
    drained, restarted = [audit_document(row) for row in await list_audit(bench, AuditFilter(), 10)]
    assert (drained["outcome"], drained["detail"], drained["who"]) == ("done", {}, "cli:ada")
    assert (restarted["outcome"], restarted["detail"]) == ("failed: no worker", {"tries": 2})


# -- the command


def run(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, [*arguments, "--root", str(root)])


def test_the_command_shows_what_other_commands_have_done(tmp_path: Path) -> None:
    assert run(tmp_path, "queues", "pause", "orders").exit_code == 0
    assert run(tmp_path, "queues", "pause", "jobs").exit_code == 0

    [row] = json.loads(run(tmp_path, "audit", "--json", "--target", "orders").stdout)
    assert (row["action"], row["target"], row["outcome"]) == ("queues.pause", "orders", "done")
    assert row["who"].startswith("cli:")
    assert len(json.loads(run(tmp_path, "audit", "--json", "--since", "1h").stdout)) == 2
    assert len(json.loads(run(tmp_path, "audit", "--json", "-n", "1").stdout)) == 1
    table = run(tmp_path, "audit").stdout
    assert "queues.pause" in table
    assert table.index("jobs") < table.index("orders")


def test_where_nothing_was_done_no_store_is_made(tmp_path: Path) -> None:
    told = run(tmp_path, "audit")
    assert (told.exit_code, told.stdout) == (0, "")
    assert "Nothing was done" in told.stderr
    assert json.loads(run(tmp_path, "audit", "--json").stdout) == []
    assert not (tmp_path / ".funchost").exists()


def test_a_time_that_is_none_is_a_usage_error(tmp_path: Path) -> None:
    told = CliRunner().invoke(
        cli, ["audit", "--since", "yesterday", "--root", str(tmp_path)], standalone_mode=True
    )
    assert told.exit_code == 2
    assert "yesterday" in told.stderr
