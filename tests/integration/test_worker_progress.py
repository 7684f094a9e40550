"""What functions say of themselves arrives, in order, and before their result."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from workers import App, call, within

from funchost.host.workers.call import WorkerLost


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    app = App(tmp_path)
    yield app
    await app.close()


Said = list[tuple[float | None, Any]]


async def said(app: App, code: str) -> Said:
    """What a function said of itself in one run, as it was known when its result came."""
    heard: Said = []
    worker = await app.worker(app.function("talk", code))
    result = await within(
        worker.invoke(call("talk", on_progress=lambda progress, status: heard.append((progress, status))))
    )
    assert result.error is None, result.error
    return heard


SPEAKERS = {
    "plain": """
        def main(msg: str, context) -> None:
            context.set_progress(0.5, {"step": "half"})
    """,
    "coroutine": """
        import asyncio
        async def main(msg: str, context) -> None:
            await asyncio.sleep(0)
            context.set_progress(0.5, {"step": "half"})
    """,
    "annotated": """
        import azure.functions as func
        def main(msg: func.QueueMessage, context: func.Context) -> None:
            context.set_progress(0.5, {"step": "half"})
    """,
    "thread": """
        import threading
        def main(msg: str, context) -> None:
            thread = threading.Thread(target=context.set_progress, args=(0.5, {"step": "half"}))
            thread.start(); thread.join()
    """,
}


@pytest.mark.parametrize("speaker", SPEAKERS)
async def test_it_arrives_from_wherever_it_is_said(app: App, speaker: str) -> None:
    assert await said(app, SPEAKERS[speaker]) == [(0.5, {"step": "half"})]


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_of_a_flood_the_last_word_arrives(app: App, kind: str) -> None:
    heard = await said(
        app,
        f"""
        {kind} main(msg: str, context) -> None:
            for step in range(10_001):
                context.set_progress(step / 10_000, step)
        """,
    )
    assert heard[-1] == (1.0, 10_000)
    assert len(heard) < 100


async def test_it_arrives_while_the_function_goes_on(app: App) -> None:
    code = """
        import time
        def main(msg: str, context) -> None:
            context.set_progress(0.1)
            context.set_progress(0.2)
            while not context.cancelled.is_set():
                time.sleep(0.01)
    """
    heard: Said = []
    cancels: list[Any] = []
    worker = await app.worker(app.function("talk", code))

    def on_progress(progress: float | None, status: Any) -> None:
        heard.append((progress, status))
        if progress == 0.2:
            # Only now, so that the second word came by the timer, not with the end.
            cancels[0]()

    await within(worker.invoke(call("talk", on_progress=on_progress, on_cancel=cancels.append)))
    assert heard == [(0.1, None), (0.2, None)]


async def test_an_error_in_what_is_said_is_the_functions_own(app: App) -> None:
    worker = await app.worker(
        app.function("talk", "def main(msg: str, context) -> None:\n    context.set_progress(40)\n")
    )
    result = await within(worker.invoke(call("talk")))
    assert result.error
    assert (result.error.type, "from 0 to 1" in result.error.message) == ("ValueError", True)


async def test_a_fork_that_speaks_of_progress_goes_on(app: App) -> None:
    heard = await said(
        app,
        """
        import os
        def main(msg: str, context) -> None:
            context.set_progress(0.1)
            child = os.fork()
            if child == 0:
                context.set_progress(0.9)
                os._exit(7)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            assert code == 7, code
            context.set_progress(0.2)
        """,
    )
    assert [progress for progress, _ in heard] == [0.1, 0.2]


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ('"progress": 2', b""),
        ('"progress": "half"', b""),
        ('"progress": 0.5', b"{"),
        ('"progress": 0.5', b"[" * 5000 + b"]" * 5000),
        ('"progress": 0.5', b'"' + b"x" * 70_000 + b'"'),
    ],
)
async def test_a_worker_that_sends_what_is_no_progress_is_ended(app: App, header: str, body: bytes) -> None:
    worker = await app.worker(
        app.function(
            "talk",
            f"""
            import os, stat, struct, threading
            def main(msg: str) -> None:
                header = b'{{"type": "progress", "id": 1, {header}}}'
                for number in map(int, os.listdir("/proc/self/fd")):
                    try:
                        if number > 2 and stat.S_ISSOCK(os.fstat(number).st_mode):
                            os.write(number, struct.pack(">II", len(header), {len(body)}) + header + {body!r})
                    except OSError:
                        pass
                threading.Event().wait(20)
            """,
        )
    )
    with pytest.raises(WorkerLost):
        await within(worker.invoke(call("talk")))
