"""The paths of the key API (functions-semantics 8.3): keys of the host, and of each function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Concatenate

from .call import ANY, AdminCall, Answer, Handlers
from .key_api import HOST_COLLECTIONS, KeyApi

if TYPE_CHECKING:
    from ..host import Host

#: What is done to a key: its name, collection and function are handed on.
_Act = Callable[Concatenate[KeyApi, ...], Awaitable[Answer]]


def key_routes(host: Host) -> dict[str, Handlers]:
    """The handlers of each path."""
    routes: dict[str, Handlers] = {}
    collections = {f"host/{name}": name for name in HOST_COLLECTIONS}
    for path, collection in {**collections, f"functions/{ANY}/keys": "keys"}.items():
        on_key = partial(_on_key, host, collection)
        routes[path] = {"GET": partial(_list, host, collection)}
        routes[f"{path}/{ANY}"] = {
            "GET": partial(on_key, KeyApi.get),
            "POST": partial(on_key, KeyApi.roll),
            "PUT": partial(_set, host, collection),
            "DELETE": partial(on_key, KeyApi.delete),
        }
    return routes


async def _list(host: Host, collection: str, call: AdminCall) -> Answer:
    if not call.names:
        return await _api(host, call).list(collection)
    function = _function(host, call.names[0])
    return await _api(host, call).list(collection, function) if function else _no_function(call)


async def _on_key(host: Host, collection: str, act: _Act, call: AdminCall) -> Answer:
    *owner, name = call.names
    function = _function(host, owner[0]) if owner else None
    if owner and function is None:
        return _no_function(call)
    return await act(_api(host, call), name, collection, function)


async def _set(host: Host, collection: str, call: AdminCall) -> Answer:
    body = await call.json()

    async def act(api: KeyApi, name: str, collection: str, function: str | None) -> Answer:
        return await api.set(name, body, collection, function)

    return await _on_key(host, collection, act, call)


def _api(host: Host, call: AdminCall) -> KeyApi:
    return KeyApi(host.keys, call.url)


def _function(host: Host, name: str) -> str | None:
    """The function's name as it is written; None where there is no such function."""
    return next((one.name for one in host.functions.status() if one.name.lower() == name.lower()), None)


def _no_function(call: AdminCall) -> Answer:
    return 404, {"error": f"There is no function '{call.names[0]}'."}
