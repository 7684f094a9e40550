"""The HTTP side of a host: its front, set up from host.json, settings and the command line.

Imported once the workers are on their way: aiohttp takes longer to import than a worker to start.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from ..bindings.clock import Clock
from ..triggers.cors import Cors
from ..triggers.http_endpoint import FrontOptions
from ..triggers.http_front import HttpFront
from .admin.admin import Admin
from .admin.caller import is_developers
from .callers.service import Callers
from .config.settings import AppSettings, whole_number
from .probes import Probes
from .runs_service import RunsService

if TYPE_CHECKING:
    from .host import Host


def make_front(host: Host) -> HttpFront:
    """The front of a host, not started yet."""
    options = _options(host)
    callers = host.callers
    return HttpFront(
        options,
        authorize=host.authorize,
        admin=Admin(host, options.patience).handle,
        starts=callers.starts if callers.is_on else None,
        runs=RunsService(host, callers).answer if callers.is_on else None,
        probes=Probes(host).answer,
    )


def make_callers(host: Host, clock: Clock, report: Callable[[str], None]) -> Callers:
    """What a host has for callers who do not wait; its storage is open."""
    return Callers(
        configuration=host.configuration,
        storage=host.storage.local,
        recorder=host.recorder,
        keys=host.keys,
        clock=clock,
        is_developers=partial(is_developers, host.configuration),
        url=lambda: host.url,
        report=report,
    )


def _options(host: Host) -> FrontOptions:
    http = host.configuration.settings.host_json.extensions.http
    app = host.configuration.settings.app
    limit = whole_number(app.get("FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"), 1, 2**63)
    return FrontOptions(
        route_prefix=http.routePrefix,
        max_outstanding_requests=http.maxOutstandingRequests,
        max_concurrent_requests=http.maxConcurrentRequests,
        body_limit=limit or FrontOptions().body_limit,
        patience=_patience(app),
        custom_headers=http.customHeaders,
        home_page=_home_page(host, app),
        cors=_cors(host, app),
    )


def _patience(app: AppSettings) -> float:
    """Seconds that callers may take to send a request: 30 unless the setting says otherwise, 0 for any time."""
    seconds = whole_number(app.get("FUNCHOST_REQUEST_TIMEOUT"), 0, 86_400)
    return FrontOptions().patience if seconds is None else seconds or math.inf


def _home_page(host: Host, app: AppSettings) -> Callable[[Mapping[str, str]], bytes] | None:
    if (app.get("AzureWebJobsDisableHomepage") or "").lower() == "true":
        return None

    def page(headers: Mapping[str, str]) -> bytes:
        from .admin.home_page import home_page  # a page that few look at, and none at the start

        return home_page(host, headers)

    return page


def _cors(host: Host, app: AppSettings) -> Cors | None:
    origins = app.host.CORS if host.configuration.options.cors is None else host.configuration.options.cors
    credentials = host.configuration.options.cors_credentials
    if not origins:
        return None
    return Cors(
        origins.split(","), credentials=app.host.CORSCredentials if credentials is None else credentials
    )
