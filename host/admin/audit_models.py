"""The audit as the OpenAPI document has it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from .run_models import Moment


class AuditEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One action."""

    id: int
    at: Moment
    who: Annotated[
        str, msgspec.Meta(description="`cli:anna`, `api:127.0.0.1`, or `api:_master` by the key's name.")
    ]
    action: Annotated[str, msgspec.Meta(description="Such as `queues.clear`.")]
    target: str
    outcome: Annotated[str, msgspec.Meta(description="`done`, or how it ended otherwise.")]
    detail: dict[str, Any]
