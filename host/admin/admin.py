"""The admin API: what tools ask a running host over HTTP (functions-semantics, section 12; docs/admin-api.md).

Here is who may call, and how a call comes to its route and back. `table` has the routes.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING
from urllib.parse import unquote

from aiohttp.web import BaseRequest, Response, StreamResponse

from ...bindings.blob import ContainerMissing
from ...bindings.errors import (
    AccessDenied,
    ConfigurationError,
    FunchostError,
    MessageTooLarge,
    NotFound,
    QueueMissing,
    StoreError,
)
from ...triggers.http_pace import TooSlow
from ..keys import MASTER
from .answers import Events, Plain, Raw, response, send_raw
from .call import AdminCall, BodyTooLarge
from .caller import is_developers, is_foreign
from .desk import Desk
from .notes import note
from .query import read_query
from .routes import Route, Router
from .streams import send_events

if TYPE_CHECKING:
    from ..host import Host

log = logging.getLogger("funchost.host.admin")

#: Streams that may be open at a time.
MOST_STREAMS = 64

_FOREIGN = {"error": "Requests from other origins are refused."}
_BY_KEY = {"error": "Without the master key this is open only at localhost, and not through a proxy."}
_CLOSED = {"error": "The host is not running: it is starting or stopping."}
_CROWDED = {"error": f"There are {MOST_STREAMS} readers of streams already."}

#: What each error of an operation answers; the first that fits counts.
_STATUSES = (
    (NotFound, 404),
    (QueueMissing, 404),
    (ContainerMissing, 404),
    (TooSlow, 408),
    (ConfigurationError, 409),
    (BodyTooLarge, 413),
    (MessageTooLarge, 413),
    (StoreError, 503),
    (AccessDenied, 503),
    (FunchostError, 400),
)


class Admin:
    """Answers `/admin/…`. Every path but the ping asks for the master key, unless a developer's host is asked here."""

    def __init__(self, host: Host, patience: float) -> None:
        """A body is waited for with this patience (`Pace`)."""
        self._host = host
        self._patience = patience
        self._desk = Desk(host)
        self._router: Router | None = None

    async def handle(self, request: BaseRequest) -> StreamResponse:
        """One request; never raises for what it holds."""
        # Dots are not resolved: who keeps /admin from callers by its name shall not be got around.
        path = request.raw_path.partition("?")[0].removeprefix("/")
        prefix, *parts = [unquote(part) for part in path.split("/")]
        try:
            return await self._find(request, parts if prefix.lower() == "admin" else [])
        except ConnectionError:
            raise  # nobody is there to be answered
        except (FunchostError, RecursionError, OSError) as error:
            if request.writer.output_size:
                raise  # too late for another answer: it is broken off
            return _failed(error)

    async def _find(self, request: BaseRequest, parts: list[str]) -> StreamResponse:
        """Check the caller, and have the route answer."""
        if self._router is None:
            # Half of what people can do with a host is loaded for it: no start waits for that, and no other request.
            self._router = await asyncio.to_thread(_all_routes)
        found = self._router.find(parts)
        route = found[0].routes.get(request.method) if found else None
        if not (found and found[0].is_public) and (refusal := self._refusal(request)):
            return response(*refusal)
        if found is None:
            return response(404, None)
        place, names = found
        if route is None:
            return Response(status=405, headers={"Allow": ", ".join(place.routes)})
        if not self._host.is_open and not route.always:
            return response(503, _CLOSED)
        return await self._answer(request, route, names)

    async def _answer(self, request: BaseRequest, route: Route, names: dict[str, str]) -> StreamResponse:
        query = read_query(request.query, route.query, lenient=route.lenient)
        call = AdminCall(self._desk, request, names, query, self._who(request), self._patience)
        answer = await route.handler(call)
        if isinstance(answer, Raw):
            return await send_raw(request, answer)
        if isinstance(answer, Events):
            return await self._stream(request, answer)
        if route.action:
            await note(call, route.action, answer)
        return response(*answer)

    async def _stream(self, request: BaseRequest, events: Events) -> StreamResponse:
        try:
            if self._desk.streams >= MOST_STREAMS:
                return response(503, _CROWDED, {"Retry-After": "5"})
            self._desk.streams += 1
            try:
                return await send_events(request, events.reading, self._host.resources.stopping)
            finally:
                self._desk.streams -= 1
        finally:
            events.reading.close()

    # -- who asks

    def _refusal(self, request: BaseRequest) -> Plain | None:
        if is_foreign(request.headers):
            return 403, _FOREIGN
        if self._is_developers(request) or self._host.keys.authorize(_key(request), "admin", ""):
            return None
        return 401, None if self._host.configuration.asks_for_keys else _BY_KEY

    def _is_developers(self, request: BaseRequest) -> bool:
        return is_developers(self._host.configuration, request.headers)

    def _who(self, request: BaseRequest) -> str:
        """The caller as the audit names him: by the name of the key that let him in, or by his address."""
        return f"api:{request.remote or '?'}" if self._is_developers(request) else f"api:{MASTER}"


def _failed(error: Exception) -> Response:
    """What is answered for an error of an operation."""
    if isinstance(error, RecursionError):
        return response(400, {"error": "What was sent is nested too deeply."})
    if isinstance(error, OSError):
        log.warning("A call of the admin API failed: %s", error)
        return response(503, {"error": f"The system refuses it: {error.strerror or 'unknown'}."})
    status = next(status for kind, status in _STATUSES if isinstance(error, kind))
    return response(status, {"error": str(error)})


def _all_routes() -> Router:
    from .table import ROUTES

    return Router(ROUTES)


def _key(request: BaseRequest) -> str | None:
    return request.headers.get("x-functions-key") or request.query.get("code")
