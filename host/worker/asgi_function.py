"""The app of an `AsgiFunctionApp`, called without the package in between, which would collect the response."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import values_azure
from .asgi import VERSIONS, App, Exchange
from .asgi_lifespan import Lifespan
from .streams import IncomingStream
from .values_output import Result

if TYPE_CHECKING:
    from .invocation import Invocation


def wrapped_app(call: Callable[..., Any]) -> App | None:
    """The ASGI app, if `call` is the function that an `AsgiFunctionApp` made of one.

    None also for a package from before lifespans, which are its own matter then.
    """
    middleware = getattr(sys.modules.get("azure.functions"), "AsgiMiddleware", None)
    if middleware is None or not getattr(call, "__module__", "").startswith("azure.functions."):
        return None
    if not (inspect.iscoroutinefunction(call) and hasattr(middleware, "notify_startup")):
        return None
    found = [
        value for value in inspect.getclosurevars(call).nonlocals.values() if isinstance(value, middleware)
    ]
    return found[0]._app if found else None


class AsgiFunction:
    """Calls the app with what the package would tell it, and lets request and response through as they come."""

    def __init__(self, app: App, trigger: str) -> None:
        self._app = app
        self._lifespan = Lifespan(app)
        self._request = values_azure.builder("httpTrigger", f"Parameter {trigger!r} (httpTrigger)")

    async def __call__(
        self, invocation: Invocation, body: bytes | IncomingStream, inputs: Sequence[bytes]
    ) -> Result:
        context = invocation.bind(b"", inputs).get("context")
        await self._lifespan.started()
        return await Exchange(self._app, self._scope(invocation.header, context), body).respond()

    def _scope(self, header: Mapping[str, Any], context: Any) -> dict[str, Any]:
        from azure.functions._http_asgi import AsgiRequest

        request = AsgiRequest(self._request(header, b""), context)
        # Servers must say which ASGI they speak, which the package leaves out.
        return {**request.to_asgi_http_scope(), "asgi": {**VERSIONS}, "state": {**self._lifespan.state}}
