"""The HTTP front on real sockets: the order of checks, bodies, streams, disconnects, stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web

from funchost.bindings.errors import ConfigurationError, StoreError
from funchost.triggers.base import Outcome, Resources, Status, TriggerEvent
from funchost.triggers.cors import Cors
from funchost.triggers.descriptor import Binding, FunctionDescriptor
from funchost.triggers.fields import HttpTriggerFields
from funchost.triggers.http import HttpListener, HttpTrigger, route_problems
from funchost.triggers.http_endpoint import FrontOptions
from funchost.triggers.http_front import HttpFront

NOW = datetime(2025, 1, 1, tzinfo=UTC)
LIMIT = 5.0

Function = Callable[[TriggerEvent], Awaitable[Outcome]]


def outcome(
    kind: str = "none",
    body: Any = b"",
    status: Status = Status.SUCCEEDED,
    code: int = 200,
    headers: Any = (),
) -> Outcome:
    return Outcome(
        status=status,
        function="F",
        invocation_id="1",
        started=NOW,
        ended=NOW,
        kind=kind,
        body=body,
        header={"status": code, "headers": headers},
    )


def text(body: str) -> Outcome:
    return outcome("text", body.encode())


class Recorder:
    """A function that keeps the events it gets and answers ``ok``."""

    def __init__(self, result: Outcome | None = None) -> None:
        self.events: list[TriggerEvent] = []
        self.result = result or text("ok")

    async def __call__(self, event: TriggerEvent) -> Outcome:
        self.events.append(event)
        return self.result


class Gate:
    """A function that says when it has begun and goes on when it is let."""

    def __init__(self) -> None:
        self.begun = asyncio.Semaphore(0)
        self.open = asyncio.Event()
        self.running = self.most = 0

    async def __call__(self, event: TriggerEvent) -> Outcome:
        self.running += 1
        self.most = max(self.most, self.running)
        self.begun.release()
        await self.open.wait()
        self.running -= 1
        return text("through")


async def admin(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text=f"admin {request.path}")


def by_key(key: str | None, level: str, function: str) -> bool:
    """Master opens everything; the function's name is its key."""
    return key == "master" or (level == "function" and key == function)


class Site:
    """A front that listens, and a client for it."""

    def __init__(self, front: HttpFront, port: int, client: aiohttp.ClientSession) -> None:
        self.front = front
        self.port = port
        self.client = client

    def trigger(self, name: str, **options: Any) -> HttpTrigger:
        disabled = options.pop("disabled", False)
        bindings = options.pop("bindings", ())
        decorated = options.pop("decorated", False)
        fields = HttpTriggerFields(**{"authLevel": "anonymous", **options})
        root = Path("/app")
        function = FunctionDescriptor(
            name=name,
            directory=root / name,
            script_file=root / "function_app.py",
            decorated=decorated,
            file="function_app.py" if decorated else f"{name}/function.json",
            line=7,
            entry_point="main",
            trigger=Binding(type="httpTrigger", name="req"),
            bindings=bindings,
            disabled=disabled,
        )
        return HttpTrigger(function, fields, cast(Resources, SimpleNamespace(http=self.front, root=root)))

    async def serve(self, name: str, function: Function, **options: Any) -> HttpListener:
        listener = self.trigger(name, **options).listener(function)
        assert isinstance(listener, HttpListener)
        await listener.start()
        return listener

    async def fetch(self, path: str, method: str = "GET", **options: Any) -> tuple[int, bytes]:
        url = f"http://127.0.0.1:{self.port}{path}"
        async with self.client.request(method, url, **options) as response:
            return response.status, await response.read()

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def raw(self, request: bytes) -> bytes:
        """All that comes back on a connection of its own, until the host closes it."""
        async with self.connection() as (reader, writer):
            writer.write(request)
            return await asyncio.wait_for(reader.read(), LIMIT)


Open = Callable[..., Awaitable[Site]]


@pytest.fixture
async def open_site() -> AsyncIterator[Open]:
    async with contextlib.AsyncExitStack() as stack:

        async def open_site(ready: bool = True, **options: Any) -> Site:
            front = HttpFront(FrontOptions(**options), authorize=by_key, admin=admin)
            front.set_ready(ready)
            port = await front.start("127.0.0.1", 0)
            stack.push_async_callback(front.stop, 0.2)
            client = await stack.enter_async_context(
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=LIMIT))
            )
            return Site(front, port, client)

        yield open_site


# -- from request to event


async def test_a_request_reaches_its_function_as_it_was_sent(open_site: Open) -> None:
    site, function = await open_site(), Recorder()
    await site.serve("Orders", function, route="orders/{id}/{part?}")
    headers = {"X-Thing": "A", "traceparent": "00-1-2-01", "tracestate": "a=b"}
    assert await site.fetch("/API/orders/7?a=1&a=2&b=", "POST", data=b"{}", headers=headers) == (200, b"ok")
    (event,) = function.events
    assert event.kind == "http"
    assert event.body == b"{}"
    assert event.data["method"] == "POST"
    assert event.data["url"] == f"http://127.0.0.1:{site.port}/API/orders/7?a=1&a=2&b="
    assert event.data["query"] == {"a": "1,2"}
    assert event.data["params"] == {"id": "7"}
    assert ["x-thing", "A"] in event.data["headers"]
    assert (event.traceparent, event.tracestate) == ("00-1-2-01", "a=b")
    assert not event.repeatable
    assert event.metadata == {}


async def test_metadata_is_worked_out_for_bindings_that_use_it(open_site: Open) -> None:
    site, function = await open_site(), Recorder()
    queue = Binding(type="queue", name="q", direction="out")
    await site.serve("F", function, route="f/{a}", bindings=(queue,))
    body = b'{"A": "body", "b": "body", "c": "body", "d": {"e": 1}}'
    await site.fetch("/api/f/route?B=query&code=secret&a=query", "POST", data=body, headers={"X-H": "1"})
    metadata = function.events[0].metadata
    assert {k: v for k, v in metadata.items() if k not in ("query", "headers")} == {
        "a": "route",
        "B": "query",
        "c": "body",
        "d": {"e": 1},
    }
    assert metadata["query"] == {"B": "query", "a": "query"}
    assert metadata["headers"]["x-h"] == "1"


async def test_bytes_that_are_no_utf8_do_not_get_in_the_way(open_site: Open) -> None:
    site, function = await open_site(), Recorder()
    await site.serve("F", function)
    answer = await site.raw(b"GET /api/f HTTP/1.1\r\nHost: h\xff\r\nX-A: \xff\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    (event,) = function.events
    assert str(event.data).encode(), "no lone surrogates, which JSON cannot hold"


async def test_a_pipelined_and_kept_alive_connection_serves_request_after_request(open_site: Open) -> None:
    site, function = await open_site(), Recorder()
    await site.serve("F", function)
    one = b"POST /api/F HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n%d"
    last = b"GET /api/F HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    answer = await site.raw(b"".join(one % n for n in range(3)) + last)
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 4
    assert [event.body for event in function.events] == [b"0", b"1", b"2", b""]


async def test_http_1_0_closes_unless_asked_to_stay(open_site: Open) -> None:
    site = await open_site()
    await site.serve("F", Recorder())
    assert b"\r\nConnection: close\r\n" in await site.raw(b"GET /api/F HTTP/1.0\r\n\r\n")
    async with site.connection() as (reader, writer):
        writer.write(b"GET /api/F HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), LIMIT)
        assert b"\r\nConnection: keep-alive\r\n" in head


# -- the order of checks


async def test_a_request_waits_until_the_host_is_ready(open_site: Open) -> None:
    site = await open_site(ready=False)
    waiting = asyncio.create_task(site.fetch("/api/F"))
    await site.serve("F", Recorder())
    site.front.set_ready(True)
    assert await waiting == (200, b"ok")


async def test_a_host_that_does_not_get_ready_is_503_but_its_admin_paths_answer(open_site: Open) -> None:
    site = await open_site(ready=False, ready_timeout=0.01)
    assert await site.fetch("/") == (503, b"Function host is not running.")
    assert await site.fetch("/admin/host/status") == (200, b"admin /admin/host/status")


async def test_a_host_that_is_offline_answers_its_page_and_its_admin_paths(open_site: Open) -> None:
    site = await open_site(home_page=lambda headers: b"home", ready=False)
    await site.serve("F", Recorder())
    waiting = asyncio.create_task(site.fetch("/api/F"))
    site.front.set_offline(b"<p>back at noon</p>")

    assert await waiting == (503, b"<p>back at noon</p>")
    assert await site.fetch("/") == (503, b"<p>back at noon</p>")
    assert await site.fetch("/admin/host/status") == (200, b"admin /admin/host/status")
    site.front.set_ready(True)
    assert await site.fetch("/api/F") == (200, b"ok")


async def test_admin_and_runtime_paths_go_to_the_admin_handler(open_site: Open) -> None:
    site = await open_site(route_prefix="")
    await site.serve("All", Recorder(), route="{*rest}")
    for path in ("/admin", "/Admin/x", "/runtime/webhooks/x", "/a/../admin/x", "/%61dmin/x"):
        status, body = await site.fetch(path)
        assert (status, body[:5]) == (200, b"admin"), path
    assert await site.fetch("/administrators") == (200, b"ok")


async def test_the_home_page_is_shown_or_not(open_site: Open) -> None:
    site = await open_site(home_page=lambda headers: b"<h1>at home</h1>")
    assert await site.fetch("/") == (200, b"<h1>at home</h1>")
    assert await site.fetch("/", "HEAD") == (200, b"")
    assert (await site.fetch("/", "POST"))[0] == 404
    assert await (await open_site()).fetch("/") == (204, b"")


async def test_a_function_at_the_root_wins_over_the_home_page(open_site: Open) -> None:
    site = await open_site(route_prefix="")
    await site.serve("Root", Recorder(), route="{*rest}")
    assert await site.fetch("/") == (200, b"ok")


async def test_no_route_and_a_wrong_method_are_404(open_site: Open) -> None:
    site = await open_site()
    await site.serve("F", Recorder(), methods=["get"])
    assert await site.fetch("/api/F") == (200, b"ok")
    for method, path in (("GET", "/api/G"), ("POST", "/api/F"), ("HEAD", "/api/F"), ("OPTIONS", "/api/F")):
        assert await site.fetch(path, method) == (404, b"")


async def test_a_protected_function_asks_for_its_key_before_it_reads_anything(open_site: Open) -> None:
    site, function = await open_site(), Recorder()
    await site.serve("F", function, authLevel="function")
    assert await site.fetch("/api/F") == (401, b"")
    assert await site.fetch("/api/F?code=wrong") == (401, b"")
    assert await site.fetch("/api/F?code=F", headers={"x-functions-key": "wrong"}) == (401, b"")
    assert not function.events
    assert await site.fetch("/api/F?code=F") == (200, b"ok")
    assert await site.fetch("/api/F?code=wrong", headers={"X-Functions-Key": "F"}) == (200, b"ok")


async def test_while_no_keys_are_known_a_protected_function_answers_503(open_site: Open) -> None:
    def unknown(key: str | None, level: str, function: str) -> bool:
        if key is None:
            return False
        raise StoreError("The keys could not be read yet.")

    site, function = await open_site(), Recorder()
    site.front._authorize = unknown
    await site.serve("F", function, authLevel="function")
    assert await site.fetch("/api/F", headers={"x-functions-key": "F"}) == (503, b"")
    assert (await site.fetch("/api/F"))[0] == 401
    assert not function.events


async def test_a_connection_without_a_request_is_closed_in_time(open_site: Open) -> None:
    site = await open_site(idle_timeout=0.2)
    assert await site.raw(b"") == b""


async def test_a_held_function_answers_503_to_who_may_call_it_and_what_runs_goes_on(open_site: Open) -> None:
    site = await open_site()
    gate = Gate()
    await site.serve("F", gate, route="f", authLevel="function")
    await site.serve("G", Recorder(), route="g")
    running = asyncio.create_task(site.fetch("/api/f?code=F"))
    await gate.begun.acquire()
    site.front.hold(["F"])
    async with site.client.get(f"http://127.0.0.1:{site.port}/api/f?code=F") as refused:
        assert (refused.status, await refused.text()) == (503, "This function is paused.")
        assert int(refused.headers["Retry-After"]) > 0
    assert (await site.fetch("/api/f"))[0] == 401
    assert (await site.fetch("/api/g"))[0] == 200
    gate.open.set()
    assert (await running)[0] == 200
    site.front.hold([])
    assert (await site.fetch("/api/f?code=F"))[0] == 200


async def test_a_disabled_function_is_401_then_404_and_runs_for_the_master_key(open_site: Open) -> None:
    site = await open_site()
    await site.serve("F", Recorder(), authLevel="function", disabled=True)
    await site.serve("Anyone", Recorder(), disabled=True)
    assert await site.fetch("/api/F") == (401, b"")
    assert await site.fetch("/api/F?code=F") == (404, b"")
    assert await site.fetch("/api/F?code=master") == (200, b"ok")
    assert await site.fetch("/api/Anyone") == (404, b"")
    assert await site.fetch("/api/Anyone?code=master") == (200, b"ok")


async def test_too_many_requests_are_turned_away_and_the_rest_wait_their_turn(open_site: Open) -> None:
    site, gate = await open_site(max_outstanding_requests=3, max_concurrent_requests=2), Gate()
    await site.serve("F", gate)
    running = [asyncio.create_task(site.fetch("/api/F")) for _ in range(3)]
    for _ in range(2):
        await asyncio.wait_for(gate.begun.acquire(), LIMIT)
    # The third may still be on its way to its place in the queue.
    while (await site.fetch("/api/nothing"))[0] != 429:
        pass
    async with site.client.get(f"http://127.0.0.1:{site.port}/api/F") as response:
        assert (response.status, response.headers["X-FUNCTION-SCALEOUT"]) == (429, "1")
    assert (await site.fetch("/admin/x"))[0] == 200
    gate.open.set()
    assert await asyncio.gather(*running) == [(200, b"through")] * 3
    assert gate.most == 2
    assert await site.fetch("/api/F") == (200, b"through")


# -- responses


async def test_a_head_request_is_answered_without_a_body(open_site: Open) -> None:
    site = await open_site()
    await site.serve("F", Recorder())
    answer = await site.raw(b"HEAD /api/F HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Length: 2" in head
    assert body == b""


async def test_an_options_request_reaches_the_function(open_site: Open) -> None:
    site, function = await open_site(), Recorder()
    await site.serve("F", function)
    assert await site.fetch("/api/F", "OPTIONS") == (200, b"ok")
    assert function.events[0].data["method"] == "OPTIONS"


async def test_an_http_result_is_sent_with_all_its_headers(open_site: Open) -> None:
    site = await open_site()
    headers = [["Set-Cookie", "a=1"], ["Set-Cookie", "b=2"], ["X-A", "c"]]
    await site.serve("F", Recorder(outcome("http", b"tea", code=418, headers=headers)))
    async with site.client.get(f"http://127.0.0.1:{site.port}/api/F") as response:
        assert response.status == 418
        assert response.headers.getall("Set-Cookie") == ["a=1", "b=2"]
        assert (response.headers["X-A"], await response.read()) == ("c", b"tea")


async def test_a_large_body_arrives_whole(open_site: Open) -> None:
    site = await open_site()
    await site.serve("F", Recorder(outcome("bytes", b"x" * 3_000_000)))
    assert await site.fetch("/api/F") == (200, b"x" * 3_000_000)


@pytest.mark.parametrize(
    "result",
    [
        outcome(status=Status.FAILED),
        outcome(status=Status.TIMED_OUT),
        outcome("http", b"x", headers=[["X-A", "a\r\nX-Evil: b"]]),
        outcome("json", b'{"body": "", "status": 99}'),
    ],
)
async def test_what_went_wrong_is_a_500_that_shows_nothing(open_site: Open, result: Outcome) -> None:
    site = await open_site()
    await site.serve("F", Recorder(result))
    answer = await site.raw(b"GET /api/F HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 500 ")
    assert b"Content-Length: 0" in head
    assert b"Evil" not in answer
    assert body == b""


async def test_a_response_that_cannot_be_sent_is_told_in_the_log(
    open_site: Open, caplog: pytest.LogCaptureFixture
) -> None:
    site = await open_site()
    await site.serve("Bad", Recorder(outcome("http", b"", headers=[["X-A", "\u00e9"]])))
    assert (await site.fetch("/api/Bad"))[0] == 500
    (record,) = caplog.records
    assert "The response cannot be sent" in record.getMessage()
    assert record.__dict__["function"] == "F" and record.__dict__["invocation"]
    assert "'X-A'" in record.getMessage()
    assert record.exc_info is None


async def test_interrupted_work_asks_to_come_again(open_site: Open) -> None:
    site = await open_site()
    await site.serve("F", Recorder(outcome(status=Status.INTERRUPTED)))
    async with site.client.get(f"http://127.0.0.1:{site.port}/api/F") as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "1")


async def test_nothing_returned_is_204_or_500_where_it_is_the_response(open_site: Open) -> None:
    site = await open_site()
    response = Binding(type="http", name="$return", direction="out")
    named = Binding(type="http", name="res", direction="out")
    await site.serve("Plain", Recorder(outcome()))
    await site.serve("Named", Recorder(outcome()), bindings=(named,))
    await site.serve("Returns", Recorder(outcome()), bindings=(response,))
    assert await site.fetch("/api/Plain") == (204, b"")
    assert await site.fetch("/api/Named") == (204, b"")
    assert await site.fetch("/api/Returns") == (500, b"")


async def test_custom_headers_fill_in_and_never_replace(open_site: Open) -> None:
    site = await open_site(custom_headers={"X-A": "host", "X-B": "host"})
    await site.serve("F", Recorder(outcome("http", b"", headers=[["x-a", "own"]])))
    async with site.client.get(f"http://127.0.0.1:{site.port}/api/F") as response:
        assert (response.headers.getall("X-A"), response.headers["X-B"]) == (["own"], "host")
    async with site.client.get(f"http://127.0.0.1:{site.port}/admin/x") as response:
        assert response.headers["X-A"] == "host"


def test_custom_headers_that_cannot_be_sent_are_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="X-A") as caught:
        HttpFront(FrontOptions(custom_headers={"X-A": "a\nb"}), authorize=by_key, admin=admin)
    assert caught.value.key == "extensions.http.customHeaders"


async def test_a_preflight_is_answered_before_anything_is_checked(open_site: Open) -> None:
    site, function = await open_site(cors=Cors(["https://a.example"])), Recorder()
    await site.serve("F", function, authLevel="admin")
    url = f"http://127.0.0.1:{site.port}/api/F"
    ask = {"Origin": "https://a.example", "Access-Control-Request-Method": "PUT"}
    async with site.client.options(url, headers=ask) as response:
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Origin"] == "https://a.example"
        assert response.headers["Access-Control-Allow-Methods"] == "PUT"
    async with site.client.get(url, headers={"Origin": "https://a.example"}) as response:
        assert response.status == 401
        assert response.headers["Access-Control-Allow-Origin"] == "https://a.example"
    async with site.client.get(url, headers={"Origin": "https://b.example"}) as response:
        assert "Access-Control-Allow-Origin" not in response.headers
    assert not function.events


# -- bodies


async def collect(event: TriggerEvent) -> Outcome:
    """A function that reads its body to the end and answers its length."""
    if isinstance(event.body, bytes):
        return text(f"whole {len(event.body)}")
    size = 0
    try:
        async for chunk in event.body:
            size += len(chunk)
    except Exception:
        return outcome(status=Status.FAILED)
    return text(f"stream {size}")


async def test_a_small_body_comes_whole_and_a_large_or_chunked_one_as_a_stream(open_site: Open) -> None:
    site = await open_site()
    await site.serve("F", collect)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"abc"

    assert await site.fetch("/api/F", "POST", data=b"x" * 65536) == (200, b"whole 65536")
    assert await site.fetch("/api/F", "POST", data=b"x" * 65537) == (200, b"stream 65537")
    assert await site.fetch("/api/F", "POST", data=chunks()) == (200, b"stream 9")


async def test_a_body_that_is_announced_too_long_is_413_before_it_is_read(open_site: Open) -> None:
    site, function = await open_site(body_limit=10), Recorder()
    await site.serve("F", function)
    answer = await site.raw(b"POST /api/F HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n" + b"x" * 11)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"\r\nConnection: close\r\n" in answer
    assert not function.events
    assert await site.fetch("/api/F", "POST", data=b"x" * 10) == (200, b"ok")


async def test_a_chunked_body_is_413_as_it_passes_the_limit(open_site: Open) -> None:
    site = await open_site(body_limit=10)
    await site.serve("F", collect)
    head = b"POST /api/F HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert (await site.raw(head + b"b\r\nxxxxxxxxxxx\r\n0\r\n\r\n")).startswith(b"HTTP/1.1 413 ")
    async with site.connection() as (reader, writer):
        writer.write(head + b"a\r\nxxxxxxxxxx\r\n0\r\n\r\n")
        assert (await asyncio.wait_for(reader.readline(), LIMIT)).startswith(b"HTTP/1.1 200 ")


async def test_a_stream_is_read_no_faster_than_the_function_takes_it(open_site: Open) -> None:
    site, go = await open_site(), asyncio.Event()

    async def slow(event: TriggerEvent) -> Outcome:
        await go.wait()
        return await collect(event)

    await site.serve("F", slow)
    size = 64 * 1024 * 1024
    async with site.connection() as (reader, writer):
        writer.write(b"POST /api/F HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size)
        writer.write(b"x" * size)
        drained = asyncio.create_task(writer.drain())
        done, _ = await asyncio.wait([drained], timeout=0.3)
        assert not done, "the host took in a body that nobody reads"
        go.set()
        answer = await asyncio.wait_for(reader.readuntil(b"stream %d" % size), LIMIT * 4)
        await drained
    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_a_client_that_waits_to_continue_is_told_so_once_it_may(open_site: Open) -> None:
    site = await open_site()
    await site.serve("F", collect)
    await site.serve("Closed", collect, authLevel="admin")
    head = b"POST /api/%s HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    async with site.connection() as (reader, writer):
        writer.write(head % b"F")
        assert (
            await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), LIMIT) == b"HTTP/1.1 100 Continue\r\n\r\n"
        )
        writer.write(b"abc")
        assert await asyncio.wait_for(reader.readuntil(b"whole 3"), LIMIT)
    async with site.connection() as (reader, writer):
        writer.write(head % b"Closed")
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), LIMIT)
        assert answer.startswith(b"HTTP/1.1 401 ")
        assert b"\r\nConnection: close\r\n" in answer


@pytest.mark.parametrize(
    "request_",
    [
        b"this is no HTTP\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nBad Header: x\r\n\r\n",
        b"POST /api/F HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/F HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /api/F HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_a_malformed_request_is_400_and_no_error_of_the_host(
    open_site: Open, caplog: pytest.LogCaptureFixture, request_: bytes
) -> None:
    site = await open_site()
    await site.serve("F", collect)
    caplog.set_level(logging.INFO)
    answer = await site.raw(request_)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"Traceback" not in answer
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR or record.exc_info]
    assert await site.fetch("/api/F") == (200, b"whole 0")


@pytest.mark.parametrize(
    ("head", "status", "reason"),
    [
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n", 414, "its URL is over 8,190 bytes"),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 100_000 + b"\r\n", 431, "one of its headers is over 32,768 bytes"),
        (b"GET / HTTP/1.1\r\nA\x01B: 1\r\n", 400, "it is not HTTP as it should be"),
    ],
)
async def test_a_request_that_cannot_be_read_is_told_once_a_second(
    open_site: Open, caplog: pytest.LogCaptureFixture, head: bytes, status: int, reason: str
) -> None:
    site = await open_site()
    for _ in range(3):
        assert (await site.raw(head + b"Host: h\r\n\r\n")).startswith(b"HTTP/1.1 %d " % status)
    told = [record.getMessage() for record in caplog.records if reason in record.getMessage()]
    assert told == [caplog.records[0].getMessage()]
    assert told[0].startswith(f"A request was refused with {status}: {reason}")


async def test_a_body_that_breaks_off_does_not_run_the_function(
    open_site: Open, caplog: pytest.LogCaptureFixture
) -> None:
    site, function = await open_site(), Recorder()
    await site.serve("F", function)
    async with site.connection() as (_, writer):
        writer.write(b"POST /api/F HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf")
        await writer.drain()
    assert await site.fetch("/api/F") == (200, b"ok")
    assert [event.data["method"] for event in function.events] == ["GET"]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_an_error_of_the_front_itself_is_a_500_with_the_reason_in_the_log(
    open_site: Open, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(event: TriggerEvent) -> Outcome:
        raise RuntimeError("a bug in the host")

    site = await open_site()
    await site.serve("F", broken)
    assert await site.fetch("/api/F") == (500, b"")
    assert "a bug in the host" in caplog.text


# -- streams out


async def test_a_streamed_response_arrives_piece_by_piece(open_site: Open) -> None:
    site, go = await open_site(), asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"first"
        await go.wait()
        yield b""
        yield b"second"

    stream = outcome("stream", pieces(), headers=[["Content-Type", "text/event-stream"]])
    await site.serve("F", Recorder(stream))
    async with site.client.get(f"http://127.0.0.1:{site.port}/api/F") as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        assert await response.content.readany() == b"first"
        go.set()
        assert await response.read() == b"second"


async def test_a_stream_is_produced_no_faster_than_the_client_takes_it(open_site: Open) -> None:
    site, produced = await open_site(), 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal produced
        while True:
            produced += 1
            yield b"x" * 65536

    ended = asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        try:
            async for piece in endless():
                yield piece
        finally:
            ended.set()

    await site.serve("F", Recorder(outcome("stream", pieces())))
    with socket.create_connection(("127.0.0.1", site.port)) as client:
        client.sendall(b"GET /api/F HTTP/1.1\r\nHost: h\r\n\r\n")
        before = -1
        while produced != before:
            before = produced
            await asyncio.sleep(0.1)
        assert 0 < produced < 1000
    await asyncio.wait_for(ended.wait(), LIMIT)


async def test_a_stream_that_breaks_off_is_no_whole_response(open_site: Open) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"first"
        raise ConnectionError("the worker died")

    site = await open_site()
    await site.serve("F", Recorder(outcome("stream", pieces())))
    with pytest.raises(aiohttp.ClientPayloadError):
        await site.fetch("/api/F")


async def test_a_stream_shorter_than_it_says_is_no_whole_response(open_site: Open) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"12345"

    site = await open_site()
    await site.serve("F", Recorder(outcome("stream", pieces(), headers=[["Content-Length", "9"]])))
    with pytest.raises(aiohttp.ClientPayloadError):
        await site.fetch("/api/F")


async def test_a_head_request_does_not_start_a_stream(open_site: Open) -> None:
    started = False

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal started
        started = True
        yield b"x"

    site = await open_site()
    await site.serve("F", Recorder(outcome("stream", pieces())))
    assert await site.fetch("/api/F", "HEAD") == (200, b"")
    assert not started


# -- disconnects, reload, stop


async def test_a_client_that_goes_away_cancels_the_run(open_site: Open) -> None:
    site, begun, cancelled = await open_site(), asyncio.Event(), asyncio.Event()

    async def waits(event: TriggerEvent) -> Outcome:
        assert event.cancelled is not None
        event.cancelled(cancelled.set)
        begun.set()
        await cancelled.wait()
        return outcome(status=Status.INTERRUPTED)

    listener = await site.serve("F", waits)
    async with site.connection() as (_, writer):
        writer.write(b"GET /api/F HTTP/1.1\r\nHost: h\r\n\r\n")
        await asyncio.wait_for(begun.wait(), LIMIT)
    await asyncio.wait_for(cancelled.wait(), LIMIT)
    await asyncio.wait_for(listener.stop(), LIMIT)


async def test_a_finished_run_is_not_cancelled_when_its_client_leaves(open_site: Open) -> None:
    site, calls = await open_site(), 0

    async def quick(event: TriggerEvent) -> Outcome:
        def count() -> None:
            nonlocal calls
            calls += 1

        assert event.cancelled is not None
        event.cancelled(count)
        return text("done")

    await site.serve("F", quick)
    async with site.connection() as (reader, writer):
        writer.write(b"GET /api/F HTTP/1.1\r\nHost: h\r\n\r\n")
        await asyncio.wait_for(reader.readuntil(b"done"), LIMIT)
    assert await site.fetch("/api/F") == (200, b"done")
    assert calls == 0


async def test_a_newer_listener_takes_over_and_the_old_one_ends_what_it_began(open_site: Open) -> None:
    site, gate = await open_site(), Gate()
    old = await site.serve("F", gate)
    running = asyncio.create_task(site.fetch("/api/F"))
    await asyncio.wait_for(gate.begun.acquire(), LIMIT)
    new = await site.serve("F", Recorder(text("new")))
    stopping = asyncio.create_task(old.stop())
    assert await site.fetch("/api/F") == (200, b"new")
    assert not stopping.done()
    gate.open.set()
    assert await running == (200, b"through")
    await asyncio.wait_for(stopping, LIMIT)
    assert (old.state, new.state) == ("stopped", "listening")
    await new.stop()
    assert await site.fetch("/api/F") == (404, b"")


async def test_stop_lets_requests_finish_and_takes_no_new_ones(open_site: Open) -> None:
    site, gate = await open_site(), Gate()
    await site.serve("F", gate)
    async with site.connection() as (reader, writer), site.connection() as (idle, _):
        writer.write(b"GET /api/F HTTP/1.1\r\nHost: h\r\n\r\n")
        await asyncio.wait_for(gate.begun.acquire(), LIMIT)
        stopping = asyncio.create_task(site.front.stop(LIMIT))
        assert await asyncio.wait_for(idle.read(), LIMIT) == b""
        with pytest.raises(OSError, match=r"."):
            await asyncio.open_connection("127.0.0.1", site.port)
        gate.open.set()
        answer = await asyncio.wait_for(reader.read(), LIMIT)
        await asyncio.wait_for(stopping, LIMIT)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.endswith(b"through")


async def test_stop_breaks_off_what_does_not_finish_in_time(
    open_site: Open, caplog: pytest.LogCaptureFixture
) -> None:
    site, gate = await open_site(), Gate()
    await site.serve("F", gate)
    async with site.connection() as (reader, writer):
        writer.write(b"GET /api/F HTTP/1.1\r\nHost: h\r\n\r\n")
        await asyncio.wait_for(gate.begun.acquire(), LIMIT)
        await asyncio.wait_for(site.front.stop(0.05), LIMIT)
        assert await asyncio.wait_for(reader.read(), LIMIT) == b""
    assert "broken off" in caplog.text


async def test_a_port_in_use_is_told_to_the_caller(open_site: Open) -> None:
    site = await open_site()
    other = HttpFront(FrontOptions(), authorize=by_key, admin=admin)
    with pytest.raises(OSError, match="address already in use"):
        await other.start("127.0.0.1", site.port)


# -- the trigger


async def test_the_route_is_the_functions_name_unless_one_is_given(open_site: Open) -> None:
    site = await open_site()
    assert site.trigger("Hello").describe() == "/api/Hello"
    assert site.trigger("Hello", route="/").describe() == "/api/Hello"
    assert site.trigger("Hello", route="/say/{what}/", methods=["post", "get"]).describe() == (
        "[GET,POST] /api/say/{what}"
    )
    assert (await open_site(route_prefix="")).trigger("Hello").describe() == "/Hello"


@pytest.mark.parametrize(
    ("name", "options", "key"),
    [
        ("F", {"route": "Admin/x"}, "route"),
        ("F", {"route": "/runtimes"}, "route"),
        ("AdminX", {}, "route"),
        ("F", {"route": "a/{b"}, "route"),
        ("F", {"methods": ["GET POST"]}, "methods"),
    ],
)
async def test_a_bad_entry_is_refused_with_its_key(
    open_site: Open, name: str, options: dict[str, Any], key: str
) -> None:
    site = await open_site()
    with pytest.raises(ConfigurationError) as caught:
        site.trigger(name, **options)
    assert caught.value.key == key


async def test_collisions_and_differences_to_azure_are_problems_with_their_file(open_site: Open) -> None:
    site = await open_site()
    problems = route_problems(
        [
            site.trigger("B", route="x"),
            site.trigger("A", route="X"),
            site.trigger("All", route="{*rest}"),
            site.trigger("C", route="c", methods=["PUT"]),
        ]
    )
    assert [(p.function, p.file, p.severity) for p in problems] == [
        ("B", "B/function.json", "error"),
        ("C", "C/function.json", "warning"),
    ]
    assert "taken by 'A'" in problems[0].message
    assert "PUT /api/c is answered by C" in problems[1].message


async def test_a_collision_of_decorated_functions_is_a_problem_of_their_script(open_site: Open) -> None:
    site = await open_site()
    triggers = [site.trigger(name, route="x", decorated=True) for name in ("A", "B")]
    assert [(p.file, p.line, p.key) for p in route_problems(triggers)] == [
        ("function_app.py", 7, "B.req.route")
    ]


async def test_a_run_by_hand_is_a_post_with_the_data_as_its_body(open_site: Open) -> None:
    trigger = (await open_site()).trigger("F")
    event = await trigger.manual_event(b'{"a": 1}')
    assert (event.kind, event.body, event.data["method"]) == ("http", b'{"a": 1}', "POST")
    assert ["content-type", "application/json"] in event.data["headers"]
    assert (await trigger.manual_event(None)).body == b""
