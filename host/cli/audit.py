"""`funchost audit`: what people and tools did that changes something. Works on the store itself."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import click
import msgspec

from ..operations.audit import AuditFilter, audit_document, list_audit
from .access import opened_workbench
from .main import run_async
from .message import printable
from .options import App, Since, app_options, json_option
from .output import emit_json, emit_table, talk
from .runs_text import SHORT_ID

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@click.command()
@click.option(
    "-n", "count", type=click.IntRange(1, 100_000), default=50, help="How many at most. Default 50."
)
@click.option("--since", type=Since(), help="Only those since then: a time, or an age such as 1h.")
@click.option("--who", help="Only those of this person or key, such as cli:anna.")
@click.option("--action", help="Only those of this kind, such as queues or queues.clear.")
@click.option("--target", help="Only those done to this queue, function, run or the like.")
@json_option
@app_options
def audit(
    app: App,
    count: int,
    since: datetime | None,
    who: str | None,
    action: str | None,
    target: str | None,
    as_json: bool,
) -> None:
    """Show what was done that changes something.

    Every action of a command or of the admin API is there, with who asked for it; the last one stands first. They
    are kept for as long as the history of runs.
    """
    wanted = AuditFilter(since=since, who=who, action=action, target=target)
    found = run_async(lambda: _documents(app, wanted, count))
    if as_json:
        emit_json(found)
    elif found:
        emit_table(("WHEN", "WHO", "ACTION", "TARGET", "DETAIL"), [_row(each) for each in found])
    else:
        talk(
            "Nothing was done" + (" of that kind." if wanted != AuditFilter() else " that changes something.")
        )


async def _documents(app: App, wanted: AuditFilter, count: int) -> list[dict[str, Any]]:
    app.check()
    if not app.store_folder.exists():
        return []
    async with opened_workbench(app) as workbench:
        return [audit_document(row) for row in await list_audit(workbench, wanted, count)]


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    detail = [f"{key}={_text(value)}" for key, value in entry["detail"].items() if value not in (None, "")]
    if entry["outcome"] != "done":
        detail.insert(0, str(entry["outcome"]))
    moment = datetime.fromisoformat(entry["at"]).astimezone()
    target = printable(entry["target"])
    return (
        f"{moment:%Y-%m-%d %H:%M:%S}",
        entry["who"],
        entry["action"],
        # The beginning of an id is enough, also for other commands.
        target[:SHORT_ID] if _ID.fullmatch(target) else target,
        printable(" ".join(detail)),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
