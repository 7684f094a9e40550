"""A request for a function on its way through the checks: the key that it shows, its body, and the event that it is."""

from __future__ import annotations

import logging
from typing import NamedTuple

from aiohttp.web import BaseRequest
from multidict import istr

from .base import TriggerEvent
from .http_endpoint import Endpoint, FrontOptions
from .http_pace import Pace
from .http_request import SMALL_BODY, RequestBody, http_event, printable, read_small, too_large
from .routes import Route

log = logging.getLogger("funchost.triggers.http_front")

#: Ready for lookup, since every request asks for it.
_KEY = istr("x-functions-key")


class Call(NamedTuple):
    """A request."""

    request: BaseRequest
    #: Path and query as they were sent.
    target: str
    query: dict[str, str]
    match: tuple[Route, dict[str, str]] | None

    @property
    def key(self) -> str | None:
        """The key that the caller shows."""
        return self.request.headers.get(_KEY) or self.query.get("code")

    def event(self, endpoint: Endpoint, params: dict[str, str], body: bytes | RequestBody) -> TriggerEvent:
        """What it is to the function; `params` are those of the route."""
        request = self.request
        return http_event(
            request,
            url=printable(f"{request.scheme}://{request.host}{self.target}"),
            query=self.query,
            params=params,
            body=body,
            with_metadata=endpoint.with_metadata,
        )

    async def body(self, function: str, options: FrontOptions) -> bytes | RequestBody:
        """The body: read when it is small, else to be read as the function asks for it. Raises `BodyError`."""
        request = self.request
        if not request.body_exists:
            return b""
        length = request.content_length
        if length is not None and length > options.body_limit:
            error = too_large(function, options.body_limit)
            log.warning("%s", error, extra={"function": function})
            raise error
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            # That was no part of the response.
            request.writer.output_size = 0
        pace = Pace(options.patience)
        if length is not None and length <= SMALL_BODY:
            return await read_small(request.content, function, pace)
        return RequestBody(request.content, function, options.body_limit, pace)

    async def whole_body(self, function: str, options: FrontOptions) -> bytes:
        """All of the body. Raises `BodyError`."""
        body = await self.body(function, options)
        return body if isinstance(body, bytes) else b"".join([piece async for piece in body])
