"""One request through an ASGI app: what the caller gets and when, and what the app hears."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from funchost.host.worker import asgi
from funchost.host.worker.asgi import App, Exchange, Message, Receive, Scope, Send
from funchost.host.worker.streams import IncomingStream
from funchost.host.worker.values_output import Result

PATIENCE = 5.0


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(content: bytes, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}


def says(*messages: Message) -> App:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


def incoming() -> IncomingStream:
    return IncomingStream(asyncio.get_running_loop(), lambda size: None)


async def respond(app: App, content: bytes | IncomingStream = b"") -> Result:
    async with asyncio.timeout(PATIENCE):
        return await Exchange(app, {"type": "http"}, content).respond()


async def rest(result: Result) -> list[bytes]:
    assert result.kind == "stream"
    async with asyncio.timeout(PATIENCE):
        return [chunk async for chunk in result.stream]  # type: ignore[union-attr]


async def leave(result: Result) -> None:
    """What happens when the caller goes away."""
    async with asyncio.timeout(PATIENCE):
        await result.stream.aclose()  # type: ignore[union-attr]


async def settle() -> None:
    """Let all that can run run."""
    for _ in range(50):
        await asyncio.sleep(0)


class Listener:
    """An app that takes all messages and remembers them."""

    def __init__(self) -> None:
        self.heard: list[Message] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while not self.heard or self.heard[-1].get("more_body"):
            self.heard.append(await receive())
        await send(start())
        await send(body(b"thanks"))


# -- the response


async def test_a_response_of_one_message_is_given_whole() -> None:
    result = await respond(says(start(201, (b"x-a", b"1")), body(b"done")))

    assert (result.kind, result.body) == ("http", b"done")
    assert result.data == {"status": 201, "headers": [["x-a", "1"]]}


async def test_headers_that_repeat_all_survive() -> None:
    cookies = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"link", b"<x>"), (b"link", b"<y>")]

    result = await respond(says(start(200, *cookies), body(b"")))

    assert result.data is not None
    assert result.data["headers"] == [[name.decode(), value.decode()] for name, value in cookies]


async def test_a_response_of_several_messages_is_a_stream() -> None:
    result = await respond(says(start(), body(b"one", more=True), body(b"two", more=True), body(b"")))

    assert await rest(result) == [b"one", b"two"]


async def test_the_app_is_held_back_until_its_chunk_is_taken() -> None:
    sent: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        for number in range(3):
            await send(body(b"%d" % number, more=True))
            sent.append(number)
        await send(body(b""))

    result = await respond(app)
    await settle()
    assert sent == []
    stream = aiter(result.stream)  # type: ignore[arg-type]
    assert await anext(stream) == b"0"
    await settle()
    assert sent == []
    assert await anext(stream) == b"1"
    assert sent == [0]
    await leave(result)


async def test_chunks_of_two_tasks_of_an_app_are_all_taken() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await asyncio.gather(*[send(body(b"%d" % number, more=True)) for number in range(5)])
        await send(body(b"end"))

    assert b"".join(await rest(await respond(app))) == b"01234end"


async def test_a_status_without_a_body_is_a_response() -> None:
    result = await respond(says(start(204)))

    assert (result.kind, result.body) == ("http", b"")


async def test_an_app_that_says_nothing_fails() -> None:
    with pytest.raises(RuntimeError, match="without having sent a response"):
        await respond(says())


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ((body(b"x"),), "before http.response.start"),
        ((start(), start()), "http.response.start twice"),
        ((start(), body(b"x"), body(b"y")), "after the end of its response"),
    ],
)
async def test_messages_out_of_order_fail(messages: tuple[Message, ...], reason: str) -> None:
    with pytest.raises(RuntimeError, match=reason):
        await respond(says(*messages))


async def test_an_error_before_the_response_is_raised() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        await respond(app)


async def test_an_error_that_a_framework_answered_and_raised_again_is_raised() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(500))
        await send(body(b"Internal Server Error"))
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        await respond(app)


async def test_an_error_within_the_response_breaks_the_stream_off() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await send(body(b"some", more=True))
        raise KeyError("lost")

    stream = aiter((await respond(app)).stream)  # type: ignore[arg-type]
    assert await anext(stream) == b"some"
    with pytest.raises(KeyError, match="lost"):
        await anext(stream)


async def test_an_app_that_exits_does_not_end_the_loop() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        await respond(app)


@pytest.mark.parametrize("first", [(), (body(b"some", more=True),)])
async def test_what_an_app_does_after_its_response_holds_nothing_up(first: tuple[Message, ...]) -> None:
    gate, done = asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await says(start(), *first, body(b"all"))(scope, receive, send)
        assert await receive() == {"type": "http.disconnect"}
        await gate.wait()
        done.set()

    result = await respond(app)
    content = b"".join(await rest(result)) if first else result.body
    assert content.endswith(b"all")
    assert result.maker is not None
    assert not result.maker.done()
    gate.set()
    await result.maker
    assert done.is_set()


async def test_what_an_app_does_after_its_response_is_not_cancelled_when_the_caller_goes() -> None:
    gate = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await says(start(), body(b"some", more=True), body(b"all"))(scope, receive, send)
        await gate.wait()

    result = await respond(app)
    stream: Any = result.stream
    assert [await anext(stream), await anext(stream)] == [b"some", b"all"]
    await leave(result)
    gate.set()
    assert result.maker is not None
    await result.maker
    assert not result.maker.cancelled()


async def test_an_error_after_the_response_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    gate = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await says(start(), body(b"all"))(scope, receive, send)
        await gate.wait()
        raise KeyError("lost")

    result = await respond(app)
    gate.set()
    assert result.maker is not None
    await result.maker
    assert "The ASGI app failed after its response." in caplog.text
    assert "KeyError: 'lost'" in caplog.text


# -- the request


async def test_a_whole_body_is_one_message() -> None:
    app = Listener()

    await respond(app, b"all of it")

    assert app.heard == [{"type": "http.request", "body": b"all of it", "more_body": False}]


async def test_a_streamed_body_is_heard_as_it_arrives() -> None:
    app, stream = Listener(), incoming()
    answer = asyncio.create_task(respond(app, stream))
    stream.feed(b"one", end=False)
    await settle()
    assert [message["body"] for message in app.heard] == [b"one"]
    stream.feed(b"two", end=True)

    assert (await answer).body == b"thanks"
    assert [message["body"] for message in app.heard] == [b"one", b"two", b""]


async def test_a_body_that_breaks_off_is_heard_as_a_disconnect() -> None:
    app, stream = Listener(), incoming()
    answer = asyncio.create_task(respond(app, stream))
    stream.feed(b"one", end=False)
    await settle()
    stream.abort()
    await answer

    assert app.heard[-1] == {"type": "http.disconnect"}


async def test_a_receive_that_is_cancelled_loses_nothing_of_the_body() -> None:
    stream = incoming()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receive(), 0)
        listening = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        listening.cancel()
        await asyncio.wait({listening})
        stream.feed(b"whole", end=True)
        message = await receive()
        await send(start())
        await send(body(message["body"]))

    assert (await respond(app, stream)).body == b"whole"


async def test_two_that_receive_at_once_take_turns() -> None:
    stream = incoming()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        both = asyncio.gather(receive(), receive())
        await asyncio.sleep(0)
        stream.feed(b"a", end=False)
        await asyncio.sleep(0)
        stream.feed(b"b", end=True)
        await send(start())
        await send(body(b"".join(message["body"] for message in await both)))

    assert (await respond(app, stream)).body == b"ab"


async def test_receive_waits_while_the_caller_listens_and_then_says_disconnect() -> None:
    heard: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def listen() -> None:
            while (message := await receive())["type"] != "http.disconnect":
                heard.append(message["type"])
            heard.append("http.disconnect")

        listening = asyncio.create_task(listen())
        await send(start())
        await send(body(b"x", more=True))
        assert heard == ["http.request"]
        await send(body(b""))
        await listening

    assert await rest(await respond(app)) == [b"x"]
    assert heard == ["http.request", "http.disconnect"]


# -- a caller that goes away


async def test_an_app_that_listens_ends_by_itself_when_the_caller_goes() -> None:
    ended: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await send(body(b"first", more=True))
        while (await receive())["type"] != "http.disconnect":
            pass
        ended.append("by itself")

    result = await respond(app)
    assert await anext(aiter(result.stream)) == b"first"  # type: ignore[arg-type]
    await leave(result)
    assert ended == ["by itself"]


async def test_an_app_that_sends_on_is_told_by_an_os_error() -> None:
    errors: list[BaseException] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        try:
            while True:
                await send(body(b"more", more=True))
        except OSError as error:
            errors.append(error)

    result = await respond(app)
    await anext(aiter(result.stream))  # type: ignore[arg-type]
    await leave(result)
    assert len(errors) == 1


@pytest.mark.parametrize("before", ["before the response", "within the response"])
async def test_an_app_that_does_not_heed_is_cancelled(before: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi, "GRACE", 0.01)
    ended: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if before == "within the response":
                await send(start())
                await send(body(b"first", more=True))
            await asyncio.Event().wait()
        finally:
            ended.append("finally")

    answer = asyncio.create_task(respond(app))
    await settle()
    if answer.done():
        stream: Any = answer.result().stream
        assert await anext(stream) == b"first"
        waiting = asyncio.create_task(anext(stream))
        await settle()
    else:
        waiting = answer
    waiting.cancel("client")
    async with asyncio.timeout(PATIENCE):
        await asyncio.wait({waiting})
    assert waiting.cancelled()
    assert ended == ["finally"]
