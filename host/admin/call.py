"""One call of the admin API as the parts that answer it see it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from aiohttp.web import BaseRequest

from ...bindings.errors import BindingError, FunchostError
from ...triggers.http_pace import Pace
from ..operations.workbench import Workbench
from .desk import Desk

if TYPE_CHECKING:
    from ..host import Host

S = TypeVar("S", bound=msgspec.Struct)

#: The largest body of a call, in bytes.
MAX_BODY = 16 * 1024 * 1024

_RAW = "application/octet-stream"


class BodyTooLarge(BindingError):
    """The body is larger than any call needs."""


class AdminCall:
    """A request that may be answered."""

    def __init__(
        self,
        desk: Desk,
        request: BaseRequest,
        names: dict[str, str],
        query: msgspec.Struct,
        who: str,
        patience: float,
    ) -> None:
        self.desk = desk
        self._request = request
        self._query = query
        self._pace = Pace(patience)
        #: The values of the parameters in the path.
        self.names = names
        #: The caller, as the audit names him.
        self.who = who

    @property
    def host(self) -> Host:
        """The host that is asked."""
        return self.desk.host

    @property
    def workbench(self) -> Workbench:
        """The stores of the host, for an operation by this caller."""
        return self.desk.workbench(self.who)

    def query(self, model: type[S]) -> S:
        """The query, as the route's model has it."""
        assert isinstance(self._query, model)
        return self._query

    @property
    def url(self) -> str:
        """The host's URL, as the caller knows it."""
        host = self._request.headers.get("Host")
        return f"{self._request.scheme}://{host}" if host else self.host.url

    @property
    def last_event(self) -> str | None:
        """The id of the last event that a reader of a stream has had before it was broken off."""
        return self._request.headers.get("Last-Event-ID")

    @property
    def is_raw(self) -> bool:
        """Whether the body is said to be content as it is, and no JSON."""
        # Without the header aiohttp would name this very type.
        return "Content-Type" in self._request.headers and self._request.content_type == _RAW

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, by names in any case."""
        return self._request.headers

    async def body(self) -> bytes:
        """The whole body. Raises `BodyTooLarge`, `BindingError` where it breaks off, `TooSlow`."""
        return b"".join([chunk async for chunk in self.pieces(MAX_BODY)])

    async def pieces(self, limit: int) -> AsyncIterator[bytes]:
        """The body as it comes. Raises as `body` does, for more than `limit` bytes too."""
        size = 0
        await self._invite()
        try:
            while chunk := await self._pace.read(self._request.content):
                size += len(chunk)
                if size > limit:
                    raise BodyTooLarge(f"The body is over {limit} bytes.")
                yield chunk
        except FunchostError:
            raise
        except Exception as error:
            raise BindingError("The body is malformed, or it ended too early.") from error

    async def _invite(self) -> None:
        """Have a client send its body that first wants to know whether it is taken."""
        if self._request.headers.get("Expect", "").lower() == "100-continue":
            await self._request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            # That was no part of the response.
            self._request.writer.output_size = 0

    async def json(self) -> Any:
        """The value in the body; None for no body. Raises `BindingError` where it is no JSON."""
        body = await self.body()
        try:
            return msgspec.json.decode(body) if body else None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BindingError(f"The body is not JSON: {error}.") from error

    async def document(self, model: type[S]) -> S:
        """The body read into a model; no body counts as `{}`. Raises `BindingError` with what does not fit."""
        value = await self.json()
        try:
            return msgspec.convert({} if value is None else value, model)
        except (msgspec.ValidationError, RecursionError) as error:
            raise BindingError(f"The body does not do: {error}.") from error
