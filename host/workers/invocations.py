"""The invocations in flight in one worker: their time, their streams, and what is left of them after the result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from ..worker.progress import LARGEST_STATUS
from .call import Call, InvocationTimeout, Result, WorkerLost, read_result
from .channel import Channel, OnFrame
from .deadlines import Cancel, Deadlines
from .frames import Header
from .streams import OutgoingStream, ResultStream

#: How long a function may go on after it was told that its time is over, in seconds (Azure's grace).
CANCEL_GRACE = 2.0

#: What is left out of an invocation for a function that looks at the content alone: a third of the work on it.
_BESIDE_CONTENT = ("data", "metadata", "trace", "retry", "fence")


class _Running:
    """An invocation without a result."""

    __slots__ = ("call", "future", "timed_out", "timer")

    def __init__(self, call: Call, future: asyncio.Future[Result]) -> None:
        self.call = call
        self.future = future
        self.timer: Cancel | None = None
        self.timed_out = False

    def time_out(self) -> None:
        """End without a result: its time is over."""
        if not self.future.done():
            limit = self.call.timeout
            why = f"The function ran past its timeout of {limit:g} s and was stopped."
            self.future.set_exception(InvocationTimeout(why))

    def lose(self, lost: WorkerLost) -> None:
        """End without a result: its worker is gone."""
        if self.timed_out:
            self.time_out()
        elif not self.future.done():
            self.future.set_exception(lost)


class Invocations:
    """Sends invocations to a worker and takes in what the worker says of them.

    `kill` is called when one goes on past its timeout and the grace after it.
    """

    def __init__(self, channel: Channel, kill: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._channel = channel
        self._kill = kill
        self._next_id = 0
        self._deadlines = Deadlines(self._over_time)
        self._running: dict[int, _Running] = {}
        #: Trigger values on their way; one may outlast the head of its streamed result.
        self._uploads: dict[int, OutgoingStream] = {}
        self._downloads: dict[int, ResultStream] = {}
        #: Those whose results are known and which still have something to do.
        self._lingering: set[int] = set()
        #: Those that announced that they end the process, and by what.
        self._dying: dict[int, str] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        #: What takes in the frames that are about invocations, by their type.
        self.on_frame: dict[str, OnFrame] = {
            "result": self._on_result,
            "chunk": self._on_chunk,
            "done": self._on_done,
            "credit": self._on_credit,
            "running": self._on_running,
            "progress": self._on_progress,
            "dying": self._on_dying,
        }

    @property
    def in_flight(self) -> int:
        """How many are not over yet."""
        return len(self._running) + len(self._downloads) + len(self._lingering)

    async def over(self) -> None:
        """Return once none is in flight."""
        await self._idle.wait()

    def begin(self, call: Call, *, content_only: bool) -> asyncio.Future[Result]:
        """Send an invocation, for a function that may look at the content alone.

        The future raises `WorkerLost` or `InvocationTimeout`.
        """
        future: asyncio.Future[Result] = self._loop.create_future()
        self._next_id += 1
        id_ = self._next_id
        header = {"id": id_, **call.header}
        if content_only:
            for key in _BESIDE_CONTENT:
                header.pop(key, None)
        running = self._running[id_] = _Running(call, future)
        self._idle.clear()
        if call.timeout is not None:
            running.timer = self._deadlines.add(call.timeout, id_)
        if call.on_cancel:
            call.on_cancel(lambda: self._cancel(id_, "client"))
        if call.on_abort:
            call.on_abort(lambda: self._abort(id_))
        self._channel.send(header, *call.body)
        if call.stream is not None:
            self._uploads[id_] = OutgoingStream(self._channel, id_, call.stream)
        return future

    def lose(self, reason: str, *, killed: bool, stopping: bool) -> None:
        """Tell everyone what the end of the process means for them; `killed` when it was the host's doing."""
        guilty = set() if killed else self._guilty()
        for stream in self._downloads.values():
            stream.feed(b"", end=True, error=reason)
        self._downloads.clear()
        self._lingering.clear()
        for id_ in list(self._uploads):
            self._end_upload(id_)
        for id_ in list(self._running):
            running = self._settle(id_)
            words = f"{reason}, announced by {self._dying[id_]}" if id_ in self._dying else reason
            if running:
                running.lose(WorkerLost(words, guilty=id_ in guilty, stopped=stopping))
        self._idle.set()

    def _guilty(self) -> set[int]:
        """Those that are known to have ended the process."""
        if self._dying:
            return set(self._dying)
        if self.in_flight != 1:
            return set()
        return {id_ for id_ in self._running if not self._never_arrived(id_)}

    def _never_arrived(self, id_: int) -> bool:
        """The process had died before it could read this one."""
        last = self._channel.last_sent
        return self._channel.unread and last.get("type") == "invoke" and last["id"] == id_

    # -- time

    def _over_time(self, id_: int) -> None:
        running = self._running.get(id_)
        if running:
            self._cancel(id_, "timeout", after=running.call.timeout)
            running.timed_out = True
            running.timer = self._loop.call_later(CANCEL_GRACE, self._kill).cancel

    def _abort(self, id_: int) -> None:
        """Cancel it, and end the worker if it goes on past the grace."""
        running = self._running.get(id_)
        if running:
            self._cancel(id_, "client")
            if running.timer:
                running.timer()
            running.timer = self._loop.call_later(CANCEL_GRACE, self._kill).cancel

    def _cancel(self, id_: int, reason: str, **more: object) -> None:
        if id_ in self._running or id_ in self._downloads:
            self._channel.send({"type": "cancel", "id": id_, "reason": reason, **more})

    def _on_running(self, header: Header, _: bytes) -> None:
        """It had waited for a thread: the rest of its time begins now."""
        running = self._running.get(header["id"])
        if running and running.timed_out and running.call.timeout is not None:
            running.timed_out = False
            if running.timer:
                running.timer()
            rest = max(running.call.timeout - header["elapsed"], 0.01)
            running.timer = self._deadlines.add(rest, header["id"])

    # -- what it says of itself

    def _on_progress(self, header: Header, body: bytes) -> None:
        """Raises `ValueError` and `RecursionError` for what is no progress, which ends the worker."""
        progress = header.get("progress")
        if progress is not None and not 0 <= progress <= 1:
            raise ValueError("Progress is a number from 0 to 1.")
        if len(body) > LARGEST_STATUS:
            raise ValueError("The status of a run is too large.")
        status = msgspec.json.decode(body) if body else None
        running = self._running.get(header["id"])
        if running and running.call.on_progress:
            running.call.on_progress(progress, status)

    # -- results

    def _on_result(self, header: Header, body: bytes) -> None:
        id_ = header["id"]
        streams = header["kind"] == "stream"
        stream = ResultStream(lambda size: self._credit(id_, size)) if streams else None
        # First, since what is no result is the end of the worker, and its invocations are lost as they stand.
        result = read_result(header, body, stream)
        self._note_lingering(header)
        if stream:
            self._downloads[id_] = stream
        running = self._settle(id_)
        if running and not running.timed_out and not running.future.done():
            running.future.set_result(result)
            return
        if id_ in self._downloads:
            # Nobody will read it.
            self._credit(id_, -1)
        if running:
            running.time_out()

    def _settle(self, id_: int) -> _Running | None:
        running = self._running.pop(id_, None)
        if running and running.timer:
            running.timer()
        if id_ not in self._downloads:
            self._end_upload(id_)
        self._check_idle()
        return running

    def _note_lingering(self, header: Header) -> None:
        if header.get("lingers"):
            self._lingering.add(header["id"])

    def _on_done(self, header: Header, _: bytes) -> None:
        self._lingering.discard(header["id"])
        self._check_idle()

    def _on_dying(self, header: Header, body: bytes) -> None:
        self._dying[header["id"]] = body.decode("utf-8", "replace")

    def _check_idle(self) -> None:
        if not self.in_flight:
            self._idle.set()

    # -- streams

    def _on_chunk(self, header: Header, body: bytes) -> None:
        stream = self._downloads.get(header["id"])
        if stream:
            error = header.get("error")
            stream.feed(body, end=bool(header.get("end")), error=error["message"] if error else None)
            if header.get("end"):
                self._note_lingering(header)
                self._end_download(header["id"])

    def _on_credit(self, header: Header, _: bytes) -> None:
        upload = self._uploads.get(header["id"])
        if upload:
            upload.give(header["bytes"])

    def _credit(self, id_: int, size: int) -> None:
        if size < 0:
            # The reader has gone away.
            self._channel.send({"type": "cancel", "id": id_, "reason": "client"})
        elif id_ in self._downloads:
            self._channel.send({"type": "credit", "id": id_, "bytes": size})

    def _end_upload(self, id_: int) -> None:
        upload = self._uploads.pop(id_, None)
        if upload:
            upload.stop()

    def _end_download(self, id_: int) -> None:
        self._downloads.pop(id_, None)
        self._end_upload(id_)
        self._check_idle()
