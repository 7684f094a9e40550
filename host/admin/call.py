"""One call of the admin API as the parts that answer it see it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from aiohttp.web import BaseRequest

from ...bindings.errors import BindingError, FunchostError
from ...triggers.http_pace import Pace

#: The largest body of a call, in bytes.
MAX_BODY = 16 * 1024 * 1024

_RAW = "application/octet-stream"

#: Stands for any one segment of a path.
ANY = "*"

#: A status, and what is answered as JSON (None: nothing).
Answer = tuple[int, Any]


class AdminCall:
    """A request that may be answered."""

    def __init__(self, request: BaseRequest, names: list[str], url: str, pace: Pace) -> None:
        self._request = request
        self._pace = pace
        #: The segments of the path that stand where its route has `ANY`.
        self.names = names
        self._url = url

    @property
    def url(self) -> str:
        """The host's URL, as the caller knows it."""
        host = self._request.headers.get("Host")
        return f"{self._request.scheme}://{host}" if host else self._url

    @property
    def waits(self) -> bool:
        """Whether the caller wants to be told of the end of what it has begun."""
        return "wait" in self._request.query

    @property
    def is_raw(self) -> bool:
        """Whether the body is said to be content as it is, and no JSON."""
        # Without the header aiohttp would name this very type.
        return "Content-Type" in self._request.headers and self._request.content_type == _RAW

    async def body(self) -> bytes:
        """The whole body. Raises `BindingError` where it is too large or breaks off, `TooSlow`."""
        body = bytearray()
        try:
            while chunk := await self._pace.read(self._request.content):
                body += chunk
                if len(body) > MAX_BODY:
                    raise BindingError(f"The body is over {MAX_BODY} bytes.")
        except FunchostError:
            raise
        except Exception as error:
            raise BindingError("The body is malformed, or it ended too early.") from error
        return bytes(body)

    async def json(self) -> Any:
        """The value in the body; None for no body. Raises `BindingError` where it is no JSON."""
        body = await self.body()
        try:
            return msgspec.json.decode(body) if body else None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BindingError(f"The body is not JSON: {error}.") from error


Handler = Callable[[AdminCall], Awaitable[Answer]]
#: By method.
Handlers = Mapping[str, Handler]
