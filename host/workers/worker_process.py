"""One worker process, seen from the host: started, loaded, called, and ended one way or another."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...triggers.base import ErrorInfo
from ...triggers.descriptor import FunctionDescriptor
from ..worker.protocol import ProtocolError
from .call import (
    Call,
    IndexFailed,
    Result,
    WorkerLost,
    WorkerStartError,
    describe_function,
    watched_folders,
)
from .channel import Channel, OnFrame
from .child import ChildProcess, describe_exit
from .frames import Failure, Header, Indexed
from .heartbeat import Heartbeat
from .invocations import Invocations
from .worker_settings import WorkerSettings

#: How long a new process may take to answer, in seconds.
START_TIMEOUT = 30.0

#: How long the app's script, or one function, may take to load, in seconds.
LOAD_TIMEOUT = 120.0

#: How long a process that has nothing left to do may take to end, in seconds.
END_TIMEOUT = 2.0

#: How long what a process wrote last is waited for when something else holds its pipes open, in seconds.
_LAST_WORDS = 0.2

_NO_REASON = Failure(type="LoadError", message="The worker gave no reason.")

#: Called with what user code printed or logged: the `log` frame's header and its text.
OnLog = Callable[[dict[str, Any], str], None]


class WorkerProcess:
    """A started worker. `ended` is done, with the reason, once the process is gone."""

    def __init__(self, settings: WorkerSettings, on_log: OnLog) -> None:
        self._loop = asyncio.get_running_loop()
        self._settings = settings
        self._on_log = on_log
        self._channel = Channel(self._receive)
        self._invocations = Invocations(self._channel, self.kill)
        self._child: ChildProcess | None = None
        self._burial: asyncio.Task[None] | None = None
        #: Functions that look at nothing but the content of an event.
        self._content_only: set[str] = set()
        self._loading: dict[str, asyncio.Future[ErrorInfo | None]] = {}
        self._indexing: asyncio.Future[Header] | None = None
        self._ready: asyncio.Future[None] = self._loop.create_future()
        #: The last line of its plain output before it was ready, or after that the interpreter's own last word.
        self._last_word = ""
        self._heartbeat: Heartbeat | None = None
        self._beating: asyncio.Task[None] | None = None
        #: Why it was ended although nobody wanted it gone.
        self._failure = ""
        self._stopping = False
        self._killed = False
        #: Whether the worker can take invocations.
        self.alive = False
        self.pid = 0
        self.ended: asyncio.Future[str] = self._loop.create_future()
        self._on_frame: dict[str, OnFrame] = {
            "ready": self._on_ready,
            "indexed": self._on_indexed,
            "loaded": self._on_loaded,
            "log": self._on_log_frame,
            "pong": self._on_pong,
            **self._invocations.on_frame,
        }

    # -- life

    async def start(self) -> None:
        """Start the process and return once it answers. Raises `WorkerStartError`."""
        await self._launch()
        try:
            await self._first(self._ready, START_TIMEOUT)
        except asyncio.CancelledError:
            self.kill()
            raise
        if not self._ready.done() or self._stopping:
            why = self.ended.result() if self.ended.done() else f"no answer within {START_TIMEOUT:.0f} s"
            await self.stop()
            raise WorkerStartError(f"A worker under {self._settings.python} did not start: {why}.")
        self.alive = not self._killed and not self.ended.done()
        if self.alive:
            self._beating = self._loop.create_task(self._beat())

    async def _launch(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            await self._channel.open(ours)
            try:
                self._child = await self._start_child(theirs.fileno())
            except OSError as error:
                raise WorkerStartError(
                    f"The interpreter {self._settings.python} cannot be started ({error.strerror}). "
                    "Choose another with --python."
                ) from error
            finally:
                if self._child is None:
                    self._channel.close()
        self.pid = self._child.pid
        self._burial = self._loop.create_task(self._bury(self._child))
        if self._killed:
            self._child.kill()
        self._channel.send(self._init())

    def _init(self) -> dict[str, Any]:
        settings = self._settings
        return {
            "type": "init",
            "root": str(settings.root),
            "threads": settings.threads,
            "debug": settings.debug,
            "fallback": settings.fallback and str(settings.fallback),
        }

    async def _start_child(self, stream: int) -> ChildProcess:
        # -u: what is written past sys.stdout must not wait in a buffer for an end that is no orderly one.
        flags = ["-P", "-u", "-B"] if self._settings.fresh_code else ["-P", "-u"]
        script = Path(__file__).parents[1] / "worker" / "__main__.py"
        return await ChildProcess.start(
            [str(self._settings.python), *flags, str(script)],
            self._on_line,
            environment={**os.environ, **self._settings.environment, "FUNCHOST_WORKER_FD": str(stream)},
            folder=self._settings.root,
            inherited=stream,
        )

    async def _beat(self) -> None:
        """End the process once it does not answer any more."""
        self._heartbeat = Heartbeat(
            self.pid,
            lambda: self._channel.send({"type": "ping"}),
            lambda: bool(self.in_flight or self._loading) or self._is_indexing,
            lambda text: self._on_log({"level": "warning"}, text),
        )
        self._failure = await self._heartbeat.fails()
        self.kill()

    async def drain(self) -> None:
        """Take no more; return once all in flight are answered and the process has ended."""
        self.alive = False
        await self._invocations.over()
        if not self.ended.done():
            self._channel.send({"type": "drain"})
            await asyncio.wait({self.ended}, timeout=END_TIMEOUT)
        await self.stop()

    async def stop(self) -> None:
        """End the process now; invocations in flight are interrupted. Returns when it is gone."""
        self.kill(stopping=True)
        if self._burial:
            await asyncio.wait({self._burial})

    def kill(self, *, stopping: bool = False) -> None:
        """End the process now, without waiting; `stopping` when the host wants it gone, not replaced."""
        self.alive = False
        self._killed = True
        self._stopping = self._stopping or stopping
        if self._child:
            self._child.kill()

    # -- what it is asked for

    async def index(self, script: Path) -> list[Indexed]:
        """The functions that decorators define in the script. Raises `IndexFailed`."""
        answer: asyncio.Future[Header] = self._loop.create_future()
        self._indexing = answer
        self._channel.send({"type": "index", "scriptFile": str(script)})
        await self._first(answer, LOAD_TIMEOUT)
        if not answer.done():
            raise IndexFailed(self._no_answer(f"while it imported {script.name}"))
        error = answer.result().get("error")
        if error:
            raise IndexFailed(ErrorInfo(**error))
        return answer.result()["functions"]

    async def load(self, function: FunctionDescriptor) -> ErrorInfo | None:
        """Have the function's code read; returns why that failed, or None. Never raises."""
        answer: asyncio.Future[ErrorInfo | None] = self._loop.create_future()
        self._loading[function.name] = answer
        header: dict[str, Any] = {"type": "load", "function": describe_function(function)}
        if watched := watched_folders(function, self._settings.root):
            header["watched"] = watched
        self._channel.send(header)
        await self._first(answer, LOAD_TIMEOUT)
        self._loading.pop(function.name, None)
        return answer.result() if answer.done() else self._no_answer("while it loaded this function")

    def _no_answer(self, when: str) -> ErrorInfo:
        if self.ended.done():
            return ErrorInfo("WorkerLost", f"The worker ended {when}: {self.ended.result()}.")
        self.kill()
        return ErrorInfo("TimeoutError", f"The worker did not get on for {LOAD_TIMEOUT:g} s {when}.")

    def invoke(self, call: Call) -> asyncio.Future[Result]:
        """Run an invocation. The future raises `WorkerLost` or `InvocationTimeout`."""
        if self.alive:
            call.worker = self.pid
            content_only = call.header["function"] in self._content_only
            return self._invocations.begin(call, content_only=content_only)
        refused: asyncio.Future[Result] = self._loop.create_future()
        why = "the worker takes no more invocations"
        refused.set_exception(WorkerLost(why, guilty=False, stopped=self._stopping))
        return refused

    @property
    def in_flight(self) -> int:
        """Invocations that are not over yet."""
        return self._invocations.in_flight

    async def _first(self, answer: asyncio.Future[Any], seconds: float) -> None:
        """Wait for an answer, or the end of the process, or the time."""
        waiting: list[asyncio.Future[Any]] = [answer, self.ended]
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)

    # -- frames

    def _receive(self, header: Header, body: bytes) -> None:
        handler = self._on_frame.get(header["type"])
        if handler:
            handler(header, body)

    def _on_ready(self, _: Header, __: bytes) -> None:
        self._last_word = ""
        if not self._ready.done():
            self._ready.set_result(None)

    def _on_pong(self, _: Header, __: bytes) -> None:
        if self._heartbeat:
            self._heartbeat.answered()

    @property
    def _is_indexing(self) -> bool:
        return self._indexing is not None and not self._indexing.done()

    def _on_indexed(self, header: Header, _: bytes) -> None:
        if "functions" not in header and "error" not in header:
            raise ProtocolError("It told neither functions nor an error.")
        if self._indexing and not self._indexing.done():
            self._indexing.set_result(header)

    def _on_loaded(self, header: Header, _: bytes) -> None:
        if header.get("contentOnly"):
            self._content_only.add(header["function"])
        answer = self._loading.get(header["function"])
        if answer and not answer.done():
            error = header.get("error")
            answer.set_result(None if header["ok"] else ErrorInfo(**error or _NO_REASON))

    def _on_log_frame(self, header: Header, body: bytes) -> None:
        self._on_log(dict(header), body.decode("utf-8", "replace"))

    def _on_line(self, line: str) -> None:
        """What native code, child processes and a crashing interpreter write."""
        if not self._ready.done() or line.startswith("Fatal Python error"):
            self._last_word = line
        self._on_log({"level": "info", "stream": "output", "pid": self.pid}, line)

    # -- the end

    async def _bury(self, child: ChildProcess) -> None:
        """Wait for the end of the process, then tell every invocation what that means for it."""
        # Either may come alone: forks hold a stream open, and a process may go on without its stream.
        ends: list[asyncio.Future[Any]] = [self._channel.lost, child.exited]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        self.alive = False
        if self._beating:
            self._beating.cancel()
        if not self._channel.offence:
            await asyncio.wait({child.exited}, timeout=END_TIMEOUT)
        child.kill()
        code = await child.exited
        await asyncio.wait({self._channel.lost, child.silent}, timeout=_LAST_WORDS)
        child.close()
        self._channel.close()
        reason = self._reason(code)
        self._invocations.lose(reason, killed=self._killed, stopping=self._stopping)
        self.ended.set_result(reason)

    def _reason(self, code: int) -> str:
        if self._channel.offence:
            return f"the worker process did not keep to the protocol ({self._channel.offence})"
        if self._failure:
            return self._failure
        how = describe_exit(code)
        return f"{how} ({self._last_word})" if self._last_word else how
