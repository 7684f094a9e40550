"""Invocations that go through a web framework, and streams that go both ways, with a real worker process."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from workers import App, call, collect, run, within

from funchost.host.worker.protocol import STREAM_WINDOW
from funchost.host.workers.call import InvocationTimeout
from funchost.triggers.descriptor import Binding, FunctionDescriptor

#: What a request of the HTTP trigger says.
REQUEST: dict[str, Any] = {
    "kind": "http",
    "data": {"method": "GET", "url": "http://a:1/api/x", "headers": [], "query": {}, "params": {}},
}


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    app = App(tmp_path)
    yield app
    await app.close()


def extension(app: App, name: str, code: str, *bindings: Binding) -> FunctionDescriptor:
    """A function with the FastAPI extension."""
    head = "from azurefunctions.extensions.http.fastapi import Request, StreamingResponse\n"
    return app.function(name, head + textwrap.dedent(code), on="httpTrigger", bindings=bindings)


def asgi(app: App, code: str) -> FunctionDescriptor:
    """An `AsgiFunctionApp` around the ASGI app `serve` of the code, which answers its lifespan."""
    code = (
        "import asyncio\nimport os\n"
        "import azure.functions as func\n"
        "async def application(scope, receive, send):\n"
        "    if scope['type'] == 'lifespan':\n"
        "        await receive()\n"
        "        await send({'type': 'lifespan.startup.complete'})\n"
        "        return await receive()\n"
        "    await serve(scope, receive, send)\n"
        "async def answer(send, *chunks):\n"
        "    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
        "    for chunk in chunks:\n"
        "        more = chunk is not chunks[-1]\n"
        "        await send({'type': 'http.response.body', 'body': chunk, 'more_body': more})\n"
        f"{textwrap.dedent(code)}\n"
        "main = func.AsgiFunctionApp(application).get_functions()[0].get_user_function()\n"
    )
    function = app.function("web", code, on="httpTrigger")
    return dataclasses.replace(function, trigger=Binding(type="httpTrigger", name="req"))


async def _twice(first: asyncio.Event) -> AsyncIterator[bytes]:
    """More than a window, the second half once the first has been heard of."""
    yield b"a" * STREAM_WINDOW
    await first.wait()
    yield b"b" * STREAM_WINDOW


# -- streams, with or without a framework


async def test_a_streamed_result_may_begin_before_the_trigger_value_is_read(app: App) -> None:
    code = """
        from collections.abc import AsyncIterator
        async def main(msg: AsyncIterator[bytes]):
            async for chunk in msg:
                yield chunk.upper()
    """
    worker = await app.worker(app.function("upper", code, on="httpTrigger"))
    first = asyncio.Event()

    result = await run(worker, "upper", stream=_twice(first))
    first.set()

    assert await within(collect(result)) == b"A" * STREAM_WINDOW + b"B" * STREAM_WINDOW


async def test_outputs_go_with_a_streamed_result(app: App) -> None:
    code = """
        import azure.functions as func
        def main(msg: str, out: func.Out[str]):
            out.set("kept")
            return iter([b"a", b"b"])
    """
    queue = Binding(type="queue", name="out", direction="out")
    worker = await app.worker(app.function("both", code, on="httpTrigger", bindings=(queue,)))

    result = await run(worker, "both")

    assert result.outputs == [("out", "text", b"kept")]
    assert await within(collect(result)) == b"ab"


async def test_a_streamed_result_is_cancelled_while_nothing_comes_of_it(app: App) -> None:
    code = """
        import asyncio
        async def main(msg: str):
            try:
                yield b"first"
                await asyncio.Event().wait()
            finally:
                print("left")
    """
    worker = await app.worker(app.function("endless", code, on="httpTrigger"))
    cancels: list[Callable[[], None]] = []

    result = await run(worker, "endless", on_cancel=cancels.append)
    cancels[0]()

    await app.heard("left")
    with pytest.raises(ConnectionError):
        await within(collect(result))


# -- ASGI apps


async def test_what_an_app_does_after_its_response_keeps_its_worker(app: App) -> None:
    code = """
        async def serve(scope, receive, send):
            await answer(send, b"here")
            while not os.path.exists("go"):
                await asyncio.sleep(0.01)
            print("done after all")
    """
    worker = await app.worker(asgi(app, code))

    result = await run(worker, "web", **REQUEST)
    assert (result.error, result.body, worker.in_flight) == (None, b"here", 1)
    draining = asyncio.create_task(worker.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    (app.root / "go").touch()
    await within(draining)

    line = await app.heard("done after all")
    assert line.invocation == "one"
    assert worker.in_flight == 0


async def test_an_app_whose_caller_has_gone_ends_in_good_order_however_often_it_is_told(app: App) -> None:
    code = """
        async def serve(scope, receive, send):
            await send({'type': 'http.response.start', 'status': 200, 'headers': []})
            await send({'type': 'http.response.body', 'body': b'first', 'more_body': True})
            while (await receive())["type"] != "http.disconnect":
                pass
            await asyncio.sleep(0.05)
            print("in good order")
    """
    worker = await app.worker(asgi(app, code))
    cancels: list[Callable[[], None]] = []

    result = await run(worker, "web", on_cancel=cancels.append, **REQUEST)
    cancels[0]()
    cancels[0]()

    await app.heard("in good order")
    with pytest.raises(ConnectionError):
        await within(collect(result))


async def test_an_app_that_exits_fails_its_request_alone(app: App) -> None:
    code = """
        async def serve(scope, receive, send):
            if scope["path"] == "/exit":
                raise SystemExit(3)
            await answer(send, b"fine")
    """
    worker = await app.worker(asgi(app, code))
    exits = {**REQUEST, "data": {**REQUEST["data"], "url": "http://a:1/exit"}}

    failed = await run(worker, "web", **exits)

    assert failed.error is not None
    assert failed.error.type == "SystemExit"
    assert (await run(worker, "web", **REQUEST)).body == b"fine"


async def test_a_request_whose_time_is_over_is_cancelled(app: App) -> None:
    code = """
        async def serve(scope, receive, send):
            try:
                await asyncio.Event().wait()
            finally:
                print("cancelled")
    """
    worker = await app.worker(asgi(app, code))

    with pytest.raises(InvocationTimeout):
        await run(worker, "web", timeout=0.1, **REQUEST)

    await app.heard("cancelled")
    assert worker.alive


# -- plain functions of the extension


async def test_a_plain_function_whose_time_is_over_is_interrupted(app: App) -> None:
    code = """
        import time
        def main(msg: Request):
            try:
                while True:
                    time.sleep(0.01)
            finally:
                print("interrupted")
    """
    worker = await app.worker(extension(app, "busy", code))

    with pytest.raises(InvocationTimeout):
        await run(worker, "busy", timeout=0.1, **REQUEST)

    await app.heard("interrupted")
    assert worker.alive


async def test_a_plain_function_that_cannot_be_interrupted_costs_its_worker(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("funchost.host.workers.invocations.CANCEL_GRACE", 0.8)
    code = """
        import time
        def main(msg: Request):
            time.sleep(60)
    """
    worker = await app.worker(extension(app, "deaf", code))

    with pytest.raises(InvocationTimeout):
        await run(worker, "deaf", timeout=0.1, **REQUEST)

    assert not worker.alive


async def test_plain_functions_share_the_threads_of_the_worker(app: App) -> None:
    code = """
        import os, time
        def main(msg: Request):
            print("began", msg.query_params["n"])
            while msg.query_params["n"] == "1" and not os.path.exists("go"):
                time.sleep(0.01)
            return "done"
    """
    worker = await app.worker(extension(app, "slow", code), threads=1)
    cancels: list[Callable[[], None]] = []

    def request(number: int) -> dict[str, Any]:
        return {**REQUEST, "data": {**REQUEST["data"], "url": f"http://a:1/x?n={number}"}}

    first = worker.invoke(call("slow", **request(1)))
    await app.heard("began 1")
    second = worker.invoke(call("slow", invocation="two", on_cancel=cancels.append, **request(2)))
    third = worker.invoke(call("slow", invocation="three", **request(3)))
    cancels[0]()
    assert (await within(second)).error is not None
    (app.root / "go").touch()

    assert (await within(first)).body == b'"done"'
    assert (await within(third)).body == b'"done"'
    assert [line.text for line in app.lines if line.text.startswith("began")] == ["began 1", "began 3"]


async def test_the_log_of_a_plain_function_is_tied_to_its_invocation(app: App) -> None:
    code = """
        import logging
        def main(msg: Request):
            logging.warning("from the thread")
            return "done"
    """
    worker = await app.worker(extension(app, "logs", code))

    await run(worker, "logs", invocation="mine", **REQUEST)

    assert (await app.heard("from the thread")).invocation == "mine"


# -- what the extension refuses


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("def main(msg: str): ...", "'msg' .httpTrigger. cannot be str"),
        (
            "import azure.functions as func\ndef main(msg: func.HttpRequest): ...",
            "cannot be func.HttpRequest",
        ),
        ("def main(msg: Request) -> bytes: ...", "returned value cannot be bytes"),
        ("def main(msg: Request) -> str | None: ...", "returned value cannot be"),
        ("async def main(msg: Request):\n    yield b''", "has a yield"),
        ("def main(msg: Request, more: int): ...", "'more' has no binding"),
    ],
)
async def test_what_the_extension_cannot_serve_is_refused(app: App, code: str, reason: str) -> None:
    worker = await app.worker()

    error = await within(worker.load(extension(app, "wrong", code)))

    assert error is not None
    assert error.type == "LoadError"
    assert re.search(reason, error.message)


@pytest.mark.parametrize(
    "code",
    [
        "def main(msg): return 'fine'",
        "def main(msg: Request): return 'fine'",
        "def main(msg: Request) -> str: return 'fine'",
        "def main(msg: Request) -> str | dict[str, int]: return 'fine'",
        "from typing import Any\ndef main(msg: Any) -> Any: return 'fine'",
    ],
)
async def test_annotations_that_fit_are_taken(app: App, code: str) -> None:
    worker = await app.worker(extension(app, "right", code))

    assert (await run(worker, "right", **REQUEST)).body == b'"fine"'


async def test_other_triggers_of_the_app_are_not_touched(app: App) -> None:
    worker = await app.worker(
        extension(app, "web", "def main(msg: Request): return 'fine'"),
        app.function("queue", "import azure.functions as func\ndef main(msg: func.QueueMessage): ..."),
    )

    assert (await run(worker, "queue", b"text")).error is None
