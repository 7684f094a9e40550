"""The admin API of functions (functions-semantics 12.2): how they stand, and runs by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from ...bindings.errors import BindingError, ConfigurationError, NotFound, StoreError
from ...triggers.base import TriggerEvent
from ...triggers.http_async import Started, TooManyStarts, accepted, ends_within, seconds_of
from ..availability import OFFLINE
from ..execution.outcome import outcome_document
from ..served_function import FunctionStatus, ServedFunction
from .answers import Answer
from .call import AdminCall
from .function_document import function_document
from .models import Begun, ByHand, Errors, Function, Refused
from .models import Outcome as OutcomeModel
from .portal_request import PortalRequest
from .routes import Route

if TYPE_CHECKING:
    from ..host import Host

_NO_INPUT = 'Send {"input": "…"}, or raw data as application/octet-stream.'


class OutOfService(StoreError):
    """The app is offline."""


class RunQuery(msgspec.Struct, frozen=True):
    """How a run by hand is asked for."""

    wait: Annotated[
        str | None,
        msgspec.Meta(
            description="Answer with the outcome, once it has ended. A number is the seconds to wait for that: then it "
            "is 202, and `Location` tells where to ask."
        ),
    ] = None

    @property
    def seconds(self) -> float:
        """How long the caller waits."""
        if self.wait is None:
            return 0.0
        seconds = seconds_of(self.wait)
        return math.inf if seconds is None else seconds


async def list_functions(call: AdminCall) -> Answer:
    """All functions by name, those that cannot be served included."""
    return 200, [function_document(call.host, one, call.url) for one in _all(call.host)]


async def get_function(call: AdminCall) -> Answer:
    """One function."""
    return 200, function_document(call.host, function_named(call), call.url)


async def function_status(call: AdminCall) -> Answer:
    """What stands in the way of one function."""
    return 200, {"errors": list(function_named(call).errors)}


async def run_function(call: AdminCall) -> Answer:
    """Run a function once. With `?wait` the answer is its outcome, else only that it was begun."""
    status = function_named(call)
    served = runnable(call, status)
    waits = call.query(RunQuery).wait is not None
    event, callback = await _event(call, served, waits=waits)
    return await run_by_hand(call, served, event, callback)


def runnable(call: AdminCall, status: FunctionStatus) -> ServedFunction:
    """The function in service. Raises `ConfigurationError` for one in error, `OutOfService`."""
    served = call.host.functions.get(status.name)
    if served is None or not call.host.pool.serves(status.name):
        raise ConfigurationError(f"The function '{status.name}' is in error: {' '.join(status.errors)}")
    if call.host.state == OFFLINE:
        raise OutOfService("The app is offline: remove app_offline.htm to bring it back.")
    return served


async def run_by_hand(
    call: AdminCall,
    served: ServedFunction,
    event: TriggerEvent,
    callback: str | None = None,
    *,
    begun: Any = None,
) -> Answer:
    """Run it for this event; the answer is its outcome where that comes within the query's `wait`, and else `begun`, or
    if there is none where to ask for it."""
    query = call.query(RunQuery)
    try:
        started = await call.host.callers.starts.begin(
            served.descriptor.name, served.deliver, event, callback
        )
    except TooManyStarts as error:
        return 429, {"error": str(error)}, {"Retry-After": "5"}
    # A caller that goes away does not stop the run.
    if await ends_within(started, query.seconds):
        return 200, await outcome_document(started.outcome.result(), served.descriptor)
    headers, document = await _told(call, started)
    # Azure's host answers nothing where nobody asks for a wait.
    return 202, begun or (None if query.wait is None else document), headers


async def _told(call: AdminCall, started: Started) -> tuple[dict[str, str], dict[str, Any] | None]:
    """Headers and document that tell where to ask for a run, where that can be asked for."""
    try:
        path = await started.status_path() if call.host.callers.is_on else None
    except StoreError:
        path = None  # it runs all the same
    if path is None:
        return {}, None
    headers, document = accepted(started.id, path, call.url)
    return dict(headers), document


ROUTES = (
    Route(
        method="GET",
        path="functions",
        handler=list_functions,
        summary="All functions by name, those in error included.",
        lenient=True,
        answers={200: list[Function]},
    ),
    Route(
        method="GET",
        path="functions/{function}",
        handler=get_function,
        summary="One function.",
        lenient=True,
        answers={200: Function},
    ),
    Route(
        method="POST",
        path="functions/{function}",
        handler=run_function,
        summary="Run a function once.",
        query=RunQuery,
        lenient=True,
        body=ByHand,
        body_optional=True,
        answers={200: OutcomeModel, 202: Begun | None, 409: Refused, 429: Refused},
        action="functions.run",
    ),
    Route(
        method="GET",
        path="functions/{function}/status",
        handler=function_status,
        summary="What stands in the way of one function.",
        lenient=True,
        answers={200: Errors},
    ),
)


def function_named(call: AdminCall) -> FunctionStatus:
    """The function that the path names, in any case. Raises `NotFound`."""
    name = call.names["function"]
    found = next((one for one in _all(call.host) if one.name.lower() == name.lower()), None)
    if found is None:
        raise NotFound(f"There is no function '{name}'.")
    return found


def _all(host: Host) -> Sequence[FunctionStatus]:
    return [host.availability.explained(one) for one in host.functions.status()]


async def _event(call: AdminCall, served: ServedFunction, *, waits: bool) -> tuple[TriggerEvent, str | None]:
    """What the function is to be run for, and the URL that is to be called then.

    Raises `BindingError` for a body that does not say, `NotFound`.
    """
    if call.is_raw:
        return await served.trigger.manual_event(await call.body()), None
    value = await call.json()
    if value is None and waits:
        return await served.trigger.manual_event(None), None
    if not isinstance(value, dict):
        raise BindingError(f"The body must be an object. {_NO_INPUT}")
    data = _data(value)
    event = await served.trigger.manual_event(data)
    request = PortalRequest.read(data) if served.is_http and data else None
    return request.put_into(event) if request else event, _callback(value)


def _data(value: dict[str, Any]) -> bytes | None:
    """What stands in `input`. A request as the portal describes it may also be the body itself."""
    given = next(
        (value[key] for key in value if key.lower() == "input"), value if "method" in value else None
    )
    if given is None:
        return None
    return given.encode() if isinstance(given, str) else msgspec.json.encode(given)


def _callback(value: dict[str, Any]) -> str | None:
    given = next((value[key] for key in value if key.lower() == "callbackurl"), None)
    if not isinstance(given, str | None):
        raise BindingError("The callbackUrl must be a text.")
    return given
