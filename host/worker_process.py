"""One worker process, seen from the host: started, loaded, called, and ended one way or another."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from ..bindings.errors import FunchostError
from ..triggers.base import ErrorInfo
from ..triggers.descriptor import Binding, FunctionDescriptor
from .channel import Channel
from .deadlines import Cancel, Deadlines
from .streams import OutgoingStream, ResultStream
from .worker.protocol import split

#: How long a function may go on after it was told that its time is over, in seconds (Azure's grace).
CANCEL_GRACE = 2.0

#: How long a new process may take to answer, in seconds.
START_TIMEOUT = 30.0

#: How long one function may take to load, in seconds.
LOAD_TIMEOUT = 120.0


class WorkerLost(FunchostError):
    """The worker process ended while it ran this invocation."""

    def __init__(self, reason: str, *, guilty: bool, stopped: bool = False) -> None:
        super().__init__(reason)
        #: Whether this invocation is known to have ended the process.
        self.guilty = guilty
        #: Whether the host ended the process because it is stopping or reloading.
        self.stopped = stopped


class InvocationTimeout(FunchostError):
    """The function ran past its timeout."""


class WorkerStartError(FunchostError):
    """The worker process did not start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """How worker processes are started."""

    root: Path
    python: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    #: Threads for plain functions; None is Python's default.
    threads: int | None = None
    debug: bool = False
    #: Write no byte code: two changes within a second would look like one.
    fresh_code: bool = False
    #: Folders in which writes of functions are to be told.
    watched: tuple[str, ...] = ()


class Call(msgspec.Struct):
    """One invocation for a worker."""

    #: The header of its `invoke` frame; `id` is filled in by the worker it goes to.
    header: dict[str, Any]
    body: tuple[bytes, ...] = ()
    stream: AsyncIterable[bytes] | None = None
    #: Seconds; None means no limit.
    timeout: float | None = None
    #: Told how the invocation can be cancelled, once it runs.
    on_cancel: Callable[[Callable[[], None]], None] | None = None


class Result(msgspec.Struct, kw_only=True):
    """What a worker answered."""

    kind: str
    data: dict[str, Any]
    body: bytes | AsyncIterable[bytes]
    #: Name, kind and content of each output binding that was given a value.
    outputs: list[tuple[str, str, bytes]]
    error: ErrorInfo | None
    #: Watched files that the run wrote; None where that is not looked for.
    wrote: list[str] | None


#: Called with what user code printed or logged: the `log` frame's header and its text.
OnLog = Callable[[dict[str, Any], str], None]


class _Running:
    """Book-keeping of one invocation in flight."""

    __slots__ = ("call", "future", "timed_out", "timer", "upload")

    def __init__(self, call: Call, future: asyncio.Future[Result]) -> None:
        self.call = call
        self.future = future
        self.timer: Cancel | None = None
        self.timed_out = False
        self.upload: OutgoingStream | None = None


class WorkerProcess:
    """A started worker. `ended` is done, with the reason, once the process is gone."""

    def __init__(self, settings: WorkerSettings, on_log: OnLog) -> None:
        self._loop = asyncio.get_running_loop()
        self._settings = settings
        self._on_log = on_log
        self._next_id = 0
        self._deadlines = Deadlines(self._over_time)
        self._running: dict[int, _Running] = {}
        self._downloads: dict[int, ResultStream] = {}
        self._dying: dict[int, str] = {}
        self._loading: dict[str, asyncio.Future[ErrorInfo | None]] = {}
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._idle = asyncio.Event()
        self._idle.set()
        self._last_words: list[str] = []
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.pid = 0
        self.ended: asyncio.Future[str] = self._loop.create_future()
        self._on_frame = {
            "ready": self._on_ready,
            "loaded": self._on_loaded,
            "result": self._on_result,
            "chunk": self._on_chunk,
            "credit": self._on_credit,
            "running": self._on_running,
            "dying": self._on_dying,
            "log": self._on_log_frame,
        }

    # -- life

    async def start(self) -> None:
        """Start the process and return once it answers. Raises `WorkerStartError`."""
        ours, theirs = socket.socketpair()
        environment = {**os.environ, **self._settings.environment, "FUNCHOST_WORKER_FD": str(theirs.fileno())}
        flags = ["-P", "-B"] if self._settings.fresh_code else ["-P"]
        script = Path(__file__).parent / "worker" / "__main__.py"
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(str(self._settings.python), *flags, str(script)),
                stdin=PIPE,
                stdout=PIPE,
                stderr=STDOUT,
                env=environment,
                cwd=self._settings.root,
                pass_fds=(theirs.fileno(),),
            )
        except OSError as error:
            ours.close()
            raise WorkerStartError(
                f"The interpreter {self._settings.python} cannot be started ({error.strerror}). "
                "Choose another with --python."
            ) from error
        finally:
            theirs.close()
        self.pid = self._process.pid
        self._channel = await Channel.open(ours, self._receive)
        self._spawn(self._read_output())
        self._spawn(self._bury())
        self._channel.send(
            {
                "type": "init",
                "root": str(self._settings.root),
                "threads": self._settings.threads,
                "debug": self._settings.debug,
                "watched": self._settings.watched,
            }
        )
        await self._first(self._ready, START_TIMEOUT)
        if not self._ready.done():
            self.kill()
            why = self.ended.result() if self.ended.done() else f"no answer within {START_TIMEOUT:.0f} s"
            raise WorkerStartError(f"A worker under {self._settings.python} did not start: {why}.")

    async def load(self, function: FunctionDescriptor) -> ErrorInfo | None:
        """Have the function's code read; returns why that failed, or None. Never raises."""
        answer: asyncio.Future[ErrorInfo | None] = self._loop.create_future()
        self._loading[function.name] = answer
        self._channel.send({"type": "load", "function": _load_frame(function)})
        await self._first(answer, LOAD_TIMEOUT)
        self._loading.pop(function.name, None)
        if answer.done():
            return answer.result()
        if self.ended.done():
            return ErrorInfo(
                "WorkerLost", f"The worker ended while it loaded this function: {self.ended.result()}."
            )
        self.kill()
        return ErrorInfo("TimeoutError", f"It was still loading after {LOAD_TIMEOUT:.0f} s.")

    @property
    def in_flight(self) -> int:
        """Invocations that have no result yet."""
        return len(self._running) + len(self._downloads)

    @property
    def alive(self) -> bool:
        """Whether the worker can take invocations."""
        return self._ready.done() and not self.ended.done() and not self._stopping

    async def drain(self) -> None:
        """Take no more; return once all in flight are answered and the process has ended."""
        self._stopping = True
        await self._idle.wait()
        if not self.ended.done():
            self._channel.send({"type": "drain"})
            await asyncio.wait({self.ended}, timeout=CANCEL_GRACE)
        await self.stop()

    async def stop(self) -> None:
        """End the process now; invocations in flight are interrupted. Returns when it is gone."""
        self._stopping = True
        self.kill()
        await self.ended
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def kill(self) -> None:
        """End the process now, without waiting."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def _first(self, answer: asyncio.Future[Any], seconds: float) -> None:
        """Wait for an answer, or the end of the process, or the time."""
        waiting: list[asyncio.Future[Any]] = [answer, self.ended]
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)

    # -- invocations

    def invoke(self, call: Call) -> asyncio.Future[Result]:
        """Run an invocation. The future raises `WorkerLost` or `InvocationTimeout`."""
        self._next_id += 1
        id_ = self._next_id
        header = call.header
        header["id"] = id_
        running = _Running(call, self._loop.create_future())
        self._running[id_] = running
        self._idle.clear()
        if call.timeout is not None:
            running.timer = self._deadlines.add(call.timeout, id_)
        if call.on_cancel:
            call.on_cancel(lambda: self._cancel(id_, "client", None))
        self._channel.send(header, *call.body)
        if call.stream is not None:
            running.upload = OutgoingStream(self._channel, id_)
            self._spawn(running.upload.send(call.stream))
        return running.future

    def _over_time(self, id_: int) -> None:
        running = self._running.get(id_)
        if running:
            self._cancel(id_, "timeout", running.call.timeout)

    def _cancel(self, id_: int, reason: str, after: float | None) -> None:
        running = self._running.get(id_)
        if running is None:
            return
        header = {"type": "cancel", "id": id_, "reason": reason}
        if after is not None:
            header["after"] = after
        self._channel.send(header)
        if reason == "timeout":
            running.timed_out = True
            running.timer = self._loop.call_later(CANCEL_GRACE, self.kill).cancel

    def _settle(self, id_: int) -> _Running | None:
        running = self._running.pop(id_, None)
        if running:
            if running.timer:
                running.timer()
            if running.upload:
                running.upload.stop()
        if not self._running and not self._downloads:
            self._idle.set()
        return running

    # -- frames

    def _receive(self, header: dict[str, Any], body: bytes) -> None:
        handler = self._on_frame.get(header["type"])
        if handler:
            handler(header, body)

    def _on_ready(self, _: dict[str, Any], __: bytes) -> None:
        if not self._ready.done():
            self._ready.set_result(None)

    def _on_loaded(self, header: dict[str, Any], _: bytes) -> None:
        answer = self._loading.get(header["function"])
        if answer and not answer.done():
            answer.set_result(None if header["ok"] else ErrorInfo(**header["error"]))

    def _on_result(self, header: dict[str, Any], body: bytes) -> None:
        id_ = header["id"]
        content: bytes | AsyncIterable[bytes] = body
        if header["kind"] == "stream":
            content = self._downloads[id_] = ResultStream(lambda size: self._credit(id_, size))
        running = self._settle(id_)
        if running is None or running.future.done():
            return
        if running.timed_out:
            running.future.set_exception(_timeout(running.call))
            return
        running.future.set_result(_result(header, content))

    def _on_chunk(self, header: dict[str, Any], body: bytes) -> None:
        stream = self._downloads.get(header["id"])
        if stream:
            error = header.get("error")
            stream.feed(body, end=bool(header.get("end")), error=error["message"] if error else None)
            if header.get("end"):
                self._end_download(header["id"])

    def _end_download(self, id_: int) -> None:
        self._downloads.pop(id_, None)
        if not self._running and not self._downloads:
            self._idle.set()

    def _credit(self, id_: int, size: int) -> None:
        if size < 0:
            # The reader has gone away.
            self._channel.send({"type": "cancel", "id": id_, "reason": "client"})
        elif id_ in self._downloads:
            self._channel.send({"type": "credit", "id": id_, "bytes": size})

    def _on_credit(self, header: dict[str, Any], _: bytes) -> None:
        running = self._running.get(header["id"])
        if running and running.upload:
            running.upload.give(header["bytes"])

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

    # -- the end

    async def _read_output(self) -> None:
        """What native code, child processes and a crashing interpreter write."""
        assert self._process.stdout is not None
        while True:
            try:
                line = await self._process.stdout.readline()
            except ValueError:
                continue  # a line longer than the reader's buffer: its pieces are passed over
            if not line:
                return
            text = line.decode("utf-8", "replace").rstrip("\n")
            self._last_words = [*self._last_words[-19:], text]
            self._on_log({"level": "info", "stream": "output", "pid": self.pid}, text)

    async def _bury(self) -> None:
        """Wait for the end of the process, then tell every invocation what that means for it."""
        await self._channel.lost
        # A stream that ended while the process lives on is no use either.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), CANCEL_GRACE)
        self.kill()
        code = await self._process.wait()
        reason = _reason(code, self._last_words)
        killed_for_timeout = any(running.timed_out for running in self._running.values())
        guilty = self._guilty(killed_for_timeout)
        for stream in self._downloads.values():
            stream.feed(b"", end=True, error=reason)
        self._downloads.clear()
        for id_ in list(self._running):
            running = self._settle(id_)
            if running is None or running.future.done():
                continue
            if running.timed_out:
                running.future.set_exception(_timeout(running.call))
            else:
                words = f"{reason}, announced by {self._dying[id_]}" if id_ in self._dying else reason
                running.future.set_exception(WorkerLost(words, guilty=id_ in guilty, stopped=self._stopping))
        self._idle.set()
        self.ended.set_result(reason)

    def _guilty(self, killed_for_timeout: bool) -> set[int]:
        if self._stopping or killed_for_timeout:
            return set()
        if self._dying:
            return set(self._dying)
        return set(self._running) if len(self._running) == 1 else set()

    def _spawn(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _result(header: dict[str, Any], body: bytes | AsyncIterable[bytes]) -> Result:
    outputs: list[tuple[str, str, bytes]] = []
    if isinstance(body, bytes) and "outputs" in header:
        body, *contents = split(body, header["sizes"])
        named = zip(header["outputs"], contents, strict=True)
        outputs = [(entry["name"], entry["kind"], content) for entry, content in named]
    error = header.get("error")
    return Result(
        kind=header["kind"],
        data=header.get("data", {}),
        body=body,
        outputs=outputs,
        error=ErrorInfo(**error) if error else None,
        wrote=header.get("wrote"),
    )


def _timeout(call: Call) -> InvocationTimeout:
    return InvocationTimeout(f"The function ran past its timeout of {call.timeout:g} s and was stopped.")


def _reason(code: int, last_words: list[str]) -> str:
    if code < 0:
        try:
            how = f"the worker process was ended by {signal.Signals(-code).name}"
        except ValueError:
            how = f"the worker process was ended by signal {-code}"
    else:
        how = f"the worker process exited with code {code}"
    fatal = next((line for line in last_words if line.startswith("Fatal Python error")), None)
    return f"{how} ({fatal})" if fatal else how


def _load_frame(function: FunctionDescriptor) -> dict[str, Any]:
    return {
        "name": function.name,
        "directory": str(function.directory),
        "scriptFile": str(function.script_file),
        "entryPoint": function.entry_point,
        "trigger": _binding_frame(function.trigger),
        "bindings": [_binding_frame(binding) for binding in function.bindings],
    }


def _binding_frame(binding: Binding) -> dict[str, Any]:
    return {
        "type": binding.type,
        "name": binding.name,
        "direction": binding.direction,
        "dataType": binding.data_type,
        "cardinality": binding.cardinality,
        "fields": binding.fields,
    }


def default_python(root: Path) -> Path:
    """The app's own interpreter when it has one, else the host's."""
    folder = ("Scripts", "python.exe") if sys.platform == "win32" else ("bin", "python")
    own = root.joinpath(".venv", *folder)
    return own if own.exists() else Path(sys.executable)
