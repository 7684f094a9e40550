"""Requests whose callers do not wait, at the HTTP front: what is checked, and what belongs to functions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from funchost.bindings.errors import BindingError, StoreError
from funchost.triggers.base import Deliver, Outcome, Status, TriggerEvent
from funchost.triggers.http_async import TooManyStarts
from funchost.triggers.http_endpoint import Endpoint, FrontOptions
from funchost.triggers.http_front import HttpFront
from funchost.triggers.http_response import Reply
from funchost.triggers.routes import Route

NOW = datetime(2025, 1, 1, tzinfo=UTC)
ASYNC = {"Prefer": "respond-async"}
LIMIT = 10.0


def outcome(body: bytes = b"ok") -> Outcome:
    return Outcome(
        status=Status.SUCCEEDED,
        function="F",
        invocation_id="1",
        started=NOW,
        ended=NOW,
        kind="text",
        body=body,
    )


class Begun:
    id = "r-1"

    def __init__(self, outcome: asyncio.Task[Outcome], trouble: Exception | None) -> None:
        self.outcome = outcome
        self._trouble = trouble

    async def status_path(self) -> str:
        if self._trouble:
            raise self._trouble
        return "/runs/r-1?sig=x"


class FakeStarts:
    """Begins what it is given, unless it is told to refuse."""

    def __init__(self) -> None:
        self.events: list[TriggerEvent] = []
        self.callbacks: list[str | None] = []
        self.asked: list[tuple[str | None, str]] = []
        self.trusting = False
        self.refusal: Exception | None = None
        self.unkept: Exception | None = None

    def trusts(self, headers: Mapping[str, str], key: str | None, function: str) -> bool:
        self.asked.append((key, function))
        return self.trusting

    async def begin(
        self, function: str, deliver: Deliver, event: TriggerEvent, callback: str | None = None
    ) -> Begun:
        if self.refusal:
            raise self.refusal
        self.events.append(event)
        self.callbacks.append(callback)

        async def run() -> Outcome:
            return await deliver(event)

        return Begun(asyncio.create_task(run()), self.unkept)


class Site:
    """A front with one function, which ends when the test lets it."""

    def __init__(self) -> None:
        self.port = 0
        self.starts = FakeStarts()
        self.looked: list[list[str]] = []
        self.let = asyncio.Event()
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()
        self.front = HttpFront(
            FrontOptions(body_limit=200_000),
            authorize=lambda key, level, function: level == "anonymous" or key == "master",
            admin=self._admin,
            starts=self.starts,
            runs=self._runs,
        )
        self.endpoint = self.serve("f", "api/f")

    def serve(self, name: str, route: str, level: str = "anonymous") -> Endpoint:
        endpoint = Endpoint(route=Route.parse(name, route, None), auth_level=level, deliver=self._deliver)
        self.front.register(endpoint)
        return endpoint

    async def _deliver(self, event: TriggerEvent) -> Outcome:
        self.begun.set()
        await self.let.wait()
        self.ended.set()
        return outcome()

    async def _admin(self, request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="admin")

    async def _runs(self, request: web.BaseRequest, parts: Sequence[str]) -> Reply:
        self.looked.append(list(parts))
        return Reply(200, body=b"status")

    async def fetch(
        self, path: str, method: str = "POST", **options: Any
    ) -> tuple[int, bytes, Mapping[str, str]]:
        async with (
            aiohttp.ClientSession() as client,
            client.request(method, f"http://127.0.0.1:{self.port}{path}", **options) as response,
        ):
            return response.status, await response.read(), response.headers


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    site.port = await site.front.start("127.0.0.1", 0)
    site.front.set_ready(True)
    yield site
    site.let.set()
    await site.front.stop(1.0)


async def test_the_caller_is_answered_while_the_function_runs(site: Site) -> None:
    status, body, headers = await site.fetch("/api/f", headers=ASYNC)
    assert (status, headers["Location"]) == (202, "/runs/r-1?sig=x")
    assert f'"statusUrl":"http://127.0.0.1:{site.port}/runs/r-1?sig=x"'.encode() in body
    assert not site.ended.is_set()


async def test_a_function_is_not_drained_before_its_last_run_has_ended(site: Site) -> None:
    await site.fetch("/api/f", headers=ASYNC)
    drained = asyncio.create_task(site.endpoint.drained())
    await asyncio.sleep(0)
    assert not drained.done()
    site.let.set()
    await asyncio.wait_for(drained, LIMIT)
    assert site.ended.is_set()


async def test_the_whole_body_is_there_before_the_function_begins(site: Site) -> None:
    body = b"x" * 150_000
    await site.fetch("/api/f", headers=ASYNC, data=body)
    [event] = site.starts.events
    assert event.body == body


async def test_a_body_over_the_limit_begins_nothing(site: Site) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b"x" * 10_000

    status, _, _ = await site.fetch("/api/f", headers=ASYNC, data=chunks())
    assert (status, site.starts.events) == (413, [])


async def test_a_body_that_breaks_off_begins_nothing(site: Site) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    head = b"POST /api/f HTTP/1.1\r\nHost: a\r\nPrefer: respond-async\r\nContent-Length: 100\r\n\r\nabc"
    writer.write(head)
    await writer.drain()
    writer.write_eof()
    await asyncio.wait_for(reader.read(), LIMIT)
    writer.close()
    assert site.starts.events == []


async def test_a_caller_that_goes_away_while_it_waits_stops_nothing(site: Site) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(
        b"POST /api/f HTTP/1.1\r\nHost: a\r\nPrefer: respond-async, wait=30\r\nContent-Length: 0\r\n\r\n"
    )
    await asyncio.wait_for(site.begun.wait(), LIMIT)
    writer.transport.abort()
    [event] = site.starts.events
    assert event.cancelled is None
    site.let.set()
    await asyncio.wait_for(site.ended.wait(), LIMIT)


async def test_a_key_is_asked_for_before_anything_else(site: Site) -> None:
    site.serve("g", "api/g", "function")
    assert (await site.fetch("/api/g", headers=ASYNC))[0] == 401
    assert site.starts.events == []
    assert (await site.fetch("/api/g", headers={**ASYNC, "x-functions-key": "master"}))[0] == 202


async def test_a_url_to_call_is_taken_from_trusted_callers_alone(site: Site) -> None:
    headers = {**ASYNC, "Callback-Url": "http://169.254.169.254/", "x-functions-key": "k"}
    status, body, _ = await site.fetch("/api/f", headers=headers)
    assert (status, b"Callback-Url is taken only from" in body) == (403, True)
    assert (site.starts.asked, site.starts.events) == ([("k", "f")], [])

    site.starts.trusting = True
    assert (await site.fetch("/api/f", headers=headers))[0] == 202
    assert site.starts.callbacks == ["http://169.254.169.254/"]


async def test_without_the_preference_a_url_to_call_does_not_matter(site: Site) -> None:
    site.let.set()
    assert (await site.fetch("/api/f", headers={"Callback-Url": "http://a/"}))[:2] == (200, b"ok")
    assert (site.starts.asked, site.starts.callbacks) == ([], [])


@pytest.mark.parametrize(
    ("refusal", "status"),
    [(TooManyStarts(), 429), (StoreError("locked"), 503), (BindingError("No URL."), 400)],
)
async def test_what_cannot_be_begun_is_refused(site: Site, refusal: Exception, status: int) -> None:
    site.starts.refusal = refusal
    found, body, headers = await site.fetch("/api/f", headers=ASYNC)
    assert found == status
    assert ("Retry-After" in headers) == (status != 400)
    assert b"locked" not in body


async def test_a_run_that_cannot_be_kept_is_not_promised(site: Site) -> None:
    site.starts.unkept = StoreError("locked")
    assert (await site.fetch("/api/f", headers=ASYNC))[0] == 503


async def test_runs_are_asked_for_below_their_path(site: Site) -> None:
    assert (await site.fetch("/runs/a/result?sig=x", "GET"))[:2] == (200, b"status")
    assert (await site.fetch("/RUNS/a", "DELETE"))[0] == 200
    assert site.looked == [["a", "result"], ["a"]]


async def test_a_route_of_the_user_goes_before(site: Site) -> None:
    site.serve("mine", "runs/{id}")
    site.let.set()
    assert (await site.fetch("/runs/a", "GET"))[:2] == (200, b"ok")
    assert (await site.fetch("/runs/a/result", "GET"))[:2] == (200, b"status")


async def test_all_of_it_can_be_turned_off(site: Site) -> None:
    front = HttpFront(FrontOptions(), authorize=lambda *_: True, admin=site._admin)
    front.register(site.endpoint)
    site.port = await front.start("127.0.0.1", 0)
    front.set_ready(True)
    site.let.set()
    assert (await site.fetch("/api/f", headers=ASYNC))[:2] == (200, b"ok")
    assert (await site.fetch("/runs/a", "GET"))[0] == 404
    await front.stop(1.0)
