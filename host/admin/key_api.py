"""The key API (functions-semantics 8.3): each call gives a status and what to answer, ready to be mounted."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ..keys import HOST_RING, MASTER, MASTER_RING, SYSTEM_RING, Key, Keys, function_ring, new_value

Answer = tuple[int, dict[str, Any] | None]

#: Collections below ``admin/host/``.
HOST_COLLECTIONS = {"keys": HOST_RING, "functionkeys": HOST_RING, "systemkeys": SYSTEM_RING}


class KeyApi:
    """Reads and changes keys. A collection is ``keys``, ``functionkeys``, ``systemkeys``, or a function's own.

    All of it asks for the master key, which the caller checks, as it checks that a function exists.
    """

    def __init__(self, keys: Keys, url: str = "") -> None:
        """`url` is that of the host, which links begin with."""
        self._keys = keys
        self._url = url

    async def list(self, collection: str, function: str | None = None) -> Answer:
        """GET on a collection: its keys."""
        ring = _ring(collection, function)
        if ring is None:
            return 404, None
        keys = await self._keys.list(function) if function else self._keys.ring(ring)
        return 200, {
            "keys": [{"name": key.name, "value": key.value} for key in keys],
            "links": [{"rel": "self", "href": self._base(collection, function)}],
        }

    async def get(self, name: str, collection: str, function: str | None = None) -> Answer:
        """GET on a key. The master key can be read below ``systemkeys`` only."""
        ring = _ring(collection, function, name)
        key = self._keys.get(ring, name) if ring else None
        return (404, None) if key is None else (200, _shown(key, self._base(collection, function)))

    async def roll(self, name: str, collection: str, function: str | None = None) -> Answer:
        """POST on a key: make it, or give it a new value."""
        return await self._store(name, new_value(), collection, function)

    async def set(self, name: str, body: Any, collection: str, function: str | None = None) -> Answer:
        """PUT on a key: give it the value in the body."""
        value = body.get("value") if isinstance(body, dict) else None
        if not isinstance(value, str) or not value.strip():
            return 400, {"error": "The body must be a JSON object with a text 'value' that is not empty."}
        if str(body.get("name") or name).lower() != name.lower():
            return 400, {"error": "The 'name' in the body is not the one in the address."}
        return await self._store(name, value, collection, function)

    async def delete(self, name: str, collection: str, function: str | None = None) -> Answer:
        """DELETE on a key; the master key stays."""
        if name.lower() == MASTER:
            return 400, {"error": "The master key cannot be deleted; POST gives it a new value."}
        ring = _ring(collection, function, name)
        return (204, None) if ring and await self._keys.remove(ring, name) else (404, None)

    async def _store(self, name: str, value: str, collection: str, function: str | None) -> Answer:
        ring = _ring(collection, function, name)
        if ring is None:
            return 404, None
        if name.lower() == MASTER and ring != MASTER_RING:
            return 409, {"error": "The master key is to be found below 'admin/host/systemkeys'."}
        if not name.strip() or "/" in name:
            return 400, {"error": "A key's name must not be empty and has no slash."}
        status = 200 if self._keys.get(ring, name) else 201
        key = await self._keys.put(ring, name, value)
        return status, _shown(key, self._base(collection, function))

    def _base(self, collection: str, function: str | None) -> str:
        path = f"functions/{quote(function)}/keys" if function else f"host/{collection}"
        return f"{self._url}/admin/{path}"


def _ring(collection: str, function: str | None, name: str = "") -> str | None:
    """The ring that a collection shows; None for a collection that does not exist."""
    if function is not None:
        return function_ring(function) if collection == "keys" else None
    ring = HOST_COLLECTIONS.get(collection.lower())
    return MASTER_RING if ring == SYSTEM_RING and name.lower() == MASTER else ring


def _shown(key: Key, base: str) -> dict[str, Any]:
    links = [{"rel": "self", "href": f"{base}/{quote(key.name)}"}]
    return {"name": key.name, "value": key.value, "links": links}
