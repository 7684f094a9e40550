"""The audit as it is looked at: which actions, by whom, since when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...bindings.embedded_audit import AuditRow
from .workbench import Workbench

#: Rows that are looked at in one go.
_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which actions are asked for; what is None does not matter. Texts are compared without case."""

    since: datetime | None = None
    who: str | None = None
    #: ``queues.clear``, or ``queues`` for all of its kind.
    action: str | None = None
    target: str | None = None

    def fits(self, row: AuditRow) -> bool:
        """Whether this is such an action."""
        action = row.action.lower()
        wanted = (self.action or "").lower()
        return (
            (not wanted or action == wanted or action.startswith(f"{wanted}."))
            and (self.who is None or self.who.lower() == row.who.lower())
            and (self.target is None or self.target.lower() == row.target.lower())
        )


async def list_audit(
    workbench: Workbench, wanted: AuditFilter, limit: int, before: int | None = None
) -> list[AuditRow]:
    """The last actions of that kind, the latest first; `before` is the id of the last one of the page before."""
    audit = workbench.storage.local.audit
    found: list[AuditRow] = []
    while len(found) < limit:
        rows = await audit.list(_BATCH, before)
        # Ids are in the order of writing: with the first that is too old, all that follow are.
        young = [row for row in rows if wanted.since is None or row.at >= wanted.since]
        found += [row for row in young if wanted.fits(row)]
        if len(young) < _BATCH:
            break
        before = rows[-1].id
    return found[:limit]


def audit_document(row: AuditRow) -> dict[str, Any]:
    """An action as `--json` and the API give it."""
    detail = dict(row.detail)
    return {
        "id": row.id,
        "at": row.at.isoformat(),
        "who": row.who,
        "action": row.action,
        "target": row.target,
        "outcome": detail.pop("outcome", "done"),
        "detail": detail,
    }
