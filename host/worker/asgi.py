"""One HTTP request through an ASGI app: its response leaves while the app still makes it.

The app runs in a task of its own. It goes no faster than its chunks are taken, it hears ``http.disconnect`` when
its caller is gone, and it is cancelled when it does not heed that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from typing import Any, Final

from .streams import IncomingStream, StreamBroken
from .values_output import Result

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger("funchost")

#: What scopes say of this server. From 2.4 on `send` raises an `OSError` once the caller is gone.
VERSIONS: Final = {"version": "3.0", "spec_version": "2.4"}

#: How long an app may go on after it was told that its caller is gone, in seconds; then it is cancelled.
GRACE = 0.5


class RequestBody:
    """A request's body as the app asks for it; whole, or as it arrives."""

    def __init__(self, content: bytes | IncomingStream) -> None:
        self._content = content
        self._turn = asyncio.Lock()
        #: Nothing more will come of it.
        self.ended = False

    async def next_message(self) -> Message | None:
        """The next piece, or ``http.disconnect`` where the body breaks off; None after its end."""
        async with self._turn:
            if self.ended:
                return None
            if not isinstance(self._content, IncomingStream):
                self.ended = True
                return {"type": "http.request", "body": self._content, "more_body": False}
            try:
                chunk = await self._content.next_chunk()
            except StreamBroken:
                self.ended = True
                return {"type": "http.disconnect"}
            self.ended = not chunk
            return {"type": "http.request", "body": chunk, "more_body": bool(chunk)}


class Exchange:
    """One request and its response on their way between the caller and the app."""

    def __init__(self, app: App, scope: Scope, body: bytes | IncomingStream) -> None:
        self._app = app
        self._scope = scope
        self._body = RequestBody(body)
        self._head: dict[str, Any] | None = None
        self._chunks: list[bytes] = []
        #: The app has sent the whole response. What it does after that, it does on its own.
        self._complete = False
        #: The whole response has been taken.
        self._answered = False
        #: Nobody takes the response any more.
        self._gone = False
        #: The app has returned, or raised `_error`.
        self._over = False
        self._error: BaseException | None = None
        #: There is something to take: chunks, or the app's end.
        self._progress = asyncio.Event()
        #: What was sent has been taken.
        self._taken = asyncio.Event()
        #: The caller listens no longer: it has all, or has gone.
        self._closed = asyncio.Event()

    async def respond(self) -> Result:
        """The response: whole if the app ends with its first body message, else head and stream of the body.

        Raises what the app raises before that.
        """
        self._task = asyncio.get_running_loop().create_task(self._run())
        try:
            await self._progress.wait()
        except BaseException:
            await self._leave()
            raise
        if self._error is not None:
            raise self._error
        if not (self._over or self._complete):
            return Result("stream", self._head, stream=self._stream(), maker=self._task)
        if self._head is None:
            raise RuntimeError("The ASGI app returned without having sent a response.")
        self._answered = True
        return Result("http", self._head, b"".join(self._chunks), maker=self._task)

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
        except BaseException as error:
            # Kept, not raised: sys.exit() in a task would end the loop.
            self._error = error
            if self._answered:
                log.error("The ASGI app failed after its response.", exc_info=error)
        finally:
            self._over = True
            self._progress.set()

    async def _stream(self) -> AsyncGenerator[bytes, None]:
        """The body as it is produced; whoever closes it early is the caller that has gone."""
        try:
            while self._chunks or not (self._over or self._complete):
                self._progress.clear()
                chunk = b"".join(self._chunks)
                self._chunks.clear()
                if chunk:
                    yield chunk
                self._taken.set()
                if not (self._over or self._complete):
                    await self._progress.wait()
            if self._error is not None:
                raise self._error
            self._answered = True
        finally:
            await self._leave()

    async def _leave(self) -> None:
        """See the app to its end, unless it has sent all: then it has lost nobody."""
        if self._over or self._complete:
            return
        self._gone = True
        self._closed.set()
        self._taken.set()
        try:
            await asyncio.wait({self._task}, timeout=GRACE)
        finally:
            self._task.cancel()
        await asyncio.wait({self._task})

    # -- what the app calls

    async def _receive(self) -> Message:
        message = None if self._closed.is_set() else await self._body.next_message()
        if message is None:
            await self._closed.wait()
            message = {"type": "http.disconnect"}
        return message

    async def _send(self, message: Message) -> None:
        if self._gone:
            raise StreamBroken("The caller of this request has gone away.")
        kind = message["type"]
        if kind == "http.response.start":
            self._start(message)
        elif kind == "http.response.body":
            self._add(message)
            if not self._complete:
                await self._taken.wait()

    def _start(self, message: Message) -> None:
        if self._head is not None:
            raise RuntimeError("The ASGI app sent http.response.start twice.")
        headers = [[_text(name), _text(value)] for name, value in message.get("headers") or ()]
        self._head = {"status": int(message["status"]), "headers": headers}

    def _add(self, message: Message) -> None:
        if self._head is None or self._complete:
            raise RuntimeError(
                "The ASGI app sent http.response.body "
                + ("before http.response.start." if self._head is None else "after the end of its response.")
            )
        self._chunks.append(bytes(message.get("body") or b""))
        self._complete = not message.get("more_body", False)
        if self._complete:
            self._closed.set()
        self._taken.clear()
        self._progress.set()


def _text(value: bytes | str) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
