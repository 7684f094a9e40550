"""Azure's HTTP streams: with a web extension such as azurefunctions.extensions.http.fastapi imported, HTTP functions
get the requests of that framework and return what it takes.

The extension brings a web app. A catch-all route in it calls the function, so all of the framework's rules hold.
Nothing of this is imported here: an app that uses it has done so before.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from types import UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin
from urllib.parse import unquote

from .asgi import VERSIONS, App, Exchange
from .converters import shown
from .errors import LoadError
from .streams import IncomingStream
from .values_output import Result

if TYPE_CHECKING:
    from .invocation import Invocation

_BASE = "azurefunctions.extensions.base"

#: Where a scope holds what the catch-all route calls.
_CALL = "funchost.call"

#: Who the client is for a function in Azure: the host, which hands requests on.
_CLIENT = ("127.0.0.1", 0)


def serves(function: Mapping[str, Any]) -> bool:
    """Whether that function (as in a `load` frame) is called through a web extension."""
    base = sys.modules.get(_BASE)
    checker = getattr(base, "HttpV2FeatureChecker", None)
    return function["trigger"]["type"] == "httpTrigger" and bool(checker and checker.http_v2_enabled())


def check(call: Callable[..., Any], name: str, hints: Mapping[str, Any]) -> dict[str, Any]:
    """The annotations without those of the request, called `name`, and of the response: both are checked here.

    Raises `LoadError`.
    """
    base: Any = sys.modules[_BASE]
    extension = base.ModuleTrackerMeta.get_module().removesuffix(".web")
    if inspect.isasyncgenfunction(call):
        raise LoadError(
            f"The function has a yield, which {extension} does not support: return "
            "StreamingResponse(generator()) instead."
        )
    request = hints.get(name)
    if request is not None and not base.RequestTrackerMeta.check_type(request):
        raise LoadError(
            f"Parameter {name!r} (httpTrigger) cannot be {shown(request)}: the app imports {extension}, so all "
            "of its HTTP functions get that package's requests. Annotate it as Request of that package."
        )
    response = hints.get("return")
    if not all(map(base.ResponseTrackerMeta.check_type, _kinds(response))):
        raise LoadError(
            f"The returned value cannot be {shown(response)}: the app imports {extension}, so its HTTP "
            "functions return that package's responses, text, a number, a dict, a list or a pydantic model."
        )
    return {key: hint for key, hint in hints.items() if key not in (name, "return")}


def _kinds(annotation: Any) -> list[Any]:
    """The classes that an annotation names: more than one for a union, none for none."""
    if annotation is None:
        return []
    members = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else [annotation]
    return [get_origin(member) or member for member in members]


class ExtensionFunction:
    """Calls a function within the extension's web app; a plain one runs in a thread."""

    def __init__(self, call: Callable[..., Any], trigger: str) -> None:
        self._call = call
        self._plain = not inspect.iscoroutinefunction(call)
        self._trigger = trigger
        self._app = _web_app()
        self._synchronizer = sys.modules[_BASE].RequestTrackerMeta.get_synchronizer()

    async def __call__(
        self, invocation: Invocation, body: bytes | IncomingStream, inputs: Sequence[bytes]
    ) -> Result:
        arguments = invocation.bind(b"", inputs)
        data = invocation.header["data"]
        outputs: list[tuple[str, str, bytes]] = []

        async def call(request: Any) -> Any:
            self._synchronizer.sync_route_params(request, data["params"])
            arguments[self._trigger] = request
            returned = await (
                invocation.call_in_thread(arguments) if self._plain else self._call(**arguments)
            )
            outputs.extend(invocation.function.results(arguments, None).outputs)
            return returned

        result = await Exchange(self._app, {**request_scope(data), _CALL: call}, body).respond()
        return result._replace(outputs=outputs)


@functools.cache
def _web_app() -> App:
    """The extension's web app, with its one route. One for all functions: making it takes a while."""
    base: Any = sys.modules[_BASE]
    web_app = sys.modules[base.ModuleTrackerMeta.get_module()].WebApp()

    async def catch_all(request: Any) -> Any:
        return await request.scope[_CALL](request)

    catch_all.__annotations__ = {"request": base.RequestTrackerMeta.get_request_type()}
    web_app.route(catch_all)
    return web_app.get_app()  # type: ignore[no-any-return]


def request_scope(data: Mapping[str, Any]) -> dict[str, Any]:
    """The ASGI scope of a request, from the `data` of its `invoke` frame."""
    scheme, _, rest = data["url"].partition("://")
    address, slash, target = rest.partition("/")
    path, _, query = (slash + target).partition("?")
    host, _, port = (
        address.rpartition(":") if address.rstrip("0123456789").endswith(":") else (address, "", "")
    )
    return {
        "type": "http",
        "asgi": {**VERSIONS},
        "http_version": "1.1",
        "method": data["method"],
        "scheme": scheme,
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in data["headers"]],
        "server": (host, int(port) if port else {"https": 443}.get(scheme, 80)),
        "client": _CLIENT,
    }
