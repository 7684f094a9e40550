"""HTTP trigger: checks the entry, and gives the function its place at the HTTP front."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..bindings.errors import ConfigurationError
from .base import Deliver, Listener, Resources, Trigger, TriggerEvent
from .descriptor import FunctionDescriptor, Problem
from .fields import HttpTriggerFields
from .http_endpoint import Endpoint
from .http_front import HttpFront
from .http_response import TEXT, Reply, must_return
from .routes import Route, find_conflicts, order_differences

_METHOD = re.compile(r"[A-Za-z][A-Za-z-]*")
#: Starts of routes that belong to the host. As in Azure this is a test of the text: 'administrators' is refused too.
_RESERVED = ("admin", "runtime")


class HttpTrigger(Trigger):
    """`httpTrigger`: a route, methods and the level of key that a caller must show."""

    type = "httpTrigger"
    Fields = HttpTriggerFields

    fields: HttpTriggerFields

    def __init__(self, function: FunctionDescriptor, fields: HttpTriggerFields, resources: Resources) -> None:
        """Raises `ConfigurationError` for a route or method that cannot be served."""
        super().__init__(function, fields, resources)
        assert resources.http is not None
        self._front = resources.http
        route = (fields.route or "").strip().strip("/") or function.name
        _check_not_reserved(route)
        _check_methods(fields.methods or [])
        self.route = Route.parse(function.name, self._front.options.full_route(route), fields.methods)

    def listener(self, deliver: Deliver) -> Listener:
        """Serves the function, also a disabled one (it then answers 404 to all but the master key)."""
        endpoint = Endpoint(
            route=self.route,
            auth_level=self.fields.authLevel,
            deliver=deliver,
            disabled=self.function.disabled,
            instead=_not_served(self.function),
            must_return=must_return(self.function),
            with_metadata=_uses_expressions(self.function),
        )
        return HttpListener(self._front, endpoint)

    def describe(self) -> str:
        methods = f"[{','.join(sorted(self.route.methods))}] " if self.route.methods else ""
        return f"{methods}/{self.route.template.text}"

    async def manual_event(self, data: bytes | None) -> TriggerEvent:
        """A POST request with `data` as its body."""
        body = data or b""
        kind = "application/json" if body.lstrip()[:1] in (b"{", b"[") else "text/plain; charset=utf-8"
        return TriggerEvent(
            kind="http",
            body=body,
            data={
                "method": "POST",
                "url": f"http://localhost/{self.route.template.text}",
                "headers": [["host", "localhost"], ["content-type", kind]],
                "query": {},
                "params": {},
            },
            repeatable=False,
        )


class HttpListener:
    """A function's place at the front."""

    def __init__(self, front: HttpFront, endpoint: Endpoint) -> None:
        self._front = front
        self._endpoint = endpoint
        self._listening = False

    async def start(self) -> None:
        """Take requests from now on, in place of an older listener of the same function."""
        self._front.register(self._endpoint)
        self._listening = True

    async def stop(self) -> None:
        """Take no new requests, and return once those in the function are answered."""
        self._listening = False
        self._front.unregister(self._endpoint)
        await self._endpoint.drained()

    @property
    def state(self) -> str:
        """``listening`` or ``stopped``."""
        return "listening" if self._listening else "stopped"


def route_problems(triggers: Iterable[HttpTrigger]) -> list[Problem]:
    """What is wrong between routes: collisions, each an error of the later function, and where Azure's order differs."""
    by_name = {trigger.function.name: trigger for trigger in triggers}
    conflicts = find_conflicts(trigger.route for trigger in by_name.values())
    taken_out = {route.function for route, _ in conflicts}
    problems = [_collision(by_name[route.function].function, route, other) for route, other in conflicts]
    rest = [trigger.route for name, trigger in by_name.items() if name not in taken_out]
    return problems + [
        by_name[difference.ours].function.problem(
            "route",
            str(difference),
            fix="If the app is to run on Azure too, rename a function or narrow a route; else ignore this.",
            severity="warning",
        )
        for difference in order_differences(rest)
    ]


def _collision(function: FunctionDescriptor, route: Route, other: Route) -> Problem:
    return function.problem(
        "route",
        f"The route '/{route.template.text}' of '{route.function}' is taken by '{other.function}' "
        f"for the method {route.shares_method(other)}.",
        fix="Give it another route, or methods of its own.",
    )


def _check_not_reserved(route: str) -> None:
    for word in _RESERVED:
        if route.lower().startswith(word):
            raise ConfigurationError(
                f"The route '{route}' cannot be served: as on Azure, a route must not begin with "
                f"{' or '.join(_RESERVED)}. Set another `route`.",
                key="route",
            )


def _check_methods(methods: Iterable[str]) -> None:
    for method in methods:
        if _METHOD.fullmatch(method) is None:
            raise ConfigurationError(
                f"'{method}' is not an HTTP method; write names such as 'get' and 'post'.", key="methods"
            )


def _not_served(function: FunctionDescriptor) -> Reply | None:
    """Why the function does not answer requests, for its developer."""
    if not function.unserved:
        return None
    types = ", ".join(function.unserved)
    text = f"{function.name} uses {types}, not served here. Run it by hand: funchost run {function.name} --data …"
    return Reply(501, (TEXT,), text.encode())


def _uses_expressions(function: FunctionDescriptor) -> bool:
    """Whether anything of it is filled in from an event's metadata."""
    scoped = function.policy.singleton is not None and function.policy.singleton.scope is not None
    return scoped or any(binding.type != "http" for binding in function.bindings)
