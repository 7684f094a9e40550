"""The admin API of the host as a whole (functions-semantics 12.1): how it stands, and what it is to do."""

from __future__ import annotations

import logging
import platform
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from ...bindings.errors import BindingError, FunchostError
from ...bindings.time_span import format_time_span
from ..availability import OFFLINE, RUNNING
from ..config.host_id import host_id
from .call import AdminCall, Answer

if TYPE_CHECKING:
    from ..host import Host

log = logging.getLogger(__name__)

#: The names and numbers by which callers give the level of a log entry.
_LEVELS = ("off", "error", "warning", "info", "verbose")
_LOG_LEVELS = {"error": logging.ERROR, "warning": logging.WARNING, "verbose": logging.DEBUG}


class HostApi:
    """Answers calls below `/admin/host`, and the warm-up."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._began = time.monotonic()

    # -- how it stands

    async def ping(self, call: AdminCall) -> Answer:
        """That it answers is all there is to know."""
        return 200, None

    async def status(self, call: AdminCall) -> Answer:
        """State, version and identity; from `pid` on it is ours.

        `waiting` tells which functions are kept from work and why, `cloud` what is done at services that others use.
        """
        host = self._host
        settings = host.configuration.settings
        bundle = settings.host_json.extensionBundle
        status = {
            "id": host_id(settings.app, host.configuration.root),
            "state": host.state,
            "version": host.version,
            "versionDetails": f"funchost {host.version}",
            "platformVersion": settings.app.get("WEBSITE_PLATFORM_VERSION") or "",
            "instanceId": settings.app.get("WEBSITE_INSTANCE_ID") or host.owner,
            "computerName": platform.node(),
            "processUptime": int((time.monotonic() - self._began) * 1000),
            "functionAppContentEditingState": "Unknown",
            "errors": [
                problem.message
                for problem in host.problems
                if problem.function is None and problem.severity == "error"
            ],
            "pid": host.pid,
            "workers": host.pool.pids,
            "draining": host.availability.draining,
            "waiting": {one.name: one.state for one in host.functions.status() if one.waits},
            "cloud": [use.document for use in host.cloud_uses],
        }
        if bundle:
            status["extensionBundle"] = {"id": bundle.get("id"), "version": bundle.get("version")}
        return 200, status

    async def config(self, call: AdminCall) -> Answer:
        """What is in force of host.json, the environment's word over it included."""
        builtins = msgspec.to_builtins(
            self._host.configuration.settings.host_json, builtin_types=(timedelta,)
        )
        return 200, _spelled(builtins)

    async def processes(self, call: AdminCall) -> Answer:
        """The host's process and its workers'."""
        pids = {self._host.pid: "funchost", **dict.fromkeys(self._host.pool.pids, "worker")}
        return 200, {"processes": [{"processId": pid, "processName": name} for pid, name in pids.items()]}

    # -- taking work, or not

    async def state(self, call: AdminCall) -> Answer:
        """Running, or offline."""
        return 200, {"state": self._host.state}

    async def set_state(self, call: AdminCall) -> Answer:
        """Take the app out of service, or bring it back; the body is the JSON text `"offline"` or `"running"`."""
        body = await call.json()
        wanted = {"offline": OFFLINE, "running": RUNNING}.get(body.lower() if isinstance(body, str) else "")
        if wanted is None:
            return 400, {"error": 'The body must be "offline" or "running", with the quotes.'}
        return (202 if await self._host.availability.turn(wanted) else 200), None

    async def drain(self, call: AdminCall) -> Answer:
        """Begin a drain."""
        self._host.availability.drain()
        return 202, None

    async def drain_status(self, call: AdminCall) -> Answer:
        """How far a drain has come."""
        activity = self._host.executor.activity
        state = "Completed" if activity.is_idle else "InProgress"
        return 200, {
            "state": state if self._host.availability.draining else "Disabled",
            "outstandingInvocations": activity.invocations,
            "outstandingRetries": activity.retries,
        }

    async def resume(self, call: AdminCall) -> Answer:
        """End a drain."""
        if self._host.state != RUNNING:
            return 409, {"error": f"The host is not running: its state is {self._host.state}."}
        await self._host.availability.resume()
        return 200, {"State": self._host.state}

    async def restart(self, call: AdminCall) -> Answer:
        """Read and begin everything anew; answers once that is in service."""
        try:
            await self._host.availability.restart()
        except FunchostError as error:
            return 503, {"error": str(error)}
        return 200, None

    async def warm_up(self, call: AdminCall) -> Answer:
        """Run the function that warms the app up, if there is one and it has not been run."""
        await self._host.warm_up()
        return 200, None

    async def sync_triggers(self, call: AdminCall) -> Answer:
        """Nothing is to be done: there is no scale controller that would have to be told of triggers."""
        return 200, {"status": "success"}

    async def log(self, call: AdminCall) -> Answer:
        """Write entries into the host's log: `[{"level", "message", "source", "functionName"}]`."""
        entries = await call.json()
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise BindingError("The body must be a list of log entries.")
        for entry in entries:
            _log(_lowered(entry))
        return 200, None


def _log(entry: dict[str, Any]) -> None:
    level = entry.get("level", "info")
    if isinstance(level, int) and 0 <= level < len(_LEVELS):
        level = _LEVELS[level]
    if str(level).lower() == "off":
        return
    about = [str(entry[key]) for key in ("source", "functionname") if entry.get(key)]
    log.log(
        _LOG_LEVELS.get(str(level).lower(), logging.INFO),
        "%s",
        ": ".join([*about, str(entry.get("message", ""))]),
    )


def _lowered(entry: dict[str, Any]) -> dict[str, Any]:
    return {key.lower(): value for key, value in entry.items()}


def _spelled(value: Any) -> Any:
    """A value with durations as they are written in host.json."""
    if isinstance(value, dict):
        return {key: _spelled(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_spelled(inner) for inner in value]
    return format_time_span(value) if isinstance(value, timedelta) else value
