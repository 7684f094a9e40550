"""The admin API of functions (functions-semantics 12.2): how they stand, and runs by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from ...bindings.errors import BindingError
from ...triggers.base import Outcome, TriggerEvent
from ...triggers.http_server import discard
from ..availability import OFFLINE
from ..execution.outcome import outcome_document
from ..served_function import FunctionStatus, ServedFunction
from .call import AdminCall, Answer
from .function_document import function_document
from .portal_request import PortalRequest

if TYPE_CHECKING:
    from ..host import Host

_NO_INPUT = 'Send {"input": "…"}, or raw data as application/octet-stream.'


class FunctionsApi:
    """Answers calls below `/admin/functions`, but those about keys."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._running: set[asyncio.Task[Outcome]] = set()

    async def list(self, call: AdminCall) -> Answer:
        """All functions by name, those that cannot be served included."""
        return 200, [function_document(self._host, one, call.url) for one in self._all()]

    async def get(self, call: AdminCall) -> Answer:
        """One function."""
        status = self._status(call)
        return _unknown(call) if status is None else (200, function_document(self._host, status, call.url))

    async def status(self, call: AdminCall) -> Answer:
        """What stands in the way of one function."""
        status = self._status(call)
        return _unknown(call) if status is None else (200, {"errors": list(status.errors)})

    async def run(self, call: AdminCall) -> Answer:
        """Run a function once. With `?wait` the answer is its outcome, else only that it was begun."""
        status = self._status(call)
        if status is None:
            return _unknown(call)
        served = self._host.functions.get(status.name)
        if served is None or not self._host.pool.serves(status.name):
            return 409, {"error": f"The function '{status.name}' is in error: {' '.join(status.errors)}"}
        if self._host.state == OFFLINE:
            return 503, {"error": "The app is offline: remove app_offline.htm to bring it back."}
        event = await _event(call, served)
        run = asyncio.create_task(_run(served, event, keeps_result=call.waits))
        self._running.add(run)
        run.add_done_callback(self._running.discard)
        if not call.waits:
            return 202, None
        # A caller that goes away does not stop the run.
        return 200, await outcome_document(await asyncio.shield(run), served.descriptor)

    def _status(self, call: AdminCall) -> FunctionStatus | None:
        name = call.names[0].lower()
        return next((one for one in self._all() if one.name.lower() == name), None)

    def _all(self) -> Sequence[FunctionStatus]:
        return [self._host.availability.explained(one) for one in self._host.functions.status()]


async def _event(call: AdminCall, served: ServedFunction) -> TriggerEvent:
    """What the function is to be run for. Raises `BindingError` for a body that does not say, `NotFound`."""
    if call.is_raw:
        return await served.trigger.manual_event(await call.body())
    value = await call.json()
    if value is None and call.waits:
        return await served.trigger.manual_event(None)
    if not isinstance(value, dict):
        raise BindingError(f"The body must be an object. {_NO_INPUT}")
    data = _data(value)
    event = await served.trigger.manual_event(data)
    request = PortalRequest.read(data) if served.is_http and data else None
    return request.put_into(event) if request else event


def _data(value: dict[str, Any]) -> bytes | None:
    """What stands in `input`. A request as the portal describes it may also be the body itself."""
    given = next(
        (value[key] for key in value if key.lower() == "input"), value if "method" in value else None
    )
    if given is None:
        return None
    return given.encode() if isinstance(given, str) else msgspec.json.encode(given)


async def _run(served: ServedFunction, event: TriggerEvent, *, keeps_result: bool) -> Outcome:
    outcome = await served.deliver(event)
    if not keeps_result:
        await discard(outcome.body)
    return outcome


def _unknown(call: AdminCall) -> Answer:
    return 404, {"error": f"There is no function '{call.names[0]}'."}
