"""What is settled when the host starts: a later change of it is told, and waits for the next start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...triggers.descriptor import Problem
from .host_json import HOST_JSON
from .local_settings import LOCAL_SETTINGS
from .settings import Settings

#: App settings of the kind, wherever they are set.
_SETTINGS = (
    "WEBSITE_TIME_ZONE",
    "TZ",
    "FUNCTIONS_WORKER_PROCESS_COUNT",
    "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT",
    "FUNCHOST_REQUEST_TIMEOUT",
    "AzureWebJobsDisableHomepage",
)


def settled_at_start(settings: Settings) -> dict[tuple[str | None, str], Any]:
    """The values of the kind, by file and key."""
    host_json = settings.host_json
    return {
        (HOST_JSON, "extensions.http"): host_json.extensions.http,
        (HOST_JSON, "extensions.queues.messageEncoding"): host_json.extensions.queues.messageEncoding,
        (HOST_JSON, "extensions.queues.dedupWindow"): host_json.extensions.queues.dedupWindow,
        (HOST_JSON, "logging.fileLoggingMode"): host_json.logging.fileLoggingMode,
        (HOST_JSON, "logging.file"): host_json.logging.file,
        (HOST_JSON, "fileWatchingEnabled"): host_json.fileWatchingEnabled,
        (HOST_JSON, "watchDirectories"): host_json.watchDirectories,
        (HOST_JSON, "watchFiles"): host_json.watchFiles,
        (LOCAL_SETTINGS, "Host"): settings.app.host,
        **{(None, name): settings.app.get(name) for name in _SETTINGS},
    }


def waiting_for_restart(
    before: Mapping[tuple[str | None, str], Any], now: Mapping[tuple[str | None, str], Any]
) -> list[Problem]:
    """A warning for each value that is another now than the host runs with."""
    return [
        Problem(
            "This was changed, and the running host goes on with the value it started with.",
            file,
            key,
            fix="Restart the host.",
            severity="warning",
        )
        for (file, key), value in now.items()
        if before[file, key] != value
    ]
