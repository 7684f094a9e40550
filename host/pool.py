"""The workers: generations of processes, each with one state of the app's code.

A change of code starts a new generation beside the old one. A function moves over once it loads there; a function
whose new code does not load stays where it last did. A generation that serves no function any more drains and ends.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable
from typing import Any

from ..bindings.errors import FunchostError
from ..triggers.base import ErrorInfo
from ..triggers.descriptor import FunctionDescriptor
from .worker_process import (
    Call,
    OnLog,
    Result,
    WorkerLost,
    WorkerProcess,
    WorkerSettings,
    WorkerStartError,
)

#: Pauses before a dead worker is replaced, in seconds: none, then growing while they die young.
BACK_OFF = (0.0, 0.1, 0.2, 0.4, 0.8)

#: A worker that lived this long, in seconds, is replaced without a pause.
GROWN_UP = 30.0

#: How long the worker for suspects is kept without work, in seconds.
SOLO_IDLE = 10.0

Report = Callable[[str], None]


class Generation:
    """Worker processes with one state of the code."""

    def __init__(
        self, number: int, count: int, settings: WorkerSettings, on_log: OnLog, report: Report
    ) -> None:
        self.number = number
        self._count = count
        self._settings = settings
        self._on_log = on_log
        self._report = report
        self._functions: dict[str, FunctionDescriptor] = {}
        self._workers: list[WorkerProcess] = []
        self._starting: set[WorkerProcess] = set()
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._retired = False
        self._deaths = 0
        self._solo = _Solo(self._start_loaded)

    async def start(self, functions: Iterable[FunctionDescriptor]) -> dict[str, ErrorInfo]:
        """Start the first worker and load the functions; returns those that cannot be loaded, with the reason.

        The other workers start in the background.
        """
        errors: dict[str, ErrorInfo] = {}
        remaining = list(functions)
        worker = await self._start_one()
        for function in remaining:
            if not worker.alive:
                # The function before this one took the worker with it.
                worker = await self._start_loaded()
            error = await worker.load(function)
            if error:
                errors[function.name] = error
            else:
                self._functions[function.name] = function
        if not worker.alive:
            worker = await self._start_loaded()
        self._take_in(worker)
        for _ in range(self._count - 1):
            self._spawn(self._replace(0))
        return errors

    def invoke(self, call: Call) -> asyncio.Future[Result] | asyncio.Task[Result]:
        """Run an invocation on the worker with the least to do."""
        workers = self._workers
        if len(workers) == 1 and workers[0].alive:
            return workers[0].invoke(call)
        alive = [worker for worker in workers if worker.alive]
        if alive:
            return min(alive, key=lambda worker: worker.in_flight).invoke(call)
        return asyncio.ensure_future(self._invoke_later(call))

    async def invoke_alone(self, call: Call) -> Result:
        """Run an invocation with nothing beside it in its worker, so that only it can be to blame."""
        return await self._solo.invoke(call)

    async def retire(self) -> None:
        """Take nothing new; return once all in flight are answered and the workers are gone."""
        self._retired = True
        await asyncio.gather(*(worker.drain() for worker in [*self._workers, *self._starting]))
        await self._end()

    async def stop(self) -> None:
        """End all workers now; what is in flight is interrupted."""
        self._retired = True
        await asyncio.gather(*(worker.stop() for worker in [*self._workers, *self._starting]))
        await self._end()

    def kill(self) -> None:
        """End all workers now, without waiting for it."""
        self._retired = True
        for worker in [*self._workers, *self._starting]:
            worker.kill()

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers that serve."""
        return [worker.pid for worker in self._workers]

    @property
    def in_flight(self) -> int:
        """Invocations that have no result yet."""
        return sum(worker.in_flight for worker in self._workers)

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._solo.stop()
        self._changed.set()

    async def _invoke_later(self, call: Call) -> Result:
        while not any(worker.alive for worker in self._workers):
            if self._retired:
                raise WorkerLost("the host is stopping", guilty=False, stopped=True)
            self._changed.clear()
            await self._changed.wait()
        return await self.invoke(call)

    async def _start_one(self) -> WorkerProcess:
        worker = WorkerProcess(self._settings, self._on_log)
        self._starting.add(worker)
        try:
            await worker.start()
        finally:
            self._starting.discard(worker)
        return worker

    async def _start_loaded(self) -> WorkerProcess:
        """A new worker with every function that is known to load."""
        worker = await self._start_one()
        for function in self._functions.values():
            error = await worker.load(function)
            if error:
                self._report(
                    f"{function.name} no longer loads in a new worker: {error.type}: {error.message}"
                )
        return worker

    def _take_in(self, worker: WorkerProcess) -> None:
        self._workers.append(worker)
        self._changed.set()
        self._spawn(self._watch(worker))

    async def _watch(self, worker: WorkerProcess) -> None:
        born = asyncio.get_running_loop().time()
        reason = await worker.ended
        self._workers.remove(worker)
        if self._retired:
            return
        if asyncio.get_running_loop().time() - born > GROWN_UP:
            self._deaths = 0
        pause = BACK_OFF[min(self._deaths, len(BACK_OFF) - 1)]
        self._deaths += 1
        self._report(f"Worker {worker.pid} is gone: {reason}. A new one is being started.")
        await self._replace(pause)

    async def _replace(self, pause: float) -> None:
        while not self._retired:
            await asyncio.sleep(pause)
            try:
                worker = await self._start_loaded()
            except WorkerStartError as error:
                if self._retired:
                    return
                self._report(str(error))
                pause = BACK_OFF[-1]
                continue
            self._take_in(worker)
            return

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Solo:
    """A worker for invocations that may have ended another: one at a time, made when needed."""

    def __init__(self, make: Callable[[], Awaitable[WorkerProcess]]) -> None:
        self._make = make
        self._turn = asyncio.Lock()
        self._worker: WorkerProcess | None = None
        self._closing: asyncio.TimerHandle | None = None

    async def invoke(self, call: Call) -> Result:
        async with self._turn:
            if self._closing:
                self._closing.cancel()
            if self._worker is None or not self._worker.alive:
                self._worker = await self._make()
            try:
                return await self._worker.invoke(call)
            finally:
                self._closing = asyncio.get_running_loop().call_later(SOLO_IDLE, self._worker.kill)

    async def stop(self) -> None:
        if self._closing:
            self._closing.cancel()
        if self._worker:
            await self._worker.stop()


class Pool:
    """All generations, and which of them serves each function."""

    def __init__(self, settings: WorkerSettings, count: int, on_log: OnLog, report: Report) -> None:
        self._settings = settings
        self._count = count
        self._on_log = on_log
        self._report = report
        self._number = 0
        self._serving: dict[str, Generation] = {}
        self._retiring: set[asyncio.Task[None]] = set()
        self._generations: list[Generation] = []

    async def load(
        self,
        functions: Iterable[FunctionDescriptor],
        settings: WorkerSettings | None = None,
        *,
        keep: Collection[str] = (),
    ) -> dict[str, ErrorInfo]:
        """Bring the current code of all functions into service.

        Returns those that do not load. One that did before goes on being served as it was, and so do those
        that are named in `keep`; all others are not served any more.
        """
        self._settings = settings or self._settings
        wanted = list(functions)
        self._number += 1
        new = Generation(self._number, self._count, self._settings, self._on_log, self._report)
        self._generations.append(new)
        errors = await new.start(wanted)
        names = {function.name for function in wanted}
        for name in names - set(errors):
            self._serving[name] = new
        for name in set(self._serving) - names - set(keep):
            del self._serving[name]
        self._retire_unused()
        return errors

    def serves(self, function: str) -> bool:
        """Whether some state of the function's code is in service."""
        return function in self._serving

    def invoke(self, call: Call) -> asyncio.Future[Result] | asyncio.Task[Result]:
        """Run an invocation; raises `FunchostError` when nothing serves the function."""
        return self._generation(call).invoke(call)

    async def invoke_alone(self, call: Call) -> Result:
        """Run an invocation with nothing beside it in its worker."""
        return await self._generation(call).invoke_alone(call)

    @property
    def pids(self) -> list[int]:
        """The process ids of all workers that serve."""
        return [pid for generation in self._generations for pid in generation.pids]

    def kill(self) -> None:
        """End all workers now, without waiting for it."""
        for generation in self._generations:
            generation.kill()

    async def stop(self) -> None:
        """End all workers now; what is in flight is interrupted."""
        for task in self._retiring:
            task.cancel()
        await asyncio.gather(*self._retiring, return_exceptions=True)
        await asyncio.gather(*(generation.stop() for generation in self._generations))
        self._serving.clear()

    def _generation(self, call: Call) -> Generation:
        try:
            return self._serving[call.header["function"]]
        except KeyError:
            raise FunchostError(f"No code of the function '{call.header['function']}' is loaded.") from None

    def _retire_unused(self) -> None:
        used = set(self._serving.values())
        for generation in [one for one in self._generations[:-1] if one not in used]:
            self._generations.remove(generation)
            task = asyncio.get_running_loop().create_task(self._retire(generation))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    async def _retire(self, generation: Generation) -> None:
        try:
            await generation.retire()
        except asyncio.CancelledError:
            await generation.stop()
            with contextlib.suppress(asyncio.CancelledError):
                raise
