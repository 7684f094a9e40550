"""A real worker process: started, loaded, called in every way, cancelled, and ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest
from workers import App, call, chunks, collect, output, run, within

from funchost.host.worker.protocol import STREAM_WINDOW
from funchost.host.workers import invocations, worker_process
from funchost.host.workers.call import InvocationTimeout, WorkerLost, WorkerStartError
from funchost.host.workers.worker_process import WorkerProcess
from funchost.triggers.descriptor import Binding

ECHO = "def main(msg: bytes) -> bytes:\n    return msg\n"
OUT = (Binding(type="queue", name="$return", direction="out"),)


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    app = App(tmp_path)
    yield app
    await app.close()


# -- start and load


async def test_a_started_worker_is_alive_and_has_a_process(app: App) -> None:
    worker = await app.worker()
    assert worker.alive
    assert worker.in_flight == 0
    os.kill(worker.pid, 0)


async def test_a_stopped_worker_is_gone(app: App) -> None:
    worker = await app.worker()
    await within(worker.stop())
    assert not worker.alive
    assert "SIGKILL" in worker.ended.result()
    with pytest.raises(ProcessLookupError):
        os.kill(worker.pid, 0)
    await within(worker.stop())


async def test_an_interpreter_that_does_not_exist_is_named(app: App, tmp_path: Path) -> None:
    with pytest.raises(WorkerStartError, match="no-python cannot be started"):
        await app.worker(python=tmp_path / "no-python")


async def test_an_interpreter_that_refuses_says_why(app: App, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho unknown option -P >&2\nexit 2\n")
    python.chmod(0o755)
    with pytest.raises(WorkerStartError, match=r"exited with code 2 \(unknown option -P\)"):
        await app.worker(python=python)


async def test_one_that_does_not_answer_is_given_up(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "START_TIMEOUT", 0.2)
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 60\n")
    python.chmod(0o755)
    with pytest.raises(WorkerStartError, match="no answer within"):
        await app.worker(python=python)


async def test_a_worker_may_be_stopped_before_it_was_started(app: App) -> None:
    await within(WorkerProcess(app.settings(), app.on_log).stop())


@pytest.mark.parametrize("delay", [0, 0.001, 0.003, 0.01])
async def test_a_worker_may_be_stopped_while_it_starts(app: App, delay: float) -> None:
    worker = WorkerProcess(app.settings(), app.on_log)
    starting = asyncio.create_task(worker.start())
    await asyncio.sleep(delay)
    await within(worker.stop())
    with pytest.raises(WorkerStartError):
        await within(starting)
    assert not worker.alive


async def test_why_a_function_does_not_load_is_told_and_others_load(app: App) -> None:
    worker = await app.worker()
    error = await within(worker.load(app.function("broken", "import nothing_like_this\n")))
    assert error is not None
    assert error.type == "LoadError"
    assert "nothing_like_this" in error.message
    assert await within(worker.load(app.function("echo", ECHO, bindings=OUT))) is None


async def test_an_import_that_hangs_is_given_up(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "LOAD_TIMEOUT", 0.3)
    worker = await app.worker()
    error = await within(worker.load(app.function("slow", "import time\ntime.sleep(60)\n")))
    assert error is not None
    assert error.type == "TimeoutError"
    assert not worker.alive


async def test_an_import_that_ends_the_process_is_told(app: App) -> None:
    worker = await app.worker()
    error = await within(worker.load(app.function("deadly", "import os\nos._exit(3)\n")))
    assert error is not None
    assert error.type == "WorkerLost"
    assert "exited with code 3" in error.message
    assert not worker.alive


async def test_a_function_that_was_not_loaded_fails_alone(app: App) -> None:
    worker = await app.worker(app.function("echo", ECHO, bindings=OUT))
    result = await run(worker, "other")
    assert result.error is not None
    assert "'other'" in result.error.message
    await run(worker, "echo")


# -- calls


async def test_plain_and_coroutine_functions_are_called(app: App) -> None:
    worker = await app.worker(
        app.function("plain", "def main(msg: str) -> str:\n    return msg + '!'\n", on="httpTrigger"),
        app.function("later", "async def main(msg: str) -> str:\n    return msg + '?'\n", on="httpTrigger"),
    )
    assert await output(worker, "plain", b"a") == b"a!"
    assert await output(worker, "later", b"b") == b"b?"


@pytest.mark.parametrize("keyword", ["def", "async def"])
async def test_many_in_flight_each_get_their_own_result(app: App, keyword: str) -> None:
    code = f"{keyword} main(msg: bytes) -> bytes:\n    return msg[::-1]\n"
    worker = await app.worker(app.function("turn", code, on="httpTrigger"))
    bodies = [f"body {number}".encode() for number in range(2000)]
    futures = [worker.invoke(call("turn", body)) for body in bodies]
    assert worker.in_flight == 2000
    results = await within(asyncio.gather(*futures))
    assert [result.body for result in results] == [body[::-1] for body in bodies]
    assert worker.in_flight == 0


@pytest.mark.parametrize(
    ("value", "kind", "body"),
    [
        ("None", "none", b""),
        ("'grün'", "text", "grün".encode()),
        ("b'\\xff'", "bytes", b"\xff"),
        ("{'a': [1]}", "json", b'{"a":[1]}'),
    ],
)
async def test_results_keep_their_kind(app: App, value: str, kind: str, body: bytes) -> None:
    worker = await app.worker(
        app.function("give", f"def main(msg: str):\n    return {value}\n", on="httpTrigger")
    )
    result = await run(worker, "give")
    assert (result.kind, result.body, result.error) == (kind, body, None)


async def test_large_values_pass_in_both_directions(app: App) -> None:
    worker = await app.worker(app.function("echo", ECHO, on="httpTrigger"))
    body = os.urandom(8 * 1024 * 1024)
    assert await output(worker, "echo", body) == body


async def test_inputs_come_and_outputs_go_beside_the_value(app: App) -> None:
    code = """
        import azure.functions as func
        def main(msg: str, text: str, raw: bytes, missing: str,
                 first: func.Out[str], second: func.Out[bytes], unset: func.Out[str]) -> None:
            first.set(f"{msg} {text} {missing}")
            second.set(raw * 2)
    """
    names = [
        ("text", "in"),
        ("raw", "in"),
        ("missing", "in"),
        ("first", "out"),
        ("second", "out"),
        ("unset", "out"),
    ]
    bindings = tuple(Binding(type="blob", name=name, direction=direction) for name, direction in names)
    worker = await app.worker(app.function("mix", code, bindings=bindings))
    request = call(
        "mix",
        inputs=[
            {"name": "text", "kind": "text"},
            {"name": "raw", "kind": "bytes"},
            {"name": "missing", "kind": "none"},
        ],
        sizes=[1, 2, 2, 0],
    )
    request.body = (b"m", b"hi", b"\xff\x00", b"")
    result = await within(worker.invoke(request))
    assert result.error is None
    assert result.outputs == [("first", "text", b"m hi None"), ("second", "bytes", b"\xff\x00\xff\x00")]


async def test_what_a_function_raises_is_told_with_the_users_part_of_the_traceback(app: App) -> None:
    worker = await app.worker(app.function("bad", "def main(msg: str) -> None:\n    raise KeyError(msg)\n"))
    error = (await run(worker, "bad", b"who")).error
    assert error is not None
    assert (error.type, error.message) == ("KeyError", "'who'")
    assert "raise KeyError(msg)" in error.traceback
    assert "invocation.py" not in error.traceback


@pytest.mark.parametrize("keyword", ["def", "async def"])
@pytest.mark.parametrize("error", ["SystemExit(3)", "KeyboardInterrupt()", "GeneratorExit()", "Strange()"])
async def test_no_exception_ends_the_worker(app: App, keyword: str, error: str) -> None:
    code = f"""
class Strange(BaseException):
    def __str__(self): raise ValueError("no words")
{keyword} main(msg: str) -> None:
    raise {error}
"""
    worker = await app.worker(app.function("bad", code), app.function("echo", ECHO, bindings=OUT))
    result = await run(worker, "bad")
    assert result.error is not None
    assert error.partition("(")[0] in result.error.type
    await run(worker, "echo")
    assert worker.alive


async def test_plain_functions_share_the_threads_that_were_asked_for(app: App) -> None:
    code = """
        import threading, time
        names = set()
        def main(msg: str) -> str:
            names.add(threading.current_thread().name)
            time.sleep(0.005)
            return str(len(names))
    """
    worker = await app.worker(app.function("count", code, on="httpTrigger"), threads=3)
    results = await within(asyncio.gather(*(worker.invoke(call("count")) for _ in range(30))))
    assert results[-1].body == b"3"


@pytest.mark.parametrize("keyword", ["def", "async def"])
async def test_context_variables_do_not_leak_from_one_invocation_to_the_next(app: App, keyword: str) -> None:
    code = f"""
import contextvars
seen = contextvars.ContextVar("seen", default="nothing")
seen.set("module")
{keyword} main(msg: str) -> str:
    before = seen.get()
    seen.set(msg)
    return before
"""
    worker = await app.worker(app.function("leak", code, on="httpTrigger"), threads=1)
    for name in (b"a", b"b", b"c"):
        assert await output(worker, "leak", name) == b"module"


# -- streams


async def test_a_value_is_streamed_into_a_file(app: App) -> None:
    code = """
        from typing import BinaryIO
        def main(msg: BinaryIO) -> str:
            return f"{len(msg.readline())} {len(msg.read())}"
    """
    worker = await app.worker(app.function("read", code, on="httpTrigger"))
    source = chunks(b"line\n", *[bytes(100_000)] * 40)
    assert await output(worker, "read", stream=source) == b"5 4000000"


async def test_a_value_is_streamed_into_an_iterator(app: App) -> None:
    code = """
        from collections.abc import AsyncIterator
        async def main(msg: AsyncIterator[bytes]) -> str:
            return str(sum([len(chunk) async for chunk in msg]))
    """
    worker = await app.worker(app.function("read", code, on="httpTrigger"))
    assert await output(worker, "read", stream=chunks(*[bytes(300_000)] * 10)) == b"3000000"


@pytest.mark.parametrize("keyword", ["def", "async def"])
async def test_a_streamed_value_is_collected_for_a_function_that_wants_it_whole(
    app: App, keyword: str
) -> None:
    worker = await app.worker(
        app.function(
            "size", f"{keyword} main(msg: bytes) -> str:\n    return str(len(msg))\n", on="httpTrigger"
        )
    )
    assert await output(worker, "size", stream=chunks(*[bytes(300_000)] * 10)) == b"3000000"


READERS = {
    "def": """
        import pathlib, time
        from typing import BinaryIO
        def main(msg: BinaryIO) -> str:
            print("waits")
            while not pathlib.Path("go").exists():
                time.sleep(0.01)
            return str(len(msg.read()))
    """,
    "async def": """
        import asyncio, pathlib
        from collections.abc import AsyncIterator
        async def main(msg: AsyncIterator[bytes]) -> str:
            print("waits")
            while not pathlib.Path("go").exists():
                await asyncio.sleep(0.01)
            return str(sum([len(chunk) async for chunk in msg]))
    """,
}


@pytest.mark.parametrize("keyword", ["def", "async def"])
async def test_a_slow_reader_holds_the_sender_back(app: App, keyword: str) -> None:
    worker = await app.worker(app.function("slow", READERS[keyword], on="httpTrigger"))
    taken = 0

    async def source() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(64):
            taken += 65_536
            yield bytes(65_536)

    future = worker.invoke(call("slow", stream=source()))
    await app.heard("waits")
    # The echo of a second call says that all that was on its way has been dealt with.
    other = app.function("echo", ECHO, on="httpTrigger")
    assert await within(worker.load(other)) is None
    assert taken <= STREAM_WINDOW + 65_536
    (app.root / "go").touch()
    result = await within(future)
    assert result.body == str(64 * 65_536).encode()
    assert taken == 64 * 65_536


@pytest.mark.parametrize(
    "code",
    [
        "from typing import BinaryIO\ndef main(msg: BinaryIO) -> None:\n    msg.read()\n",
        "from typing import AsyncIterator\nasync def main(msg: AsyncIterator[bytes]) -> None:\n    [_ async for _ in msg]\n",
        "def main(msg: bytes) -> None: pass\n",
    ],
    ids=["file", "iterator", "whole"],
)
async def test_a_source_that_breaks_off_fails_the_function_and_nothing_else(app: App, code: str) -> None:
    async def source() -> AsyncIterator[bytes]:
        yield b"some"
        raise OSError("the client went away")

    worker = await app.worker(
        app.function("read", code), app.function("echo", ECHO, on="httpTrigger"), threads=1
    )
    for _ in range(3):
        result = await run(worker, "read", stream=source())
        assert result.error is not None
        assert result.error.type.endswith("StreamBroken")
    assert await output(worker, "echo", b"still here") == b"still here"


async def test_a_function_need_not_read_what_is_streamed(app: App) -> None:
    code = "from typing import BinaryIO\ndef main(msg: BinaryIO) -> str:\n    return 'no thanks'\n"
    worker = await app.worker(app.function("rude", code, on="httpTrigger"))
    closed = asyncio.Event()

    async def source() -> AsyncIterator[bytes]:
        try:
            while True:
                yield bytes(65_536)
        finally:
            closed.set()

    assert await output(worker, "rude", stream=source()) == b"no thanks"
    await within(closed.wait())


GENERATORS = {
    "generator": "def main(msg: str):\n    for n in range(int(msg)):\n        yield bytes([n % 256]) * 1000\n",
    "async generator": (
        "async def main(msg: str):\n    for n in range(int(msg)):\n        yield bytes([n % 256]) * 1000\n"
    ),
}


@pytest.mark.parametrize("kind", GENERATORS)
async def test_a_result_is_streamed(app: App, kind: str) -> None:
    worker = await app.worker(app.function("many", GENERATORS[kind], on="httpTrigger"))
    result = await run(worker, "many", b"3000")
    assert result.kind == "stream"
    assert result.data["status"] == 200
    assert worker.in_flight == 1
    assert await within(collect(result)) == b"".join(bytes([n % 256]) * 1000 for n in range(3000))
    assert worker.in_flight == 0


ENDLESS = {
    "generator": """
        def main(msg: str):
            made = 0
            try:
                while True:
                    made += 50_000
                    yield bytes(50_000)
            finally:
                print("made", made)
    """,
    "async generator": """
        async def main(msg: str):
            made = 0
            try:
                while True:
                    made += 50_000
                    yield bytes(50_000)
            finally:
                print("made", made)
    """,
}


@pytest.mark.parametrize("kind", ENDLESS)
async def test_a_slow_receiver_holds_the_function_back_and_may_leave(app: App, kind: str) -> None:
    worker = await app.worker(
        app.function("endless", ENDLESS[kind], on="httpTrigger"), app.function("echo", ECHO, on="httpTrigger")
    )
    result = await run(worker, "endless", invocation="stream")
    read = 0
    assert not isinstance(result.body, bytes)
    async with contextlib.aclosing(aiter(result.body)) as body:  # type: ignore[type-var]
        async for chunk in body:
            read += len(chunk)
            if read > 2_000_000:
                break
    line = await app.heard(lambda line: line.text.startswith("made"))
    assert line.invocation == "stream"
    assert int(line.text.split()[1]) <= read + STREAM_WINDOW + 100_000
    assert await output(worker, "echo", b"free") == b"free"
    assert worker.in_flight == 0


async def test_a_streamed_result_that_fails_says_so_after_what_it_gave(app: App) -> None:
    code = "def main(msg: str):\n    yield b'some'\n    raise ValueError('no more')\n"
    worker = await app.worker(app.function("half", code, on="httpTrigger"))
    result = await run(worker, "half")
    with pytest.raises(ConnectionError, match="no more"):
        await within(collect(result))


async def test_a_streamed_result_that_is_never_read_can_be_given_up(app: App) -> None:
    worker = await app.worker(app.function("endless", ENDLESS["generator"], on="httpTrigger"))
    result = await run(worker, "endless")
    await result.body.aclose()  # type: ignore[union-attr]
    await app.heard(lambda line: line.text.startswith("made"))
    await within(worker.drain())
    assert "code 0" in worker.ended.result()


async def test_generators_that_wait_keep_no_thread_from_other_functions(app: App) -> None:
    code = "import time\ndef main(msg: str):\n    yield b'first'\n    time.sleep(0.3)\n    yield b'last'\n"
    worker = await app.worker(
        app.function("slow", code, on="httpTrigger"), app.function("echo", ECHO, on="httpTrigger"), threads=1
    )
    result = await run(worker, "slow")
    assert await output(worker, "echo", b"now") == b"now"
    assert await within(collect(result)) == b"firstlast"


# -- cancellation and timeouts

LOOPS = {
    "async def": "import asyncio\nasync def main(msg: str) -> None:\n    print('runs')\n    await asyncio.sleep(60)\n",
    "def": "def main(msg: str) -> None:\n    print('runs')\n    while True: pass\n",
}


@pytest.mark.parametrize(
    ("keyword", "error"), [("async def", "CancelledError"), ("def", "InvocationCancelled")]
)
async def test_a_run_that_nobody_waits_for_is_cancelled(app: App, keyword: str, error: str) -> None:
    worker = await app.worker(app.function("long", LOOPS[keyword]))
    cancels: list[Callable[[], None]] = []
    future = worker.invoke(call("long", on_cancel=cancels.append))
    await app.heard("runs")
    cancels[0]()
    result = await within(future)
    assert result.error is not None
    assert result.error.type.endswith(error)
    assert worker.alive


@pytest.mark.parametrize("keyword", ["async def", "def"])
async def test_one_that_is_cancelled_before_it_began_never_runs(app: App, keyword: str) -> None:
    code = f"import time\n{keyword} main(msg: str) -> None:\n    print('ran', msg)\n    time.sleep(0.1)\n"
    worker = await app.worker(app.function("wait", code), threads=1)
    cancels: list[Callable[[], None]] = []
    first = worker.invoke(call("wait", b"first"))
    second = worker.invoke(call("wait", b"second", on_cancel=cancels.append))
    cancels[0]()
    await within(first)
    result = await within(second)
    assert result.error is not None
    assert result.error.type.endswith("InvocationCancelled")
    assert "ran second" not in [line.text for line in app.lines]


async def test_an_interruption_strikes_no_other_invocation(app: App) -> None:
    code = "import time\ndef main(msg: str) -> None:\n    end = time.monotonic() + 0.002\n    while time.monotonic() < end: pass\n"
    worker = await app.worker(app.function("short", code), threads=1)
    for _ in range(40):
        cancels: list[Callable[[], None]] = []
        cancelled = worker.invoke(call("short", on_cancel=cancels.append))
        spared = worker.invoke(call("short"))
        asyncio.get_running_loop().call_later(0.002, cancels[0])
        await within(cancelled)
        assert (await within(spared)).error is None


async def test_the_context_says_that_it_is_cancelled(app: App) -> None:
    code = (
        "def main(msg: str, context) -> str:\n    print('runs')\n    return str(context.cancelled.wait(10))\n"
    )
    worker = await app.worker(app.function("polite", code, on="httpTrigger"))
    with pytest.raises(InvocationTimeout):
        await run(worker, "polite", timeout=0.2)
    assert worker.alive


@pytest.mark.parametrize("keyword", ["async def", "def"])
async def test_a_function_past_its_timeout_is_stopped_and_its_worker_lives(app: App, keyword: str) -> None:
    worker = await app.worker(
        app.function("long", LOOPS[keyword]), app.function("echo", ECHO, on="httpTrigger")
    )
    began = time.monotonic()
    with pytest.raises(InvocationTimeout, match=r"timeout of 0\.2 s"):
        await run(worker, "long", timeout=0.2)
    assert time.monotonic() - began < invocations.CANCEL_GRACE
    assert await output(worker, "echo", b"alive") == b"alive"


async def test_one_that_does_not_stop_is_ended_with_its_worker_and_neighbours_are_not_blamed(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invocations, "CANCEL_GRACE", 0.3)
    worker = await app.worker(
        app.function("stuck", "import time\ndef main(msg: str) -> None:\n    time.sleep(60)\n"),
        app.function("other", LOOPS["async def"]),
    )
    stuck = worker.invoke(call("stuck", timeout=0.1))
    other = worker.invoke(call("other"))
    with pytest.raises(InvocationTimeout):
        await within(stuck)
    with pytest.raises(WorkerLost) as lost:
        await within(other)
    assert not lost.value.guilty
    assert not lost.value.stopped
    assert not worker.alive


async def test_time_spent_waiting_for_a_thread_does_not_count(app: App) -> None:
    code = "import time\ndef main(msg: str) -> str:\n    time.sleep(0.25)\n    return 'done'\n"
    worker = await app.worker(app.function("nap", code, on="httpTrigger"), threads=1)
    results = await within(asyncio.gather(*(worker.invoke(call("nap", timeout=0.4)) for _ in range(4))))
    assert [result.body for result in results] == [b"done"] * 4


async def test_but_the_time_after_it_does(app: App) -> None:
    worker = await app.worker(
        app.function("nap", "import time\ndef main(msg: str) -> None:\n    time.sleep(0.5)\n"),
        app.function("long", LOOPS["def"]),
        threads=1,
    )
    nap = worker.invoke(call("nap"))
    long = worker.invoke(call("long", timeout=0.3))
    await within(nap)
    began = time.monotonic()
    with pytest.raises(InvocationTimeout):
        await within(long)
    assert 0.2 < time.monotonic() - began < 1.5


# -- the end of a process

DEATHS = {
    "os._exit(7)": "exited with code 7",
    "os.kill(os.getpid(), 9)": "ended by SIGKILL",
    "os.abort()": r"SIGABRT \(Fatal Python error: Aborted\)",
    "__import__('ctypes').string_at(0)": r"SIGSEGV \(Fatal Python error: Segmentation fault\)",
}


@pytest.mark.parametrize("keyword", ["def", "async def"])
@pytest.mark.parametrize("deed", DEATHS)
async def test_the_only_one_in_flight_is_guilty_and_the_reason_is_told(
    app: App, deed: str, keyword: str
) -> None:
    worker = await app.worker(
        app.function("deadly", f"import os\n{keyword} main(msg: str) -> None:\n    {deed}\n")
    )
    with pytest.raises(WorkerLost, match=DEATHS[deed]) as lost:
        await run(worker, "deadly")
    assert lost.value.guilty
    assert not lost.value.stopped
    assert not worker.alive
    assert worker.ended.done()


@pytest.mark.parametrize("keyword", ["def", "async def"])
async def test_one_that_announced_the_end_is_guilty_and_others_are_not(app: App, keyword: str) -> None:
    worker = await app.worker(
        app.function("deadly", f"import os\n{keyword} main(msg: str) -> None:\n    os._exit(4)\n"),
        app.function("other", LOOPS["async def"]),
    )
    others = [worker.invoke(call("other", invocation=f"other {number}")) for number in range(3)]
    await app.heard("runs")
    deadly = worker.invoke(call("deadly", invocation="deadly"))
    with pytest.raises(WorkerLost, match=r"code 4, announced by os\._exit\(4\)") as lost:
        await within(deadly)
    assert lost.value.guilty
    for other in others:
        with pytest.raises(WorkerLost) as lost:
            await within(other)
        assert not lost.value.guilty


async def test_of_several_in_flight_nobody_is_guilty_when_nothing_was_announced(app: App) -> None:
    worker = await app.worker(app.function("long", LOOPS["async def"]))
    futures = [worker.invoke(call("long", invocation=str(number))) for number in range(2)]
    await app.heard(lambda line: line.invocation == "1")
    os.kill(worker.pid, signal.SIGKILL)
    for future in futures:
        with pytest.raises(WorkerLost) as lost:
            await within(future)
        assert not lost.value.guilty


async def test_one_that_the_worker_never_read_is_not_guilty(app: App) -> None:
    worker = await app.worker(app.function("echo", ECHO, on="httpTrigger"))
    os.kill(worker.pid, signal.SIGSTOP)
    future = worker.invoke(call("echo"))
    await asyncio.sleep(0.01)
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(WorkerLost) as lost:
        await within(future)
    assert not lost.value.guilty


async def test_one_that_is_sent_to_a_worker_that_has_just_died_is_not_guilty(app: App) -> None:
    worker = await app.worker(app.function("echo", ECHO, on="httpTrigger"))
    process = psutil.Process(worker.pid)
    process.kill()
    # Without a turn of the loop, which must not see it first.
    with contextlib.suppress(psutil.NoSuchProcess):
        while process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.001)  # noqa: ASYNC251
    with pytest.raises(WorkerLost) as lost:
        await run(worker, "echo")
    assert not lost.value.guilty


async def test_a_stream_that_is_under_way_breaks_and_counts_as_in_flight(app: App) -> None:
    worker = await app.worker(
        app.function("endless", ENDLESS["generator"], on="httpTrigger"),
        app.function("long", LOOPS["async def"]),
    )
    result = await run(worker, "endless")
    other = worker.invoke(call("long"))
    await app.heard("runs")
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(ConnectionError, match="SIGKILL"):
        await within(collect(result))
    with pytest.raises(WorkerLost) as lost:
        await within(other)
    assert not lost.value.guilty


async def test_a_worker_that_is_gone_takes_nothing(app: App) -> None:
    worker = await app.worker(app.function("echo", ECHO, on="httpTrigger"))
    os.kill(worker.pid, signal.SIGKILL)
    await within(worker.ended)
    with pytest.raises(WorkerLost) as lost:
        await run(worker, "echo")
    assert not lost.value.guilty


async def test_what_is_in_flight_when_the_host_stops_is_interrupted(app: App) -> None:
    worker = await app.worker(app.function("long", LOOPS["def"]))
    future = worker.invoke(call("long"))
    await app.heard("runs")
    await within(worker.stop())
    with pytest.raises(WorkerLost) as lost:
        await within(future)
    assert lost.value.stopped
    assert not lost.value.guilty


async def test_draining_lets_what_runs_finish_and_ends_in_order(app: App) -> None:
    code = (
        "import time\ndef main(msg: str) -> str:\n    print('runs')\n    time.sleep(0.3)\n    return 'done'\n"
    )
    worker = await app.worker(app.function("nap", code, on="httpTrigger"))
    future = worker.invoke(call("nap"))
    await app.heard("runs")
    await within(worker.drain())
    assert (await within(future)).body == b"done"
    assert worker.ended.result() == "the worker process exited with code 0"


async def test_what_was_printed_last_arrives_when_a_worker_drains(app: App) -> None:
    code = "def main(msg: str) -> None:\n    for n in range(20_000): print('line', n)\n"
    worker = await app.worker(app.function("talk", code))
    future = worker.invoke(call("talk"))
    await within(worker.drain())
    await within(future)
    assert sum(line.text.startswith("line") for line in app.lines) == 20_000


async def test_a_worker_that_ignores_signals_of_the_terminal_lives(app: App) -> None:
    worker = await app.worker(app.function("echo", ECHO, on="httpTrigger"))
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(worker.pid, number)
        assert await output(worker, "echo", b"alive") == b"alive"


# -- children of user code


@pytest.mark.parametrize(
    "start",
    [
        "subprocess.Popen(['sleep', '30'], start_new_session=True)",
        "subprocess.Popen(['sleep', '30'], start_new_session=True, close_fds=False)",
    ],
)
async def test_a_child_that_keeps_the_output_open_keeps_nobody_waiting(app: App, start: str) -> None:
    code = f"import os, subprocess\ndef main(msg: str) -> None:\n    print({start}.pid)\n    os._exit(5)\n"
    worker = await app.worker(app.function("daemon", code))
    began = time.monotonic()
    with pytest.raises(WorkerLost, match="code 5"):
        await run(worker, "daemon")
    assert time.monotonic() - began < 2
    os.kill(int(app.lines[0].text), signal.SIGKILL)


FORK = """
    import os, time
    def main(msg: str) -> str:
        child = os.fork()
        if not child:
            print("from the fork")
            {deed}
        {then}
"""


async def test_a_fork_that_outlives_the_worker_keeps_nobody_waiting(app: App) -> None:
    code = FORK.format(
        deed="time.sleep(30); os._exit(0)", then=r"os.write(1, b'%d\n' % child); os.kill(os.getpid(), 9)"
    )
    worker = await app.worker(app.function("fork", code, on="httpTrigger"))
    began = time.monotonic()
    with pytest.raises(WorkerLost, match="SIGKILL"):
        await run(worker, "fork")
    assert time.monotonic() - began < 2
    child = await app.heard(lambda line: line.text.isdigit())
    os.kill(int(child.text), signal.SIGKILL)


@pytest.mark.parametrize("keyword", ["def", "async def"])
async def test_a_fork_that_ends_is_not_taken_for_the_worker(app: App, keyword: str) -> None:
    code = FORK.format(
        deed="os._exit(9)", then="return str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    worker = await app.worker(
        app.function("fork", code.replace("def main", f"{keyword} main"), on="httpTrigger"),
        app.function("echo", ECHO, on="httpTrigger"),
    )
    for _ in range(3):
        assert await output(worker, "fork") == b"9"
    assert (await app.heard("from the fork")).header["stream"] == "output"
    assert await output(worker, "echo", b"alive") == b"alive"
    os.kill(worker.pid, signal.SIGKILL)
    assert "announced" not in await within(worker.ended)


@pytest.mark.parametrize("deed", ["return 'child'", "raise SystemExit(3)", "raise ValueError"])
async def test_a_fork_that_comes_back_from_the_function_ends(app: App, deed: str) -> None:
    code = FORK.format(deed=deed, then="return str(os.waitpid(child, 0)[0] == child)")
    worker = await app.worker(app.function("fork", code, on="httpTrigger"))

    assert await output(worker, "fork") == b"True"


async def test_pools_of_processes_work(app: App) -> None:
    code = """
        import concurrent.futures, multiprocessing
        def double(number: int) -> int:
            return 2 * number
        def main(msg: str) -> str:
            fork = multiprocessing.get_context("fork")
            with concurrent.futures.ProcessPoolExecutor(2, fork) as pool:
                return str(sum(pool.map(double, range(10))))
    """
    worker = await app.worker(app.function("spread", code, on="httpTrigger"))
    assert await output(worker, "spread") == b"90"
