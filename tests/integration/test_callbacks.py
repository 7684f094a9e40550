"""Calls back on a real store, to a real receiver that does not always do what it should."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from fakes import ManualClock
from waiting import until

from funchost.bindings.embedded_queue import EmbeddedQueues
from funchost.bindings.embedded_state import EmbeddedState
from funchost.bindings.errors import NotFound
from funchost.bindings.history import Kept, RunRecord, RunState
from funchost.bindings.queue import OutgoingMessage, PeekedMessage
from funchost.bindings.store import Store
from funchost.host.callers.addresses import Destinations
from funchost.host.callers.callback_client import MOST_READ, CallbackClient
from funchost.host.callers.callbacks import PAUSES, POISON, UNKNOWN, Callbacks
from funchost.host.callers.signing import Signing
from funchost.host.keys import SYSTEM_RING, Keys
from funchost.triggers.replies import CALLBACKS, callback_message

LIMIT = 10.0

Answer = Callable[[web.Request], web.StreamResponse]


async def eventually(condition: Callable[..., Awaitable[bool]], *arguments: Any) -> None:
    """Return once the condition holds."""
    async with asyncio.timeout(LIMIT):
        while True:
            if await condition(*arguments):
                return
            await asyncio.sleep(0.005)


class Receiver:
    """Keeps what it is sent, and answers what the test says, in order; then 200."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[Answer] = []
        self.url = ""

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.got.append((dict(request.headers), await request.read()))
        answer = self.answers.pop(0) if self.answers else lambda _: web.Response()
        return answer(request)  # type: ignore[arg-type]

    @property
    def documents(self) -> list[Any]:
        return [json.loads(body) for _, body in self.got]


class Bench:
    """A store with callbacks on it, and runs that the test tells of."""

    def __init__(self, store: Store, clock: ManualClock, destinations: Destinations) -> None:
        self.store = store
        self.clock = clock
        self.queues = EmbeddedQueues(store, "host-1")
        self.keys = Keys(EmbeddedState(store, self.queues))
        self.destinations = destinations
        self.runs: dict[str, RunRecord] = {}
        self.reports: list[str] = []
        self.callbacks: Callbacks | None = None
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.callbacks = Callbacks(
            queues=self.queues,
            find=self.find,
            signing=Signing(self.keys),
            client=CallbackClient(self.destinations),
            url=lambda: "http://localhost:7071",
            clock=self.clock,
            report=self.reports.append,
        )
        self.task = asyncio.create_task(self.callbacks.run())

    async def stop(self) -> None:
        if self.task:
            self.task.cancel()
            await asyncio.wait({self.task}, timeout=LIMIT)

    async def find(self, id: str) -> RunRecord:
        if id not in self.runs:
            raise NotFound(f"There is no run '{id}'.")
        return self.runs[id]

    def tell(self, state: RunState, id: str = "r-1", **more: Any) -> None:
        """A run is in this state now."""
        now = self.clock.now()
        ended = None if state is RunState.RUNNING else now
        self.runs[id] = RunRecord(
            id=id,
            function="work",
            trigger="httpTrigger",
            state=state,
            host="h",
            started=now,
            ended=ended,
            **more,
        )
        if self.callbacks:
            self.callbacks.look_again()

    async def ask(self, url: str, run: str | None = "r-1", document: Any = None) -> None:
        await self.queues.send([callback_message(url, run, document)])

    def later(self, pause: timedelta) -> None:
        """Time passes, and what is due then is received."""
        self.clock.advance(pause)
        self.store.announce(f"queue:{CALLBACKS}")

    async def waiting(self) -> list[PeekedMessage]:
        return list(await self.queues.peek(CALLBACKS, 10))

    async def until_waiting(self, state: str | None) -> None:
        """Return once the only call is in this state; None: once there is none."""
        await eventually(self.is_waiting, [state] if state else [])

    async def is_waiting(self, states: list[str]) -> bool:
        return [one.state for one in await self.waiting()] == states

    async def until_given_up(self) -> Any:
        await eventually(self.has_given_up, 1)
        return (await self.queues.peek(POISON, 1))[0].properties["poison"]

    async def has_given_up(self, count: int) -> bool:
        return len(await self.queues.peek(POISON, 10)) >= count


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    runner = web.ServerRunner(web.Server(receiver))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    receiver.url = f"http://127.0.0.1:{port}/done?token=t"
    yield receiver
    await runner.cleanup()


@pytest.fixture
def destinations() -> Destinations:
    return Destinations("*")


@pytest.fixture
async def bench(tmp_path: Path, destinations: Destinations) -> AsyncIterator[Bench]:
    clock = ManualClock()
    store = Store(tmp_path, clock=clock)
    bench = Bench(store, clock, destinations)
    await bench.keys.begin()
    bench.start()
    yield bench
    await bench.stop()
    await store.close()


def status(code: int, **headers: str) -> Answer:
    return lambda _: web.Response(status=code, headers=headers)


# -- a call


async def test_the_status_of_the_run_is_sent_once_it_has_ended(bench: Bench, receiver: Receiver) -> None:
    bench.tell(RunState.RUNNING)
    await bench.ask(receiver.url)
    await bench.until_waiting("in flight")
    assert receiver.got == []

    bench.tell(RunState.SUCCEEDED, output=Kept("text", b"hi", 2))

    await until(lambda: receiver.got, LIMIT)
    [(headers, body)] = receiver.got
    told = json.loads(body)
    assert (told["id"], told["state"], told["result"]["body"]) == ("r-1", "succeeded", "hi")
    assert told["statusUrl"].startswith("http://localhost:7071/runs/r-1?sig=")
    assert headers["Funchost-Run"] == "r-1"
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    await bench.until_waiting(None)


async def test_the_receiver_can_check_who_calls(bench: Bench, receiver: Receiver) -> None:
    bench.tell(RunState.FAILED, error_type="ValueError", error_message="no")
    await bench.ask(receiver.url)
    await until(lambda: receiver.got, LIMIT)
    [(headers, body)] = receiver.got
    key = bench.keys.get(SYSTEM_RING, "callbacks")
    assert key is not None
    signed = headers["Funchost-Timestamp"].encode() + b"." + body
    wanted = "sha256=" + hmac.new(key.value.encode(), signed, hashlib.sha256).hexdigest()
    assert headers["Funchost-Signature"] == wanted
    assert int(headers["Funchost-Timestamp"]) == int(bench.clock.now().timestamp())
    assert json.loads(body)["error"] == {"type": "ValueError", "message": "no"}


async def test_what_the_message_tells_goes_along_with_the_status(bench: Bench, receiver: Receiver) -> None:
    bench.tell(RunState.SUCCEEDED)
    await bench.ask(receiver.url, document={"message": "m-1", "correlationId": "c-1", "state": "?"})
    await until(lambda: receiver.got, LIMIT)
    [told] = receiver.documents
    assert (told["message"], told["correlationId"], told["state"]) == ("m-1", "c-1", "succeeded")


@pytest.mark.parametrize("run", [None, "r-unknown"])
async def test_where_no_run_is_known_the_message_is_all_there_is(
    bench: Bench, receiver: Receiver, run: str | None
) -> None:
    await bench.ask(receiver.url, run, {"state": "failed", "message": "m-1"})
    await until(lambda: receiver.got, LIMIT)
    assert receiver.documents == [{"state": "failed", "message": "m-1"}]


async def test_a_run_that_never_began_is_given_up_after_a_while(bench: Bench, receiver: Receiver) -> None:
    await bench.ask(receiver.url, "r-never")
    await bench.until_waiting("in flight")
    bench.clock.advance(UNKNOWN * 2)
    assert bench.callbacks
    bench.callbacks.look_again()
    assert "no run 'r-never'" in (await bench.until_given_up())["message"]
    assert receiver.got == []


# -- receivers that fail


async def test_a_receiver_that_fails_is_called_again_with_pauses_that_grow(
    bench: Bench, receiver: Receiver
) -> None:
    receiver.answers = [status(500), status(404), status(429)]
    bench.tell(RunState.SUCCEEDED)
    await bench.ask(receiver.url)
    for number in range(3):
        await until(lambda number=number: len(receiver.got) == number + 1, LIMIT)  # type: ignore[misc]
        await bench.until_waiting("delayed")
        [message] = await bench.waiting()
        assert message.visible_at == bench.clock.now() + PAUSES[number]
        bench.later(PAUSES[number])
    await bench.until_waiting(None)
    assert len(receiver.got) == 4
    assert {headers["Funchost-Run"] for headers, _ in receiver.got} == {"r-1"}


async def test_after_an_hour_it_is_given_up_with_the_reason(bench: Bench, receiver: Receiver) -> None:
    receiver.answers = [status(503)] * 8
    bench.tell(RunState.SUCCEEDED)
    await bench.ask(receiver.url)
    for pause in PAUSES:
        await bench.until_waiting("delayed")
        bench.later(pause)
    poison = await bench.until_given_up()
    assert (poison["error"], poison["message"]) == ("CallbackFailed", "127.0.0.1 answered 503.")
    assert (poison["dequeueCount"], len(receiver.got)) == (8, 8)
    assert "could not be called back" in bench.reports[0]
    assert sum(PAUSES, timedelta()) > timedelta(hours=1) - timedelta(minutes=1)


async def test_a_receiver_that_is_gone_is_not_called_again(bench: Bench, receiver: Receiver) -> None:
    receiver.answers = [status(410)]
    bench.tell(RunState.SUCCEEDED)
    await bench.ask(receiver.url)
    assert "gone for good" in (await bench.until_given_up())["message"]


async def test_a_redirect_is_not_followed(bench: Bench, receiver: Receiver) -> None:
    receiver.answers = [status(307, Location=receiver.url)]
    bench.tell(RunState.SUCCEEDED)
    await bench.ask(receiver.url)
    await bench.until_waiting("delayed")
    [message] = await bench.waiting()
    assert "redirects are not followed" in message.properties["failures"][0]["error"]
    assert len(receiver.got) == 1


async def test_nobody_listening_counts_as_a_failure(bench: Bench) -> None:
    bench.tell(RunState.SUCCEEDED)
    await bench.ask("http://127.0.0.1:1/")
    await bench.until_waiting("delayed")


async def test_of_a_long_answer_no_more_is_read_than_is_said(bench: Bench, receiver: Receiver) -> None:
    written = 0

    class Endless(web.StreamResponse):
        async def prepare(self, request: web.BaseRequest) -> Any:
            nonlocal written
            writer = await super().prepare(request)
            try:
                while True:
                    await self.write(b"x" * 65536)
                    written += 65536
            except (ConnectionError, asyncio.CancelledError):
                return writer

    receiver.answers = [lambda _: Endless()]
    bench.tell(RunState.SUCCEEDED)
    await bench.ask(receiver.url)
    # It is taken although the answer never ends; what is on the way in sockets is not read.
    await bench.until_waiting(None)
    assert written < 100 * MOST_READ


async def test_what_stands_in_the_queue_and_is_no_call_is_given_up(bench: Bench) -> None:
    deep = b'{"url":"http://a/","document":{"a":' + b"[" * 9000 + b"]" * 9000 + b"}}"
    for body in (b"{no", b'{"run": 5}', b'["a"]', deep):
        await bench.queues.send([OutgoingMessage(queue=CALLBACKS, body=body)])
    await eventually(bench.has_given_up, 4)


async def test_an_error_that_nobody_thought_of_counts_as_a_failed_call(
    bench: Bench, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(CallbackClient, "post", broken)
    bench.tell(RunState.SUCCEEDED)
    await bench.ask(receiver.url)
    await bench.until_waiting("delayed")
    [message] = await bench.waiting()
    assert "ZeroDivisionError" in message.properties["failures"][0]["error"]


# -- where it may go


@pytest.mark.parametrize("url", ["ftp://example.com/", "http://", "http://[::1", "nothing"])
async def test_what_is_no_http_url_is_given_up_at_once(bench: Bench, url: str) -> None:
    bench.tell(RunState.SUCCEEDED)
    await bench.ask(url)
    assert "http or https URL" in (await bench.until_given_up())["message"]


@pytest.mark.parametrize("destinations", [Destinations("other.internal")])
@pytest.mark.parametrize(
    "name", ["127.0.0.1", "localhost", "[::1]", "127.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"]
)
async def test_no_way_of_writing_it_leads_to_this_machine(
    bench: Bench, receiver: Receiver, name: str
) -> None:
    bench.tell(RunState.SUCCEEDED)
    await bench.ask(receiver.url.replace("127.0.0.1", name))

    async def was_tried() -> bool:
        return await bench.has_given_up(1) or await bench.is_waiting(["delayed"])

    await eventually(was_tried)
    assert receiver.got == []
    if name in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
        assert "not of the internet" in (await bench.until_given_up())["message"]


@pytest.mark.parametrize("destinations", [Destinations("127.0.0.1")])
async def test_a_host_that_is_named_is_called_wherever_it_is(bench: Bench, receiver: Receiver) -> None:
    bench.tell(RunState.SUCCEEDED)
    await bench.ask(receiver.url)
    await until(lambda: receiver.got, LIMIT)


# -- the end of a host


async def test_what_is_not_done_when_the_host_stops_is_done_by_the_next(
    bench: Bench, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    bench.tell(RunState.RUNNING)
    await bench.ask(receiver.url)
    await bench.until_waiting("in flight")
    await bench.stop()
    [message] = await bench.waiting()
    assert (message.state, message.dequeue_count) == ("visible", 0)
    bench.tell(RunState.ABANDONED)
    bench.start()
    await until(lambda: receiver.got, LIMIT)
    assert receiver.documents[0]["state"] == "abandoned"
    assert [one for one in caplog.records if one.levelno >= logging.ERROR] == []


async def test_a_message_of_callbacks_is_what_the_queue_wants() -> None:
    message = callback_message("http://a/", "r-1", {"a": 1})
    assert (message.queue, message.ttl) == (CALLBACKS, None)
    assert msgspec.json.decode(message.body) == {"url": "http://a/", "run": "r-1", "document": {"a": 1}}
