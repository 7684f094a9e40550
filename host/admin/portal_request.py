"""The document by which Azure's portal describes a request to an HTTP function that is run by hand."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec

from ...triggers.base import TriggerEvent


class Pair(msgspec.Struct, frozen=True):
    """A query parameter or a header."""

    name: str
    value: str = ""


class PortalRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request."""

    method: str
    queryStringParams: tuple[Pair, ...] = ()
    headers: tuple[Pair, ...] = ()
    body: Any = None

    @staticmethod
    def read(content: bytes) -> PortalRequest | None:
        """The request that the content describes; None where it describes none, but is a body itself."""
        try:
            return msgspec.json.decode(content, type=PortalRequest)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None

    def put_into(self, event: TriggerEvent) -> TriggerEvent:
        """The event of an HTTP function that is run by hand, made one for this request."""
        query = {pair.name: pair.value for pair in self.queryStringParams}
        given = [[pair.name.lower(), pair.value] for pair in self.headers]
        names = {name for name, _ in given}
        event.data["method"] = self.method.upper()
        event.data["query"] = query
        event.data["url"] += f"?{urlencode(query)}" if query else ""
        event.data["headers"] = given + [pair for pair in event.data["headers"] if pair[0] not in names]
        event.body = self._content()
        return event

    def _content(self) -> bytes:
        if self.body is None:
            return b""
        return self.body.encode() if isinstance(self.body, str) else msgspec.json.encode(self.body)
