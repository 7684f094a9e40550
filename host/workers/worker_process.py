"""One worker process, seen from the host: started, loaded, called, and ended one way or another."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from ...triggers.base import ErrorInfo
from ...triggers.descriptor import FunctionDescriptor
from .call import (
    Call,
    Indexed,
    IndexFailed,
    InvocationTimeout,
    Result,
    WorkerLost,
    WorkerStartError,
    describe_function,
    read_result,
    watched_folders,
)
from .channel import Channel
from .child import ChildProcess
from .deadlines import Cancel, Deadlines
from .streams import OutgoingStream, ResultStream
from .worker_settings import WorkerSettings

__all__ = [
    "Call",
    "InvocationTimeout",
    "OnLog",
    "Result",
    "WorkerLost",
    "WorkerProcess",
    "WorkerSettings",
    "WorkerStartError",
]

#: How long a function may go on after it was told that its time is over, in seconds (Azure's grace).
CANCEL_GRACE = 2.0

#: How long a new process may take to answer, in seconds.
START_TIMEOUT = 30.0

#: How long the app's script, or one function, may take to load, in seconds.
LOAD_TIMEOUT = 120.0

#: How long what a process wrote last is waited for when something else holds its pipes open, in seconds.
_LAST_WORDS = 0.2


#: Called with what user code printed or logged: the `log` frame's header and its text.
OnLog = Callable[[dict[str, Any], str], None]


#: What is left out of an invocation for a function that looks at the content alone: a third of the work on it.
_BESIDE_CONTENT = ("data", "metadata", "trace", "retry", "fence")


class _Running:
    """Book-keeping of one invocation in flight."""

    __slots__ = ("call", "future", "timed_out", "timer")

    def __init__(self, call: Call, future: asyncio.Future[Result]) -> None:
        self.call = call
        self.future = future
        self.timer: Cancel | None = None
        self.timed_out = False


class WorkerProcess:
    """A started worker. `ended` is done, with the reason, once the process is gone."""

    def __init__(self, settings: WorkerSettings, on_log: OnLog) -> None:
        self._loop = asyncio.get_running_loop()
        self._settings = settings
        self._on_log = on_log
        self._child: ChildProcess | None = None
        self._burial: asyncio.Task[None] | None = None
        self._next_id = 0
        #: Functions that look at nothing but the content of an event.
        self._content_only: set[str] = set()
        self._deadlines = Deadlines(self._over_time)
        self._running: dict[int, _Running] = {}
        #: Trigger values on their way; one may outlast the head of its streamed result.
        self._uploads: dict[int, OutgoingStream] = {}
        self._downloads: dict[int, ResultStream] = {}
        #: Invocations whose results are known and which still have something to do.
        self._lingering: set[int] = set()
        self._dying: dict[int, str] = {}
        self._loading: dict[str, asyncio.Future[ErrorInfo | None]] = {}
        self._indexing: asyncio.Future[dict[str, Any]] | None = None
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._idle = asyncio.Event()
        self._idle.set()
        #: The last line of its plain output before it was ready, or after that the interpreter's own last word.
        self._last_word = ""
        self._stopping = False
        self._killed = False
        #: Whether the worker can take invocations.
        self.alive = False
        self.pid = 0
        self.ended: asyncio.Future[str] = self._loop.create_future()
        self._on_frame = {
            "ready": self._on_ready,
            "indexed": self._on_indexed,
            "loaded": self._on_loaded,
            "result": self._on_result,
            "chunk": self._on_chunk,
            "done": self._on_done,
            "credit": self._on_credit,
            "running": self._on_running,
            "dying": self._on_dying,
            "log": self._on_log_frame,
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

    async def _launch(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._channel = await Channel.open(ours, self._receive)
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
        self._channel.send(
            {
                "type": "init",
                "root": str(self._settings.root),
                "threads": self._settings.threads,
                "debug": self._settings.debug,
                "fallback": self._settings.fallback and str(self._settings.fallback),
            }
        )

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

    async def index(self, script: Path) -> list[Indexed]:
        """The functions that decorators define in the script. Raises `IndexFailed`."""
        answer: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self._indexing = answer
        self._channel.send({"type": "index", "scriptFile": str(script)})
        await self._first(answer, LOAD_TIMEOUT)
        if not answer.done():
            raise IndexFailed(self._no_answer(f"while it imported {script.name}"))
        if "error" in answer.result():
            raise IndexFailed(ErrorInfo(**answer.result()["error"]))
        return msgspec.convert(answer.result()["functions"], list[Indexed])

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

    @property
    def in_flight(self) -> int:
        """Invocations that are not over yet."""
        return len(self._running) + len(self._downloads) + len(self._lingering)

    async def drain(self) -> None:
        """Take no more; return once all in flight are answered and the process has ended."""
        self.alive = False
        await self._idle.wait()
        if not self.ended.done():
            self._channel.send({"type": "drain"})
            await asyncio.wait({self.ended}, timeout=CANCEL_GRACE)
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

    async def _first(self, answer: asyncio.Future[Any], seconds: float) -> None:
        """Wait for an answer, or the end of the process, or the time."""
        waiting: list[asyncio.Future[Any]] = [answer, self.ended]
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)

    # -- invocations

    def invoke(self, call: Call) -> asyncio.Future[Result]:
        """Run an invocation. The future raises `WorkerLost` or `InvocationTimeout`."""
        future: asyncio.Future[Result] = self._loop.create_future()
        if not self.alive:
            future.set_exception(
                WorkerLost("the worker takes no more invocations", guilty=False, stopped=self._stopping)
            )
            return future
        self._next_id += 1
        id_ = self._next_id
        header = {"id": id_, **call.header}
        if header["function"] in self._content_only:
            for key in _BESIDE_CONTENT:
                header.pop(key, None)
        running = self._running[id_] = _Running(call, future)
        self._idle.clear()
        if call.timeout is not None:
            running.timer = self._deadlines.add(call.timeout, id_)
        if call.on_cancel:
            call.on_cancel(lambda: self._cancel(id_, "client", None))
        self._channel.send(header, *call.body)
        if call.stream is not None:
            self._uploads[id_] = OutgoingStream(self._channel, id_, call.stream)
        return future

    def _over_time(self, id_: int) -> None:
        running = self._running.get(id_)
        if running:
            self._cancel(id_, "timeout", running.call.timeout)

    def _cancel(self, id_: int, reason: str, after: float | None) -> None:
        running = self._running.get(id_)
        if running is None and id_ not in self._downloads:
            return
        header = {"type": "cancel", "id": id_, "reason": reason}
        if after is not None:
            header["after"] = after
        self._channel.send(header)
        if running and reason == "timeout":
            running.timed_out = True
            running.timer = self._loop.call_later(CANCEL_GRACE, self.kill).cancel

    def _settle(self, id_: int) -> _Running | None:
        running = self._running.pop(id_, None)
        if running and running.timer:
            running.timer()
        if id_ not in self._downloads:
            self._end_upload(id_)
        self._check_idle()
        return running

    def _check_idle(self) -> None:
        if not self.in_flight:
            self._idle.set()

    # -- frames

    def _receive(self, header: dict[str, Any], body: bytes) -> None:
        handler = self._on_frame.get(header["type"])
        if handler:
            handler(header, body)

    def _on_ready(self, _: dict[str, Any], __: bytes) -> None:
        self._last_word = ""
        if not self._ready.done():
            self._ready.set_result(None)

    def _on_indexed(self, header: dict[str, Any], _: bytes) -> None:
        if self._indexing and not self._indexing.done():
            self._indexing.set_result(header)

    def _on_loaded(self, header: dict[str, Any], _: bytes) -> None:
        if header.get("contentOnly"):
            self._content_only.add(header["function"])
        answer = self._loading.get(header["function"])
        if answer and not answer.done():
            answer.set_result(None if header["ok"] else ErrorInfo(**header["error"]))

    def _on_result(self, header: dict[str, Any], body: bytes) -> None:
        id_ = header["id"]
        self._note_lingering(header)
        stream: ResultStream | None = None
        if header["kind"] == "stream":
            stream = self._downloads[id_] = ResultStream(lambda size: self._credit(id_, size))
        running = self._settle(id_)
        if running and not running.timed_out and not running.future.done():
            running.future.set_result(read_result(header, body, stream))
            return
        if id_ in self._downloads:
            # Nobody will read it.
            self._credit(id_, -1)
        if running and not running.future.done():
            running.future.set_exception(_timeout(running.call))

    def _on_chunk(self, header: dict[str, Any], body: bytes) -> None:
        stream = self._downloads.get(header["id"])
        if stream:
            error = header.get("error")
            stream.feed(body, end=bool(header.get("end")), error=error["message"] if error else None)
            if header.get("end"):
                self._note_lingering(header)
                self._end_download(header["id"])

    def _note_lingering(self, header: dict[str, Any]) -> None:
        if header.get("lingers"):
            self._lingering.add(header["id"])

    def _on_done(self, header: dict[str, Any], _: bytes) -> None:
        self._lingering.discard(header["id"])
        self._check_idle()

    def _end_upload(self, id_: int) -> None:
        upload = self._uploads.pop(id_, None)
        if upload:
            upload.stop()

    def _end_download(self, id_: int) -> None:
        self._downloads.pop(id_, None)
        self._end_upload(id_)
        self._check_idle()

    def _credit(self, id_: int, size: int) -> None:
        if size < 0:
            # The reader has gone away.
            self._channel.send({"type": "cancel", "id": id_, "reason": "client"})
        elif id_ in self._downloads:
            self._channel.send({"type": "credit", "id": id_, "bytes": size})

    def _on_credit(self, header: dict[str, Any], _: bytes) -> None:
        upload = self._uploads.get(header["id"])
        if upload:
            upload.give(header["bytes"])

    def _on_running(self, header: dict[str, Any], _: bytes) -> None:
        """It had waited for a thread: the rest of its time begins now."""
        running = self._running.get(header["id"])
        if running and running.timed_out and running.call.timeout is not None:
            running.timed_out = False
            if running.timer:
                running.timer()
            rest = max(running.call.timeout - header["elapsed"], 0.01)
            running.timer = self._deadlines.add(rest, header["id"])

    def _on_dying(self, header: dict[str, Any], body: bytes) -> None:
        self._dying[header["id"]] = body.decode("utf-8", "replace")

    def _on_log_frame(self, header: dict[str, Any], body: bytes) -> None:
        self._on_log(header, body.decode("utf-8", "replace"))

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
        if not self._channel.offence:
            await asyncio.wait({child.exited}, timeout=CANCEL_GRACE)
        child.kill()
        code = await child.exited
        await asyncio.wait({self._channel.lost, child.silent}, timeout=_LAST_WORDS)
        child.close()
        self._channel.close()
        reason = self._reason(code)
        for stream in self._downloads.values():
            stream.feed(b"", end=True, error=reason)
        guilty = self._guilty()
        self._downloads.clear()
        self._lingering.clear()
        for id_ in list(self._uploads):
            self._end_upload(id_)
        for id_ in list(self._running):
            self._lose(id_, reason, guilty=id_ in guilty)
        self._idle.set()
        self.ended.set_result(reason)

    def _lose(self, id_: int, reason: str, *, guilty: bool) -> None:
        running = self._settle(id_)
        if running is None or running.future.done():
            return
        if running.timed_out:
            running.future.set_exception(_timeout(running.call))
            return
        words = f"{reason}, announced by {self._dying[id_]}" if id_ in self._dying else reason
        running.future.set_exception(WorkerLost(words, guilty=guilty, stopped=self._stopping))

    def _guilty(self) -> set[int]:
        """The invocations that are known to have ended the process."""
        if self._killed:
            return set()
        if self._dying:
            return set(self._dying)
        if self.in_flight != 1:
            return set()
        return {id_ for id_ in self._running if not self._never_arrived(id_)}

    def _never_arrived(self, id_: int) -> bool:
        """The process had died before it could read this invocation."""
        last = self._channel.last_sent
        return self._channel.unread and last.get("type") == "invoke" and last["id"] == id_

    def _reason(self, code: int) -> str:
        if self._channel.offence:
            return f"the worker process did not keep to the protocol ({self._channel.offence})"
        how = _describe_exit(code)
        return f"{how} ({self._last_word})" if self._last_word else how


def _describe_exit(code: int) -> str:
    if code >= 0:
        return f"the worker process exited with code {code}"
    try:
        return f"the worker process was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"the worker process was ended by signal {-code}"


def _timeout(call: Call) -> InvocationTimeout:
    return InvocationTimeout(f"The function ran past its timeout of {call.timeout:g} s and was stopped.")
