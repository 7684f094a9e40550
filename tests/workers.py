"""What tests of workers share: an app in a folder, its worker processes, and what they say."""

from __future__ import annotations

import asyncio
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from funchost.host.workers.call import Call, Result
from funchost.host.workers.worker_process import WorkerProcess
from funchost.host.workers.worker_settings import WorkerSettings
from funchost.triggers.descriptor import Binding, FunctionDescriptor

T = TypeVar("T")

#: No test waits longer than this for anything, in seconds.
PATIENCE = 15.0


async def within(waiting: Awaitable[T], seconds: float = PATIENCE) -> T:
    """The result, or `TimeoutError`."""
    async with asyncio.timeout(seconds):
        return await waiting


class Line(NamedTuple):
    """One thing that a worker said."""

    text: str
    invocation: str
    header: dict[str, Any]


class App:
    """An app folder with functions, and the workers that were started on it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lines: list[Line] = []
        self._heard = asyncio.Event()
        self._workers: list[WorkerProcess] = []

    def function(
        self,
        name: str,
        code: str,
        *,
        on: str = "queueTrigger",
        bindings: tuple[Binding, ...] = (),
        script: str = "__init__.py",
    ) -> FunctionDescriptor:
        """Write a function; its trigger is called `msg`, and an HTTP trigger has its response."""
        folder = self.root / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / script).write_text(textwrap.dedent(code))
        if on == "httpTrigger":
            bindings = (*bindings, Binding(type="http", name="$return", direction="out"))
        return FunctionDescriptor(
            name=name,
            directory=folder,
            script_file=folder / script,
            entry_point="main",
            trigger=Binding(type=on, name="msg"),
            bindings=bindings,
        )

    def settings(self, **settings: Any) -> WorkerSettings:
        """Settings for workers of this app."""
        # Tests change code within a second, which Python's byte code would not notice.
        own = {"root": self.root, "python": Path(sys.executable), "fresh_code": True}
        return WorkerSettings(**{**own, **settings})

    def on_log(self, header: dict[str, Any], text: str) -> None:
        """Remember what a worker said."""
        for line in text.split("\n"):
            self.lines.append(Line(line, header.get("invocation", ""), header))
        self._heard.set()

    async def worker(self, *functions: FunctionDescriptor, **settings: Any) -> WorkerProcess:
        """A started worker in which these functions are loaded."""
        worker = WorkerProcess(self.settings(**settings), self.on_log)
        self._workers.append(worker)
        await within(worker.start())
        for function in functions:
            assert await within(worker.load(function)) is None
        return worker

    async def heard(self, wanted: str | Callable[[Line], bool]) -> Line:
        """The first line with that text, as soon as it is said."""
        fits = (lambda line: line.text == wanted) if isinstance(wanted, str) else wanted

        async def find() -> Line:
            while True:
                for line in list(self.lines):
                    if fits(line):
                        return line
                self._heard.clear()
                await self._heard.wait()

        return await within(find())

    async def close(self) -> None:
        """End all workers that are left."""
        for worker in self._workers:
            await within(worker.stop())


def call(function: str, body: bytes = b"", *, invocation: str = "one", **more: Any) -> Call:
    """An invocation. What is no field of a `Call` goes into its header."""
    fields = {
        name: more.pop(name) for name in ("stream", "timeout", "on_cancel", "on_progress") if name in more
    }
    header = {
        "type": "invoke",
        "invocation": invocation,
        "function": function,
        "kind": "queue",
        "data": {},
        "metadata": {},
        **more,
    }
    if "stream" in fields:
        header["stream"] = True
    return Call(header, (body,), **fields)


async def run(worker: WorkerProcess, function: str, body: bytes = b"", **more: Any) -> Result:
    """Run an invocation to its result."""
    return await within(worker.invoke(call(function, body, **more)))


async def output(worker: WorkerProcess, function: str, body: bytes = b"", **more: Any) -> bytes:
    """Run an invocation to its body; fails when the function does."""
    result = await run(worker, function, body, **more)
    assert result.error is None, result.error
    assert isinstance(result.body, bytes)
    return result.body


async def collect(result: Result) -> bytes:
    """All of a streamed result."""
    assert not isinstance(result.body, bytes)
    return b"".join([chunk async for chunk in result.body])


async def chunks(*pieces: bytes) -> AsyncIterator[bytes]:
    """A source of a streamed value."""
    for piece in pieces:
        yield piece
