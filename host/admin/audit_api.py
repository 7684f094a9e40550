"""The admin API of the audit: what was done, and by whom."""

from __future__ import annotations

from ...bindings.errors import BindingError
from ..operations.audit import AuditFilter, audit_document, list_audit
from .answers import Answer
from .audit_models import AuditEntry
from .call import AdminCall
from .moments import Since, parse_since
from .paging import Page, Paged, page
from .routes import Route

#: Digits of the largest number of a row.
_MOST_DIGITS = 18


class AuditQuery(Paged, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which actions are asked for."""

    since: Since = None
    who: str | None = None
    action: str | None = None
    target: str | None = None


async def get_audit(call: AdminCall) -> Answer:
    """The last actions, the latest first."""
    query = call.query(AuditQuery)
    since = parse_since(query.since, "since", call.workbench.clock.now())
    wanted = AuditFilter(since=since, who=query.who, action=query.action, target=query.target)
    found = await list_audit(call.workbench, wanted, query.limit + 1, before=_before(query))
    return 200, page(found, query.limit, lambda row: str(row.id), audit_document)


def _before(query: AuditQuery) -> int | None:
    after = query.after
    if after is None:
        return None
    if not (after.isascii() and after.isdecimal() and len(after) <= _MOST_DIGITS):
        raise BindingError("'next' is of another list.")
    return int(after)


ROUTES = (
    Route(
        method="GET",
        path="audit",
        handler=get_audit,
        summary="What was done that changes something, the latest first.",
        query=AuditQuery,
        answers={200: Page[AuditEntry]},
    ),
)
