"""The HTTP front: one server for all HTTP functions, and the order in which a request is checked.

Admin paths and probes first (they must answer while the host starts), then: host available (503), home page, throttle (429),
route (404), authorization (401), disabled (404), execute.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import cast

from aiohttp.web import BaseRequest, StreamResponse
from multidict import istr

from ..bindings.errors import StoreError
from .base import Outcome
from .common_headers import CommonHeaders
from .http_async import PREFER, Starts, asked, begin
from .http_call import Call
from .http_endpoint import Endpoint, FrontOptions
from .http_gate import HTML, Gate
from .http_request import (
    BodyError,
    RequestBody,
    origin_form,
    parse_query,
)
from .http_response import FAILED, TEXT, Reply, ResponseError, render
from .http_server import (
    Connection,
    HttpServer,
    WholeResponse,
    discard,
    may_have_body,
    send_stream,
)
from .routes import Router, split_path
from .throttle import Throttle

log = logging.getLogger(__name__)

AdminHandler = Callable[[BaseRequest], Awaitable[StreamResponse]]
#: Answers requests below `/runs`: the request, and the segments after that.
RunsHandler = Callable[[BaseRequest, Sequence[str]], Awaitable[Reply]]
#: Answers a request for one of `PROBES`.
ProbeHandler = Callable[[BaseRequest, str], Awaitable[Reply]]
#: Whether a key (or none) opens a function that asks for a level. Raises `StoreError` while no keys are known.
Authorize = Callable[[str | None, str, str], bool]

#: Paths that ask how the host fares, unless a function has them.
PROBES = frozenset({"healthz", "readyz", "metrics"})

#: Ready for lookup, since every request asks for it.
_KEY = istr("x-functions-key")

#: The home page shows values of the app: whatever they held, a browser would run and load nothing.
_HOME = (*HTML, ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"))
NO_HOME = Reply(204)
THROTTLED = Reply(429, (("X-FUNCTION-SCALEOUT", "1"),))
NOT_FOUND = Reply(404)
UNAUTHORIZED = Reply(401)
#: No key can be judged, since the store did not yet tell which there are.
KEYS_UNREAD = Reply(503, (("Retry-After", "1"),))
#: Somebody has paused the function; for how long, nobody knows.
PAUSED = Reply(503, (("Retry-After", "30"), TEXT), b"This function is paused.")


class HttpFront:
    """Answers requests by the functions registered with it."""

    def __init__(
        self,
        options: FrontOptions,
        *,
        authorize: Authorize,
        admin: AdminHandler,
        starts: Starts | None = None,
        runs: RunsHandler | None = None,
        probes: ProbeHandler | None = None,
    ) -> None:
        """Without `starts` every caller waits, without `runs` there is nothing below `/runs` but functions.

        Raises `ConfigurationError` for custom headers that cannot be sent.
        """
        self.options = options
        self._authorize = authorize
        self._admin = admin
        self._starts = starts
        self._runs = runs
        self._probes = probes
        self._endpoints: dict[str, Endpoint] = {}
        self._router: Router | None = None
        self._gate = Gate(options.ready_timeout)
        self._headers = CommonHeaders(options.cors, options.custom_headers)
        self._throttle = _throttle(options)
        self._server: HttpServer | None = None
        self._sockets: asyncio.Server | None = None
        self._stopping = False
        self._held: frozenset[str] = frozenset()

    def register(self, endpoint: Endpoint) -> None:
        """Serve a function, in place of what was registered under its name."""
        self._endpoints[endpoint.route.function] = endpoint
        self._router = None

    def unregister(self, endpoint: Endpoint) -> None:
        """Serve it no longer; nothing happens when another has taken its place."""
        if self._endpoints.get(endpoint.route.function) is endpoint:
            del self._endpoints[endpoint.route.function]
            self._router = None

    def hold(self, functions: Iterable[str]) -> None:
        """Refuse requests for these functions with 503, and for no others; those that run go on."""
        self._held = frozenset(functions)

    def set_ready(self, ready: bool) -> None:
        """Say whether functions can run; until then requests wait."""
        self._gate.set_ready(ready)

    def set_offline(self, page: bytes) -> None:
        """Answer with 503 and this HTML, until `set_ready`; requests that run go on."""
        self._gate.set_offline(page)

    async def start(self, address: str, port: int) -> int:
        """Listen, and return the port (0 takes any free one). Raises `OSError` when it cannot be had."""
        server = HttpServer(self._answer, self.options.patience, self.options.idle_timeout)
        loop = asyncio.get_running_loop()
        self._sockets = await loop.create_server(server, address, port, backlog=1024)
        self._server = server
        return int(self._sockets.sockets[0].getsockname()[1])

    async def stop(self, grace: float) -> None:
        """Accept nothing more, let running requests finish for `grace` seconds, then break them off."""
        if self._sockets is None or self._server is None:
            return
        self._stopping = True
        self._sockets.close()
        # Idle connections end here, busy ones after the request they are at.
        self._server.pre_shutdown()
        try:
            await asyncio.wait_for(self._server.shutdown(grace), grace)
        except TimeoutError:
            log.warning("HTTP requests that still ran at the end of the drain time were broken off.")
            await self._server.shutdown(0.1)
        self._sockets = self._server = None

    async def _answer(self, request: BaseRequest) -> StreamResponse:
        """Answer one request; what aiohttp calls."""
        cors = self.options.cors
        if cors is not None and (reply := cors.preflight(request.method, request.headers)):
            return self._whole(request, reply)
        target = origin_form(request.raw_path)
        path, _, query = target.partition("?")
        match = self._current_router().match_exact(request.method, path)
        segments = [] if match is not None else split_path(path)
        if segments and segments[0].lower() in self.options.admin_prefixes:
            return self._headers.on_response(request, await self._admin(request))
        if self._probes and (probe := self._probe(request, segments)):
            return self._whole(request, await self._probes(request, probe))
        if not self._gate.is_open and (refusal := await self._gate.refusal()):
            return self._whole(request, refusal)
        match = match or self._current_router().match_segments(request.method, segments)
        if match is None and self._runs and segments and segments[0].lower() == "runs":
            return self._whole(request, await self._runs(request, segments[1:]))
        if match is None and not segments and request.method in ("GET", "HEAD"):
            return self._whole(request, self._home(request))
        call = Call(request, target, parse_query(query), match)
        if self._throttle is None:
            return await self._execute(call)
        response = await self._throttle.run(lambda: self._execute(call))
        return response or self._whole(request, THROTTLED)

    def _probe(self, request: BaseRequest, segments: list[str]) -> str | None:
        """Which of `PROBES` is asked for. A function that has the path, as one for all paths has, is asked instead."""
        name = segments[0].lower() if len(segments) == 1 else ""
        if name not in PROBES or self._current_router().match_segments(request.method, segments):
            return None
        return name

    def _current_router(self) -> Router:
        """Built anew after the last of a row of registrations, not after each."""
        if self._router is None:
            self._router = Router.build(endpoint.route for endpoint in self._endpoints.values())
        return self._router

    def _home(self, request: BaseRequest) -> Reply:
        page = self.options.home_page
        return Reply(200, _HOME, page(request.headers)) if page else NO_HOME

    async def _execute(self, call: Call) -> StreamResponse:
        route, params = call.match or (None, {})
        endpoint = self._endpoints.get(route.function) if route is not None else None
        if endpoint is None:
            return self._whole(call.request, NOT_FOUND)
        refusal = self._refusal(call, endpoint) or endpoint.instead or self._pause(endpoint)
        if refusal is not None:
            return self._whole(call.request, refusal)
        endpoint.running += 1
        try:
            if self._starts and PREFER in call.request.headers and (wish := asked(call.request.headers)):
                ended = await begin(self._starts, wish, call, endpoint, params, self.options)
                reply = ended if isinstance(ended, Reply) else _rendered(endpoint, ended)
                return self._whole(call.request, reply)
            return await self._run(call, endpoint, params)
        except BodyError as error:
            return self._whole(call.request, Reply(error.status, close=True))
        finally:
            cast(Connection, call.request.protocol).unwatch()
            endpoint.left()

    def _refusal(self, call: Call, endpoint: Endpoint) -> Reply | None:
        """Why the caller may not run this function, or None when it may."""
        if endpoint.auth_level == "anonymous" and not endpoint.disabled:
            return None
        try:
            return self._judged(call, endpoint)
        except StoreError:
            return KEYS_UNREAD

    def _pause(self, endpoint: Endpoint) -> Reply | None:
        return PAUSED if endpoint.route.function in self._held else None

    def _judged(self, call: Call, endpoint: Endpoint) -> Reply | None:
        function = endpoint.route.function
        key = call.key
        if endpoint.auth_level != "anonymous" and not self._authorize(key, endpoint.auth_level, function):
            return UNAUTHORIZED
        # A disabled function is there for who shows the master key, and for nobody else.
        master = key is not None and self._authorize(key, "admin", function)
        return NOT_FOUND if endpoint.disabled and not master else None

    async def _run(self, call: Call, endpoint: Endpoint, params: dict[str, str]) -> StreamResponse:
        """Run the function. Raises `BodyError` when the request's body is refused, also on the way."""
        request = call.request
        body = await call.body(endpoint.route.function, self.options)
        event = call.event(endpoint, params, body)
        event.cancelled = cast(Connection, request.protocol).watch
        outcome = await endpoint.deliver(event)
        if isinstance(body, RequestBody) and body.error is not None:
            await discard(outcome.body)
            if body.error.status == 413 and not (outcome.error and outcome.error.is_callers):
                # The function made something of what had come, so its run does not tell.
                log.warning("%s", body.error, extra=_about(outcome))
            raise body.error
        reply = _rendered(endpoint, outcome)
        if not isinstance(reply.body, bytes):
            return await send_stream(request, self._dressed(request, reply), reply.body)
        if reply is FAILED:
            await discard(outcome.body)
        return self._whole(request, reply)

    def _whole(self, request: BaseRequest, reply: Reply) -> StreamResponse:
        return WholeResponse(self._dressed(request, reply))

    def _dressed(self, request: BaseRequest, reply: Reply) -> Reply:
        """The reply with what every response gets: CORS and custom headers, and the end of the connection."""
        reply = self._headers.on_reply(request, reply)
        if self._stopping or (request.body_exists and _waits_to_continue(request)):
            reply = Reply(reply.status, reply.headers, reply.body, close=True)
        return reply


def _waits_to_continue(request: BaseRequest) -> bool:
    """Whether the client may or may not send a body it announced: the connection cannot be used again."""
    return "Expect" in request.headers and not request.content.is_eof()


def _rendered(endpoint: Endpoint, outcome: Outcome) -> Reply:
    try:
        reply = render(outcome, must_return=endpoint.must_return)
    except ResponseError as error:
        log.error("The response cannot be sent: %s", error, extra=_about(outcome))
        return FAILED
    if isinstance(reply.body, bytes) and reply.body and not may_have_body("GET", reply.status):
        log.warning(
            "A response with the status %d has no body; the one that the function gave was not sent.",
            reply.status,
            extra=_about(outcome),
        )
    return reply


def _about(outcome: Outcome) -> dict[str, str]:
    """What a log record tells of the run it is about."""
    return {"function": outcome.function, "invocation": outcome.invocation_id}


def _throttle(options: FrontOptions) -> Throttle | None:
    bounds = options.max_outstanding_requests, options.max_concurrent_requests
    if bounds == (-1, -1):
        return None
    return Throttle(outstanding=bounds[0], concurrent=bounds[1])
