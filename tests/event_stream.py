"""A client of server-sent events, as a browser reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPResponse
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from e2e.running import DEADLINE


class Told(NamedTuple):
    """One event."""

    id: str
    name: str
    data: Any


class EventStream:
    """A stream that is read while it is written. In a `with` block."""

    def __init__(self, url: str, path: str, headers: Mapping[str, str] | None = None) -> None:
        place = urlsplit(url)
        self._connection = HTTPConnection(place.hostname or "", place.port, timeout=DEADLINE)
        self._connection.request("GET", path, headers=dict(headers or {}))
        self.response: HTTPResponse = self._connection.getresponse()
        #: What a browser would send when it comes back.
        self.last_id = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Go away."""
        self.response.close()
        self._connection.close()

    def next(self) -> Told | None:
        """The next event; None at the end of the stream."""
        name, data = "message", ""
        while line := self.response.readline():
            field, _, value = line.decode().rstrip("\n").partition(":")
            value = value.removeprefix(" ")
            if field == "id":
                self.last_id = value
            elif field == "event":
                name = value
            elif field == "data":
                data += value
            elif line == b"\n":
                if data:
                    return Told(self.last_id, name, json.loads(data))
                name = "message"
        return None

    def begun(self) -> Self:
        """Once the place in the stream is known: what happens from then on is told."""
        while not self.last_id:
            line = self.response.readline()
            assert line, "the stream has ended"
            if line.startswith(b"id:"):
                self.last_id = line[3:].strip().decode()
        return self
