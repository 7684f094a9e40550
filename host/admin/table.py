"""All routes of the admin API, as its areas have them."""

from __future__ import annotations

from . import (
    audit_api,
    blobs_api,
    checks_api,
    functions,
    host,
    keys,
    locks_api,
    logs_api,
    openapi,
    poison_api,
    queues_api,
    replays_api,
    runs_api,
    switches_api,
    timers_api,
)
from .routes import Route

#: Azure's own first.
_AREAS = (
    host,
    functions,
    keys,
    switches_api,
    runs_api,
    replays_api,
    poison_api,
    queues_api,
    timers_api,
    blobs_api,
    locks_api,
    logs_api,
    audit_api,
    checks_api,
    openapi,
)

ROUTES: tuple[Route, ...] = tuple(route for area in _AREAS for route in area.ROUTES)
