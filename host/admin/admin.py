"""The admin API: what tools ask a running host over HTTP (functions-semantics, section 12; docs/admin-api.md).

Here is which paths there are and who may call them. `functions`, `host` and `keys` beside it answer.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import unquote

import msgspec
from aiohttp.web import BaseRequest, Response, StreamResponse

from ...bindings.errors import FunchostError, NotFound, StoreError
from ...triggers.http_pace import Pace, TooSlow
from .call import ANY, AdminCall, Answer, Handlers
from .caller import is_developers, is_foreign
from .functions import FunctionsApi
from .host import HostApi
from .keys import key_routes

if TYPE_CHECKING:
    from ..host import Host

#: A path below `/admin`, in lower case, by segments.
Route = tuple[str, ...]

_PING, _STATUS = ("host", "ping"), ("host", "status")

_FOREIGN = {"error": "Requests from other origins are refused."}
_BY_KEY = {"error": "Without the master key this is open only at localhost, and not through a proxy."}


class Admin:
    """Answers `/admin/…`. Every path but the ping asks for the master key, unless a developer's host is asked here."""

    def __init__(self, host: Host, patience: float) -> None:
        """A body is waited for with this patience (`Pace`)."""
        self._host = host
        self._patience = patience
        self._routes = {tuple(path.split("/")): handlers for path, handlers in _table(host).items()}

    async def handle(self, request: BaseRequest) -> StreamResponse:
        """One request; never raises for what it holds."""
        # Dots are not resolved: who keeps /admin from callers by its name shall not be got around.
        path = request.raw_path.partition("?")[0].removeprefix("/").removesuffix("/")
        prefix, *parts = [unquote(part) for part in path.split("/")]
        try:
            return await self._answer(request, parts if prefix.lower() == "admin" else None)
        except NotFound as error:
            return _response(404, {"error": str(error)})
        except TooSlow as error:
            return _response(408, {"error": str(error)})
        except StoreError as error:
            return _response(503, {"error": str(error)})
        except FunchostError as error:
            return _response(400, {"error": str(error)})

    async def _answer(self, request: BaseRequest, parts: list[str] | None) -> StreamResponse:
        route = None if parts is None else self._route(parts)
        if route != _PING and (refusal := self._refusal(request)):
            return _response(*refusal)
        if parts is None or route is None:
            return _response(404, None)
        handlers = self._routes[route]
        if request.method not in handlers:
            return Response(status=405, headers={"Allow": ", ".join(handlers)})
        if not self._host.is_open and route not in (_PING, _STATUS):
            return _response(503, {"error": "The host is not running: it is starting or stopping."})
        names = [part for wanted, part in zip(route, parts, strict=True) if wanted == ANY]
        call = AdminCall(request, names, self._host.url, Pace(self._patience))
        return _response(*await handlers[request.method](call))

    def _route(self, parts: list[str]) -> Route | None:
        for route in self._routes:
            pairs = zip(route, parts, strict=False)
            if len(route) == len(parts) and all(want in (ANY, part.lower()) for want, part in pairs):
                return route
        return None

    def _refusal(self, request: BaseRequest) -> Answer | None:
        if is_foreign(request.headers):
            return 403, _FOREIGN
        if is_developers(self._host.configuration, request.headers):
            return None
        key = request.headers.get("x-functions-key") or request.query.get("code")
        if self._host.keys.authorize(key, "admin", ""):
            return None
        return 401, None if self._host.configuration.asks_for_keys else _BY_KEY


def _table(host: Host) -> dict[str, Handlers]:
    functions, of_host = FunctionsApi(host), HostApi(host)
    return {
        "host/ping": {"GET": of_host.ping, "POST": of_host.ping},
        "host/status": {"GET": of_host.status},
        "host/state": {"GET": of_host.state, "PUT": of_host.set_state},
        "host/drain": {"POST": of_host.drain},
        "host/drain/status": {"GET": of_host.drain_status},
        "host/resume": {"POST": of_host.resume},
        "host/restart": {"POST": of_host.restart},
        "host/synctriggers": {"POST": of_host.sync_triggers},
        "host/config": {"GET": of_host.config},
        "host/processes": {"GET": of_host.processes},
        "host/log": {"POST": of_host.log},
        "warmup": {"GET": of_host.warm_up, "POST": of_host.warm_up},
        "functions": {"GET": functions.list},
        f"functions/{ANY}": {"GET": functions.get, "POST": functions.run},
        f"functions/{ANY}/status": {"GET": functions.status},
        **key_routes(host),
    }


def _response(status: int, value: object) -> Response:
    if value is None:
        return Response(status=status)
    try:
        body = msgspec.json.encode(value)
    except (UnicodeEncodeError, OverflowError):
        # Names of files that are no Unicode, and numbers of any length, which stand in what people wrote.
        body = json.dumps(value).encode()
    return Response(status=status, body=body, content_type="application/json", charset="utf-8")
