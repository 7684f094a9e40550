"""The admin API of the host as a whole (functions-semantics 12.1): how it stands, and what it is to do."""

from __future__ import annotations

import logging
import platform
import time
from datetime import timedelta
from typing import Any, Literal

import msgspec

from ...bindings.errors import BindingError, FunchostError
from ...bindings.time_span import format_time_span
from ..availability import OFFLINE, RUNNING
from ..config.host_id import host_id
from .answers import Answer
from .call import AdminCall
from .models import DrainStatus, HostState, HostStatus, LogEntry, Processes, Refused, Resumed, Synced
from .routes import Handler, Route

log = logging.getLogger("funchost.host.admin.host")

#: The names and numbers by which callers give the level of a log entry.
_LEVELS = ("off", "error", "warning", "info", "verbose")
_LOG_LEVELS = {"error": logging.ERROR, "warning": logging.WARNING, "verbose": logging.DEBUG}


# -- how it stands


async def ping(call: AdminCall) -> Answer:
    """That it answers is all there is to know."""
    return 200, None


async def status(call: AdminCall) -> Answer:
    """State, version and identity; from `pid` on it is ours.

    `waiting` tells which functions are kept from work and why, `cloud` what is done at services that others use.
    """
    host = call.host
    settings = host.configuration.settings
    bundle = settings.host_json.extensionBundle
    shown = {
        "id": host_id(settings.app, host.configuration.root),
        "state": host.state,
        "version": host.version,
        "versionDetails": f"funchost {host.version}",
        "platformVersion": settings.app.get("WEBSITE_PLATFORM_VERSION") or "",
        "instanceId": settings.app.get("WEBSITE_INSTANCE_ID") or host.owner,
        "computerName": platform.node(),
        "processUptime": _uptime(),
        "functionAppContentEditingState": "Unknown",
        "errors": [
            problem.message
            for problem in host.problems
            if problem.function is None and problem.severity == "error"
        ],
        "pid": host.pid,
        "workers": host.pool.pids,
        "draining": host.availability.draining,
        "waiting": {one.name: one.state for one in host.functions.status() if one.waits}
        if host.is_open
        else {},
        "cloud": [use.document for use in host.cloud_uses] if host.is_open else [],
    }
    if bundle:
        shown["extensionBundle"] = {"id": bundle.get("id"), "version": bundle.get("version")}
    return 200, shown


async def config(call: AdminCall) -> Answer:
    """What is in force of host.json, the environment's word over it included."""
    host_json = call.host.configuration.settings.host_json
    builtins = msgspec.to_builtins(host_json, builtin_types=(timedelta,))
    return 200, _spelled(builtins)


async def processes(call: AdminCall) -> Answer:
    """The host's process and its workers'."""
    pids = {call.host.pid: "funchost", **dict.fromkeys(call.host.pool.pids, "worker")}
    return 200, {"processes": [{"processId": pid, "processName": name} for pid, name in pids.items()]}


# -- taking work, or not


async def state(call: AdminCall) -> Answer:
    """Running, or offline."""
    return 200, {"state": call.host.state}


async def set_state(call: AdminCall) -> Answer:
    """Take the app out of service, or bring it back; the body is the JSON text `"offline"` or `"running"`."""
    body = await call.json()
    wanted = {"offline": OFFLINE, "running": RUNNING}.get(body.lower() if isinstance(body, str) else "")
    if wanted is None:
        return 400, {"error": 'The body must be "offline" or "running", with the quotes.'}
    return (202 if await call.host.availability.turn(wanted) else 200), None


async def drain(call: AdminCall) -> Answer:
    """Begin a drain."""
    call.host.availability.drain()
    return 202, None


async def drain_status(call: AdminCall) -> Answer:
    """How far a drain has come."""
    activity = call.host.executor.activity
    state = "Completed" if activity.is_idle else "InProgress"
    return 200, {
        "state": state if call.host.availability.draining else "Disabled",
        "outstandingInvocations": activity.invocations,
        "outstandingRetries": activity.retries,
    }


async def resume(call: AdminCall) -> Answer:
    """End a drain."""
    if call.host.state != RUNNING:
        return 409, {"error": f"The host is not running: its state is {call.host.state}."}
    await call.host.availability.resume()
    return 200, {"State": call.host.state}


async def restart(call: AdminCall) -> Answer:
    """Read and begin everything anew; answers once that is in service."""
    try:
        await call.host.availability.restart()
    except FunchostError as error:
        return 503, {"error": str(error)}
    return 200, None


async def warm_up(call: AdminCall) -> Answer:
    """Run the function that warms the app up, if there is one and it has not been run."""
    await call.host.warm_up()
    return 200, None


async def sync_triggers(call: AdminCall) -> Answer:
    """Nothing is to be done: there is no scale controller that would have to be told of triggers."""
    return 200, {"status": "success"}


async def add_log_entries(call: AdminCall) -> Answer:
    """Write entries into the host's log: `[{"level", "message", "source", "functionName"}]`."""
    entries = await call.json()
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise BindingError("The body must be a list of log entries.")
    for entry in entries:
        _log(_lowered(entry))
    return 200, None


def _route(method: str, path: str, handler: Handler, summary: str, **more: Any) -> Route:
    """A route of Azure's: whatever else stands in its query does not matter."""
    return Route(method=method, path=path, handler=handler, summary=summary, lenient=True, **more)


ROUTES = (
    _route("GET", "host/ping", ping, "Whether the host answers.", is_public=True, always=True),
    _route("POST", "host/ping", ping, "Whether the host answers.", is_public=True, always=True),
    _route(
        "GET", "host/status", status, "State, version and identity.", answers={200: HostStatus}, always=True
    ),
    _route("GET", "host/state", state, "Running, or offline.", answers={200: HostState}),
    _route(
        "PUT",
        "host/state",
        set_state,
        "Take the app out of service, or bring it back.",
        body=Literal["offline", "running"],
        answers={200: None, 202: None},
        action="host.state",
    ),
    _route("POST", "host/drain", drain, "Begin a drain.", answers={202: None}, action="host.drain"),
    _route("GET", "host/drain/status", drain_status, "How far a drain has come.", answers={200: DrainStatus}),
    _route(
        "POST",
        "host/resume",
        resume,
        "End a drain.",
        answers={200: Resumed, 409: Refused},
        action="host.resume",
    ),
    _route("POST", "host/restart", restart, "Read and begin everything anew.", action="host.restart"),
    _route(
        "POST", "host/synctriggers", sync_triggers, "Nothing is to be done for it.", answers={200: Synced}
    ),
    _route(
        "GET",
        "host/config",
        config,
        "host.json as it is in force.",
        answers={200: dict[str, Any]},
    ),
    _route("GET", "host/processes", processes, "The host and its workers.", answers={200: Processes}),
    _route("POST", "host/log", add_log_entries, "Write entries into the host's log.", body=list[LogEntry]),
    _route("GET", "warmup", warm_up, "Run the function that warms the app up."),
    _route("POST", "warmup", warm_up, "Run the function that warms the app up."),
)


def _uptime() -> int:
    """Milliseconds since this process began."""
    import psutil  # 20 ms of import, which a start need not wait for

    return max(1, int((time.time() - psutil.Process().create_time()) * 1000))


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
