"""The paths of the key API (functions-semantics 8.3): keys of the host, and of each function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any, Concatenate

from ...bindings.errors import NotFound
from .answers import Answer, Plain
from .call import AdminCall
from .key_api import HOST_COLLECTIONS, KeyApi
from .models import Key, KeyList, KeyValue
from .routes import Handler, Route

#: What is done to a key: its name, collection and function are handed on.
_Act = Callable[Concatenate[KeyApi, ...], Awaitable[Plain]]


def _routes() -> Iterator[Route]:
    collections = {f"host/{name}": name for name in HOST_COLLECTIONS}
    for path, collection in {**collections, "functions/{function}/keys": "keys"}.items():
        yield from _of_collection(path, collection)


def _of_collection(path: str, collection: str) -> Iterator[Route]:
    on_key = partial(_on_key, collection)
    yield Route(
        method="GET",
        path=path,
        handler=partial(_list, collection),
        summary="The keys of a collection.",
        lenient=True,
        answers={200: KeyList},
    )

    def of_key(method: str, handler: Handler, summary: str, action: str | None = None, **more: Any) -> Route:
        place = f"{path}/{{key}}"
        return Route(
            method=method, path=place, handler=handler, summary=summary, lenient=True, action=action, **more
        )

    yield of_key("GET", partial(on_key, KeyApi.get), "One key.", answers={200: Key})
    made = {200: Key, 201: Key}
    yield of_key("POST", partial(on_key, KeyApi.roll), "Give a key a new value.", "keys.roll", answers=made)
    yield of_key(
        "PUT", partial(_set, collection), "Give a key this value.", "keys.set", body=KeyValue, answers=made
    )
    yield of_key(
        "DELETE", partial(on_key, KeyApi.delete), "Remove a key.", "keys.delete", answers={204: None}
    )


async def _list(collection: str, call: AdminCall) -> Answer:
    return await _api(call).list(collection, _function(call))


async def _on_key(collection: str, act: _Act, call: AdminCall) -> Answer:
    return await act(_api(call), call.names["key"], collection, _function(call))


async def _set(collection: str, call: AdminCall) -> Answer:
    body = await call.json()
    return await _api(call).set(call.names["key"], body, collection, _function(call))


def _api(call: AdminCall) -> KeyApi:
    return KeyApi(call.host.keys, call.url)


def _function(call: AdminCall) -> str | None:
    """The function's name as it is written; None for keys of the host. Raises `NotFound`."""
    name = call.names.get("function")
    if name is None:
        return None
    known = (one.name for one in call.host.functions.status())
    found = next((one for one in known if one.lower() == name.lower()), None)
    if found is None:
        raise NotFound(f"There is no function '{name}'.")
    return found


ROUTES = tuple(_routes())
