"""The HTTP side of a host: its front, set up from host.json, settings and the command line.

Imported once the workers are on their way: aiohttp takes longer to import than a worker to start.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ..triggers.cors import Cors
from ..triggers.http_endpoint import FrontOptions
from ..triggers.http_front import HttpFront
from .admin.admin import Admin
from .config.settings import AppSettings, whole_number

if TYPE_CHECKING:
    from .host import Host


def make_front(host: Host) -> HttpFront:
    """The front of a host, not started yet."""
    options = _options(host)
    return HttpFront(options, authorize=host.authorize, admin=Admin(host, options.patience).handle)


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
