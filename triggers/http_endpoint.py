"""What the HTTP front is told: its options, and each function it serves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .base import Deliver
from .cors import Cors
from .http_response import Reply
from .routes import Route


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontOptions:
    """What host.json, settings and the command line say about HTTP."""

    route_prefix: str = "api"
    #: Requests running and waiting together; -1 is no bound.
    max_outstanding_requests: int = -1
    #: Requests running at a time; -1 is no bound.
    max_concurrent_requests: int = -1
    #: Bytes of a request's body.
    body_limit: int = 104_857_600
    #: Seconds that a request's head may take, and that its body may be waited for (`Pace`).
    patience: float = 30.0
    #: Seconds that a connection is kept without a request.
    idle_timeout: float = 130.0
    custom_headers: Mapping[str, str] = field(default_factory=dict)
    #: Gives the HTML that is shown at the root where no function is, to a request with these headers; without it there
    #: is nothing (204).
    home_page: Callable[[Mapping[str, str]], bytes] | None = None
    #: First segments of paths that go to the admin handler.
    admin_prefixes: frozenset[str] = frozenset({"admin", "runtime"})
    cors: Cors | None = None
    #: Seconds that a request waits for a host that is starting.
    ready_timeout: float = 30.0

    def full_route(self, route: str) -> str:
        """A function's route with the prefix, without slashes at its ends."""
        return "/".join(part for part in (self.route_prefix.strip("/"), route.strip().strip("/")) if part)


@dataclass(slots=True, kw_only=True, eq=False)
class Endpoint:
    """A function as the front knows it."""

    #: Prefix included.
    route: Route
    auth_level: str
    deliver: Deliver
    disabled: bool = False
    #: What a caller gets in place of a run, where the function cannot be served.
    instead: Reply | None = None
    #: Whether returning nothing is an error, since ``$return`` is the response.
    must_return: bool = False
    #: Whether its bindings use expressions, so that metadata is needed.
    with_metadata: bool = False
    #: Requests that are in it now.
    running: int = 0
    _idle: asyncio.Event | None = None

    def left(self) -> None:
        """A request is over."""
        self.running -= 1
        if self._idle is not None and not self.running:
            self._idle.set()

    async def drained(self) -> None:
        """Return once no request is in it."""
        while self.running:
            self._idle = asyncio.Event()
            await self._idle.wait()
