"""Writes down in the audit what callers had done by routes that do it themselves, and not by an operation."""

from __future__ import annotations

import logging
from typing import Any

from ...bindings.errors import FunchostError
from .answers import Plain
from .call import AdminCall

log = logging.getLogger("funchost.host.admin")

#: What was tried, and did not come to be for a reason that is not the caller's.
_FAILED = (409, 503)


async def note(call: AdminCall, action: str, answer: Plain) -> None:
    """Write down an action that was answered so. It is over by now: where it cannot be written, that is logged."""
    status, value = answer[0], answer[1]
    if status >= 400 and status not in _FAILED:
        return  # nothing was done
    *_, target = call.names.values() if call.names else ("host",)
    detail: dict[str, Any] = {}
    if "key" in call.names and "function" in call.names:
        detail["function"] = call.names["function"]
    if status >= 400:
        detail["outcome"] = f"failed: {value['error']}" if value else "failed"
    try:
        await call.workbench.note(action, target, **detail)
    except FunchostError as error:
        log.warning("%s by %s could not be written into the audit: %s", action, call.who, error)
