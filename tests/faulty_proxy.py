"""A proxy between a host and the emulator whose faults are switched on and off while both run."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")

PAGE = b"<!DOCTYPE html><html><body>Please sign in to this network.</body></html>"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for."""

    method: str
    path: str
    #: The operation of SQS, such as ``ReceiveMessage``; empty for S3.
    operation: str
    head: bytes

    @property
    def is_sqs(self) -> bool:
        return bool(self.operation)


#: Answers a request in the place of the emulator.
Fault = Callable[[Request, asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]

#: Which requests a fault is for.
Which = Callable[[Request], bool]


def everything(request: Request) -> bool:
    return True


def sqs(*operations: str) -> Which:
    """The requests to SQS, or those of these operations."""
    return lambda request: request.is_sqs and (not operations or request.operation in operations)


def s3(method: str = "") -> Which:
    """The requests to S3, or those by this method."""
    return lambda request: not request.is_sqs and method in ("", request.method)


class FaultyProxy:
    """Serves on a port of its own what the server at `url` answers, in a `with` block; without a fault at first."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._upstream = place.hostname or "", place.port or 80
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        #: Held, since nothing else holds one whose client has gone.
        self._serving: set[asyncio.Task[Any] | None] = set()
        self._fault: tuple[Fault, Which] | None = None
        self._port = 0
        self._under_way = 0
        #: What was asked for since the fault last changed.
        self.requests: list[Request] = []

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(self, *error: object) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def is_idle(self) -> bool:
        """Whether the server has answered all that has passed, also those whose client has gone meanwhile."""
        return self._under_way == 0

    # -- faults

    def heal(self) -> None:
        """Let everything pass again."""
        self._turn(None)

    def refuse(self) -> None:
        """Take no connection, and break off those that there are."""
        self.heal()
        self._do(self._close())

    def swallow(self, which: Which = everything) -> None:
        """Take requests and never answer them."""
        self._turn((_never, which))

    def answer(self, code: str, status: int, which: Which = everything, **headers: str) -> None:
        """Answer with an error of AWS."""

        async def refuse(
            request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            body = (
                b'{"__type": "com.amazonaws.sqs#%s", "message": "no"}' % code.encode()
                if request.is_sqs
                else b"<Error><Code>%s</Code><Message>no</Message></Error>" % code.encode()
            )
            kind = "application/x-amz-json-1.0" if request.is_sqs else "application/xml"
            _write(writer, status, kind, body, {"x-amz-request-id": "1", **headers})

        self._turn((refuse, which))

    def show_page(self, status: int = 200, which: Which = everything, **headers: str) -> None:
        """Answer with a web page, as a network does that wants people to sign in."""

        async def show(request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            _write(writer, status, "text/html", PAGE, headers)

        self._turn((show, which))

    def cut(self, which: Which = everything) -> None:
        """Let requests pass, and break answers off in the middle of their content."""
        self._turn((self._cut, which))

    def delay(self, seconds: float, which: Which = everything) -> None:
        """Let requests pass after a while."""

        async def wait(request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(seconds)
            await self._pass(request, reader, writer)

        self._turn((wait, which))

    def _turn(self, fault: tuple[Fault, Which] | None) -> None:
        async def turn() -> None:
            self._fault = fault
            self.requests = []
            await self._listen()

        self._do(turn())

    # -- serving

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._open):
            writer.transport.abort()

    async def _end(self) -> None:
        await self._close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        self._serving.add(asyncio.current_task())
        try:
            request = _read(await reader.readuntil(b"\r\n\r\n"))
            self.requests.append(request)
            fault = self._fault
            answer = fault[0] if fault and fault[1](request) else self._pass
            await answer(request, reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(writer)
            self._serving.discard(asyncio.current_task())
            with contextlib.suppress(OSError):
                writer.close()
                await writer.wait_closed()

    async def _pass(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        async with self._asked(request, reader) as upstream:
            await _copy(upstream, writer)

    async def _cut(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        async with self._asked(request, reader) as upstream:
            head, _, body = (await upstream.read()).partition(b"\r\n\r\n")
            writer.write(head + b"\r\n\r\n" + body[: len(body) // 2])
            await writer.drain()

    @contextlib.asynccontextmanager
    async def _asked(
        self, request: Request, reader: asyncio.StreamReader
    ) -> AsyncIterator[asyncio.StreamReader]:
        """The request handed on; gives what is answered."""
        upstream, sink = await asyncio.open_connection(*self._upstream)
        sink.write(request.head)
        sending = asyncio.create_task(_copy(reader, sink))
        self._under_way += 1
        try:
            yield upstream
            # A poll whose client has gone still gets what comes.
            await upstream.read()
        finally:
            self._under_way -= 1
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            sink.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)


async def _never(request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(65536):
        pass  # until the client gives up


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        target.write(data)
        await target.drain()


def _read(head: bytes) -> Request:
    """One request for each connection: so faults are for all that comes after they are switched on."""
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ", 2)
    target = next((line for line in lines if line.lower().startswith("x-amz-target:")), "")
    kept = [
        first,
        "Connection: close",
        *(line for line in lines if not line.lower().startswith("connection:")),
    ]
    return Request(method, path, target.rpartition(".")[2].strip(), "\r\n".join(kept).encode("latin-1"))


def _write(
    writer: asyncio.StreamWriter, status: int, kind: str, body: bytes, headers: dict[str, str]
) -> None:
    all_headers = {"content-type": kind, "content-length": str(len(body)), "connection": "close", **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in all_headers.items())
    writer.write(f"HTTP/1.1 {status} x\r\n{lines}\r\n".encode() + body)
